"""What a study takes: ``python -m studies study NAME --price``.

A step of every row is timed once, after a smaller one that compiles and warms up, and so is the
evaluation of SAMPLE recordings. The rest is multiplication:

    hours of a row = Σ over its runs of (steps · step + recordings evaluated · evaluation) / 3600

On a CPU the seconds are the processor's, so that other work on the machine does not count, and a
run on n cores takes an n-th of them at best; on a GPU they are the clock's.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from course_lib.evaluation import evaluate
from course_lib.events import Splits
from course_lib.run.machine import machine, revision
from course_lib.schedule import draw_batch
from studies import files, plan
from studies.bench.fresh import high_water
from studies.measure import CURVE, SETS
from studies.plan import Row, Study
from studies.results import data_of
from studies.tables import grid

SAMPLE = 1000
#: members of the step that warms up
FEW = 64


def main(study: Study, splits: Splits, options) -> int:
    """Measure, print, and keep NAME-price.json and the pages that show it."""
    count = study.seeds if options.seeds is None else options.seeds
    record = price(study, study.pick(options.rows), splits, count)
    path = Path(options.out) / f"{study.name}-price.json"
    files.write(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    files.refresh(path.parent, lambda text: fill(text, path.parent))
    print(shown(record), f"wrote {path}", sep="\n\n")
    return 0


def price(study: Study, rows: list[Row], splits: Splits, count: int) -> dict[str, Any]:
    """The record that ``shown`` prints."""
    device = study.settings.get("device", "cpu")
    sets = splits._replace(**{name: getattr(splits, name).to(device) for name in SETS})
    return {
        "study": study.name,
        "data": data_of(study, splits),
        "rows": [of_row(study, row, sets, count) for row in rows],
        "recordings_bytes": sum(getattr(splits, name).packed.nbytes for name in SETS),
        "memory_bytes": high_water(),
        "gpu_bytes": torch.cuda.max_memory_allocated() if device != "cpu" else None,
        "threads": torch.get_num_threads(),
        "machine": machine(device),
        "revision": revision(),
    }


def of_row(study: Study, row: Row, splits: Splits, count: int) -> dict[str, Any]:
    """Runs of the row, and seconds of one step and of a whole final run with what it evaluates."""
    config = plan.final(study, row, study.choices(row)[0], plan.FIRST_SEED).config
    if config.threads:
        torch.set_num_threads(config.threads)
    network = config.network().to(config.device)
    if "population" in type(config.estimator()).options():
        few = replace(config, options=config.options | {"population": FEW}).estimator()
    else:
        few = config.estimator()
    seconds = []
    for estimator in (few, config.estimator()):
        batch = draw_batch(splits.train, 0, config.batch_size, config.seed)
        seconds.append(spent(lambda e=estimator, b=batch: e.fill_grads(network, *b, 0), config))
    some = splits.validation.subset(range(min(SAMPLE, len(splits.validation))))
    looked = spent(lambda: evaluate(network, some), config) / len(some)
    searched = plan.searches(study, row) and row.like is None
    trials = plan.length(study) * len(plan.SEARCH_SEEDS) if searched else 0
    look, train = len(splits.validation) * looked, config.steps * seconds[1]
    final = train + (CURVE + 1) * look + len(splits.test) * looked
    return {
        "label": row.label, "group": row.group, "steps": config.steps, "trials": trials,
        "finals": count, "step_seconds": round(seconds[1], 4), "run_seconds": round(final, 1),
        "hours": round((trials * (train + 2 * look) + count * final) / 3600, 3),
    }  # fmt: skip


def spent(work, config) -> float:
    """Processor seconds of all threads, or on a GPU those of the clock."""
    if config.device == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def shown(record: dict[str, Any]) -> str:
    """The table in Markdown, and what was measured where."""
    rows = record["rows"]
    lines = [
        [row["label"], row["group"], str(row["trials"] + row["finals"]), f"{row['steps']:,}",
         f"{row['step_seconds']:.3g}", f"{row['run_seconds']:,.0f}", f"{row['hours']:.2f}"]
        for row in rows
    ]  # fmt: skip
    hours, place = sum(row["hours"] for row in rows), record["machine"]
    table = grid(["", "group", "runs", "steps", "s a step", "s a run", "hours"], lines, 2)
    gpu = record["gpu_bytes"]
    kind = "Hours by the clock" if gpu else "Hours of one core (n cores: an n-th at best)"
    return (
        f"{table}\n\n{kind}: {hours:.1f} in all. Memory: {record['memory_bytes'] / 1e6:,.0f} MB, "
        f"the recordings' {record['recordings_bytes'] / 1e6:,.0f} among them"
        + (f", and {gpu / 1e6:,.0f} on the GPU" if gpu else "")
        + f". One step of every row was timed on {record['data']['name']}, "
        f"{record['data']['recordings']}, on {place.get('gpu', place['processor'])}, "
        f"threads {record['threads']}; code: git revision `{record['revision']}`."
    )


def fill(text: str, folder: Path) -> str:
    """The text with its blocks ``<!-- price NAME -->`` written anew."""

    def block(name: str) -> str | None:
        path = folder / f"{name}-price.json"
        return shown(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    return files.fill(text, "price", block)
