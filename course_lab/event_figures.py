"""Pictures of events: streams, rates, count images, frames.

p = 1 (the pixel got darker) is blue, p = 0 (brighter) is orange; where both happened, black.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from course_lib.run.figures import COLOURS, as_array

SIDE = 34
DARKER, BRIGHTER = COLOURS["blue"], COLOURS["orange"]


def levels(ax: Axes, signal, reference, up, down) -> Axes:
    """A pixel's log brightness (T,), the level it remembers (T,), and the steps of its events."""
    signal, reference = as_array(signal, 1, "signal"), as_array(reference, 1, "reference")
    steps = np.arange(len(signal))
    ax.plot(steps, signal, color=COLOURS["black"], label="log brightness L")
    ax.step(steps, reference, where="post", color=COLOURS["green"], linestyle="--",
            label="remembered level")  # fmt: skip
    ax.plot(up, signal[list(up)], "^", color=BRIGHTER, label="brighter", linestyle="none")
    ax.plot(down, signal[list(down)], "v", color=DARKER, label="darker", linestyle="none")
    ax.set(xlabel="time step", ylabel="log brightness")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, columnspacing=1.2)
    return ax


def stream(ax: Axes, events, axis: str = "x") -> Axes:
    """Events in time and one coordinate of the sensor, as the camera sends them."""
    for p, colour, marker, label in ((0, BRIGHTER, "^", "p = 0, brighter"),
                                     (1, DARKER, "v", "p = 1, darker")):  # fmt: skip
        part = events[events["p"] == p]
        ax.plot(part["t"] / 1000, part[axis], marker, color=colour, markersize=2.2,
                linestyle="none", label=label)  # fmt: skip
    ax.set(xlabel="time (ms)", ylabel=f"{axis} (pixels)", ylim=(-0.5, SIDE - 0.5))
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
        ax.bar(left, values, bar, align="edge", color=colour, hatch=hatch, edgecolor="white",
               linewidth=0.5, label=label)  # fmt: skip
    ax.set(xlabel="time (ms)", ylabel=f"events per {width_ms:g} ms")
    if len(counts) > 1:
        ax.legend()
    return ax


def colours_of(frame) -> np.ndarray:
    """(34, 34, 3) colours of one frame (2, 34, 34), polarity first."""
    frame = as_array(frame, 3, "frame") > 0
    image = np.ones((*frame.shape[1:], 3))
    image[frame[0]] = to_rgb(BRIGHTER)
    image[frame[1]] = to_rgb(DARKER)
    image[frame[0] & frame[1]] = 0
    return image


def plain(ax: Axes, title: str = "") -> Axes:
    """Axes for an image: a frame without ticks."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=10, loc="center")
    ax.grid(False)
    for side in ax.spines.values():
        side.set(visible=True, color="0.7")
    return ax


def frame(ax: Axes, values, title: str = "") -> Axes:
    """One frame (2, 34, 34): which pixels had events of which polarity."""
    ax.imshow(colours_of(values))
    return plain(ax, title)


def counts(ax: Axes, image, title: str = "", largest: float | None = None) -> Axes:
    """A count image (34, 34) or a digit (28, 28): the darker, the more."""
    ax.imshow(as_array(image, 2, "image"), cmap="Greys", vmin=0, vmax=largest)
    return plain(ax, title)


def strip(axes, frames, titles=None) -> np.ndarray:
    """Frames (n, 2, 34, 34) one after the other, one on each of the axes; unused axes vanish."""
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
