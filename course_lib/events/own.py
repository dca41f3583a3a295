"""Recordings of other cameras: other sensors, field names, units, file formats.

frames = load_recordings("my/", sensor=(128, 128), unit="s")     # my/<class>/<file>
frames = load_recordings([(events, label), …], sensor=(346, 260))
frames = load_recordings(tonic.datasets.DVSGesture("data"))
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_lib.events.frames import check_bins, pack
from course_lib.events.frameset import FrameSet
from course_lib.events.recordings import SIDE, check_events, check_sensor

NAMES = {
    "x": ("x", "xs", "x_pos", "col"),
    "y": ("y", "ys", "y_pos", "row"),
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
UNITS = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}
FITS = ("scale", "crop", "keep")


@dataclass(frozen=True)
class Camera:
    """How recordings are to be read: see ``load_recordings``."""

    sensor: tuple[int, ...] = (SIDE, SIDE)
    unit: str = "us"
    order: str = "xytp"
    fit: str = "scale"

    @property
    def pixels(self) -> tuple[int, int, int]:
        """(width, height, polarities) of the frames."""
        sensor = check_sensor(self.sensor)
        return sensor if self.fit == "keep" else (SIDE, SIDE, sensor[2])

    def pack(self, events, bins: int, name: str) -> np.ndarray:
        """The bits of one recording, given by its events or its file."""
        if isinstance(events, str | os.PathLike):
            from course_lib.events.readers import read_events  # of eight formats

            events = read_events(events, self.sensor)
        columns = table(events, self.unit, self.order, name, self.sensor)
        fitted = fit_sensor(columns, self.sensor, self.fit, name)
        return pack(fitted, bins, name, self.pixels)


#: how N-MNIST's own recordings are read
NMNIST = Camera()


def fit_sensor(events, size: tuple[int, ...], fit: str = "scale", name: str = "") -> np.ndarray:
    """Events of a sensor of ``size`` (width, height) on 34 x 34 pixels, as an EVENT_DTYPE array.

    fit: "scale" keeps the proportions and the whole picture, which stands in the middle; "crop"
    keeps the pixels of the middle as they are and leaves out the others; "keep" keeps all.

    Raises ValueError: as ``check_events``, or an unknown ``fit``.
    """
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}; expected one of {', '.join(FITS)}")
    width, height, _ = check_sensor(size)
    events = check_events(events, name, size).copy()  # 64 bits: products do not overflow
    if fit == "keep" or (width, height) == (SIDE, SIDE):
        return events
    part, whole = (SIDE, max(width, height)) if fit == "scale" else (1, 1)
    inside = np.ones(len(events), bool)
    for field, old in (("x", width), ("y", height)):
        events[field] = (events[field] + (SIDE * whole // part - old) // 2) * part // whole
        inside &= (events[field] >= 0) & (events[field] < SIDE)
    return events[inside]


def table(
    events, unit: str = "us", order: str = "xytp", name: str = "", sensor=(SIDE, SIDE)
) -> dict[str, np.ndarray]:
    """Columns x, y, t (whole microseconds, sorted) and p (0 or 1) of events in any usual form.

    Args:
        events: a structured array, dict or data frame with fields of the usual names; or an
            array with a row for each event, whose columns ``order`` names.
        unit: of t: "ns", "us", "ms" or "s"; t is rounded to whole microseconds.
        sensor: (width, height, polarities). With a height of 1, such as a microphone's, y may be
            missing; with one polarity p is 0, whatever it was.

    Raises ValueError, with ``name``: a field is missing, or there are two of it. What is in the
    columns is checked by ``check_events``.
    """
    name = f"{name}: " if name else ""
    _, height, polarities = check_sensor(sensor)
    if unit not in UNITS or not set(order) <= set(NAMES) or len(set(order)) < len(order):
        raise ValueError(f"unit {unit!r}, order {order!r}; expected {list(UNITS)}, such as 'txyp'")
    names = getattr(getattr(events, "dtype", None), "names", None)
    if names is None and not hasattr(events, "keys"):
        array = np.asarray(events)
        if array.ndim != 2 or array.shape[1] != len(order):
            raise ValueError(
                f"{name}events have shape {array.shape}; expected (n, {len(order)}), the columns "
                f"{order!r}, or fields"
            )
        events = dict(zip(order, array.T, strict=True))
    names = list(names or events.keys())
    columns = {}
    for field, known in NAMES.items():
        found = [key for key in names if str(key).lower() in known]
        if (field == "y" and height == 1 and not found) or (field == "p" and polarities == 1):
            columns[field] = np.zeros(len(columns["x"]), np.int64)
        elif len(found) != 1:
            raise ValueError(f"{name}fields {names}: {len(found)} of {known}; expected one")
        else:
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


def load_recordings(
    source: str | os.PathLike | Iterable,
    bins: int = 10,
    *,
    sensor: tuple[int, ...] | None = None,
    classes: Iterable[str] | None = None,
    unit: str = "us",
    order: str = "xytp",
    fit: str = "scale",
) -> FrameSet:
    """Frames of recordings of any camera, fitted to the course's 34 x 34 pixels.

    Args:
        source: a folder with ``<class>/<file>``, read by ``read_events``; or pairs (events or
            file, label); or a data set of tonic's.
        bins: T, the number of time bins.
        sensor: (width, height) of the camera, or (width, height, polarities); default: what a
            data set of tonic's says, else 34 x 34.
        classes: their names in the order of the labels 0, 1, …; default: what a data set of
            tonic's says; else numbers are labels themselves, and names are numbered by name.
        unit, order: see ``table``; fit: see ``fit_sensor``. With "keep", frames have the
            sensor's own pixels, and so D = width · height · polarities inputs.

    Raises:
        FileNotFoundError, ValueError: naming the recording, and what is wrong with it.
    """
    sensor = sensor or getattr(source, "sensor_size", None) or (SIDE, SIDE)
    camera = Camera(sensor, unit, order, fit)
    packed, labels, bins = [], [], check_bins(bins)
    for events, name, given in _pairs(source):
        packed.append(camera.pack(events, bins, name))
        labels.append(_text(given))
    if not packed:
        raise ValueError(f"{source}: no recording; expected <class>/<file>, or pairs")
    classes = class_names(labels, getattr(source, "classes", None) if classes is None else classes)
    places = [place(given, classes) for given in labels]
    return FrameSet(np.stack(packed), np.array(places), bins, camera.pixels, classes)


def _pairs(source) -> Iterator[tuple]:
    """Events or a file, a name for messages and the label of each recording."""
    if isinstance(source, str | os.PathLike):
        source = files(Path(source).expanduser())
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        source = map(source.__getitem__, range(len(source)))  # some of tonic's do not end
    for number, (events, given) in enumerate(source):
        is_file = isinstance(events, str | os.PathLike)
        yield events, str(events) if is_file else f"recording {number}", given


def files(folder: Path) -> list[tuple[Path, str]]:
    """(path, its folder's name) of the files in the folders of a folder, but for dot files."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one with <class>/<file>")
    seen = sorted(folder.glob("*/*"))
    return [(p, p.parent.name) for p in seen if "." not in (p.name[0], p.parent.name[0])]


def _text(label) -> str:
    """A label as text: 3, "3", a NumPy number or bytes."""
    label = label.item() if hasattr(label, "item") else label
    return label.decode() if isinstance(label, bytes) else str(label)


def class_names(labels: Iterable[str], classes=None) -> tuple[str, ...]:
    """Names of the classes 0, 1, …: those given, else the labels' own in the order of names."""
    if isinstance(classes, dict):
        classes = sorted(classes, key=classes.get)
    if classes is not None:
        return tuple(map(_text, classes))
    found = set(labels)
    if all(label.isdecimal() and len(label) < 5 for label in found):
        return tuple(map(str, range(max(map(int, found), default=-1) + 1)))
    return tuple(sorted(found))


def place(label: str, classes: tuple[str, ...]) -> int:
    """The number of a label's class. Raises ValueError if it has none."""
    if label in classes:
        return classes.index(label)
    if not label.isdecimal() or int(label) >= len(classes):
        raise ValueError(f"label {label!r}; expected one of {', '.join(classes)}, or its number")
    return int(label)
