"""How much time a sparse backward pass saves: LocalZO and SparseGrad against dense BPTT.

The setting is the paper's (B.2, Table 8): 1156-200-200-10, polarities merged and counts clamped to
1, batch 256, δ = 0.05, β = exp(−1/10), the reset by delayed subtraction of eq. 1, here with a leaky
readout. Inputs are simulated saccade digits cut into T bins. Initial weights are scaled so that
hidden neurons fire in 1 to 11 % of steps, and rounded to multiples of 2⁻¹⁶: their sums are then
exact in any order, and all contestants see the same spikes.

All contestants run interleaved in one process. Forward includes reading the frames and the loss.
"""

import math
import statistics
import time
from functools import cache

import numpy as np
import torch
from torch import Tensor

from course_lib.bench.timing import Table
from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.smoothing import DISTRIBUTIONS, named_smoothing
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.event_driven import Cutoff, EventDrivenPass
from course_lib.event_lists import input_events
from course_lib.fitness import cross_entropy
from course_lib.kernels.workspace import Workspace
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork

BATCH, DELTA = 256, 0.05
#: T → standard deviation of the initial weights by layer: fewer steps see denser frames
WEIGHT_SD = {10: (0.03, 0.2, 0.1), 100: (0.05, 0.2, 0.1), 300: (0.06, 0.2, 0.1)}


def localzo(repeats: int, quick: bool = False) -> Table:
    """LocalZO's sparse backward pass at T = 10, 100, 300, 1156-200-200-10, batch 256."""
    result, lines = Table(), []
    for steps in (10,) if quick else WEIGHT_SD:
        network, frames, labels = setting(steps)
        method = LocalZO(delta=DELTA, samples=1)
        dense = Cutoff(math.inf, method.smoothing.surrogate)
        contestants = {
            "autograd loop, dense surrogate": autograd(surrogate_spike(dense.derivative)),
            "autograd loop, LocalZO": autograd(method.spike, call=True),
            "kernel, dense surrogate": kernel(dense),
            "kernel, SparseGrad": kernel(SparseGrad(delta=DELTA, samples=1).pseudo_derivative(0)),
            "kernel, LocalZO": kernel(method.pseudo_derivative(0)),
        }
        times = phases(contestants, repeats, network, frames, labels)
        rates = [layer.spikes.mean().item() for layer in network.record(frames)[:-1]]
        difference = gradient_difference(network, frames, labels)
        lines += [
            f"T = {steps}: {frames.mean():.2%} of inputs and "
            f"{', '.join(f'{rate:.1%}' for rate in rates)} of hidden neurons spike in a step; "
            f"largest difference of LocalZO's gradients, loop against kernel with the same z: "
            f"{difference:.0e} of the largest entry",
            *rows(times, "autograd loop, dense surrogate", f"T = {steps}, ", result),
        ]
    result.text = "\n".join(lines)
    return result


def sparsegrad(repeats: int, quick: bool = False) -> Table:
    """SparseGrad and LocalZO by distribution and m at T = 300, against the dense autograd loop."""
    network, frames, labels = setting(10 if quick else 300)
    normal = named_smoothing("normal", DELTA).surrogate
    contestants = {"autograd loop, dense surrogate": autograd(surrogate_spike(normal))}
    for name in DISTRIBUTIONS:
        for samples in (1, 5) if name in ("normal", "uniform", "laplace") else (1,):
            for method in (SparseGrad, LocalZO):
                estimator = method(delta=DELTA, samples=samples, distribution=name)
                contestants[f"{method.__name__}, {name}, m = {samples}"] = kernel(
                    estimator.pseudo_derivative(0)
                )
    times = phases(contestants, repeats, network, frames, labels)
    result = Table()
    result.text = "\n".join(rows(times, "autograd loop, dense surrogate", "", result))
    return result


