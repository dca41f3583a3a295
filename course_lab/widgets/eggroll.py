"""Lesson 07: does the rank of the noise matter? Runs as dots over bands of stored seeds."""

import functools

import ipywidgets as ipw
import torch

from course_lab.four_digits import coarse
from course_lab.picture import new_figure, png
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, one_thread, slider
from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.es import ES
from course_lib.events import load_splits
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style
from course_lib.schedule import draw_batch

GENERATIONS, MEMBERS, BATCH, RATE = 80, 64, 64, 0.02
SIGMAS = (0.04, 0.01, 0.16)
HIDDEN = 32
FULL = HIDDEN  # where full rank stands on the axis: a matrix with 32 rows has no higher one
BAND = {
    f"σ = {sigma:g}": [(rank, {"rank": rank, "sigma": sigma}) for rank in (1, 2, 4, 8, 16, FULL)]
    for sigma in SIGMAS
}


@functools.lru_cache(maxsize=256)
def reached(rank: int, sigma: float, seed: int) -> float:
    """Accuracy on 500 unseen digits of 578-32-10 after 80 generations; rank FULL: full-rank ES.

    seed: of the first weights, the batches and the noise.
    """
    network = SpikingNetwork(
        (578, HIDDEN, 10), readout="membrane", logit_scale=2.0, weight_sd=(0.05, 0.06), seed=seed
    )
    shared = {"population": MEMBERS, "sigma": sigma, "seed": seed}
    estimator = ES(**shared) if rank == FULL else EGGROLL(rank=rank, **shared)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    splits = load_splits(progress=False)
    with one_thread():
        for step in range(GENERATIONS):
            optimizer.param_groups[0]["lr"] = RATE * (1 - step / GENERATIONS)
            frames, labels = draw_batch(splits.train, step, BATCH, seed=seed)
            estimator.fill_grads(network, coarse(frames), labels, step=step)
            optimizer.step()
        with torch.no_grad():
            right = network(coarse(splits.test.frames())).argmax(dim=1) == splits.test.labels
    return right.double().mean().item()


def measure(values: dict, seed: int) -> float:
    """One run of the band. values: "rank", "sigma"."""
    return reached(values["rank"], values["sigma"], seed)


def dot(values: dict) -> tuple[str, float, float]:
    """The row of the band, the rank and the accuracy of one run."""
    return f"σ = {values['sigma']:g}", values["rank"], measure(values, values["seed"])


def render_rank(values: dict, visited=()) -> tuple[bytes, str, str]:
    """Accuracy against the rank. values: "rank" r from 1 to 16, "sigma" σ, "seed" of the run."""
    row, rank, accuracy = visited[-1] if visited else dot(values)
    figure, ax = new_figure(width=7.2, height=3.6)
    with style():
        bands.draw(ax, bands.load("eggroll"), row, list(visited) or [(row, rank, accuracy)])
        ax.set_xscale("log", base=2)
        ax.set_xticks((1, 2, 4, 8, 16, FULL), ("1", "2", "4", "8", "16", "full"))
        ax.set(xlabel="rank r of the noise", ylim=(0, 75), title=row)
    stored = next((p["accuracies"] for p in bands.load("eggroll")[row] if p["x"] == rank), None)
    numbers = f"r = {rank}, {row}, seed {values['seed']}: test accuracy ≈ {100 * accuracy:.1f} %"
    if stored:
        numbers += (
            f"; five stored seeds from ≈ {100 * min(stored):.1f} % to ≈ {100 * max(stored):.1f} %"
        )
    alt = (
        "Test accuracy against the rank of the noise, from 1 to full rank: a band from the lowest "
        "to the highest of five stored seeds with their mean, and a dot for every run so far. "
    )
    return png(figure), numbers, alt + numbers


def low_rank_search() -> Sweep:
    """Lesson 07: rank, σ and seed; every run leaves a dot."""
    return Sweep(
        render_rank,
        {
            "rank": slider(ipw.IntSlider, "rank r (columns of A and B)", 1, 1, 16, 1),
            "sigma": choice("scale of the noise σ (weight)", [(f"{s:g}", s) for s in SIGMAS]),
            "seed": slider(ipw.IntSlider, "seed of your run", 5, 5, 14, 1),
        },
        measure=dot,
        seconds=1,
    )
