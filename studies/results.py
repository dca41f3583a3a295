"""The results of a study: data/results/NAME.json, all that tables, figures and lessons need.

A run leaves one JSON in a folder that git ignores, its name made from all that shapes the run.
"""

import itertools
import json
import math
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

from course_lib.events import Splits
from studies import costs, files, pages, plan
from studies.plan import Job, Row, Study, final, further, length, searches, seeds, trials

SUMMARISED = ("test_accuracy", "validation_accuracy", "seconds", "cpu_seconds", "peak_memory",
              "forward_passes", "active")  # fmt: skip
#: what a study's recordings are, for people
SOURCES = {
    "saccade-digits": "saccade digits (simulated)",
    "fashion": "clothes before the simulated camera (saccade Fashion-MNIST)",
    "fashion-latency": "latency-coded Fashion-MNIST",
    "speech": "spoken digits (Free Spoken Digit Dataset) through a model ear, speakers apart",
    "nmnist": "real N-MNIST recordings",
    "whole-nmnist": "real N-MNIST recordings",
    "transfer": "saccade digits (simulated) for training and validation, real N-MNIST recordings "
    "of other digits for the test",
}
#: what ``Job.key`` looks like. Results may come from anywhere, and a key is part of a path
KEY = re.compile(r"[\w-]+-(trial|final)-[0-9a-f]{16}", re.ASCII)


class Store:
    """Records of finished runs by key. Several processes may fill one folder."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def path(self, key: str) -> Path:
        """Of the record. Raises ValueError for what is no key: nothing outside is touched."""
        if not isinstance(key, str) or not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a run; expected METHOD-final-16 hex digits")
        return self.folder / f"{key}.json"

    def work(self, key: str) -> Path:
        """Where a run keeps its checkpoint until it has finished."""
        return self.folder / "unfinished" / self.path(key).stem

    def get(self, key: str) -> dict[str, Any] | None:
        """The record, or None if the run has not finished.

        Raises ValueError if the file is damaged: it was not written by ``put``.
        """
        try:
            return json.loads(self.path(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.path(key)} is damaged ({error}); delete it") from error

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Write the record and its key, atomically, and drop the checkpoint."""
        files.write(self.path(key), json.dumps(record | {"key": key}, indent=1, allow_nan=False))
        shutil.rmtree(self.work(key), ignore_errors=True)

    def drop(self, key: str) -> None:
        """Forget a run, finished or not."""
        self.path(key).unlink(missing_ok=True)
        shutil.rmtree(self.work(key), ignore_errors=True)


def best(study: Study, row: Row, tried: list[dict], store: Store) -> dict[str, Any]:
    """The search's choice: see ``plan.RULE``. A trial that was stopped counts as it ended."""

    def rank(choice):
        records = [store.get(job.key) for job in trials(study, row, choice)]
        losses = [record["validation_loss"] for record in records]
        return (
            -statistics.fmean(record["validation_accuracy"] for record in records),
            math.inf if None in losses else statistics.fmean(losses),
        )

    return min(tried, key=rank)


def search(study: Study, row: Row, store: Store) -> tuple[list[dict[str, Any]], list[Job]]:
    """What was tried for the row so far, and the runs that are missing of it.

    When no run is missing, the search is over, and ``best`` chooses.
    """
    tried = study.choices(row)
    if not searches(study, row):
        return tried, []
    while True:
        jobs = [job for choice in tried for job in trials(study, row, choice)]
        missing = [job for job in jobs if store.get(job.key) is None]
        if missing or len(tried) == length(study):
            return tried, missing
        tried.append(further(tried, best(study, row, tried, store)))


def gather(study: Study, store: Store, splits: Splits, before: dict | None = None) -> dict:
    """Tidy results of all rows that have a final run; a row whose new search is not over yet stays
    as it was in the results ``before``."""
    old = {(row["group"], row["label"]): row for row in before["rows"]} if before else {}
    rows = [_gather_row(study, row, store) or _kept(old.get((row.group, row.label)), before)
            for row in study.rows]  # fmt: skip
    rows, machines = [row for row in rows if row], []
    for record in [record for row in rows for record in row["trials"] + row["runs"]]:
        if record["machine"] not in machines:
            machines.append(record["machine"])
        record["machine"] = machines.index(record["machine"])
    return {
        "study": study.name, "kind": study.kind, "title": study.title,
        "question": study.question,
        "data": data_of(study, splits),
        "search": {
            "trials": length(study), "seeds": list(plan.SEARCH_SEEDS), "rule": plan.RULE,
        },
        "settings": study.settings, "columns": study.columns,
        "machines": machines, "rows": rows,
    }  # fmt: skip


