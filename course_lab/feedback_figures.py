"""Pictures of lesson 08: what is kept over time, ways back for an error, what noise learns."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from course_lab.lines import lines
from course_lab.picture import Moving, moving
from course_lib.run.figures import COLOURS, METHOD_COLOURS, new_figure, png

FOLDER = Path(__file__).parent
INK, BACK = COLOURS["black"], COLOURS["vermilion"]
INPUT = (0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0)  # spikes of one input, for the trace
UNROLLED = (
    "Two rows that run through twelve time steps. Above, backpropagation through time: at each "
    "step a column of three squares, input, hidden and output, fills up and stays full, and a bar "
    "counts the kept steps up to twelve. Only then a red arrow walks back, column by column, and "
    "the gradient grows. Below, a trace: one bar that jumps up by 1 at each spike of an input and "
    "fades by a tenth at every other step. One number is kept all the time, and the gradient has "
    "grown with every step, so it is complete when the recording ends."
)
TURNING = (
    "Two fields of 10 by 32 small squares, orange for positive and blue for negative numbers. The "
    "right one, W, never changes. The left one, M, is speckled noise after 10 draws, shows the "
    "pattern of W after about a thousand and can hardly be told from it after 20,000. A dial below "
    "shows two angles with the true slope: that of M e falls from about {feedback[0]} to "
    "{feedback[1]} degrees, that of the mean of single-point estimates from about {single[0]} to "
    "{single[1]}."
)


def unrolled() -> Moving:
    """What backpropagation through time keeps of twelve steps, above what a trace keeps."""
    trace = []
    for spike in INPUT:
        trace.append(0.9 * (trace[-1] if trace else 0) + spike)
    data = {"spikes": INPUT, "trace": np.round(trace, 3).tolist(), "back": BACK,
            "forward": METHOD_COLOURS["bptt"], "trace_colour": METHOD_COLOURS["opzo"]}  # fmt: skip
    figure, (left, right) = new_figure(1, 2, 9, 2.6, sharex=True)
    steps = np.arange(len(INPUT))
    left.bar(steps, steps + 1, color=METHOD_COLOURS["bptt"])
    left.set(title="backpropagation: time steps kept", xlabel="time step")
    right.bar(steps, trace, color=METHOD_COLOURS["opzo"])
    right.plot(steps[np.array(INPUT) == 1], [0] * sum(INPUT), "|", color=INK, markersize=14)
    right.set(title="a trace: one number", xlabel="time step")
    return moving(FOLDER / "unrolled.js", data, png(figure), UNROLLED)


def turning(seed: int = 0) -> Moving:
    """M, the mean of z õᵀ/α over more and more draws, beside the Jacobian W, and two angles.

    One layer of 32 neurons that fire with a probability of 0.2, 10 linear outputs, α = 0.2; M e and
    the mean of the single-point estimates L z/α, both for one recording.
    """
    rng, alpha = np.random.default_rng(seed), 0.2
    w = rng.normal(0, 0.1, (10, 32))
    spikes = (rng.random((64, 32)) < 0.2).astype(float)
    outputs, label = spikes @ w.T, 3
    p = np.exp(outputs[0]) / np.exp(outputs[0]).sum()
    error = p - np.eye(10)[label]
    draws = np.unique(np.geomspace(10, 20_000, 41).astype(int))
    z = rng.standard_normal((draws[-1], 32))
    noisy = outputs[np.arange(len(z)) % 64] + alpha * z @ w.T
    judged = outputs[0] + alpha * z @ w.T
    losses = np.log(np.exp(judged).sum(1)) - judged[:, label]
    feedback = [z[:n].T @ noisy[:n] / n / alpha for n in draws]
    single = [losses[:n] @ z[:n] / n / alpha for n in draws]
    true = w.T @ error
    angles = {
        "feedback": [round(_degrees(m @ error, true)) for m in feedback],
        "single": [round(_degrees(g, true)) for g in single],
    }
    shown = [(m.T / m.std()).round(1).tolist() for m in feedback]
    data = {"truth": (w / w.std()).round(1).tolist(), "learned": shown, "draws": draws.tolist(),
            "angles": angles, "feedback_colour": METHOD_COLOURS["opzo"],
            "single_colour": METHOD_COLOURS["zo"]}  # fmt: skip
    figure, ax = new_figure(width=7, height=3)
    ax.plot(draws, angles["feedback"], color=METHOD_COLOURS["opzo"], label="M e")
    ax.plot(draws, angles["single"], "--", color=METHOD_COLOURS["zo"], label="mean of L z/α")
    ax.set(xscale="log", xlabel="draws of noise", ylabel="degrees off the slope", ylim=(0, 105))
    ax.legend()
    words = TURNING.format(**{name: (found[0], found[-1]) for name, found in angles.items()})
    return moving(FOLDER / "turning.js", data, png(figure), words)


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))


def paths(ax: Axes) -> Axes:
    """Five ways for the error to come back to a hidden layer, side by side."""
    ways = (
        ("BPTT", "bptt", r"$W^\top e$", "weights, read backwards,\nand the whole past"),
        ("OTTT", "ottt", r"$W^\top e$", "weights, read backwards,\nand a trace"),
        ("DFA", "dfa", r"$M e$", "$M$ drawn once, random,\nand a trace"),
        ("single-point ZO", "zo", r"$L\, z/α$", "one number for all,\nand a trace"),
        ("OPZO", "opzo", r"$M e$", "$M$ learned from noise,\nand a trace"),
    )
    for place, (name, key, carried, needs) in enumerate(ways):
        x, colour = 3.2 * place, METHOD_COLOURS[key]
        ax.text(x + 0.35, 5.1, name, ha="center", weight="bold", color=colour)
        for y, count in ((0, 4), (1.6, 3), (3.2, 2)):
            for k in range(count):
                where = (x + 0.45 * (k - (count - 1) / 2), y)
                ax.add_patch(Circle(where, 0.16, facecolor="none", edgecolor=INK, linewidth=1.2))
        _arrow(ax, (x, 0.3), (x, 1.3), INK)
        _arrow(ax, (x, 1.9), (x, 2.9), INK)
        _arrow(ax, (x, 3.5), (x, 4.1), INK)
        ax.text(x, 4.35, "loss $L$", ha="center", va="center", color=INK)
        start = 4.35 if key == "zo" else 3.2
        bent = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.2,
                "connectionstyle": "arc3,rad=-0.55"}  # fmt: skip
        ax.annotate("", (x + 0.72, 1.6), (x + 0.6, start), arrowprops=bent)
        ax.text(
            x + (1.42 if key == "zo" else 1.2),
            2.35,
            carried,
            color=colour,
            va="center",
            ha="left",
            fontsize=11,
        )
        if key in ("zo", "opzo"):
            ax.text(x - 0.72, 1.6, "$αz$", ha="right", va="center", color=colour, fontsize=11)
            _arrow(ax, (x - 0.7, 1.6), (x - 0.45, 1.6), colour)
        ax.text(x + 0.2, -0.55, needs, ha="center", va="top", color=INK, fontsize=9)
    ax.set(xlim=(-1.5, 15.2), ylim=(-1.6, 5.5))
    ax.axis("off")
    return ax


def _arrow(ax: Axes, start, end, colour: str) -> None:
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=arrow)


def memory(ax: Axes, steps, peaks: Mapping) -> Axes:
    """Megabytes against the number of time steps: ``{"bptt": (n,) bytes, …}``, by method."""
    for (key, values), line in zip(peaks.items(), ("--", "-"), strict=True):
        ax.plot(steps, 1e-6 * np.asarray(values), line, marker="o", color=METHOD_COLOURS[key])
        ax.text(steps[-1] * 1.03, 1e-6 * values[-1], LABELS[key], color=METHOD_COLOURS[key],
                va="center")  # fmt: skip
    ax.set(xlabel="number of time steps T", ylabel="megabytes", xlim=(0, steps[-1] * 1.25))
    ax.set_ylim(0)
    return ax


LABELS = {"bptt": "BPTT", "ottt": "OTTT", "dfa": "DFA", "zo": "single-point ZO", "opzo": "OPZO"}
LINES = {"bptt": ":", "ottt": "-.", "dfa": "--", "zo": (0, (1, 2)), "opzo": "-"}


def losses(ax: Axes, runs: Mapping, window: int = 10) -> Axes:
    """Training losses (nats), each a mean of ``window`` steps: ``{"opzo": (steps,), …}``."""
    for key, values in runs.items():
        mean = np.convolve(values, np.ones(window) / window, mode="valid")
        ax.plot(np.arange(window, len(values) + 1), mean, linestyle=LINES[key],
                color=METHOD_COLOURS[key], label=LABELS[key])  # fmt: skip
    ax.axhline(np.log(10), color=INK, linewidth=1, linestyle=":")
    ax.text(len(values), np.log(10), "guessing", color=INK, ha="right", va="bottom")
    ax.set(xlabel="training step", ylabel="training loss (nats)", ylim=(0, 5))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def bill(ax: Axes, accuracies: Mapping, megabytes: Mapping) -> Axes:
    """Accuracy (%) against the memory of a long recording (MB), a labelled dot for each method."""
    heights: list[tuple[float, float]] = []  # of labels, which must not lie on each other
    for key, accuracy in sorted(accuracies.items(), key=lambda item: item[1]):
        x, colour = megabytes[key], METHOD_COLOURS[key]
        beside = [height + 7 for place, height in heights if abs(place - x) < 1]
        heights.append((x, max([accuracy - 7, *beside])))
        ax.plot(x, accuracy, "o", markersize=11, color=colour)
        ax.annotate(LABELS[key], (x, accuracy), (x + 0.5, heights[-1][1]), color=colour,
                    va="center", arrowprops={"arrowstyle": "-", "color": colour})  # fmt: skip
    ax.set(xlabel="peak memory of one gradient at T = 100 (MB)", ylabel="test accuracy (%)",
           xlim=(0, 1.3 * max(megabytes.values())), ylim=(0, 100))  # fmt: skip
    return ax


def cosines(ax: Axes, x, curves: Mapping) -> Axes:
    """Cosines with what is to be estimated: ``{"label": (n,), …}``; 1 is the right direction."""
    ax.axhline(1, color=INK, linewidth=1, linestyle=":")
    lines(ax, x, curves)
    ax.set(ylabel="cosine", ylim=(-0.12, 1.06))
    ax.legend()
    return ax


def accuracies(ax: Axes, steps, curves: Mapping) -> Axes:
    """Accuracies (0 to 1) in percent against training steps: ``{"label": (n,), …}``."""
    lines(ax, steps, curves, 100)
    ax.axhline(10, color=INK, linewidth=1, linestyle=":")
    ax.set(xlabel="training step", ylabel="accuracy (%)", ylim=(0, 100))
    return ax
