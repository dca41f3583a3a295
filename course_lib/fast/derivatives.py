"""A spike's derivative, as compiled passes take it: LocalZO's G, or a surrogate cut off."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from torch import Tensor


class Draws(NamedTuple):
    """LocalZO's G: entry i of stream ``key`` picks a threshold δ|z| and a weight c|z|^α/(2δ).

    The thresholds ascend.
    """

    key: int
    samples: int
    thresholds: np.ndarray
    weights: np.ndarray


class Cutoff(NamedTuple):
    """A surrogate that is zero where |u| ≥ bound; bound = inf for one that is zero nowhere."""

    bound: float
    derivative: Callable[[Tensor], Tensor]
