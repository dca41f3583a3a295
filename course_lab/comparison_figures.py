"""Pictures that compare training methods: curves against any cost, results with their spread."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from course_lab.lines import lines
from course_lib.run.figures import COLOURS, as_array, series


def curves(ax: Axes, runs: Mapping, names: Sequence[str] = (), log: bool = False) -> Axes:
    """Accuracies (0 to 1) in percent, each against costs of its own: ``{"label": (x, y), …}``.

    names: all labels of the lesson, so that a method looks the same in every picture.
    """
    names = list(names or runs)
    for label, (x, y) in runs.items():
        lines(ax, x, {label: y}, 100, 6, names)
    ax.axhline(10, color=COLOURS["black"], linewidth=1, linestyle=":")
    ax.set(ylabel="test accuracy (%)", ylim=(0, 100), xscale="log" if log else "linear")
    return ax


def spread(ax: Axes, rows: Mapping, marked: str | None = None) -> Axes:
    """Results in percent, one line a row: every seed as a dot, the mean as a bar.

    rows: ``{"label": values from 0 to 1, …}``, from top to bottom; marked: a label to stand out.
    """
    for height, (label, values) in enumerate(rows.items()):
        values = 100 * as_array(values, 1, label)
        colour = COLOURS["vermilion"] if label == marked else COLOURS["blue"]
        dots = np.full(len(values), height)
        ax.plot(values, dots, "o", color=colour, markersize=5, alpha=0.8, markeredgewidth=0)
        mean = values.mean()
        ax.plot([mean, mean], [height - 0.32, height + 0.32], color=COLOURS["black"], linewidth=2)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel="test accuracy (%)", ylim=(len(rows) - 0.4, -0.6))
    ax.grid(False, axis="y")
    return ax


def against(ax: Axes, x, groups: Mapping, xlabel: str) -> Axes:
    """Mean of several runs, and each of them, against a setting on a base-2 axis.

    groups: ``{"label": (len(x), runs) of 0 to 1, …}``.
    """
    for index, (label, values) in enumerate(groups.items()):
        values = 100 * as_array(values, 2, label)
        look = series(index)
        ax.plot(x, values.mean(axis=1), label=label, **look)
        for run in values.T:
            ax.plot(x, run, linestyle="none", marker=look["marker"], color=look["color"],
                    markersize=4, alpha=0.45)  # fmt: skip
    ax.set(xscale="log", ylabel="test accuracy (%)", xlabel=xlabel)
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(x), [f"{value:g}" for value in x])
    ax.minorticks_off()
    return ax


def front(ax: Axes, costs, accuracy, best, names: Sequence[str], xlabel: str) -> Axes:
    """Accuracies (0 to 1) in percent against costs, each with its name.

    best: True for what nothing beats in both; these are filled and joined by steps.
    """
    costs, best = as_array(costs, 1, "costs"), as_array(best, 1, "best").astype(bool)
    percent = 100 * as_array(accuracy, 1, "accuracy")
    ax.plot(costs[~best], percent[~best], "s", color=COLOURS["vermilion"], markerfacecolor="none")
    order = np.flatnonzero(best)[np.lexsort((percent[best], costs[best]))]
    ax.plot(costs[order], percent[order], "o-", color=COLOURS["blue"], drawstyle="steps-post")
    ax.set(xlabel=xlabel, ylabel="test accuracy (%)")
    ax.margins(x=0.3, y=0.15)
    for x, y, name, left in zip(costs, percent, names, best, strict=True):  # clear of the steps
        ax.annotate(name, (x, y), xytext=(-5, 5) if left else (8, -4), textcoords="offset points",
                    ha="right" if left else "left", fontsize=9)  # fmt: skip
    return ax
