"""A set of recordings in a few figures, and those of real N-MNIST as they were measured.

``python -m course_lib data measure PATH`` writes data/results/nmnist.json: figures only, since
the recordings themselves are not part of the course. Lesson 01 sets saccade digits beside them.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from course_lib.events.folders import find_recordings
from course_lib.events.recordings import read_recording

TENTH_US = 30_800  # a tenth of 308 ms, the mean time of the last event in N-MNIST
RESULTS = "results/nmnist.json"


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


def measured() -> dict:
    """The stored figures of real N-MNIST, from the repository's data/ or an installed package.

    Raises FileNotFoundError, naming the command that makes them, if there are none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "data", package / "_data"):
        if (folder / RESULTS).is_file():
            return json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    raise FileNotFoundError(
        f"there is no data/{RESULTS}; it comes with the repository, and `python -m course_lib data "
        "measure PATH` makes it from a folder of N-MNIST"
    )
