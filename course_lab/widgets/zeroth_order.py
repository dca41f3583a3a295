"""Lesson 04: σ, number of directions and number of weights of a two-point estimate."""

import functools
from typing import NamedTuple

import ipywidgets as ipw
import numpy as np
import torch
from torch import Tensor

from course_lab import gradient_figures, zeroth_order_figures
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread, slider
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.events import load_splits
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style

CLASSES, HIDDEN = 4, 8  # digits 0 to 3
STEPS, BATCH, TRAINED, TESTED = 60, 64, 1024, 200
LINE = 601  # places at which the loss along a direction is drawn


class Digits(NamedTuple):
    """Frames (T, B, side²) and labels (B,) of training and test recordings."""

    frames: Tensor
    labels: Tensor
    unseen: Tensor
    truth: Tensor


@functools.cache
def digits(side: int) -> Digits:
    """Recordings of 0 to 3, polarity dropped, events averaged over a grid of side × side fields."""
    splits, parts = load_splits(progress=False), []
    for part, count in ((splits.train, TRAINED), (splits.validation, TESTED)):
        rows = (part.labels < CLASSES).nonzero().flatten()
        generator = torch.Generator().manual_seed(0)
        rows = rows[torch.randperm(len(rows), generator=generator)[:count]]
        frames = part.frames(rows.numpy()).double()
        frames = frames.unflatten(-1, (2, 34, 34)).sum(2)[..., 1:33, 1:33]
        fields = frames.unfold(2, 32 // side, 32 // side).unfold(3, 32 // side, 32 // side)
        parts += [fields.mean((-2, -1)).flatten(2), part.labels[rows]]
    size = parts[0].square().mean().sqrt()
    return Digits(parts[0] / size, parts[1], parts[2] / size, parts[3])


def small_network(side: int) -> SpikingNetwork:
    """side²-8-4, membrane readout; float64, where rounding hardly moves a run."""
    deviations = [1 / side, 0.5 / HIDDEN**0.5]
    sizes = (side * side, HIDDEN, CLASSES)
    network = SpikingNetwork(sizes, readout="membrane", logit_scale=2, weight_sd=deviations)
    return network.double()


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


def rate(side: int) -> float:
    """Adam's learning rate: smaller for more inputs, whose changes add up."""
    return 0.06 / side**0.5


class Run(NamedTuple):
    """What a run showed: the losses of its steps, and its share of unseen recordings right."""

    losses: list[float]
    accuracy: float


@functools.lru_cache(maxsize=16)
@torch.no_grad()
def train(side: int, sigma: float, directions: int) -> Run:
    """Train by two-point estimates of n directions, (f(w + σz) − f(w − σz)) z / 2σ, and Adam."""
    data, network = digits(side), small_network(side)
    weights, generator = weights_of(network), torch.Generator().manual_seed(0)
    optimizer, losses = torch.optim.Adam([weights], lr=rate(side)), []
    for _ in range(STEPS):
        rows = torch.randint(len(data.labels), (BATCH,), generator=generator)
        frames, labels = data.frames[:, rows], data.labels[rows]
        z = torch.randn(directions, len(weights), generator=generator, dtype=torch.float64)
        members = torch.cat([weights + sigma * z, weights - sigma * z])
        tried = cross_entropy(logits(network, members, frames), labels).view(2, directions)
        weights.grad = (tried[0] - tried[1]) / (2 * sigma) @ z / directions
        losses.append(cross_entropy(logits(network, weights[None], frames), labels).item())
        optimizer.step()
    right = logits(network, weights[None], data.unseen)[0].argmax(dim=1) == data.truth
    return Run(losses, right.double().mean().item())


@functools.cache
def backpropagation(side: int) -> Run:
    """The same training with surrogate gradients."""
    data, network = digits(side), small_network(side)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate(side))
    estimator, losses = SurrogateBPTT(slope=2.0), []
    generator = torch.Generator().manual_seed(0)
    for step in range(STEPS):
        rows = torch.randint(len(data.labels), (BATCH,), generator=generator)
        losses.append(estimator.fill_grads(network, data.frames[:, rows], data.labels[rows], step))
        optimizer.step()
    with torch.no_grad():
        right = network(data.unseen).argmax(dim=1) == data.truth
    return Run(losses, right.double().mean().item())


