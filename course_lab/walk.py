"""Populations that walk over a landscape, as a picture that moves without the kernel.

    play({"σ = 0.2": wander(sigma=0.2)})

The landscape is a slice through all 2,356 weights of the small network of four digits: to the right
lies what training on 0 and 1 alone would change in the untrained network, upwards what training on
2 and 3 alone would change. A population of evolution strategies may move within this slice and
nowhere else, so that one can watch all that it does.
"""

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from course_lab.four_digits import fitness_of, four_digits, small_network
from course_lab.picture import Moving, moving
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.fitness import centred_ranks
from course_lib.run.figures import COLOURS, new_figure, png

SCRIPT = Path(__file__).with_name("walk.js")
SPAN, SIDE, LEVELS = (-0.7, 2.1), 57, 14
EVERY = 8  # of the 160 recordings this one is seen: 20 in all, so that the terraces are wide
ACROSS, UP = "towards telling 0 from 1", "towards telling 2 from 3"


@dataclass(frozen=True)
class Walk:
    """A walk of K generations of N members.

    means (K + 1, 2), members (K, N, 2), better (K, N): fitter than the middle of its generation,
    fitness (K + 1,) of the mean, ties: share of pairs whose two members are equally fit.
    """

    means: np.ndarray
    members: np.ndarray
    better: np.ndarray
    fitness: np.ndarray
    ties: float


@functools.cache
def directions() -> tuple[Tensor, Tensor]:
    """The untrained weights (d,), and the two directions of the slice (2, d)."""
    data = four_digits()
    start = parameters_to_vector(small_network("rate").parameters()).detach()
    found = []
    for digits in ((0, 1), (2, 3)):
        network = small_network("rate")
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        rows = torch.isin(data.labels, torch.tensor(digits)).nonzero()[:, 0]
        for step in range(40):
            SurrogateBPTT().fill_grads(network, data.frames[:, rows], data.labels[rows], step)
            optimizer.step()
        found.append(parameters_to_vector(network.parameters()).detach() - start)
    across, up = found
    up = up - across * (across @ up) / (across @ across)
    return start, torch.stack([across, up * across.norm() / up.norm()])


def height(points: Tensor) -> Tensor:
    """Fitness (N,) of points (N, 2) of the slice, on 20 recordings, through spike rates."""
    (start, plane), data = directions(), four_digits()
    frames, labels = data.frames[:, ::EVERY], data.labels[::EVERY]
    network = small_network("rate")
    return torch.cat(
        [fitness_of(network, start + some @ plane, frames, labels) for some in points.split(128)]
    )


@functools.cache
def landscape() -> np.ndarray:
    """Fitness on the grid of the slice, (SIDE, SIDE): rows upwards."""
    axis = torch.linspace(*SPAN, SIDE, dtype=torch.float64)
    return height(torch.cartesian_prod(axis, axis).flip(1)).view(SIDE, SIDE).numpy()


def wander(
    sigma: float, members: int = 32, generations: int = 30, rate: float = 0.08, seed: int = 0
) -> Walk:
    """Mirrored pairs, centred ranks and Adam, in the two coordinates of the slice."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.zeros(2, dtype=torch.float64)
    optimizer = torch.optim.Adam([mean], lr=rate)
    means, clouds, better, tied = [mean.clone()], [], [], []
    for _ in range(generations):
        half = torch.randn(members // 2, 2, generator=generator, dtype=torch.float64)
        noise = torch.cat([half, -half])
        cloud = mean + sigma * noise
        found = height(cloud)
        mean.grad = -(centred_ranks(found) @ noise) / (members * sigma)
        optimizer.step()
        means.append(mean.clone())
        clouds.append(cloud)
        better.append(found > found.median())
        tied.append((found[: members // 2] == found[members // 2 :]).double().mean())
    path = torch.stack(means)
    return Walk(path.numpy(), torch.stack(clouds).numpy(), torch.stack(better).numpy(),
                height(path).numpy(), torch.stack(tied).mean().item())  # fmt: skip


def play(walks: Mapping[str, Walk]) -> Moving:
    """A player of these walks side by side. Raises ValueError if there is none."""
    if not walks:
        raise ValueError("play needs at least one walk, such as {'σ = 0.2': wander(sigma=0.2)}")
    ground = landscape()
    share = (ground - ground.min()) / (ground.max() - ground.min())
    levels = (np.floor(share * LEVELS).clip(0, LEVELS - 1) * 255 / (LEVELS - 1)).astype(np.uint8)
    data = {
        "levels": base64.b64encode(levels.tobytes()).decode(), "size": SIDE, "span": SPAN,
        "across": ACROSS, "up": UP,
        "walks": [
            {
                "name": name, "means": one.means.round(4).tolist(),
                "members": one.members.round(3).tolist(),
                "better": ["".join(map(str, row)) for row in one.better.astype(int)],
                "fitness": one.fitness.round(3).tolist(),
            }
            for name, one in walks.items()
        ],
    }  # fmt: skip
    alt = in_words(walks)
    return moving(SCRIPT, data, still(ground, walks), alt)


def in_words(walks: Mapping[str, Walk]) -> str:
    """The picture in words: where each walk begins and where it ends."""
    told = [
        f"{name}: from fitness {one.fitness[0]:.2f} to {one.fitness[-1]:.2f} in "
        f"{len(one.members)} generations of {one.members.shape[1]} members"
        for name, one in walks.items()
    ]
    return "A cloud of dots walks over a landscape in terraces. " + "; ".join(told) + "."


def still(ground: np.ndarray, walks: Mapping[str, Walk]) -> bytes:
    """The whole path of every mean and its last population, as PNG."""
    figure, axes = new_figure(1, len(walks), 3.4 * len(walks), 3.4, squeeze=False)
    axis = np.linspace(*SPAN, SIDE)
    for ax, (name, one) in zip(axes[0], walks.items(), strict=True):
        ax.contourf(axis, axis, ground, LEVELS, cmap="Blues")
        ax.plot(*one.members[-1].T, ".", color=COLOURS["black"])
        ax.plot(*one.means.T, color=COLOURS["vermilion"])
        ax.plot(*one.means[-1], "o", color=COLOURS["vermilion"])
        ax.set(xlim=SPAN, ylim=SPAN, xticks=[], yticks=[], title=name, xlabel=ACROSS, ylabel=UP)
        ax.label_outer()
    return png(figure)
