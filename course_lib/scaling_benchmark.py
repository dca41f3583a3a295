"""Measure what ``scaling_model.py`` is fitted to, in processes of one thread each.

Shares of a population are timed one after another in a single process, by its processor time, since
more processes than cores would compete. All-gathers are timed among up to four, and whole shared
generations among two, interleaved with the same generation in one. Their processor time is given
beside the time that passes: it tells what two free cores would reach if these are busy.
"""

import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
import torch.distributed as dist

from course_lib import scaling_page
from course_lib.bench.timing import Table
from course_lib.estimators import EGGROLL
from course_lib.events import load_splits
from course_lib.events.files import write_atomic
from course_lib.machine import machine, revision
from course_lib.network import SpikingNetwork
from course_lib.processes import Processes
from course_lib.scaling import Shared
from course_lib.scaling_model import (
    NETWORKS,
    as_record,
    fit_compute,
    fit_network,
    generation,
    predictions,
)  # fmt: skip
from course_lib.training import draw_batch

SIZES, BATCH, POPULATIONS = (2312, 256, 10), 256, (64, 256, 1024)
SETTING = "one generation of EGGROLL, rank 1, 2312-256-10, T = 10, batch 256, one thread a process"
#: processes that share a population, and of which one's part is timed alone
RESULTS = Path(__file__).resolve().parents[1] / "data" / "results" / "scaling.json"
PARTS, MESSAGES = (1, 2, 4), (8, 1024, 65536, 1048576)


def scaling(repeats: int, quick: bool = False) -> Table:
    """One generation of EGGROLL, T = 10, batch 256, population 1024 (quick: 64), in one process of
    one thread and in two."""
    population = 64 if quick else 1024
    result, lines = Table(), []
    for hidden, rank in ((256, 1), (256, 8), (1024, 1)):
        pair = in_processes(2, _pair, repeats, (population,), hidden, rank)[population]
        name = f"hidden {hidden}, rank {rank}"
        for key, who in {"alone": "one process", "shared": "two"}.items():
            result[f"{name}, {who}"] = pair[key]
            result[f"{name}, {who}, processor time"] = pair[f"{key}_cpu"]
        lines.append(f"{name}\n{pair_text(population, pair)}")
    result.text = "\n".join(lines)
    return result


def pair_text(population: int, pair: dict) -> str:
    return (
        f"  population {population:5d}: one process {1000 * pair['alone']:.1f} ms, two "
        f"{1000 * pair['shared']:.1f} ms, {pair['alone'] / pair['shared']:.2f} × "
        f"(processor time {1000 * pair['alone_cpu']:.1f} and {1000 * pair['shared_cpu']:.1f} ms, "
        f"{pair['alone_cpu'] / pair['shared_cpu']:.2f} ×)"
    )


def main(repeats: int, path: Path | None) -> int:
    """Measure, fit, print the model and write it as JSON if a path is given.

    With data/results/scaling.json, the tables of scaling.md are renewed as well.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; it must be at least 1")
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(), "revision": revision(), "setting": SETTING, "repeats": repeats,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        **measure(repeats),
    }  # fmt: skip
    record |= fitted(record)
    print(describe(record))
    if path:
        text = json.dumps(record, indent=1).encode()
        write_atomic(path, lambda stream: stream.write(text))
        if path.resolve() == RESULTS.resolve():
            scaling_page.update(record)
    return 0


# --------------------------------------------------------------------------------------- measuring


def measure(repeats: int) -> dict:
    """Medians of seconds: parts of a generation, all-gathers, and generations of two processes."""
    gathers = []
    for processes in (2, 3, 4):
        gathers += in_processes(processes, _gathers, 5 * repeats)
    pairs = in_processes(2, _pair, repeats, POPULATIONS)
    return {
        "parts": in_processes(1, _parts, repeats),
        "gathers": gathers,
        "pairs": [{"population": n, **pair} for n, pair in pairs.items()],
    }


def fitted(record: dict) -> dict:
    """The model's constants, its errors and what it predicts."""
    compute = fit_compute([(r["population"], r["share"], r["seconds"]) for r in record["parts"]])
    network = fit_network([(r["processes"], r["bytes"], r["seconds"]) for r in record["gathers"]])
    errors = [
        compute.seconds(r["population"], r["share"]) / r["seconds"] - 1 for r in record["parts"]
    ]
    pairs = [{**p, "predicted": generation(p["population"], 2, compute, network)}
             for p in record["pairs"]]  # fmt: skip
    weights = sum(m * n + n for m, n in zip(SIZES[:-1], SIZES[1:], strict=True))
    networks = {"between processes of this machine": network, **NETWORKS}
    return {
        "model": as_record(compute, network), "weights": weights, "pairs": pairs,
        "largest_relative_error": max(map(abs, errors)),
        "predictions": predictions(compute, networks, weights),
    }  # fmt: skip


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
        self.optimizer = torch.optim.Adam(self.network.parameters())

    def run(self, estimator, share: range | None = None) -> tuple[float, float]:
        """A whole generation, or all but the gathering if ``share`` is to be evaluated.

        Returns seconds, and seconds of processor time.
        """
        start, start_cpu = time.perf_counter(), time.process_time()
        frames, labels = draw_batch(self.train, 0, BATCH, seed=0)
        if share is None:
            estimator.fill_grads(self.network, frames, labels, 1)
        else:
            with torch.no_grad():
                fitness = estimator.evaluate(self.network, frames, labels, 1, share)
                weights = torch.zeros(estimator.draws).index_add_(
                    0, torch.arange(len(share)), fitness.sum(dim=1)
                )
                estimator.write_gradient(self.network, weights, 1)
        self.optimizer.step()
        return time.perf_counter() - start, time.process_time() - start_cpu


