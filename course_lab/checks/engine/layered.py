"""The network of ``tiny`` as two matrices, and whether a population moved them by thin noise."""

import numpy as np

from course_lab.checks.engine import compare, tiny
from course_lab.checks.engine.engine import NotYet
from course_lab.checks.engine.failures import Refused


def matrices(seed: int) -> list[np.ndarray]:
    """Weights (8, 16) and (2, 8) of a network of ``tiny``, outputs first; its biases stay 0."""
    first, _, second, _ = np.split(tiny.start(seed), tiny.CUTS[:-1])
    return [first.reshape(tiny.INPUTS, -1).T.copy(), second.reshape(tiny.HIDDEN, -1).T.copy()]


def row(layers) -> np.ndarray:
    """The network (154,) of two matrices; NotYet for what is none."""
    found = [tiny.finite(W) for W in layers] if isinstance(layers, list | tuple) else []
    if [None if W is None else W.shape for W in found] != [(8, 16), (2, 8)]:
        raise NotYet("  A network is a list of two matrices of finite numbers, (8, 16) and (2, 8); "
                     f"yours is {compare.describe(compare.plain(layers))}.")  # fmt: skip
    first, second = found
    return np.concatenate([first.T.ravel(), np.zeros(8), second.T.ravel(), np.zeros(2)])


class Layered(tiny.Counted):
    """The fitness of networks that come as two matrices; measured: all values, in order."""

    def __init__(self, allowed: int):
        super().__init__(-1, allowed)
        self.measured = []

    def __call__(self, layers):
        try:
            self.measured.append(super().__call__(row(layers)))
        except NotYet as reason:
            raise Refused(str(reason).strip()) from None
        return self.measured[-1]

    def thin(self) -> float:
        """Share of the networks asked for of which another one differs by rank 1 in both layers."""
        asked = np.array(self.asked)
        found = np.zeros(len(asked), dtype=bool)
        for apart in range(1, min(len(asked), 65)):
            change = asked[apart:] - asked[:-apart]
            ones = _of_rank_one(change[:, :128].reshape(-1, 16, 8))
            ones &= _of_rank_one(change[:, 136:152].reshape(-1, 8, 2)) & change.any(1)
            found[apart:] |= ones
            found[:-apart] |= ones
            if found.all():
                break
        return found.mean()


def _of_rank_one(changes) -> np.ndarray:
    """Which of the matrices (n, a, b) are no more than one column times one row."""
    n, _, b = changes.shape
    top = np.abs(changes).reshape(n, -1).argmax(1)
    each, i, j = np.arange(n), top // b, top % b
    largest = changes[each, i, j][:, None, None]
    product = changes[each, :, j][:, :, None] * changes[each, i][:, None, :]
    return np.abs(changes * largest - product).max((1, 2)) <= 1e-5 * largest[:, 0, 0] ** 2
