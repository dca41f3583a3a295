"""Random cases that a student can compute with by hand."""

import numpy as np


def tenths(rng, *shape, size=1.0):
    """Normal numbers of one decimal."""
    return np.round(rng.normal(0, size, shape), 1) + 0.0  # no −0
