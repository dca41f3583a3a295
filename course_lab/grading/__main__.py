"""The command line: python -m course_lab.grading FOLDER [ASSIGNMENT ...]"""

from pathlib import Path

from course_lib.run.cli import Parser, run

ABOUT = """Grade a class: FOLDER/submitted/NAME/02_spikes/02_spikes.ipynb and so on.

Writes autograded/, feedback/ and grades.csv, and lists what needs a look. This runs the code of
students as you: solutions/README.md says how to let it run as somebody else."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see ``course_lib.run.cli.main``."""
    parser = Parser(prog="course.py grade", description=ABOUT)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of the class")
    parser.add_argument("names", nargs="*", metavar="ASSIGNMENT",
                        help="such as 02_spikes; default: all that were handed in")  # fmt: skip
    parser.add_argument("--force", action="store_true",
                        help="grade again what was graded; marks by hand are kept")  # fmt: skip
    parser.set_defaults(run=grade)
    return run(parser, arguments)


def grade(options) -> int:
    try:
        from course_lab.grading.grade import grade_class
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("course"):
            raise
        raise ModuleNotFoundError(
            "grading needs nbgrader: python3 course.py setup --with instructor"
        ) from error
    return grade_class(options.folder, options.names, options.force)


if __name__ == "__main__":
    raise SystemExit(main())
