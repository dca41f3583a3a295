"""Lesson 03: the slope k of the surrogate, for a small network that is trained on the spot."""

import functools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lab import gradient_figures
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread, plural
from course_lib.estimators.surrogate import SurrogateBPTT, fast_sigmoid
from course_lib.events import load_splits
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style
from course_lib.training import draw_batch

STEPS, BATCH, TESTED = 60, 32, 300
RANGE = 3.0  # distances to the threshold that are drawn


@functools.cache
def digits() -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor]:
    """The batches of a run; frames and labels of recordings to test on."""
    splits = load_splits(progress=False)
    batches = [draw_batch(splits.train, step, BATCH, seed=0) for step in range(STEPS)]
    frames, labels = draw_batch(splits.validation, 0, TESTED, seed=0)
    return [(inputs.byte(), targets) for inputs, targets in batches], frames.double(), labels


class Run(NamedTuple):
    """What a run showed: distances u of the last hidden layer before training, the length of the
    first layer's first gradient, losses of the steps, share of unseen recordings right."""

    distances: np.ndarray
    gradient: float
    losses: list[float]
    accuracy: float


def small_network(hidden_layers: int) -> SpikingNetwork:
    """2312-64-10 or deeper, every layer alive, answers from the outputs' membranes.

    In float64, where it takes tens of steps until a processor's rounding moves a spike.
    """
    sizes = (2312, *[64] * hidden_layers, 10)
    deviations = [2 / inputs**0.5 for inputs in sizes[:-1]]
    deviations[-1] /= 4
    network = SpikingNetwork(sizes, readout="membrane", logit_scale=2, weight_sd=deviations)
    return network.double()


def distances(network: SpikingNetwork, frames: Tensor) -> Tensor:
    """u = v − θ before the reset, in the last hidden layer, at every step: flat."""
    seen = []

    def spike(distance):
        seen.append(distance.flatten())
        return (distance > 0).to(distance.dtype)

    with torch.no_grad():
        network(frames, spike=spike)
    return torch.cat(seen[-len(frames) :])


@functools.lru_cache(maxsize=16)
def train(slope: float, hidden_layers: int) -> Run:
    """Train a small network with the fast sigmoid of this slope; the same every time."""
    batches, frames, labels = digits()
    network, estimator = small_network(hidden_layers), SurrogateBPTT(slope=slope)
    before = distances(network, frames[:, :100])
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses, gradient = [], 0.0
    for step, (inputs, targets) in enumerate(batches):
        losses.append(estimator.fill_grads(network, inputs.double(), targets, step))
        if step == 0:
            gradient = network.layers[0].weight.grad.norm().item()
        optimizer.step()
    with torch.no_grad():
        right = network(frames).argmax(dim=1) == labels
    return Run(before.numpy(), gradient, losses, right.double().mean().item())


def render_slope(values: dict) -> tuple[bytes, str, str]:
    """Training at one slope. values: "slope" k > 0, "layers" hidden layers."""
    slope, layers = float(f"{values['slope']:.3g}"), values["layers"]
    with one_thread():
        run = train(slope, layers)
    grid = torch.linspace(-RANGE, RANGE, 601, dtype=torch.float64)

    figure, (left, right) = new_figure(1, 2, width=9, height=3.6)
    with style():
        gradient_figures.surrogate(left, grid.numpy(), fast_sigmoid(grid, slope), run.distances)
        left.set_title("last hidden layer before training")
        gradient_figures.losses(right, {"loss, mean of 5 steps": run.losses})
        right.axhline(np.log(10), color="0.4", linestyle=":", label="ln 10: guessing")
        right.set(ylim=(0, 3.4))
        right.legend(loc="upper right")
        right.set_title(f"{STEPS} training steps at k = {slope:g}")
    numbers = (
        f"{described(slope, layers, run)}; loss {np.mean(run.losses[:5]):.1f} "
        f"before, {np.mean(run.losses[-5:]):.1f} after {STEPS} steps; "
        f"{100 * run.accuracy:.0f} % of {TESTED} unseen recordings right"
    )
    alt = (
        "Left: the surrogate's slope against the distance to the threshold, a peak of height 1 at "
        "0, over a histogram of where the neurons' voltages were. Right: the training loss. "
    )
    return png(figure), numbers, alt + numbers


def described(slope: float, layers: int, run: Run) -> str:
    """What is seen before the first step."""
    psi = fast_sigmoid(torch.from_numpy(run.distances), slope).mean().item()
    return (
        f"k = {slope:g}, {plural(layers, 'hidden layer')}: mean ψ(u) = {psi:.2g}; first gradient "
        f"of the first layer has length {run.gradient:.2g}"
    )


def bounds(values: dict) -> str:
    """What every computer finds at the first setting."""
    slope, layers = float(f"{values['slope']:.3g}"), values["layers"]
    with one_thread():
        run = train(slope, layers)
    return (
        f"{described(slope, layers, run)}; after {STEPS} steps more than 60 % of {TESTED} unseen "
        f"recordings right: {run.accuracy > 0.6}"
    )


def surrogate_slope() -> Sweep:
    """Lesson 03: slope of the surrogate, number of hidden layers."""
    return Sweep(
        render_slope,
        {
            "slope": log_slider("slope k (per unit of voltage)", 5.0, -3, 4, 0.1),
            "layers": choice("hidden layers", [("one", 1), ("three", 3)]),
        },
        plain=bounds,
    )
