"""N-MNIST recordings: files, folders, download.

A file holds 5 bytes an event (Orchard et al. 2015): x, y, then 1 bit of polarity and 23 bits of
time in microseconds, big-endian. A folder holds ``Train/<label>/<number>.bin`` and
``Test/<label>/<number>.bin``. Recording k in Train/ is digit k - 1 of the MNIST training set.
"""

import io
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lib.events.digits import PER_CLASS
from course_lib.events.files import cache_folder, write_atomic
from course_lib.events.frames import EVENT_DTYPE

SIDE = 34
OVERFLOW_Y = 240
OVERFLOW_US = 1 << 13
MAX_OVERFLOWS = 1 << 10
FULL_TRAIN, FULL_TEST = 60_000, 10_000
LAYOUT = "Train/<label>/<number>.bin, label 0 to 9"


class Recording(NamedTuple):
    """One file of a folder: its path, its label 0 to 9."""

    path: Path
    label: int


class Recordings(NamedTuple):
    """What a folder holds: ``train`` and ``test``, lists of Recording by label, then name."""

    folder: Path
    train: list[Recording]
    test: list[Recording]


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


def _list(folder: Path) -> list[Recording]:
    found = []
    for label in sorted(folder.iterdir()):
        if label.name.startswith(".") or not label.is_dir():
            continue
        if not re.fullmatch("[0-9]", label.name):
            raise ValueError(
                f"{label}: the folder's name is no digit; expected {LAYOUT}. Move it elsewhere."
            )
        names = sorted(p for p in label.iterdir() if p.suffix == ".bin")
        found += [Recording(path, int(label.name)) for path in names]
    return found


def find_recordings(folder: str | os.PathLike) -> Recordings:
    """List a folder in N-MNIST's published layout, whole or partial, Test/ optional.

    ``folder`` holds ``Train/`` or ``Test/``, or a folder ``NMNIST/`` that does. The order is
    that of ``tonic.datasets.NMNIST``: by label, then by name.

    Raises:
        FileNotFoundError: no such folder, no Train/ or Test/ in it, or no recording in them.
        ValueError: a label folder whose name is no digit.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one that holds {LAYOUT}")
    root = folder
    if not any((root / part).is_dir() for part in ("Train", "Test")):
        root = folder / "NMNIST"
    if not any((root / part).is_dir() for part in ("Train", "Test")):
        raise FileNotFoundError(
            f"{folder} holds neither Train/ nor Test/ nor NMNIST/; expected {LAYOUT}. "
            "Name the folder above Train/."
        )
    train, test = (
        _list(root / part) if (root / part).is_dir() else [] for part in ("Train", "Test")
    )
    if not train and not test:
        raise FileNotFoundError(f"{root} holds no recording; expected {LAYOUT}")
    return Recordings(root, train, test)


def matching_digits(folder: str | os.PathLike) -> list[tuple[Recording, int]]:
    """The recordings of ``folder``/Train whose digit is embedded, each with the digit's index.

    Recording k is MNIST training digit k - 1. With every number 1 to K there, the j-th recording
    of a class is the j-th digit of that class, which is how the embedded digits are sorted.

    Raises:
        FileNotFoundError: see ``find_recordings``.
        ValueError: there is no Train/, or its numbers are not 1 to K.
    """
    found = find_recordings(folder).train
    if not found:
        raise ValueError(f"{folder} holds no Train/; expected its recordings, numbers 1 to K")
    for recording in found:
        if not recording.path.stem.isdecimal():
            raise ValueError(f"{recording.path}: the name is no number; expected <number>.bin")
    found = sorted(found, key=lambda r: int(r.path.stem))
    if [int(r.path.stem) for r in found] != list(range(1, len(found) + 1)):
        raise ValueError(
            f"{folder}: the {len(found)} numbers in Train/ are not 1 to {len(found)}, so it is "
            "unknown which digits they are. Use the first recordings of the training set, or all."
        )
    pairs, seen = [], [0] * 10
    for recording in found:
        if seen[recording.label] < PER_CLASS:
            pairs.append((recording, PER_CLASS * recording.label + seen[recording.label]))
        seen[recording.label] += 1
    return pairs


def download(folder: str | os.PathLike | None = None) -> Recordings:
    """Download N-MNIST (1.1 GB, CC BY-SA 4.0) through ``tonic.datasets.NMNIST``, or find it.

    Args:
        folder: where ``NMNIST/`` is, or is to be; default: the user's cache folder.

    Raises:
        FileNotFoundError: no network, or the download is incomplete; the message says what to do.
    """
    folder = Path(folder).expanduser() if folder is not None else cache_folder()
    from tonic.datasets import NMNIST

    by_hand = (
        f"Try again with a network; or fetch Train.zip and Test.zip of N-MNIST by hand "
        f"(https://www.garrickorchard.com/datasets/n-mnist) and unpack them in "
        f"{folder / 'NMNIST'}; or use the saccade digits, which need no download."
    )
    try:
        NMNIST(str(folder), train=True)
        NMNIST(str(folder), train=False)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(f"N-MNIST could not be downloaded: {error}. {by_hand}") from error
    found = find_recordings(folder)
    if (len(found.train), len(found.test)) != (FULL_TRAIN, FULL_TEST):
        raise FileNotFoundError(
            f"{found.folder} holds {len(found.train)} + {len(found.test)} recordings, expected "
            f"{FULL_TRAIN} + {FULL_TEST}: an interrupted download. Delete it first. {by_hand}"
        )
    return found
