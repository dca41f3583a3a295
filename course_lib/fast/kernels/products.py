"""The gradient's products Σ_m factor_m A_m B_mᵀ, each entry summed in the order of the draws.

``torch.mm`` would do, and together with ``pack_draws`` this is no faster. But a library's product
adds in an order of its own, which depends on how the draws are cut into pieces, and may depend on
the number of threads: cut in four, torch's sum of 512 draws has other bits than in one piece (it
had the same for one thread and two). Here a run on any number of threads and processes, resumed
anywhere, takes the same steps to the bit; that is what these lines are for.
"""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import INLINE, LANES, fma, item, load, spread, store

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


@compiled
def pack_draws(counter, jobs, noise, start, rank, factors, outputs, inputs, left, right):
    """A (out, r) and B (in, r) of draws, noise[m, start …], in the order in which they are read.

    left[block, m · r + k, i] = factor_m · A_m[BLOCK · block + i, k];  right[tile, m · r + k, i] =
    B_m[TILE · tile + i, k];  both zero where there is no neuron. A job: draws from, to.
    """
    blocks, rows, tiles = left.shape[0], left.shape[1], right.shape[0]
    flat, some, others = noise.reshape(-1), left.reshape(-1), right.reshape(-1)
    j = take(counter)
    while j < len(jobs):
        for m in range(jobs[j, 0], jobs[j, 1]):
            for k in range(rank):
                begin = m * noise.shape[1] + start + k
                for block in range(blocks):
                    place = (block * rows + m * rank + k) * BLOCK
                    for i in range(BLOCK):
                        n, value = block * BLOCK + i, np.float32(0)
                        if n < outputs:
                            value = flat[np.uint64(begin + n * rank)] * factors[m]
                        some[np.uint64(place + i)] = value
                begin += outputs * rank
                for tile in range(tiles):
                    place = (tile * rows + m * rank + k) * TILE
                    size = min(TILE, inputs - tile * TILE)
                    if rank == 1 and size == TILE:
                        store(others, place, load(flat, begin + tile * TILE, TILE))
                    else:
                        for i in range(size):
                            n = begin + (tile * TILE + i) * rank
                            others[np.uint64(place + i)] = flat[np.uint64(n)]
                        for i in range(size, TILE):
                            others[np.uint64(place + i)] = np.float32(0)
        j = take(counter)


@compiled
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


@compiled
def add_rows(noise, start, factors, gradient):
    """gradient (out,) += Σ_m factor_m · noise[m, start …], draw after draw."""
    for m in range(len(noise)):
        for n in range(len(gradient)):
            gradient[n] += factors[m] * noise[m, start + n]
