"""Recordings in a few figures, and simulated ones beside real ones of the same digits.

``python -m studies measure PATH`` writes data/results/recordings.json: figures only, since the
recordings themselves are not part of the course. ``python -m studies compare PATH`` sets saccade
digits beside them.

The camera's parameters (``saccades.Parameters``) were fitted, by coordinate search, to those of
the N-MNIST training recordings 1 to 1,000 whose number leaves 0 or 1 when divided by 4; its
background was measured at the border of the sensor in the same recordings. ``compare`` takes
those that leave 2 or 3, so what it reports was not seen by the fit. (Even and odd numbers would
not do: MNIST alternates between two groups of writers, and odd numbers have 12 % less ink.)
"""

import json
import os
from collections.abc import Iterable

import numpy as np

from course_lib.events import (
    count_frames,
    find_recordings,
    load_digits,
    matching_digits,
    read_recording,
    simulate,
)
from course_lib.events.files import write_atomic

FITTED_UP_TO = 1000  # number of an N-MNIST training recording
TENTH_US = 30_800  # a tenth of 308 ms, the mean time of the last event in N-MNIST


def describe(recordings: Iterable[np.ndarray]) -> dict:
    """How many events, of which polarity, over what time; to three decimals.

    Returns:
        ``recordings``: their number; ``events``, ``length_ms`` (first to last event): ``mean``,
        ``sd``, ``min``, ``max`` over recordings; ``p1_share``: mean share of events with p = 1;
        ``tenths``: (10,) mean number of events in each 30.8 ms, later ones in the last.
    """
    sizes, lengths, shares, tenths = [], [], [], []
    for events in recordings:
        sizes.append(len(events))
        lengths.append(np.ptp(events["t"]) / 1000)
        shares.append(events["p"].mean())
        tenths.append(np.bincount(np.minimum(events["t"] // TENTH_US, 9), minlength=10))
    return {
        "recordings": len(sizes),
        "events": _spread(sizes),
        "length_ms": _spread(lengths),
        "p1_share": round(float(np.mean(shares)), 3),
        "tenths": np.mean(tenths, axis=0).round(3).tolist(),
    }


def _spread(values) -> dict:
    names = {"mean": np.mean, "sd": np.std, "min": np.min, "max": np.max}
    return {name: round(float(of(values)), 3) for name, of in names.items()}


def measure(folder: str | os.PathLike) -> dict:
    """``describe`` of the training recordings in a folder.

    Raises FileNotFoundError, ValueError: see ``find_recordings`` and ``read_recording``.
    """
    return describe(read_recording(r.path) for r in find_recordings(folder).train)


def fitted(folder: str | os.PathLike) -> np.ndarray:
    """(R,) booleans: whether the camera's parameters were fitted to a recording of the folder.

    In the order of ``load_all``. Raises FileNotFoundError, ValueError: see ``find_recordings``.
    """
    found = find_recordings(folder)
    numbers = [int(recording.path.stem) for recording in found.train]
    of_train = [number <= FITTED_UP_TO and number % 4 < 2 for number in numbers]
    return np.array(of_train + [False] * len(found.test))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r between a[i] and b[i], averaged over i. Arrays (n, ...)."""
    a, b = (array.reshape(len(array), -1).astype(float) for array in (a, b))
    a, b = (array - array.mean(1, keepdims=True) for array in (a, b))
    norm = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return float(((a * b).sum(1) / np.where(norm > 0, norm, 1)).mean())


def compare(folder: str | os.PathLike, bins: int = 10) -> dict:
    """Saccade digits beside the reporting half of the recordings in ``folder``/Train.

    Returns:
        ``simulated``, ``real``: see ``describe``; ``correlations`` of events per pixel ("count
        images"), per bin, polarity and pixel ("frames"), and the same clamped to 0 or 1.

    Raises:
        FileNotFoundError, ValueError: see ``folders.matching_digits``.
    """
    images = load_digits().images
    pairs = [(r, i) for r, i in matching_digits(folder) if int(r.path.stem) % 4 >= 2]
    if not pairs:
        raise ValueError(f"{folder}: no recording of the reporting half (number mod 4 = 2 or 3)")
    both = [simulate(images[i], i) for _, i in pairs], [read_recording(r.path) for r, _ in pairs]
    counts = [np.stack([count_frames(events, bins) for events in part]) for part in both]
    return {
        "simulated": describe(both[0]),
        "real": describe(both[1]),
        "correlations": {
            "count images": correlation(*(c.sum((1, 2)) for c in counts)),
            "frames": correlation(*counts),
            "clamped frames": correlation(*(c.clip(0, 1) for c in counts)),
        },
    }


def main_measure(options) -> int:
    text = json.dumps(measure(options.folder), indent=1) + "\n"
    write_atomic(options.json, text)
    print(f"wrote {options.json}\n{text}", end="")
    return 0


def main_compare(options) -> int:
    print(report(compare(options.folder)))
    return 0


def report(result: dict) -> str:
    """A few lines of text for the dictionary that ``compare`` gives."""
    simulated, real = result["simulated"], result["real"]
    lines = [f"{real['recordings']} real recordings and the saccade digits of the same digits"]
    lines += [f"correlation, {k}: {r:.3f}" for k, r in result["correlations"].items()]
    for name, of in (("simulated", simulated), ("real", real)):
        lines.append(f"{name}: {of['events']['mean']:,.0f} events, share of p = 1 {of['p1_share']}")
    ratios = np.divide(simulated["tenths"], real["tenths"])
    lines.append("simulated / real, by tenths: " + " ".join(f"{r:.2f}" for r in ratios))
    return "\n".join(lines)
