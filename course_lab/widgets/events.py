"""Lesson 01: what binning keeps and loses of one recording."""

import functools
import math

import ipywidgets as ipw
import numpy as np

from course_lab import event_figures
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, plural, slider
from course_lib.events import count_frames, load_digits, simulate

SHOWN = 10  # frames in a strip at most


@functools.cache
def recording(digit: int):
    """The saccade-digit recording of the first example of a digit, seed 0; read only."""
    events = simulate(load_digits().images[500 * digit], seed=0)
    events.flags.writeable = False
    return events


def render_events(values: dict) -> tuple[bytes, str, str]:
    """Frames of one recording. values: "digit" 0 to 9, "bins" T, "clamp" True or False."""
    digit, bins, clamp = values["digit"], values["bins"], values["clamp"]
    events = recording(digit)
    counts = count_frames(events, bins)
    inputs = counts.clip(0, 1) if clamp else counts
    shown = np.unique(np.linspace(0, bins - 1, min(bins, SHOWN)).round().astype(int))
    figure, ax = new_figure(height=3.4)
    if clamp:
        tiles = [event_figures.colours_of(frame) for frame in inputs[shown]]
    else:
        both = counts[shown].sum(axis=1)
        tiles = event_figures.SHADES(both / counts.sum(axis=1).max())
    event_figures.mosaic(ax, tiles, [f"frame {k + 1} of {bins}" for k in shown])
    width = (int(events["t"][-1]) - int(events["t"][0])) / bins / 1000
    kept = inputs.sum() / len(events)
    active = np.count_nonzero(inputs) / bins
    # Bits of one input: 1 where clamped, else enough for the largest count.
    memory = inputs.size * max(1, math.ceil(math.log2(inputs.max() + 1))) / 8000
    numbers = (
        f"digit {digit}, T = {plural(bins, 'frame')} of {width:.1f} ms: {100 * kept:.0f} % of "
        f"{len(events):,} events kept, largest input {inputs.max()}, on average {active:.0f} of "
        f"{inputs[0].size:,} inputs active a frame, {memory:.1f} kB"
    )
    alt = (
        f"{len(shown)} of {bins} frames of a digit {digit}, "
        + ("with one colour for each polarity" if clamp else "darker where a pixel had more events")
        + f"; {numbers}"
    )
    return png(figure), numbers, alt


def event_bins() -> Sweep:
    """Lesson 01: number of time bins, clamping, for any digit."""
    return Sweep(
        render_events,
        {
            "digit": slider(ipw.IntSlider, "digit", 3, 0, 9, 1, live=True),
            "bins": slider(ipw.IntSlider, "time bins T (frames)", 10, 1, 50, 1, live=True),
            "clamp": ipw.Checkbox(
                value=True,
                description="clamp: at most 1 event a pixel, polarity and bin",
                indent=False,
                layout=ipw.Layout(width="34em", max_width="100%"),
            ),
        },
    )
