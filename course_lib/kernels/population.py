"""Compiled forward passes of a whole population over shared frames.

``events.py`` has multiplied the frames with every column that the population needs: x Wᵀ + b once,
and x B_i for every draw i. Here then, for each sample and draw,

    I±[t] = (x Wᵀ + b)[t] ± ( (x B_i)[t] A_iᵀ σ/√r + σ e_i )       both signs share the bracket
    v, s  = LIF(I±)                                                v never leaves the registers
    I[t]  = Σ_{n: s_n[t] = 1} W_n + …                              the next layer, by its events

and so on to the outputs. Nothing of the size of a member's weights or of a population's currents is
ever written: between layers there are 64 spikes to a word, and a list of one sample's events.

Numbers that belong to neurons are padded to whole vectors. Every sum is made in one order, however
the work is divided: results are the same to the bit for any number of threads, any chunks and any
range of draws.

Numba renews a stored compilation when its file changes, not when ``vectors.py`` does.
"""

import math

import numba
import numpy as np

from course_lib.kernels.events import COMPILED, SPARE, list_word
from course_lib.kernels.threads import take
from course_lib.kernels.vectors import (
    INLINE,
    above,
    add,
    choose,
    fma,
    item,
    load,
    spread,
    store,
    sub,
)

#: columns of ``plan``, one row a layer: neurons of the layer before, padded neurons, where A, the
#: bias noise and B begin in a draw's row of factors, and where W and b do in ``weights``
INPUTS, WIDTH, A, NOISE, B, WEIGHTS, BIAS = range(7)
#: what a layer is for: spikes for the next one, outputs as rates, or as mean voltages
HIDDEN, RATE, MEMBRANE = range(3)


@INLINE
def step_neurons(voltage, before, current, beta, theta, zero, mode):
    """One step of a vector of LIF neurons: (voltage, fired). before: who fired one step earlier.

    mode: 0, reset to zero; 1, by subtraction; 2, by subtraction one step late. (A delayed reset
    to zero has the same spikes as an immediate one.)
    """
    if mode == 2:
        current = choose(before, sub(current, theta), current)
    voltage = fma(beta, voltage, current)
    fired = above(voltage, theta)
    if mode == 0:
        voltage = choose(fired, zero, voltage)
    elif mode == 1:
        voltage = choose(fired, sub(voltage, theta), voltage)
    return voltage, fired


@INLINE
def _first_layer(
    kind, steps, width, base, here, projected, start, stride, rank, factors, a, noise, signs,
    beta, theta, mode, fired, totals,
):  # fmt: skip
    """The first layer of one draw and one sample, both signs, into ``fired`` or ``totals``."""
    zero, one = spread(np.float32(0), 64), spread(np.float32(1), 64)
    beta, theta = spread(beta, zero), spread(theta, zero)
    words = width // 64
    for q in range(words):
        bias = load(factors, noise + 64 * q, zero)
        up = down = up_total = down_total = zero
        up_fired = down_fired = np.uint64(0)
        for t in range(steps):
            shift = bias
            for k in range(rank):
                weight = spread(item(projected, start + t * stride + k), zero)
                shift = fma(weight, load(factors, a + k * width + 64 * q, zero), shift)
            current = load(base, here + t * width + 64 * q, zero)
            if kind == MEMBRANE:
                up, down = fma(beta, up, add(current, shift)), fma(beta, down, sub(current, shift))
                up_total, down_total = add(up_total, up), add(down_total, down)
                continue
            up, up_fired = step_neurons(up, up_fired, add(current, shift), beta, theta, zero, mode)
            down, down_fired = step_neurons(
                down, down_fired, sub(current, shift), beta, theta, zero, mode
            )
            if kind == RATE:
                up_total = add(up_total, choose(up_fired, one, zero))
                down_total = add(down_total, choose(down_fired, one, zero))
            else:
                fired[np.uint64(t * words + q)] = up_fired
                if signs == 2:
                    fired[np.uint64((steps + t) * words + q)] = down_fired
        if kind != HIDDEN:
            store(totals, 64 * q, up_total)
            store(totals, width + 64 * q, down_total)


@INLINE
def _list_events(fired, start, words, steps, indices, starts, nobody):
    """Neurons that fired, step by step, from their bits.

    Each step's list is filled up to a multiple of four with ``nobody``, whose weights are zero.
    """
    found = 0
    for t in range(steps):
        for q in range(words):
            word = fired[np.uint64(start + t * words + q)]
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
    """As ``_sum_rows``; and Σ B[j] over the same events: sixteen columns, the first of them B's."""
    projected = spread(np.float32(0), 16)
    while e < last:
        total = _four_rows(total, table, begin, width, indices, e)
        projected = _four_rows(projected, factors, b, rank, indices, e)
        e += 4
    return total, projected


