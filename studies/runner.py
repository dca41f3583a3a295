"""Goes through the runs of a study: skips those that are done, stops when the time is used up."""

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from course_lib.events import Splits, load_all, load_splits
from course_lib.results import read
from studies import alignment, measure, plan
from studies.plan import Job, Row, Study, final, trials
from studies.results import best, gather, restore, write
from studies.store import Store

MEASURE: dict[str, Callable[[Job, Splits, Path], dict[str, Any]]] = {
    "training": measure.train,
    "alignment": alignment.follow,
    "sparsity": measure.train,
    "map": measure.train,
}


def run(
    study: Study,
    *,
    seeds: int | None = None,
    data: str | None = None,
    rows: list[str] | None = None,
    budget: float | None = None,
    again: bool = False,
    out: Path = Path("data/results"),
    runs: Path = Path("runs/study"),
    device: str = "cpu",
    progress: bool = True,
) -> int:
    """Make the runs that are missing, then write the results. Returns how many are left.

    seeds:  final runs a row; the study's own number by default.
    data:   folder of real recordings, for studies whose source they are.
    rows:   names or labels; all by default.    again: make them anew.
    budget: minutes after which no further run is begun.
    device: "cpu", or "cuda".
    out, runs: where results and single runs go. Runs that stand in ``out`` are not repeated.

    An interrupt (Ctrl-C) loses nothing: the same call goes on, within the run that it fell into.
    Results are written then, too. Raises ValueError for unknown rows or a missing ``data``.
    """
    if device != "cpu":
        study = replace(study, settings=study.settings | {"device": device})
    chosen, seeds = study.pick(rows), study.seeds if seeds is None else seeds
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; a row needs at least one final run")
    if budget is not None and not budget > 0:
        raise ValueError(f"budget is {budget}; it must be a positive number of minutes")
    store = Store(runs)
    restore(read(study.name, out), store)
    if again:
        for row in chosen:
            numbered = itertools.product(study.choices(row), plan.seeds(study, seeds))
            own = trials(study, row) if row.like is None else []
            for job in own + [final(study, row, *pair) for pair in numbered]:
                store.drop(job.key)
    splits = load(study, data)
    start, left = time.monotonic(), 0
    total = sum(len(trials(study, row)) + seeds for row in chosen)
    bar = tqdm(total=total, unit="run", disable=not progress, dynamic_ncols=True)

    def make(job: Job) -> bool:
        """Whether the run is there now."""
        record = store.get(job.key)
        if record is None:
            if budget is not None and time.monotonic() - start > 60 * budget:
                return False
            record = MEASURE[study.kind](job, splits, store.work(job.key))
            store.put(job.key, record)
        accuracy = record.get("test_accuracy", record.get("validation_accuracy"))
        if accuracy is not None:
            bar.set_postfix(last=f"{accuracy:.1%}", refresh=False)
        bar.update()
        return True

    try:
        for row in chosen:
            bar.set_description(f"{study.name}: {row.name}")
            left += _row(study, row, seeds, store, make)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on", file=sys.stderr)
        raise
    finally:
        bar.close()
        write(gather(study, store, splits), out)
    return left


def _row(study: Study, row: Row, seeds: int, store: Store, make) -> int:
    """Search, choice, final runs. Returns how many runs are left."""
    search = trials(study, row)
    missing = [job for job in search if not make(job)]
    if missing:
        return len(missing) + seeds
    choice = best(search, store) if search else study.choices(row)[0]
    return sum(not make(final(study, row, choice, seed)) for seed in plan.seeds(study, seeds))


def load(study: Study, data: str | None) -> Splits:
    """The study's recordings. Raises ValueError if ``data`` is missing, or not called for."""
    if study.source == "saccade-digits":
        if data:
            raise ValueError(
                f"study {study.name} is about simulated saccade digits and takes no --data; for "
                "real recordings there is real-methods"
            )
        return load_splits(progress=False)
    if study.source == "transfer":
        if not data:
            raise ValueError(f"study {study.name} needs --data PATH, real recordings for its test")
        splits = load_splits(hold_out=data, progress=False)
        return splits._replace(test=load_all(data, progress=False))
    return load_splits(data or study.source, progress=False)
