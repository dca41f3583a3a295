"""The model of ``scaling_model.py``, fitted to what ``bench/scaling.py`` measures, and its page."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from course_lib.events.files import write_atomic
from course_lib.run.machine import machine, revision
from course_lib.run.scaling_model import (
    NETWORKS,
    as_record,
    fit_compute,
    fit_network,
    generation,
    predictions,
)
from studies.bench import scaling, scaling_page

SETTING = "one generation of EGGROLL, rank 1, 2312-256-10, T = 10, batch 256, one thread a process"
RESULTS = Path(__file__).resolve().parents[2] / "data" / "results" / "scaling.json"


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
    compute = fit_compute([(r["population"], r["share"], r["seconds"]) for r in record["parts"]])
    network = fit_network([(r["processes"], r["bytes"], r["seconds"]) for r in record["gathers"]])
    errors = [
        compute.seconds(r["population"], r["share"]) / r["seconds"] - 1 for r in record["parts"]
    ]
    pairs = [{**p, "predicted": generation(p["population"], 2, compute, network)}
             for p in record["pairs"]]  # fmt: skip
    weights = sum(m * n + n for m, n in zip(scaling.SIZES[:-1], scaling.SIZES[1:], strict=True))
    networks = {"between processes of this machine": network, **NETWORKS}
    return {
        "model": as_record(compute, network), "weights": weights, "pairs": pairs,
        "largest_relative_error": max(map(abs, errors)),
        "predictions": predictions(compute, networks, weights),
    }  # fmt: skip


def pair_text(population: int, pair: dict) -> str:
    return (
        f"  population {population:5d}: one process {1000 * pair['alone']:.1f} ms, two "
        f"{1000 * pair['shared']:.1f} ms, {pair['alone'] / pair['shared']:.2f} × "
        f"(processor time {1000 * pair['alone_cpu']:.1f} and {1000 * pair['shared_cpu']:.1f} ms, "
        f"{pair['alone_cpu'] / pair['shared_cpu']:.2f} ×)"
    )


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
