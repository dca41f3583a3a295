"""Pictures of gradients: a loss that is a staircase, surrogates, credit through time."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

from course_lab.lines import lines, running_mean
from course_lib.run.figures import COLOURS, as_array

INK, BACK = COLOURS["black"], COLOURS["vermilion"]  # what goes forwards, and what comes back
BOX = {"boxstyle": "round,pad=0.45", "facecolor": "none", "edgecolor": INK}


def staircase(ax: Axes, positions, losses, label: str = "loss") -> Axes:
    """Losses (n,) at positions (n,) of one weight, as the steps that they are."""
    losses = as_array(losses, 1, "losses")
    ax.plot(positions, losses, color=COLOURS["blue"], drawstyle="steps-mid", linewidth=1.4,
            label=label)  # fmt: skip
    ax.set(ylabel="loss")
    return ax


def curves(ax: Axes, axis, values: dict, points: int = 9) -> Axes:
    """Functions of one variable, a few markers on each: ``{"k = 5": (n,), …}``."""
    lines(ax, axis, values, marks=points)
    ax.legend()
    return ax


def softness(axes, slopes) -> None:
    """Soft steps of slopes k, drawn from 0 to 1, beside the sharp one; and the bumps ψ(u) that go
    with them: on two axes."""
    forwards, backwards = axes
    u = np.linspace(-1, 1, 401)
    steps = {f"k = {k}": (1 + k * u / (1 + k * np.abs(u))) / 2 for k in slopes}
    curves(forwards, u, steps).plot(u, u > 0, color=BACK, linestyle=":", label="the spike")
    forwards.legend()
    curves(backwards, u, {f"k = {k}": 1 / (1 + k * np.abs(u)) ** 2 for k in slopes})
    for ax, title in zip(axes, ("forwards: soft steps and the sharp one", "backwards: ψ(u)"),
                         strict=True):  # fmt: skip
        ax.set(xticks=(-1, -0.5, 0, 0.5, 1), xlabel="u = v − θ", title=title)


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


def losses(ax: Axes, histories: dict, window: int = 5) -> Axes:
    """Training losses, each a running mean of ``window`` steps: ``{"label": (steps,), …}``."""
    for label, history in histories.items():
        steps = np.arange(1, len(history) + 1)
        lines(ax, steps, {label: running_mean(history, window)}, names=list(histories))
    ax.set(xlabel="step", ylabel="training loss (nats)", ylim=(0, None))
    ax.legend()
    return ax


def credit(ax: Axes, blame, spikes) -> Axes:
    """The blame (T,) that reaches the voltage of each step, as bars; spikes (T,) as walls."""
    blame, spikes = as_array(blame, 1, "blame"), as_array(spikes, 1, "spikes")
    ax.bar(np.arange(len(blame)), blame, color=BACK, width=0.7)
    for step in np.flatnonzero(spikes):
        ax.axvline(step, color=INK, linestyle="--", linewidth=1.2)
    ax.set(xlabel="time step", ylabel="blame c[t]", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    return ax


def broken_chain(ax: Axes) -> Axes:
    """From a weight to the loss and back: where the true slope dies, and what takes its place."""
    places = (0.6, 3.0, 5.6, 8.2, 10.6)
    names = ("weight\n$W$", "current\n$I = Wx$", "distance\n$u = v - θ$", "spike\n$s = 1[u > 0]$",
             "loss\n$L$")  # fmt: skip
    rows = (("forward", 2.3), ("backward, true slope", 1.1), ("backward, with a bump", 0))
    for place, name in zip(places, names, strict=True):
        ax.text(place, 2.3, name, ha="center", va="center", bbox=BOX)
    for title, height in rows[1:]:
        ax.text(-0.4, height, title, ha="right", va="center")
    ax.text(-0.4, 2.3, rows[0][0], ha="right", va="center")
    for left, right in pairwise(places):
        _arrow(ax, (left + 0.85, 2.3), (right - 0.85, 2.3), INK)
        _arrow(ax, (right - 0.3, 0), (left + 0.3, 0), BACK)
    _arrow(ax, (10.3, 1.1), (8.5, 1.1), BACK)
    ax.text(6.9, 1.1, "✕", ha="center", va="center", color=BACK, fontsize=20)
    ax.text(6.9, 1.5, r"$\partial s/\partial u = 0$", ha="center", color=BACK)
    ax.text(4.0, 1.1, "0     0     0     0", ha="center", va="center", color=BACK)
    ax.text(6.9, 0.2, "$ψ(u)$", ha="center", color=BACK)
    ax.set(xlim=(-4.2, 11.4), ylim=(-0.5, 2.9))
    ax.axis("off")
    return ax


def network_in_time(ax: Axes) -> Axes:
    """Three steps of a network side by side: what goes forwards, and the way of the blame back."""
    columns, labels = (1.5, 5.0, 8.5), ("t − 1", "t", "t + 1")
    ax.add_patch(FancyBboxPatch((0.6, 5.25), 8.8, 0.6, boxstyle="round,pad=0.1", facecolor="none",
                                edgecolor=INK))  # fmt: skip
    ax.text(5.0, 5.55, "loss $L$", ha="center", va="center")
    for x, step in zip(columns, labels, strict=True):
        inside = f"[{step.replace(' ', '')}]".replace("−", "-")
        for y, letter in ((0, "x"), (2.4, "u"), (4.0, "s")):
            ax.text(x, y, f"${letter}{inside}$", ha="center", va="center", bbox=BOX)
        ax.text(x, 1.2, "$W$", ha="center", va="center")
        ax.text(x, -0.75, f"step {step}", ha="center", va="center")
        for low, high in ((0.42, 0.95), (1.45, 1.98), (2.82, 3.58), (4.42, 5.13)):
            _arrow(ax, (x - 0.12, low), (x - 0.12, high), INK)
        for high, low in ((5.13, 4.42), (3.58, 2.82), (1.98, 1.45)):  # blame ends at the weight
            _arrow(ax, (x + 0.12, high), (x + 0.12, low), BACK)
        ax.text(x + 0.25, 3.2, "$ψ$", va="center", color=BACK)
    for left, right in pairwise((-1.2, *columns, 11.2)):
        _arrow(ax, (left + 0.7, 2.52), (right - 0.7, 2.52), INK)
        _arrow(ax, (right - 0.7, 2.28), (left + 0.7, 2.28), BACK)
        ax.text((left + right) / 2, 2.0, "$β(1 - s)$", ha="center", va="center", color=BACK)
    ax.plot([], [], color=INK, label="forwards: signals")
    ax.plot([], [], color=BACK, label="backwards: blame")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)
    ax.set(xlim=(-1.2, 11.2), ylim=(-1.1, 6.0))
    ax.axis("off")
    return ax


def _arrow(ax: Axes, start, end, colour: str) -> None:
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=arrow)
