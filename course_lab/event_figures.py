"""Pictures of events: streams, rates, count images, frames.

p = 1 (the pixel got darker) is blue, p = 0 (brighter) is orange; where both happened, grey. Where
nothing happened a picture is transparent, so that it fits light pages and dark ones.

A sensor is (width, height, polarities) of any size: frames are (polarities, height, width).
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb, to_rgba
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from course_lib.events import SENSOR_SIZE
from course_lib.run.figures import COLOURS, as_array

DARKER, BRIGHTER, INK = COLOURS["blue"], COLOURS["orange"], COLOURS["black"]
SHADES = LinearSegmentedColormap.from_list("shades", [to_rgba(INK, 0), to_rgba(INK, 1)])


def levels(ax: Axes, signal, reference, up, down) -> Axes:
    """A pixel's log light (T,), the level it remembers (T,), and the steps of its events."""
    signal, reference = as_array(signal, 1, "signal"), as_array(reference, 1, "reference")
    steps = np.arange(len(signal))
    ax.plot(steps, signal, color=COLOURS["black"], label="log light ℓ")
    ax.step(steps, reference, where="post", color=COLOURS["green"], linestyle="--",
            label="remembered level")  # fmt: skip
    ax.plot(up, signal[list(up)], "^", color=BRIGHTER, label="brighter", linestyle="none")
    ax.plot(down, signal[list(down)], "v", color=DARKER, label="darker", linestyle="none")
    ax.set(xlabel="time step", ylabel="log light ℓ")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, columnspacing=1.2)
    return ax


