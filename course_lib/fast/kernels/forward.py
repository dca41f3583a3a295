"""Compiled loops over events: the forward pass of LIF layers and of the readout.

A layer's current is a sum of weight columns over the inputs that spiked. It keeps its spikes, and
its active entries: the (t, n) whose derivative G of the spike is not zero.

Lists of events or entries belong to one sample b; those of step t stand at places starts[b, t] to
starts[b, t + 1] − 1. Rows of weights are padded to whole vectors of 64 neurons; padding has a bias
of −∞, so that it never fires and is never active. ``event_driven.py`` makes the arrays.
"""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.events import list_word
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import (
    INLINE,
    above,
    add,
    choose,
    item,
    load,
    lowest,
    mul,
    spread,
    store,
    sub,
)


@INLINE
def add_columns(total, table, place, width, events, first, last):
    """total + Σ table[place + width · j : … + 64] over the events j from ``first`` to ``last``."""
    for e in range(first, last):
        total = add(total, load(table, place + width * item(events, e), total))
    return total


@compiled
def run_layer(
    counter, jobs, indices, starts, columns, bias, size, beta, theta, mode, bound, key, position,
    samples, floors, fineness, thresholds, weights, spikes, spike_starts, neurons, values,
    active_starts,
):  # fmt: skip
    """One LIF layer: its spikes, and its active entries with G, or u = v − θ if samples is 0.

    columns: W transposed and padded, (inputs, width); size: neurons without padding.
    mode:    0, reset to zero; 1, by subtraction; 2, by subtraction one step late. (A delayed reset
             to zero has the same spikes and gradient as an immediate one.)
    bound:   entries with |u| ≥ bound have G = 0, and nothing is drawn for them.
    position: of the layer's first draw in stream ``key``; the rest: see ``_derivative``.

    Multiplies and adds in the order of ``lif.lif_step``, rounding each, so that both see the same
    spikes. A job: samples from, to.
    """
    batch, steps, width = starts.shape[0], starts.shape[1] - 1, columns.shape[1]
    table, zero = columns.reshape(-1), spread(np.float32(0), 64)
    leak, threshold = spread(beta, zero), spread(theta, zero)
    nearest, farthest = spread(-bound, zero), spread(bound, zero)
    voltages, distances = np.empty(width, np.float32), np.empty(width, np.float32)
    fired, drawn = np.empty(width // 64, np.uint64), np.empty(samples, np.uint64)
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            events, sent, who, what = indices[b], spikes[b], neurons[b], values[b]
            voltages[:], fired[:] = np.float32(0), np.uint64(0)
            found = active = 0
            for t in range(steps):
                entry = position + (t * batch + b) * size
                for q in range(0, width, 64):
                    current = add_columns(
                        load(bias, q, zero), table, q, width, events, starts[b, t], starts[b, t + 1]
                    )
                    voltage = add(mul(leak, load(voltages, q, zero)), current)
                    if mode == 2:
                        voltage = choose(fired[q // 64], sub(voltage, threshold), voltage)
                    distance = sub(voltage, threshold)
                    word = above(distance, zero)
                    if mode == 0:
                        voltage = choose(word, zero, voltage)
                    elif mode == 1:
                        voltage = choose(word, distance, voltage)
                    store(voltages, q, voltage)
                    fired[q // 64] = word
                    found = list_word(sent, found, word, q)
                    near = above(distance, nearest) & above(farthest, distance)
                    if near != 0:
                        store(distances, q, distance)
                    while near != 0:
                        n = q + lowest(near)
                        near &= near - np.uint64(1)
                        u = distances[n]
                        if samples == 0:
                            who[active], what[active] = n, u
                            active += 1
                        else:
                            g = _derivative(
                                abs(u), key, np.uint64((entry + n) * samples), drawn, floors,
                                fineness, thresholds, weights,
                            )  # fmt: skip
                            if g != 0:
                                who[active], what[active] = n, g
                                active += 1
                spike_starts[b, t + 1], active_starts[b, t + 1] = found, active
        j = take(counter)


@compiled
def _derivative(distance, key, entry, drawn, floors, fineness, thresholds, weights):
    """LocalZO's G with draws ``entry`` … of stream ``key``: SplitMix64, as in spike_derivative.py.

    Draw i has G = weights[i] where distance < thresholds[i], which ascend: those below
    floors[distance · fineness] need no look at the tables. drawn: room for m draws, made together
    so that the processor's vectors can make them.
    """
    for k in range(len(drawn)):
        x = key + (entry + np.uint64(k + 1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        drawn[k] = x >> np.uint64(48)
    total, last = np.float32(0), np.float32(len(floors) - 1)
    floor = floors[int(min(distance * fineness, last))]
    for i in drawn:
        if i >= floor and distance < thresholds[i]:
            total += weights[i]
    return total / np.float32(len(drawn))


@compiled
def weigh_spikes(counter, jobs, indices, starts, factors, counts):
    """counts[b, n] = Σ_t factors[t] over the spikes of neuron n. A job: samples from, to."""
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            counts[b] = np.float32(0)
            for t in range(len(factors)):
                for e in range(starts[b, t], starts[b, t + 1]):
                    counts[b, indices[b, e]] += factors[t]
        j = take(counter)


@compiled(fastmath={"reassoc", "nsz", "contract"})
def dot(x, y):
    """Σ x · y over the entries of y, in any order."""
    total = np.float32(0)
    for i in range(len(y)):
        total += x[i] * y[i]
    return total
