"""How much time a sparse backward pass saves: LocalZO and SparseGrad against dense BPTT.

The setting is the paper's (B.2, Table 8): 1156-200-200-10, polarities merged and counts clamped to
1, batch 256, δ = 0.05, β = exp(−1/10), the reset by delayed subtraction of eq. 1, here with a leaky
readout. Inputs are simulated saccade digits cut into T bins. Initial weights are scaled so that
hidden neurons fire in 1 to 11 % of steps, and rounded to multiples of 2⁻¹⁶: their sums are then
exact in any order, and all contestants see the same spikes.

All contestants run interleaved in one process. Forward includes reading the frames and the loss.

The course lets torch's threads sleep between operations, which costs the autograd loop, with its
thousands of small ones, nearly half its speed, and the kernel nothing. To be fair to the loop, the
process that measures lets them wait as torch does by itself.
"""

import json
import math
import os
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.smoothing import DISTRIBUTIONS, named_smoothing
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.fast.event_driven import Cutoff
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from studies.bench.localzo_table import comparison, speed_ups
from studies.bench.passes import apart, autograd, kernel, phases
from studies.bench.timing import Table

BATCH, DELTA = 256, 0.05
#: T → standard deviation of the initial weights by layer: fewer steps see denser frames
WEIGHT_SD = {10: (0.03, 0.2, 0.1), 100: (0.05, 0.2, 0.1), 300: (0.06, 0.2, 0.1)}
#: for GNU's OpenMP and LLVM's: turn round for about a millisecond before falling asleep
SPINNING = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "1"}
WAITING = "torch's threads spin for a while between operations, as they do by default"
CHILD = """
import json, sys
from studies.bench import localzo
name, *arguments = json.loads(sys.argv[1])
print(json.dumps(getattr(localzo, name)(*arguments)))
"""


def localzo(repeats: int, quick: bool = False) -> Table:
    """LocalZO's sparse backward pass at T = 10, 100, 300, 1156-200-200-10, batch 256."""
    cases = [(10, 16)] if quick else [(steps, BATCH) for steps in WEIGHT_SD]
    found = spinning("compare_all", repeats, cases)
    tables = [comparison(steps, found[f"T = {steps}"], bars=not quick) for steps, _ in cases]
    result = Table(found)
    result.text = "\n".join([WAITING, *tables])
    return result


def sparsegrad(repeats: int, quick: bool = False) -> Table:
    """SparseGrad and LocalZO by distribution and m at T = 300, against the dense autograd loop."""
    times = spinning("compare_distributions", repeats, *((10, 16) if quick else (300, BATCH)))
    result = Table(times)
    result.text = f"{WAITING}\n{speed_ups(times)}"
    return result


def spinning(name: str, *arguments: Any) -> dict[str, Any]:
    """The function of that name in a process whose threads wait as torch lets them by itself."""
    call = json.dumps([name, *arguments, torch.get_num_threads()])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, call],
        stdout=subprocess.PIPE, text=True, check=True, env=os.environ | SPINNING,
    )  # fmt: skip
    return json.loads(done.stdout)


def compare_all(repeats: int, cases: list, threads: int) -> dict[str, dict]:
    """``compare`` for each (steps, batch)."""
    torch.set_num_threads(threads)
    return {f"T = {steps}": compare(repeats, steps, batch) for steps, batch in cases}


def compare(repeats: int, steps: int, batch: int) -> dict[str, Any]:
    """Times by contestant; how many inputs and hidden neurons spike in a step; the largest
    difference of LocalZO's gradients, loop against kernel with the same z, of the largest entry."""
    network, frames, labels = setting(steps, batch)
    method = LocalZO(delta=DELTA, samples=1)
    dense = Cutoff(math.inf, method.smoothing.surrogate)
    contestants = {
        "autograd loop, dense surrogate": autograd(surrogate_spike(dense.derivative)),
        "autograd loop, LocalZO": autograd(method.spike, call=True),
        "kernel, dense surrogate": kernel(dense),
        "kernel, SparseGrad": kernel(SparseGrad(delta=DELTA, samples=1).pseudo_derivative(0)),
        "kernel, LocalZO": kernel(method.pseudo_derivative(0)),
    }
    rates = [layer.spikes.mean().item() for layer in network.record(frames)[:-1]]
    return {
        "inputs": frames.mean().item(),
        "hidden": rates,
        "difference": gradient_difference(network, frames, labels),
        "times": phases(contestants, repeats, network, frames, labels),
    }


def compare_distributions(repeats: int, steps: int, batch: int, threads: int) -> dict[str, dict]:
    """Times by contestant: both methods for every λ, at m = 1 and, as in Table 6, 5."""
    torch.set_num_threads(threads)
    network, frames, labels = setting(steps, batch)
    normal = named_smoothing("normal", DELTA).surrogate
    contestants = {"autograd loop, dense surrogate": autograd(surrogate_spike(normal))}
    for name in DISTRIBUTIONS:
        for samples in (1, 5) if name in ("normal", "uniform", "laplace") else (1,):
            for method in (SparseGrad, LocalZO):
                estimator = method(delta=DELTA, samples=samples, distribution=name)
                contestants[f"{method.__name__}, {name}, m = {samples}"] = kernel(
                    estimator.pseudo_derivative(0)
                )
    return phases(contestants, repeats, network, frames, labels)


@cache
def recordings(count: int) -> tuple[list, Tensor]:
    """Simulated saccade digits: events and labels."""
    from course_lib.events import load_digits, simulate

    digits = load_digits()
    chosen = np.linspace(0, len(digits.images) - 1, count).astype(int)
    events = [simulate(digits.images[i], seed) for seed, i in enumerate(chosen)]
    return events, torch.as_tensor(digits.labels[chosen], dtype=torch.int64)


def setting(steps: int, batch: int = BATCH) -> tuple[SpikingNetwork, Tensor, Tensor]:
    """The network, frames (T, B, 1156) and labels."""
    from course_lib.events import pack
    from course_lib.events.frameset import FrameSet

    events, labels = recordings(batch)
    packed = np.stack([np.ravel(pack(recording, steps)) for recording in events])
    frames = FrameSet(packed, labels, steps).frames()
    frames = frames.view(steps, batch, 2, -1).amax(dim=2).contiguous()
    neuron = LIFParameters(beta=math.exp(-0.1), reset="subtract", reset_delay=True)
    network = SpikingNetwork(
        (frames.shape[-1], 200, 200, 10), neuron, "membrane", weight_sd=WEIGHT_SD[steps]
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter * 2**16).round() / 2**16)
    return network, frames, labels


def gradient_difference(network, frames, labels) -> float:
    """Largest entrywise difference of LocalZO's fast and readable gradients, relative to max."""
    grads = []
    for fast in (True, False):
        LocalZO(delta=DELTA, samples=1, fast=fast).fill_grads(network, frames, labels)
        grads.append([parameter.grad.clone() for parameter in network.parameters()])
    return apart(*grads)
