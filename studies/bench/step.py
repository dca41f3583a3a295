"""One step of every method that goes through time, against backpropagation through time."""

import numpy as np

from course_lib.estimators import METHODS
from course_lib.estimators.base import Estimator
from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.events import FrameSet
from course_lib.network import SpikingNetwork
from studies.bench.localzo import frame_set
from studies.bench.timing import Table, Times, row

BATCH, STEPS = 64, (10, 100, 300)
SIZES = ((2312, 128, 10), (2312, 256, 10), (2312, 200, 200, 10))
#: no slower than this many times BPTT, at any number of steps
AT_MOST = 1.1
BPTT = "BPTT"


def methods() -> dict[str, Estimator]:
    """Those of one forward pass, at their own defaults, and settings of LocalZO and SparseGrad."""
    found = {}
    for method in METHODS.values():
        one = method()
        if one.forward_passes == 1:
            found[method.label] = one
    for method in (LocalZO, SparseGrad):
        for delta, samples in ((0.05, 1), (0.5, 20)):
            name = f"{method.label}, δ {delta}, m {samples}"
            found[name] = method(delta=delta, samples=samples)
    return found


def contestant(method: Estimator, network: SpikingNetwork, data: FrameSet):
    """A step, of a batch as a training draws it: bits, for methods that read events alone."""
    everyone = np.arange(len(data))
    frames = None if method.reads_events else data.frames()
    counter = iter(range(10**9))

    def run():
        batch = data.packed_frames(everyone) if frames is None else frames
        method.fill_grads(network, batch, data.labels, next(counter))

    return run


def step(repeats: int, quick: bool = False) -> Table:
    """A step of LocalZO, SparseGrad and the online methods against BPTT, saccade digits."""
    cases = [(4, 8, (2312, 16, 10))] if quick else [(t, BATCH, s) for t in STEPS for s in SIZES]
    result, lines = Table(), []
    for steps, batch, sizes in cases:
        network, data = SpikingNetwork(sizes), frame_set(steps, batch)
        contestants = {
            name: contestant(method, network, data) for name, method in methods().items()
        }
        times = Times(contestants, repeats if steps < 100 else max(1, repeats // 3))
        setting = f"{'-'.join(map(str, sizes))}, T = {steps}, batch {batch}"
        lines += [setting, row(BPTT, 1000 * times.median(BPTT), "ms")]
        for name in contestants:
            result[f"{setting}: {name}"] = times.median(name)
            if name != BPTT:
                bar = None if quick else AT_MOST
                lines.append(row(f"{name}, times BPTT", times.ratio(name, BPTT), "×", bar, True))
    return result.show(lines)
