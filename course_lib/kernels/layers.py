"""Compiled loops over events: forward and backward passes of LIF layers, by Numba.

Forward, a layer's current is a sum of weight columns over the inputs that spiked. Backward, with
∂s/∂u ≈ G ≠ 0 at few (active) entries (t, n) of a layer, and its adjoint a[t] = ∂L/∂I[t],

    w[t] = G[t] · (Wᵀ_above a_above[t])          only where G ≠ 0
    a[t] = w[t] + β k[t] a[t+1]                  k = 1 − s for a reset to zero, else 1

the weights' gradient is Σ_t a[t] x[t]ᵀ. Summed by parts, over the inputs' traces instead,

    ∂L/∂W = Σ_t b[t] x̂[t]ᵀ,    b[t] = a[t] − β a[t+1],    x̂[t] = β x̂[t−1] + x[t]

where b is zero but for active entries and for spikes whose reset cuts off a ≠ 0. This is the
"input trace" form of Perez-Nieves and Goodman (Sparse Spiking Gradient Descent, NeurIPS 2021; eq.
25 and 26 of the LocalZO paper), carried over to the reset to zero. For each sample the cheaper of
the two sums is taken: entries of b × inputs, or input events × neurons. Nothing is approximated.

Lists of events or entries belong to one sample b; those of step t stand at places starts[b, t] to
starts[b, t + 1] − 1. Functions work on the samples from ``first`` to ``last`` − 1 and hold no lock:
``event_driven.py`` makes the arrays and calls them from several threads.
"""

import numba
import numpy as np

#: the bits of 1.0 in float32
ONE = np.uint32(0x3F800000)
COMPILED = {"cache": True, "nogil": True}


@numba.njit(**COMPILED)
def find_events(first, last, bits, indices, starts):
    """List the events in frames (T, B, D), given as their bits; False if not all are 0 or 1."""
    odd = False
    for t in range(bits.shape[0]):  # outermost, to read memory in its order
        for b in range(first, last):
            found, strange = _scan(bits[t, b], indices[b], starts[b, t])
            starts[b, t + 1] = found
            odd |= strange
    return not odd


@numba.njit(**COMPILED)
def _scan(row, indices, found):
    strange, whole = False, len(row) // 16 * 16
    for start in range(0, len(row), 16):
        if start == whole or _any(row, start):
            for j in range(start, min(start + 16, len(row))):
                indices[found] = j
                found += row[j] != 0
                strange |= (row[j] != 0) & (row[j] != ONE)
    return found, strange


@numba.njit(**COMPILED)
def _any(row, i):
    """Whether one of 16 entries is not zero; as a tree, which compiles to vector instructions."""
    a = (row[i] | row[i + 1]) | (row[i + 2] | row[i + 3])
    b = (row[i + 4] | row[i + 5]) | (row[i + 6] | row[i + 7])
    c = (row[i + 8] | row[i + 9]) | (row[i + 10] | row[i + 11])
    d = (row[i + 12] | row[i + 13]) | (row[i + 14] | row[i + 15])
    return ((a | b) | (c | d)) != 0


@numba.njit(**COMPILED)
def _add_columns(total, columns, indices, start, stop):
    """total (N,) += Σ columns[j] over events j; four at a time spares loads and stores."""
    e = start
    while e + 4 <= stop:
        p, q, r, s = indices[e], indices[e + 1], indices[e + 2], indices[e + 3]
        for n in range(len(total)):
            total[n] += (columns[p, n] + columns[q, n]) + (columns[r, n] + columns[s, n])
        e += 4
    while e < stop:
        p = indices[e]
        for n in range(len(total)):
            total[n] += columns[p, n]
        e += 1


@numba.njit(**COMPILED)
def run_layer(
    first, last, indices, starts, columns, bias, beta, theta, mode, bound, key, position, samples,
    thresholds, weights, out_indices, out_starts, neurons, values, active_starts,
):  # fmt: skip
    """One LIF layer forward: its spikes, and its active entries with G, or u if samples is 0.

    mode: 0, reset to zero; 1, by subtraction; 2, by subtraction one step late. (A delayed reset
    to zero has the same spikes and gradient as an immediate one.)
    bound: entries with |u| ≥ bound have G = 0, and nothing is drawn for them.
    """
    batch, steps, size = starts.shape[0], starts.shape[1] - 1, len(bias)
    lowest = theta - bound
    for b in range(first, last):
        voltage, current = np.zeros(size, np.float32), np.empty(size, np.float32)
        spikes = active = 0
        for t in range(steps):
            current[:] = bias
            _add_columns(current, columns, indices[b], starts[b, t], starts[b, t + 1])
            for n in range(size):
                voltage[n] = beta * voltage[n] + current[n]
            if mode == 2:  # subtraction, one step late
                for e in range(out_starts[b, max(t - 1, 0)], spikes):
                    voltage[out_indices[b, e]] -= theta
            for n in range(size):
                if voltage[n] > lowest:
                    u = voltage[n] - theta
                    distance = abs(u)
                    if distance < bound:
                        if samples == 0:
                            neurons[b, active], values[b, active] = n, u
                            active += 1
                        else:
                            entry = (position + (t * batch + b) * size + n) * samples
                            g = _average(
                                distance, key, np.uint64(entry), samples, thresholds, weights
                            )
                            if g != 0:
                                neurons[b, active], values[b, active] = n, g
                                active += 1
                    if u > 0:
                        out_indices[b, spikes] = n
                        spikes += 1
                        if mode == 0:
                            voltage[n] = np.float32(0)
                        elif mode == 1:
                            voltage[n] -= theta
            out_starts[b, t + 1], active_starts[b, t + 1] = spikes, active


