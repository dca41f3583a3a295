"""Pictures of learned feedback: how well it points, and what it teaches."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from course_lab.lines import lines
from course_lib.run.figures import COLOURS

HATCHES = ("", "///", "...", "xx", "\\\\\\")


def cosines(ax: Axes, x, curves: Mapping, log: bool = False, names=()) -> Axes:
    """Cosines with what is to be estimated: ``{"label": (n,), …}``; 1 is the right direction.

    names: all the labels of a neighbouring picture, so that a curve looks the same in both.
    """
    ax.axhline(1, color=COLOURS["black"], linewidth=1, linestyle=":")
    lines(ax, x, curves, names=names)
    ax.set(ylabel="cosine", ylim=(-0.12, 1.06), xscale="log" if log else "linear")
    ax.legend()
    return ax


def accuracies(ax: Axes, steps, curves: Mapping) -> Axes:
    """Accuracies (0 to 1) in percent against training steps: ``{"label": (n,), …}``."""
    lines(ax, steps, curves, 100)
    ax.axhline(10, color=COLOURS["black"], linewidth=1, linestyle=":")
    ax.set(xlabel="training step", ylabel="accuracy (%)", ylim=(0, 100))
    return ax


def grouped_bars(ax: Axes, groups: Mapping, names: Sequence[str], form: str = ".2f") -> Axes:
    """Bars side by side, a value written on each: ``{"group": values, …}``, one value a name.

    Raises ValueError if a group has not as many values as there are names.
    """
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        for values in groups.values():
            if len(values) != len(names):
                raise ValueError(f"{len(values)} values for the {len(names)} names {names}")
        heights = [values[index] for values in groups.values()]
        colour = tuple(COLOURS.values())[index % len(COLOURS)]
        at = np.arange(len(groups)) - 0.4 + (index + 0.5) * width
        bars = ax.bar(at, heights, 0.9 * width, label=name, color=colour, edgecolor="white",
                      hatch=HATCHES[index % len(HATCHES)])  # fmt: skip
        ax.bar_label(bars, [format(height, form) for height in heights], fontsize=9, padding=2)
    ax.set_xticks(range(len(groups)), list(groups))
    ax.grid(False, axis="x")
    return ax
