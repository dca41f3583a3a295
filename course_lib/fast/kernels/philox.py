"""Philox 4×64 with ten rounds: four 64-bit words from a counter and a key.

    (a, b, c, d) ← (upper(M1 c) ^ b ^ k, lower(M1 c), upper(M0 a) ^ d ^ l, lower(M0 a)),
    (k, l) ← (k + W0, l + W1)

from (a, b, c, d) = (counter, 0, 0, member) and (k, l) = (seed, generation): Salmon et al. 2011,
section 3.3.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from course_lib.fast.kernels.vectors import INNER, put

M0, M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
W0, W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
ROUNDS = 10
#: halves of words that are made at a time
HALVES = 512


@numba.njit(**INNER)
def fill_halves(halves, counter, member, seed, generation):
    """Words of the counters after ``counter`` into HALVES halves; returns the last counter."""
    for place in range(0, HALVES // 2, 4):
        counter += np.uint64(1)
        a, b, c, d, key, other = counter, np.uint64(0), np.uint64(0), member, seed, generation
        for _ in range(ROUNDS):
            upper, lower = _product(M1, c)
            high, low = _product(M0, a)
            a, b, c, d = upper ^ b ^ key, lower, high ^ d ^ other, low
            key, other = key + W0, other + W1
        put(halves, place, a)
        put(halves, place + 1, b)
        put(halves, place + 2, c)
        put(halves, place + 3, d)
    return counter


@intrinsic
def _product(typing, x, y):
    """(upper, lower) 64 bits of the product of two 64-bit words: one instruction."""

    def generate(context, builder, signature, args):
        word, wide = ir.IntType(64), ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        upper = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        halves = [upper, builder.trunc(product, word)]
        return context.make_tuple(builder, signature.return_type, halves)

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate
