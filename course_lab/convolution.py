"""Pictures of lesson 11: a sliding window, two thin factors of a kernel, steps aside, sounds."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from course_lab.picture import Moving, moving
from course_lib.events import load_digits, simulate
from course_lib.events.speech import CHANNELS, centres
from course_lib.run.figures import COLOURS, METHOD_COLOURS, new_figure, png

SCRIPT = Path(__file__).with_name("convolution.js")
SIDE, WINDOW, STEP = 17, 5, 2
ALT = (
    "Two pictures of the events of a digit on 17 by 17 pixels; in the lower one it stands two "
    "squares further right. A red window of 5 by 5 pixels slides over both. Beside each stand the "
    "same 25 weights, orange where positive and blue where negative, a slanted edge. What the "
    "weights find in the window becomes one square of a map of 13 by 13. At the end the lower map "
    "is the upper one, two squares further right."
)


def sliding(digit: int = 1503) -> Moving:
    """One kernel that slides over a digit, in the middle and a step to the right."""
    events = simulate(load_digits().images[digit], seed=0)
    counts = np.zeros((SIDE, SIDE))
    np.add.at(counts, (events["y"] // 2, events["x"] // 2), 1)
    first = (counts / np.quantile(counts, 0.98)).clip(0, 1).round(2)
    second = np.zeros_like(first)
    second[:, STEP:] = first[:, :-STEP]
    y, x = np.mgrid[0:WINDOW, 0:WINDOW] - WINDOW // 2
    kernel = np.clip(0.45 * (x + 0.6 * y), -1, 1).round(1)
    pictures = {"a digit": first, f"moved by {STEP} squares": second}
    data = {
        "pictures": [p.ravel().tolist() for p in pictures.values()], "names": list(pictures),
        "kernel": kernel.ravel().tolist(), "side": SIDE, "window": WINDOW,
    }  # fmt: skip
    return moving(SCRIPT, data, _still(pictures, kernel), ALT)


def _still(pictures: dict, kernel: np.ndarray) -> bytes:
    """Both pictures and their maps, as PNG."""
    windows = np.lib.stride_tricks.sliding_window_view
    figure, axes = new_figure(2, 2, 5.2, 5.2)
    for row, (name, picture) in zip(axes, pictures.items(), strict=True):
        found = np.einsum("yxij,ij->yx", windows(picture, kernel.shape), kernel)
        for ax, field, title in zip(row, (picture, found), (name, "its map"), strict=True):
            colour = np.where(field[..., None] > 0, to_rgb(COLOURS["orange"]), to_rgb("#0080C8"))
            colour = to_rgb(COLOURS["black"]) + 0 * colour if field is picture else colour
            strength = np.abs(field[..., None]) / np.abs(field).max()
            ax.imshow(np.concatenate([colour, strength], axis=2), interpolation="nearest")
            ax.set(xticks=[], yticks=[], title=title)
            ax.grid(False)
        row[0].add_patch(Rectangle((5.5, 5.5), WINDOW, WINDOW, fill=False, linewidth=2,
                                   edgecolor=COLOURS["vermilion"]))  # fmt: skip
    return png(figure)


def steps_aside(ax: Axes, pixels, curves: dict) -> Axes:
    """Accuracy (0 to 1) against how far the test pictures moved, a line a network."""
    looks = zip(("-", "--", "-."), ("o", "s", "^"), ("blue", "purple", "green"), strict=True)
    for (name, accuracies), (line, marker, colour) in zip(curves.items(), looks, strict=False):
        ax.plot(pixels, 100 * np.asarray(accuracies), line, marker=marker, label=name,
                color=COLOURS[colour])  # fmt: skip
    ax.axhline(10, linestyle=":", linewidth=1, color=COLOURS["black"])
    ax.text(pixels[0], 11.5, "guessing", color=COLOURS["black"], fontsize=9)
    ax.set(xlabel="all test recordings moved to the right by (pixels)", ylabel="right, %",
           ylim=(0, 100))  # fmt: skip
    ax.set_xticks(pixels)
    ax.legend(loc="upper right")
    return ax


def thin_kernel(ax: Axes) -> Axes:
    """How a member reads a picture by A Bᵀ: B is one filter, its map goes to all maps, times A."""
    ink, noise = to_rgb(COLOURS["black"]), to_rgb(METHOD_COLOURS["eggroll"])
    arrow = {"arrowstyle": "-|>", "color": ink, "linewidth": 1.3}

    def field(x, y, side, colour, alpha=0.3):
        ax.add_patch(Rectangle((x, y), side, side, facecolor=(*colour, alpha), edgecolor=colour))

    def map_found(x, y, side, strength):
        row, column = np.mgrid[0:6, 0:6]
        light = 0.9 * strength * np.exp(-((row + column - 5) ** 2) / 4)  # a slanted stroke
        picture = np.dstack([np.broadcast_to(noise, (6, 6, 3)), light])
        ax.imshow(picture, extent=(x, x + side, y, y + side), interpolation="nearest")
        field(x, y, side, noise, 0)

    def told(x, y, words, **options):
        ax.text(x, y, words, color=ink, ha="center", va="center", **options)

    field(0.15, 1.25, 1.7, ink, 0.1)
    field(0, 1.1, 1.7, ink, 0.1)
    ax.add_patch(Rectangle((0.5, 1.7), 0.5, 0.5, fill=False, edgecolor=noise, linewidth=2))
    told(0.9, 0.65, "what comes in,\n2 maps")
    ax.annotate("", (3.4, 1.95), (1.0, 1.95), arrowprops=arrow)
    told(2.55, 2.4, "$B$: one filter,\n18 numbers")
    map_found(3.5, 1.25, 1.4, 1)
    told(4.2, 0.65, "what it finds:\n1 map")
    told(5.0, 3.25, "$A$: 8 numbers,\none for each map")
    strengths = (0.9, 0.15, 0.5, 0.3, 0.7, 0.1, 0.4, 0.8)
    for k, strength in enumerate(strengths):
        y = 3.1 - 0.43 * k
        look = arrow | {"linewidth": 0.4 + 2.2 * strength, "color": noise}
        ax.annotate("", (6.7, y + 0.17), (4.95, 1.95), arrowprops=look)
        map_found(6.8, y, 0.36, strength)
    told(8.2, 1.75, "8 maps change:\nthe same map,\ntimes one number")
    ax.set(xlim=(-0.15, 9.4), ylim=(-0.1, 3.6), aspect="auto")
    ax.axis("off")
    return ax


def arrivals(axes, image, times, moments) -> np.ndarray:
    """Which pixels (28, 28) have spiked by each moment; times (28, 28) of their one spike."""
    from course_lab.event_figures import counts

    counts(axes[0], image, "the picture", 255)
    for ax, moment in zip(axes[1:], moments, strict=True):
        counts(ax, (times < moment).astype(float), f"by step {moment}", 1)
    return axes


def heard(ax: Axes, events, title: str) -> Axes:
    """Spikes of an ear: time to the right, channels upwards, by the tone that each hears best."""
    tones = (250, 500, 1000, 2000)
    ax.plot(events["t"] / 1000, events["x"], ".", color=COLOURS["blue"], markersize=2.5)
    ax.set(xlabel="time (ms)", ylim=(-0.5, CHANNELS - 0.5))
    channels = np.interp(tones, centres(), np.arange(CHANNELS))
    ax.set_yticks(channels, [f"{hertz:,}" for hertz in tones])
    ax.set_title(title, fontsize=11)
    return ax
