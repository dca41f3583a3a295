"""Pictures of populations: a fitness landscape and its smoothed forms, runs side by side."""

import numpy as np
from matplotlib.axes import Axes

from course_lab.lines import lines, running_mean
from course_lib.run.figures import COLOURS, METHOD_COLOURS, as_array


def landscape(ax: Axes, distances, fitness, smoothed: dict | None = None) -> Axes:
    """Fitness (n,) along a direction, and smoothed forms of it: ``{"σ = 0.1": (n,), …}``."""
    ax.plot(
        distances, as_array(fitness, 1, "fitness"), color=COLOURS["black"], linewidth=1.2,
        drawstyle="steps-mid", label="fitness f", zorder=3,
    )  # fmt: skip
    lines(ax, distances, smoothed or {}, marks=0)
    ax.axvline(0, color=COLOURS["black"], linestyle=":", linewidth=1.2)
    ax.set(xlabel="distance t along one direction", ylabel="fitness (−nats)")
    return ax


def runs(ax: Axes, losses: dict, passes: dict, window: int = 1) -> Axes:
    """Loss of each generation against forward passes so far, one line a run.

    losses: ``{"ES": (generations,), …}``; passes: forward passes a generation, by the same labels.
    window: generations averaged; the first value drawn is the mean of the first window.
    """
    for label, values in losses.items():
        values = as_array(values, 1, label)
        width = min(window, len(values))
        mean = np.convolve(values, np.ones(width) / width, mode="valid")
        spent = passes[label] * np.arange(width, len(values) + 1)
        lines(ax, spent, {label: mean}, names=list(losses))
    ax.set(ylabel="loss (nats)")
    ax.legend()
    return ax


#: what an evolution strategy's curve looks like in all pictures of lesson 06
REPAIRS = {
    "plain": (COLOURS["black"], ""), "mean": (COLOURS["green"], "^"),
    "pairs": (COLOURS["blue"], "o"), "ranks": (COLOURS["purple"], "s"),
    "Adam": (COLOURS["vermilion"], "D"),
}  # fmt: skip


def repairs(ax: Axes, curves: dict, top: float = 2.6) -> Axes:
    """Losses against generations, ``{"plain": (generations,), …}``: the newest is drawn boldly.

    A curve's colour and marker are those of the last of REPAIRS that its name contains; a second
    one of the same kind is dashed, a third dotted. What rises above ``top`` leaves the picture.
    """
    kinds = []
    for index, (label, values) in enumerate(curves.items()):
        newest = index == len(curves) - 1
        kinds.append([kind for kind in REPAIRS if kind in label][-1])
        colour, marker = REPAIRS[kinds[-1]]
        ax.plot(as_array(values, 1, label), label=label, color=colour, marker=marker,
                linestyle=("-", "--", ":")[kinds.count(kinds[-1]) - 1], markevery=(3 * index, 15),
                linewidth=2.6 if newest else 1.6, alpha=1 if newest else 0.8)  # fmt: skip
    ax.axhline(np.log(4), color=COLOURS["black"], linestyle=":", linewidth=1.2, label="guessing")
    ax.set(xlabel="generation", ylabel="loss (nats)", ylim=(0, top))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def diagram(ax: Axes) -> Axes:
    """One generation: weights, three mirrored pairs around them, votes, and the step they make."""
    ink, blue, red = COLOURS["black"], METHOD_COLOURS["es"], COLOURS["vermilion"]
    noise = np.array([[1.5, 0.75], [0.35, 1.45], [1.25, -1.05]])
    votes = (0.5, 0.1, 0.3)
    for k, (e, vote) in enumerate(zip(noise, votes, strict=True), 1):
        for sign, word in ((1, "+"), (-1, "−")):
            x, y = sign * e
            ax.annotate("", (0.9 * x, 0.9 * y), (0, 0),
                        arrowprops={"arrowstyle": "-", "color": ink, "linewidth": 1})  # fmt: skip
            better = sign > 0
            ax.plot(x, y, "o", markersize=9, color=red if better else ink,
                    fillstyle="full" if better else "none")  # fmt: skip
            ax.text(x + 0.16 * np.sign(x), y, f"$W {word} σE_{k}$\nvote {word}{vote}", fontsize=9,
                    color=ink, ha="left" if x > 0 else "right", va="center")  # fmt: skip
    step = 0.9 * (np.array(votes) @ noise)
    ax.annotate("", step, (0, 0),
                arrowprops={"arrowstyle": "-|>", "color": red, "linewidth": 3})  # fmt: skip
    ax.plot(0, 0, "o", markersize=7, color=blue)
    ax.text(-0.22, 0, "$W$", color=blue, ha="right", va="center", fontsize=12)
    steps = (
        "1  perturb: draw $E$, try $W ± σE$", "2  measure the fitness of each",
        "3  weigh: turn fitness into votes", "4  add up vote × $E$",
        "5  step: move $W$, begin again",
    )  # fmt: skip
    for row, words in enumerate(steps):
        ax.text(3.6, 1.35 - 0.65 * row, words, va="center", fontsize=11,
                color=red if row == 3 else ink)  # fmt: skip
    ax.set(xlim=(-3, 7.4), ylim=(-1.9, 1.9), aspect="equal")
    ax.axis("off")
    return ax


def densities(ax: Axes, samples: dict, reach: float = 5.0) -> Axes:
    """Densities of samples with variance 1, against the standard Gaussian: ``{"r = 1": (n,), …}``.

    The vertical axis is logarithmic, which turns the Gaussian into a parabola.
    """
    edges = np.linspace(-reach, reach, 61)
    middle = (edges[1:] + edges[:-1]) / 2
    bell = np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(middle, bell, color=COLOURS["black"], linewidth=1.5, label="Gaussian")
    measured = {}
    for label, values in samples.items():
        counts, _ = np.histogram(as_array(values, 1, label), bins=edges)
        measured[label] = np.where(counts > 0, counts, np.nan) / (len(values) * np.diff(edges))
    lines(ax, middle, measured)
    ax.set(yscale="log", xlabel="entry of the noise E", ylabel="density", ylim=(3e-6, 3))
    ax.legend()
    return ax


def close_and_far(axes, near, f_near, far, f_far, blurred: dict, reach: float = 0.4) -> None:
    """Fitness along a direction on two axes: close up, and from afar with its blurred forms.

    blurred: ``{σ: (n,), …}`` on the grid ``far``, of which what lies within ``reach`` is drawn.
    """
    left, right = axes
    landscape(left, near, f_near)
    inside = np.abs(as_array(far, 1, "far")) <= reach
    bells = {f"blurred, σ = {s:g}": values[inside] for s, values in blurred.items()}
    landscape(right, far[inside], f_far[inside], bells)
    left.set(title="close up")
    right.set(title="from further away", ylim=(-1.62, -1.28), ylabel="")
    right.legend(loc="upper center", ncols=2, fontsize=8)


def updates_and_passes(axes, losses: dict, passes, colours, window: int = 10) -> None:
    """Running means of losses on two axes: against updates, and against forward passes."""
    left, right = axes
    for (label, values), spent, colour in zip(losses.items(), passes, colours, strict=True):
        mean = running_mean(as_array(values, 1, label), window)
        updates = np.arange(1, len(mean) + 1)
        left.plot(updates, mean, color=colour, label=label)
        right.plot(spent * updates, mean, color=colour, label=label)
    left.set(xlabel="updates", ylabel="loss (nats)", ylim=(0, 2.6))
    right.set(xlabel="forward passes", xscale="log")
    left.legend()
