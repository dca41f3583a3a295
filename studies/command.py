"""What ``python -m studies study`` does."""

from pathlib import Path

from course_lib.results import read
from studies import runner
from studies.declared import STUDIES
from studies.results import show


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
    left = runner.run(
        study, seeds=options.seeds, data=options.data, rows=options.rows, budget=options.budget,
        again=options.again, out=options.out, runs=options.runs, device=options.device,
        progress=not options.quiet,
    )  # fmt: skip
    if left:
        print(f"time is used up: {left} runs are left; the same command goes on")
    print(f"results: {path}, {path.with_suffix('.md')}")
    return 0
