"""Pictures of slopes found by trying: clouds of estimates, measured means, smoothed staircases."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from course_lab.lines import lines
from course_lib.run.figures import COLOURS, as_array, series


def cloud(ax: Axes, estimates, truth, reach: float) -> Axes:
    """Estimates (n, 2) of a gradient (2,), and their mean; axes from −reach to reach."""
    estimates, truth = as_array(estimates, 2, "estimates"), as_array(truth, 1, "truth")
    ax.plot(*estimates.T, ".", color=COLOURS["sky"], alpha=0.6, label="one estimate")
    for values, marker, colour, label in (
        (truth, "X", COLOURS["vermilion"], "true gradient"),
        (estimates.mean(axis=0), "o", COLOURS["black"], "mean of all"),
    ):
        ax.plot(*values, marker, color=colour, markersize=9, fillstyle="none" if marker == "o"
                else "full", markeredgewidth=2 if marker == "o" else 0, label=label)  # fmt: skip
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="first entry")
    return ax


def measured(ax: Axes, axis, values: dict, predicted: dict, log: bool = True) -> Axes:
    """Measured values with bars of two standard errors, on predicted lines.

    values: ``{"label": (means (n,), errors (n,)), …}``; predicted: ``{"label": (n,), …}``.
    """
    for index, (label, line) in enumerate(predicted.items()):
        ax.plot(axis, as_array(line, 1, label), color=COLOURS["black"], linewidth=1.2,
                linestyle=("-", "--", "-.", ":")[index % 4], label=label)  # fmt: skip
    for index, (label, (means, errors)) in enumerate(values.items()):
        look = series(index) | {"linestyle": "none"}
        ax.errorbar(axis, as_array(means, 1, label), 2 * as_array(errors, 1, label), capsize=3,
                    label=label, **look)  # fmt: skip
    if log:
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(axis, [f"{value:,g}" for value in axis])
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        ax.minorticks_off()
    ax.legend()
    return ax


def smoothed(ax: Axes, axis, stairs, curves: dict) -> Axes:
    """A staircase (n,) and what is left of it after smoothing: ``{"σ = 0.1": (n,), …}``."""
    ax.plot(axis, as_array(stairs, 1, "stairs"), color="0.55", linewidth=1.4, label="staircase")
    lines(ax, axis, curves, marks=10)
    ax.legend()
    return ax


def secant(ax: Axes, positions, losses, sigma: float) -> Axes:
    """Losses (n,) along a line, and the chord that a two-point estimate draws from −σ to σ."""
    losses = as_array(losses, 1, "losses")
    ax.plot(positions, losses, color=COLOURS["blue"], linewidth=1.4, label="loss")
    ends = np.interp([-sigma, sigma], positions, losses)
    ax.plot([-sigma, sigma], ends, color=COLOURS["vermilion"], marker="o", linestyle="--",
            label="two-point estimate")  # fmt: skip
    ax.plot([0], np.interp([0], positions, losses), "X", color=COLOURS["black"], markersize=9,
            label="where we are")  # fmt: skip
    ax.set(xlabel="distance along one random direction", ylabel="loss (nats)")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.legend()
    return ax
