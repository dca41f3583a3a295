"""python3 course.py doctor: what is installed, found and wrong here, in a form to paste.

Nothing in it names a person, a host or a folder. Every part is tried by itself, since it is asked
for on machines where something fails.
"""

import importlib.metadata
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = (
    "torch", "numba", "llvmlite", "numpy", "tonic", "matplotlib", "ipywidgets", "jupyterlab",
)  # fmt: skip
STORED = "results/bench-generation-64.json"
SLOW = 5  # times the stored seconds of a generation before it counts as wrong


def versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} MISSING")
    return ", ".join(found)


def device() -> str:
    import torch

    from course_lib.run.machine import machine

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU seen"
    here, vectors = machine(), torch.backends.cpu.get_cpu_capability()
    return f"{here['processor']} ({vectors}), {here['cores']} cores, {here['system']}; {gpu}"


def threads() -> str:
    import torch

    asked = {name: os.environ.get(name, "-") for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    said = f"torch {torch.get_num_threads()}, " + ", ".join(f"{n}={v}" for n, v in asked.items())
    if torch.get_num_threads() > (os.cpu_count() or 1):
        raise ValueError(f"{said}: more threads than cores; unset OMP_NUM_THREADS")
    return said


def caches() -> str:
    from course_lib.events.files import cache_folder

    folder = cache_folder()
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file()] if folder.is_dir() else []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):  # raises where it cannot be written
        return f"{len(sizes)} files, {sum(sizes) / 1e6:.0f} MB, can be written"


def data() -> str:
    from course_lib.events import find_recordings, load_digits

    said = f"{len(load_digits().labels):,} embedded digits"
    if not os.environ.get("NMNIST_DIR"):
        return said + "; NMNIST_DIR is not set, so no real recordings"
    found = find_recordings(os.environ["NMNIST_DIR"])
    return said + f"; {len(found.train):,} + {len(found.test):,} recordings in NMNIST_DIR"


def generation() -> str:
    """Seconds of one generation of rank 1, beside those stored with the course."""
    import torch

    from course_lib.estimators import EGGROLL
    from course_lib.events.files import data_file
    from course_lib.network import SpikingNetwork

    path = data_file(STORED, f"data/{STORED} was not found; it comes with the repository")
    stored = json.loads(path.read_text(encoding="utf-8"))["median_seconds"]["EGGROLL, rank 1"]
    network, estimator = SpikingNetwork((2312, 256, 10)), EGGROLL(population=64)
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(10, 256, 2312, generator=generator) < 0.05).float()
    labels, seconds = torch.arange(256) % 10, []
    for step in range(6):
        start = time.perf_counter()
        estimator.fill_grads(network, frames, labels, step=step)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[1:])  # the first one compiles
    said = f"{1000 * median:.1f} ms, stored {1000 * stored:.1f} ms; the first {seconds[0]:.1f} s"
    if median > SLOW * stored:
        raise RuntimeError(f"{said}: slow; is another program busy, or no compiled kernel used?")
    return said


def revision() -> str:
    from course_lib import __version__
    from course_lib.run.machine import revision

    return f"{__version__}, revision {revision()}; Python {sys.version.split()[0]}"


PARTS: dict[str, Callable[[], str]] = {
    "course": revision, "packages": versions, "device": device, "threads": threads,
    "cache": caches, "data": data, "generation": generation,
}  # fmt: skip


def examine(parts: dict[str, Callable[[], str]] = PARTS) -> tuple[list[str], list[str]]:
    """(a line for every part, what is wrong)."""
    lines, wrong = [], []
    for name, part in parts.items():
        try:
            said = part()
            if "MISSING" in said:
                wrong.append(f"{name}: {said}")
        except Exception as error:  # whatever it is, it is what the report is for
            said = f"{type(error).__name__}: {error}"
            wrong.append(f"{name}: {said}")
        lines.append(f"{name:11} {said}")
    home = str(Path.home())
    return [line.replace(home, "~") for line in lines], [w.replace(home, "~") for w in wrong]


def main() -> int:
    lines, wrong = examine()
    print("```", *lines, sep="\n")
    print("wrong       " + ("\n            ".join(wrong) or "nothing found"), "```", sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
