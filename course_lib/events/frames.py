"""Events to frames, kept packed to bits.

A recording becomes T frames of equal time bins between its first and its last event, as
``tonic.transforms.ToFrame(sensor_size=(34, 34, 2), n_time_bins=T)`` cuts it:

    width = (t_last - t_first) // T          bin = (t - t_first) // width

Events with bin >= T are left out (the rest of the integer division, and always the last event
when T divides the length); a recording shorter than T microseconds has width 0 and gives empty
frames. Counts are clamped to [0, 1]: a bit says whether a pixel had an event of this polarity.
"""

from dataclasses import dataclass

import numba
import numpy as np
import torch

EVENT_DTYPE = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])
SENSOR_SIZE = (34, 34, 2)
PIXELS = 34 * 34
INPUTS = 2 * PIXELS
BIN_BYTES = INPUTS // 8  # 289, exactly
VERSION = 1


def check_bins(bins: int) -> int:
    """``bins`` as an int. Raises ValueError unless it is a whole number from 1 to 10,000."""
    if isinstance(bins, bool) or int(bins) != bins or not 1 <= bins <= 10_000:
        raise ValueError(f"bins is {bins!r}; expected a whole number of time bins, 1 to 10,000")
    return int(bins)


@numba.njit(cache=True, nogil=True)
def pack_events(x, y, t, p, bins, out):
    """Set the bits of one recording, sorted by time, in ``out`` (bins * 289,) uint8, all zero."""
    first = t[0]
    width = (t[-1] - first) // bins
    if width == 0:
        return
    index, end = 0, first + width
    for i in range(len(t)):
        while t[i] >= end:
            index += 1
            end += width
        if index >= bins:
            return
        bit = index * INPUTS + p[i] * PIXELS + y[i] * 34 + x[i]
        out[bit >> 3] |= np.uint8(128 >> (bit & 7))


@numba.njit(cache=True, nogil=True)
def pack_keys(keys, bins, out):
    """pack_events for unsorted integers ``((t * 34 + y) * 34 + x) * 2 + p`` (see pixels.py)."""
    if len(keys) == 0:
        return
    first = keys.min() // INPUTS
    width = (keys.max() // INPUTS - first) // bins
    if width == 0:
        return
    for key in keys:
        index = (key // INPUTS - first) // width
        if index < bins:
            place = key % INPUTS
            bit = index * INPUTS + (place & 1) * PIXELS + (place >> 1)
            out[bit >> 3] |= np.uint8(128 >> (bit & 7))


def pack(events: np.ndarray, bins: int) -> np.ndarray:
    """(bins * 289,) uint8 bits of one recording in the order time bin, polarity, y, x.

    Raises ValueError when an event lies outside the sensor or times decrease.
    """
    bins = check_bins(bins)
    out = np.zeros(bins * BIN_BYTES, np.uint8)
    if len(events) == 0:
        return out
    columns = {name: np.ascontiguousarray(events[name], dtype=np.int64) for name in "xytp"}
    for name, limit in (("x", 34), ("y", 34), ("p", 2)):
        if columns[name].min() < 0 or columns[name].max() >= limit:
            raise ValueError(f"an event has {name} outside 0 to {limit - 1}")
    if (np.diff(columns["t"]) < 0).any():
        raise ValueError("event times decrease; sort the events by t first")
    pack_events(columns["x"], columns["y"], columns["t"], columns["p"], bins, out)
    return out


@dataclass(frozen=True)
class FrameSet:
    """Recordings as bits: ``packed`` (n, bins * 289) uint8, ``labels`` (n,) int64, ``bins``.

    ``frames()`` unpacks to the network's input, time-major float32 (T, B, 2312).
    """

    packed: np.ndarray
    labels: torch.Tensor
    bins: int

    def __post_init__(self):
        expected = (len(self.labels), self.bins * BIN_BYTES)
        if self.packed.shape != expected or self.packed.dtype != np.uint8:
            raise ValueError(
                f"packed is {self.packed.dtype} {self.packed.shape}, expected uint8 {expected}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def frames(self, indices=None) -> torch.Tensor:
        """(T, B, 2312) float32 zeros and ones of the recordings ``indices`` (default: all)."""
        rows = np.arange(len(self)) if indices is None else self._rows(indices)
        out = torch.empty(self.bins, len(rows), INPUTS)
        _unpack(self.packed, rows, BYTE_TO_FLOATS, out.numpy().reshape(self.bins, len(rows), -1, 8))
        return out

    def subset(self, indices) -> "FrameSet":
        """A FrameSet of the recordings ``indices``, in that order."""
        rows = self._rows(indices)
        return FrameSet(self.packed[rows], self.labels[torch.from_numpy(rows)], self.bins)

    def _rows(self, indices) -> np.ndarray:
        rows = np.asarray(indices)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise ValueError(f"mask has shape {rows.shape}, expected ({len(self)},)")
            rows = np.flatnonzero(rows)
        rows = np.atleast_1d(rows).astype(np.int64)
        if rows.size and (rows.min() < -len(self) or rows.max() >= len(self)):
            raise ValueError(f"an index lies outside the {len(self)} recordings of this set")
        return rows % len(self) if len(self) else rows


BYTE_TO_FLOATS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _unpack(packed, rows, table, out):
    bins, batch, width, _ = out.shape
    for step in range(bins):
        for b in range(batch):
            row = packed[rows[b]]
            for k in range(width):
                values = table[row[step * width + k]]
                for j in range(8):
                    out[step, b, k, j] = values[j]


def shift_frames(frames: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Move each sample by whole pixels; what enters is zero. For augmentation.

    Args:
        frames: (T, B, 2312).
        shifts: (B, 2) integers (dy, dx); positive moves down and right.
    """
    if frames.dim() != 3 or frames.shape[2] != INPUTS:
        raise ValueError(f"frames have shape {tuple(frames.shape)}, expected (T, B, {INPUTS})")
    shifts = torch.as_tensor(shifts)
    if shifts.shape != (frames.shape[1], 2) or shifts.is_floating_point():
        raise ValueError(
            f"shifts have shape {tuple(shifts.shape)} and type {shifts.dtype}, "
            f"expected ({frames.shape[1]}, 2) integers"
        )
    image = frames.view(frames.shape[0], frames.shape[1], 2, 34, 34)
    moved = torch.zeros_like(image)
    for dy, dx in torch.unique(shifts, dim=0).tolist():
        if abs(dy) >= 34 or abs(dx) >= 34:
            continue
        rows = ((shifts[:, 0] == dy) & (shifts[:, 1] == dx)).nonzero().squeeze(1)
        source = image[:, rows, :, max(0, -dy) : 34 - max(0, dy), max(0, -dx) : 34 - max(0, dx)]
        target = moved[:, :, :, max(0, dy) : 34 - max(0, -dy), max(0, dx) : 34 - max(0, -dx)]
        target[:, rows] = source
    return moved.view_as(frames)
