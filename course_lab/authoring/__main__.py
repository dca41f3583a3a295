"""The command line: python -m course_lab.authoring lessons | bands | build | ..."""

from pathlib import Path

from course_lib.run.cli import Parser, run


def main(arguments: list[str] | None = None) -> int:
    """Run a command; see ``course_lib.run.cli.main``."""
    parser = Parser(
        prog="python -m course_lab.authoring", description="Store lessons, generate exercises."
    )
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    return run(parser, arguments)


def add_commands(commands) -> None:
    lessons = commands.add_parser("lessons", help="run lessons and store them with their outputs")
    lessons.add_argument("names", nargs="*", metavar="NAME", help="such as 02_spikes; default: all")
    lessons.add_argument("--check", action="store_true",
                         help="run nothing: list which rules of a lesson they break")  # fmt: skip
    lessons.set_defaults(run=run_lessons)
    bands = commands.add_parser("bands", help="measure the band of five seeds behind a widget")
    bands.add_argument("names", nargs="+", metavar="NAME", help="a file of course_lab/widgets")
    bands.set_defaults(run=run_bands)
    build = commands.add_parser(
        "build", help="run solutions/ and generate exercises/ from it (needs the extra instructor)"
    )
    build.add_argument("names", nargs="*", metavar="NAME", help="such as 02_spikes; default: all")
    build.add_argument("--no-run", action="store_true", help="keep the stored outputs")
    build.set_defaults(run=run_build)
    verify = commands.add_parser("verify", help="prove that exercises/ is what solutions/ gives")
    verify.set_defaults(run=run_verify)
    address = commands.add_parser(
        "address", help="write the repository's address into all badges and links"
    )
    address.add_argument("url", nargs="?", metavar="URL",
                         help="https://github.com/OWNER/NAME; default: as it is")  # fmt: skip
    address.set_defaults(run=run_address)
    colab = commands.add_parser(
        "colab", help="make an archive for Colab, to put beside a notebook or in Drive"
    )
    colab.add_argument("--out", type=Path, default=Path("spikes-without-backprop.zip"),
                       metavar="FILE", help="default: spikes-without-backprop.zip")  # fmt: skip
    colab.set_defaults(run=run_colab)
    rates = commands.add_parser("rates", help="how often checks name, or accept, what is wrong")
    rates.add_argument("names", nargs="*", metavar="NAME", help="such as 02, spikes; default: all")
    rates.add_argument("--details", action="store_true", help="also what is not named")
    rates.set_defaults(run=run_rates)


def run_lessons(options) -> int:
    from course_lab.authoring.authoring import execute_lessons, find_lessons

    if options.check:
        return check_lessons(find_lessons(options.names))
    for done in execute_lessons(find_lessons(options.names)):
        print(f"{done.path.name}: {done.seconds:.0f} s, {done.text_outputs} text outputs stored")
    return say_map()


def say_map() -> int:
    from course_lab.authoring.authoring import renew_map

    if renew_map():
        print("wrote notebooks/00_start.ipynb: the map of the course")
    return 0


def check_lessons(paths) -> int:
    from course_lab.authoring.rules import RULES, broken

    problems = [f"{path.stem}: {line}" for path in paths for line in broken(path)]
    for problem in problems:
        print(problem)
    if not problems:
        print(f"All rules are kept ({len(RULES)}), in all lessons asked for ({len(paths)}).")
    return 1 if problems else 0


def run_bands(options) -> int:
    from course_lab.widgets.bands import make

    for name in options.names:
        print(f"wrote {make(name)}")
    return 0


def run_build(options) -> int:
    from course_lab.authoring.assignments import build, find_solutions
    from course_lab.authoring.authoring import execute_lessons

    if not options.no_run:
        for done in execute_lessons(find_solutions(options.names)):
            print(f"ran {done.path.name}: {done.seconds:.0f} s")
    for path in build(options.names):
        print(f"wrote exercises/{path.parent.name}/{path.name}")
    return say_map()


def run_rates(options) -> int:
    from course_lab.authoring.rates import chosen, report

    print(report(chosen(options.names), options.details))
    return 0


def run_verify(options) -> int:
    from course_lab.authoring.assignments import find_solutions, verify

    problems = verify()
    for problem in problems:
        print(problem)
    print("Repair: python3 course.py build" if problems else
          f"In step: solutions/ and exercises/, assignments: {len(find_solutions())}")  # fmt: skip
    return 1 if problems else 0


def run_address(options) -> int:
    from course_lab.authoring.opening import readdress, repository

    changed = readdress(options.url)
    print(f"{repository()}: files written anew: {len(changed)}")
    return 0


def run_colab(options) -> int:
    from course_lab.authoring.opening import make_archive

    make_archive(options.out)
    print(f"Made {options.out}. In Colab, upload it in the panel Files at the left, or keep it in "
          "My Drive and mount that there; then run a lesson's first cell.")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