@numba.njit(**COMPILED)
def _average(distance, key, entry, samples, thresholds, weights):
    """LocalZO's G with draws ``entry`` … of stream ``key``: SplitMix64, as in localzo.py."""
    total = np.float32(0)
    for k in range(samples):
        x = key + (entry + np.uint64(k + 1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        i = (x ^ (x >> np.uint64(31))) >> np.uint64(48)
        if distance < thresholds[i]:
            total += weights[i]
    return total / np.float32(samples)


@numba.njit(**COMPILED)
def leaky_mean(first, last, indices, starts, columns, bias, beta, outputs):
    """Mean voltage over time of leaky neurons that never fire, into outputs (B, N)."""
    steps = starts.shape[1] - 1
    outputs[first:last] = 0
    for b in range(first, last):
        voltage = np.zeros(len(bias), np.float32)
        for t in range(steps):
            for n in range(len(bias)):
                voltage[n] = beta * voltage[n] + bias[n]
            _add_columns(voltage, columns, indices[b], starts[b, t], starts[b, t + 1])
            for n in range(len(bias)):
                outputs[b, n] += voltage[n]
        for n in range(len(bias)):
            outputs[b, n] /= np.float32(steps)


@numba.njit(**COMPILED)
def mean_rates(first, last, indices, starts, outputs):
    """Spikes per step of every neuron, into outputs (B, N)."""
    outputs[first:last] = 0
    for b in range(first, last):
        for e in range(starts[b, -1]):
            outputs[b, indices[b, e]] += np.float32(1)
        for n in range(outputs.shape[1]):
            outputs[b, n] /= np.float32(starts.shape[1] - 1)


@numba.njit(**COMPILED, fastmath={"reassoc", "nsz", "contract"})
def _dot(x, y):
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@numba.njit(**COMPILED)
def backpropagate(
    first, last, group, indices, starts, spikes, spike_starts, neurons, values, active_starts,
    upper, columns, cut, beta, keep, adjoint, by_trace, by_event, bias,
):  # fmt: skip
    """One layer backward. Adds the samples' ∂L/∂W to by_trace[group] (out, in) or by_event[group]
    (in, out), and ∂L/∂bias to bias[group] (out,).

    upper: a_above (B, T or 1, M); columns: W_above, (N, M); cut: whether spikes reset to zero.
    adjoint: the layer's own a, (B, T, N), if ``keep``; else room to work in, (groups, T, N).
    """
    _, size, inputs = by_trace.shape
    steps = starts.shape[1] - 1
    for b in range(first, last):
        path = adjoint[b if keep else group]
        room = active_starts[b, steps] + (spike_starts[b, steps] if cut else 0)
        who, what = np.empty(room, np.int32), np.empty(room, np.float32)
        place = np.empty(steps + 1, np.int32)
        found = _adjoints(
            path, who, what, place, spikes[b], spike_starts[b], neurons[b], values[b],
            active_starts[b], upper[b], columns, cut, beta, bias[group],
        )  # fmt: skip
        if found * inputs < starts[b, steps] * size:
            _by_trace(by_trace[group], who, what, place, indices[b], starts[b], beta)
        else:
            _by_event(by_event[group], path, indices[b], starts[b])


@numba.njit(**COMPILED)
def _adjoints(
    path, who, what, first, spikes, spike_starts, neurons, values, active_starts, upper, columns,
    cut, beta, bias,
):  # fmt: skip
    """Fill in a[t] of one sample, and list b[t] ≠ 0 backwards in time; returns their number."""
    steps, size = path.shape
    a, total, found = np.zeros(size, np.float32), np.zeros(size, np.float32), 0
    first[steps] = 0
    for t in range(steps - 1, -1, -1):
        for n in range(size):
            a[n] *= beta
        if cut:
            for e in range(spike_starts[t], spike_starts[t + 1]):
                n = spikes[e]
                if a[n] != 0:
                    who[found], what[found] = n, -a[n]
                    a[n] = np.float32(0)
                    found += 1
        error = upper[min(t, len(upper) - 1)]
        for e in range(active_starts[t], active_starts[t + 1]):
            n = neurons[e]
            w = values[e] * _dot(columns[n], error)
            who[found], what[found] = n, w
            a[n] += w
            found += 1
        for n in range(size):
            total[n] += a[n]
            path[t, n] = a[n]
        first[t] = found
    for n in range(size):
        bias[n] += total[n]
    return found


@numba.njit(**COMPILED)
def _by_trace(grad, who, what, first, indices, starts, beta):
    """grad (out, in) += Σ_t b[t] x̂[t]ᵀ; the trace is kept as x̂[t] / decay, decay = β^t."""
    steps, size = len(starts) - 1, grad.shape[1]
    trace, decay = np.zeros(size, np.float32), np.float32(1)
    for t in range(steps):
        decay *= beta
        if decay < np.float32(1e-15):
            for j in range(size):
                trace[j] *= decay
            decay = np.float32(1)
        one = np.float32(1) / decay
        for e in range(starts[t], starts[t + 1]):
            trace[indices[e]] += one
        for e in range(first[t + 1], first[t]):
            n, share = who[e], what[e] * decay
            for j in range(size):
                grad[n, j] += share * trace[j]


@numba.njit(**COMPILED)
def _by_event(grad, path, indices, starts):
    """grad (in, out) += Σ_t x[t] a[t]ᵀ."""
    for t in range(len(starts) - 1):
        for e in range(starts[t], starts[t + 1]):
            j = indices[e]
            for n in range(path.shape[1]):
                grad[j, n] += path[t, n]
