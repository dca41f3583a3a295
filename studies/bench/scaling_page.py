"""The measured part of scaling.md, made from data/results/scaling.json alone."""

import re
from pathlib import Path

from course_lib.run.scaling_model import message_bytes, received_bytes

PAGE = Path(__file__).resolve().parents[2] / "data" / "results" / "scaling.md"
MARKS = ("<!-- scaling -->", "<!-- end of scaling -->")
SHOWN = (1, 2, 10, 100, 1000)


def update(record: dict, page: Path = PAGE) -> None:
    """Put the record's tables between the page's marks."""
    text = page.read_text(encoding="utf-8")
    begin, end = map(re.escape, MARKS)
    section = f"{MARKS[0]}\n{tables(record)}\n{MARKS[1]}"
    page.write_text(
        re.sub(f"{begin}.*{end}", lambda _: section, text, flags=re.DOTALL), encoding="utf-8"
    )


def tables(record: dict) -> str:
    """Markdown: bytes, constants, two processes against one, predictions."""
    return "\n\n".join([_bytes(record), _constants(record), _pairs(record), _predictions(record)])


def _bytes(record: dict) -> str:
    weights = record["weights"]
    rows = [
        f"| {population:,} | {message_bytes(population, 2):,} | {received_bytes(population, 2):,} "
        f"| {received_bytes(population, 100):,} | {4 * weights:,} "
        f"| {4 * weights / received_bytes(population, 2):,.0f} × |"
        for population in (256, 1024, 32768, 1048576)
    ]
    return "\n".join([
        "| members N | sent, K = 2 | received, K = 2 | received, K = 100 | one gradient "
        f"({weights:,} weights) | gradient / received, K = 2 |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |", *rows,
    ])  # fmt: skip


def _constants(record: dict) -> str:
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


def _pairs(record: dict) -> str:
    rows = [
        f"| {p['population']:,} | {1000 * p['alone']:.0f} ms | {1000 * p['shared']:.0f} ms "
        f"| {p['alone'] / p['shared']:.2f} × | {p['alone_cpu'] / p['shared_cpu']:.2f} × "
        f"| {1000 * p['predicted']:.0f} ms | {p['received_bytes']:,} |"
        for p in record["pairs"]
    ]
    return "\n".join([
        "| members N | one process | two | speed-up | by processor time | predicted for two "
        "| bytes received |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |", *rows,
    ])  # fmt: skip


def _predictions(record: dict) -> str:
    found = {(r["network"], r["population"], r["processes"]): r for r in record["predictions"]}
    rows = []
    for network, population in dict.fromkeys(key[:2] for key in found):
        cells = [
            f"{row['seconds']:.3g} s ({row['speed_up']:.2g} ×)" if row else "–"
            for row in (found.get((network, population, processes)) for processes in SHOWN)
        ]
        rows.append(f"| {network} | {population:,} | {' | '.join(cells)} |")
    return "\n".join([
        f"| predicted | members N | {' | '.join(f'K = {k:,}' for k in SHOWN)} |",
        "| --- | ---: |" + " ---: |" * len(SHOWN), *rows,
    ])  # fmt: skip
