"""Grade a class: nbgrader's steps for one submission after the other, and what needs a look."""

import html
import shutil
from pathlib import Path

from nbgrader.api import MissingEntry
from nbgrader.apps.api import NbGraderAPI
from traitlets.config.loader import PyFileConfigLoader

from course_lab.authoring.assignments import ROOT
from course_lab.grading.export import Grades, graded_notebook, looks
from course_lab.grading.notes import unreadable

CONFIG = "nbgrader_config.py"


def grade_class(folder: Path, names: list[str], force: bool) -> int:
    """Grade what was handed in and is new, or all with force. Returns 1 if some was not graded.

    Raises ValueError for a folder without submissions and for an assignment that there is not.
    """
    handed_in = sorted({p.name for p in folder.glob("submitted/*/*") if p.is_dir()})
    if not handed_in:
        raise ValueError(
            f"there are no submissions in {folder / 'submitted'}; one belongs at "
            "submitted/NAME/02_spikes/02_spikes.ipynb"
        )
    api, failed, all_looks = prepared(folder), 0, {}
    for name in names or handed_in:
        if name not in handed_in:
            raise ValueError(f"nobody handed in {name!r}; there are: {', '.join(handed_in)}")
        hand_out(api, folder, name)
        print(name)
        for student in sorted(api.get_submitted_students(name)):
            one(api, folder, name, student, force)
            graded = graded_notebook(api.coursedir, student, name).is_file()
            failed += not graded
            found = looks(api.coursedir, student, name)
            if found:
                all_looks[name, student] = found
            print(f"  {student:20} {score(api, name, student) if graded else 'not graded'}"
                  f"{'   needs a look' if found else ''}", flush=True)  # fmt: skip
    with api.gradebook as book:
        Grades(parent=api, to=str(folder / "grades.csv")).export(book)
    if all_looks:
        print("\nNeeds a look:")
    for (name, student), found in all_looks.items():
        print(f"  {student}, {name}:", *found, sep="\n    ")
    print(f"\nPoints: {folder / 'grades.csv'}   Feedback: {folder / 'feedback'}")
    return 1 if failed else 0


def prepared(folder: Path) -> NbGraderAPI:
    """nbgrader on a class; its configuration is brought along where the folder has none."""
    if not (folder / CONFIG).is_file():
        shutil.copy(ROOT / CONFIG, folder)
    config = PyFileConfigLoader(CONFIG, path=str(folder)).load_config()
    if "Run" not in config:
        raise ValueError(f"{folder / CONFIG} is of an earlier version: move it away, so that the "
                         "command brings the new one, and repeat what you had changed in it")
    config.CourseDirectory.root = str(folder.resolve())
    return NbGraderAPI(config=config)


def hand_out(api: NbGraderAPI, folder: Path, name: str) -> None:
    """See that the gradebook knows an assignment, from the class's copy of its solutions."""
    try:
        with api.gradebook as book:
            book.find_assignment(name)
        if (folder / "exercises" / name).is_dir():
            return
    except MissingEntry:
        pass
    if not (folder / "solutions" / name).is_dir():
        if not (ROOT / "solutions" / name).is_dir():
            raise ValueError(f"there is no assignment {name!r} in solutions/")
        shutil.copytree(ROOT / "solutions" / name, folder / "solutions" / name)
    result = api.generate_assignment(name)
    if not result["success"]:
        raise ValueError(f"{name} could not be generated: {logged(folder, name, '', result)}")


def one(api: NbGraderAPI, folder: Path, name: str, student: str, force: bool) -> None:
    """Grade one submission and write its feedback."""
    submitted = folder / "submitted" / student / name
    problem = unreadable(submitted, name)
    with api.gradebook as book:
        book.update_or_create_student(student)
    if problem:
        page = folder / "feedback" / student / name / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        text = f"<!doctype html><meta charset='utf-8'><p>{html.escape(problem)}</p>\n"
        page.write_text(text, encoding="utf-8")
        return
    graded = graded_notebook(api.coursedir, student, name)
    handed_in = (submitted / f"{name}.ipynb").stat().st_mtime
    if force or not graded.is_file() or graded.stat().st_mtime < handed_in:
        logged(folder, name, student, api.autograde(name, student, force=True))
    if graded.is_file():
        logged(folder, name, student, api.generate_feedback(name, student, force=True))


def logged(folder: Path, name: str, student: str, result: dict) -> str:
    """Keep what nbgrader said; returns its last line. An interruption goes on as one."""
    error = result.get("error", "")
    with (folder / "grading.log").open("a", encoding="utf-8") as log:
        log.write(f"===== {name} {student}\n{result.get('log', '')}{error}\n")
    if error.rstrip().endswith("KeyboardInterrupt"):
        raise KeyboardInterrupt
    return (error.strip().splitlines() or [""])[-1]


def score(api: NbGraderAPI, name: str, student: str) -> str:
    """The points of a submission in words."""
    with api.gradebook as book:
        submission = book.find_submission(name, student)
        read = ", and some to read" if submission.needs_manual_grade else ""
        return f"{submission.score:g} of {submission.max_score:g}{read}"
