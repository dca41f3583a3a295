"""Weights and noise, put in the order in which ``population.py`` reads them.

A factor row of a draw holds, layer after layer, A (rank, width) scaled by σ/√r, the bias noise
(width,) scaled by σ and, but for the first layer, B (inputs, rank). The first layer's B becomes
columns beside each other with those of other draws, since all draws see the same frames.
"""

import numba
import numpy as np

from course_lib.kernels.population import NOISE, WIDTH, A, B
from course_lib.kernels.threads import take

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
            row[:] = np.float32(0)
            for i in range(len(plan)):
                outputs, inputs, width = sizes[i + 1], sizes[i], plan[i, WIDTH]
                for k in range(rank):
                    target = row[plan[i, A] + k * width : plan[i, A] + k * width + outputs]
                    for n in range(outputs):
                        target[n] = source[place + n * rank + k] * scales[i]
                place += outputs * rank
                if i:
                    row[plan[i, B] : plan[i, B] + inputs * rank] = source[
                        place : place + inputs * rank
                    ]
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
                    columns[tile, :, lane] = np.float32(0)
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
                    table[tile, :, lane] = np.float32(0)
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
    """Rows m · rank + k of left (M · r, out) = weight_m A and right (M · r, in) = B of one layer.

    factors: a weight for each draw; start: where the layer's noise begins in noise (M, P).
    """
    job = take(counter)
    while job < len(jobs):
        for m in range(jobs[job, 0], jobs[job, 1]):
            a = noise[m, start : start + outputs * rank]
            b = noise[m, start + outputs * rank : start + (outputs + inputs) * rank]
            for k in range(rank):
                row, other = left[m * rank + k], right[m * rank + k]
                for n in range(outputs):
                    row[n] = factors[m] * a[n * rank + k]
                for j in range(inputs):
                    other[j] = b[j * rank + k]
        job = take(counter)
