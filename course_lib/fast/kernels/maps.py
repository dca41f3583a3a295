"""Neurons of feature maps, and what the next layer reads of them: spikes averaged over squares.

Compiled loops for ``fast/maps.py``. Maps are channel last here, (places, maps): the maps of a place
stand beside each other, so that all of them meet a weight, a spike or a neighbour at once.
Voltages and currents never leave the cache, and of the spikes only their averages are written.
"""

import numba
import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import INNER


@numba.njit(**INNER)
def _shift(shift, maps, found, at, places, rank, a, e):
    """shift (some places, maps) = x B Aᵀ σ/√r + σ e, with x B at found[at + k · places + q]."""
    for q in range(len(shift) // maps):
        some = shift[q * maps : (q + 1) * maps]
        for c in range(maps):
            some[c] = e[c]
        for k in range(rank):
            weight, row = found[at + k * places + q], a[k * maps : (k + 1) * maps]
            for c in range(maps):
                some[c] += weight * row[c]


@numba.njit(**INNER)
def _step(voltage, spikes, currents, at, shift, sign, beta, theta, mode):
    """One step of LIF neurons with currents + sign · shift; mode as in ``step_neurons``."""
    some = currents[at : at + len(voltage)]
    for p in range(len(voltage)):
        u = beta * voltage[p] + (some[p] + sign * shift[p])
        if mode == 2:  # by subtraction, one step late
            u -= theta * spikes[p]
        fired = np.float32(1) if u > theta else np.float32(0)
        spikes[p] = fired
        if mode == 0:
            voltage[p] = np.float32(0) if u > theta else u
        else:
            voltage[p] = u - theta * fired if mode == 1 else u


@numba.njit(**INNER)
def _average(spikes, first, columns, maps, pool, out, at):
    """Means over squares of the row of squares that begins at row ``first``. pool: their sides."""
    tall, wide = pool
    for j in range(columns // wide):
        to = out[at + j * maps : at + (j + 1) * maps]
        for y in range(tall):
            for x in range(wide):
                q = ((first + y) * columns + wide * j + x) * maps
                row = spikes[q : q + maps]
                for c in range(maps):
                    to[c] = row[c] if y + x == 0 else to[c] + row[c]
        if wide > 1:
            for c in range(maps):
                to[c] /= np.float32(tall * wide)


@numba.njit(**INNER)
def _arrive(x, start, weights, at, sizes, currents):
    """currents (places, m) += x ∗ weights, one after another of the few inputs that are not zero.

    Weights of a kernel's row stand in reverse, so that those which an input meets are neighbours,
    as the places are where they are added.
    """
    channels, height, width, tall, wide = sizes
    down, across = height - tall + 1, width - wide + 1
    m = len(currents) // (down * across)
    for i in range(height):
        for j in range(width):
            low, high = max(0, j - across + 1), min(wide - 1, j)
            length = (high - low + 1) * m
            arrived = x[start : start + channels]
            start += channels
            for c in range(channels):
                value = arrived[c]
                if value == 0:
                    continue
                for y in range(max(0, i - down + 1), min(tall, i + 1)):
                    to = ((i - y) * across + j - high) * m
                    some = currents[to : to + length]
                    place = at + ((c * tall + y) * wide + wide - 1 - high) * m
                    row = weights[place : place + length]
                    for k in range(length):
                        some[k] += value * row[k]


@numba.njit(**INNER)
def _spread(bias, at, m, currents):
    """The same biases (m,) at all places."""
    row = bias[at : at + m]
    for q in range(len(currents) // m):
        some = currents[q * m : (q + 1) * m]
        for k in range(m):
            some[k] = row[k]


@compiled
def fire_shared(
    counter, jobs, base, found, a, e, signs, beta, theta, mode, columns, pool, out
):  # fmt: skip
    """The first layer: members share its input. A job: samples from, to.

    base:  x Wᵀ + b, (T, B, P, C), C maps of P places in rows of ``columns``.
    found: x B of every draw, (T, B, M, r, P);   a: A σ/√r, (M, r · C);   e: σ e, (M, C).
    out:   (T, B, signs · M, Q, C), means over squares with the sides ``pool``.
    """
    (steps, batch, places, maps), (draws, rank) = base.shape, found.shape[2:4]
    flat, projected, averages = base.reshape(-1), found.reshape(-1), out.reshape(-1)
    size, across, squares = pool[0] * columns, columns // pool[1], out.shape[3]
    voltage = np.empty((2, size * maps), np.float32)
    spikes, shift = np.empty((2, size * maps), np.float32), np.empty(size * maps, np.float32)
    up, down, up_spikes, down_spikes = voltage[0], voltage[1], spikes[0], spikes[1]
    one = np.float32(1)
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            for m in range(draws):
                factors, noise = a[m], e[m]
                for i in range(squares // across):
                    voltage.fill(0)
                    spikes.fill(0)
                    for t in range(steps):
                        here = t * batch + b
                        at = (here * draws + m) * rank * places + i * size
                        _shift(shift, maps, projected, at, places, rank, factors, noise)
                        at = (here * places + i * size) * maps
                        to = ((here * signs * draws + m) * squares + i * across) * maps
                        _step(up, up_spikes, flat, at, shift, one, beta, theta, mode)
                        _average(up_spikes, 0, columns, maps, pool, averages, to)
                        if signs == 2:
                            to += draws * squares * maps
                            _step(down, down_spikes, flat, at, shift, -one, beta, theta, mode)
                            _average(down_spikes, 0, columns, maps, pool, averages, to)
        j = take(counter)


@compiled
def fire_own(
    counter, jobs, x, weights, bias, sizes, beta, theta, mode, columns, pool, out
):  # fmt: skip
    """A layer above: members have inputs and weights of their own. A job: samples from, to.

    x:       (T, B, G, h w, C), mostly zeros;   sizes: C, h, w and the kernel's two sides.
    weights: (G, C k k m), see ``_arrive``;   bias: (G, m).
    out:     (T, B, G, Q, m), as for ``fire_shared``.
    """
    steps, batch, members = x.shape[:3]
    length, m, squares = x.shape[3] * x.shape[4], bias.shape[1], out.shape[3]
    inputs, rows, biases = x.reshape(-1), weights.reshape(-1), bias.reshape(-1)
    averages = out.reshape(-1)
    places = (sizes[1] - sizes[3] + 1) * (sizes[2] - sizes[4] + 1)
    currents, voltage = np.empty(places * m, np.float32), np.empty(places * m, np.float32)
    spikes, nothing = np.empty(places * m, np.float32), np.zeros(places * m, np.float32)
    across, zero = columns // pool[1], np.float32(0)
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            for g in range(members):
                voltage.fill(0)
                spikes.fill(0)
                for t in range(steps):
                    here = (t * batch + b) * members + g
                    _spread(biases, g * m, m, currents)
                    _arrive(inputs, here * length, rows, g * weights.shape[1], sizes, currents)
                    _step(voltage, spikes, currents, 0, nothing, zero, beta, theta, mode)
                    for i in range(squares // across):
                        to = (here * squares + i * across) * m
                        _average(spikes, i * pool[0], columns, m, pool, averages, to)
        j = take(counter)
