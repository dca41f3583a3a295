"""How much time the event-driven passes of LocalZO and SparseGrad save, against dense BPTT.

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
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.events import load_digits, pack, simulate
from course_lib.events.frameset import FrameSet
from course_lib.fast import PseudoDerivative
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from studies.bench.fresh import child
from studies.bench.passes import autograd, kernel, phases, ratios
from studies.bench.timing import Table, row

BATCH, DELTA = 256, 0.05
LOOP, DENSE, SPARSE = "autograd loop, dense surrogate", "kernel, dense surrogate", "kernel, LocalZO"
#: T → how many times faster than the loop LocalZO should be, backward and in both passes
BARS = {100: (10, 4), 300: (15, 6)}
#: T → standard deviation of the initial weights by layer: fewer steps see denser frames
WEIGHT_SD = {10: (0.03, 0.2, 0.1), 100: (0.05, 0.2, 0.1), 300: (0.06, 0.2, 0.1)}
#: for GNU's OpenMP and LLVM's: turn round for about a millisecond before falling asleep
SPINNING = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "1"}
WAITING = "torch's threads spin for a while between operations, as they do by default"
CHILD = """
import json, sys
from studies.bench.localzo import compare_all
print(json.dumps(compare_all(*json.loads(sys.argv[1]))))
"""


def localzo(repeats: int, quick: bool = False) -> Table:
    """LocalZO's sparse backward pass at T = 10, 100, 300, 1156-200-200-10, batch 256."""
    cases = [(10, 16)] if quick else [(steps, BATCH) for steps in WEIGHT_SD]
    found = spinning(repeats, cases)
    tables = [comparison(steps, found[f"T = {steps}"], bars=not quick) for steps, _ in cases]
    result = Table(found)
    result.text = "\n".join([WAITING, *tables])
    return result


def spinning(*arguments: Any) -> dict[str, Any]:
    """``compare_all`` in a process whose threads wait as torch lets them by itself."""
    call = json.dumps([*arguments, torch.get_num_threads()])
    return json.loads(child(CHILD, call, **SPINNING))


def compare_all(repeats: int, cases: list, threads: int) -> dict[str, dict]:
    """``compare`` for each (steps, batch)."""
    torch.set_num_threads(threads)
    return {f"T = {steps}": compare(repeats, steps, batch) for steps, batch in cases}


def compare(repeats: int, steps: int, batch: int) -> dict[str, Any]:
    """Times by contestant; how many inputs and hidden neurons spike in a step; the largest
    difference of LocalZO's gradients, loop against kernel with the same z, of the largest entry."""
    network, frames, labels = setting(steps, batch)
    method = LocalZO(delta=DELTA, samples=1)
    dense = PseudoDerivative(math.inf, method.smoothing.surrogate)
    contestants = {
        LOOP: autograd(lambda: surrogate_spike(dense.function)),
        "autograd loop, LocalZO": autograd(lambda: method.spike(0)),
        DENSE: kernel(dense),
        "kernel, SparseGrad": kernel(SparseGrad(delta=DELTA, samples=1).pseudo_derivative(0)),
        SPARSE: kernel(method.pseudo_derivative(0)),
    }
    rates = [layer.spikes.mean().item() for layer in network.record(frames)[:-1]]
    return {
        "inputs": frames.mean().item(),
        "hidden": rates,
        "difference": gradient_difference(network, frames, labels),
        "times": phases(contestants, repeats, network, frames, labels),
    }


@cache
def recordings(count: int) -> tuple[list, Tensor]:
    """Simulated saccade digits: events and labels."""
    digits = load_digits()
    chosen = np.linspace(0, len(digits.images) - 1, count).astype(int)
    events = [simulate(digits.images[i], seed) for seed, i in enumerate(chosen)]
    return events, torch.as_tensor(digits.labels[chosen], dtype=torch.int64)


def frame_set(steps: int, batch: int) -> FrameSet:
    """Simulated saccade digits, cut into so many bins."""
    events, labels = recordings(batch)
    packed = np.stack([np.ravel(pack(recording, steps)) for recording in events])
    return FrameSet(packed, labels, steps)


def setting(steps: int, batch: int = BATCH) -> tuple[SpikingNetwork, Tensor, Tensor]:
    """The network, frames (T, B, 1156) and labels."""
    data = frame_set(steps, batch)
    frames = data.frames().view(steps, batch, 2, -1).amax(dim=2).contiguous()
    neuron = LIFParameters(beta=math.exp(-0.1), reset="subtract", reset_delay=True)
    network = SpikingNetwork(
        (frames.shape[-1], 200, 200, 10), neuron, "membrane", weight_sd=WEIGHT_SD[steps]
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter * 2**16).round() / 2**16)
    return network, frames, data.labels


def gradient_difference(network, frames, labels) -> float:
    """Largest entrywise difference of LocalZO's fast and readable gradients, relative to max."""
    grads = []
    for form in ("fused", "readable"):
        LocalZO(delta=DELTA, samples=1, kernel=form).fill_grads(network, frames, labels)
        grads.append([parameter.grad.clone() for parameter in network.parameters()])
    pairs = zip(*grads, strict=True)
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)


def comparison(steps: int, found: dict, bars: bool) -> str:
    """Setting, table, and what LocalZO gains: in all, and by being sparse."""
    rates = ", ".join(f"{rate:.1%}" for rate in found["hidden"])
    lines = [
        f"T = {steps}: {found['inputs']:.2%} of inputs and {rates} of hidden neurons spike in a "
        f"step; largest difference of LocalZO's gradients, loop against kernel with the same z: "
        f"{found['difference']:.0e} of the largest entry",
        "  " + " " * 34 + "forward ms backward ms   backward ×  overall ×    active",
    ]
    times = found["times"]
    for name, own in times.items():
        backward, both = ratios(times, LOOP, name)
        active = "" if name.startswith("autograd") else f"{own['active']:9.2%}"
        lines.append(
            f"  {name:34s}{1000 * own['forward']:10.1f} {1000 * own['backward']:11.1f} "
            f"{backward:12.1f} {both:10.1f} {active}".rstrip()
        )
    for rival in (LOOP, DENSE):
        aims = (BARS.get(steps) if bars and rival == LOOP else None) or (None, None)
        for phase, ratio, aim in zip(
            ("backward", "both passes"), ratios(times, rival, SPARSE), aims, strict=True
        ):
            lines.append(row(f"LocalZO, {phase}, against {rival}", ratio, "×", aim))
    return "\n".join(lines)
