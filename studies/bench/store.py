"""A benchmark's figures beside the studies': bench-NAME.json, and what is made from it alone."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from course_lib.run.machine import machine, processor_of, revision
from studies import files
from studies.bench.timing import meets


def here() -> dict[str, Any]:
    """When, where and with what a benchmark runs.

    Machines of one name differ in the widest vectors that they add up at once, such as "AVX2".
    """
    vectors = torch.backends.cpu.get_cpu_capability()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine(), "vectors": vectors, "threads": torch.get_num_threads()},
        "revision": revision(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def store(folder: Path, name: str, record: dict[str, Any]) -> None:
    """Write bench-NAME.json and bench-NAME.md, and renew the tables of benchmarks in pages.

    record: ``title``, ``text`` (the printed table), ``machine``, ``revision``, ``date``,
    ``repeats``, ``load``, ``quick``, ``median_seconds`` by contestant, and ``figures``, the lines
    of the table: see ``Table``.
    """
    path = folder / f"bench-{name}.json"
    files.write(path, json.dumps(record, indent=2))
    files.write(path.with_suffix(".md"), page(name, record))
    files.refresh(folder, lambda text: fill(text, stored(folder)))
    print(f"wrote {path}, {path.with_suffix('.md')}")


def stored(folder: Path) -> dict[str, dict[str, Any]]:
    """The records in a folder, by the benchmarks' names."""
    return {
        path.stem.removeprefix("bench-"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("bench-*.json"))
    }


def page(name: str, record: dict[str, Any]) -> str:
    """The table, and where and with what it was measured."""
    here = record["machine"]
    busy = "" if record["load"] is None else f"; load of the machine before: {record['load']}"
    size = " Small sizes: see that it works, no more." if record["quick"] else ""
    return (
        f"# {record['title']}\n\n```\n{record['text']}\n```\n\n"
        f"Medians of {record['repeats']} interleaved repeats.{size}\n\n"
        f"- **Machine:** {processor_of(here)}, {here['system']}, Python "
        f"{here['python']}, torch {here['torch']}; threads {here['threads']}{busy}.\n"
        f"- **Code:** git revision `{record['revision']}` (+: with changes), "
        f"{record['date'][:10]}.\n\n"
        f"Written by `python -m studies bench {name} --store`.\n"
    )


def fill(text: str, records: dict[str, dict[str, Any]]) -> str:
    """The text with its tables of benchmarks written anew."""
    return files.fill(text, "bench", lambda *names: table(records, names))


def table(records: dict[str, dict[str, Any]], names: Sequence[str]) -> str:
    """Markdown: figures of these benchmarks that have an aim, and where they were measured.

    Where "all" stands among the names, ratios without an aim are there as well.
    """
    lines = ["| `bench` | what | measured | aim | |", "| --- | --- | ---: | ---: | --- |"]
    machines: dict[str, list[str]] = {}
    for name in (name for name in names if name in records):
        record, setting = records[name], None
        for figure in record.get("figures", []):
            bar, unit = figure["bar"], figure["unit"]
            if bar is None and not ("all" in names and unit == "×"):
                continue
            if figure["setting"] != setting:
                setting = figure["setting"]
                lines.append(
                    f"| `{name}` | *{setting}* | | | |" if setting else f"| `{name}` | | | | |"
                )
            aim = missed = ""
            if bar is not None:
                aim = f"{'≤' if figure['at_most'] else '≥'} {bar:g}"
                missed = "" if meets(figure["value"], bar, figure["at_most"]) else "missed"
            lines.append(
                f"| | {figure['what']} | {number(figure['value'])} {unit} | {aim} | {missed} |"
            )
        here = record["machine"]
        where = (
            f"{processor_of(here)}, torch {here['torch']} with {here['threads']} threads, "
            f"{record['date'][:10]}"
        )
        machines.setdefault(where, []).append(f"`{name}`")
    notes = [f"Measured by {', '.join(which)} on {where}." for where, which in machines.items()]
    return "\n".join(lines) + "\n\n" + " ".join(notes)


def number(value: float) -> str:
    """Three digits, as people write them."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
