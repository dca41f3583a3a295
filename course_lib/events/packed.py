"""Frames that stay bits until someone reads them as numbers.

A batch of 256 recordings is 24 MB of numbers and 0.7 MB of bits. What reads events alone, as the
compiled kernels do, takes them from the bits, and the numbers need never be written.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch.utils._pytree import tree_map


class PackedFrames(torch.Tensor):
    """(T, B, D) float32 zeros and ones, to torch a tensor like any other.

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
