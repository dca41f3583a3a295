"""Weights and noise, put in the order in which ``population.py`` reads them: see ``plan.py``."""

import numba
import numpy as np

from course_lib.kernels.events import COMPILED, STRIP
from course_lib.kernels.plan import NOISE, WIDTH, A, B
from course_lib.kernels.threads import take


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
    """columns[strip] (D, STRIP) from the first layer's B (D, rank) of draws: noise[:, start:]."""
    job = take(counter)
    while job < len(jobs):
        for strip in range(jobs[job, 0], jobs[job, 1]):
            for lane in range(STRIP):
                m, k = (strip * STRIP + lane) // rank, (strip * STRIP + lane) % rank
                if m < len(noise):
                    for j in range(columns.shape[1]):
                        columns[strip, j, lane] = noise[m, start + j * rank + k]
                else:
                    for j in range(columns.shape[1]):
                        columns[strip, j, lane] = np.float32(0)
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
