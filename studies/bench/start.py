"""What compiling costs: once, and at every later start."""

import json
import os
import subprocess
import sys
import tempfile

from studies.bench.timing import Table, row

CHILD = """
import json, time
import numba, torch
from course_lib.estimators import EGGROLL
from course_lib.network import SpikingNetwork

@numba.njit
def nothing():
    pass

network, frames = SpikingNetwork((20, 10, 4)), torch.ones(3, 8, 20)
labels = torch.zeros(8, dtype=torch.int64)
times = [(time.perf_counter(), time.process_time())]
nothing()
times.append((time.perf_counter(), time.process_time()))
EGGROLL(population=4).fill_grads(network, frames, labels)
times.append((time.perf_counter(), time.process_time()))
print(json.dumps(times))
"""


def start(repeats: int, quick: bool = False) -> Table:
    """EGGROLL's first generation, whose kernels are compiled once and loaded at later starts."""
    first, later = [], []
    for _ in range(1 if quick else min(repeats, 3)):
        with tempfile.TemporaryDirectory() as folder:
            first.append(run(folder))
            later.append(run(folder))
    names = ("Numba itself", "Numba itself, processor", "kernels", "kernels, processor")
    medians = {
        f"{when}: {name}": sorted(one[k] for one in found)[len(found) // 2]
        for when, found in (("first", first), ("later", later))
        for k, name in enumerate(names)
    }
    lines = ["an empty function, then a generation; processor time in brackets"]
    for when, bar in (("first", 9), ("later", 0.5)):
        own, own_cpu, kernels, kernels_cpu = (medians[f"{when}: {name}"] for name in names)
        lines += [
            row(f"{when} start: Numba by itself ({own_cpu:.2f} s)", own, "s"),
            row(f"{when} start: EGGROLL's kernels ({kernels_cpu:.2f} s)", kernels, "s"),
            row(f"{when} start: both ({own_cpu + kernels_cpu:.2f} s)", own + kernels, "s",
                None if quick else bar, True),
        ]  # fmt: skip
    return Table(medians).show(lines)


def run(cache: str) -> tuple[float, float, float, float]:
    """Seconds and processor seconds of Numba's own start, then those of the kernels."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True,
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
    )  # fmt: skip
    (a, b), (c, d), (e, f) = json.loads(done.stdout)
    return c - a, d - b, e - c, f - d
