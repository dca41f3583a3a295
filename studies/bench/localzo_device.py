"""LocalZO's sparse backward pass on a GPU, against dense backpropagation through time there.

The setting is ``bench/localzo.py``'s. The autograd loop has the expected surrogate, or LocalZO;
``sparse_backward.py`` takes LocalZO with the same z, or, by dense products, the expected surrogate.
What the latter gains is that few operations are started, what the former gains on it, sparsity's.

A GPU works while the processor goes on, so the clock is read only when it has finished.
"""

import time
from typing import Any

import torch

from course_lib.estimators.localzo import LocalZO
from course_lib.estimators.surrogate import surrogate_spike
from studies.bench.localzo import BATCH, DELTA, WEIGHT_SD, setting
from studies.bench.passes import apart, at_once, autograd, phases
from studies.bench.through_time import fused
from studies.bench.timing import Table, row

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
            f"{name}, T = {steps}, through time by {recursions}: {times[SPARSE]['active']:.2%} of "
            "the spiking layers' entries active; largest difference of gradients, loop against "
            f"layers at once with the same z: {found['difference']:.0e} of the largest entry"
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


def compare(device: str, steps: int, batch: int, repeats: int) -> dict[str, Any]:
    """``times``, see ``phases``; the largest ``difference`` of gradients, of the largest entry;
    whether the recursions are ``fused``."""
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
        DENSE: autograd(surrogate_spike(surrogate), now=now),
        LOOP: autograd(method.spike, call=True, now=now),
        FULL: at_once(lambda: surrogate, dense=True, now=now),
        SPARSE: at_once(drawn, now=now),
    }
    grads = {}
    for name, run in contestants.items():
        network.zero_grad(set_to_none=True)
        run(network, frames, labels)
        grads[name] = [parameter.grad for parameter in network.parameters()]
    times = phases(contestants, repeats, network, frames, labels)
    return {
        "times": times,
        "difference": max(apart(grads[FULL], grads[DENSE]), apart(grads[SPARSE], grads[LOOP])),
        "fused": fused(frames),
    }
