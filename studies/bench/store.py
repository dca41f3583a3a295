"""A benchmark's figures beside the studies': bench-NAME.json, and bench-NAME.md made from it."""

import json
from pathlib import Path
from typing import Any

from course_lib.events.files import write_atomic
from course_lib.run.machine import processor_of
from studies.bench.pages import refresh


def save(path: Path, record: dict[str, Any]) -> None:
    """Write a record as JSON, atomically."""
    text = json.dumps(record, indent=2).encode()
    write_atomic(path, lambda stream: stream.write(text))


def store(folder: Path, name: str, record: dict[str, Any]) -> None:
    """Write bench-NAME.json and bench-NAME.md.

    record: ``title``, ``text`` (the printed table), ``machine``, ``revision``, ``date``,
    ``repeats``, ``load``, ``quick``, ``median_seconds`` by contestant, and ``figures``, the lines
    of the table: see ``Table``.
    """
    path = folder / f"bench-{name}.json"
    save(path, record)
    write_atomic(path.with_suffix(".md"), lambda stream: stream.write(page(name, record).encode()))
    refresh(folder)
    print(f"wrote {path}, {path.with_suffix('.md')}")


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
