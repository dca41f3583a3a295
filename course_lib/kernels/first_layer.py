"""The first layer of a population's members, of which all see the same frames.

``events.py`` has multiplied these with every column that the population needs. Here then, for a
sample and a draw, and vector after vector of neurons,

    I±[t] = (x W + b)[t] ± ( (x B)[t] A σ/√r + σ e )       both signs share the bracket
    v, s  = LIF(I±)                                        v never leaves the registers

Nothing but one bit a neuron and step is ever written.
"""

import numpy as np

from course_lib.kernels.vectors import (
    INLINE,
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
def _shift(noise, projected, place, rank, factors, a, width):
    """(x B)[t] A σ/√r + σ e."""
    shift = noise
    if rank > 0:
        shift = fma(spread(item(projected, place), noise), load(factors, a, noise), shift)
    for k in range(1, rank):
        weight = spread(item(projected, place + k), noise)
        shift = fma(weight, load(factors, a + k * width, noise), shift)
    return shift


@INLINE
def first_layer(
    steps, width, base, here, projected, start, stride, rank, factors, a, noise, beta, theta, mode,
    silent,
):  # fmt: skip
    """The bits of those who were silent, (signs, steps, neurons), into an array of 64-bit words.

    base[here :]:       x W + b of the sample, (steps, width).
    projected[start :]: x B of the sample, with other draws' in rows of ``stride`` numbers.
    """
    zero = spread(np.float32(0), LANES)
    beta, theta = spread(beta, zero), spread(theta, zero)
    words = width // LANES
    for q in range(words):
        bias = load(factors, noise + LANES * q, zero)
        up = down = zero
        up_silent = down_silent = not_above(zero, theta)
        at, place, word = here + LANES * q, start, q
        for _ in range(steps):
            shift = _shift(bias, projected, place, rank, factors, a + LANES * q, width)
            current = load(base, at, zero)
            up, up_silent = step_neurons(
                up, up_silent, add(current, shift), beta, theta, zero, mode
            )
            down, down_silent = step_neurons(
                down, down_silent, sub(current, shift), beta, theta, zero, mode
            )
            put(silent, word, up_silent)
            put(silent, word + steps * words, down_silent)
            at, place, word = at + width, place + stride, word + words


@INLINE
def only_layer(
    kind, steps, width, base, here, projected, start, stride, rank, factors, a, noise, beta, theta,
    mode, totals,
):  # fmt: skip
    """The outputs, summed over time, (signs, width), where the first layer is the last one."""
    zero, one = spread(np.float32(0), LANES), spread(np.float32(1), LANES)
    beta, theta = spread(beta, zero), spread(theta, zero)
    for q in range(width // LANES):
        bias = load(factors, noise + LANES * q, zero)
        up = down = up_total = down_total = zero
        up_silent = down_silent = not_above(zero, theta)
        for t in range(steps):
            place = start + t * stride
            shift = _shift(bias, projected, place, rank, factors, a + LANES * q, width)
            current = load(base, here + t * width + LANES * q, zero)
            if kind == MEMBRANE:
                up, down = fma(beta, up, add(current, shift)), fma(beta, down, sub(current, shift))
                up_total, down_total = add(up_total, up), add(down_total, down)
                continue
            up, up_silent = step_neurons(
                up, up_silent, add(current, shift), beta, theta, zero, mode
            )
            down, down_silent = step_neurons(
                down, down_silent, sub(current, shift), beta, theta, zero, mode
            )
            up_total = add(up_total, choose(up_silent, zero, one))
            down_total = add(down_total, choose(down_silent, zero, one))
        store(totals, LANES * q, up_total)
        store(totals, width + LANES * q, down_total)
