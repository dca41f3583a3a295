"""Pictures of LocalZO: quotients and their averages, reach, sampled densities, what m buys."""

import numpy as np
from matplotlib.axes import Axes

from course_lab.lines import lines
from course_lib.run.figures import COLOURS, as_array, series


def derivatives(ax: Axes, distances, curves: dict, expected=None, markers: int = 0) -> Axes:
    """Derivatives of a spike against u: ``{"m = 1": (n,), …}``, over the expected one in black.

    markers: about how many markers to put on a line; 0 for none.
    """
    distances = as_array(distances, 1, "distances")
    lines(ax, distances, curves, marks=markers)
    if expected is not None:
        expected = as_array(expected, 1, "expected")
        ax.plot(distances, expected, color=COLOURS["black"], linewidth=2.2, label="expectation")
    ax.set(xlabel="distance to threshold u = v − θ", ylabel="derivative of the spike")
    ax.set_ylim(bottom=0)
    ax.legend()
    return ax


def reach(ax: Axes, distances, shares: dict, thresholds: dict) -> Axes:
    """P(G ≠ 0) against |u|/δ for each label, with its B_th/δ as a dotted line."""
    lines(ax, distances, shares, 100, marks=10)
    for index, label in enumerate(shares):
        colour = series(index)["color"]
        ax.axvline(thresholds[label], color=colour, linestyle=":", linewidth=1.5)
    ax.set(xlabel="|u| / δ", ylabel="entries that are active (%)", ylim=(-4, 104))
    ax.set_xlim(left=0)
    ax.legend()
    return ax


def sampled(ax: Axes, draws, positions, density) -> Axes:
    """A histogram of draws z ≥ 0, scaled as a density of |z|, under the density 2λ(z)."""
    positions = as_array(positions, 1, "positions")
    edges = np.linspace(0, positions.max(), 61)
    counts, _ = np.histogram(as_array(draws, 1, "draws"), edges)
    height = counts / (len(draws) * (edges[1] - edges[0]))
    ax.stairs(height, edges, fill=True, color=COLOURS["sky"], alpha=0.6, label="samples")
    ax.plot(positions, as_array(density, 1, "density"), color=COLOURS["black"], label="2 λ(z)")
    ax.set(xlabel="|z|", ylabel="density", xlim=(0, positions.max()))
    ax.set_ylim(bottom=0)
    ax.legend()
    return ax


def against_samples(ax: Axes, samples, curves: dict, ylabel: str) -> Axes:
    """Curves against m on a logarithmic axis: ``{"label": (n,), …}``."""
    lines(ax, samples, curves)
    ax.set(xscale="log", xlabel="draws m", ylabel=ylabel)
    ax.set_xticks(samples, [f"{m}" for m in samples])
    ax.minorticks_off()
    if len(curves) > 1:
        ax.legend()
    return ax


def training(ax: Axes, steps, runs: dict) -> Axes:
    """Validation accuracy during training; ``{"method": (seeds, n) of 0 to 1}``.

    Each seed is a thin line, their mean a thick one.
    """
    for index, (label, values) in enumerate(runs.items()):
        values = 100 * as_array(values, 2, label)
        look = series(index)
        ax.plot(steps, values.T, color=look["color"], linewidth=0.7, alpha=0.45)
        ax.plot(steps, values.mean(axis=0), label=label, **look)
    ax.set(xlabel="step", ylabel="validation accuracy (%)", ylim=(0, 100))
    ax.legend(loc="lower right")
    return ax
