"""How long a generation takes with K processes: a model with five constants.

    t(N, K)  =  fixed  +  N · rebuild  +  share · member  +  gather,    share = 2 ⌈N / 2K⌉

    fixed     batch, base product, optimiser: every process does all of it
    rebuild   one member's noise and its part of the gradient: every process, for all N members
    member    one member's forward pass: shared, mirrored pairs together (a process keeps its own
              members' noise and need not make it again)
    gather    fitness values from everyone to everyone, in a ring as gloo does it:
              (K − 1) · (latency + message / bandwidth),   message = 8 + 4 share bytes

``rebuild`` is the price of sending nothing else, and what bounds the speed-up: with many processes
t tends to fixed + N · rebuild + gather, whatever K is.

Fitted to what ``scaling.py`` measures. Its tables stand in data/results/scaling.md, made from
data/results/scaling.json alone.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from course_lib.run.scaling import NUMBER, message_bytes, received_bytes, share
from studies import files
from studies.bench import scaling
from studies.bench.store import here
from studies.tables import grid

SETTING = "one generation of EGGROLL, rank 1, 2312-256-10, T = 10, batch 256, one thread a process"
RESULTS = Path(__file__).resolve().parents[2] / "data" / "results" / "scaling.json"
PAGE = RESULTS.with_suffix(".md")
FORMULA = "t = fixed + N · rebuild + share · member + (K − 1) · (latency + message / bandwidth)"
SHOWN = (1, 2, 10, 100, 1000)


@dataclass(frozen=True)
class Network:
    """latency: seconds from one process to the next; bandwidth: bytes a second."""

    latency: float
    bandwidth: float

    def gather(self, message: float, processes: int) -> float:
        """Seconds of an all-gather of messages of so many bytes, in a ring: each passes on what it
        got from its neighbour, K − 1 times."""
        return (processes - 1) * (self.latency + message / self.bandwidth)


@dataclass(frozen=True)
class Compute:
    """Seconds of one process: a generation's fixed part, and those of a member."""

    fixed: float
    rebuild: float
    member: float

    def seconds(self, population: float, share: float) -> float:
        """A generation of which this process evaluates ``share`` members."""
        return self.fixed + population * self.rebuild + share * self.member


#: networks of the predictions beside the measured one
NETWORKS = {
    "Ethernet, 0.1 ms, 1 Gbit/s": Network(1e-4, 1.25e8),
    "Internet, 30 ms, 50 Mbit/s": Network(0.03, 6.25e6),
}


def generation(population: int, processes: int, compute: Compute, network: Network) -> float:
    """Seconds of one generation."""
    if not 1 <= processes <= population // 2:
        raise ValueError(
            f"processes is {processes}; expected 1 to {population // 2}, one for each mirrored pair"
        )
    work = compute.seconds(population, share(population, processes))
    return work + network.gather(message_bytes(population, processes), processes)


def main(repeats: int, path: Path | None) -> int:
    """Measure, fit, print the tables and write all as JSON if a path is given.

    With data/results/scaling.json, the tables of scaling.md are renewed as well.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; it must be at least 1")
    record = here() | {"setting": SETTING, "repeats": repeats, **measure(repeats)}
    record |= fitted(record)
    print(f"{FORMULA}\n\n{tables(record)}")
    if path:
        files.write(path, json.dumps(record, indent=1))
        if path.resolve() == RESULTS.resolve():
            update(record)
    return 0


def measure(repeats: int) -> dict:
    """Medians of seconds: parts of a generation, all-gathers, and generations of two processes."""
    pairs = scaling.pairs(repeats, scaling.POPULATIONS)
    return {
        "parts": scaling.parts(repeats),
        "gathers": scaling.gathers(repeats),
        "pairs": [{"population": n, **pair} for n, pair in pairs.items()],
    }


def fitted(record: dict) -> dict:
    """The model's constants, its errors and what it predicts."""
    parts = [(r["population"], r["share"], r["seconds"]) for r in record["parts"]]
    compute = fit_compute(parts)
    network = fit_network([(r["processes"], r["bytes"], r["seconds"]) for r in record["gathers"]])
    errors = [compute.seconds(population, share) / took - 1 for population, share, took in parts]
    pairs = [{**p, "predicted": generation(p["population"], 2, compute, network)}
             for p in record["pairs"]]  # fmt: skip
    weights = sum(m * n + n for m, n in pairwise(scaling.SIZES))
    networks = {"between processes of this machine": network, **NETWORKS}
    return {
        "model": {"compute": asdict(compute), "network": asdict(network)},
        "weights": weights, "pairs": pairs,
        "largest_relative_error": max(map(abs, errors)),
        "predictions": predictions(compute, networks, weights),
    }  # fmt: skip


