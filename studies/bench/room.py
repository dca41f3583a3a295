"""Peak memory of a generation, measured as the growth of a process's resident set."""

import subprocess
import sys
from pathlib import Path

from studies.bench.timing import Table, row

CHILD = """
import sys
from studies.bench.generation import Setting, generation_of, training_set
from studies.bench.room import high_water
from course_lib.estimators import EGGROLL
hidden, population, rank, batch = map(int, sys.argv[1:])
generation_of(EGGROLL(population=2, rank=rank), Setting(hidden, 2, 2))()
before = high_water()
generation_of(EGGROLL(population=population, rank=rank), Setting(hidden, population, batch))()
print(before, high_water())
"""


def high_water() -> int:
    """Most bytes that this process has held in memory so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # a child's ru_maxrss begins with its parent's
        (line,) = (
            line
            for line in status.read_text(encoding="utf-8").splitlines()
            if line.startswith("VmHWM")
        )
        return 1024 * int(line.split()[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def memory(repeats: int, quick: bool = False) -> Table:
    """Peak memory of one generation, batch 256, against the size of its perturbations."""
    if sys.platform == "win32":
        return Table().show(["  skipped: Windows does not tell a process's peak memory this way"])
    cases = [(256, n, 1) for n in (64, 256, 1024, 4096)] + [(1024, 4096, 1), (1024, 4096, 8)]
    result, lines = Table(), []
    for hidden, population, rank in cases[:2] if quick else cases:
        before, after = peak(hidden, population, rank)
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


def peak(hidden: int, population: int, rank: int, batch: int = 256) -> tuple[int, int]:
    """Peak resident bytes of a fresh process before and after one generation."""
    numbers = [str(number) for number in (hidden, population, rank, batch)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *numbers], capture_output=True, text=True, check=True
    )
    before, after = done.stdout.split()
    return int(before), int(after)
