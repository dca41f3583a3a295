"""Tables of events: the one check that all of them pass, and N-MNIST's .bin files.

A .bin file holds 5 bytes an event (Orchard et al. 2015): x, y, then 1 bit of polarity and 23 bits
of time in microseconds, big-endian.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from course_lib.events.files import write_atomic

EVENT_DTYPE = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])
SIDE = 34
SENSOR_SIZE = (SIDE, SIDE, 2)
#: width, height, polarities of latency-coded pictures, and of the model of an inner ear
PICTURE, EAR = (28, 28, 1), (64, 1, 1)
OVERFLOW_Y = 240
OVERFLOW_US = 1 << 13
MAX_OVERFLOWS = 1 << 10
MAX_BYTES = 1 << 24  # of a file: 3 million events; the longest of N-MNIST has about 7,200
MOST_BYTES = 1 << 28  # of a file of any camera, and of an archive; MNIST has 55 million
MAX_TIME = 1 << 61  # differences of such times fit into 64 bits
#: how files of other kinds begin
MAGIC = {
    b"\x93NUMPY": "a NumPy array (.npy)", b"PK\3\4": "a zip archive or .npz",
    b"\x1f\x8b": "a gzip archive", b"#!AER-DAT": "a recording of jAER or DV (.aedat, .aedat4)",
    b"% ": "a recording of Prophesee (.dat, .raw)", b"\x89HDF": "HDF5 (.h5)",
    b"MATLAB": "MATLAB (.mat)", b"version https://git-lfs": "a Git LFS pointer, not the file",
    b"<": "a web page",
}  # fmt: skip


def check_sensor(sensor) -> tuple[int, int, int]:
    """(width, height, polarities) of a sensor; two polarities where only the others are given.

    Raises ValueError unless they are whole numbers from 1, and at most two polarities.
    """
    size = tuple(sensor)
    size = (*size, 2) if len(size) == 2 else size
    if len(size) != 3 or any(int(n) != n or n < 1 for n in size) or size[2] > 2:
        raise ValueError(f"sensor is {sensor}; expected (width, height), polarities 1 or 2 last")
    return tuple(map(int, size))


def check_events(
    events,
    name: str = "",
    sensor: tuple[int, ...] = SENSOR_SIZE,
    times: int | None = None,
    place: Callable[[int, str], str] = lambda event, field: f"event {event}",
) -> np.ndarray:
    """The events as an array of EVENT_DTYPE; every way into the library leads through here.

    Such an array is returned as it is, any other is copied.

    Args:
        events: a structured array, or a dict or data frame of columns, with the fields x, y, t
            (whole microseconds) and p, of any type that holds whole numbers.
        name: of the file, for messages.
        sensor: (width, height), and polarities if they are not two.
        times: whole numbers from 0 that t may be; default: any, negative ones too.
        place: where event i is, for messages.

    Raises:
        ValueError: a field is missing, columns differ in length, a value is not finite, not whole
            or out of range, or time goes back. It says where, and what the likely cause is.
    """
    name = f"{name}: " if name else ""
    width, height, polarities = check_sensor(sensor)
    limits = {"x": width, "y": height, "t": times, "p": polarities}
    try:
        columns = {field: np.asarray(events[field]) for field in limits}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{name}expected events with fields x, y, t and p ({error})") from error
    shapes = {field: column.shape for field, column in columns.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"{name}columns have shapes {shapes}; expected one length for all")
    ready = isinstance(events, np.ndarray) and events.dtype == EVENT_DTYPE
    table = events if ready else np.empty(len(columns["t"]), EVENT_DTYPE)
    for field, limit in limits.items():
        column, low, high = columns[field], 0 if limit else -MAX_TIME, limit or MAX_TIME
        if column.dtype.kind not in "biuf":
            raise ValueError(f"{name}{field} is {column.dtype}; expected whole numbers")
        if column.dtype.kind == "f":
            column = column.astype(np.float64)
        sound = (low <= column) & (column < high)
        if column.dtype.kind == "f":
            sound &= column == np.floor(column)
        if not sound.all():
            bad = int(np.argmin(sound))
            expected = f"a whole number from 0 to {limit - 1}" if limit else "a whole number"
            raise ValueError(
                f"{name}{field} is {column[bad]} at {place(bad, field)}; expected {expected}"
                f"{_cause(field, column)}"
            )
        if not ready:
            table[field] = column
    back = np.flatnonzero(table["t"][1:] < table["t"][:-1])
    if back.size:
        last, this = table["t"][back[0] : back[0] + 2]
        raise ValueError(
            f"{name}time goes back from {last} to {this} us at {place(int(back[0]) + 1, 't')}; "
            "expected events sorted by t"
        )
    return table


def _cause(field: str, column: np.ndarray) -> str:
    """What may have happened to a column that is not what was expected."""
    if not np.isfinite(column).all():
        return ". Leave out events that are not finite"
    largest = np.abs(column).max()
    if field == "t" and column.dtype.kind == "f":
        if largest < 1e5:
            unit, factor = ("seconds", "1e6") if largest < 100 else ("milliseconds", "1e3")
            return f" of microseconds. Times look like {unit}: multiply them by {factor} and round"
        return " of microseconds. Round the times"
    if field in "xy" and largest <= 1 and column.dtype.kind == "f":
        return ". Coordinates look like fractions of the sensor: multiply by its width, round down"
    if field in "xy" and largest >= SIDE:
        return ". From a larger sensor? fit_sensor(events, size) scales or crops"
    if field == "p" and set(np.unique(column)) <= {-1, 1}:
        return ". Polarity is -1 and 1 here: take p > 0"
    return ""


def ordinary_file(path: str | os.PathLike, limit: int = MAX_BYTES) -> Path:
    """The path, if a file may be read: a pipe would be waited for, a huge one fill the memory.

    Raises FileNotFoundError where there is no ordinary file, ValueError where it is too large.
    """
    path = Path(path)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no ordinary file" if path.exists() else "not there"
        if path.is_symlink() and not path.exists():
            kind = "a link to nothing"
        raise FileNotFoundError(f"{path}: no such recording, this is {kind}; expected a file")
    size = path.stat().st_size
    if size > limit:
        raise ValueError(
            f"{path}: {size:,} bytes; more than {limit:,} are not read (a recording of N-MNIST has "
            "some 20,000)"
        )
    return path


def looks_like(data: bytes) -> str:
    """What the first bytes of a file say that it is; nothing if they do not say it."""
    known = (kind for magic, kind in MAGIC.items() if data.startswith(magic))
    text = data and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:64])
    return next(known, "text" if text else "")


def decode(data: bytes, name: str, sensor: tuple[int, ...] = SENSOR_SIZE) -> np.ndarray:
    """The events in the bytes of one .bin file: see ``read_recording``."""
    try:
        return _decode(data, name, sensor)
    except ValueError as error:
        if kind := looks_like(data):
            raise ValueError(f"{name}: not an N-MNIST file; looks like {kind} ({error})") from error
        raise


def _decode(data: bytes, name: str, sensor: tuple[int, ...]) -> np.ndarray:
    if len(data) == 0:
        raise ValueError(f"{name}: the file is empty; expected 5 bytes an event")
    if len(data) % 5:
        raise ValueError(
            f"{name}: {len(data)} bytes, not a whole number of 5-byte events; truncated at byte "
            f"offset {len(data) // 5 * 5}"
        )
    raw = np.frombuffer(data, np.uint8).reshape(-1, 5).astype(np.int64).T
    marker = raw[1] == OVERFLOW_Y
    if marker.sum() > MAX_OVERFLOWS:
        offset = 5 * int(np.flatnonzero(marker)[MAX_OVERFLOWS]) + 1
        raise ValueError(
            f"{name}: more than {MAX_OVERFLOWS} time-overflow markers (y = {OVERFLOW_Y}) at byte "
            f"offset {offset}; no N-MNIST recording is that long"
        )
    times = (raw[2] & 127) << 16 | raw[3] << 8 | raw[4]
    columns = {"x": raw[0], "y": raw[1], "p": raw[2] >> 7}
    columns["t"] = times + OVERFLOW_US * np.cumsum(marker)
    events = np.flatnonzero(~marker)
    if events.size == 0:
        raise ValueError(f"{name}: no event, only time-overflow markers (byte offset 0)")
    columns = {field: column[events] for field, column in columns.items()}
    offset = {"x": 0, "y": 1, "t": 2, "p": 2}
    return check_events(
        columns, name, sensor[:2],
        place=lambda i, field: f"byte offset {5 * int(events[i]) + offset[field]}",
    )  # fmt: skip


def read_recording(path: str | os.PathLike) -> np.ndarray:
    """The events of one .bin file: x, y, t in microseconds, p, sorted by time.

    An event with y = 240 is the camera's mark of a time overflow: as in tonic's
    ``read_mnist_file`` it is dropped, and 8,192 us are added to every later time.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is empty, truncated or too large, an event lies outside the 34 x 34
            sensor, or time goes back; the message names the file and the byte offset.
    """
    return decode(ordinary_file(path).read_bytes(), str(path))


def write_recording(path: str | os.PathLike, events: np.ndarray) -> None:
    """Write events as a .bin file, atomically; ``read_recording`` gives them back.

    Raises ValueError where there is no event, or ``check_events`` finds a fault; t < 2**23.
    """
    events = check_events(events, times=1 << 23)
    if len(events) == 0:
        raise ValueError("a recording needs at least one event, got none")
    raw, t = np.empty((len(events), 5), np.uint8), events["t"]
    raw[:, 0], raw[:, 1] = events["x"], events["y"]
    raw[:, 2] = (events["p"] << 7) | (t >> 16)
    raw[:, 3], raw[:, 4] = (t >> 8) & 255, t & 255
    write_atomic(Path(path), raw.tobytes())