def fit_compute(rows: Sequence[tuple[float, float, float]]) -> Compute:
    """From measured (population, share, seconds)."""
    population, share, seconds = np.array(rows, dtype=float).T
    return Compute(*_fit(np.stack([np.ones_like(share), population, share], axis=1), seconds))


def fit_network(rows: Sequence[tuple[float, float, float]]) -> Network:
    """From measured all-gathers: (processes, bytes of a message, seconds)."""
    processes, message, seconds = np.array(rows, dtype=float).T
    latency, per_byte = _fit(np.stack([processes - 1, (processes - 1) * message], axis=1), seconds)
    return Network(latency, 1 / per_byte if per_byte else math.inf)


def _fit(columns: np.ndarray, seconds: np.ndarray) -> list[float]:
    """Least squares of relative errors; no constant below 0 (time is not negative)."""
    return nnls(columns / seconds[:, None], np.ones_like(seconds))[0].tolist()


def predictions(compute: Compute, networks: dict[str, Network], weights: int) -> list[dict]:
    """Tidy rows: network, population, processes, seconds, speed-up, bytes, and a gradient's."""
    rows = []
    for name, network in networks.items():
        for population in (1024, 32768, 1048576):
            alone = generation(population, 1, compute, network)
            for processes in (1, 2, 4, 10, 30, 100, 300, 1000):
                if processes > population // 2:
                    continue
                seconds = generation(population, processes, compute, network)
                rows.append({
                    "network": name, "population": population, "processes": processes,
                    "seconds": seconds, "speed_up": alone / seconds,
                    "received_bytes": received_bytes(population, processes),
                    "gradient_bytes": 2 * (processes - 1) * NUMBER * weights // processes,
                })  # fmt: skip
    return rows


def update(record: dict, page: Path = PAGE) -> None:
    """Put the record's tables between the page's marks."""
    text = page.read_text(encoding="utf-8")
    files.write(page, files.fill(text, "scaling", lambda: tables(record)))


def tables(record: dict) -> str:
    """Markdown: bytes, constants, two processes against one, predictions."""
    weights = record["weights"]
    sent = grid(
        ["members N", "sent, K = 2", "received, K = 2", "received, K = 100",
         f"one gradient ({weights:,} weights)", "gradient / received, K = 2"],
        [
            (f"{n:,}", f"{message_bytes(n, 2):,}", f"{received_bytes(n, 2):,}",
             f"{received_bytes(n, 100):,}", f"{4 * weights:,}",
             f"{4 * weights / received_bytes(n, 2):,.0f} ×")
            for n in (256, 1024, 32768, 1048576)
        ],
        words=0,
    )  # fmt: skip
    pairs = grid(
        ["members N", "one process", "two", "speed-up", "by processor time", "predicted for two",
         "bytes received"],
        [
            (f"{p['population']:,}", f"{1000 * p['alone']:.0f} ms", f"{1000 * p['shared']:.0f} ms",
             f"{p['alone'] / p['shared']:.2f} ×", f"{p['alone_cpu'] / p['shared_cpu']:.2f} ×",
             f"{1000 * p['predicted']:.0f} ms", f"{p['received_bytes']:,}")
            for p in record["pairs"]
        ],
        words=0,
    )  # fmt: skip
    found = {(r["network"], r["population"], r["processes"]): r for r in record["predictions"]}
    predicted = grid(
        ["predicted", "members N", *(f"K = {k:,}" for k in SHOWN)],
        [
            (network, f"{n:,}",
             *(f"{r['seconds']:.3g} s ({r['speed_up']:.2g} ×)" if r else "–"
               for r in (found.get((network, n, k)) for k in SHOWN)))
            for network, n in dict.fromkeys(key[:2] for key in found)
        ],
    )  # fmt: skip
    return "\n\n".join([sent, constants(record), pairs, predicted])


def constants(record: dict) -> str:
    """In which setting they were measured, and what they are."""
    compute, network = record["model"]["compute"], record["model"]["network"]
    machine, load = record["machine"], record["load"]
    busy = ""
    if load is not None and load > 0.5:
        busy = (
            f" The machine was busy with other work (load {load}), so that times that passed, "
            "and with them latency and bandwidth, are worse than a free machine's; processor times "
            "are less affected."
        )
    return (
        f"Measured: {record['setting']}, on {machine['processor']} ({machine['cores']} cores), "
        f"{record['date'][:10]}, revision {record['revision']}, medians of {record['repeats']}: "
        f"fixed {1000 * compute['fixed']:.1f} ms, rebuild {1e6 * compute['rebuild']:.1f} µs, "
        f"member {1e6 * compute['member']:.0f} µs; between processes of this machine latency "
        f"{1e6 * network['latency']:.0f} µs, bandwidth {network['bandwidth'] / 1e6:.0f} MB/s. "
        f"The largest relative error of a measured part is {record['largest_relative_error']:.0%}."
        + busy
    )