def _parts(rank: int, number: int, repeats: int) -> list[dict]:
    generations, seconds = Generations(), {}
    for turn in range(repeats + 1):
        for population in POPULATIONS:
            for parts in PARTS:
                estimator = EGGROLL(population, (0.014, 0.05))
                share = range(estimator.draws // parts)
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
    hidden: int = SIZES[1],
    rank: int = 1,
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
            if turn > 2:
                cpu = processes.all_gather(torch.tensor([took[3]], dtype=torch.float64)).max()
                values = dict(alone=took[0], alone_cpu=took[1], shared=took[2], shared_cpu=cpu)
                for name, value in values.items():
                    seconds.setdefault(name, []).append(float(value))
        found[population] = {name: statistics.median(values) for name, values in seconds.items()}
        found[population]["received_bytes"] = received
    return found


def _gathers(rank: int, number: int, repeats: int) -> list[dict]:
    processes, rows = Processes(rank, number), []
    for size in MESSAGES:
        message, seconds = torch.zeros(size, dtype=torch.uint8), []
        for _ in range(repeats + 3):
            dist.barrier()
            start = time.perf_counter()
            processes.all_gather(message)
            seconds.append(time.perf_counter() - start)
        rows.append({"processes": number, "bytes": size, "seconds": statistics.median(seconds[3:])})
    return rows


# -------------------------------------------------------------------------------------- describing


def describe(record: dict) -> str:
    """The model, as text."""
    compute, network = record["model"]["compute"], record["model"]["network"]
    lines = [
        ", ".join(f"{key} {value}" for key, value in record["machine"].items()),
        f"{record['setting']}; load of the machine before: {record['load']}",
        "",
        "t = fixed + N · rebuild + share · member + (K − 1) · (latency + message / bandwidth)",
        f"  fixed {1000 * compute['fixed']:.1f} ms, rebuild {1e6 * compute['rebuild']:.1f} µs, "
        f"member {1e6 * compute['member']:.0f} µs; latency {1e6 * network['latency']:.0f} µs, "
        f"bandwidth {network['bandwidth'] / 1e6:.0f} MB/s",
        f"  largest relative error of a part: {record['largest_relative_error']:.0%}",
        "",
    ]
    for pair in record["pairs"]:
        lines.append(
            f"{pair_text(pair['population'], pair)}; predicted {1000 * pair['predicted']:.1f} ms; "
            f"received {pair['received_bytes']} bytes"
        )
    lines += [
        "",
        f"{'network':36s} {'N':>8s} {'K':>5s} {'seconds':>9s} {'speed-up':>9s} {'received':>10s}  "
        "(a gradient instead: received, seconds on the network)",
    ]
    for row in record["predictions"]:
        if row["processes"] in (1, 2, 10, 100, 1000):
            lines.append(
                f"{row['network']:36s} {row['population']:8d} {row['processes']:5d} "
                f"{row['seconds']:9.3f} {row['speed_up']:8.1f}× {row['received_bytes']:10,d}  "
                f"({row['gradient_bytes']:,d}, {row['gradient_seconds']:.3f})"
            )
    return "\n".join(lines)
