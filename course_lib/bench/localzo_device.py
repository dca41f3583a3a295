"""LocalZO's sparse backward pass on a GPU, against dense backpropagation through time there.

The setting is ``bench/localzo.py``'s. The autograd loop has the expected surrogate, or LocalZO;
``sparse_backward.py`` takes LocalZO with the same z, or, by dense products, the expected surrogate.
What the latter gains is that few operations are started, what the former gains on it, sparsity's.

A GPU works while the processor goes on, so the clock is read only when it has finished.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from course_lib.bench.localzo import BATCH, DELTA, WEIGHT_SD, setting
from course_lib.bench.timing import Table, row
from course_lib.estimators.localzo import LocalZO
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.fitness import cross_entropy
from course_lib.sparse_backward import SparsePass
from course_lib.through_time import fused

DENSE, LOOP = "loop, dense surrogate", "loop, LocalZO"
FULL, SPARSE = "layers at once, dense surrogate", "layers at once, sparse, LocalZO"


def localzo_gpu(repeats: int, quick: bool = False) -> Table:
    """LocalZO's sparse backward pass on a GPU at T = 10, 100, 300, 1156-200-200-10, batch 256."""
    if not torch.cuda.is_available():
        return Table().show(["  skipped: torch sees no GPU here"])
    cases = [(10, 16)] if quick else [(steps, BATCH) for steps in WEIGHT_SD]
    return on_device("cuda", torch.cuda.get_device_name(), cases, repeats)


def on_device(device: str, name: str, cases: list[tuple[int, int]], repeats: int) -> Table:
    """The table of a device; cases: (T, batch)."""
    table, lines = {}, []
    for steps, batch in cases:
        found = compare(device, steps, batch, repeats)
        table[f"T = {steps}"], times = found, found["times"]
        recursions = "Triton's kernels" if found["fused"] else "loops in torch"
        lines.append(
            f"{name}, T = {steps}, through time by {recursions}: {found['active']:.2%} of the "
            "spiking layers' entries active; largest difference of gradients, loop against layers "
            f"at once with the same z: {found['difference']:.0e} of the largest entry"
        )
        for contestant, own in times.items():
            lines.append(row(f"{contestant}: forward", 1000 * own["forward"], "ms"))
            lines.append(row(f"{contestant}: backward", 1000 * own["backward"], "ms"))
        for rival in (DENSE, LOOP, FULL):
            slow, fast = times[rival], times[SPARSE]
            for phase in ("backward", "both"):
                ratio = slow[phase] / fast[phase]
                lines.append(row(f"sparse against {rival}: {phase}", ratio, "×"))
    return Table(table).show(lines)


def autograd(spike: Callable, now: Callable[[], float]) -> Callable:
    """A contestant: (network, frames, labels) → when it began, went backward and ended; active.

    spike: makes a spike function.
    """

    def run(network, frames, labels):
        start = now()
        loss = cross_entropy(network.logits(frames, spike=spike()), labels)
        middle = now()
        loss.backward()
        return start, middle, now(), 1.0

    return run


def at_once(derivative: Callable, dense: bool, now: Callable[[], float]) -> Callable:
    """The same by ``SparsePass``. derivative: makes one."""

    def run(network, frames, labels):
        start = now()
        forward = SparsePass(network, frames, derivative(), dense)
        logits = (network.logit_scale * forward.outputs).requires_grad_()
        cross_entropy(logits, labels).backward()
        middle = now()
        forward.backward(network.logit_scale * logits.grad)
        return start, middle, now(), forward.active_fraction

    return run


def compare(device: str, steps: int, batch: int, repeats: int) -> dict[str, Any]:
    """Median seconds ``times`` by contestant and phase; LocalZO's fraction ``active``; the largest
    ``difference`` of gradients, of the largest entry; whether the recursions are ``fused``."""
    network, frames, labels = (part.to(device) for part in setting(steps, batch))
    method = LocalZO(delta=DELTA, samples=1)
    surrogate = method.smoothing.surrogate

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def drawn():
        spike = method.spike(0)
        return lambda u: method.smoothing.derivative(u, spike.draw(u))

    contestants = {
        DENSE: autograd(lambda: surrogate_spike(surrogate), now),
        LOOP: autograd(lambda: method.spike(0), now),
        FULL: at_once(lambda: surrogate, True, now),
        SPARSE: at_once(drawn, False, now),
    }
    seconds, grads = {name: [] for name in contestants}, {}
    for repeat in range(repeats + 1):  # the first, which compiles, is not counted
        for name, run in contestants.items():
            network.zero_grad(set_to_none=True)
            start, middle, end, active = run(network, frames, labels)
            if repeat:
                seconds[name].append((middle - start, end - middle, end - start))
            else:
                grads[name] = [parameter.grad for parameter in network.parameters()]
    keys = ("forward", "backward", "both")
    return {
        "times": {
            name: dict(zip(keys, map(statistics.median, zip(*own, strict=True)), strict=True))
            for name, own in seconds.items()
        },
        "active": active,  # of the last contestant
        "difference": max(apart(grads[FULL], grads[DENSE]), apart(grads[SPARSE], grads[LOOP])),
        "fused": fused(frames),
    }


def apart(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    """The largest difference of a parameter's gradients, of the largest entry of the one wanted."""
    pairs = zip(found, wanted, strict=True)
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)
