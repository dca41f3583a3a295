"""Lesson 05: what draws m and reach δ buy, and who takes part in the backward pass."""

import functools
from typing import NamedTuple

import ipywidgets as ipw
import torch

from course_lab import localzo_figures
from course_lab.picture import new_figure, png
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, one_thread, slider
from course_lib.estimators.base import Estimator
from course_lib.events import load_splits
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork
from course_lib.run.figures import METHOD_COLOURS, style

STEPS, BATCH, HIDDEN, TESTED = 60, 64, 48, 500
DRAWS, REACHES = (1, 2, 5, 10, 20), (0.5, 0.05, 0.2, 1.0)
BAND = {
    f"δ = {delta:g}": [(m, {"samples": m, "delta": delta}) for m in DRAWS] for delta in REACHES
}


@functools.cache
def small_digits() -> tuple[torch.Tensor, ...]:
    """Frames (10, n, 578) and labels of 3,840 training and 500 validation digits.

    Squares of 2 × 2 pixels are made one input, so that a position of the widget retrains quickly.
    In double precision, weights and all, rounding flips no spike: the numbers are the same on every
    machine. (Single-precision Gaussians already differ in their last bit between processors.)
    """
    splits = load_splits(progress=False)
    chosen = torch.randperm(4000, generator=torch.Generator().manual_seed(0))[: STEPS * BATCH]
    train, valid = splits.train.subset(chosen.numpy()), splits.validation.subset(range(TESTED))
    return pooled(train.frames()), train.labels, pooled(valid.frames()), valid.labels


def pooled(frames: torch.Tensor) -> torch.Tensor:
    """Frames (T, B, 2312) as (T, B, 578): 1 where one of a square's four inputs is 1."""
    parts = frames.view(*frames.shape[:2], 2, 17, 2, 17, 2)
    return parts.amax(dim=(4, 6)).flatten(2).double()


def train(spike_of_step, seed: int = 0) -> tuple[list[float], float, SpikingNetwork]:
    """Loss of every step, accuracy after the last, and the network; a new spike every step."""
    frames, labels, tested, truth = small_digits()
    network = SpikingNetwork((578, HIDDEN, 10), readout="membrane").double()
    generator = torch.Generator().manual_seed(seed)
    for layer, deviation in zip(network.layers, (0.035, 0.01), strict=True):
        torch.nn.init.normal_(layer.weight, std=deviation, generator=generator)
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=0.003), []
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        optimizer.zero_grad()
        loss = cross_entropy(
            network.logits(frames[:, part], spike=spike_of_step(step)), labels[part]
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        correct = network.logits(tested).argmax(dim=1) == truth
    return losses, correct.double().mean().item(), network


def taking_part(
    network: SpikingNetwork, frames: torch.Tensor, estimator: Estimator
) -> torch.Tensor:
    """Which hidden entries (T, B, N) have G ≠ 0, with the draws of step 0."""
    spike, found = estimator.spike(0), []

    def noting(distance):
        derivative = spike.smoothing.derivative(distance, spike.draw(distance))
        found.append(derivative != 0)
        return (distance > 0).to(distance.dtype)

    with torch.no_grad():
        network.logits(frames, spike=noting)
    return torch.stack(found)


class Reached(NamedTuple):
    """Accuracy (0 to 1), the share of entries that take part, and those of one digit (T, N)."""

    accuracy: float
    share: float
    entries: torch.Tensor


@functools.lru_cache(maxsize=256)
def reached(samples: int, delta: float, seed: int) -> Reached:
    """One training by LocalZO with normal draws. seed: of the first weights and of the draws."""
    from course_lib.estimators.localzo import LocalZO  # not for every lesson's widgets

    estimator = LocalZO(delta=delta, samples=samples, seed=seed, kernel="readable")
    with one_thread():
        _, accuracy, network = train(estimator.spike, seed)
        entries = taking_part(network, small_digits()[0][:, :256], estimator)
    return Reached(accuracy, entries.double().mean().item(), entries[:, 0])


def measure(values: dict, seed: int) -> float:
    """One run of the band. values: "samples", "delta"."""
    return reached(values["samples"], values["delta"], seed).accuracy


def dot(values: dict) -> tuple[str, float, float]:
    """The row of the band, m and the accuracy of one run."""
    return f"δ = {values['delta']:g}", values["samples"], measure(values, values["seed"])


def render_localzo(values: dict, visited=()) -> tuple[bytes, str, str]:
    """values: "samples" m from 1 to 20, "delta" δ, one of REACHES, "seed" of the run."""
    visited = list(visited) or [dot(values)]
    samples, row = values["samples"], visited[-1][0]
    run = reached(samples, values["delta"], values["seed"])
    stored = bands.load("localzo")[row]

    figure, (left, right) = new_figure(1, 2, width=9, height=3.6, width_ratios=(1.5, 1))
    with style():
        bands.draw(left, {row: stored}, row, visited)
        left.set_xscale("log", base=2)
        left.set_xticks(DRAWS, [f"{m}" for m in DRAWS])
        left.minorticks_off()
        left.set(xlabel="draws m", ylabel="unseen digits right, %", ylim=(50, 90), title=row)
        left.legend(loc="lower right")
        localzo_figures.entries(right, run.entries, METHOD_COLOURS["localzo"])
        right.set_title(f"one digit: who takes part ({100 * run.share:.1f} % of all)", fontsize=10)
    numbers = (
        f"m = {samples}, {row}, seed {values['seed']}: ≈ {100 * run.accuracy:.1f} % of {TESTED} "
        f"unseen digits right; ≈ {100 * run.share:.1f} % of the hidden entries take part"
    )
    five = next((point["accuracies"] for point in stored if point["x"] == samples), None)
    if five:
        numbers += (
            f"; five stored seeds from ≈ {100 * min(five):.1f} % to ≈ {100 * max(five):.1f} %"
        )
    alt = (
        "Left: accuracy on unseen digits against the draws m, a band from the lowest to the "
        "highest of five stored seeds with their mean, and a dot for every run so far. Right: the "
        "48 hidden neurons over ten steps of one digit, a mark where one takes part in the "
        "backward pass. "
    )
    return png(figure), numbers, alt + numbers


def localzo_draws() -> Sweep:
    """Lesson 05: draws m, reach δ and seed; every run leaves a dot."""
    return Sweep(
        render_localzo,
        {
            "samples": slider(ipw.IntSlider, "draws m", 5, 1, 20, 1),
            "delta": choice("reach δ (voltage)", [(f"{d:g}", d) for d in REACHES]),
            "seed": slider(ipw.IntSlider, "seed of your run", 5, 5, 14, 1),
        },
        measure=dot,
        seconds=1,
    )
