"""Pictures of populations: a fitness landscape and its smoothed forms, runs side by side."""

import numpy as np
from matplotlib.axes import Axes

from course_lib.run.figures import COLOURS, as_array, series


def landscape(ax: Axes, distances, fitness, smoothed: dict | None = None) -> Axes:
    """Fitness (n,) along a direction, and smoothed forms of it: ``{"σ = 0.1": (n,), …}``."""
    ax.plot(
        distances, as_array(fitness, 1, "fitness"), color="0.1", linewidth=0.8,
        drawstyle="steps-mid", label="fitness f", zorder=3,
    )  # fmt: skip
    for index, (label, values) in enumerate((smoothed or {}).items()):
        every = max(1, len(distances) // 8)
        ax.plot(
            distances, as_array(values, 1, label), label=label,
            markevery=(index * every // 3, every), **series(index),
        )  # fmt: skip
    ax.axvline(0, color=COLOURS["black"], linestyle=":", linewidth=1.2)
    ax.set(xlabel="distance t along one direction", ylabel="fitness (−nats)")
    return ax


def runs(ax: Axes, losses: dict, passes: dict, window: int = 1) -> Axes:
    """Loss of each generation against forward passes so far, one line a run.

    losses: ``{"ES": (generations,), …}``; passes: forward passes a generation, by the same labels.
    window: generations averaged; the first value drawn is the mean of the first window.
    """
    for index, (label, values) in enumerate(losses.items()):
        values = as_array(values, 1, label)
        width = min(window, len(values))
        mean = np.convolve(values, np.ones(width) / width, mode="valid")
        spent = passes[label] * np.arange(width, len(values) + 1)
        every = max(1, len(mean) // 8)
        ax.plot(spent, mean, label=label, markevery=(index * every // 3, every), **series(index))
    ax.set(ylabel="loss (nats)")
    ax.legend()
    return ax


def densities(ax: Axes, samples: dict, reach: float = 5.0) -> Axes:
    """Densities of samples with variance 1, against the standard Gaussian: ``{"r = 1": (n,), …}``.

    The vertical axis is logarithmic, which turns the Gaussian into a parabola.
    """
    edges = np.linspace(-reach, reach, 61)
    middle = (edges[1:] + edges[:-1]) / 2
    ax.plot(
        middle, np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi), color=COLOURS["black"],
        linewidth=1.5, label="Gaussian",
    )  # fmt: skip
    for index, (label, values) in enumerate(samples.items()):
        values = as_array(values, 1, label)
        counts, _ = np.histogram(values, bins=edges)
        density = np.where(counts > 0, counts, np.nan) / (len(values) * np.diff(edges))
        ax.plot(middle, density, label=label, markevery=(2 * index, 8), **series(index))
    ax.set(yscale="log", xlabel="entry of the noise E", ylabel="density", ylim=(3e-6, 3))
    ax.legend()
    return ax
