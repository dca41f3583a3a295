"""Weights and noise, put in the order in which ``population.py`` reads them: see ``plan.py``."""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.events import STRIP
from course_lib.fast.kernels.plan import NOISE, WIDTH, A, B
from course_lib.fast.kernels.threads import take


@compiled
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


@compiled
def list_values(counter, jobs, frames, indices, starts, values):
    """values[b] of the events of frames (T, B, D) that ``list_events`` has listed."""
    job = take(counter)
    while job < len(jobs):
        for b in range(jobs[job, 0], jobs[job, 1]):
            for t in range(frames.shape[0]):
                for e in range(starts[b, t], starts[b, t + 1]):
                    values[b, e] = frames[t, b, indices[b, e]]
        job = take(counter)


def in_rows(noise: np.ndarray, rank: int, sizes, scales, deviations, plan, rows) -> None:
    """Fill the rows of draws from their noise (M, P): per layer A (out, r), B (in, r), e.

    scales: σ/√r of each layer; deviations: σ.
    """
    rows.fill(0)
    place = 0
    for i, layer in enumerate(plan):
        inputs, outputs, width = sizes[i], sizes[i + 1], layer[WIDTH]
        columns = rows[:, layer[A] : layer[A] + rank * width].reshape(len(noise), rank, width)
        a = noise[:, place : place + outputs * rank].reshape(len(noise), outputs, rank)
        np.multiply(a.transpose(0, 2, 1), scales[i], out=columns[:, :, :outputs])
        place += outputs * rank
        if i:
            rows[:, layer[B] : layer[B] + inputs * rank] = noise[:, place : place + inputs * rank]
        place += inputs * rank
        rows[:, layer[NOISE] : layer[NOISE] + outputs] = (
            noise[:, place : place + outputs] * deviations[i]
        )
        place += outputs


def fill_tiles(table: np.ndarray, weight: np.ndarray) -> None:
    """table[tile, i, lane] = weight[tile · lanes + lane, i]: neurons beside each other.

    weight: (outputs, inputs);  table: (tiles or more, inputs or more, lanes); zero where there is
    no such weight.
    """
    (outputs, inputs), lanes = weight.shape, table.shape[2]
    whole, rest = divmod(outputs, lanes)
    table[:, inputs:], table[whole:] = 0, 0
    full = weight[: outputs - rest].reshape(whole, lanes, inputs)
    table[:whole, :inputs] = full.transpose(0, 2, 1)
    if rest:
        table[whole, :inputs, :rest] = weight[outputs - rest :].T
