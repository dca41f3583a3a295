"""The course's look, and the figures that every training run has.

Every function draws on the axes it is given and returns them; it never changes its data. Colours
are those of Okabe and Ito, and no figure tells things apart by colour alone: series differ in
marker or line style as well.
"""

import io
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

STYLE = Path(__file__).with_name("course.mplstyle")

COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#7a7a7a",  # ink: readable on white and in the dark
}
#: a method keeps its colour through all lessons and pages
METHOD_COLOURS = {
    "bptt": "#7a7a7a", "es": "#0072B2", "eggroll": "#D55E00", "smooth": "#F0A070",
    "projected": "#E69F00", "localzo": "#56B4E9", "sparsegrad": "#8FA8C8", "opzo": "#009E73",
    "ottt": "#CC79A7", "dfa": "#8C6BB1", "zo": "#A6761D", "hybrid": "#66A61E",
}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


def style() -> AbstractContextManager:
    """A context in which matplotlib draws as the course does: ``with style(): ...``."""
    return matplotlib.rc_context(fname=STYLE)


def series(index: int) -> dict:
    """Colour, marker and line style of the index-th series of a figure, as keyword arguments."""
    colours = tuple(COLOURS.values())
    return {
        "color": colours[index % len(colours)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)],
    }


def as_array(values, dimensions: int, name: str) -> np.ndarray:
    """A NumPy view of an array or tensor. Raises ValueError if it has other dimensions."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.ndim != dimensions:
        raise ValueError(f"{name} has shape {array.shape}; expected {dimensions} axes")
    return array


def raster(ax: Axes, spikes, colour: str = COLOURS["blue"]) -> Axes:
    """Spikes (T, N) of N neurons: one mark for each spike, time to the right."""
    spikes = as_array(spikes, 2, "spikes")
    steps, neurons = spikes.shape
    times, which = np.nonzero(spikes)
    height = ax.get_position().height * ax.figure.get_figheight() * 72 / max(neurons, 1)
    ax.plot(
        times,
        which,
        linestyle="none",
        marker="|" if steps > 30 else "s",
        color=colour,
        markersize=float(np.clip(0.8 * height, 2, 14)),
        markeredgewidth=1.2 if steps > 30 else 0,
    )
    ax.set(xlabel="time step", ylabel="neuron", xlim=(-0.7, steps - 0.3), ylim=(-1, neurons))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(False)
    return ax


def learning_curve(ax: Axes, history) -> Axes:
    """Training loss (left axis) and validation accuracy (right axis) against steps.

    history: a run's ``History``; "loss" and "validation_accuracy" (0 to 1) are drawn where they
    were measured. The loss of single batches is drawn faintly under its running mean.
    """
    steps, loss = history.column("loss")
    if len(loss):
        window = max(1, len(loss) // 20)
        mean = [np.mean(loss[max(0, end - window) : end]) for end in range(1, len(loss) + 1)]
        ax.plot(steps, loss, color=COLOURS["blue"], alpha=0.25, linewidth=1)
        label = "loss" if window == 1 else f"loss, mean of {window} steps"
        ax.plot(steps, mean, color=COLOURS["blue"], label=label)
    ax.set(xlabel="step", ylabel="training loss (nats)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))

    right = ax.twinx()
    steps, accuracy = history.column("validation_accuracy")
    if len(accuracy):
        every = max(1, len(accuracy) // 15)
        right.plot(
            steps,
            100 * np.array(accuracy),
            color=COLOURS["vermilion"],
            linestyle="--",
            marker="o",
            markevery=every,
            label="validation accuracy",
        )
    right.set(ylabel="validation accuracy (%)", ylim=(0, 100))
    right.grid(False)
    right.spines["right"].set_visible(True)
    lines = ax.get_lines() + right.get_lines()
    named = [line for line in lines if not line.get_label().startswith("_")]
    if named:
        right.legend(named, [line.get_label() for line in named], loc="center right")
    return ax


def confusion(ax: Axes, matrix, classes=None) -> Axes:
    """Confusion matrix (C, C): rows are true classes, columns predicted ones, cells are counts.

    classes: their names; default: 0, 1, ….
    """
    counts = as_array(matrix, 2, "matrix")
    if counts.shape[0] != counts.shape[1]:
        raise ValueError(f"matrix has shape {counts.shape}; expected as many rows as columns")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            ax.text(
                column,
                row,
                f"{counts[row, column]:g}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if share[row, column] > 0.5 else "black",
            )
    ticks, names = range(len(counts)), classes or [str(k) for k in range(len(counts))]
    ax.set(xlabel="predicted class", ylabel="true class", yticks=ticks, yticklabels=names)
    long = max(map(len, names)) > 2
    ax.set_xticks(ticks, names, rotation=45 if long else 0, ha="right" if long else "center")
    ax.grid(False)
    return ax


def new_figure(rows: int = 1, columns: int = 1, width: float = 7.2, height: float = 3.2, **options):
    """(figure, axes) in the course's style, without pyplot's global list of figures."""
    with style():
        figure = Figure(figsize=(width, height))
        return figure, figure.subplots(rows, columns, **options)


def png(figure: Figure) -> bytes:
    """The figure as PNG. Equal figures give equal bytes: no date, no version is written."""
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
