"""Make a submission whole: the assignment as it was handed out, filled with what a student wrote.

A cell is recognised by its nbgrader id, by its cell id, by its text, and a solution by the function
that it defines. So it does not matter that cells were deleted, copied or moved, or that an editor
lost their metadata. Checks are those of the gradebook, hidden lines included. What a student added
stays behind the cell that it followed.
"""

import re
from copy import deepcopy
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_locked, is_solution

from course_lab.grading.notes import note

DEFINED = re.compile(r"^def (\w+)\(", re.M)
CHECKED = re.compile(r"^(\w+) = checks\.\1\(\1\)", re.M)


class Rebuild(NbGraderPreprocessor):
    """The first step of grading, in the place of nbgrader's that refuse such notebooks."""

    def preprocess(self, nb, resources):
        of = resources["nbgrader"]
        with Gradebook(of["db_url"]) as book:
            cells = book.find_notebook(of["notebook"], of["assignment"]).source_cells
            originals = {cell.name: (cell.source, cell.checksum) for cell in cells}
        directory = CourseDirectory(parent=self)
        folder = directory.format_path(directory.release_directory, ".", of["assignment"])
        released = nbformat.read(Path(folder) / f"{of['notebook']}.ipynb", as_version=4)
        return rebuilt(released, nb, originals), resources


def rebuilt(released, submitted, originals: dict[str, tuple[str, str]]):
    """The notebook to grade.

    released, submitted: notebooks as they were handed out and handed in.
    originals: by nbgrader id, the source and the checksum of a cell with its hidden lines.
    """
    result, remarks = deepcopy(released), Remarks()
    there = candidates(released.cells, submitted.cells)
    chosen = {k: best(released.cells[k], found, submitted.cells) for k, found in there.items()}
    find_answers(released.cells, submitted.cells, chosen, there)
    setup = next((k for k, c in enumerate(released.cells) if c.cell_type == "code"), None)
    for k, cell in enumerate(result.cells):
        mine = submitted.cells[chosen[k]] if k in chosen else None
        remarks.compare(cell, mine, [submitted.cells[s] for s in there.get(k, ())])
        name = grade_id(cell)
        if name in originals:
            cell.metadata.nbgrader["checksum"] = originals[name][1]
        if is_locked(cell):
            cell.source = originals[name][0]
        elif mine is not None and k != setup:
            cell.source = mine.source
            if "attachments" in mine:
                cell.attachments = mine.attachments
    more = added(released.cells, submitted.cells, chosen, setup)
    result.cells = more.get(None, []) + [
        cell for k, first in enumerate(result.cells) for cell in [first, *more.get(k, ())]
    ]
    note(result, remarks.lines())
    return result


def grade_id(cell) -> str | None:
    """nbgrader's id of a cell."""
    return (cell.metadata.get("nbgrader") or {}).get("grade_id")


def same_text(a, b) -> bool:
    return a.source.strip() == b.source.strip()


def candidates(released, submitted) -> dict[int, list[int]]:
    """By the place of a cell in the assignment, the places of submitted cells that stand for it."""
    found: dict[int, list[int]] = {}
    for s, cell in enumerate(submitted):
        k = place(cell, released)
        if k is not None:
            found.setdefault(k, []).append(s)
    return found


def place(cell, released) -> int | None:
    """The place of the cell of the assignment that a submitted cell stands for."""
    def first(holds):
        return next((k for k, r in enumerate(released) if holds(r)), None)

    ids = (grade_id(cell), cell.get("id"), cell.metadata.get("id"))
    tagged = [first(lambda r, i=i: i and i in (grade_id(r), r.get("id"))) for i in ids]
    tagged = next((k for k in tagged if k is not None), None)
    if tagged is not None and (not defined(released[tagged]) or defines(cell, released[tagged])):
        return tagged
    # A copied cell keeps the id, and may have become the solution of another exercise.
    if (written := first(lambda r: defines(cell, r))) is not None:
        return written
    if tagged is not None:
        return tagged
    if (equal := first(lambda r: same_text(cell, r))) is not None:
        return equal
    checked = CHECKED.findall(cell.source)
    return first(lambda r: is_locked(r) and checked and CHECKED.findall(r.source) == checked)


def defined(cell) -> str | None:
    """The function that a solution of the assignment defines."""
    names = DEFINED.findall(cell.source) if is_solution(cell) and cell.cell_type == "code" else ()
    return names[0] if names else None


def defines(cell, solution) -> bool:
    """Whether a submitted cell defines the function of this solution."""
    return defined(solution) in DEFINED.findall(cell.source)


def best(cell, found: list[int], submitted) -> int:
    """The place of the submitted cell to take: one that defines the function, that was changed,
    that has the id, and of several of those the last."""
    return max(found, key=lambda s: (
        defines(submitted[s], cell), not same_text(submitted[s], cell),
        grade_id(submitted[s]) == grade_id(cell), s,
    ))  # fmt: skip


def find_answers(released, submitted, chosen: dict[int, int], there) -> None:
    """Add answers in words without an id: what stands below the text that asks for them."""
    taken = {s for found in there.values() for s in found}
    for k, cell in enumerate(released):
        below = chosen.get(k - 1, len(submitted)) + 1
        if (
            k not in chosen and is_solution(cell) and cell.cell_type == "markdown"
            and below < len(submitted) and below not in taken
            and submitted[below].cell_type == "markdown"
        ):  # fmt: skip
            chosen[k] = below


def added(released, submitted, chosen: dict[int, int], setup) -> dict[int | None, list]:
    """New cells of the student by the place of the cell of the assignment that they follow; a
    changed set-up follows the original. What only repeats a cell of the assignment is left out."""
    places, after, found = {s: k for k, s in chosen.items()}, None, {}
    repeated = {cell.source.strip() for cell in released} | {""}
    for s, cell in enumerate(submitted):
        after = places.get(s, after)
        if (s in places and after != setup) or cell.source.strip() in repeated:
            continue
        kind = "code" if cell.cell_type == "code" else "markdown"
        make = getattr(nbformat.v4, f"new_{kind}_cell")
        found.setdefault(after, []).append(make(cell.source, id=f"added-{s}"))
    return found


class Remarks:
    """What differs from the assignment in a way that somebody should know."""

    def __init__(self):
        self.missing, self.changed, self.copied = [], [], []

    def compare(self, cell, mine, found) -> None:
        """Look at a cell of the assignment, the submitted one, and all that could have been it."""
        name = grade_id(cell)
        if name is None:
            return
        if mine is None:
            self.missing.append(name)
        elif is_locked(cell) and not same_text(cell, mine):
            self.changed.append(name)
        if sum(is_locked(cell) or not same_text(cell, other) for other in found) > 1:
            self.copied.append(name)

    def lines(self) -> list[str]:
        says = {
            "Missing, and put back as handed out": self.missing,
            "Changed, although it checks, and put back": self.changed,
            "There more than once; the one that stands below was graded": self.copied,
        }
        return [f"{text}: {', '.join(names)}." for text, names in says.items() if names]
