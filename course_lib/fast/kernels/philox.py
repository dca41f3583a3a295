"""Philox 4×64 with ten rounds: four 64-bit words from a counter and a key.

    (a, b, c, d) ← (upper(M1 c) ^ b ^ k, lower(M1 c), upper(M0 a) ^ d ^ l, lower(M0 a)),
    (k, l) ← (k + W0, l + W1)

from (a, b, c, d) = (counter, 0, 0, member) and (k, l) = (seed, generation): Salmon et al. 2011,
section 3.3. Where vectors have 64 bytes, many counters go through the rounds together: a product of
words then consists of four products of halves, but of eight words at once, and no product has to
wait for the one before it.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from course_lib.fast.kernels.vectors import INNER, LANES, put, repeat

M0, M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
W0, W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
#: rounds, and counters that go through them together
ROUNDS, TOGETHER = 10, 32
#: halves of words that are made at a time, by any of the two ways
HALVES = 512
WORD = ir.IntType(64)


@numba.njit(**INNER)
def fill_halves(halves, counter, member, seed, generation):
    """Words of the counters after ``counter`` into HALVES halves; returns the last counter."""
    if LANES == 64:
        for place in range(0, HALVES // 2, 4 * TOGETHER):
            _put_many(halves, place, counter, member, seed, generation)
            counter += np.uint64(TOGETHER)
        return counter
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


@intrinsic
def _put_many(typing, halves, place, counter, member, seed, generation):
    """Words of the next TOGETHER counters into halves, from word ``place`` on."""

    def generate(context, builder, signature, args):
        array, place, counter, member, key, other = args
        data = context.make_array(signature.args[0])(context, builder, array).data
        steps = _words(range(1, TOGETHER + 1))
        a = builder.add(repeat(builder, counter, TOGETHER), steps)
        d = repeat(builder, member, TOGETHER)
        b = c = _words([0] * TOGETHER)
        for _ in range(ROUNDS):
            upper, lower = _products(builder, c, int(M1))
            high, low = _products(builder, a, int(M0))
            a = builder.xor(builder.xor(upper, b), repeat(builder, key, TOGETHER))
            c = builder.xor(builder.xor(high, d), repeat(builder, other, TOGETHER))
            b, d = lower, low
            key = builder.add(key, ir.Constant(WORD, int(W0)))
            other = builder.add(other, ir.Constant(WORD, int(W1)))
        # one after another, they would be all a, all b …: each counter's four beside each other
        pairs = [_order(builder, *two, range(2 * TOGETHER)) for two in ((a, b), (c, d))]
        turn = [k * TOGETHER + lane for lane in range(TOGETHER) for k in range(4)]
        words = _order(builder, *pairs, turn)
        first = builder.gep(builder.bitcast(data, WORD.as_pointer()), [place])
        builder.store(words, builder.bitcast(first, words.type.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.none(halves, place, counter, member, seed, generation), generate


def _words(numbers) -> ir.Constant:
    """A vector of constants."""
    return ir.Constant(ir.VectorType(WORD, len(numbers)), list(numbers))


def _order(builder, x, y, places):
    """The entries of x, then y, at these places."""
    kind = ir.VectorType(ir.IntType(32), len(places))
    return builder.shuffle_vector(x, y, ir.Constant(kind, list(places)))


def _products(builder, x, multiplier: int):
    """(upper, lower) words of the products of a vector's words with one multiplier.

    With x = 2³² h + l and 2³² m + n, it is 2⁶⁴ h m + 2³² (h n + l m) + l n.
    """
    half, mask = _words([32] * TOGETHER), _words([2**32 - 1] * TOGETHER)
    m, n = _words([multiplier >> 32] * TOGETHER), _words([multiplier % 2**32] * TOGETHER)
    h, low = builder.lshr(x, half), builder.and_(x, mask)
    least = builder.mul(low, n)
    middle = builder.add(builder.mul(h, n), builder.lshr(least, half))
    other = builder.add(builder.mul(low, m), builder.and_(middle, mask))
    carried = builder.add(builder.lshr(middle, half), builder.lshr(other, half))
    lower = builder.or_(builder.shl(other, half), builder.and_(least, mask))
    return builder.add(builder.mul(h, m), carried), lower
