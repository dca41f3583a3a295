"""Lesson 04: the scale σ and the number of directions n of a two-point estimate."""

import functools

import numpy as np
import torch
from torch import Tensor

from course_lab import zeroth_order_figures
from course_lab.four_digits import four_digits, small_network
from course_lab.picture import new_figure, png
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style

PASSES, BATCH = 1000, 50  # forward passes of a run, and recordings in each
LINE = 301  # places at which the loss along a direction is drawn
RECORDINGS, UNSEEN = 250, 50  # of each digit
COUNTS = (1, 5, 25)


def weights_of(network: SpikingNetwork) -> Tensor:
    """All weights and biases as one vector (d,)."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def logits(network: SpikingNetwork, members: Tensor, frames: Tensor) -> Tensor:
    """Logits (N, B, C) of N networks with the weights ``members`` (N, d), in one forward pass."""
    shapes = [parameter.shape for parameter in network.parameters()]
    parts = members.split([shape.numel() for shape in shapes], dim=1)
    tensors = [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]

    def currents(layer, inputs):
        weights, biases = tensors[2 * layer], tensors[2 * layer + 1]
        if layer:
            return inputs @ weights.mT + biases[:, None]
        drive = inputs @ weights.flatten(0, 1).T  # every member reads the same frames
        return drive.unflatten(2, biases.shape).transpose(1, 2) + biases[:, None]

    return network.logits(frames, currents=currents)


@functools.lru_cache(maxsize=256)
@torch.no_grad()
def train(sigma: float, directions: int, seed: int = 0) -> float:
    """Train with 1,000 forward passes by the mean of n two-point estimates a step, and Adam with
    a learning rate that grows as √n; the share of unseen recordings that are right."""
    data, network = four_digits(RECORDINGS, UNSEEN), small_network()
    weights, generator = weights_of(network), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam([weights], lr=0.007 * directions**0.5)
    for _ in range(PASSES // (2 * directions)):
        rows = torch.randint(len(data.labels), (BATCH,), generator=generator)
        z = torch.randn(directions, len(weights), generator=generator, dtype=torch.float64)
        members = torch.cat([weights + sigma * z, weights - sigma * z])
        answers = logits(network, members, data.frames[:, rows])
        tried = cross_entropy(answers, data.labels[rows]).view(2, directions)
        weights.grad = (tried[0] - tried[1]) / (2 * sigma) @ z / directions
        optimizer.step()
    right = logits(network, weights[None], data.unseen_frames)[0].argmax(dim=1)
    return (right == data.unseen_labels).double().mean().item()


@torch.no_grad()
def along_a_line(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions from −3σ to 3σ along one direction, and the loss of 20 recordings there."""
    data, network = four_digits(RECORDINGS, UNSEEN), small_network()
    weights, generator = weights_of(network), torch.Generator().manual_seed(1)
    z = torch.randn(len(weights), generator=generator, dtype=torch.float64)
    positions = torch.linspace(-3 * sigma, 3 * sigma, LINE, dtype=torch.float64)
    rows = torch.randperm(len(data.labels), generator=generator)[:20]
    answers = logits(network, weights + positions[:, None] * z, data.frames[:, rows])
    return positions.numpy(), cross_entropy(answers, data.labels[rows]).numpy()


def row(directions: int) -> str:
    """Name of a row of the band."""
    return f"n = {directions}"


def measure(values: dict, seed: int = 0) -> float:
    """Accuracy that a run of these values reaches."""
    with one_thread():
        return train(float(f"{values['sigma']:.3g}"), values["directions"], seed)


BAND = {
    row(n): [
        (sigma, {"sigma": sigma, "directions": n})
        for sigma in (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
    ]
    for n in COUNTS
}


def render_zeroth_order(values: dict, visited: list = ()) -> tuple[bytes, str, str]:
    """values: "sigma", "directions" n; visited: dots, see ``bands.draw``."""
    sigma, directions = float(f"{values['sigma']:.3g}"), values["directions"]
    accuracy = measure(values)
    figure, (left, right) = new_figure(1, 2, width=9, height=3.6)
    with style():
        zeroth_order_figures.secant(left, *along_a_line(sigma), sigma)
        left.set_title("what one guess sees, before training")
        bands.draw(right, bands.load("zeroth_order"), row(directions), list(visited))
        right.axhline(25, color="0.5", linestyle=":", label="guessing")
        right.set(xscale="log", xlabel="scale σ", ylim=(10, 100))
        right.set_title(f"n = {directions}, {PASSES:,} forward passes")
    steps = PASSES // (2 * directions)
    numbers = (
        f"σ = {sigma:g}, n = {directions}: {steps} steps, {PASSES:,} forward passes, "
        f"test accuracy ≈ {100 * accuracy:.1f} %"
    )
    alt = (
        "Left: the loss along a random direction, and the chord from −σ to σ whose slope is the "
        "guess. Right: test accuracy against σ, a band of five stored seeds, and a dot for every "
        f"setting that was visited. {numbers}"
    )
    return png(figure), numbers, alt


def zeroth_order_training() -> Sweep:
    """Lesson 04: scale σ and directions n, at equal forward passes."""
    return Sweep(
        render_zeroth_order,
        {
            "sigma": log_slider("scale σ of the weights' noise", 10**-1.5, -4, 0, 0.1),
            "directions": choice("directions n a step", [(str(n), n) for n in COUNTS]),
        },
        measure=lambda values: (row(values["directions"]), values["sigma"], measure(values)),
        seconds=2,
    )
