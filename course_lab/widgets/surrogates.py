"""Lesson 03: the slope k of the surrogate, for a small network that is trained on the spot."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lab import gradient_figures
from course_lab.picture import new_figure, png
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread
from course_lib.estimators.surrogate import SurrogateBPTT, fast_sigmoid
from course_lib.events import Splits, load_splits
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style
from course_lib.schedule import draw_batch

STEPS, BATCH = 100, 32
RANGE = 3.0  # distances to the threshold that are drawn
ROWS = {1: "one hidden layer", 3: "three hidden layers"}
#: what the stored band is made of: see ``bands``
BAND = {
    name: [(10.0**power, {"slope": 10.0**power, "layers": layers})
           for power in np.arange(-3, 4.1, 0.5).round(1).tolist()]
    for layers, name in ROWS.items()
}  # fmt: skip


@functools.cache
def digits() -> tuple[Splits, Tensor, Tensor]:
    """All recordings; frames and labels of those to test on."""
    splits = load_splits(progress=False)
    return splits, splits.test.frames(), splits.test.labels


class Run(NamedTuple):
    """Length of the first layer's first gradient; share of the test recordings right."""

    gradient: float
    accuracy: float


def small_network(hidden_layers: int, seed: int = 0) -> SpikingNetwork:
    """2312-64-10 or deeper, every layer alive, spiking outputs: the lesson's network, smaller."""
    sizes = (2312, *[64] * hidden_layers, 10)
    return SpikingNetwork(sizes, weight_sd=[2 / inputs**0.5 for inputs in sizes[:-1]], seed=seed)


@functools.lru_cache(maxsize=4)
@torch.no_grad()
def distances(hidden_layers: int) -> np.ndarray:
    """u = v − θ before the reset, in the last hidden layer before training, at every step: flat."""
    seen = []

    def spike(distance):
        seen.append(distance.flatten())
        return (distance > 0).to(distance.dtype)

    frames = digits()[1][:, :100]
    small_network(hidden_layers)(frames, spike=spike)
    return torch.cat(seen[-2 * len(frames) : -len(frames)]).numpy()  # the outputs come last


def train(slope: float, hidden_layers: int, seed: int = 0) -> Run:
    """Train a small network with the fast sigmoid of this slope."""
    splits, frames, labels = digits()
    network, estimator = small_network(hidden_layers, seed), SurrogateBPTT(slope=slope)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    gradient = 0.0
    with one_thread():
        for step in range(STEPS):
            estimator.fill_grads(network, *draw_batch(splits.train, step, BATCH, seed), step)
            if step == 0:
                gradient = network.layers[0].weight.grad.norm().item()
            optimizer.step()
        with torch.no_grad():
            right = network(frames).argmax(dim=1) == labels
    return Run(gradient, right.double().mean().item())


@functools.lru_cache(maxsize=256)
def run_of(slope: float, hidden_layers: int) -> Run:
    """The run of a setting of the controls, made once."""
    return train(slope, hidden_layers)


def rounded(values: dict) -> tuple[float, int]:
    """Slope k to three digits, and the number of hidden layers."""
    return float(f"{values['slope']:.3g}"), values["layers"]


def measure(values: dict, seed: int) -> float:
    """Accuracy after training: what the band is made of."""
    return train(*rounded(values), seed).accuracy


def dot(values: dict) -> tuple[str, float, float]:
    """(row of the band, k, accuracy) of a setting of the controls."""
    slope, layers = rounded(values)
    return ROWS[layers], slope, run_of(slope, layers).accuracy


def render_slope(
    values: dict, visited: Sequence[tuple[str, float, float]] = ()
) -> tuple[bytes, str, str]:
    """ψ where the voltages are; accuracy against k. values: "slope" k > 0, "layers" hidden."""
    slope, layers = rounded(values)
    run, before = run_of(slope, layers), distances(layers)
    grid = torch.linspace(-RANGE, RANGE, 601)
    figure, (left, right) = new_figure(1, 2, width=9, height=3.6)
    with style():
        gradient_figures.surrogate(left, grid.numpy(), fast_sigmoid(grid, slope), before)
        left.set_title("last hidden layer, before training")
        bands.draw(right, bands.load("surrogates"), ROWS[layers], list(visited) or [dot(values)])
        right.set(xscale="log", xlabel="slope k", ylim=(0, 100), title=ROWS[layers])
    reach = fast_sigmoid(torch.from_numpy(before), slope).mean().item()
    numbers = (
        f"k = {slope:g}, {ROWS[layers]}: mean ψ(u) ≈ {reach:.4f}; first gradient of the first "
        f"layer has length 10^{np.log10(max(run.gradient, 1e-45)):.1f}; test accuracy after "
        f"{STEPS} steps ≈ {100 * run.accuracy:.0f} %"
    )
    alt = (
        "Left: the surrogate's slope against the distance to the threshold, a peak of height 1 at "
        "0, over a histogram of where the neurons' voltages were. Right: test accuracy against k, "
        "a band of five stored seeds, and a dot for every setting that was visited. "
    )
    return png(figure), numbers, alt + numbers


def plain(values: dict) -> str:
    """What a notebook stores of the first setting."""
    slope, layers = rounded(values)
    return (f"k = {slope:g}, {ROWS[layers]}: "
            f"test accuracy ≈ {100 * run_of(slope, layers).accuracy:.0f} %")  # fmt: skip


def surrogate_slope() -> Sweep:
    """Lesson 03: slope of the surrogate, number of hidden layers."""
    return Sweep(
        render_slope,
        {
            "slope": log_slider("slope k (per unit of voltage)", 5.0, -3, 4, 0.1),
            "layers": choice("hidden layers", [("one", 1), ("three", 3)]),
        },
        plain=plain,
        measure=dot,
        seconds=2,
    )
