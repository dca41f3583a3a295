"""Benchmarks: ours and its rivals interleaved in one process, reported as ratios of medians.

Machines are noisy and differ, so seconds mean little and ratios of neighbours in time mean more.
To add one, write a function (repeats, quick) → Table, whose docstring is its title, and enter it
in BENCHMARKS. What it times of ours is what users run.
"""

from collections.abc import Callable
from pathlib import Path

from course_lib.events import SENSOR_SIZE, load_digits, pack, simulate
from studies.bench import device, fresh, generation, localzo, peers, scaling, step
from studies.bench.store import here, store
from studies.bench.timing import Table, Times, row


def frames(repeats: int, quick: bool = False) -> Table:
    """Events to T = 10 clamped frames, 50 recordings (quick: 5): ours against tonic's ToFrame."""
    import tonic

    images = load_digits().images[:: 1000 if quick else 100]
    recordings = [simulate(image, seed) for seed, image in enumerate(images)]
    to_frame = tonic.transforms.ToFrame(sensor_size=SENSOR_SIZE, n_time_bins=10)
    contestants = {
        "ours, packed bits": lambda: [pack(events, 10) for events in recordings],
        "tonic ToFrame": lambda: [to_frame(events).clip(0, 1) for events in recordings],
    }
    times = Times(contestants, repeats)
    lines = [row(name, 1000 * times.median(name), "ms") for name in contestants]
    lines.append(row("ours against tonic", times.ratio("tonic ToFrame", "ours, packed bits"), "×"))
    return Table(times.medians()).show(lines)


BENCHMARKS: dict[str, Callable[[int, bool], Table]] = {
    "frames": frames,
    "generation": generation.generation,
    "generation-64": generation.generation_of_64,
    "generation-1024": generation.generation_of_1024_neurons,
    "generation-convolutions": generation.generation_of_convolutions,
    "noise": generation.noise,
    "live": generation.live,
    "memory": fresh.memory,
    "start": fresh.start,
    "scaling": scaling.scaling,
    "jax": peers.jax,
    "torcheggroll": peers.torcheggroll,
    "localzo": localzo.localzo,
    "step": step.step,
    "gpu": device.gpu,
}


def main(
    names: list[str], repeats: int, quick: bool = False, folder: Path | None = None
) -> int:
    """Run benchmarks, and print a table each.

    quick: small sizes, to see that everything works; the bars hold at full size.
    folder: where to keep each benchmark's figures and table, see ``bench/store.py``.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise ValueError(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; it must be at least 1")
    record = here() | {"repeats": repeats, "quick": quick}
    print(", ".join(f"{key} {value}" for key, value in record["machine"].items()))
    for name in names or BENCHMARKS:
        title = BENCHMARKS[name].__doc__.strip()
        print(f"\n{name}: {title}", flush=True)
        table = BENCHMARKS[name](repeats, quick)
        print(table.text, flush=True)
        if folder:
            own = {"title": title, "text": table.text, "median_seconds": table,
                   "figures": table.figures}  # fmt: skip
            store(folder, name, record | own)
    return 0
