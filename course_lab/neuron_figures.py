"""Pictures of neurons: their voltage, their spikes, their rate against the input current."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from course_lib.run.figures import COLOURS, as_array, series


def decay(ax: Axes, voltages: dict) -> Axes:
    """Voltages over time, one line a label: ``{"β = 0.9": (T,), …}``."""
    for index, (label, voltage) in enumerate(voltages.items()):
        voltage = as_array(voltage, 1, "voltage")
        every = max(1, len(voltage) // 10)
        ax.plot(voltage, label=label, markevery=(index * every // 3, every), **series(index))
    ax.set(xlabel="time step", ylabel="voltage v")
    ax.legend()
    return ax


def voltage(ax: Axes, voltages, spikes, threshold: float, colour: str = COLOURS["blue"]) -> Axes:
    """Voltage after the reset (T,), with a triangle above the threshold for every spike (T,)."""
    voltages, spikes = as_array(voltages, 1, "voltages"), as_array(spikes, 1, "spikes")
    steps = np.arange(len(voltages))
    ax.plot(steps, voltages, color=colour, marker=".", label="voltage v")
    ax.axhline(
        threshold, color=COLOURS["black"], linestyle="--", linewidth=1.2, label="threshold θ"
    )
    fired = np.flatnonzero(spikes)
    top = max(threshold, voltages.max(initial=0))
    ax.plot(
        fired,
        np.full(len(fired), top + 0.12 * threshold),
        linestyle="none",
        marker="v",
        color=COLOURS["vermilion"],
        label="spike",
    )
    low = min(0, voltages.min(initial=0))
    ax.set(
        xlabel="time step", ylabel="voltage v", ylim=(low - 0.05 * threshold, top + 0.3 * threshold)
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    return ax


def fi_curve(ax: Axes, currents, simulated, predicted=None, label: str = "simulated") -> Axes:
    """Firing rate (spikes per step) against current: simulated dots, on a predicted line."""
    currents = as_array(currents, 1, "currents")
    if predicted is not None:
        ax.plot(
            currents,
            as_array(predicted, 1, "predicted"),
            color=COLOURS["black"],
            linewidth=1.5,
            label="closed form",
        )
    ax.plot(
        currents,
        as_array(simulated, 1, "simulated"),
        linestyle="none",
        marker="o",
        markersize=4,
        color=COLOURS["vermilion"],
        label=label,
    )
    ax.set(xlabel="input current I", ylabel="spikes per step", ylim=(-0.04, 1.06))
    return ax


def scale_sweep(ax: Axes, scales, curves: dict) -> Axes:
    """Shares in percent against a scale on a logarithmic axis: ``{"label": (n,) of 0 to 1, …}``."""
    for index, (label, values) in enumerate(curves.items()):
        ax.plot(scales, 100 * as_array(values, 1, label), label=label, **series(index))
    ax.set(xscale="log", ylim=(-4, 104), ylabel="percent")
    ax.legend()
    return ax