@cache
def recordings() -> tuple[list, Tensor]:
    """256 simulated saccade digits: events and labels."""
    from course_lib.events import load_digits, simulate

    digits = load_digits()
    chosen = np.linspace(0, len(digits.images) - 1, BATCH).astype(int)
    events = [simulate(digits.images[i], seed) for seed, i in enumerate(chosen)]
    return events, torch.as_tensor(digits.labels[chosen], dtype=torch.int64)


def setting(steps: int) -> tuple[SpikingNetwork, Tensor, Tensor]:
    """The network, frames (T, 256, 1156) and labels."""
    from course_lib.events import pack
    from course_lib.events.frameset import FrameSet

    events, labels = recordings()
    packed = np.stack([np.ravel(pack(recording, steps)) for recording in events])
    frames = FrameSet(packed, labels, steps).frames()
    frames = frames.view(steps, BATCH, 2, -1).amax(dim=2).contiguous()
    neuron = LIFParameters(beta=math.exp(-0.1), reset="subtract", reset_delay=True)
    network = SpikingNetwork(
        (frames.shape[-1], 200, 200, 10), neuron, "membrane", weight_sd=WEIGHT_SD[steps]
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter * 2**16).round() / 2**16)
    return network, frames, labels


def autograd(spike, call: bool = False):
    """A contestant: (network, frames, labels) → seconds forward and backward, active fraction."""

    def run(network, frames, labels):
        start = time.perf_counter()
        logits = network.logits(frames, spike=spike(0) if call else spike)
        loss = cross_entropy(logits, labels)
        middle = time.perf_counter()
        loss.backward()
        return middle - start, time.perf_counter() - middle, 1.0

    return run


def kernel(pseudo):
    """The same for the event-driven pass with that derivative."""

    workspace = Workspace()

    def run(network, frames, labels):
        start = time.perf_counter()
        events = input_events(network, frames, workspace)
        forward = EventDrivenPass(network, events, pseudo, workspace)
        logits = (network.logit_scale * forward.outputs).requires_grad_()
        cross_entropy(logits, labels).backward()
        middle = time.perf_counter()
        forward.backward(network.logit_scale * logits.grad)
        return middle - start, time.perf_counter() - middle, forward.active_fraction

    return run


def phases(contestants, repeats, network, frames, labels) -> dict[str, tuple]:
    """Medians by contestant: seconds forward, backward, together; and the active fraction."""
    measured = {name: [] for name in contestants}
    for repeat in range(repeats + 1):
        for name, run in contestants.items():
            network.zero_grad(set_to_none=True)
            forward, backward, active = run(network, frames, labels)
            if repeat:  # the first warms up
                measured[name].append((forward, backward, forward + backward, active))
    return {
        name: tuple(statistics.median(column) for column in zip(*values, strict=True))
        for name, values in measured.items()
    }


def rows(times: dict[str, tuple], baseline: str, prefix: str, result: Table) -> list[str]:
    """Lines of a table, speed-ups against the baseline; also fills in ``result``."""
    lines = ["  " + " " * 34 + "forward ms backward ms   backward ×  overall ×    active"]
    for name, (forward, backward, total, active) in times.items():
        result[f"{prefix}{name}, backward"] = backward
        result[f"{prefix}{name}, overall"] = total
        lines.append(
            f"  {name:34s}{1000 * forward:10.1f} {1000 * backward:11.1f} "
            f"{times[baseline][1] / backward:12.1f} {times[baseline][2] / total:10.1f} "
            + (f"{active:9.2%}" if name.startswith(("kernel", "Local", "Sparse")) else "")
        )
    return lines


def gradient_difference(network, frames, labels) -> float:
    """Largest entrywise difference of LocalZO's fast and readable gradients, relative to max."""
    grads = []
    for fast in (True, False):
        LocalZO(delta=DELTA, samples=1, fast=fast).fill_grads(network, frames, labels)
        grads.append([parameter.grad.clone() for parameter in network.parameters()])
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(*grads, strict=True))
