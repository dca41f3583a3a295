"""What a process has to bear that starts afresh: compiling, and the memory of a generation."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from studies.bench.timing import Table, row

STARTING = """
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
GROWING = """
import sys
from studies.bench.fresh import high_water
from studies.bench.generation import Setting, generation_of
from course_lib.estimators import EGGROLL
hidden, population, rank, batch = map(int, sys.argv[1:])
generation_of(EGGROLL(population=2, rank=rank), Setting(hidden, 2, 2))()
before = high_water()
generation_of(EGGROLL(population=population, rank=rank), Setting(hidden, population, batch))()
print(before, high_water())
"""


def child(code: str, *arguments: object, **variables: str) -> str:
    """What a new Python prints that runs this code."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=True, env={**os.environ, **variables},
    )  # fmt: skip
    return done.stdout


def start(repeats: int, quick: bool = False) -> Table:
    """EGGROLL's first generation, whose kernels are compiled once and loaded at later starts."""
    first, later = [], []
    for _ in range(1 if quick else min(repeats, 3)):
        with tempfile.TemporaryDirectory() as folder:
            first.append(compiled(folder))
            later.append(compiled(folder))
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


def compiled(cache: str) -> tuple[float, float, float, float]:
    """Seconds and processor seconds of Numba's own start, then those of the kernels."""
    (a, b), (c, d), (e, f) = json.loads(child(STARTING, NUMBA_CACHE_DIR=cache))
    return c - a, d - b, e - c, f - d


def memory(repeats: int, quick: bool = False) -> Table:
    """Peak memory of one generation, batch 256, against the size of its perturbations."""
    if sys.platform == "win32":
        return Table().show(["  skipped: Windows does not tell a process's peak memory this way"])
    cases = [(256, n, 1) for n in (64, 256, 1024, 4096)] + [(1024, 4096, 1), (1024, 4096, 8)]
    result, lines = Table(), []
    for hidden, population, rank in cases[:2] if quick else cases:
        before, after = map(int, child(GROWING, hidden, population, rank, 256).split())
        low = population // 2 * rank * (2312 + 2 * hidden + 10)
        full = population // 2 * (2312 * hidden + hidden * 10)
        name = f"hidden {hidden}, population {population}, rank {rank}"
        result[f"{name}: bytes"] = after - before
        bar = 2000 if (hidden, population) == (1024, 4096) else None
        lines.append(row(f"{name}: whole process", after / 1e6, "MB", bar, True))
        lines.append(
            f"      the generation {(after - before) / 1e6:.0f} MB; its factors are "
            f"{4 * low / 1e6:.0f} MB, full-rank perturbations would be {4 * full / 1e6:,.0f} MB"
        )
    return result.show(lines)


def high_water() -> int:
    """Most bytes that this process has held in memory so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # a child's ru_maxrss begins with its parent's
        lines = status.read_text(encoding="utf-8").splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
