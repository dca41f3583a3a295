"""The command ``study``: goes through a study's runs, skips what is done, stops in time."""

import sys
import time
from dataclasses import replace
from pathlib import Path

from tqdm.auto import tqdm

from course_lib.events import Splits, load_all, load_splits
from course_lib.results import read
from studies import plan
from studies.declared import STUDIES
from studies.kinds import KINDS
from studies.plan import Job, Row, Study, final, trials
from studies.results import Store, best, gather, restore, search, show, write


def main(options) -> int:
    """List studies, run one, or rebuild what shows one. Raises ValueError for an unknown name."""
    name, out = options.name, Path(options.out)
    if name is None:
        for study in STUDIES.values():
            print(f"{study.name:16s} {len(study.rows):3d} rows   {study.question}")
        return 0
    path, result = out / f"{name}.json", read(name, out)
    if name not in STUDIES and result is None:
        raise ValueError(f"no study {name!r}; there are {', '.join(STUDIES)}")
    if options.tables_only:
        if result is None:
            raise FileNotFoundError(
                f"{path} is not there yet; run `python -m studies study {name}` first"
            )
        if "study" not in result:
            raise ValueError(f"{path} holds no results of a study")
        print("wrote", ", ".join(show(result, out)))
        return 0
    if name not in STUDIES:
        raise ValueError(
            f"study {name} cannot be run any more: what it tried did not pay and has left "
            "the library. Its page names the git revision that has it; --tables-only rebuilds that"
        )
    left = run(STUDIES[name], options, result)
    if left:
        print(f"time is used up: {left} runs are left; the same command goes on")
    print(f"results: {path}, {path.with_suffix('.md')}")
    return 0


def run(study: Study, options, result: dict | None) -> int:
    """Make the runs that are missing, then write the results. Returns how many are left.

    options: of the command line;  result: what stands there. Its runs are not repeated.

    An interrupt (Ctrl-C) loses nothing: the same command goes on, within the run that it fell into.
    Results are written then, too. Raises ValueError for unknown rows or a missing ``data``.
    """
    if options.device != "cpu":
        study = replace(study, settings=study.settings | {"device": options.device})
    rows, budget = study.pick(options.rows), options.budget
    count = study.seeds if options.seeds is None else options.seeds
    if count < 1:
        raise ValueError(f"seeds is {count}; a row needs at least one final run")
    if budget is not None and not budget > 0:
        raise ValueError(f"budget is {budget}; it must be a positive number of minutes")
    store = Store(options.runs)
    restore(result, store)
    if options.again:
        for row, choice in [(r, c) for r in rows for c in search(study, r, store)[0]]:
            own = trials(study, row, choice) if row.like is None else []
            for job in own + [final(study, row, choice, s) for s in plan.seeds(study, count)]:
                store.drop(job.key)
    splits = load(study, options.data)
    end, left = time.monotonic() + 60 * (budget or float("inf")), 0

    def remaining(row: Row) -> int:
        """Runs of the row's search that are not there yet."""
        tried, missing = search(study, row, store)
        more = plan.length(study) - len(tried)
        return len(missing) + more * len(plan.SEARCH_SEEDS)

    total = sum(remaining(row) + count for row in rows)
    bar = tqdm(total=total, unit="run", disable=options.quiet, dynamic_ncols=True)

    def make(job: Job) -> bool:
        """Whether the run is there now."""
        record = store.get(job.key)
        if record is None or "test_accuracy" in record and "right" not in record:
            if time.monotonic() > end:
                return False
            record = KINDS[study.kind].measure(job, splits, store.work(job.key))
            store.put(job.key, record)
        accuracy = record.get("test_accuracy", record.get("validation_accuracy"))
        if accuracy is not None:
            bar.set_postfix(last=f"{accuracy:.1%}", refresh=False)
        bar.update()
        return True

    try:
        for row in rows:
            bar.set_description(f"{study.name}: {row.name}")
            tried, missing = search(study, row, store)
            while missing and all(make(job) for job in missing):
                tried, missing = search(study, row, store)
            if missing:
                left += remaining(row) + count
                continue
            choice = best(study, row, tried, store) if len(tried) > 1 else tried[0]
            finals = (final(study, row, choice, seed) for seed in plan.seeds(study, count))
            left += sum(not make(job) for job in finals)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on", file=sys.stderr)
        raise
    finally:
        bar.close()
        write(gather(study, store, splits, result), options.out)
    return left


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
