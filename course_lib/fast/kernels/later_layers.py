"""Layers after the first: every member has spikes of its own, and adds up a row for each of them.

    I[t] = Σ_{n: s_n[t] = 1} W_n + b ± ( Σ_{n: s_n[t] = 1} B_n A σ/√r + σ e )
"""

import numpy as np

from course_lib.fast.kernels.events import list_word
from course_lib.fast.kernels.first_layer import HIDDEN, MEMBRANE, RATE, step_neurons
from course_lib.fast.kernels.plan import BIAS, COLUMNS, INPUTS, NOISE, WEIGHTS, WIDTH, A, B
from course_lib.fast.kernels.vectors import (
    INLINE,
    add,
    choose,
    fma,
    item,
    load,
    not_above,
    put,
    spread,
    store,
)


@INLINE
def list_spikes(silent, start, words, steps, indices, starts, nobody):
    """Neurons that fired, step by step, from the bits of those who did not: 64 to a word.

    Each step's list is filled up to a multiple of four with ``nobody``, whose weights are zero.
    """
    found = 0
    for t in range(steps):
        for q in range(words):
            word = ~silent[np.uint64(start + t * words + q)]
            found = list_word(indices, found, word, 64 * q)
        for k in range(3):
            indices[np.uint64(found + k)] = nobody
        found = (found + 3) // 4 * 4
        starts[t + 1] = found


@INLINE
def _four_rows(total, table, begin, width, indices, e):
    """total + four rows: table[begin + width · j : … + lanes] of the events e … e + 3."""
    p = load(table, begin + width * item(indices, e), total)
    q = load(table, begin + width * item(indices, e + 1), total)
    r = load(table, begin + width * item(indices, e + 2), total)
    s = load(table, begin + width * item(indices, e + 3), total)
    return add(total, add(add(p, q), add(r, s)))


@INLINE
def _sum_rows(total, table, begin, width, indices, e, last):
    """total + Σ table[begin + width · j : … + lanes] over the events j."""
    while e < last:
        total = _four_rows(total, table, begin, width, indices, e)
        e += 4
    return total


@INLINE
def sum_both(total, table, begin, width, factors, b, rank, indices, e, last):
    """As ``_sum_rows``; and Σ B[j] over the same events: eight columns, the first of them B's."""
    projected = spread(np.float32(0), COLUMNS)
    while e < last:
        total = _four_rows(total, table, begin, width, indices, e)
        projected = _four_rows(projected, factors, b, rank, indices, e)
        e += 4
    return total, projected


@INLINE
def later_layer(
    kind, zero, lanes, steps, plan, indices, starts, projected, columns, rank, weights, factors,
    sign, beta, theta, mode, silent, totals,
):  # fmt: skip
    """A layer of one member and one sample: bits (steps, neurons), or outputs summed over time.

    plan: the layer's row;  projected: room for Σ B of each step, in rows of ``columns``.
    """
    one, sign = spread(np.float32(1), zero), spread(sign, zero)
    beta, theta = spread(beta, zero), spread(theta, zero)
    width, words = plan[WIDTH], plan[WIDTH] // lanes
    for q in range(words):
        noise = load(factors, plan[NOISE] + lanes * q, zero)
        bias = load(weights, plan[BIAS] + lanes * q, zero)
        table = plan[WEIGHTS] + q * lanes * (plan[INPUTS] + 1)
        voltage = total = zero
        quiet = not_above(zero, theta)
        for t in range(steps):
            first, last = item(starts, t), item(starts, t + 1)
            if q == 0 and rank > 0:
                current, sums = sum_both(
                    bias, weights, table, lanes, factors, plan[B], rank, indices, first, last
                )
                store(projected, t * columns, sums)
                for k in range(COLUMNS, rank, COLUMNS):
                    sums = spread(np.float32(0), COLUMNS)
                    sums = _sum_rows(sums, factors, plan[B] + k, rank, indices, first, last)
                    store(projected, t * columns + k, sums)
            else:
                current = _sum_rows(bias, weights, table, lanes, indices, first, last)
            shift = noise
            for k in range(rank):
                weight = spread(item(projected, t * columns + k), zero)
                shift = fma(weight, load(factors, plan[A] + k * width + lanes * q, zero), shift)
            current = fma(sign, shift, current)
            if kind == MEMBRANE:
                voltage = fma(beta, voltage, current)
                total = add(total, voltage)
                continue
            voltage, quiet = step_neurons(voltage, quiet, current, beta, theta, zero, mode)
            if kind == RATE:
                total = add(total, choose(quiet, zero, one))
            else:
                put(silent, t * words + q, quiet)
        if kind != HIDDEN:
            store(totals, lanes * q, total)