def stream(ax: Axes, events, axis: str = "x", sensor=SENSOR_SIZE) -> Axes:
    """Events in time and one coordinate of the sensor, as the camera sends them."""
    width, height, polarities = sensor
    looks = ((BRIGHTER, "^", "p = 0, brighter"), (DARKER, "v", "p = 1, darker"))
    for p, (colour, marker, label) in enumerate(looks[:polarities]):
        part = events[events["p"] == p]
        ax.plot(part["t"] / 1000, part[axis], marker, color=colour, markersize=2.2,
                linestyle="none", label=label)  # fmt: skip
    unit, size = "pixels" if height > 1 else "channels", {"x": width, "y": height}[axis]
    ax.set(xlabel="time (ms)", ylabel=f"{axis} ({unit})", ylim=(-0.5, size - 0.5))
    if polarities == 2:
        ax.legend(markerscale=3, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


def rate(ax: Axes, counts: dict, width_ms: float) -> Axes:
    """Events per time bin of one or two sources, as bars side by side: ``{"label": (n,), …}``."""
    bar = 0.8 * width_ms / len(counts)
    looks = ((COLOURS["sky"], ""), (COLOURS["vermilion"], "//"))
    for index, (label, values) in enumerate(counts.items()):
        values = as_array(values, 1, label)
        left = np.arange(len(values)) * width_ms + 0.1 * width_ms + index * bar
        colour, hatch = looks[index % 2]
        ax.bar(left, values, bar, align="edge", color=colour, hatch=hatch, edgecolor="none",
               label=label)  # fmt: skip
    ax.set(xlabel="time (ms)", ylabel=f"events per {width_ms:g} ms")
    if len(counts) > 1:
        ax.legend()
    return ax


def colours_of(frame) -> np.ndarray:
    """(height, width, 4) colours of one frame (polarities, height, width)."""
    frame = as_array(frame, 3, "frame") > 0
    image = np.zeros((*frame.shape[1:], 4))
    for part, colour in zip(frame, (BRIGHTER, DARKER), strict=False):
        image[part] = to_rgba(colour)
    image[frame.sum(axis=0) == 2] = to_rgba(INK)
    return image


def blend(counts, largest: float | None = None) -> np.ndarray:
    """(height, width, 4) colours of counts or means (polarities, height, width): that of the
    polarity which is ahead.

    largest: the count that is drawn without transparency; the 99 % quantile if not given.
    """
    counts = as_array(counts, 3, "counts")
    full = max(1.0, np.quantile(counts, 0.99)) if largest is None else largest
    colour = np.where((counts[-1] > counts[0])[..., None], to_rgb(DARKER), to_rgb(BRIGHTER))
    light = (counts.max(axis=0) / full).clip(0, 1)[..., None]
    return np.concatenate([colour, light], axis=2)


def polarity_counts(events, sensor=SENSOR_SIZE) -> np.ndarray:
    """(polarities, height, width): how many events of each polarity each pixel sent."""
    counts = np.zeros(sensor[::-1])
    np.add.at(counts, (events["p"], events["y"], events["x"]), 1)
    return counts


def picture(ax: Axes, pixels, title: str = "", **options) -> Axes:
    """Pixels (height, width, …); a single row, as of an ear, fills its axes with stripes."""
    ax.imshow(pixels, aspect="auto" if len(pixels) == 1 else None, **options)
    return plain(ax, title)


def plain(ax: Axes, title: str = "") -> Axes:
    """Axes for an image: a frame without ticks."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=10, loc="center")
    ax.grid(False)
    for side in ax.spines.values():
        side.set(visible=True, color=INK, alpha=0.5)
    return ax


def frame(ax: Axes, values, title: str = "") -> Axes:
    """One frame (polarities, height, width): which pixels had events of which polarity."""
    return picture(ax, colours_of(values), title)


def counts(ax: Axes, image, title: str = "", largest: float | None = None) -> Axes:
    """A count image or a digit (height, width): the darker, the more."""
    return picture(ax, as_array(image, 2, "image"), title, cmap=SHADES, vmin=0, vmax=largest)


def strip(axes, frames, titles=None) -> np.ndarray:
    """Frames (n, polarities, height, width), one on each of the axes; unused axes vanish."""
    frames = as_array(frames, 4, "frames")
    axes = np.ravel(axes)
    if len(frames) > len(axes):
        raise ValueError(f"{len(frames)} frames need as many axes; there are {len(axes)}")
    for index, ax in enumerate(axes):
        if index < len(frames):
            frame(ax, frames[index], "" if titles is None else titles[index])
        else:
            ax.set_axis_off()
    return axes


def blended(axes, counts, titles, largest: float | None = None) -> np.ndarray:
    """Counts or means (n, polarities, height, width), one on each of the axes, in the colours of
    ``blend``."""
    for ax, one, title in zip(np.ravel(axes), counts, titles, strict=True):
        picture(ax, blend(one, largest), title)
    return axes


def mosaic(ax: Axes, tiles, titles, columns: int = 5) -> Axes:
    """Pictures (n, h, w, 4) in rows on one pair of axes: many times quicker than axes for each."""
    if np.shape(tiles)[1] == 1:  # stripes, in a square
        tiles = np.repeat(tiles, np.shape(tiles)[2], axis=1)
    count, tall, wide, _ = np.shape(tiles)
    gap, head = round(wide / 11), round(wide / 5)
    rows = -(-count // columns)
    sheet = np.zeros((rows * (tall + head), columns * (wide + gap) - gap, 4))
    for k, (tile, title) in enumerate(zip(tiles, titles, strict=True)):
        y, x = k // columns * (tall + head) + head, k % columns * (wide + gap)
        sheet[y : y + tall, x : x + wide] = tile
        ax.add_patch(
            Rectangle((x - 0.5, y - 0.5), wide, tall, fill=False, edgecolor=INK, alpha=0.5)
        )
        ax.text(x + wide / 2, y - round(wide / 17), title, ha="center", fontsize=9, color=INK)
    ax.imshow(sheet)
    ax.set(xlim=(-1, sheet.shape[1]), ylim=(len(sheet), -0.5))  # room for the outer borders
    ax.axis("off")
    return ax


def shared_legend(axes, columns: int = 4) -> None:
    """One legend below all axes of a figure in place of those on each of them."""
    first = np.ravel(axes)[0]
    for ax in np.ravel(axes):
        if ax.get_legend():
            ax.get_legend().remove()
    first.figure.legend(*first.get_legend_handles_labels(), loc="outside lower center",
                        ncols=columns)  # fmt: skip


def arrows(ax: Axes, angles: dict) -> Axes:
    """An arrow from the middle of a picture for each angle, in degrees; 90 is up."""
    looks = (("white", 6, "black"), ("black", 2.5, "white"))  # seen on every colour and theme
    x, y = np.mean(ax.get_xlim()), np.mean(ax.get_ylim())
    reach = round(0.38 * min(np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())))  # whole pixels
    for (label, angle), (colour, width, rim) in zip(angles.items(), looks, strict=False):
        turn = np.radians(angle)
        end = x + reach * np.cos(turn), y - reach * np.sin(turn)
        outline = [withStroke(linewidth=width + 2, foreground=rim)]
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 0,
                 "shrinkB": 0, "mutation_scale": 10 + 2 * width, "path_effects": outline}
        ax.annotate("", end, (x, y), arrowprops=arrow)
        ax.plot([], [], color=colour, linewidth=width, path_effects=outline, label=label)
    return ax


def pixel_diagram(ax: Axes) -> Axes:
    """What a pixel does: the logarithm, the comparison, the event, and the level that moves."""
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.4}
    box = {"boxstyle": "round,pad=0.6", "facecolor": "none", "edgecolor": INK}
    ax.text(0.2, 1.2, "light", ha="right", va="center", fontsize=11)
    for x, words in ((1.6, "$ℓ = \\ln(\\mathrm{light})$"),
                     (4.5, "is $ℓ$ away from the\nlevel by $C$ or more?")):  # fmt: skip
        ax.text(x, 1.2, words, ha="center", va="center", fontsize=11, bbox=box)
    ax.annotate("", (0.75, 1.2), (0.3, 1.2), arrowprops=arrow)
    ax.annotate("", (3.15, 1.2), (2.45, 1.2), arrowprops=arrow)
    for y, colour, words in ((1.75, BRIGHTER, "above: event “brighter”"),
                             (0.65, DARKER, "below: event “darker”")):  # fmt: skip
        ax.annotate("", (6.7, y), (5.85, 1.2), arrowprops=arrow | {"color": colour})
        ax.text(6.8, y, words, va="center", fontsize=11)
    back = arrow | {"color": COLOURS["green"], "connectionstyle": "arc3,rad=-0.35"}
    ax.annotate("", (4.5, 0.45), (7.4, 0.4), arrowprops=back)
    ax.text(6.0, -0.55, "level moves by $C$ towards $ℓ$", ha="center", color=COLOURS["green"])
    ax.set(xlim=(-0.5, 9.6), ylim=(-0.9, 2.2))
    ax.axis("off")
    return ax


def stroke_diagram(ax: Axes) -> Axes:
    """A bright stroke on black that moves to the right, and which edge sends which events."""
    ax.add_patch(Rectangle((0, 0), 10, 3, facecolor="#444444"))  # dark in both themes, too
    ax.add_patch(Rectangle((3.5, 0.3), 2, 2.4, facecolor="#eeeeee"))
    ax.text(4.5, 1.5, "bright\nstroke", ha="center", va="center", color="#222222")
    edges = ((3.2, DARKER, "v", "right", "pixels left behind: darker"),
             (5.8, BRIGHTER, "^", "left", "pixels reached: brighter"))  # fmt: skip
    for x, colour, marker, side, words in edges:
        ax.plot([x] * 7, np.linspace(0.5, 2.5, 7), marker, color=colour, markersize=8,
                markeredgecolor="white")  # fmt: skip
        ax.text(x, 3.25, words, ha=side, va="center")
    arrow = {"arrowstyle": "-|>", "color": COLOURS["green"], "linewidth": 2.5}
    ax.annotate("", (5.8, -0.4), (3.2, -0.4), arrowprops=arrow)
    ax.text(6.0, -0.4, "from the darker to the brighter events", va="center",
            color=COLOURS["green"])  # fmt: skip
    ax.set(xlim=(-0.1, 10.6), ylim=(-0.8, 3.5))
    ax.axis("off")
    return ax


def numbering(ax: Axes) -> Axes:
    """The order of a frame's inputs: polarity first, then row, then column."""
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.2}
    width, height, _ = SENSOR_SIZE
    for x, colour, name, first in ((0, BRIGHTER, "p = 0, brighter", 0),
                                   (6.2, DARKER, "p = 1, darker", width * height)):  # fmt: skip
        ax.add_patch(Rectangle((x, 0), 4.4, 3.4, facecolor=colour, alpha=0.15, edgecolor=colour))
        ax.text(x + 2.2, 3.6, name, ha="center", color=colour)
        for place, y in ((3.0, 0), (2.4, 1), (0.4, height - 1)):
            start = first + width * y
            ax.annotate("", (x + 3.25, place), (x + 1.1, place), arrowprops=arrow)
            ax.text(x + 1.0, place, f"{start}", ha="right", va="center")
            ax.text(x + 3.35, place, f"{start + width - 1}", va="center")
            if x == 0:
                ax.text(x - 0.15, place, f"y = {y}", ha="right", va="center", fontsize=9)
        ax.text(x + 2.2, 1.4, "⋮", ha="center", va="center")
    ax.annotate("", (6.1, 3.0), (4.5, 0.4), arrowprops=arrow | {"linestyle": ":"})
    ax.set(xlim=(-1.0, 10.8), ylim=(-0.1, 4.0))
    ax.axis("off")
    return ax
