"""A generation shared among processes of one thread each, and what it is made of.

Shares of a population are timed one after another in a single process, by its processor time, since
more processes than cores would compete. All-gathers are timed among up to four, and whole shared
generations among two, interleaved with the same generation in one. Processor time is given beside
the time that passes: it tells what two free cores would reach if these are busy. And a generation
is timed in one process beside another one that does the same: a processor may run faster while its
other cores are idle, an advantage of being alone that no program can share out. Last, one process
evaluates half of the members and takes the whole step: two that never waited for each other would
be as fast as that.
"""

import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
import torch.distributed as dist

from course_lib.estimators import EGGROLL
from course_lib.events import load_splits
from course_lib.network import SpikingNetwork
from course_lib.run.processes import Processes
from course_lib.run.scaling import Shared
from course_lib.schedule import draw_batch
from studies.bench.timing import Table, row

SIZES, BATCH, POPULATIONS = (2312, 256, 10), 256, (64, 256, 1024)
#: processes of which one's part is timed alone; all-gathers: processes, and bytes of the messages
PARTS, GATHERING, MESSAGES = (1, 2, 4), (2, 3, 4), (8, 1024, 65536, 1048576)


def scaling(repeats: int, quick: bool = False) -> Table:
    """One generation of EGGROLL, T = 10, batch 256, in one process of one thread and in two."""
    population = 64 if quick else 1024
    medians, lines = {}, []
    for hidden, rank in ((256, 1), (256, 8), (1024, 1)):
        found = pairs(repeats, (population,), hidden, rank)[population]
        setting = f"2312-{hidden}-10, rank {rank}, population {population}"
        medians |= {f"{setting}: {name}": value for name, value in found.items()}
        bar = 1.8 if (hidden, rank, quick) == (256, 1, False) else None
        lines += [
            setting,
            row("one process", 1000 * found["alone"], "ms"),
            row("two processes", 1000 * found["shared"], "ms"),
            row("two processes against one", found["alone"] / found["shared"], "×", bar),
            row("the same in processor time", found["alone_cpu"] / found["shared_cpu"], "×"),
            row("against one beside another one", found["beside"] / found["shared"], "×"),
            row("one process with half of the members", 1000 * found["half"], "ms"),
            row("two processes could reach at most", found["alone"] / found["half"], "×"),
        ]
    return Table(medians).show(lines)


def parts(repeats: int) -> list[dict]:
    """Shares of a generation in one process: population, members evaluated, processor seconds."""
    return in_processes(1, _parts, repeats, POPULATIONS)


def gathers(repeats: int) -> list[dict]:
    """All-gathers: processes, bytes of a message, seconds."""
    return [
        found for number in GATHERING for found in in_processes(number, _gathers, 5 * repeats)
    ]


def pairs(
    repeats: int, populations: tuple[int, ...], hidden: int = SIZES[1], rank: int = 1
) -> dict[int, dict]:
    """By population: seconds of a generation of one process and of two, and bytes received."""
    return in_processes(2, _pair, repeats, populations, hidden, rank)


def in_processes(number: int, work: Callable, *arguments):
    """What ``work(rank, number, *arguments)`` returns in the first of so many new processes."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = "1"
        try:
            torch.multiprocessing.spawn(_start, (number, folder, work, arguments), number)
        finally:
            del os.environ["OMP_NUM_THREADS"]
            if before is not None:
                os.environ["OMP_NUM_THREADS"] = before
        return torch.load(f"{folder}/result.pt")


def _start(rank: int, number: int, folder: str, work: Callable, arguments: tuple) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", number)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=number)
    result = work(rank, number, *arguments)
    if rank == 0:
        torch.save(result, f"{folder}/result.pt")
    dist.barrier()
    dist.destroy_process_group()


class Generations:
    """A network and its data, and generations of it."""

    def __init__(self, hidden: int = SIZES[1]):
        self.train = load_splits(progress=False).train
        sizes = (SIZES[0], hidden, SIZES[-1])
        self.network = SpikingNetwork(sizes, weight_sd=(0.04, 0.2))
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True)
        self.room = self.train.room(BATCH)

    def run(self, estimator, share: range | None = None) -> tuple[float, float]:
        """A whole generation, or all but the gathering if ``share`` is to be evaluated.

        Returns seconds, and seconds of processor time.
        """
        start, start_cpu = time.perf_counter(), time.process_time()
        frames, labels = draw_batch(
            self.train, 0, BATCH, seed=0, out=self.room, packed=estimator.reads_events
        )
        if share is None:
            estimator.fill_grads(self.network, frames, labels, 1)
        else:
            with torch.no_grad():
                fitness = estimator.evaluate(self.network, frames, labels, 1, share)
                weights = torch.zeros(estimator.draws)
                weights[share.start : share.stop] = estimator.draw_weights(fitness)
                estimator.write_gradient(self.network, frames, weights, 1)
        self.optimizer.step()
        return time.perf_counter() - start, time.process_time() - start_cpu


def _parts(process: int, number: int, repeats: int, populations: tuple[int, ...]) -> list[dict]:
    generations, seconds = Generations(), {}
    for turn in range(repeats + 1):
        for population in populations:
            for processes in PARTS:
                estimator = EGGROLL(population, (0.014, 0.05))
                share = range(estimator.draws // processes)
                _, took = generations.run(estimator, share)
                if turn:
                    seconds.setdefault((population, 2 * len(share)), []).append(took)
    return [{"population": population, "share": share, "seconds": statistics.median(values)}
            for (population, share), values in seconds.items()]  # fmt: skip


def _pair(
    process: int,
    number: int,
    repeats: int,
    populations: tuple[int, ...],
    hidden: int,
    rank: int,
) -> dict:
    generations, found = Generations(hidden), {}
    for population in populations:
        alone = EGGROLL(population, (0.014, 0.05), rank=rank)
        processes = Processes(process, number)
        shared = Shared(copy.copy(alone), processes, verify_every=10**9)
        seconds: dict[str, list[float]] = {}
        for turn in range(repeats + 3):  # the first two generations are verified: warm up with them
            dist.barrier()
            took = generations.run(alone) if process == 0 else (0.0, 0.0)
            for tensor in generations.network.parameters():
                dist.broadcast(tensor.data, src=0)  # the other sat that generation out
            before = processes.received
            dist.barrier()
            took += generations.run(shared)
            received = processes.received - before
            dist.barrier()
            beside, _ = generations.run(alone)  # every process by itself
            dist.barrier()
            half = generations.run(alone, range(alone.draws // 2))[0] if process == 0 else 0.0
            if turn > 2:
                cpu = processes.all_gather(torch.tensor([took[3]], dtype=torch.float64)).max()
                values = dict(alone=took[0], alone_cpu=took[1], shared=took[2], shared_cpu=cpu,
                              beside=beside, half=half)  # fmt: skip
                for name, value in values.items():
                    seconds.setdefault(name, []).append(float(value))
        found[population] = {name: statistics.median(values) for name, values in seconds.items()}
        found[population]["received_bytes"] = received
    return found


def _gathers(process: int, number: int, repeats: int) -> list[dict]:
    processes, rows = Processes(process, number), []
    for size in MESSAGES:
        message, seconds = torch.zeros(size, dtype=torch.uint8), []
        for _ in range(repeats + 3):
            dist.barrier()
            start = time.perf_counter()
            processes.all_gather(message)
            seconds.append(time.perf_counter() - start)
        rows.append({"processes": number, "bytes": size, "seconds": statistics.median(seconds[3:])})
    return rows
