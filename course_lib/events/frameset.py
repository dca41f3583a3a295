"""Recordings as frames, packed to bits: what networks are trained on."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import pad
from torch.utils._pytree import tree_map

from course_lib.events.frames import bytes_of_bin
from course_lib.events.recordings import SENSOR_SIZE, check_sensor

BLOCK = 64  # recordings unpacked at a time, so that their bits stay in the cache
DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


@dataclass(frozen=True)
class FrameSet:
    """Recordings as bits: ``packed`` (n, bins * 289) uint8, ``labels`` (n,) int64, ``bins``.

    ``frames()`` unpacks to the network's input, time-major float32 (T, B, 2312), on the device of
    ``packed``: a NumPy array on the CPU, a tensor on a GPU. Of another ``sensor`` (width, height,
    polarities), D is ``inputs`` and a bin has ``bytes_of_bin(sensor)`` bytes. ``classes`` are the
    names of the labels 0, 1, ….
    """

    packed: np.ndarray | torch.Tensor
    labels: torch.Tensor
    bins: int
    sensor: tuple[int, int, int] = SENSOR_SIZE
    classes: tuple[str, ...] = DIGITS

    def __post_init__(self):
        labels = torch.as_tensor(self.labels)
        kind = str(labels.dtype).removeprefix("torch.")
        if labels.dim() != 1 or "int" not in kind or (labels < 0).any():
            raise ValueError(
                f"labels are {kind} {tuple(labels.shape)}; expected (n,) whole numbers from 0"
            )
        if len(labels) and labels.max() >= len(self.classes):
            raise ValueError(f"label {labels.max()} has no name; the classes are {self.classes}")
        object.__setattr__(self, "labels", labels.long())
        object.__setattr__(self, "sensor", check_sensor(self.sensor))
        expected = (len(labels), self.bins * bytes_of_bin(self.sensor))
        if tuple(self.packed.shape) != expected or not str(self.packed.dtype).endswith("uint8"):
            raise ValueError(
                f"packed is {self.packed.dtype} {tuple(self.packed.shape)}, expected uint8 "
                f"{expected}: one row of ``pack(events, bins)`` for each label"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> int:
        """D, a network's inputs: width · height · polarities."""
        return math.prod(self.sensor)

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
            packed = packed.view(-1, self.bins, packed.shape[1] // self.bins, 1).transpose(0, 1)
            places = torch.arange(7, -1, -1, device=device, dtype=torch.uint8)
            bits = ((packed >> places) & 1).flatten(2)
            return bits[..., : self.inputs].float().contiguous()
        shape = (self.bins, len(rows), self.inputs)
        if out is None:
            out = torch.empty(shape)
        elif tuple(out.shape) != shape or out.dtype != torch.float32 or not out.is_contiguous():
            raise ValueError(
                f"out is {out.dtype} {tuple(out.shape)}, expected contiguous float32 {shape}"
            )
        for start in range(0, len(rows), BLOCK):
            some = slice(start, start + BLOCK)
            bits = np.unpackbits(self.packed[rows[some]], axis=1)
            bits = bits.reshape(len(bits), self.bins, -1)[..., : self.inputs]
            out.numpy()[:, some] = bits.transpose(1, 0, 2)
        return out

    def packed_frames(self, indices, out: torch.Tensor | None = None) -> torch.Tensor:
        """As ``frames``, but unpacked, into ``out`` if that is given, only when first read."""
        if not self.on_cpu:
            return self.frames(indices)
        rows = self._rows(indices)
        shape = (self.bins, len(rows), self.inputs)
        return PackedFrames(self.packed, rows, shape, lambda: self.frames(rows, out))

    def batches(self, size: int, device: torch.device | str = "cpu") -> Iterator[tuple]:
        """(frames, labels) of all recordings in order, so many at a time, frames on the device."""
        for start in range(0, len(self), size):
            rows = range(start, min(start + size, len(self)))
            yield self.frames(rows).to(device), self.labels[start : rows.stop]

    def room(self, batch: int) -> torch.Tensor | None:
        """Memory for the frames of so many recordings, the ``out`` of ``frames``; CPU alone."""
        return torch.empty(self.bins, batch, self.inputs) if self.on_cpu else None

    def to(self, device: torch.device | str) -> "FrameSet":
        """The same recordings, packed, in a GPU's memory (54,000 take 156 MB)."""
        if self.on_cpu and torch.device(device).type == "cpu":
            return self
        return replace(self, packed=torch.as_tensor(self.packed).to(device))

    def subset(self, indices) -> "FrameSet":
        """A FrameSet of the recordings ``indices``, in that order."""
        rows = self._rows(indices)
        chosen = torch.from_numpy(rows)
        packed = self.packed[rows if self.on_cpu else chosen.to(self.packed.device)]
        return replace(self, packed=packed, labels=self.labels[chosen])

    def _rows(self, indices) -> np.ndarray:
        indices = np.asarray(indices)
        try:
            return np.atleast_1d(np.arange(len(self))[indices if indices.size else []])
        except IndexError as error:
            raise ValueError(
                f"expected whole numbers or a mask for the {len(self)} recordings of this set: "
                f"{error}"
            ) from error


class PackedFrames(torch.Tensor):
    """(T, B, D) float32 zeros and ones, to torch a tensor like any other, which stay bits until
    someone reads them as numbers.

    A batch of 256 recordings is 24 MB of numbers and 0.7 MB of bits. What reads events alone, as
    the compiled kernels do, takes them from the bits, and the numbers need never be written.

    packed:  (n, bytes of T bins) uint8, the bits of n recordings; rows: (B,), which of them.
    shape:   (T, B, D).
    unpack:  () → the same frames as an ordinary tensor; asked at the first operation on them.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(
        cls, packed: np.ndarray, rows: np.ndarray, shape: tuple[int, int, int],
        unpack: Callable[[], torch.Tensor],
    ):  # fmt: skip
        return torch.Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32)

    def __init__(self, packed: np.ndarray, rows: np.ndarray, shape, unpack):
        self.packed, self.rows, self._unpack, self._numbers = packed, rows, unpack, None

    @property
    def unread(self) -> bool:
        """Whether there are only bits yet. Numbers may have been changed in place since."""
        return self._numbers is None

    def unpacked(self) -> torch.Tensor:
        """The ordinary tensor, the same at every call."""
        if self._numbers is None:
            self._numbers = self._unpack()
        return self._numbers

    def __deepcopy__(self, memo) -> torch.Tensor:
        return copy.deepcopy(self.unpacked(), memo)

    def __reduce_ex__(self, protocol):
        return self.unpacked().__reduce_ex__(protocol)

    def numpy(self, *arguments, **options) -> np.ndarray:
        return self.unpacked().numpy(*arguments, **options)

    def tolist(self) -> list:
        return self.unpacked().tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        args, kwargs = tree_map(
            lambda x: x.unpacked() if isinstance(x, cls) else x, (args, kwargs or {})
        )
        return function(*args, **kwargs)


def concatenate(*sets: FrameSet) -> FrameSet:
    """One FrameSet of the recordings of several, in order.

    Raises ValueError if bins, sensors or classes differ.
    """
    kinds = {(part.bins, part.sensor, part.classes) for part in sets}
    if len(kinds) != 1:
        raise ValueError(f"the sets have (bins, sensor, classes) {kinds}; expected the same")
    packed = np.concatenate([part.packed for part in sets])
    return replace(sets[0], packed=packed, labels=torch.cat([part.labels for part in sets]))


def coarse(frames: torch.Tensor) -> torch.Tensor:
    """(T, B, 578) of frames (T, B, 2312): 2 × 2 pixels become one, 1 if any of the four is."""
    steps, batch, _ = frames.shape
    return frames.view(steps, batch, 2, 17, 2, 17, 2).amax((4, 6)).reshape(steps, batch, 578)


def shift_frames(
    frames: torch.Tensor, shifts: torch.Tensor, sensor: tuple[int, int, int] = SENSOR_SIZE
) -> torch.Tensor:
    """Move each sample by whole pixels; what enters is zero. For augmentation.

    Args:
        frames: (T, B, D), of the ``sensor`` (width, height, polarities).
        shifts: (B, 2) integers (dy, dx); positive moves down and right.
    """
    width, height, _ = sensor
    if frames.dim() != 3 or frames.shape[2] != math.prod(sensor):
        raise ValueError(
            f"frames have shape {tuple(frames.shape)}, expected (T, B, {math.prod(sensor)})"
        )
    shifts = torch.as_tensor(shifts)
    if shifts.shape != (frames.shape[1], 2) or shifts.is_floating_point():
        raise ValueError(
            f"shifts have shape {tuple(shifts.shape)} and type {shifts.dtype}, "
            f"expected ({frames.shape[1]}, 2) integers"
        )
    image = frames.reshape(*frames.shape[:2], -1, height, width)
    moved = torch.zeros_like(image)
    for sample, (dy, dx) in enumerate(shifts.tolist()):
        if abs(dy) < height and abs(dx) < width:  # zeros before, and as much cut off behind
            moved[:, sample] = pad(image[:, sample], (dx, -dx, dy, -dy))
    return moved.reshape(frames.shape)
