"""Recordings of other cameras: other sensors, field names, units, file formats.

    frames = load_recordings("my/", sensor=(128, 128), unit="s")     # my/<class>/<file>
    frames = load_recordings([(events, label), …], sensor=(346, 260))

A tonic data set is such a list of pairs.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from course_lib.events.files import load_npz
from course_lib.events.frames import check_bins, pack
from course_lib.events.frameset import FrameSet
from course_lib.events.recordings import SIDE, check_events, ordinary_file, read_recording

NAMES = {
    "x": ("x", "xs", "x_pos", "col"),
    "y": ("y", "ys", "y_pos", "row"),
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
UNITS = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}
MOST_BYTES = 1 << 28
#: what reads other formats; pass their events as pairs
READERS = {
    ".aedat4": "tonic.io.read_aedat4, which needs the package aedat",
    ".aedat": "tonic.io.read_davis_346 or read_dvs_ibm",
    ".dat": "the package expelliarmus",
    ".raw": "the package expelliarmus",
    ".mat": "scipy.io.loadmat",
    ".h5": "the package h5py",
    ".hdf5": "the package h5py",
}


def fit_sensor(events, size: tuple[int, int], fit: str = "scale", name: str = "") -> np.ndarray:
    """Events of a sensor of ``size`` (width, height) on one of 34 x 34, as an EVENT_DTYPE array.

    fit: "scale" keeps the proportions and the whole picture, which stands in the middle of the
    square; "crop" keeps the pixels of the middle 34 x 34 as they are and leaves out the others.

    Raises ValueError: as ``check_events``, or an unknown ``fit``.
    """
    width, height = (int(length) for length in size)
    if fit not in ("scale", "crop") or min(width, height) < 1:
        raise ValueError(f"fit is {fit!r}, size {size}; expected 'scale' or 'crop', and pixels")
    limits = (("x", width), ("y", height), ("t", None), ("p", 2))
    events = check_events(events, name, limits).copy()  # 64 bits: products do not overflow
    side = max(width, height) if fit == "scale" else SIDE
    for field, length in (("x", width), ("y", height)):
        events[field] = (events[field] + (side - length) // 2) * SIDE // side
    inside = [(events[field] >= 0) & (events[field] < SIDE) for field in "xy"]
    return events[inside[0] & inside[1]]


def table(events, unit: str = "us", order: str = "xytp", name: str = "") -> dict[str, np.ndarray]:
    """Columns x, y, t (whole microseconds, sorted) and p (0 or 1) of events in any usual form.

    Args:
        events: a structured array, dict or data frame with fields of the usual names; or an
            array (n, 4), whose columns ``order`` names.
        unit: of t: "ns", "us", "ms" or "s"; t is rounded to whole microseconds.

    Raises ValueError, with ``name``: a field is missing, or there are two of it. What is in the
    columns is checked by ``check_events``.
    """
    name = f"{name}: " if name else ""
    if unit not in UNITS or sorted(order) != sorted(NAMES):
        raise ValueError(f"unit {unit!r}, order {order!r}; expected {list(UNITS)}, such as 'txyp'")
    names = getattr(getattr(events, "dtype", None), "names", None)
    if names is None and not hasattr(events, "keys"):
        array = np.asarray(events)
        if array.ndim != 2 or array.shape[1] != 4:
            raise ValueError(f"{name}events have shape {array.shape}; expected (n, 4) or fields")
        events = dict(zip(order, array.T, strict=True))
    names = list(names or events.keys())
    columns = {}
    for field, known in NAMES.items():
        found = [key for key in names if str(key).lower() in known]
        if len(found) != 1:
            raise ValueError(f"{name}fields {names}: {len(found)} of {known}; expected one")
        columns[field] = np.asarray(events[found[0]])
    t, p = columns["t"], columns["p"]
    if unit != "us" and t.dtype.kind in "iuf" and np.isfinite(t).all():
        columns["t"] = np.rint(t.astype(np.float64) * UNITS[unit]).astype(np.int64)
    if p.dtype.kind in "if" and (p == -1).any() and np.isin(p, (-1, 1)).all():
        columns["p"] = p > 0
    if t.ndim == 1 and len({len(column) for column in columns.values()}) == 1:
        rising = np.argsort(columns["t"], kind="stable")
        columns = {field: column[rising] for field, column in columns.items()}
    return columns


def read_events(path: str | os.PathLike):
    """The events of one file, .npy, .npz, .txt, .csv or N-MNIST's .bin, as ``table`` takes them.

    Raises FileNotFoundError, or ValueError if the file is damaged, too large, or of another kind:
    then it says what reads it.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".bin":
        return read_recording(path)
    if suffix not in (".npy", ".npz", ".txt", ".csv"):
        raise ValueError(
            f"{path}: files {suffix or 'without an ending'} are not read here. Read them with "
            f"{READERS.get(suffix, 'a reader of your own')}, and pass load_recordings a list of "
            "pairs (events, label)"
        )
    ordinary_file(path, MOST_BYTES)
    if suffix == ".npz":
        arrays = load_npz(path, MOST_BYTES)
        return next(iter(arrays.values())) if len(arrays) == 1 else arrays
    try:
        if suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)  # asks for no memory
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        lines = [line.replace(",", " ") for line in lines if not line.startswith("#")]
        names = lines[0].split()
        if any(word[0].isalpha() for word in names) and len(lines) > 1:
            return dict(zip(names, np.loadtxt(lines[1:], ndmin=2).T, strict=True))
        return np.loadtxt(lines, ndmin=2)
    except (ValueError, OSError, EOFError, IndexError) as error:
        raise ValueError(f"{path} cannot be read as {suffix} ({error})") from error


