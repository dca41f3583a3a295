"""Pictures of populations: a fitness landscape and its smoothed forms, runs side by side."""

import numpy as np
from matplotlib.axes import Axes

from course_lab.lines import lines
from course_lib.run.figures import COLOURS, as_array


def landscape(ax: Axes, distances, fitness, smoothed: dict | None = None) -> Axes:
    """Fitness (n,) along a direction, and smoothed forms of it: ``{"σ = 0.1": (n,), …}``."""
    ax.plot(
        distances, as_array(fitness, 1, "fitness"), color="0.1", linewidth=0.8,
        drawstyle="steps-mid", label="fitness f", zorder=3,
    )  # fmt: skip
    lines(ax, distances, smoothed or {})
    ax.axvline(0, color=COLOURS["black"], linestyle=":", linewidth=1.2)
    ax.set(xlabel="distance t along one direction", ylabel="fitness (−nats)")
    return ax


def runs(ax: Axes, losses: dict, passes: dict, window: int = 1) -> Axes:
    """Loss of each generation against forward passes so far, one line a run.

    losses: ``{"ES": (generations,), …}``; passes: forward passes a generation, by the same labels.
    window: generations averaged; the first value drawn is the mean of the first window.
    """
    for label, values in losses.items():
        values = as_array(values, 1, label)
        width = min(window, len(values))
        mean = np.convolve(values, np.ones(width) / width, mode="valid")
        spent = passes[label] * np.arange(width, len(values) + 1)
        lines(ax, spent, {label: mean}, names=list(losses))
    ax.set(ylabel="loss (nats)")
    ax.legend()
    return ax


def four_classes(ax: Axes, ticks=(0.5, 1, 2, 5, 10)) -> Axes:
    """Makes the axis of ``runs`` logarithmic, with the loss of whoever guesses among four."""
    ax.axhline(np.log(4), color="0.4", linestyle=":", label="ln 4: guessing")
    ax.set(ylim=(0.4, 14), yscale="log", title="loss, mean of the population")
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="lower left")
    return ax


def densities(ax: Axes, samples: dict, reach: float = 5.0) -> Axes:
    """Densities of samples with variance 1, against the standard Gaussian: ``{"r = 1": (n,), …}``.

    The vertical axis is logarithmic, which turns the Gaussian into a parabola.
    """
    edges = np.linspace(-reach, reach, 61)
    middle = (edges[1:] + edges[:-1]) / 2
    bell = np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(middle, bell, color=COLOURS["black"], linewidth=1.5, label="Gaussian")
    measured = {}
    for label, values in samples.items():
        counts, _ = np.histogram(as_array(values, 1, label), bins=edges)
        measured[label] = np.where(counts > 0, counts, np.nan) / (len(values) * np.diff(edges))
    lines(ax, middle, measured)
    ax.set(yscale="log", xlabel="entry of the noise E", ylabel="density", ylim=(3e-6, 3))
    ax.legend()
    return ax
