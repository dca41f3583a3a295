"""Arrays for compiled functions: on whole lines of the cache, and kept from one step to the next.

A large array that is made anew at each step comes as untouched pages, which the system has to hand
out one by one, under one lock for all threads. For a sparse pass that was more work than the pass:
two threads were slower than one.
"""

import numpy as np

#: bytes of a line of the cache: what a processor reads at once
LINE = 64


def lines(shape: int | tuple[int, ...], dtype=np.float32) -> np.ndarray:
    """An array that begins with a line; what it holds is undefined.

    A vector of 64 bytes then lies in one line, where NumPy's large arrays begin 16 bytes behind one
    and every such vector takes two reads.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + LINE, np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + size].view(dtype).reshape(shape)


def zeros(shape: int | tuple[int, ...]) -> np.ndarray:
    """float32 zeros, from the beginning of a line on."""
    array = lines(shape)
    array.fill(0)
    return array


class Workspace:
    """Arrays by name. What they hold is undefined, whoever asked for them before."""

    def __init__(self):
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype=np.float32) -> np.ndarray:
        """Room for ``shape``; the same as the last time unless it must be larger.

        Pages that nobody ever touched cost nothing, so ask for the worst case.
        """
        size, kept = int(np.prod(shape)), self._kept.get(name)
        if kept is None or len(kept) < size or kept.dtype != dtype:
            kept = self._kept[name] = lines(size, dtype)
        return kept[:size].reshape(shape)
