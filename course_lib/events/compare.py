"""Simulated recordings beside real ones of the same digits.

The camera's parameters (``saccades.Parameters``) were fitted, by coordinate search, to those of
the N-MNIST training recordings 1 to 1,000 whose number leaves 0 or 1 when divided by 4.
The background was measured at the border of the sensor in the same recordings. ``compare``
uses those that leave 2 or 3, so what it reports was not seen by the fit. (Even and
odd numbers would not do: MNIST alternates between two groups of writers, and odd numbers have
12 % less ink.)

Two correlations, each Pearson's r between the simulated and the real recording of one digit,
averaged over recordings ("pooled": one r over all recordings together):

- of count images: events per pixel, both polarities, (34, 34);
- of frames: events per time bin, polarity and pixel, (T, 2, 34, 34), bins as in frames.py. Raw
  counts, and counts clamped to [0, 1] as networks see them.
"""

import os

import numpy as np

from course_lib.events.describe import TENTH_US
from course_lib.events.digits import load_digits
from course_lib.events.folders import matching_digits
from course_lib.events.frames import INPUTS, PIXELS, check_bins
from course_lib.events.recordings import read_recording
from course_lib.events.saccades import DEFAULT, Parameters, simulate


def count_frames(events: np.ndarray, bins: int) -> np.ndarray:
    """(T, 2, 34, 34) events per bin of equal time, as frames.py cuts them, not clamped."""
    t = events["t"] - events["t"][0]
    width = t[-1] // bins
    index = t // width if width else np.full(len(t), bins)
    place = index * INPUTS + events["p"] * PIXELS + events["y"] * 34 + events["x"]
    counts = np.bincount(place[index < bins], minlength=bins * INPUTS)
    return counts.reshape(bins, 2, 34, 34)


def _centred(array: np.ndarray) -> np.ndarray:
    return array - array.mean(-1, keepdims=True)


def correlation(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """``mean``: of Pearson's r of each recording; ``pooled``: one r. Arrays (n, ...)."""
    a, b = (array.reshape(len(array), -1).astype(float) for array in (a, b))
    r = {}
    for name, x, y in (("each", a, b), ("pooled", a.reshape(1, -1), b.reshape(1, -1))):
        x, y = _centred(x), _centred(y)
        norm = np.sqrt((x * x).sum(1) * (y * y).sum(1))
        r[name] = float(((x * y).sum(1) / np.where(norm > 0, norm, 1)).mean())
    return {"mean": r["each"], "pooled": r["pooled"]}


def compare(
    folder: str | os.PathLike, bins: int = 10, parameters: Parameters = DEFAULT
) -> dict[str, object]:
    """Compare saccade digits with the reporting half of the recordings in ``folder``/Train.

    Returns:
        ``recordings``; ``count_images``, ``frames``, ``clamped_frames``: correlations, each with
        ``mean`` and ``pooled``; ``events``, ``on_share``: (simulated, real) means;
        ``tenths``: (2, 10) mean events per tenth of 308 ms, simulated and real.

    Raises:
        FileNotFoundError, ValueError: see ``folders.matching_digits``.
    """
    bins = check_bins(bins)
    images = load_digits().images
    pairs = [(r, i) for r, i in matching_digits(folder) if int(r.path.stem) % 4 >= 2]
    if not pairs:
        raise ValueError(f"{folder}: no recording of the reporting half (number mod 4 = 2 or 3)")
    real = [read_recording(recording.path) for recording, _ in pairs]
    simulated = [simulate(images[i], i, parameters) for _, i in pairs]
    counts = [np.stack([count_frames(e, bins) for e in part]) for part in (simulated, real)]
    edges = TENTH_US * np.arange(11)
    tenths = [np.mean([np.histogram(e["t"], edges)[0] for e in p], 0) for p in (simulated, real)]
    return {
        "recordings": len(pairs),
        "bins": bins,
        "count_images": correlation(*(c.sum((1, 2)) for c in counts)),
        "frames": correlation(*counts),
        "clamped_frames": correlation(*(c.clip(0, 1) for c in counts)),
        "events": tuple(float(np.mean([len(e) for e in p])) for p in (simulated, real)),
        "on_share": tuple(
            float(sum(e["p"].sum() for e in p) / sum(len(e) for e in p)) for p in (simulated, real)
        ),
        "tenths": np.array(tenths),
    }


def report(result: dict) -> str:
    """A few lines of text for the dictionary that ``compare`` gives."""
    simulated, real = result["events"]
    lines = [
        f"{result['recordings']} real recordings (number mod 4 = 2 or 3; the fit used the "
        "others) and the saccade digits of the same digits",
        "correlation                mean over recordings    pooled",
    ]
    for name, text in (
        ("count_images", "count images (34, 34)"),
        ("frames", f"frames ({result['bins']}, 2, 34, 34)"),
        ("clamped_frames", "frames clamped to 0, 1"),
    ):
        r = result[name]
        lines.append(f"{text:26} {r['mean']:20.3f} {r['pooled']:9.3f}")
    lines.append(f"events per recording: {simulated:,.0f} simulated, {real:,.0f} real")
    lines.append("share of p = 1: {:.3f} simulated, {:.3f} real".format(*result["on_share"]))
    lines.append("events per tenth of 308 ms:")
    for name, row in zip(("simulated", "real"), result["tenths"], strict=True):
        lines.append(f"  {name:10}" + "".join(f"{n:6.0f}" for n in row))
    ratio = result["tenths"][0] / result["tenths"][1]
    lines.append("  ratio     " + "".join(f"{r:6.2f}" for r in ratio))
    return "\n".join(lines)
