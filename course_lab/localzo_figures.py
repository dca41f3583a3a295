"""Pictures of LocalZO: the one replaced link, boxes and their averages, sampled densities, runs."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb

from course_lab.lines import lines, running_mean
from course_lib.run.figures import COLOURS, METHOD_COLOURS, as_array


def derivatives(
    ax: Axes, distances, curves: dict, expected=None, markers: int = 0, dots=None
) -> Axes:
    """Derivatives of a spike against u: ``{"m = 1": (n,), …}``, over the expected one in black.

    markers: about how many markers to put on a line; 0 for none. dots: (positions, measured), of
    the same labels, drawn in the colours of their curves.
    """
    distances = as_array(distances, 1, "distances")
    lines(ax, distances, curves, marks=markers)
    if dots is not None:
        positions, measured = dots
        for line, label in zip(ax.get_lines(), curves, strict=True):
            ax.plot(positions, measured[label], "o", color=line.get_color(), markersize=4)
    if expected is not None:
        expected = as_array(expected, 1, "expected")
        ax.plot(distances, expected, color=COLOURS["black"], linewidth=2.2, label="expectation")
    ax.set(xlabel="distance to threshold u = v − θ", ylabel="derivative of the spike")
    ax.set_ylim(bottom=0)
    ax.legend()
    return ax


def averages(ax: Axes, means: dict) -> Axes:
    """Means of the first n throws against n: ``{"label": (n,)}``, seen at 2,000 places."""
    colours = (COLOURS["vermilion"], METHOD_COLOURS["localzo"])
    for (label, values), colour in zip(means.items(), colours, strict=True):
        values = as_array(values, 1, label)
        seen = np.unique(np.geomspace(1, len(values), 2000).round().astype(int))
        ax.plot(seen, values[seen - 1], color=colour, label=label)
    ax.set(xscale="log", xlabel="throws so far", ylabel="average slope", ylim=(0, None))
    ax.legend()
    return ax


def sampled(ax: Axes, draws, positions, density) -> Axes:
    """A histogram of draws z ≥ 0, scaled as a density of |z|, under the density of |z|."""
    positions = as_array(positions, 1, "positions")
    edges = np.linspace(0, positions.max(), 61)
    counts, _ = np.histogram(as_array(draws, 1, "draws"), edges)
    height = counts / (len(draws) * (edges[1] - edges[0]))
    ax.stairs(height, edges, fill=True, color=COLOURS["sky"], alpha=0.6, label="samples")
    curve = as_array(density, 1, "density")
    ax.plot(positions, curve, color=COLOURS["black"], label="density of |z|")
    ax.set(xlabel="|z|", ylabel="density", xlim=(0, positions.max()))
    ax.set_ylim(bottom=0)
    ax.legend()
    return ax


def replaced_link(ax: Axes) -> Axes:
    """Backpropagation's chain with its one replaced link: a neuron that a throw reaches, and one
    that it does not reach."""
    ink, back, dice = COLOURS["black"], COLOURS["vermilion"], METHOD_COLOURS["localzo"]
    box = {"boxstyle": "round,pad=0.45", "facecolor": "none", "edgecolor": ink}
    places = (0.6, 3.1, 5.8, 8.6, 11.0)
    names = ("weight\n$W$", "current\n$I = Wx$", "distance\n$u = v - θ$", "spike\n$s = 1[u > 0]$",
             "loss\n$L$")  # fmt: skip

    def arrow(start, end, y, colour, line="-"):
        ax.annotate("", (end, y), (start, y), arrowprops={
            "arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "linestyle": line,
            "shrinkA": 0, "shrinkB": 0})  # fmt: skip

    for place, name in zip(places, names, strict=True):
        ax.text(place, 3.1, name, ha="center", va="center", bbox=box)
    for left, right in pairwise(places):
        arrow(left + 0.95, right - 0.95, 3.1, ink)
    link = box | {"edgecolor": dice, "linewidth": 2.2, "facecolor": (*to_rgb(dice), 0.2)}
    for y, sign, slope in ((1.5, "<", "$|z|/2δ$"), (0.1, ">", "$0$")):
        ax.text(-0.5, y, f"backward,\n$|u| {sign} δ|z|$", ha="right", va="center")
        ax.text(7.2, y, f"  {slope}  ", ha="center", va="center", fontsize=12, bbox=link)
        arrow(10.7, 8.25, y, back)
    arrow(6.15, 3.3, 1.5, back)
    arrow(2.9, 0.6, 1.5, back)
    ax.text(3.4, 0.1, "nothing comes, nothing to compute", ha="center", va="center", color=ink)
    ax.text(7.2, 2.15, "thrown anew every time", ha="center", color=dice, fontsize=9)
    ax.text(-0.5, 3.1, "forward", ha="right", va="center")
    ax.set(xlim=(-2.8, 11.9), ylim=(-0.6, 3.9))
    ax.axis("off")
    return ax


def losses(ax: Axes, runs: dict, colours: dict, window: int = 10) -> Axes:
    """Training losses, ``{"label": (steps,)}``, each a running mean of ``window`` steps."""
    for (label, values), line in zip(runs.items(), ("-", "--", "-.", ":"), strict=False):
        mean = running_mean(values, window)
        ax.plot(np.arange(1, len(mean) + 1), mean, line, color=colours[label], label=label)
    ax.set(xlabel="step", ylabel=f"loss (nats), mean of {window} steps")
    ax.legend()
    return ax


def entries(ax: Axes, marked, colour: str) -> Axes:
    """Entries (T, N) that are not 0, as a field of squares: time to the right."""
    marked = as_array(marked, 2, "marked") != 0
    ax.pcolormesh(marked.T, cmap=ListedColormap(["none", colour]), vmin=0, vmax=1)
    ax.set(xlabel="time step", ylabel="hidden neuron", xticks=range(0, len(marked) + 1, 2))
    ax.grid(False)
    return ax


def participants(axes, spikes, active: dict) -> None:
    """One digit: spikes (T, N), and the entries that take part, ``{"m = 1": (T, N)}``."""
    entries(axes[0], spikes, COLOURS["black"]).set_title("spikes")
    for ax, (name, part) in zip(axes[1:], active.items(), strict=True):
        entries(ax, part, METHOD_COLOURS["localzo"]).set_title(f"takes part, {name}")
        ax.label_outer()


def one_neuron(axes, distances, spikes, slopes) -> None:
    """One neuron over many recordings, all (T, B): where u stands, and how often it takes part."""
    steps, lowest, highest = len(distances), -6, 2
    edges = np.linspace(lowest, highest, 41)
    seen = np.stack([np.histogram(np.clip(u, lowest, highest), edges)[0] for u in distances])
    shade = np.concatenate(
        [np.broadcast_to(to_rgb(METHOD_COLOURS["localzo"]), (*seen.T.shape, 3)),
         np.cbrt(seen.T / seen[:, 1:].max()).clip(0, 1)[..., None]], axis=2)  # fmt: skip
    left, right = axes
    left.imshow(shade, origin="lower", aspect="auto", extent=(0.5, steps + 0.5, lowest, highest))
    left.axhline(0, color=COLOURS["black"], linewidth=1)
    left.set(xlabel="time step", ylabel="distance to threshold u")
    at = np.arange(1, steps + 1)
    for label, values, look in (("it spikes", spikes, "s--"), ("it takes part", slopes, "o-")):
        right.plot(at, 100 * (np.asarray(values) != 0).mean(axis=1), look, label=label,
                   color=COLOURS["black" if look == "s--" else "blue"])  # fmt: skip
    right.set(xlabel="time step", ylabel="of the recordings, %", ylim=(0, None))
    right.legend()


def awakening(ax: Axes, curves: dict, updates=None) -> Axes:
    """Shares of digits read right against updates, ``{"yours": (n,), …}``, above the line of
    guessing one of two. updates: (n,), after which they were measured; default: 0, 1, …"""
    lines(ax, updates, curves, scale=100)
    ax.axhline(50, color=COLOURS["black"], linestyle=":", linewidth=1.2)
    ax.set(xlabel="updates", ylabel="unseen digits right (%)", ylim=(0, 102))
    ax.legend(loc="lower right")
    return ax
