"""Where a population's numbers stand: rows of factors, and the weights of later layers.

A draw has one row of factors. It holds, layer after layer, A (rank, width) scaled by σ/√r, the
bias noise (width,) scaled by σ and, but for the first layer, B (inputs, rank). All draws see the
same frames, so the columns of the first layer's B lie elsewhere, beside each other with those of
other draws.

The weights of layers after the first are shared by all members: (groups, inputs + 1, lanes) each,
the last row zero, then the bias.

Numbers that belong to neurons are padded to whole vectors.
"""

from collections.abc import Sequence

import numpy as np

from course_lib.fast.kernels.vectors import LANES

#: columns of a plan, one row a layer: neurons of the layer before, padded neurons, where A, the
#: bias noise and B begin in a draw's row of factors, and where W and b do among the weights
INPUTS, WIDTH, A, NOISE, B, WEIGHTS, BIAS = range(7)
#: numbers of a vector in a narrow last layer, and in other layers after the first
NARROW, WIDE = 16, LANES
#: columns of B that are summed at a time
COLUMNS = 8


def make_plan(sizes: Sequence[int], rank: int) -> tuple[np.ndarray, int, int]:
    """(plan, length of a row of factors, length of the weights).

    Hidden neurons are padded to 64, a narrow last layer to 16. 64 numbers at the end of each may be
    read, never used.
    """
    plan, row, weights = np.zeros((len(sizes) - 1, 7), np.int64), 0, 0
    for i, place in enumerate(plan):
        inputs, outputs = sizes[i], sizes[i + 1]
        lanes = NARROW if 0 < i == len(plan) - 1 and outputs <= NARROW else 64
        width = (outputs + lanes - 1) // lanes * lanes
        place[INPUTS], place[WIDTH] = inputs, width
        place[A], place[NOISE] = row, row + rank * width
        place[B] = row = row + (rank + 1) * width
        if i:
            row += ((inputs + 1) * rank + 63) // 64 * 64
            place[WEIGHTS] = weights
            place[BIAS] = weights + width * (inputs + 1)
            weights += width * (inputs + 2)
    return plan, row + 64, weights + 64


def lanes_of(width: int) -> int:
    """Numbers of a vector in a layer after the first that is padded to ``width`` neurons."""
    return NARROW if width == NARROW else WIDE
