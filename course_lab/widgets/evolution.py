"""Lesson 06: σ and the size of the population, at an equal number of forward passes."""

import functools

import torch
from torch import Tensor

from course_lab import evolution_figures
from course_lab.four_digits import ESAtOnce, along, small_network, smoothed, train
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread
from course_lib.run.figures import style

PASSES = 960  # forward passes of a run, shared out over its generations


@functools.cache
def line() -> tuple[Tensor, Tensor]:
    """Distances along the first draw's direction; fitness of the untrained network there."""
    network = small_network()
    distances = torch.linspace(-4, 4, 801, dtype=torch.float64)  # 4 σ at the largest σ
    noise = ESAtOnce().noise(network, step=0, draw=0)
    direction = [tensor for layer in noise for tensor in layer]
    return distances, along(network, direction, distances)


def render_population(values: dict) -> tuple[bytes, str, str]:
    """A run with full-rank ES. values: "sigma" σ > 0, "population" N, even, a divisor of 960."""
    sigma, population = float(f"{values['sigma']:.3g}"), values["population"]
    generations = PASSES // population
    with one_thread():
        distances, fitness = line()
        run = train(ESAtOnce(population=population, sigma=sigma), generations)

    figure, (left, right) = new_figure(1, 2, width=9, height=3.4)
    with style():
        bell = smoothed(distances, fitness, sigma)
        evolution_figures.landscape(left, distances, fitness, {f"smoothed, σ = {sigma:g}": bell})
        left.set(title="before training", xlim=(-0.8, 0.8), ylim=(-11, -1))
        left.legend(loc="lower center", fontsize=8)
        label = f"N = {population}, σ = {sigma:g}"
        evolution_figures.runs(
            right, {label: run.losses}, {label: population}, window=max(1, generations // 20)
        )
        right.set(xlim=(0, PASSES), xlabel="forward passes")
        evolution_figures.four_classes(right)
    last = max(1, generations // 10)
    numbers = (
        f"σ = {sigma:g}, N = {population}: {generations} generations of {population} forward "
        f"passes; loss of the population {sum(run.losses[:last]) / last:.2f} at first, "
        f"{sum(run.losses[-last:]) / last:.2f} at last; {100 * run.accuracy:.0f} % of 200 unseen "
        "recordings right (guessing: 25 %)"
    )
    alt = (
        "Left: the fitness along one direction, jagged, and the same smoothed by a bell of width "
        "σ. Right: the loss of the population against forward passes. "
    )
    return png(figure), numbers, alt + numbers


def population_search() -> Sweep:
    """Lesson 06: σ and N."""
    sizes = [(str(n), n) for n in (2, 4, 8, 16, 32, 64, 160)]
    return Sweep(
        render_population,
        {
            "sigma": log_slider("scale of the noise σ (weight)", 10**-1.5, -3, 0, 0.1),
            "population": choice("population N (members)", sizes, 16),
        },
    )
