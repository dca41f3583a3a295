"""Recordings as frames, packed to bits: what networks are trained on."""

from dataclasses import dataclass

import numpy as np
import torch

from course_lib.events.frames import BIN_BYTES, INPUTS
from course_lib.events.packed import PackedFrames
from course_lib.events.recordings import SIDE

BLOCK = 64  # recordings unpacked at a time, so that their bits stay in the cache


@dataclass(frozen=True)
class FrameSet:
    """Recordings as bits: ``packed`` (n, bins * 289) uint8, ``labels`` (n,) int64, ``bins``.

    ``frames()`` unpacks to the network's input, time-major float32 (T, B, 2312), on the device of
    ``packed``: a NumPy array on the CPU, a tensor on a GPU.
    """

    packed: np.ndarray | torch.Tensor
    labels: torch.Tensor
    bins: int

    def __post_init__(self):
        labels = torch.as_tensor(self.labels)
        kind = str(labels.dtype).removeprefix("torch.")
        if labels.dim() != 1 or "int" not in kind or (labels < 0).any():
            raise ValueError(
                f"labels are {kind} {tuple(labels.shape)}; expected (n,) whole numbers from 0"
            )
        object.__setattr__(self, "labels", labels.long())
        expected = (len(labels), self.bins * BIN_BYTES)
        if tuple(self.packed.shape) != expected or not str(self.packed.dtype).endswith("uint8"):
            raise ValueError(
                f"packed is {self.packed.dtype} {tuple(self.packed.shape)}, expected uint8 "
                f"{expected}: one row of ``pack(events, bins)`` for each label"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def on_cpu(self) -> bool:
        return isinstance(self.packed, np.ndarray)

    def frames(self, indices=None, out: torch.Tensor | None = None) -> torch.Tensor:
        """(T, B, 2312) float32 zeros and ones of the recordings ``indices`` (default: all).

        ``out``, a contiguous float32 CPU tensor of that shape, is filled and returned instead of
        a new tensor, whose pages the system would have to clear first.
        """
        rows = np.arange(len(self)) if indices is None else self._rows(indices)
        if not self.on_cpu:
            device = self.packed.device
            packed = self.packed[torch.from_numpy(rows).to(device)]
            packed = packed.view(-1, self.bins, BIN_BYTES, 1).transpose(0, 1)
            digits = torch.arange(7, -1, -1, device=device, dtype=torch.uint8)
            return ((packed >> digits) & 1).flatten(2).float().contiguous()
        shape = (self.bins, len(rows), INPUTS)
        if out is None:
            out = torch.empty(shape)
        elif tuple(out.shape) != shape or out.dtype != torch.float32 or not out.is_contiguous():
            raise ValueError(
                f"out is {out.dtype} {tuple(out.shape)}, expected contiguous float32 {shape}"
            )
        for start in range(0, len(rows), BLOCK):
            some = slice(start, start + BLOCK)
            bits = np.unpackbits(self.packed[rows[some]], axis=1).reshape(-1, self.bins, INPUTS)
            out.numpy()[:, some] = bits.transpose(1, 0, 2)
        return out

    def packed_frames(self, indices, out: torch.Tensor | None = None) -> torch.Tensor:
        """As ``frames``, but unpacked, into ``out`` if that is given, only when first read."""
        if not self.on_cpu:
            return self.frames(indices)
        rows = self._rows(indices)
        return PackedFrames(self.packed, rows, lambda: self.frames(rows, out))

    def room(self, batch: int) -> torch.Tensor | None:
        """Memory for the frames of so many recordings, the ``out`` of ``frames``; CPU alone."""
        return torch.empty(self.bins, batch, INPUTS) if self.on_cpu else None

    def to(self, device: torch.device | str) -> "FrameSet":
        """The same recordings, packed, in a GPU's memory (54,000 take 156 MB)."""
        if self.on_cpu and torch.device(device).type == "cpu":
            return self
        return FrameSet(torch.as_tensor(self.packed).to(device), self.labels, self.bins)

    def subset(self, indices) -> "FrameSet":
        """A FrameSet of the recordings ``indices``, in that order."""
        rows = self._rows(indices)
        chosen = torch.from_numpy(rows)
        packed = self.packed[rows if self.on_cpu else chosen.to(self.packed.device)]
        return FrameSet(packed, self.labels[chosen], self.bins)

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


def concatenate(*sets: FrameSet) -> FrameSet:
    """One FrameSet of the recordings of several, in order. Raises ValueError if bins differ."""
    if len({part.bins for part in sets}) != 1:
        raise ValueError(f"the sets have {[p.bins for p in sets]} bins; expected the same")
    packed = np.concatenate([part.packed for part in sets])
    return FrameSet(packed, torch.cat([part.labels for part in sets]), sets[0].bins)


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
    image = frames.reshape(frames.shape[0], frames.shape[1], 2, SIDE, SIDE)
    moved = torch.zeros_like(image)
    for sample, (dy, dx) in enumerate(shifts.tolist()):
        if abs(dy) < SIDE and abs(dx) < SIDE:
            source = image[:, sample, :, _from(dy), _from(dx)]
            moved[:, sample, :, _from(-dy), _from(-dx)] = source
    return moved.reshape(frames.shape)


def _from(shift: int) -> slice:
    """The rows or columns that are still on the sensor after moving by ``shift``."""
    return slice(max(0, -shift), SIDE - max(0, shift))
