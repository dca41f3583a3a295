"""The Gaussians of ``noise.py``, to the bit, several times faster than by calls into NumPy.

NumPy hands out the words of Philox (``philox.py``) as halves, the low one first, and turns each
half into a Gaussian by Marsaglia and Tsang's ziggurat (2000): in 99 of 100 cases one look into a
table. Here both happen in one loop, for a whole row and without Python's lock.
"""

import math

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.random._constants import (
    fi_float,
    ki_float,
    wi_float,
    ziggurat_nor_inv_r_f,
    ziggurat_nor_r_f,
)
from numba.np.random.distributions import np_log1pf
from torch import Tensor

from course_lib import noise
from course_lib.compiling import compiled
from course_lib.fast import trust
from course_lib.fast.kernels.philox import HALVES, fill_halves
from course_lib.fast.kernels.threads import in_threads, take
from course_lib.fast.kernels.vectors import INLINE, INNER

#: a half below that of its layer is taken at once
LIMITS = ki_float << np.uint32(9)


def gaussians(length: int, *, seed: int, generation: int, members: range) -> Tensor:
    """(len(members), length), float32: as ``course_lib.noise.gaussians``."""
    if trust.why_not():
        return noise.gaussians(length, seed=seed, generation=generation, members=members)
    values = torch.empty(len(members), length)
    rows = max(1, min(len(members) // 8, 2**20 // max(length, 1)))
    jobs = [(first, min(first + rows, len(members))) for first in range(0, len(members), rows)]
    start, step = np.uint64(members.start), np.uint64(members.step)
    in_threads(_fill, jobs, values.numpy(), np.uint64(seed), np.uint64(generation), start, step)
    return values


@intrinsic
def _signed(typing, number, sign):
    """The number with its sign bit turned over where that of ``sign`` is set."""

    def generate(context, builder, signature, args):
        bits = builder.bitcast(args[0], ir.IntType(32))
        turned = builder.xor(bits, args[1])
        return builder.bitcast(turned, ir.FloatType())

    return types.float32(types.float32, types.uint32), generate


@numba.njit(**INNER)
def _refill(halves, sizes, state):
    """The next halves of words, four words for each counter.

    sizes: of each half the number of its upper 23 bits, with bit 8 as its sign.
    """
    state[0] = fill_halves(halves, state[0], state[1], state[2], state[3])
    for place in range(len(halves)):
        half = halves[place]
        size = np.float32(np.int32(half >> np.uint32(9)))
        sizes[place] = _signed(size, (half & np.uint32(0x100)) << np.uint32(23))


@INLINE
def _under(x, layer, half):
    """Whether a point of uniform height in the layer lies under the Gaussian's curve."""
    u = np.float32(half >> np.uint32(8)) * np.float32(1 / 16777216)
    below, step = fi_float[layer], fi_float[layer - np.uint64(1)] - fi_float[layer]
    height = np.float32(np.float32(step * u) + below)
    return height < math.exp(-0.5 * np.float64(x) * np.float64(x))


@numba.njit(**INNER)
def _tail(negative, halves, sizes, place, state):
    """A number beyond the last layer: (its absolute value or minus that, the place)."""
    far, first = np.float32(0), False
    while True:
        if place == len(halves):
            _refill(halves, sizes, state)
            place = 0
        u = np.float32(halves[place] >> np.uint32(8)) * np.float32(1 / 16777216)
        y, place, first = np.float32(-np_log1pf(-u)), place + 1, not first
        if first:  # of the two uniform numbers that an attempt takes
            far = np.float32(ziggurat_nor_inv_r_f * y)
        elif np.float32(y + y) > np.float32(far * far):
            x = np.float32(ziggurat_nor_r_f + far)
            return (-x if negative else x), place


@compiled
def _fill(counter, jobs, rows, seed, generation, start, step):
    """Row i is that of member start + i · step. A job: rows from, to."""
    halves, sizes = np.empty(HALVES, np.uint32), np.empty(HALVES, np.float32)
    state = np.empty(4, np.uint64)
    j = take(counter)
    while j < len(jobs):
        for i in range(jobs[j, 0], jobs[j, 1]):
            row, place, n = rows[i], len(halves), 0
            state[0], state[1] = np.uint64(0), start + np.uint64(i) * step
            state[2], state[3] = seed, generation
            while n < len(row):
                if place == len(halves):
                    _refill(halves, sizes, state)
                    place = 0
                shift, stop = n - place, min(len(halves), place + len(row) - n)
                while place < stop:  # nearly always up to the end
                    half = halves[np.uint64(place)]
                    layer = np.uint64(half & np.uint32(0xFF))
                    row[np.uint64(place + shift)] = sizes[np.uint64(place)] * wi_float[layer]
                    if half >= LIMITS[layer]:
                        break
                    place += 1
                n = place + shift
                if place < stop:  # beyond the table
                    half, place = halves[place], place + 1
                    layer = np.uint64(half & np.uint32(0xFF))
                    if layer == 0:
                        negative = half & np.uint32(1 << 17)
                        row[n], place = _tail(negative, halves, sizes, place, state)
                        n += 1
                        continue
                    if place == len(halves):
                        _refill(halves, sizes, state)
                        place = 0
                    n += _under(row[n], layer, halves[place])
                    place += 1
        j = take(counter)