def load_recordings(
    source: str | os.PathLike | Iterable,
    bins: int = 10,
    *,
    sensor: tuple[int, int] = (SIDE, SIDE),
    classes: list[str] | None = None,
    unit: str = "us",
    order: str = "xytp",
    fit: str = "scale",
) -> FrameSet:
    """Frames of recordings of any camera, fitted to the course's 34 x 34 pixels.

    Args:
        source: a folder with ``<class>/<file>``, read by ``read_events``; or pairs (events,
            label), as a tonic data set gives them.
        bins: T, the number of time bins.
        sensor: (width, height) of the camera.
        classes: their names in the order of the labels 0, 1, …; default: numbers are labels
            themselves, other folders are numbered by name.
        unit, order: see ``table``; fit: see ``fit_sensor``.

    Raises:
        FileNotFoundError, ValueError: naming the recording, and what is wrong with it.
    """
    packed, labels = [], []
    for events, label, name in _named(source, classes):
        events = table(events, unit, order, name)
        packed.append(pack(fit_sensor(events, sensor, fit, name), check_bins(bins), name))
        labels.append(label)
    if not packed:
        raise ValueError(f"{source}: no recording; expected <class>/<file>, or pairs")
    return FrameSet(np.stack(packed), np.array(labels), bins)


def _named(source, classes: list[str] | None):
    """(events, label, name) of each recording."""
    if not isinstance(source, str | os.PathLike):
        for number, (events, label) in enumerate(source):
            yield events, _label(label, classes), f"recording {number}"
        return
    folders = sorted(p for p in Path(source).expanduser().iterdir() if p.name[0] != ".")
    folders = [folder for folder in folders if folder.is_dir()]
    if classes is None and not all(folder.name.isdecimal() for folder in folders):
        classes = [folder.name for folder in folders]
    for folder in folders:
        label = _label(folder.name, classes)
        for path in sorted(p for p in folder.iterdir() if p.name[0] != "."):
            yield read_events(path), label, str(path)


def _label(label, classes: list[str] | None) -> int:
    if classes is None and str(label).isdecimal():
        return int(label)
    if classes is None or label not in classes:
        raise ValueError(f"label {label!r}; expected {classes or 'a whole number, or classes='}")
    return list(classes).index(label)
