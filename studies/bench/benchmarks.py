"""Benchmarks: ours and its rivals interleaved in one process, reported as ratios of medians.

Machines are noisy and differ, so seconds mean little and ratios of neighbours in time mean more:
every repeat runs each contestant once, and the table shows medians and their ratio.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import torch

from course_lib.run.machine import machine, revision, vectors
from studies.bench.device import gpu
from studies.bench.generation import (
    generation,
    generation_of_64,
    generation_of_1024_neurons,
    noise,
)
from studies.bench.live import live
from studies.bench.localzo import localzo, sparsegrad
from studies.bench.localzo_device import localzo_gpu
from studies.bench.neurons import lif
from studies.bench.peers import jax, torcheggroll
from studies.bench.room import memory
from studies.bench.scaling import scaling
from studies.bench.start import start
from studies.bench.store import save, store
from studies.bench.timing import Table, interleaved


def frames(repeats: int, quick: bool = False) -> dict[str, float]:
    """Events to T = 10 clamped frames, 50 recordings (quick: 5): ours against tonic's ToFrame."""
    import tonic

    from course_lib.events import SENSOR_SIZE, load_digits, pack, simulate

    images = load_digits().images[:: 1000 if quick else 100]
    recordings = [simulate(image, seed) for seed, image in enumerate(images)]
    to_frame = tonic.transforms.ToFrame(sensor_size=SENSOR_SIZE, n_time_bins=10)
    return interleaved(
        {
            "ours, packed bits": lambda: [pack(events, 10) for events in recordings],
            "tonic ToFrame": lambda: [to_frame(events).clip(0, 1) for events in recordings],
        },
        repeats,
    )


BENCHMARKS = {"frames": frames, "generation": generation, "generation-64": generation_of_64}
BENCHMARKS |= {"generation-1024": generation_of_1024_neurons, "noise": noise, "memory": memory}
BENCHMARKS |= {"start": start, "live": live, "lif": lif, "jax": jax, "torcheggroll": torcheggroll}
BENCHMARKS |= {"localzo": localzo, "sparsegrad": sparsegrad, "scaling": scaling, "gpu": gpu}
BENCHMARKS |= {"localzo-gpu": localzo_gpu}


def main(
    names: list[str],
    repeats: int,
    path: Path | None,
    quick: bool = False,
    folder: Path | None = None,
) -> int:
    """Run benchmarks, print a table each, and write them as JSON if a path is given.

    quick: small sizes, to see that everything works; the bars hold at full size.
    folder: where to keep each benchmark's figures and table, see ``bench/store.py``.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown or repeats < 1:
        raise ValueError(
            f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}" if unknown
            else f"repeats is {repeats}; it must be at least 1"
        )  # fmt: skip
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine(), "vectors": vectors(), "threads": torch.get_num_threads()},
        "revision": revision(),
        "repeats": repeats,
        "quick": quick,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }
    print(", ".join(f"{key} {value}" for key, value in record["machine"].items()))
    results = {}
    for name in names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        title = benchmark.__doc__.strip()
        print(f"\n{name}: {title}", flush=True)
        results[name] = benchmark(repeats, quick)
        text = table_text(results[name])
        print(text, flush=True)
        if folder:
            own = {"title": title, "text": text, "median_seconds": results[name],
                   "figures": getattr(results[name], "figures", ())}  # fmt: skip
            store(folder, name, record | own)
    if path:
        save(path, record | {"median_seconds": results})
    return 0


def table_text(medians: dict[str, float]) -> str:
    """A benchmark's own table, or a line for each contestant's seconds."""
    if isinstance(medians, Table):
        return medians.text
    slowest = max(medians.values())
    return "\n".join(
        f"  {contestant:38s} {1000 * seconds:10.2f} ms   {slowest / seconds:6.1f} ×"
        for contestant, seconds in medians.items()
    )
