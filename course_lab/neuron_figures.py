"""Pictures of neurons: their voltage, their spikes, their rate against the input current."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from course_lab.lines import lines
from course_lib.run.figures import COLOURS, as_array


def decay(ax: Axes, voltages: dict) -> Axes:
    """Voltages over time, one line a label: ``{"β = 0.9": (T,), …}``."""
    lines(ax, None, voltages, marks=10)
    ax.set(xlabel="time step", ylabel="voltage v")
    ax.legend()
    return ax


def voltage(ax: Axes, voltages, spikes, threshold: float, colour: str = COLOURS["blue"]) -> Axes:
    """Voltage after the reset (T,), with a triangle above the threshold for every spike (T,)."""
    voltages, spikes = as_array(voltages, 1, "voltages"), as_array(spikes, 1, "spikes")
    steps = np.arange(len(voltages))
    ax.plot(steps, voltages, color=colour, marker=".", label="voltage v")
    ax.axhline(threshold, color=COLOURS["black"], linestyle="--", linewidth=1.2,
               label="threshold θ")  # fmt: skip
    fired = np.flatnonzero(spikes)
    top = max(threshold, voltages.max(initial=0))
    ax.plot(fired, np.full(len(fired), top + 0.12 * threshold), "v", color=COLOURS["vermilion"],
            label="spike")  # fmt: skip
    low = min(0, voltages.min(initial=0))
    ylim = low - 0.05 * threshold, top + 0.3 * threshold
    ax.set(xlabel="time step", ylabel="voltage v", ylim=ylim)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    return ax


def fi_curve(ax: Axes, currents, simulated, predicted=None, label: str = "simulated") -> Axes:
    """Firing rate (spikes per step) against current: simulated dots, on a predicted line."""
    currents = as_array(currents, 1, "currents")
    if predicted is not None:
        predicted = as_array(predicted, 1, "predicted")
        ax.plot(currents, predicted, color=COLOURS["black"], linewidth=1.5, label="closed form")
    simulated = as_array(simulated, 1, "simulated")
    ax.plot(currents, simulated, "o", markersize=4, color=COLOURS["vermilion"], label=label)
    ax.set(xlabel="input current I", ylabel="spikes per step", ylim=(-0.04, 1.06))
    return ax


def crossings(ax: Axes, voltages, spikes, threshold: float, after=None) -> Axes:
    """The voltage as it meets the threshold, with its drop after every spike.

    voltages: (T,), before the reset; spikes: (T,); after: (T,), the voltages that the reset leaves,
    if it is not one to zero.
    """
    voltages, spikes = as_array(voltages, 1, "voltages"), as_array(spikes, 1, "spikes")
    steps, after = np.arange(len(voltages)), voltages * (1 - spikes) if after is None else after
    path = np.stack([voltages, after], axis=1).ravel()  # at a spike: up to the crossing, then down
    ax.plot(np.repeat(steps, 2), path, color=COLOURS["blue"], linewidth=1.6)
    ax.plot(steps, voltages, ".", color=COLOURS["blue"], label="voltage v")
    ax.axhline(threshold, color=COLOURS["black"], linestyle="--", linewidth=1.2)
    ax.annotate("θ", (len(steps), threshold), (0, 2), textcoords="offset points", ha="center",
                color=COLOURS["black"])  # fmt: skip
    fired = np.flatnonzero(spikes)
    top = max(threshold, voltages.max(initial=0)) + 0.15 * threshold
    ax.plot(fired, np.full(len(fired), top), linestyle="none", marker="v",
            color=COLOURS["vermilion"], label="spike")  # fmt: skip
    ax.set(xlabel="time step", ylabel="voltage v", ylim=(None, top + 0.15 * threshold))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return ax


def raster(ax: Axes, spikes) -> Axes:
    """Spikes (T, N) as ticks: time to the right, one row a neuron."""
    times, neurons = np.nonzero(as_array(spikes, 2, "spikes"))
    ax.plot(times, neurons, "|", color=COLOURS["vermilion"], markersize=4)
    steps, count = np.shape(spikes)
    ax.set(xlabel="time step", xlim=(-0.5, steps - 0.5), ylim=(-1, count), ylabel="neuron")
    ax.label_outer()
    ax.grid(False)
    return ax


def diagram(ax: Axes) -> Axes:
    """A LIF neuron: inputs with weights, the leaking voltage, the threshold, the reset."""
    ink, blue, red = COLOURS["black"], COLOURS["blue"], COLOURS["vermilion"]
    arrow = {"arrowstyle": "-|>", "color": ink, "linewidth": 1.4}
    for row, name in enumerate(("$x_1$", "$x_2$", "$x_3$")):
        y = 2.4 - 1.2 * row
        ax.text(0, y, name, ha="right", va="center", fontsize=12)
        ax.annotate("", (2.25, 1.2 + 0.25 * (1 - row)), (0.1, y), arrowprops=arrow)
        ax.text(0.95, y - 0.3 * (1 - row) + 0.2, f"$W_{row + 1}$", ha="center", color=blue)
    box = {"boxstyle": "round,pad=0.6", "facecolor": "none", "edgecolor": ink}
    for x, words in ((3.1, "leak and\nintegrate\n$v ← βv + I$"), (6.1, "fire if\n$v > θ$")):
        ax.text(x, 1.2, words, ha="center", va="center", fontsize=11, bbox=box)
    ax.annotate("", (5.35, 1.2), (4.1, 1.2), arrowprops=arrow)
    ax.annotate("", (8.3, 1.2), (6.85, 1.2), arrowprops=arrow | {"color": red})
    ax.text(8.4, 1.2, "spike $s$", va="center", color=red, fontsize=12)
    back = arrow | {"color": red, "connectionstyle": "arc3,rad=-0.5"}
    ax.annotate("", (3.1, 0.3), (6.1, 0.55), arrowprops=back)
    ax.text(4.7, -0.75, "reset: $v ← 0$", ha="center", color=red)
    ax.set(xlim=(-0.6, 9.6), ylim=(-1.1, 2.9))
    ax.axis("off")
    return ax
