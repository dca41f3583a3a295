"""Lesson 05: LocalZO's estimate of a spike's derivative, and the training that it leads to."""

import functools

import ipywidgets as ipw
import numpy as np
import torch

from course_lab import localzo_figures
from course_lab.lines import lines, running_mean
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, one_thread, slider
from course_lib.estimators.base import Estimator
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.events import load_splits
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork
from course_lib.noise import torch_generator
from course_lib.run.figures import COLOURS, style

STEPS, BATCH, HIDDEN, TESTED = 60, 64, 48, 500


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


def train(spike_of_step) -> tuple[list[float], float, SpikingNetwork]:
    """Loss of every step, accuracy after the last, and the network; a new spike every step."""
    frames, labels, tested, truth = small_digits()
    network = SpikingNetwork((578, HIDDEN, 10), readout="membrane").double()
    generator = torch.Generator().manual_seed(0)
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


@functools.lru_cache(maxsize=64)
def train_expected(distribution: str, delta: float) -> tuple[list[float], float]:
    """The same training with the expected surrogate, LocalZO's limit of many draws."""
    from course_lib.estimators.smoothing import named_smoothing  # not for every lesson's widgets

    surrogate = named_smoothing(distribution, delta).surrogate
    return train(lambda step: surrogate_spike(surrogate))[:2]


def active_share(network: SpikingNetwork, frames: torch.Tensor, estimator: Estimator) -> float:
    """Share of the hidden (t, b, neuron) entries with G ≠ 0, with the draws of step 0."""
    spike, shares = estimator.spike(0), []

    def counting(distance):
        derivative = spike.smoothing.derivative(distance, spike.draw(distance))
        shares.append((derivative != 0).double().mean().item())
        return (distance > 0).to(distance.dtype)

    with torch.no_grad():
        network.logits(frames, spike=counting)
    return float(np.mean(shares))


def render_localzo(values: dict) -> tuple[bytes, str, str]:
    """values: "samples" m, "delta" δ, "distribution" λ, one of smoothing.DISTRIBUTIONS."""
    from course_lib.estimators.localzo import LocalZO
    from course_lib.estimators.spike_derivative import ZerothOrderSpike

    samples, delta, name = values["samples"], values["delta"], values["distribution"]
    estimator = LocalZO(delta=delta, samples=samples, distribution=name, kernel="readable")
    smoothing = estimator.smoothing

    distance = torch.linspace(-1.5, 1.5, 601, dtype=torch.float64)
    spike = ZerothOrderSpike(smoothing, samples, torch_generator(1))
    one = spike.draw(distance[:1])  # the same m draws for every u, as one neuron has them
    every = spike.draw(distance)  # fresh draws for every u: each point another neuron
    estimate, cloud = smoothing.derivative(distance, one), smoothing.derivative(distance, every)
    expected = smoothing.surrogate(distance)

    with one_thread():
        losses, accuracy, network = train(estimator.spike)
        goal, reference = train_expected(name, delta)
        share = active_share(network, small_digits()[0][:, :256], estimator)
    last, goal = running_mean(losses, 10), running_mean(goal, 10)
    threshold = smoothing.expected_threshold(samples)

    figure, (left, right) = new_figure(1, 2, width=9, height=3.4)
    with style():
        localzo_figures.derivatives(left, distance, {"G, one neuron": estimate}, expected)
        left.plot(
            distance, cloud, linestyle="none", marker=".", markersize=3, alpha=0.5,
            color=COLOURS["vermilion"], label="G, other neurons", zorder=1,
        )  # fmt: skip
        highest = max(1.6 * expected.max(), estimate.max(), cloud.quantile(0.98)).item()
        left.set_ylim(0, 1.1 * highest)
        left.legend(fontsize=8, loc="upper right", markerscale=3)
        means = {"LocalZO": last, "expected surrogate": goal}
        lines(right, np.arange(1, STEPS + 1), means, marks=6)
        right.set(xlabel="training step", ylabel="loss (nats), mean of 10 steps", ylim=(0, 2.5))
        right.legend()
    numbers = (
        f"m = {samples}, δ = {delta:.2f}, {name.replace('_', ' ')}: "
        f"{100 * share:.1f} % of entries active, B_th = {threshold:.2f}; after {STEPS} steps loss "
        f"{last[-1]:.2f} and {100 * accuracy:.0f} % of {TESTED} digits right, with "
        f"the expected surrogate {goal[-1]:.2f} and {100 * reference:.0f} %"
    )
    alt = (
        "Left: the estimated derivative of the spike against u, a staircase that falls away from "
        "u = 0 on both sides, with a cloud of estimates from other draws, around the smooth "
        f"expectation, whose height is {expected.max().item():.2f}. Right: the falling training "
        f"loss of a small network with LocalZO, and with the expected surrogate; {numbers}"
    )
    return png(figure), numbers, alt


def localzo_draws() -> Sweep:
    """Lesson 05: draws m, reach δ and distribution λ; trains a small network at every position."""
    return Sweep(
        render_localzo,
        {
            "samples": slider(ipw.IntSlider, "draws m", 5, 1, 20, 1),
            "delta": slider(ipw.FloatSlider, "reach δ (voltage)", 0.5, 0.05, 1.0, 0.05, ".2f"),
            "distribution": choice(
                "distribution λ",
                [
                    ("normal", "normal"),
                    ("uniform", "uniform"),
                    ("Laplace", "laplace"),
                    ("matched to the sigmoid", "sigmoid"),
                    ("matched to the fast sigmoid", "fast_sigmoid"),
                ],
            ),
        },
    )
