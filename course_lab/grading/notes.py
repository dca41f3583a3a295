"""What needs a look: a list at the top of a graded notebook, which the student reads as well."""

from pathlib import Path

import nbformat

NOTES = "needs-a-look"  # the id of its cell


def note(notebook, texts: list[str]) -> None:
    """Put these lines, if there are any, at the end of the notebook's list."""
    if not texts:
        return
    if notebook.cells[:1] == [] or notebook.cells[0].get("id") != NOTES:
        title = "**Notes of the grading**\n"
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(title, id=NOTES))
    notebook.cells[0].source += "".join(f"\n- {text}" for text in texts)


def notes(notebook) -> list[str]:
    """The lines of a graded notebook's list."""
    lists = [cell.source for cell in notebook.cells if cell.get("id") == NOTES]
    return [line[2:] for text in lists for line in text.splitlines() if line.startswith("- ")]


def unreadable(folder: Path, name: str) -> str | None:
    """Why there is no notebook NAME.ipynb in a student's folder; None if there is one."""
    path = folder / f"{name}.ipynb"
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in folder.glob("*.ipynb"))) or "no notebook at all"
        return f"There is no {path.name} (but {there}). Rename it, and grade again."
    try:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.cell_type, cell.metadata, cell.source  # noqa: B018 - are they there?
    except Exception as error:  # a file may be broken in any way
        why = " ".join(str(error).split())[:120]
        return f"{path.name} is no notebook that can be read: {why}"
    return None
