"""What stored benchmarks reached, in pages that people write: README.md, data/results/README.md.

What stands between two such lines is written by ``bench NAME --store``, never by hand:

    <!-- bench generation noise -->     figures of these benchmarks that have a bar
    <!-- end of bench -->

    <!-- bench all generation -->       and all other ratios
    <!-- end of bench -->
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.events.files import write_atomic
from course_lib.run.machine import processor_of
from studies.bench.timing import meets

BLOCK = re.compile(r"(<!-- bench ((?:\S+ )+)-->\n).*?(<!-- end of bench -->)", re.DOTALL)


def table(records: dict[str, dict[str, Any]], names: Sequence[str]) -> str:
    """Markdown: the figures of these benchmarks, and on which machine they were measured."""
    lines = ["| `bench` | what | measured | aim | |", "| --- | --- | ---: | ---: | --- |"]
    machines: dict[str, list[str]] = {}
    for name in (name for name in names if name in records):
        record, setting = records[name], None
        for figure in record.get("figures", []):
            bar, unit = figure["bar"], figure["unit"]
            if bar is None and not (names[0] == "all" and unit == "×"):
                continue
            if figure["setting"] != setting:
                setting = figure["setting"]
                lines.append(f"| `{name}` | *{setting}* | | | |")
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


def fill(text: str, records: dict[str, dict[str, Any]]) -> str:
    """The text with all its blocks written anew."""

    def block(match):
        return f"{match[1]}{table(records, match[2].split())}\n{match[3]}"

    return BLOCK.sub(block, text)


def stored(folder: Path) -> dict[str, dict[str, Any]]:
    """The records that ``bench/store.py`` wrote into the folder, by the benchmarks' names."""
    return {
        path.stem.removeprefix("bench-"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("bench-*.json"))
    }


def refresh(folder: Path) -> None:
    """Fill the blocks in the folder's README.md, and in the project's if it is data/results."""
    records, pages = stored(folder), [folder / "README.md"]
    if folder.resolve().parts[-2:] == ("data", "results"):
        pages.append(folder.resolve().parents[1] / "README.md")
    for page in pages:
        if page.is_file():
            before = page.read_text(encoding="utf-8")
            after = fill(before, records)
            if after != before:
                write_atomic(page, lambda stream, after=after: stream.write(after.encode()))
