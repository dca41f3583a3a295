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


def scale_sweep(ax: Axes, scales, curves: dict) -> Axes:
    """Shares in percent against a scale on a logarithmic axis: ``{"label": (n,) of 0 to 1, …}``."""
    lines(ax, scales, curves, 100)
    ax.set(xscale="log", ylim=(-4, 104), ylabel="percent")
    ax.legend()
    return ax
