"""Pictures that compare training methods: curves against any cost, results with their spread."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from course_lab.lines import lines
from course_lib.run.figures import COLOURS, METHOD_COLOURS, as_array, series


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


def flow(ax: Axes) -> Axes:
    """Data flow of every method: frames, the estimator, .grad, the optimiser, the weights."""
    ink, blue, red = COLOURS["black"], COLOURS["blue"], COLOURS["vermilion"]
    arrow = {"arrowstyle": "-|>", "color": ink, "linewidth": 1.4}
    box = {"boxstyle": "round,pad=0.5", "facecolor": "none"}
    for x, words, colour in (
        (0.5, "recordings", ink), (2.5, "frames,\nlabels", ink),
        (5.1, "estimator\n.fill_grads(…)", red), (7.7, ".grad", blue),
        (9.7, "optimizer\n.step()", ink),
    ):  # fmt: skip
        ax.text(x, 2, words, ha="center", va="center", bbox=box | {"edgecolor": colour})
    for start, end in ((1.25, 1.85), (3.15, 4.05), (6.15, 7.25), (8.15, 8.95)):
        ax.annotate("", (end, 2), (start, 2), arrowprops=arrow)
    ax.text(5.1, 0.3, "network (weights)", ha="center", va="center", bbox=box | {"edgecolor": ink})
    ax.annotate("", (5.1, 1.45), (5.1, 0.7), arrowprops=arrow)
    ax.text(5.2, 1.05, "runs forwards", fontsize=9, va="center")
    ax.plot([9.7, 9.7], [1.4, 0.3], color=ink, linewidth=1.4)
    ax.annotate("", (6.55, 0.3), (9.7, 0.3), arrowprops=arrow)
    ax.text(8.1, 0.45, "changes them", fontsize=9, ha="center")
    ways = "here they differ: a backward pass, a feedback matrix, or a population"
    ax.text(5.1, 2.85, ways, ha="center", color=red, fontsize=10)
    ax.set(xlim=(-0.5, 10.7), ylim=(-0.2, 3.2))
    ax.axis("off")
    return ax


def race(ax: Axes, runs: Mapping, labels: Mapping, xlabel: str) -> Axes:
    """Accuracies (0 to 1) in percent against a cost, by method, each in its colour and marker.

    runs: ``{"bptt": (costs, accuracies), …}``; labels: what people call these methods.
    """
    for method, (x, y) in runs.items():
        look = series(list(METHOD_COLOURS).index(method))  # the same marker in all figures
        look |= {"color": METHOD_COLOURS[method], "markersize": 5}
        ax.plot(x, 100 * as_array(y, 1, method), label=labels[method], **look)
    ax.axhline(10, color=COLOURS["black"], linewidth=1, linestyle=":")
    ax.set(xscale="log", ylim=(0, 100), xlabel=xlabel, ylabel="test accuracy (%)")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def confusion(ax: Axes, matrix, colour: str) -> Axes:
    """Confusion matrix (C, C): rows are true classes; the more, the stronger the colour."""
    counts = as_array(matrix, 2, "matrix")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ink = np.broadcast_to(to_rgb(colour), (*share.shape, 3))
    ax.imshow(np.dstack([ink, np.minimum(1, 1.2 * share)]))
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:  # readable on a strong colour, and on none, light or dark
            ax.text(column, row, f"{counts[row, column]:g}", ha="center", va="center",
                    color="black" if share[row, column] > 0.3 else COLOURS["black"])  # fmt: skip
    ticks = range(len(counts))
    ax.set(xlabel="the network says", ylabel="the digit is", xticks=ticks, yticks=ticks)
    ax.grid(False)
    return ax


def sigma(ax: Axes, scales, accuracies, moved) -> Axes:
    """EGGROLL's accuracy, and the share of recordings in which noise moves a spike, against σ."""
    percent = 100 * as_array(accuracies, 1, "accuracies")
    ax.plot(scales, percent, "o-", color=METHOD_COLOURS["eggroll"], label="test accuracy")
    ax.plot(scales, 100 * as_array(moved, 1, "moved"), "s--", color=COLOURS["blue"],
            label="recordings in which a spike moves")  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set(xlabel="σ, times its default", ylabel="percent", ylim=(-3, 103))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def prices() -> tuple[Figure, list[str]]:
    """Accuracy of stored runs against what their training cost, and what that says in sentences."""
    from course_lib.run import costs

    found = costs.points()
    return costs.figure(found), costs.told(found)
