"""Compiled loops over events: the gradient of a layer's weights from the jumps of its adjoint.

It is Σ_t a[t] x[t]ᵀ. Summed by parts, over the jumps and the inputs' traces instead,

    ∂L/∂W = Σ_t b[t] x̂[t]ᵀ,    b[t] = a[t] − β a[t+1],    x̂[t] = β x̂[t−1] + x[t]

This is the "input trace" form of Perez-Nieves and Goodman (Sparse Spiking Gradient Descent, NeurIPS
2021; eq. 25 and 26 of the LocalZO paper), carried over to the reset to zero: see ``backward.py``.
For each sample the cheaper of the two sums is taken: jumps × inputs, by trace, or input events ×
neurons, by event. Nothing is approximated.

Lists belong to one sample b; those of step t stand at places starts[b, t] to starts[b, t + 1] − 1.
"""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.backward import step_back
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import add, load, spread, store

#: inputs whose gradient is summed up at a time: with 200 neurons it stays in the second cache
TILE = 256
#: neurons whose gradient is: with 2312 inputs, likewise
NEURONS = 32


@compiled
def add_by_traces(
    counter, jobs, indices, starts, who, jumps, jump_starts, beta, traced, by_trace, bias
):
    """∂L/∂W (out, in) of the samples of a group that are ``traced``, into by_trace[group] if there
    are any, and ∂L/∂bias of all its samples into bias[group]. A job: samples from, to, group.
    """
    _, size, inputs = by_trace.shape
    steps = starts.shape[1] - 1
    ones = np.empty(steps, np.float32)  # the trace of an input that is always 1: the bias's
    trace = np.float32(0)
    for t in range(steps):
        trace = beta * trace + np.float32(1)
        ones[t] = trace
    j = take(counter)
    while j < len(jobs):
        first, last, group = jobs[j]
        bias[group] = np.float32(0)
        for b in range(first, last):
            for t in range(steps):
                for e in range(jump_starts[b, t], jump_starts[b, t + 1]):
                    bias[group, who[b, e]] += jumps[b, e] * ones[t]
        if traced[first:last].any():
            by_trace[group] = np.float32(0)
            ends = np.empty((last - first, steps), np.int32)
            ends[:] = starts[first:last, :steps]
            for left in range(0, inputs, TILE):
                for b in range(first, last):
                    if traced[b]:
                        add_by_trace(by_trace[group], left, who[b], jumps[b], jump_starts[b],
                                     indices[b], starts[b], ends[b - first], beta)  # fmt: skip
        j = take(counter)


@compiled
def add_by_trace(grad, left, who, jumps, jump_starts, indices, starts, ends, beta):
    """grad (out, in) += Σ_t b[t] x̂[t]ᵀ, for TILE inputs from ``left`` on.

    ends[t]: where the events of step t that belong to these inputs begin; moved behind them.
    The trace is kept as x̂[t] / decay, decay = β^t.
    """
    right = min(left + TILE, grad.shape[1])
    trace, decay = np.zeros(TILE, np.float32), np.float32(1)
    for t in range(len(starts) - 1):
        decay *= beta
        if decay < np.float32(1e-15):
            for i in range(TILE):
                trace[i] *= decay
            decay = np.float32(1)
        one, e = np.float32(1) / decay, ends[t]
        while e < starts[t + 1] and indices[e] < right:
            trace[indices[e] - left] += one
            e += 1
        ends[t] = e
        for e in range(jump_starts[t], jump_starts[t + 1]):
            row, share = grad[who[e], left:right], jumps[e] * decay
            for i in range(len(row)):
                row[i] += share * trace[i]


@compiled
def add_by_event(grad, path, first, who, jumps, jump_starts, indices, starts, beta):
    """grad (in · NEURONS) += Σ_t x[t] a[t]ᵀ, for NEURONS neurons from ``first`` on.

    path: room for their a[t].
    """
    zero = spread(np.float32(0), NEURONS)
    store(path, 0, zero)
    for t in range(len(starts) - 2, -1, -1):
        step_back(path, beta, first, who, jumps, jump_starts[t : t + 2])
        arrived = load(path, 0, zero)
        for e in range(starts[t], starts[t + 1]):
            place = indices[e] * NEURONS
            store(grad, place, add(load(grad, place, zero), arrived))


@compiled
def sum_gradients(
    counter, jobs, indices, starts, who, jumps, jump_starts, beta, traced, by_trace, used, grad
):
    """∂L/∂W (out, in): the groups' sums by trace, and the other samples' by event, in their order.

    used[group]: whether by_trace holds anything. A job: neurons from, to.
    """
    inputs, dense = grad.shape[1], not traced.all()
    by_event, path = np.empty(inputs * NEURONS, np.float32), np.empty(NEURONS, np.float32)
    j = take(counter)
    while j < len(jobs):
        first, last = jobs[j]
        by_event[:] = np.float32(0)
        for b in range(len(traced)):
            if not traced[b]:
                add_by_event(by_event, path, first, who[b], jumps[b], jump_starts[b], indices[b],
                             starts[b], beta)  # fmt: skip
        for n in range(first, last):
            row = grad[n]
            row[:] = np.float32(0)
            for group in range(len(by_trace)):
                if used[group]:
                    for i in range(inputs):
                        row[i] += by_trace[group, n, i]
            if dense:
                for i in range(inputs):
                    row[i] += by_event[i * NEURONS + n - first]
        j = take(counter)
