"""The gradient's products Σ_m factor_m A_m B_mᵀ, each entry summed in the order of the draws."""

import numba
import numpy as np

from course_lib.kernels.events import COMPILED
from course_lib.kernels.threads import take
from course_lib.kernels.vectors import INLINE, LANES, fma, item, load, spread, store

#: entries of the gradient that are summed up in registers at a time: outputs, inputs
BLOCK, TILE = 6, LANES


@INLINE
def _copy(source, first, target, place, size):
    """target[place : place + size] = source[first : first + size], at most TILE numbers."""
    if size == TILE:
        store(target, place, load(source, first, TILE))
    else:
        for k in range(size):
            target[place + k] = source[first + k]


@numba.njit(**COMPILED)
def add_products(counter, jobs, left, right, outputs, inputs, gradient):
    """gradient (out · in numbers) += Σ_rows left · right, row after row.

    So the sum is the same however the rows are divided among calls, where a library's matrix
    product may divide it by the number of threads, and then no two machines take the same step.

    left: (blocks of outputs, rows, BLOCK); right: (tiles of inputs, rows, TILE); both zero where
    there is no neuron. A job: tile, blocks of outputs from, to.
    """
    rows, sums = left.shape[1], np.empty(BLOCK * TILE, np.float32)
    job = take(counter)
    while job < len(jobs):
        tile, first, last = jobs[job]
        table, size = right[tile].reshape(-1), min(TILE, inputs - TILE * tile)
        for block in range(first, last):
            factors, begin = left[block].reshape(-1), BLOCK * block
            end = min(begin + BLOCK, outputs)
            for n in range(begin, end):
                _copy(gradient, n * inputs + TILE * tile, sums, TILE * (n - begin), size)
            p, q, r = load(sums, 0, TILE), load(sums, TILE, TILE), load(sums, 2 * TILE, TILE)
            s, t, u = load(sums, 3 * TILE, p), load(sums, 4 * TILE, p), load(sums, 5 * TILE, p)
            for row in range(rows):
                x, f = load(table, TILE * row, p), BLOCK * row
                p = fma(spread(item(factors, f), p), x, p)
                q = fma(spread(item(factors, f + 1), p), x, q)
                r = fma(spread(item(factors, f + 2), p), x, r)
                s = fma(spread(item(factors, f + 3), p), x, s)
                t = fma(spread(item(factors, f + 4), p), x, t)
                u = fma(spread(item(factors, f + 5), p), x, u)
            store(sums, 0, p)
            store(sums, TILE, q)
            store(sums, 2 * TILE, r)
            store(sums, 3 * TILE, s)
            store(sums, 4 * TILE, t)
            store(sums, 5 * TILE, u)
            for n in range(begin, end):
                _copy(sums, TILE * (n - begin), gradient, n * inputs + TILE * tile, size)
        job = take(counter)


@numba.njit(**COMPILED)
def add_rows(noise, start, factors, gradient):
    """gradient (out,) += Σ_m factor_m · noise[m, start …], draw after draw."""
    for m in range(len(noise)):
        for n in range(len(gradient)):
            gradient[n] += factors[m] * noise[m, start + n]
