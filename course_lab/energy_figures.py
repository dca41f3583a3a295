"""Pictures of what an inference costs: operations by layer, spikes on the way to an accuracy."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from course_lab.lines import lines
from course_lib.run.figures import COLOURS, as_array, series

HATCHES = ("", "//", "..", "xx", "\\\\")


def by_layer(ax: Axes, rows: Mapping, ylabel: str = "SynOps a recording") -> Axes:
    """Numbers of each layer as bars on a logarithmic axis, networks side by side.

    rows: ``{"label": (L,), …}``. Raises ValueError unless all have as many layers.
    """
    bars = {label: as_array(values, 1, label) for label, values in rows.items()}
    layers = {len(values) for values in bars.values()}
    if len(layers) != 1:
        raise ValueError(f"rows have {sorted(layers)} layers; expected the same number in all")
    (count,), width = layers, 0.8 / len(bars)
    colours = tuple(COLOURS.values())
    for index, (label, values) in enumerate(bars.items()):
        left = np.arange(count) - 0.4 + index * width
        ax.bar(left, values, 0.92 * width, align="edge", color=colours[index % len(colours)],
               hatch=HATCHES[index % len(HATCHES)], edgecolor="white", label=label)  # fmt: skip
    ax.set_xticks(range(count), [f"layer {layer}" for layer in range(1, count + 1)])
    ax.set(yscale="log", ylabel=ylabel)
    ax.grid(False, axis="x")
    return ax


def recordings(ax: Axes, counts, ylabel: str = "SynOps") -> Axes:
    """Counts (n, L) of every recording and layer, logarithmic: a dot each, sorted to the right."""
    counts = as_array(counts, 2, "counts")
    for index, values in enumerate(counts.T):
        places = index + np.linspace(-0.35, 0.35, len(values))
        ax.plot(places, np.sort(values), ".", markersize=3, color=series(index)["color"])
    ax.set_xticks(range(counts.shape[1]), [f"layer {k}" for k in range(1, counts.shape[1] + 1)])
    ax.set(yscale="log", ylabel=ylabel)
    ax.grid(False, axis="x")
    return ax


def paths(
    ax: Axes, runs: Mapping, target: float | None = None, names: Sequence[str] = ()
) -> Axes:
    """Hidden spikes against accuracy while networks train: ``{"label": (accuracy, spikes), …}``.

    target: accuracy (0 to 1) at which they are compared; names: all labels of the lesson, so that
    a method looks the same in every picture.
    """
    names = list(names or runs)
    for label, (accuracy, spikes) in runs.items():
        lines(ax, 100 * as_array(accuracy, 1, label), {label: spikes}, names=names)
    if target is not None:
        ax.axvline(100 * target, color=COLOURS["black"], linestyle=":", linewidth=1)
    ax.set(xlabel="validation accuracy (%)", ylabel="hidden spikes a recording", xlim=(0, 100))
    ax.set_ylim(bottom=0)
    return ax


def ratios(ax: Axes, rows: Mapping[str, tuple[float, float, float]], xlabel: str) -> Axes:
    """Ratios with intervals, one line a row: ``{"label": (ratio, low, high), …}``, and 1."""
    ax.axvline(1, color=COLOURS["black"], linestyle=":", linewidth=1)
    for place, (mean, low, high) in enumerate(rows.values()):
        ax.plot([low, high], [place, place], color=COLOURS["black"], linewidth=1.5)
        ax.plot([mean], [place], "o", color=COLOURS["blue"])
    ends = [value for row in rows.values() for value in row]
    low, high = min(0.5, *ends) / 1.1, max(2.0, *ends) * 1.1
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20) if low <= tick <= high]
    ax.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.5, -0.5), xlabel=xlabel)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(rows)), list(rows))
    return ax