@torch.no_grad()
def along_a_line(side: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions from −3σ to 3σ along one direction, and the loss of 20 recordings there."""
    data, network = digits(side), small_network(side)
    weights = weights_of(network)
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(len(weights), generator=generator, dtype=torch.float64)
    positions = torch.linspace(-3 * sigma, 3 * sigma, LINE, dtype=torch.float64)
    members = weights + positions[:, None] * z
    losses = cross_entropy(logits(network, members, data.frames[:, :20]), data.labels[:20])
    return positions.numpy(), losses.numpy()


def render_zeroth_order(values: dict) -> tuple[bytes, str, str]:
    """Zeroth-order training. values: "sigma", "directions" n, "side" of the grid of inputs."""
    sigma, directions, side = float(f"{values['sigma']:.3g}"), values["directions"], values["side"]
    with one_thread():
        run, rival = train(side, sigma, directions), backpropagation(side)
        positions, losses = along_a_line(side, sigma)
    figure, (left, right) = new_figure(1, 2, width=9, height=3.6)
    with style():
        zeroth_order_figures.secant(left, positions, losses, sigma)
        left.set_title("what the estimate sees, before training")
        gradient_figures.losses(right, {"zeroth order": run.losses, "surrogate BPTT": rival.losses})
        right.axhline(np.log(CLASSES), color="0.4", linestyle=":", label="ln 4: guessing")
        right.set(ylim=(0, 4))
        right.legend(loc="upper right")
        right.set_title(f"{STEPS} training steps")
    numbers = (
        f"{described(sigma, directions, side)}; loss {np.mean(run.losses[:5]):.1f} before, "
        f"{np.mean(run.losses[-5:]):.1f} after {STEPS} steps; {100 * run.accuracy:.0f} % of "
        f"{TESTED} unseen recordings right "
        f"(surrogate BPTT {100 * rival.accuracy:.0f} %)"
    )
    alt = (
        "Left: the loss along a random direction, steps of a staircase, and the chord from −σ to σ "
        "whose slope is the estimate. Right: training losses with zeroth order and with BPTT. "
    )
    return png(figure), numbers, alt + numbers


def described(sigma: float, directions: int, side: int) -> str:
    """What is known before the first step."""
    weights = side * side * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES
    return (
        f"d = {weights:,}, n = {directions}, σ = {sigma:g}: {2 * directions * STEPS:,} forward "
        f"passes; predicted cosine {(1 + (weights + 1) / directions) ** -0.5:.2f}"
    )


def bounds(values: dict) -> str:
    """What every computer finds at the first setting."""
    sigma, directions, side = float(f"{values['sigma']:.3g}"), values["directions"], values["side"]
    with one_thread():
        run, rival = train(side, sigma, directions), backpropagation(side)
    return (
        f"{described(sigma, directions, side)}; after {STEPS} steps more than 50 % of {TESTED} "
        f"unseen recordings right: {run.accuracy > 0.5}; surrogate BPTT more than 70 %: "
        f"{rival.accuracy > 0.7}"
    )


def zeroth_order_training() -> Sweep:
    """Lesson 04: scale σ, directions n, weights d."""
    return Sweep(
        render_zeroth_order,
        {
            "sigma": log_slider("scale σ (of the weights' noise)", 0.1, -4, 1, 0.1),
            "directions": slider(ipw.IntSlider, "directions n a step", 8, 1, 32, 1),
            "side": choice("weights d", [("172", 4), ("556", 8), ("2,092", 16)]),
        },
        plain=bounds,
    )
