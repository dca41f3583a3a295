"""The command ``study``: goes through a study's runs, skips what is done, stops in time."""

import itertools
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
from studies.results import Store, best, gather, restore, show, write


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
            record = KINDS[study.kind].measure(job, splits, store.work(job.key))
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


def main(options) -> int:
    """List studies, run one, or rebuild what shows one. Raises ValueError for an unknown name."""
    if options.name is None:
        for study in STUDIES.values():
            print(f"{study.name:16s} {len(study.rows):3d} rows   {study.question}")
        return 0
    result = read(options.name, options.out)
    if options.name not in STUDIES and result is None:
        raise ValueError(f"no study {options.name!r}; there are {', '.join(STUDIES)}")
    if options.name not in STUDIES and not options.tables_only:
        raise ValueError(
            f"study {options.name} cannot be run any more: what it tried did not pay and has left "
            "the library. Its page names the git revision that has it; --tables-only rebuilds that"
        )
    path = Path(options.out) / f"{options.name}.json"
    if options.tables_only:
        if result is None:
            raise FileNotFoundError(
                f"{path} is not there yet; run `python -m studies study {options.name}` first"
            )
        print("wrote", ", ".join(show(result, options.out)))
        return 0
    study = STUDIES[options.name]
    left = run(
        study, seeds=options.seeds, data=options.data, rows=options.rows, budget=options.budget,
        again=options.again, out=options.out, runs=options.runs, device=options.device,
        progress=not options.quiet,
    )  # fmt: skip
    if left:
        print(f"time is used up: {left} runs are left; the same command goes on")
    print(f"results: {path}, {path.with_suffix('.md')}")
    return 0
