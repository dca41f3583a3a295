"""Pictures of what an inference costs: operations by layer, what they buy, spikes on the way."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from course_lib.run.figures import COLOURS, METHOD_COLOURS, as_array

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


def paths(ax: Axes, runs: Mapping, target: float | None = None, names: Sequence[str] = ()) -> Axes:
    """Hidden spikes against accuracy while networks train: ``{"label": (accuracy, spikes), …}``.

    target: accuracy (0 to 1) at which they are compared; names: all labels of the lesson, so that
    a method looks the same in every picture.
    """
    from course_lab.lines import lines

    names = list(names or runs)
    for label, (accuracy, spikes) in runs.items():
        lines(ax, 100 * as_array(accuracy, 1, label), {label: spikes}, names=names)
    if target is not None:
        ax.axvline(100 * target, color=COLOURS["black"], linestyle=":", linewidth=1)
    ax.set(xlabel="validation accuracy (%)", ylabel="hidden spikes a recording", xlim=(0, 100))
    ax.set_ylim(bottom=0)
    return ax


def fan_out(ax: Axes, sizes: Sequence[int], arrivals: Sequence[float]) -> Axes:
    """Who is called how often: one event reaches all of layer 1, one hidden spike all outputs.

    sizes: neurons by layer, input first; arrivals: events and hidden spikes of a recording.
    """
    ink, colours = COLOURS["black"], (COLOURS["orange"], COLOURS["vermilion"])
    dots = [min(size, 64) for size in sizes]  # of a larger layer so many are drawn
    heights = [np.linspace(-1, 1, count) * (0.4 + count / 107) for count in dots]
    for x, colour in enumerate(colours):
        sender = heights[x][dots[x] // 2]
        for y in heights[x + 1]:
            ax.plot([x, x + 1], [sender, y], color=colour, linewidth=0.8)
        ax.plot([x], [sender], "o", color=colour, markersize=9, zorder=3)
        noun = ("active inputs", "hidden spikes")[x]
        told = f"{arrivals[x]:,.0f} {noun}\n× {sizes[x + 1]} synapses each"
        ax.text(x + 0.5, -1.3, told, ha="center", va="top", color=ink)
    for x, (places, size) in enumerate(zip(heights, sizes, strict=True)):
        ax.plot(np.full(len(places), x), places, "o", color=ink, markersize=2)
        ax.text(x, places[-1] + 0.15, f"{size:,}", ha="center", color=ink)
    ax.set(xlim=(-0.3, 2.3), ylim=(-1.8, 1.3))
    ax.axis("off")
    return ax


def pruned(ax: Axes, synops: Sequence[float], accuracy: Sequence[float], kept: Sequence) -> Axes:
    """Accuracy (0 to 1) against SynOps when only a share of the weights is kept, each labelled."""
    ax.plot(synops, 100 * np.asarray(accuracy), "o-", color=METHOD_COLOURS["projected"])
    for x, y, share in zip(synops, accuracy, kept, strict=True):
        ax.annotate(f"{share:.0%}", (x, 100 * y), xytext=(0, -16), textcoords="offset points",
                    ha="center", fontsize=9, color=COLOURS["black"])  # fmt: skip
    ax.set(xscale="log", xlabel="SynOps a recording", ylabel="test accuracy, %", ylim=(0, 100))
    return ax
