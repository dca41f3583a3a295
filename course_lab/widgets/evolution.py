"""Lesson 06: σ and the size of the population, at an equal number of forward passes."""

import functools

import torch
from torch import Tensor

from course_lab import evolution_figures
from course_lab.four_digits import ESAtOnce, along, small_network, smoothed, train
from course_lab.picture import new_figure, png
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread
from course_lib.run.figures import style

PASSES = 960  # forward passes of a run, shared out over its generations
POPULATIONS = (2, 16, 160)
EXPONENTS = [k / 2 for k in range(-6, 1)]  # of σ
#: what ``course.py bands evolution`` measures, a row for each population
BAND = {
    f"N = {population}": [
        (10**exponent, {"sigma": 10**exponent, "population": population})
        for exponent in EXPONENTS
    ]
    for population in POPULATIONS
}


def measure(values: dict, seed: int) -> float:
    """Accuracy on 200 unseen recordings after PASSES forward passes, in [0, 1]."""
    population = values["population"]
    estimator = ESAtOnce(population=population, sigma=rounded(values), seed=seed)
    with one_thread():
        return train(estimator, PASSES // population, seed=seed).accuracy


def dot(values: dict) -> tuple[str, float, float]:
    """Row, σ and accuracy of one run, whose seed is none of the band's."""
    reached = measure(values, len(bands.SEEDS))
    return f"N = {values['population']}", rounded(values), reached


def rounded(values: dict) -> float:
    """σ with three digits: what a slider of powers of ten shows."""
    return float(f"{values['sigma']:.3g}")


@functools.cache
def line() -> tuple[Tensor, Tensor]:
    """Distances along the first draw's direction; fitness of the untrained network there."""
    network = small_network()
    distances = torch.linspace(-4, 4, 801, dtype=torch.float64)  # 4 σ at the largest σ
    noise = ESAtOnce().noise(network, step=0, draw=0)
    direction = [tensor for layer in noise for tensor in layer]
    return distances, along(network, direction, distances)


def render_population(values: dict, visited: list | None = None) -> tuple[bytes, str, str]:
    """Runs with full-rank ES, as dots over a band of five stored seeds.

    values: "sigma" σ > 0, "population" N, one of POPULATIONS. visited: (row, σ, accuracy) of every
    run so far, the newest last; None: the run of these values alone.
    """
    visited = visited or [dot(values)]
    sigma, population = rounded(values), values["population"]
    with one_thread():
        distances, fitness = line()
    figure, (left, right) = new_figure(1, 2, width=9, height=3.4, width_ratios=(2, 3))
    with style():
        bell = smoothed(distances, fitness, sigma)
        evolution_figures.landscape(left, distances, fitness, {f"smoothed, σ = {sigma:g}": bell})
        left.set(title="before training", xlim=(-0.8, 0.8), ylim=(-11, 1))
        left.legend(loc="upper center", ncols=2, fontsize=8)
        bands.draw(right, bands.load("evolution"), f"N = {population}", visited)
        right.axhline(25, color="0.5", linestyle=":")
        right.set(xscale="log", xlabel="scale of the noise σ", ylim=(10, 90),
                  title=f"N = {population}, {PASSES} forward passes")  # fmt: skip
    numbers = (
        f"σ = {sigma:g}, N = {population}: {PASSES // population} generations; "
        f"accuracy ≈ {100 * visited[-1][2]:.0f} % on 200 unseen recordings (guessing: 25 %)"
    )
    alt = (
        "Left: the fitness along one direction, jagged, and the same smoothed by a bell of width "
        "σ. Right: accuracy against σ, a band of five stored seeds, and a dot for every visited "
        f"setting. {numbers}"
    )
    return png(figure), numbers, alt


def population_search() -> Sweep:
    """Lesson 06: σ and N."""
    return Sweep(
        render_population,
        {
            "sigma": log_slider("scale of the noise σ (weight)", 10**-1.5, -3, 0, 0.25),
            "population": choice("population N (members)", [(str(n), n) for n in POPULATIONS], 16),
        },
        measure=dot,
        seconds=2,
    )
