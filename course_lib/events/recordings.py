"""One N-MNIST recording: reading and writing .bin files.

A file holds 5 bytes an event (Orchard et al. 2015): x, y, then 1 bit of polarity and 23 bits of
time in microseconds, big-endian.
"""

import io
import os
from pathlib import Path

import numpy as np

from course_lib.events.files import write_atomic
from course_lib.events.frames import EVENT_DTYPE

SIDE = 34
OVERFLOW_Y = 240
OVERFLOW_US = 1 << 13
MAX_OVERFLOWS = 1 << 10


def _validate(data: bytes, name: str) -> None:
    """Raise ValueError naming the file and the byte offset of the first thing that is wrong."""
    if len(data) == 0:
        raise ValueError(f"{name}: the file is empty; expected 5 bytes an event")
    if len(data) % 5:
        raise ValueError(
            f"{name}: {len(data)} bytes, not a whole number of 5-byte events; truncated at byte "
            f"offset {len(data) // 5 * 5}"
        )
    raw = np.frombuffer(data, np.uint8).reshape(-1, 5).astype(np.int64)
    x, y = raw[:, 0], raw[:, 1]
    marker = y == OVERFLOW_Y
    if marker.sum() > MAX_OVERFLOWS:
        offset = 5 * int(np.flatnonzero(marker)[MAX_OVERFLOWS]) + 1
        raise ValueError(
            f"{name}: more than {MAX_OVERFLOWS} time-overflow markers (y = {OVERFLOW_Y}) at byte "
            f"offset {offset}; no N-MNIST recording is that long"
        )
    for column, values, limit in (
        (0, np.where(marker, 0, x), SIDE),
        (1, np.where(marker, 0, y), SIDE),
    ):
        bad = np.flatnonzero(values >= limit)
        if bad.size:
            raise ValueError(
                f"{name}: {'xy'[column]} is {values[bad[0]]} at byte offset "
                f"{5 * int(bad[0]) + column}; expected 0 to {limit - 1}"
            )
    times = ((raw[:, 2] & 127) << 16) + (raw[:, 3] << 8) + raw[:, 4]
    times += OVERFLOW_US * np.cumsum(marker)
    events = np.flatnonzero(~marker)
    if events.size == 0:
        raise ValueError(f"{name}: no event, only time-overflow markers (byte offset 0)")
    back = np.flatnonzero(np.diff(times[events]) < 0)
    if back.size:
        this, last = events[back[0] + 1], events[back[0]]
        raise ValueError(
            f"{name}: time goes back from {times[last]} to {times[this]} us at byte offset "
            f"{5 * int(this) + 2}; expected events sorted by time"
        )


def read_recording(path: str | os.PathLike) -> np.ndarray:
    """The events of one .bin file: x, y, t in microseconds, p, sorted by time.

    The bytes are checked, then read by ``tonic.io.read_mnist_file``. An event with y = 240 is the
    camera's mark of a time overflow: as in tonic it is dropped, and 8,192 us are added to every
    later time.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is empty or truncated, an event lies outside the 34 x 34 sensor, or
            time goes back; the message names the file and the byte offset.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such recording; expected a .bin file of N-MNIST")
    data = path.read_bytes()
    _validate(data, str(path))
    from tonic.io import read_mnist_file

    return read_mnist_file(io.BytesIO(data), EVENT_DTYPE, is_stream=True)


def write_recording(path: str | os.PathLike, events: np.ndarray) -> None:
    """Write events as a .bin file, atomically; ``read_recording`` gives them back.

    Raises:
        ValueError: no event, a field outside 0 <= x, y < 34, 0 <= t < 2**23, p in {0, 1}, or
            times that decrease.
    """
    if len(events) == 0:
        raise ValueError("a recording needs at least one event, got none")
    for name, limit in (("x", SIDE), ("y", SIDE), ("t", 1 << 23), ("p", 2)):
        values = events[name]
        bad = np.flatnonzero(~((values >= 0) & (values < limit)) | (values != np.floor(values)))
        if bad.size:
            raise ValueError(
                f"event {bad[0]}: {name} is {values[bad[0]]}; expected a whole number from 0 to "
                f"{limit - 1}"
            )
    raw = np.empty((len(events), 5), np.uint8)
    t = events["t"].astype(np.int64)
    if (np.diff(t) < 0).any():
        index = int(np.flatnonzero(np.diff(t) < 0)[0]) + 1
        raise ValueError(f"event {index}: time goes back to {t[index]} us; sort the events by t")
    raw[:, 0], raw[:, 1] = events["x"], events["y"]
    raw[:, 2] = (events["p"].astype(np.int64) << 7) | (t >> 16)
    raw[:, 3], raw[:, 4] = (t >> 8) & 255, t & 255
    write_atomic(Path(path), lambda stream: stream.write(raw.tobytes()))
