"""Pictures of slopes found by trying: two runs, clouds of estimates, means, the right σ."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from course_lib.run.figures import COLOURS, as_array, series


def two_runs(ax: Axes) -> Axes:
    """A drawing of the two-point estimate: one random direction, two runs, one number."""
    ink, up, down = COLOURS["black"], COLOURS["vermilion"], COLOURS["blue"]
    box = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": ink}
    arrow = {"arrowstyle": "-|>", "color": ink, "linewidth": 1.4}
    ax.text(0, 1.2, "one random\ndirection $z$", ha="center", va="center", fontsize=11, bbox=box)
    for y, sign, colour in ((2.1, "+", up), (0.3, "−", down)):
        ax.text(3.1, y, f"run with\n$w {sign} σz$", ha="center", va="center", fontsize=11,
                color=colour, bbox=box | {"edgecolor": colour})  # fmt: skip
        ax.annotate("", (2.52, y), (0.78, 1.2 + (y - 1.2) / 3), arrowprops=arrow)
        ax.annotate("", (5.4, 1.2 + (y - 1.2) / 3), (3.68, y), arrowprops=arrow | {"color": colour})
        ax.text(4.6, y, f"loss $L_{sign}$", color=colour, va="center", fontsize=11)
    ax.text(6.2, 1.2, "$\\dfrac{L_+ - L_-}{2σ}$", ha="center", va="center", fontsize=15, bbox=box)
    ax.text(6.2, 0.2, "one number", ha="center", va="center", color=ink)
    ax.annotate("", (8.3, 1.2), (7.0, 1.2), arrowprops=arrow)
    ax.text(9.1, 1.2, "times $z$:\na guess for\nevery weight", ha="center", va="center",
            fontsize=11, bbox=box)  # fmt: skip
    ax.set(xlim=(-1.1, 10.4), ylim=(-0.5, 2.9))
    ax.axis("off")
    return ax


def cloud(ax: Axes, estimates, truth, reach: float) -> Axes:
    """Estimates (n, 2) of a gradient (2,), and their mean; axes from −reach to reach."""
    estimates, truth = as_array(estimates, 2, "estimates"), as_array(truth, 1, "truth")
    ax.plot(*estimates.T, ".", color=COLOURS["sky"], alpha=0.6, label="one estimate")
    for values, marker, colour, label in (
        (truth, "X", COLOURS["vermilion"], "true gradient"),
        (estimates.mean(axis=0), "o", COLOURS["black"], "mean of all"),
    ):
        ax.plot(*values, marker, color=colour, markersize=9, fillstyle="none" if marker == "o"
                else "full", markeredgewidth=2 if marker == "o" else 0, label=label)  # fmt: skip
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="slope of weight 1")
    return ax


def measured(ax: Axes, axis, values: dict, predicted: dict, log: bool = True) -> Axes:
    """Measured values with bars of two standard errors, on predicted lines.

    values: ``{"label": (means (n,), errors (n,)), …}``; predicted: ``{"label": (n,), …}``.
    """
    for index, (label, line) in enumerate(predicted.items()):
        ax.plot(axis, as_array(line, 1, label), color=COLOURS["black"], linewidth=1.2,
                linestyle=("-", "--", "-.", ":")[index % 4], label=label)  # fmt: skip
    for index, (label, (means, errors)) in enumerate(values.items()):
        look = series(index) | {"linestyle": "none"}
        ax.errorbar(axis, as_array(means, 1, label), 2 * as_array(errors, 1, label), capsize=3,
                    label=label, **look)  # fmt: skip
    if log:
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(axis, [f"{value:,g}" for value in axis])
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        ax.minorticks_off()
    ax.legend()
    return ax


def price(ax: Axes, sizes, errors) -> Axes:
    """Typical errors of one guess, as measured, on what the derivation predicts for d weights."""
    sizes = as_array(sizes, 1, "sizes")
    predicted = {"√(d + 1)": np.sqrt(sizes + 1)}
    measured(ax, sizes, {"measured": (np.asarray(errors), np.zeros(len(sizes)))}, predicted)
    ax.set(xlabel="number of weights d", ylabel="error / length of the gradient")
    return ax


def window(ax: Axes, sigmas, counts, voltages, ties, promised: float = 0.28) -> Axes:
    """How well a mean of guesses points, and the share of guesses that saw nothing, against σ.

    counts, voltages: cosines with outputs that count spikes, and that are read as voltages; ties:
    shares from 0 to 1, on an axis of their own; promised: the best cosine to be had.
    """
    right = ax.twinx()
    right.plot(sigmas, 100 * as_array(ties, 1, "ties"), color=COLOURS["vermilion"], marker="s",
               linestyle="--", label="guesses with two equal losses (right axis)")  # fmt: skip
    right.set(ylabel="equal losses (%)", ylim=(-4, 104))
    right.grid(False)
    for values, colour, marker, label in (
        (voltages, COLOURS["green"], "^", "cosine, outputs read as voltages"),
        (counts, COLOURS["blue"], "o", "cosine, outputs count spikes"),
    ):
        ax.plot(sigmas, as_array(values, 1, label), color=colour, marker=marker, label=label)
    ax.axhline(promised, color=COLOURS["black"], linestyle=":", label="cosine, promised")
    ax.set(xscale="log", xlabel="scale σ", ylabel="cosine with the reference", ylim=(-0.012, 0.312))
    drawn = [*ax.get_lines(), *right.get_lines()]
    ax.legend(drawn, [line.get_label() for line in drawn], loc="lower center", ncols=2,
              bbox_to_anchor=(0.5, 1))  # fmt: skip
    return ax


def secant(ax: Axes, positions, losses, sigma: float) -> Axes:
    """Losses (n,) along a line, and the chord that a two-point estimate draws from −σ to σ."""
    losses = as_array(losses, 1, "losses")
    ax.plot(positions, losses, color=COLOURS["blue"], linewidth=1.4, label="loss")
    ends = np.interp([-sigma, sigma], positions, losses)
    ax.plot([-sigma, sigma], ends, color=COLOURS["vermilion"], marker="o", linestyle="--",
            label="two-point guess")  # fmt: skip
    ax.plot([0], np.interp([0], positions, losses), "X", color=COLOURS["black"], markersize=9,
            label="where we are")  # fmt: skip
    ax.set(xlabel="distance along one random direction", ylabel="loss (nats)")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.legend()
    return ax
