"""grades.csv: nbgrader's table, with what waits to be read and what needs a look."""

import csv
from pathlib import Path

import nbformat
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import ExportPlugin

from course_lab.grading.notes import notes, unreadable


def graded_notebook(directory: CourseDirectory, student: str, assignment: str) -> Path:
    """Where the graded notebook of a submission lies."""
    folder = directory.format_path(directory.autograded_directory, student, assignment)
    return Path(folder) / f"{assignment}.ipynb"


def looks(directory: CourseDirectory, student: str, assignment: str) -> list[str]:
    """What needs a look in a submission, in words."""
    folder = Path(directory.format_path(directory.submitted_directory, student, assignment))
    if not folder.is_dir():
        return ["Nothing was handed in."]
    problem = unreadable(folder, assignment)
    found = [problem] if problem else []
    graded = graded_notebook(directory, student, assignment)
    if graded.is_file():
        return found + notes(nbformat.read(graded, as_version=4))
    return found or ["It is not graded. If it was tried, grading.log says what went wrong."]


class Grades(ExportPlugin):
    """nbgrader's columns and two more; no score where nothing was graded."""

    def export(self, gradebook) -> None:
        directory = CourseDirectory(parent=self)
        rows = [
            row(gradebook, directory, assignment, student)
            for assignment in gradebook.assignments for student in gradebook.students
            if assignment.name in (self.assignment or [assignment.name])
            and student.id in (self.student or [student.id])
        ]  # fmt: skip
        path = Path(self.to or "grades.csv")
        with path.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, rows[0] if rows else [])
            table.writeheader()
            table.writerows(rows)


def row(gradebook, directory: CourseDirectory, assignment, student) -> dict:
    """One line of the table."""
    graded = graded_notebook(directory, student.id, assignment.name).is_file()
    found = gradebook.find_submission(assignment.name, student.id) if graded else None
    penalty = found.late_submission_penalty if found else ""
    return {
        "assignment": assignment.name, "duedate": assignment.duedate,
        "timestamp": found.timestamp if found else "", "student_id": student.id,
        "last_name": student.last_name, "first_name": student.first_name, "email": student.email,
        "raw_score": found.score if found else "", "late_submission_penalty": penalty,
        "score": max(0.0, found.score - penalty) if found else "",
        "max_score": assignment.max_score,
        "to_read": "yes" if found and found.needs_manual_grade else "",
        "needs_a_look": " ".join(looks(directory, student.id, assignment.name)),
    }  # fmt: skip