@INLINE
def _next_layer(
    kind, zero, lanes, steps, plan, indices, starts, projected, ranks, rank, weights, factors,
    sign, beta, theta, mode, fired, totals,
):  # fmt: skip
    """A later layer of one member and one sample, into ``fired`` or ``totals``."""
    one, sign = spread(np.float32(1), zero), spread(sign, zero)
    beta, theta = spread(beta, zero), spread(theta, zero)
    width, words = plan[WIDTH], plan[WIDTH] // lanes
    for q in range(words):
        noise = load(factors, plan[NOISE] + lanes * q, zero)
        bias = load(weights, plan[BIAS] + lanes * q, zero)
        table = plan[WEIGHTS] + q * lanes * (plan[INPUTS] + 1)
        voltage = total = zero
        spikes = above(zero, zero)
        for t in range(steps):
            first, last = item(starts, t), item(starts, t + 1)
            if q == 0 and rank > 0:
                current, sums = sum_both(
                    bias, weights, table, lanes, factors, plan[B], rank, indices, first, last
                )
                store(projected, t * ranks, sums)
                for k in range(16, rank, 16):
                    sums = spread(np.float32(0), 16)
                    sums = _sum_rows(sums, factors, plan[B] + k, rank, indices, first, last)
                    store(projected, t * ranks + k, sums)
            else:
                current = _sum_rows(bias, weights, table, lanes, indices, first, last)
            shift = noise
            for k in range(rank):
                weight = spread(item(projected, t * ranks + k), zero)
                shift = fma(weight, load(factors, plan[A] + k * width + lanes * q, zero), shift)
            current = fma(sign, shift, current)
            if kind == MEMBRANE:
                voltage = fma(beta, voltage, current)
                total = add(total, voltage)
                continue
            voltage, spikes = step_neurons(voltage, spikes, current, beta, theta, zero, mode)
            if kind == RATE:
                total = add(total, choose(spikes, one, zero))
            else:
                fired[np.uint64(t * words + q)] = spikes
        if kind != HIDDEN:
            store(totals, lanes * q, total)


@numba.njit(**COMPILED)
def roll_out(
    counter, jobs, base, projected, weights, factors, plan, rank, signs, beta, theta,
    mode, kind, done, outputs,
):  # fmt: skip
    """Outputs of the members of some draws. A job: samples from, to, draws from, to.

    base:      (B, T, width of the first layer), x Wᵀ + b;  projected: x B, (B, T, columns), of
               which draw m has those from m · rank on.
    weights:   of the layers after the first: (groups, inputs + 1, lanes) each, the last row zero,
               then the bias.
    factors:   (M, …), a row a draw;  plan: see INPUTS … BIAS.
    kind:      of the last layer, RATE or MEMBRANE.
    outputs:   (signs, draws, B, C), where the draws of this call come after ``done`` others.
    """
    layers, steps, stride, width = len(plan), base.shape[1], projected.shape[2], plan[0, WIDTH]
    classes = outputs.shape[3]
    widest = 1
    for i in range(layers):
        widest = max(widest, plan[i, WIDTH] // 64 + 1)
    both, fired = np.zeros(2 * steps * widest, np.uint64), np.zeros(steps * widest, np.uint64)
    indices = np.empty(steps * (widest * 64 + 4) + SPARE, np.int32)
    starts = np.zeros(steps + 1, np.int64)
    ranks = (rank + 15) // 16 * 16
    local, totals = np.zeros(steps * ranks + 16, np.float32), np.zeros(128 * widest, np.float32)
    base, projected = base.reshape(-1), projected.reshape(-1)
    narrow, wide = spread(np.float32(0), 16), spread(np.float32(0), 64)
    j = take(counter)
    while j < len(jobs):
        first, last, begin, end = jobs[j]
        for b in range(first, last):
            for m in range(begin, end):
                row = factors[m]
                _first_layer(
                    HIDDEN if layers > 1 else kind, steps, width, base, b * steps * width,
                    projected, b * steps * stride + m * rank, stride, rank, row, plan[0, A],
                    plan[0, NOISE], signs, beta, theta, mode, both, totals,
                )  # fmt: skip
                for s in range(signs):
                    sign = np.float32(1 - 2 * s)
                    for i in range(1, layers):
                        words, here = plan[i - 1, WIDTH] // 64, plan[i]
                        spikes, place = (both, s * steps * words) if i == 1 else (fired, 0)
                        _list_events(
                            spikes, place, words, steps, indices, starts, here[INPUTS]
                        )  # fmt: skip
                        if i < layers - 1:
                            _next_layer(
                                HIDDEN, wide, 64, steps, here, indices, starts, local, ranks, rank,
                                weights, row, sign, beta, theta, mode, fired, totals,
                            )  # fmt: skip
                        elif here[WIDTH] == 16:
                            _next_layer(
                                kind, narrow, 16, steps, here, indices, starts, local, ranks, rank,
                                weights, row, sign, beta, theta, mode, fired, totals,
                            )  # fmt: skip
                        else:
                            _next_layer(
                                kind, wide, 64, steps, here, indices, starts, local, ranks, rank,
                                weights, row, sign, beta, theta, mode, fired, totals,
                            )  # fmt: skip
                    for c in range(classes):
                        total = totals[c if layers > 1 else s * width + c]
                        outputs[s, done + m, b, c] = total / np.float32(steps)
        j = take(counter)


@numba.njit(**COMPILED)
def mean_losses(counter, jobs, outputs, scale, labels, losses):
    """losses[m] = mean over samples of the cross-entropy of logits = scale · outputs (M, B, C).

    A job: members from, to.
    """
    batch, classes = outputs.shape[1], outputs.shape[2]
    j = take(counter)
    while j < len(jobs):
        for m in range(jobs[j, 0], jobs[j, 1]):
            total = 0.0
            for b in range(batch):
                logits = outputs[m, b]
                largest = logits[0]
                for c in range(1, classes):
                    largest = max(largest, logits[c])
                exponentials = np.float32(0)
                for c in range(classes):
                    exponentials += math.exp(scale * (logits[c] - largest))
                truth = scale * (logits[labels[b]] - largest)
                total += math.log(exponentials) - truth
            losses[m] = total / batch
        j = take(counter)