def data_of(study: Study, splits: Splits) -> dict[str, str]:
    """What tells these recordings from others, and for people."""
    name = SOURCES[study.source]
    if splits.name == "saccade MNIST":
        name = f"{splits.name} (simulated)"
    own = {key: found for key in ("data", "test", "fitted") if (found := getattr(study, key))}
    return {
        "source": study.source,
        "name": f"{name}; for the test {study.test}" if study.test else name,
        "recordings": " / ".join(f"{len(part):,}" for part in splits[:3]),
    } | own


def _kept(row: dict | None, before: dict | None) -> dict | None:
    """A row of earlier results, each run with its machine."""
    def whole(records):
        return [run | {"machine": before["machines"][run["machine"]]} for run in records]

    return row and row | {"trials": whole(row["trials"]), "runs": whole(row["runs"])}


def _gather_row(study: Study, row: Row, store: Store) -> dict[str, Any] | None:
    choices, missing = search(study, row, store)
    if missing:
        return None
    tried = [{**choice, **store.get(job.key)} for choice in choices if len(choices) > 1
             for job in trials(study, row, choice)]  # fmt: skip
    choice = best(study, row, choices, store) if tried else choices[0]
    runs, config = [], None
    for seed in itertools.count(seeds(study, 1).start):
        job = final(study, row, choice, seed)
        record = store.get(job.key)
        if record is None:
            break
        runs.append({**choice, **record})
        config = job.config
    if config is None:
        return None
    return {
        "label": row.label, "group": row.group, "method": config.method,
        "sizes": list(config.sizes), "readout": config.readout,
        "options": config.options, "lr": config.lr, "steps": config.steps,
        "tried": choices, "chosen": choice, "like": row.like,
        "trials": tried, "runs": runs, "summary": summarise(runs),
    }  # fmt: skip


def summarise(runs: list[dict]) -> dict[str, Any]:
    """n, and mean and sample standard deviation (None for one run) of each measured number."""
    summary: dict[str, Any] = {"n": len(runs)}
    for name in SUMMARISED:
        values = [run[name] for run in runs if run.get(name) is not None]
        if values:
            deviation = statistics.stdev(values) if len(values) > 1 else None
            summary[name] = {"mean": statistics.fmean(values), "sd": deviation}
    if runs[0].get("spikes"):
        layers = zip(*(run["spikes"] for run in runs), strict=True)
        summary["spikes"] = [round(statistics.fmean(layer), 2) for layer in layers]
    return summary


def restore(result: dict | None, store: Store) -> None:
    """Put the runs that stand in stored results into the store, unless it has them.

    Raises ValueError for a key that names no run.
    """
    for row in result["rows"] if result else ():
        for record in row["trials"] + row["runs"]:
            if store.get(record["key"]) is None:
                place = result["machines"][record["machine"]]
                store.put(record["key"], record | {"machine": place})


def dump(value: Any, depth: int = 0) -> str:
    """JSON with one line a run: small, and readable in a comparison of versions."""
    if depth >= 4 or not isinstance(value, dict | list | tuple) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    pad, inner = "\n" + " " * depth, "\n" + " " * (depth + 1)
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {dump(item, depth + 1)}" for key, item in value.items()]
        return "{" + inner + f",{inner}".join(items) + pad + "}"
    return "[" + inner + f",{inner}".join(dump(item, depth + 1) for item in value) + pad + "]"


def write(result: dict, folder: Path) -> None:
    """NAME.json, and from it what shows it; nothing if there is no row yet."""
    if not result["rows"]:
        return
    text = dump(result) + "\n"
    files.write(Path(folder) / f"{result['study']}.json", text)
    show(json.loads(text), folder)


def show(result: dict, folder: Path) -> list[str]:
    """NAME.md, the figures, and the tables in other pages, from the results alone.

    Returns the names of the files in ``folder``.
    """
    parts = {f"{result['study']}.md": pages.page(result), **pages.draw(result)}
    for file, content in parts.items():
        files.write(Path(folder) / file, content)
    files.refresh(folder, lambda text: pages.fill(text, result))
    return list(parts) + costs.renew(folder, result["study"])
