"""Recordings as frames, packed to bits: what networks are trained on."""

from dataclasses import dataclass

import numba
import numpy as np
import torch

from course_lib.events.frames import BIN_BYTES, INPUTS
from course_lib.events.packed import PackedFrames


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

    def frames(self, indices=None, out: torch.Tensor | None = None) -> torch.Tensor:
        """(T, B, 2312) float32 zeros and ones of the recordings ``indices`` (default: all).

        ``out``, a contiguous float32 CPU tensor of that shape, is filled and returned instead of
        a new tensor, whose pages the system would have to clear first.
        """
        rows = np.arange(len(self)) if indices is None else self._rows(indices)
        shape = (self.bins, len(rows), INPUTS)
        if out is None:
            out = torch.empty(shape)
        elif tuple(out.shape) != shape or out.dtype != torch.float32 or not out.is_contiguous():
            raise ValueError(
                f"out is {out.dtype} {tuple(out.shape)}, expected contiguous float32 {shape}"
            )
        unpack(self.packed, rows, out.numpy())
        return out

    def packed_frames(self, indices, out: torch.Tensor | None = None) -> PackedFrames:
        """As ``frames``, but unpacked, into ``out`` if that is given, only when first read."""
        rows = self._rows(indices)
        return PackedFrames(self.packed, rows, lambda: self.frames(rows, out))

    def room(self, batch: int) -> torch.Tensor:
        """Memory for the frames of so many recordings, the ``out`` of ``frames``."""
        return torch.empty(self.bins, batch, INPUTS)

    def to(self, device: torch.device | str) -> "FrameSet | FramesOnDevice":
        """The same recordings, packed, in a GPU's memory (54,000 take 156 MB); on the CPU, self."""
        device = torch.device(device)
        if device.type == "cpu":
            return self
        return FramesOnDevice(torch.from_numpy(self.packed).to(device), self.labels, self.bins)

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
        rows = np.atleast_1d(rows)
        if rows.size and not np.issubdtype(rows.dtype, np.integer):
            raise ValueError(f"indices are {rows.dtype}; expected whole numbers or a mask")
        rows = rows.astype(np.int64)
        if rows.size and (rows.min() < -len(self) or rows.max() >= len(self)):
            raise ValueError(f"an index lies outside the {len(self)} recordings of this set")
        return rows % len(self) if len(self) else rows


@dataclass(frozen=True)
class FramesOnDevice:
    """What training and evaluation ask of a FrameSet, with ``packed`` on a GPU, in plain torch."""

    packed: torch.Tensor
    labels: torch.Tensor
    bins: int

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "FramesOnDevice":
        return FramesOnDevice(self.packed.to(device), self.labels, self.bins)

    def room(self, batch: int) -> None:
        """Nothing: frames are made anew on the device."""

    def frames(self, indices=None, out: None = None) -> torch.Tensor:
        """(T, B, 2312) float32 zeros and ones on the device."""
        rows = slice(None)
        if indices is not None:
            rows = torch.as_tensor(np.asarray(indices)).to(self.packed.device)
        packed = self.packed[rows].view(-1, self.bins, BIN_BYTES, 1).transpose(0, 1)
        places = torch.arange(7, -1, -1, device=packed.device, dtype=torch.uint8)
        return ((packed >> places) & 1).flatten(2).float().contiguous()

    packed_frames = frames

    def subset(self, indices) -> "FramesOnDevice":
        rows = torch.as_tensor(np.asarray(indices))
        return FramesOnDevice(
            self.packed[rows.to(self.packed.device)], self.labels[rows], self.bins
        )


@numba.njit(cache=True, nogil=True)
def unpack(packed, rows, out):
    """Fill ``out`` (T, B, 2312) float32 with the bits of the recordings ``rows``."""
    for step in range(out.shape[0]):
        for b in range(out.shape[1]):
            source = packed[rows[b], step * BIN_BYTES : (step + 1) * BIN_BYTES]
            target = out[step, b]
            for k in range(BIN_BYTES):
                for j in range(8):
                    target[8 * k + j] = np.float32((source[k] >> (7 - j)) & 1)


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
    image = frames.reshape(frames.shape[0], frames.shape[1], 2, 34, 34)
    if frames.device.type != "cpu":
        return shift_together(image, shifts.to(frames.device)).reshape(frames.shape)
    moved = torch.zeros_like(image)
    for sample, (dy, dx) in enumerate(shifts.tolist()):
        if abs(dy) < 34 and abs(dx) < 34:
            source = image[:, sample, :, _from(dy), _from(dx)]
            moved[:, sample, :, _from(-dy), _from(-dx)] = source
    return moved.reshape(frames.shape)


def shift_together(image: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """``shift_frames`` of (T, B, 2, 34, 34) for a GPU: all samples in one go."""
    rows, columns = (
        torch.arange(34, device=image.device) - shift.unsqueeze(1) for shift in shifts.T
    )
    beside_rows, beside = (rows < 0) | (rows > 33), (columns < 0) | (columns > 33)
    outside = beside_rows.unsqueeze(2) | beside.unsqueeze(1)
    rows, columns = rows.clamp(0, 33)[:, None, :, None], columns.clamp(0, 33)[:, None, None, :]
    sample = torch.arange(len(shifts), device=image.device)[:, None, None, None]
    polarity = torch.arange(2, device=image.device)[None, :, None, None]
    moved = image[:, sample, polarity, rows, columns]
    return moved.masked_fill(outside.unsqueeze(1), 0)


def _from(shift: int) -> slice:
    """The rows or columns that are still on the sensor after moving by ``shift``."""
    return slice(max(0, -shift), 34 - max(0, shift))
