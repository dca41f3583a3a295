"""The command line: python -m studies study | bench | scaling | measure | compare"""

from pathlib import Path

from course_lib.run.cli import Parser, run
from studies import recordings, runner
from studies.bench import benchmarks, model

RESULTS = Path("data/results")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; see ``course_lib.run.cli.main``."""
    parser = Parser(
        prog="python -m studies", description="Make the numbers that lessons and pages quote."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_study(commands)
    add_bench(commands)
    add_scaling(commands)
    add_recordings(commands)
    return run(parser, arguments)


def add_study(commands) -> None:
    study = commands.add_parser(
        "study", help="compare methods over seeds; the same command goes on where it stopped"
    )
    add = study.add_argument
    add("name", nargs="?", metavar="NAME", help="without it: list the studies")
    add("--rows", nargs="+", metavar="ROW", help="only these: names, labels or groups")
    add("--seeds", type=int, metavar="N", help="final runs a row; default: the study's own")
    add(
        "--data",
        metavar="PATH",
        help="folder of real recordings, for studies of them, or MNIST as .npz to simulate as many",
    )
    add("--test-digits", metavar="PATH", help="MNIST as .npz: test on recordings that are simulated"
        " from its 10,000 test digits, and keep the results apart")  # fmt: skip
    add("--device", default="cpu", help='"cpu" (default) or "cuda"')
    add("--threads", type=int, metavar="N", help="of the CPU for each run; default: 1")
    add("--price", action="store_true", help="run nothing: say what the study takes here")
    add("--budget", type=float, metavar="MINUTES", help="begin no run after so long")
    add("--again", action="store_true", help="make runs anew that are there already")
    add("--tables-only", action="store_true", help="tables and figures from NAME.json alone")
    add("--out", type=Path, default=RESULTS, metavar="FOLDER",
        help="of NAME.json, NAME.md and figures; default: data/results")  # fmt: skip
    add("--runs", type=Path, default=Path("runs/study"), metavar="FOLDER",
        help="of single runs; default: runs/study")  # fmt: skip
    add("--quiet", action="store_true", help="no progress bar")
    study.set_defaults(run=runner.main)


def add_bench(commands) -> None:
    bench = commands.add_parser("bench", help="ours and its rivals, interleaved, as ratios")
    add = bench.add_argument
    add("names", nargs="*", metavar="NAME", help="default: every benchmark")
    add("--repeats", type=int, default=7, help="medians of so many; default: 7")
    add("--quick", action="store_true", help="small sizes, in seconds")
    add("--store", type=Path, nargs="?", const=RESULTS, metavar="FOLDER",
        help="keep bench-NAME.json and .md there; default: data/results")  # fmt: skip
    bench.set_defaults(run=lambda o: benchmarks.main(o.names, o.repeats, o.quick, o.store))


def add_scaling(commands) -> None:
    scaling = commands.add_parser(
        "scaling", help="time a generation shared among processes, and predict it for 1,000"
    )
    add = scaling.add_argument
    add("--json", type=Path, metavar="FILE", help="write the figures there, too")
    add("--repeats", type=int, default=7, help="medians of so many; default: 7")
    scaling.set_defaults(run=lambda o: model.main(o.repeats, o.json))


def add_recordings(commands) -> None:
    measure = commands.add_parser("measure", help="write down how real recordings look, in figures")
    measure.add_argument("folder", type=Path, help="a folder with Train/<label>/<k>.bin")
    measure.add_argument("--json", type=Path, default=RESULTS / "recordings.json", metavar="FILE",
                         help="default: data/results/recordings.json")  # fmt: skip
    measure.set_defaults(run=recordings.main_measure)
    compare = commands.add_parser("compare", help="saccade digits beside real recordings of them")
    compare.add_argument("folder", type=Path, help="a folder with Train/<label>/<k>.bin")
    compare.set_defaults(run=recordings.main_compare)


if __name__ == "__main__":
    raise SystemExit(main())
