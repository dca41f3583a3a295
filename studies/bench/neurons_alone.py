"""What the hidden neurons of a population take by themselves: no product, no noise.

No choice of matrix product spares a generation this: every member's neurons step through time for
every sample, and those that fired are listed for the next layer.
"""

from collections.abc import Callable

import numba
import numpy as np

from course_lib.fast.kernels.events import COMPILED, SPARE
from course_lib.fast.kernels.first_layer import first_layer
from course_lib.fast.kernels.later_layers import list_spikes
from course_lib.fast.kernels.plan import WIDTH
from course_lib.fast.kernels.threads import in_threads, ranges, take
from course_lib.fast.kernels.vectors import LANES
from course_lib.fast.population import SAMPLES, PopulationPass
from course_lib.network import SpikingNetwork


def neurons_alone(network: SpikingNetwork, frames, draws: int) -> Callable[[], object]:
    """A contestant: the hidden layer of both members of every draw, on the network's currents."""
    run, neuron = PopulationPass(network, frames), network.neuron
    width, steps = int(run.plan[0, WIDTH]), len(frames)
    # rank 1 with A = e = 0: the shortest way through the loop
    still, base = np.zeros(2 * width, np.float32), run.base.reshape(-1)
    found = np.zeros(frames.shape[1], np.int64)
    jobs = ranges(frames.shape[1], SAMPLES)
    beta, theta = np.float32(neuron.beta), np.float32(neuron.threshold)
    return lambda: in_threads(_run, jobs, draws, steps, width, base, still, beta, theta, found)


@numba.njit(**COMPILED)
def _run(counter, jobs, draws, steps, width, base, still, beta, theta, found):
    words = width // 64
    pair, starts = np.empty(2 * steps * words, np.uint64), np.empty(steps + 1, np.int32)
    indices = np.empty(steps * (width + 4) + SPARE, np.int32)
    shifts = np.empty((steps + 4) * LANES, np.float32)
    starts[0] = 0
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            found[b] = 0
            for _ in range(draws):
                first_layer(
                    steps, width, base, b * steps * width, base, 0, 0, 1, still, 0, width, beta,
                    theta, np.int64(0), pair, shifts,
                )  # fmt: skip
                for sign in range(2):
                    list_spikes(pair, sign * steps * words, words, steps, indices, starts, width)
                    found[b] += starts[steps]
        j = take(counter)
