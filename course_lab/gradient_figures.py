"""Pictures of gradients: a loss that is a staircase, surrogates, credit through time, a field."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from course_lab.lines import lines, running_mean
from course_lib.run.figures import COLOURS, as_array, series


def staircase(ax: Axes, positions, losses, label: str = "loss") -> Axes:
    """Losses (n,) at positions (n,) of one weight, as the steps that they are."""
    losses = as_array(losses, 1, "losses")
    ax.plot(positions, losses, color=COLOURS["blue"], drawstyle="steps-mid", linewidth=1.4,
            label=label)  # fmt: skip
    ax.set(ylabel="loss (nats)")
    return ax


def curves(ax: Axes, axis, values: dict, points: int = 9) -> Axes:
    """Functions of one variable, a few markers on each: ``{"k = 5": (n,), …}``."""
    lines(ax, axis, values, marks=points)
    ax.legend()
    return ax


def surrogate(ax: Axes, distances, derivative, voltages=None) -> Axes:
    """ψ(u) on a grid of u = v − θ, over a histogram of the distances u that neurons had."""
    if voltages is not None:
        voltages = as_array(voltages, 1, "voltages")
        inside = voltages[(voltages >= distances[0]) & (voltages <= distances[-1])]
        share, edges = np.histogram(inside, bins=40, range=(distances[0], distances[-1]))
        ax.bar(edges[:-1], share / max(1, share.max()), np.diff(edges), align="edge", alpha=0.6,
               color=COLOURS["sky"], label="how often neurons were there")  # fmt: skip
    ax.plot(distances, derivative, color=COLOURS["vermilion"], label="surrogate slope ψ(u)")
    ax.vlines(0, 0, 1.04, color=COLOURS["black"], linestyle="--", linewidth=1.2,
              label="threshold, u = 0")  # fmt: skip
    ax.set(xlabel="distance to the threshold u = v − θ", ylabel="slope; share of the largest bar",
           ylim=(0, 1.45))  # fmt: skip
    ax.legend(loc="upper left")
    return ax


def credit(ax: Axes, deltas: dict, spikes: dict) -> Axes:
    """δ[t] of each step for several neurons, and their spikes: ``{"reset to zero": (T,), …}``."""
    for index, (label, delta) in enumerate(deltas.items()):
        delta = as_array(delta, 1, label)
        ax.plot(delta, label=label, **series(index))
        fired = np.flatnonzero(as_array(spikes[label], 1, label))
        top = max(np.max(as_array(d, 1, label)) for d in deltas.values())
        ax.plot(fired, np.full(len(fired), top * (1.12 + 0.1 * index)), "v", linestyle="none",
                color=series(index)["color"], label=f"spikes, {label}")  # fmt: skip
    ax.set(xlabel="time step", ylabel="δ[t]")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.legend(loc="upper left")
    return ax


def losses(ax: Axes, histories: dict, window: int = 5) -> Axes:
    """Training losses, each a running mean of ``window`` steps: ``{"label": (steps,), …}``."""
    for label, history in histories.items():
        steps = np.arange(1, len(history) + 1)
        lines(ax, steps, {label: running_mean(history, window)}, names=list(histories))
    ax.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, None))
    ax.legend()
    return ax


def memory(ax: Axes, steps, measured: dict) -> Axes:
    """Megabytes against the number of time steps T: ``{"label": (n,) bytes, …}``."""
    lines(ax, steps, measured, 1e-6)
    ax.set(xlabel="number of time steps T", ylabel="megabytes", xlim=(0, None), ylim=(0, None))
    ax.legend()
    return ax


def field(ax: Axes, horizontal, vertical, loss, steps) -> Axes:
    """Steps (2, rows, columns) as arrows over a loss (rows, columns): the darker, the larger.

    Arrows are as long as the square root of the steps, so that short ones can be seen too.
    """
    loss, steps = as_array(loss, 2, "loss"), as_array(steps, 3, "steps")
    length = np.hypot(*steps)
    steps = steps / np.sqrt(np.where(length > 0, length, 1))
    mesh = ax.pcolormesh(horizontal, vertical, loss, cmap="Greys", vmin=0, vmax=3 * loss.max())
    ax.figure.colorbar(mesh, ax=ax, label="true loss", shrink=0.9).ax.set_ylim(0, loss.max())
    every = slice(None, None, max(1, len(horizontal) // 14))
    rows = slice(None, None, max(1, len(vertical) // 14))
    ax.quiver(horizontal[every], vertical[rows], *steps[:, rows, every], color=COLOURS["blue"],
              angles="xy", width=0.004)  # fmt: skip
    ax.grid(False)
    return ax
