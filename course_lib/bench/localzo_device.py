"""LocalZO's sparse backward pass on a GPU, against dense backpropagation through time there.

The setting is ``bench/localzo.py``'s. All contestants are plain torch: the autograd loop with the
expected surrogate, the same loop with LocalZO, and ``sparse_backward.py``, with the same z.
"""

import statistics
import time

import torch

from course_lib.bench.localzo import BATCH, DELTA, WEIGHT_SD, setting
from course_lib.bench.timing import Table, row
from course_lib.estimators.localzo import LocalZO
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.fitness import cross_entropy
from course_lib.sparse_backward import SparsePass

DENSE, LOOP, SPARSE = "loop, dense surrogate", "loop, LocalZO", "sparse, LocalZO"


def localzo_gpu(repeats: int, quick: bool = False) -> Table:
    """LocalZO's sparse backward pass on a GPU at T = 10, 100, 300, 1156-200-200-10, batch 256."""
    if not torch.cuda.is_available():
        return Table().show(["  skipped: torch sees no GPU here"])
    cases = [(10, 16)] if quick else [(steps, BATCH) for steps in WEIGHT_SD]
    return on_device("cuda", torch.cuda.get_device_name(), cases, repeats)


def on_device(device: str, name: str, cases: list[tuple[int, int]], repeats: int) -> Table:
    """The table of a device; cases: (T, batch)."""
    found, lines = {}, []
    for steps, batch in cases:
        times, active, apart = compare(device, steps, batch, repeats)
        found[f"T = {steps}"] = times
        lines += [
            f"{name}, T = {steps}: {active:.2%} of the spiking layers' entries active; largest "
            f"difference of gradients, loop against sparse with the same z: {apart:.0e} of the "
            "largest entry"
        ]
        for contestant, (forward, backward) in times.items():
            lines.append(row(f"{contestant}: forward", 1000 * forward, "ms"))
            lines.append(row(f"{contestant}: backward", 1000 * backward, "ms"))
        for rival in (DENSE, LOOP):
            slow, fast = times[rival], times[SPARSE]
            lines.append(row(f"sparse against {rival}: backward", slow[1] / fast[1], "×"))
            lines.append(row(f"sparse against {rival}: both", sum(slow) / sum(fast), "×"))
    return Table(found).show(lines)


def compare(device: str, steps: int, batch: int, repeats: int):
    """Median seconds (forward, backward) by contestant, share active, difference of gradients."""
    network, frames, labels = (part.to(device) for part in setting(steps, batch))
    method = LocalZO(delta=DELTA, samples=1)
    surrogate = surrogate_spike(method.smoothing.surrogate)
    share, seconds, kept = 0.0, {name: [] for name in (DENSE, LOOP, SPARSE)}, {}

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for repeat in range(repeats + 1):  # the first is not counted
        for name, spike in ((DENSE, surrogate), (LOOP, method.spike(0))):
            network.zero_grad(set_to_none=True)
            start = now()
            loss = cross_entropy(network.logits(frames, spike=spike), labels)
            middle = now()
            loss.backward()
            seconds[name].append((middle - start, now() - middle))
        kept[LOOP] = [parameter.grad.clone() for parameter in network.parameters()]
        network.zero_grad(set_to_none=True)
        spike = method.spike(0)
        start = now()
        run = SparsePass(
            network, frames, lambda u, s=spike: s.smoothing.derivative(u, s.draw(u))
        )  # fmt: skip
        logits = (network.logit_scale * run.outputs).requires_grad_()
        cross_entropy(logits, labels).backward()
        middle = now()
        run.backward(network.logit_scale * logits.grad)
        seconds[SPARSE].append((middle - start, now() - middle))
        kept[SPARSE] = [parameter.grad.clone() for parameter in network.parameters()]
        share = run.active_fraction
        if repeat == 0:
            seconds = {name: [] for name in seconds}
    apart = max(
        ((a - b).abs().max() / b.abs().max()).item()
        for a, b in zip(kept[SPARSE], kept[LOOP], strict=True)
    )
    medians = {
        name: tuple(statistics.median(part) for part in zip(*values, strict=True))
        for name, values in seconds.items()
    }
    return medians, share, apart
