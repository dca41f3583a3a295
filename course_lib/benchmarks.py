"""Benchmarks: ours and its rivals interleaved in one process, reported as ratios of medians.

Machines are noisy and differ, so seconds mean little and ratios of neighbours in time mean more:
every repeat runs each contestant once, and the table shows medians and their ratio.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch

from course_lib.events.files import write_atomic
from course_lib.localzo_benchmark import Table, localzo, sparsegrad
from course_lib.machine import machine, revision
from course_lib.scaling_benchmark import scaling


def interleaved(contestants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each contestant; every one is run once before the clock starts."""
    for run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def frames(repeats: int) -> dict[str, float]:
    """Events to T = 10 clamped frames, 50 recordings: ours against tonic's ToFrame."""
    import tonic

    from course_lib.events import SENSOR_SIZE, load_digits, pack, simulate

    images = load_digits().images[::100]
    recordings = [simulate(image, seed) for seed, image in enumerate(images)]
    to_frame = tonic.transforms.ToFrame(sensor_size=SENSOR_SIZE, n_time_bins=10)
    return interleaved(
        {
            "ours, packed bits": lambda: [pack(events, 10) for events in recordings],
            "tonic ToFrame": lambda: [to_frame(events).clip(0, 1) for events in recordings],
        },
        repeats,
    )


def generation(repeats: int) -> dict[str, float]:
    """One generation, 2312-256-10, T = 10, batch 64, population 64, both readable plain torch."""
    from course_lib.estimators import EGGROLL, ES
    from course_lib.events import load_splits
    from course_lib.network import SpikingNetwork

    train = load_splits(progress=False).train
    batch, labels = train.frames(range(64)), train.labels[:64]
    network = SpikingNetwork((2312, 256, 10))
    optimizer = torch.optim.Adam(network.parameters())

    def step(estimator):
        estimator.fill_grads(network, batch, labels)
        optimizer.step()

    methods = {f"EGGROLL, rank {r}": EGGROLL(population=64, rank=r) for r in (1, 4, 8)}
    methods["full-rank ES, one member at a time"] = ES(population=64)
    return interleaved(
        {name: lambda estimator=e: step(estimator) for name, e in methods.items()}, repeats
    )


BENCHMARKS = {"frames": frames, "generation": generation}
BENCHMARKS |= {"localzo": localzo, "sparsegrad": sparsegrad}
BENCHMARKS |= {"scaling": scaling}


def main(names: list[str], repeats: int, path: Path | None) -> int:
    """Run benchmarks, print a table each, and write them as JSON if a path is given."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown or repeats < 1:
        raise ValueError(
            f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}" if unknown
            else f"repeats is {repeats}; it must be at least 1"
        )  # fmt: skip
    here = {**machine(), "threads": torch.get_num_threads()}
    print(", ".join(f"{key} {value}" for key, value in here.items()))
    results = {}
    for name in names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        print(f"\n{name}: {benchmark.__doc__.strip()}", flush=True)
        medians = benchmark(repeats)
        slowest = max(medians.values())
        if isinstance(medians, Table):
            print(medians.text)
        else:
            for contestant, seconds in medians.items():
                print(f"  {contestant:38s} {1000 * seconds:10.2f} ms   {slowest / seconds:6.1f} ×")
        results[name] = medians
        sys.stdout.flush()
    if path:
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": here,
            "revision": revision(),
            "repeats": repeats,
            "median_seconds": results,
        }
        text = json.dumps(record, indent=2).encode()
        write_atomic(path, lambda stream: stream.write(text))
    return 0
