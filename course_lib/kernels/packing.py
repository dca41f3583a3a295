"""Weights and noise, put in the order in which ``population.py`` reads them.

A factor row of a draw holds, layer after layer, A (rank, width) scaled by σ/√r, the bias noise
(width,) scaled by σ and, but for the first layer, B (inputs, rank). The first layer's B becomes
columns beside each other with those of other draws, since all draws see the same frames.
"""

import numba
import numpy as np

from course_lib.kernels.population import NOISE, WIDTH, A, B
from course_lib.kernels.threads import take
from course_lib.kernels.vectors import fma, item, load, spread, store

COMPILED = {"cache": True, "nogil": True}


@numba.njit(**COMPILED)
def pack_rows(counter, jobs, noise, rank, sizes, scales, deviations, plan, rows):
    """Rows of draws from their noise (M, P): per layer A (out, r), B (in, r), e.

    scales: σ/√r of each layer; deviations: σ.
    """
    job = take(counter)
    while job < len(jobs):
        for m in range(jobs[job, 0], jobs[job, 1]):
            source, row, place = noise[m], rows[m], 0
            for n in range(len(row)):
                row[n] = np.float32(0)
            for i in range(len(plan)):
                outputs, inputs, width = sizes[i + 1], sizes[i], plan[i, WIDTH]
                for k in range(rank):
                    for n in range(outputs):
                        row[plan[i, A] + k * width + n] = source[place + n * rank + k] * scales[i]
                place += outputs * rank
                if i:
                    for n in range(inputs * rank):
                        row[plan[i, B] + n] = source[place + n]
                place += inputs * rank
                for n in range(outputs):
                    row[plan[i, NOISE] + n] = source[place + n] * deviations[i]
                place += outputs
        job = take(counter)


@numba.njit(**COMPILED)
def pack_columns(counter, jobs, noise, start, rank, columns):
    """columns[tile] (D, 64) from the first layer's B (D, rank) of draws, at noise[:, start:]."""
    job = take(counter)
    while job < len(jobs):
        for tile in range(jobs[job, 0], jobs[job, 1]):
            for lane in range(64):
                m, k = (tile * 64 + lane) // rank, (tile * 64 + lane) % rank
                if m < len(noise):
                    for j in range(columns.shape[1]):
                        columns[tile, j, lane] = noise[m, start + j * rank + k]
                else:
                    for j in range(columns.shape[1]):
                        columns[tile, j, lane] = np.float32(0)
        job = take(counter)


@numba.njit(**COMPILED)
def pack_weights(counter, jobs, weight, table):
    """table[tile] (inputs or more, lanes) from a matrix of weights (outputs, inputs)."""
    inputs, lanes = weight.shape[1], table.shape[2]
    job = take(counter)
    while job < len(jobs):
        for tile in range(jobs[job, 0], jobs[job, 1]):
            for lane in range(lanes):
                n = tile * lanes + lane
                if n < len(weight):
                    for j in range(inputs):
                        table[tile, j, lane] = weight[n, j]
                else:
                    for j in range(inputs):
                        table[tile, j, lane] = np.float32(0)
        job = take(counter)


@numba.njit(**COMPILED)
def list_values(counter, jobs, frames, indices, starts, values):
    """values[b] of the events of frames (T, B, D) that ``list_events`` has listed."""
    job = take(counter)
    while job < len(jobs):
        for b in range(jobs[job, 0], jobs[job, 1]):
            for t in range(frames.shape[0]):
                for e in range(starts[b, t], starts[b, t + 1]):
                    values[b, e] = frames[t, b, indices[b, e]]
        job = take(counter)


@numba.njit(**COMPILED)
def pack_products(counter, jobs, noise, rank, outputs, inputs, start, factors, left, right):
    """One layer's weight_m A and B, as rows m · rank + k, for ``add_products``.

    left: (fours of outputs, rows, 4); right: (tiles of 64 inputs, rows, 64); both zero where there
    is no neuron. factors: a weight for each draw; start: of the layer's noise in noise (M, P).
    A job: draws from, to.
    """
    job = take(counter)
    while job < len(jobs):
        for m in range(jobs[job, 0], jobs[job, 1]):
            a = noise[m, start : start + outputs * rank]
            b = noise[m, start + outputs * rank : start + (outputs + inputs) * rank]
            for k in range(rank):
                row = m * rank + k
                for n in range(4 * len(left)):
                    value = factors[m] * a[n * rank + k] if n < outputs else np.float32(0)
                    left[n // 4, row, n % 4] = value
                for tile in range(len(right)):
                    target, first = right[tile, row], 64 * tile
                    for lane in range(min(64, inputs - first)):
                        target[lane] = b[(first + lane) * rank + k]
                    for lane in range(inputs - first, 64):
                        target[lane] = np.float32(0)
        job = take(counter)


@numba.njit(**COMPILED)
def add_products(counter, jobs, left, right, scale, gradient):
    """gradient (out, in) += scale · Σ_rows left · right, each entry summed in the rows' order.

    A library's matrix product may divide the sum by the number of threads, and then no two machines
    take the same step. A job: tile, fours of outputs from, to.
    """
    outputs, inputs = gradient.shape
    rows, sums = left.shape[1], np.empty(256, np.float32)
    job = take(counter)
    while job < len(jobs):
        tile, first, last = jobs[job]
        table = right[tile].reshape(-1)
        for four in range(first, last):
            factors = left[four].reshape(-1)
            p = q = r = s = spread(np.float32(0), 64)
            for row in range(rows):
                x = load(table, 64 * row, 64)
                p = fma(spread(item(factors, 4 * row), 64), x, p)
                q = fma(spread(item(factors, 4 * row + 1), 64), x, q)
                r = fma(spread(item(factors, 4 * row + 2), 64), x, r)
                s = fma(spread(item(factors, 4 * row + 3), 64), x, s)
            store(sums, 0, p)
            store(sums, 64, q)
            store(sums, 128, r)
            store(sums, 192, s)
            for n in range(4 * four, min(4 * four + 4, outputs)):
                for lane in range(min(64, inputs - 64 * tile)):
                    gradient[n, 64 * tile + lane] += scale * sums[64 * (n % 4) + lane]
        job = take(counter)


@numba.njit(**COMPILED)
def add_rows(noise, start, factors, scale, gradient):
    """gradient (out,) += scale · Σ_m weight_m · noise[m, start …]."""
    for m in range(len(noise)):
        for n in range(len(gradient)):
            gradient[n] += scale * factors[m] * noise[m, start + n]
