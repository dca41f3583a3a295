"""Compiled loops over events: the gradient of a layer's weights from the jumps of its adjoint.

It is Σ_t a[t] x[t]ᵀ. Summed by parts, over the jumps and the inputs' traces instead,

    ∂L/∂W = Σ_t b[t] x̂[t]ᵀ,    b[t] = a[t] − β a[t+1],    x̂[t] = β x̂[t−1] + x[t]

This is the "input trace" form of Perez-Nieves and Goodman (Sparse Spiking Gradient Descent, NeurIPS
2021; eq. 25 and 26 of the LocalZO paper), carried over to the reset to zero: see ``backward.py``.
For each sample the cheaper of the two sums is taken: jumps × inputs, or input events × neurons.
Nothing is approximated.

Lists belong to one sample b; those of step t stand at places starts[b, t] to starts[b, t + 1] − 1.
"""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.backward import step_back
from course_lib.fast.kernels.threads import take

#: inputs whose gradient is summed up at a time: with 200 neurons it stays in the second cache
TILE = 256


@compiled
def add_gradients(
    counter, jobs, indices, starts, who, jumps, jump_starts, beta, by_trace, by_event, used, bias
):
    """∂L/∂W of the samples of a group into by_trace[group] (out, in) and by_event[group] (in, out),
    ∂L/∂bias into bias[group]; used[group]: whether by_event holds anything.

    A job: samples from, to, group.
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
        by_trace[group], bias[group], used[group] = np.float32(0), np.float32(0), False
        sparse = np.empty(last - first, np.bool_)
        for b in range(first, last):
            found = jump_starts[b, steps] - jump_starts[b, 0]
            sparse[b - first] = found * inputs < starts[b, steps] * size
            if not sparse[b - first]:
                if not used[group]:
                    by_event[group], used[group] = np.float32(0), True
                add_by_event(by_event[group], who[b], jumps[b], jump_starts[b], indices[b],
                             starts[b], beta)  # fmt: skip
            for t in range(steps):
                for e in range(jump_starts[b, t], jump_starts[b, t + 1]):
                    bias[group, who[b, e]] += jumps[b, e] * ones[t]
        ends = np.empty((last - first, steps), np.int32)
        ends[:] = starts[first:last, :steps]
        for left in range(0, inputs, TILE):
            for b in range(first, last):
                if sparse[b - first]:
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
def add_by_event(grad, who, jumps, jump_starts, indices, starts, beta):
    """grad (in, out) += Σ_t x[t] a[t]ᵀ."""
    path = np.zeros(grad.shape[1], np.float32)
    for t in range(len(starts) - 2, -1, -1):
        step_back(path, beta, who, jumps, jump_starts[t : t + 2])
        for e in range(starts[t], starts[t + 1]):
            row = grad[indices[e]]
            for n in range(len(row)):
                row[n] += path[n]


@compiled
def sum_groups(counter, jobs, by_trace, by_event, used, grad):
    """The groups' gradients, added in their order. A job: neurons from, to."""
    j = take(counter)
    while j < len(jobs):
        for n in range(jobs[j, 0], jobs[j, 1]):
            grad[n] = by_trace[0, n]
            for group in range(1, len(by_trace)):
                for i in range(grad.shape[1]):
                    grad[n, i] += by_trace[group, n, i]
            for group in range(len(by_trace)):
                if used[group]:
                    for i in range(grad.shape[1]):
                        grad[n, i] += by_event[group, i, n]
        j = take(counter)
