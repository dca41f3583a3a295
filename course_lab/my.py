"""A student's own copies of lessons and exercises: ``my/``, which ``python3 course.py lab`` fills.

    my/00_start.ipynb … my/exercises/02_spikes/02_spikes.ipynb

The stored notebooks hold their outputs, for readers on the web and for the tests. A copy holds
none, so that a guess is a guess. What a student has changed is never overwritten: a copy is renewed
only while it is as it was made. ``my/.copies.json`` remembers how that was.
"""

import hashlib
import json
from pathlib import Path

import nbformat

from course_lib.events.files import write_atomic

RECORD = ".copies.json"


def copy_lessons(root: Path, folder: Path | None = None) -> list[str]:
    """Copy what is new into ``folder`` (``root``/my by default); never touch what was worked on.

    Returns a line for each lesson or exercise that has a newer edition than a copy that was worked
    on. A record that cannot be read counts as none: then every copy that is there stays.
    """
    folder = folder or root / "my"
    made, told = _read(folder / RECORD), []
    for source, name in _sources(root):
        target, fresh = folder / name, _cleared(source)
        digest = _digest(fresh)
        if not target.exists() or _digest(target.read_bytes()) == made.get(name, {}).get("copy"):
            write_atomic(target, fresh)
            made[name] = {"copy": digest, "edition": digest}
        elif made.get(name, {}).get("edition") != digest:
            told.append(
                f"{name} has a newer edition. Yours stays as it is; move it away or rename it to "
                "get the new one at the next start."
            )
    write_atomic(folder / RECORD, json.dumps(made, indent=1, sort_keys=True))
    return told


def _sources(root: Path) -> list[tuple[Path, str]]:
    """(stored notebook, name of its copy) of all lessons and exercises."""
    lessons = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    lessons += sorted((root / "notebooks").glob("*.md"))
    exercises = sorted((root / "exercises").glob("*/[0-9][0-9]_*.ipynb"))
    return [(path, path.name) for path in lessons] + [
        (path, f"exercises/{path.parent.name}/{path.name}") for path in exercises
    ]


def _cleared(path: Path) -> bytes:
    """A notebook without outputs, its links as they lead from the copy; a page as it is."""
    if path.suffix == ".md":
        return path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    lesson = path.parent.name == "notebooks"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        elif lesson:
            cell.source = cell.source.replace("](../exercises/", "](exercises/")
        else:
            cell.source = cell.source.replace("](../../notebooks/", "](../../")
    return (nbformat.writes(notebook) + "\n").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> dict:
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        return {name: dict(entry) for name, entry in made.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


if __name__ == "__main__":
    for line in copy_lessons(Path(__file__).resolve().parents[1]):
        print(line)
