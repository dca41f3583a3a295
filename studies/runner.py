"""The command ``study``: goes through a study's runs, skips what is done, stops in time."""

import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from course_lib.events import Splits, load_all, load_splits
from course_lib.results import read
from studies import pages, plan, price
from studies.declared import STUDIES
from studies.inference import packed
from studies.kinds import KINDS
from studies.nmnist import WHOLE
from studies.plan import Job, Row, Study, final, trials
from studies.recordings import fitted
from studies.results import SOURCES, Store, best, data_of, gather, restore, search, show, write

#: what --data has to be, of sources that need it
NEEDED = {
    "speech": "recordings of spoken digits", WHOLE: "all of N-MNIST, downloaded",
    "transfer": "real recordings for its test",
}  # fmt: skip
#: of what results say of their data, what tells one data set from another
NAMES_DATA = ("name", "recordings", "data", "test")


def main(options) -> int:
    """List studies, run one, or rebuild what shows one. Raises ValueError for an unknown name."""
    name, out = options.name, Path(options.out)
    if name is None:
        for study in STUDIES.values():
            print(f"{study.name:16s} {len(study.rows):3d} rows   {study.question}")
        return 0
    study = STUDIES.get(name)
    if study and options.test_digits:
        study = on_test_digits(study)
        name = study.name
    path, result = out / f"{name}.json", read(name, out)
    if study is None and result is None:
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
    if study is None and "test" in result.get("data", {}):
        raise ValueError(f"{name} is made by `{pages.command(result)}`")
    if study is None:
        raise ValueError(
            f"study {name} cannot be run any more: what it tried did not pay and has left "
            "the library. Its page names the git revision that has it; --tables-only rebuilds that"
        )
    if options.price:
        return price.main(*prepared(study, options), options)
    left = run(study, options, result)
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
    study, splits = prepared(study, options)
    rows, budget = study.pick(options.rows), options.budget
    count = study.seeds if options.seeds is None else options.seeds
    if count < 1:
        raise ValueError(f"seeds is {count}; a row needs at least one final run")
    if budget is not None and not budget > 0:
        raise ValueError(f"budget is {budget}; it must be a positive number of minutes")
    before, data = result["data"] if result else {}, data_of(study, splits)
    if before and any(before.get(key) != data.get(key) for key in NAMES_DATA):
        raise ValueError(
            f"{study.name}.json in {options.out} holds results on other data "
            f"({before['name']}, {before['recordings']}); give these folders of their own by --out "
            "and --runs"
        )
    store = Store(options.runs)
    restore(result, store)
    if options.again:
        for row, choice in [(r, c) for r in rows for c in search(study, r, store)[0]]:
            own = trials(study, row, choice) if row.like is None else []
            for job in own + [final(study, row, choice, s) for s in plan.seeds(study, count)]:
                store.drop(job.key)
    end, left = time.monotonic() + 60 * (budget or float("inf")), 0

    def remaining(row: Row) -> int:
        """Runs of the row's search that are not there yet."""
        tried, missing = search(study, row, store)
        more = plan.length(study) - len(tried)
        return len(missing) + more * len(plan.SEARCH_SEEDS)

    total = sum(remaining(row) + count for row in rows)
    bar = tqdm(total=total, unit="run", disable=options.quiet, dynamic_ncols=True)

    others: dict[tuple, Splits] = {}

    def recordings(job: Job) -> Splits:
        """The study's, unless the job's row says other data or time bins; one more set is kept."""
        wanted = job.source, job.config.bins
        if wanted == (study.source, splits.train.bins):
            return splits
        if wanted not in others:
            others.clear()
            others[wanted] = load(replace(study, source=job.source), options.data, bins=wanted[1])
        return others[wanted]

    def make(job: Job) -> bool:
        """Whether the run is there now."""
        record = store.get(job.key)
        if record is None or "test_accuracy" in record and "right" not in record:
            if time.monotonic() > end:
                return False
            record = KINDS[study.kind].measure(job, recordings(job), store.work(job.key))
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


def prepared(study: Study, options) -> tuple[Study, Splits]:
    """The study as the command line has it, and its recordings."""
    given = {"threads": options.threads} if options.threads else {}
    if options.device != "cpu":
        given["device"] = options.device
    splits = load(study, options.data, options.quiet, study.settings.get("bins", 10))
    if study.test:
        digits = load_splits(options.test_digits, progress=False)
        if digits.name != "saccade MNIST":
            raise ValueError(f"--test-digits is {options.test_digits}; expected MNIST as an .npz")
        splits = splits._replace(test=digits.test)
    if study.source == "transfer":
        study = replace(study, fitted=packed(fitted(options.data)))
    if study.source == WHOLE:
        held = hashlib.sha256(np.ascontiguousarray(splits.test.packed)).hexdigest()[:16]
        study = replace(study, data=f"{held}, {len(splits.train)}")
    return replace(study, settings=study.settings | given), splits


def on_test_digits(study: Study) -> Study:
    """The study with another test set and name. Raises ValueError for one of other recordings."""
    if study.source != "saccade-digits":
        raise ValueError(f"--test-digits is for studies of saccade digits; {study.name} is not one")
    return replace(
        study, name=study.name + plan.OTHER_TEST, title=f"{study.title}, on MNIST's test digits",
        test="recordings simulated from MNIST's own test digits",
    )  # fmt: skip


def load(study: Study, data: str | None, quiet: bool = True, bins: int = 10) -> Splits:
    """The study's recordings. Raises ValueError if ``data`` is missing, or not called for."""
    if data and study.source in plan.CARRIED:
        raise ValueError(
            f"study {study.name} is about {SOURCES[study.source]} and takes no --data; for "
            "real recordings there is real-methods"
        )
    if not data and study.source in NEEDED:
        raise ValueError(f"study {study.name} needs --data PATH: {NEEDED[study.source]}")
    if study.source == "transfer":
        splits = load_splits(bins=bins, hold_out=data, progress=False)
        return splits._replace(test=load_all(data, bins, progress=False))
    if study.source == "speech":
        data = f"speech:{data}"
    return load_splits(
        data or study.source, bins, progress=study.source == WHOLE and not quiet
    )
