"""Files of events in the formats of the field, each read into a table as ``own.table`` takes it."""

import os
from pathlib import Path

import numpy as np

from course_lib.events.files import load_npz
from course_lib.events.recordings import MOST_BYTES, decode, looks_like, ordinary_file


def read_events(path: str | os.PathLike, sensor: tuple[int, ...] = (256, 240)):
    """The events of one file, told by its ending: one of READERS.

    ``sensor``: of N-MNIST's .bin files, whose bytes hold no more than 256 x 240 pixels.

    Raises FileNotFoundError, or ValueError, with the file's name: it is damaged, too large, of
    another kind, or what reads it is not installed.
    """
    path = Path(path)
    ordinary_file(path, MOST_BYTES)
    ending = path.suffix.lower()
    if ending == ".bin":
        return decode(path.read_bytes(), str(path), sensor)
    try:
        if ending in READERS:
            return READERS[ending](path)
    except ImportError as error:
        raise ValueError(
            f"{path}: {ending} files are read by the package {error.name}, which is not installed: "
            f"pip install {error.name}"
        ) from error
    except Exception as error:  # damaged bytes raise whatever the readers come upon
        fault = f" cannot be read as {ending} ({error})"
    else:
        fault = f": not an N-MNIST file, and files {ending or 'without an ending'} are not read"
    with path.open("rb") as stream:
        kind = looks_like(stream.read(64))
    raise ValueError(
        f"{path}{fault}{kind and f'; looks like {kind}'}. Expected .bin, {', '.join(READERS)}; "
        "or read it yourself, and pass load_recordings pairs (events, label)"
    )


def _npy(path: Path):
    return np.load(path, mmap_mode="r", allow_pickle=False)  # asks for no memory


def _npz(path: Path):
    arrays = load_npz(path, MOST_BYTES)
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _text(path: Path):
    """Columns apart by spaces or commas, with or without a line of names; # begins a remark."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    lines = [line.replace(",", " ") for line in lines if not line.startswith("#")]
    names = lines[0].split()
    if any(word[0].isalpha() for word in names) and len(lines) > 1:
        return dict(zip(names, np.loadtxt(lines[1:], ndmin=2).T, strict=True))
    return np.loadtxt(lines, ndmin=2)


def _dat(path: Path):
    """Prophesee's .dat, as N-CARS has it: lines that begin with %, two bytes, eight per event.

    The two bytes are the events' kind (0 or 12: of a camera) and size. An event is 32 bits of time
    in microseconds and, from the lowest bit, 14 of x, 14 of y, 4 of polarity.
    """
    data, start = path.read_bytes(), 0
    while data[start : start + 1] == b"%":
        start = data.index(b"\n", start) + 1
    kind, size = data[start : start + 2]
    if kind not in (0, 12) or size != 8:
        raise ValueError(f"events of kind {kind} and {size} bytes; expected kind 0 or 12, 8 bytes")
    t, pixel = np.frombuffer(data, "<u4", offset=start + 2).reshape(-1, 2).T
    return {"t": t, "x": pixel & 0x3FFF, "y": pixel >> 14 & 0x3FFF, "p": pixel >> 28}


def _aedat4(path: Path):
    """iniVation's .aedat4: the events of its first stream that has any."""
    import aedat

    packets = [packet for packet in aedat.Decoder(str(path)) if "events" in packet]
    first = min(packet["stream_id"] for packet in packets)
    return np.concatenate([p["events"] for p in packets if p["stream_id"] == first])


def _mat(path: Path):
    """MATLAB's columns, alone or in one struct; or the ``spiketrain`` of ST-MNIST."""
    import scipy.io

    found = scipy.io.loadmat(path, squeeze_me=True)
    found = {name: value for name, value in found.items() if not name.startswith("__")}
    if "spiketrain" in found:  # a row for each of 10 x 10 sensors, then one of times in seconds
        *rows, times = found["spiketrain"]
        place, column = np.nonzero(rows)
        p = np.array(rows)[place, column] > 0
        return {"t": times[column], "x": place % 10, "y": place // 10, "p": p}
    if len(found) == 1:
        (found,) = found.values()
        if found.dtype.names:
            return {name: found[name].item() for name in found.dtype.names}
    return found


def _h5(path: Path):
    """HDF5: the first group with columns x and t, else the first table of events."""
    import h5py

    groups, tables = [], []

    def note(_, item):
        (groups if isinstance(item, h5py.Group) else tables).append(item)

    with h5py.File(path) as file:
        note("", file)
        file.visititems(note)
        for group in groups:
            columns = {key: item for key, item in group.items() if isinstance(item, h5py.Dataset)}
            if columns.keys() >= {"x", "t"} or columns.keys() >= {"xs", "ts"}:
                return {key: item[()] for key, item in columns.items() if item.ndim == 1}
        for item in tables:
            if item.dtype.names or item.ndim == 2:
                return item[()]
    raise ValueError("no table of events is in it")


#: how a file is read, by its ending; N-MNIST's .bin beside them
READERS = {
    ".npy": _npy, ".npz": _npz, ".txt": _text, ".csv": _text, ".dat": _dat,
    ".aedat4": _aedat4, ".mat": _mat, ".h5": _h5, ".hdf5": _h5,
}  # fmt: skip
