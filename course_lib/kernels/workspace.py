"""Arrays for compiled functions, kept from one training step to the next.

A large array that is made anew at each step comes as untouched pages, which the system has to hand
out one by one, under one lock for all threads. For a sparse pass that was more work than the pass:
two threads were slower than one.
"""

import numpy as np


class Workspace:
    """Arrays by name. What they hold is undefined, whoever asked for them before."""

    def __init__(self):
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Room for ``shape``; the same as the last time unless it must be larger.

        Pages that nobody ever touched cost nothing, so ask for the worst case.
        """
        size, kept = int(np.prod(shape)), self._kept.get(name)
        if kept is None or len(kept) < size or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(size, dtype)
        return kept[:size].reshape(shape)

    def __deepcopy__(self, memo) -> "Workspace":
        return Workspace()
