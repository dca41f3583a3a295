"""Lesson 07: rank of the noise, σ and the size of the population."""

import functools
import math

import ipywidgets as ipw

from course_lab import evolution_figures
from course_lab.four_digits import SIZES, Run, small_network, train
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread, slider
from course_lib.estimators.eggroll import EGGROLL
from course_lib.run.figures import style

GENERATIONS = 40
OUTPUTS, INPUTS = SIZES[1], SIZES[0]


@functools.cache
def run_at(rank: int, sigma: float, population: int) -> Run:
    """A run of the small network; nobody changes it."""
    return train(EGGROLL(population=population, sigma=sigma, rank=rank), GENERATIONS)


@functools.cache
def entries(rank: int):
    """Entries of the first layer's noise, 20 draws, as one row."""
    ((a, b, _), *_) = EGGROLL(rank=rank).factors(small_network(), step=0, draws=range(20))
    return (a @ b.transpose(1, 2) / math.sqrt(rank)).flatten()


def render_rank(values: dict) -> tuple[bytes, str, str]:
    """A run with EGGROLL. values: "rank" r ≥ 1, "sigma" σ > 0, "population" N, even."""
    rank, population = values["rank"], values["population"]
    sigma = float(f"{values['sigma']:.3g}")
    with one_thread():
        run, rank_one = run_at(rank, sigma, population), run_at(1, sigma, population)

    figure, (left, right) = new_figure(1, 2, width=9, height=3.4)
    with style():
        evolution_figures.densities(left, {f"r = {rank}": entries(rank)})
        left.set(title="noise of the first layer", ylim=(1e-4, 3))
        left.legend(loc="lower center")
        losses = {f"r = {rank}": run.losses}
        if rank > 1:
            losses["r = 1"] = rank_one.losses
        evolution_figures.runs(right, losses, dict.fromkeys(losses, 1))
        right.set(xlim=(0, GENERATIONS + 1), xlabel="generation")
        evolution_figures.four_classes(right)
    draws = population // 2
    last = sum(run.losses[-4:]) / 4
    numbers = (
        f"r = {rank}, σ = {sigma:g}, N = {population}: loss {run.losses[0]:.2f} at first, "
        f"{last:.2f} after {GENERATIONS} generations, {100 * run.accuracy:.0f} % of 200 unseen "
        f"recordings right; kurtosis 3 + 6/r = {3 + 6 / rank:.2f}; rank of the {OUTPUTS} × "
        f"{INPUTS} layer's update {min(draws * rank, OUTPUTS, INPUTS)}; numbers drawn for it in a "
        f"generation: {draws * rank * (OUTPUTS + INPUTS):,} "
        f"(full rank: {draws * OUTPUTS * INPUTS:,})"
    )
    alt = (
        "Left: the density of the noise's entries on a logarithmic axis, against the Gaussian's "
        "parabola. Right: the loss of the population against generations. "
    )
    return png(figure), numbers, alt + numbers


def low_rank_search() -> Sweep:
    """Lesson 07: rank, σ and N."""
    sizes = [(str(n), n) for n in (2, 4, 8, 16, 32)]
    return Sweep(
        render_rank,
        {
            "rank": slider(ipw.IntSlider, "rank r (columns of A and B)", 1, 1, 8, 1),
            "sigma": log_slider("scale of the noise σ (weight)", 10**-1.5, -3, 0, 0.1),
            "population": choice("population N (members)", sizes, 16),
        },
    )
