"""The first layer of a population's members, of which all see the same frames.

``events.py`` has multiplied these with every column that the population needs. Here then, for a
sample and a draw, and vector after vector of neurons,

    I±[t] = (x W + b)[t] ± ( (x B)[t] A σ/√r + σ e )       both signs share the bracket
    v, s  = LIF(I±)                                        v never leaves the registers

Nothing but one bit a neuron and step is kept, and the brackets of one vector, for more than one
rank, until its neurons have used them.
"""

import numba
import numpy as np

from course_lib.fast.kernels.vectors import (
    HALF,
    INLINE,
    INNER,
    LANES,
    add,
    choose,
    fma,
    item,
    load,
    not_above,
    put,
    spread,
    store,
    sub,
)

#: what a layer is for: spikes for the next one, outputs as rates, or as mean voltages
HIDDEN, RATE, MEMBRANE = range(3)


@INLINE
def step_neurons(voltage, before, current, beta, theta, zero, mode):
    """One step of a vector of LIF neurons: (voltage, silent).

    silent: who does not fire; one comparison serves the reset and the list of spikes then.
    before: who was silent one step earlier.
    mode:   0, reset to zero; 1, by subtraction; 2, by subtraction one step late. (A delayed reset
            to zero has the same spikes as an immediate one.)
    """
    if mode == 2:
        current = choose(before, current, sub(current, theta))
    voltage = fma(beta, voltage, current)
    silent = not_above(voltage, theta)
    if mode == 0:
        voltage = choose(silent, voltage, zero)
    elif mode == 1:
        voltage = choose(silent, voltage, sub(voltage, theta))
    return voltage, silent


@INLINE
def step_pair(pair, current, shift, beta, theta, zero, mode):
    """One step of both signs: pair is (voltage, silent) of the one, then of the other."""
    up, up_silent, down, down_silent = pair
    up, up_silent = step_neurons(up, up_silent, add(current, shift), beta, theta, zero, mode)
    down, down_silent = step_neurons(
        down, down_silent, sub(current, shift), beta, theta, zero, mode
    )
    return up, up_silent, down, down_silent


@numba.njit(**INNER)
def write_shifts(steps, projected, start, stride, rank, factors, a, noise, width, shifts):
    """shifts[LANES · t : …] = (x B)[t] A σ/√r + σ e, a vector for each step t."""
    bias = load(factors, noise, LANES)
    for t in range(steps):
        total = bias
        for k in range(rank):
            weight = spread(item(projected, start + t * stride + k), bias)
            total = fma(weight, load(factors, a + k * width, bias), total)
        store(shifts, LANES * t, total)


@INLINE
def first_layer(
    steps, width, base, here, projected, start, stride, rank, factors, a, noise, beta, theta, mode,
    silent, shifts,
):  # fmt: skip
    """The bits of those who were silent, (signs, steps, neurons), into an array of 64-bit words.

    base[here :]:       x W + b of the sample, (steps, width).
    projected[start :]: x B of the sample, with other draws' in rows of ``stride`` numbers.
    shifts:             room for one vector's, (steps + 4) · LANES numbers.
    """
    for q in range(0, width, LANES):
        if rank == 1 and mode == 0:  # the most frequent: a bracket is worth no place in memory
            _two_halves(
                False, projected, start, stride, factors, a + q, noise + q, steps, width,
                base, here + q, beta, theta, mode, silent, q // HALF,
            )  # fmt: skip
        else:
            write_shifts(
                steps, projected, start, stride, rank, factors, a + q, noise + q, width, shifts
            )
            _two_halves(
                True, shifts, 0, LANES, factors, a + q, noise + q, steps, width, base,
                here + q, beta, theta, mode, silent, q // HALF,
            )  # fmt: skip


@INLINE
def _two_halves(
    ready, table, place, stride, factors, a, noise, steps, width, base, at, beta, theta, mode,
    silent, word,
):  # fmt: skip
    """``first_layer`` for one vector, as two halves: one goes on while the other's sums are due.

    table: the shifts, if they are ready, else x B of rank 1.
    """
    zero, words = spread(np.float32(0), HALF), width // HALF
    beta, theta = spread(beta, zero), spread(theta, zero)
    noise_1, noise_2 = load(factors, noise, zero), load(factors, noise + HALF, zero)
    a_1, a_2 = load(factors, a, zero), load(factors, a + HALF, zero)
    quiet = not_above(zero, theta)
    pair_1, pair_2 = (zero, quiet, zero, quiet), (zero, quiet, zero, quiet)
    for _ in range(steps):
        if ready:
            shift_1, shift_2 = load(table, place, zero), load(table, place + HALF, zero)
        else:
            weight = spread(item(table, place), zero)
            shift_1, shift_2 = fma(weight, a_1, noise_1), fma(weight, a_2, noise_2)
        pair_1 = step_pair(pair_1, load(base, at, zero), shift_1, beta, theta, zero, mode)
        pair_2 = step_pair(pair_2, load(base, at + HALF, zero), shift_2, beta, theta, zero, mode)
        put(silent, word, pair_1[1])
        put(silent, word + 1, pair_2[1])
        put(silent, word + steps * words, pair_1[3])
        put(silent, word + steps * words + 1, pair_2[3])
        at, place, word = at + width, place + stride, word + words
