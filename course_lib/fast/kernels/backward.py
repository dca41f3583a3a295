"""Compiled loops over events: the backward pass of LIF layers.

With ∂s/∂u ≈ G ≠ 0 at few (active) entries (t, n) of a layer, and its adjoint a[t] = ∂L/∂I[t],

    w[t] = G[t] · (Wᵀ_above a_above[t])          only where G ≠ 0
    a[t] = w[t] + β k[t] a[t+1]                  k = 1 − s for a reset to zero, else 1

A layer keeps the jumps of its adjoint alone, b[t] = a[t] − β a[t+1], from which a[t] is summed up
again wherever it is needed. They are zero but for active entries, where b = w, and for spikes whose
reset cuts off a ≠ 0.

Lists belong to one sample b; those of step t stand at places starts[b, t] to starts[b, t + 1] − 1.
Jobs are samples from, to, if nothing else is said.
"""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.forward import dot
from course_lib.fast.kernels.threads import take


@compiled
def weigh_errors(counter, jobs, neurons, values, starts, factors, errors, out):
    """w of the highest spiking layer: G[t, n] · factors[t] · errors[b, n]."""
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            for t in range(len(factors)):
                for e in range(starts[b, t], starts[b, t + 1]):
                    out[b, e] = values[b, e] * (factors[t] * errors[b, neurons[b, e]])
        j = take(counter)


@compiled
def carry_errors(
    counter, jobs, neurons, values, starts, upper, upper_jumps, upper_starts, columns, beta, out
):
    """w of a layer from the jumps of the one above: G[t, n] · ⟨W_above[:, n], a_above[t]⟩.

    columns: W_above transposed, its rows as long as that layer or padded.
    """
    steps = starts.shape[1] - 1
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            path = np.zeros(columns.shape[1], np.float32)
            for t in range(steps - 1, -1, -1):
                step_back(path, beta, 0, upper[b], upper_jumps[b], upper_starts[b, t : t + 2])
                for e in range(starts[b, t], starts[b, t + 1]):
                    out[b, e] = values[b, e] * dot(columns[neurons[b, e]], path)
        j = take(counter)


@compiled
def step_back(path, beta, first, who, jumps, ends):
    """a[t] from a[t + 1], in place, of so many neurons from ``first`` on."""
    for n in range(len(path)):
        path[n] *= beta
    for e in range(ends[0], ends[1]):
        if first <= who[e] < first + len(path):
            path[who[e] - first] += jumps[e]


@compiled
def cut_paths(
    counter, jobs, beta, size, spikes, spike_starts, neurons, errors, starts, who, jumps,
    jump_starts,
):  # fmt: skip
    """The jumps of a layer whose spikes reset to zero, and so cut off what comes from later steps.

    Found backwards in time, and so listed from the end on.
    """
    steps = starts.shape[1] - 1
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            path, place = np.zeros(size, np.float32), starts[b, steps] + spike_starts[b, steps]
            jump_starts[b, steps] = place
            for t in range(steps - 1, -1, -1):
                for n in range(size):
                    path[n] *= beta
                for e in range(starts[b, t], starts[b, t + 1]):
                    place -= 1
                    who[b, place], jumps[b, place] = neurons[b, e], errors[b, e]
                for e in range(spike_starts[b, t], spike_starts[b, t + 1]):
                    n = spikes[b, e]
                    if path[n] != 0:
                        place -= 1
                        who[b, place], jumps[b, place] = n, -path[n]
                        path[n] = np.float32(0)
                for e in range(starts[b, t], starts[b, t + 1]):
                    path[neurons[b, e]] += errors[b, e]
                jump_starts[b, t] = place
        j = take(counter)
