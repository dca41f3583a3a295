"""LIF neurons over given currents, compiled: the spikes of ``lif.lif_run`` in one pass."""

import numba
import numpy as np
import torch
from torch import Tensor

from course_lib.fast.kernels.events import COMPILED
from course_lib.fast.kernels.first_layer import step_neurons
from course_lib.fast.kernels.threads import in_threads, take
from course_lib.fast.kernels.vectors import choose, load, spread, store
from course_lib.lif import LIFParameters

#: neurons of one job: their voltages stay in the first cache over all steps
NEURONS = 4096


def lif_spikes(currents: Tensor, neuron: LIFParameters) -> Tensor:
    """Spikes (T, …) of LIF neurons driven by float32 ``currents`` (T, …) on the CPU, from v = 0.

    Raises ValueError for other tensors or an empty one.
    """
    if currents.dtype != torch.float32 or currents.device.type != "cpu" or not currents.numel():
        raise ValueError(
            f"currents are {currents.dtype} on {currents.device} of shape {tuple(currents.shape)}; "
            "expected float32 on the CPU, (T, …), not empty. Use lif_run for others"
        )
    drive = currents.detach().contiguous().view(len(currents), -1).numpy()
    spikes, size = np.empty_like(drive), drive.shape[1]
    mode = 0 if neuron.reset == "zero" else 2 if neuron.reset_delay else 1
    jobs = [(first, min(first + NEURONS, size)) for first in range(0, size, NEURONS)]
    in_threads(
        _run, jobs, drive, spikes, np.float32(neuron.beta), np.float32(neuron.threshold), mode
    )
    return torch.from_numpy(spikes).view(currents.shape)


@numba.njit(**COMPILED)
def _run(counter, jobs, currents, spikes, beta, theta, mode):
    """Spikes (T, N) of currents (T, N). A job: neurons from, to."""
    steps, size = currents.shape
    drive, out = currents.reshape(-1), spikes.reshape(-1)
    zero, one = spread(np.float32(0), 64), spread(np.float32(1), 64)
    leak, threshold = spread(beta, zero), spread(theta, zero)
    j = take(counter)
    while j < len(jobs):
        first, last = jobs[j]
        whole = (last - first) // 64 * 64
        voltages = np.zeros(last - first, np.float32)
        silent = np.full(whole // 64 + 1, ~np.uint64(0))
        rest, late = voltages[whole:], np.zeros(last - first - whole, np.bool_)
        for t in range(steps):
            place = t * size + first
            for n in range(0, whole, 64):
                voltage, word = step_neurons(
                    load(voltages, n, zero), silent[n // 64], load(drive, place + n, zero), leak,
                    threshold, zero, mode,
                )  # fmt: skip
                store(voltages, n, voltage)
                store(out, place + n, choose(word, zero, one))
                silent[n // 64] = word
            for n in range(len(rest)):  # past the last whole vector
                current = drive[place + whole + n]
                if mode == 2 and late[n]:
                    current -= theta
                rest[n] = beta * rest[n] + current
                late[n] = rest[n] > theta
                out[place + whole + n] = np.float32(late[n])
                if late[n] and mode == 0:
                    rest[n] = np.float32(0)
                elif late[n] and mode == 1:
                    rest[n] -= theta
        j = take(counter)
