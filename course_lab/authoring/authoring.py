"""Store lessons executed: run every cell, keep what is stable, write the file whole or not at all.

A stored lesson is one that ran without real recordings (NMNIST_DIR unset) and without a warning.
What differs from run to run or machine to machine (times, versions, the identifiers of widgets) is
taken out, so that running a lesson again changes its file only where the lesson has changed.
"""

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import nbformat

from course_lab import course_map
from course_lab.authoring.opening import ROOT, stamp
from course_lib.events.files import write_atomic

NOTEBOOKS = ROOT / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
KEPT = ("tags", "reason", "nbgrader", "jupyter", "cellView", "tolerance",
        "jp-MarkdownHeadingCollapsed")  # of a cell's metadata
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}


class Executed(NamedTuple):
    """One lesson that was run: its path, its seconds, its number of text outputs."""

    path: Path
    seconds: float
    text_outputs: int


def find_lessons(names: Iterable[str] = (), folder: Path = NOTEBOOKS) -> list[Path]:
    """Paths of the lessons whose file names start with one of the names; all if none is given.

    Raises FileNotFoundError, listing what there is, for a name that fits no lesson.
    """
    lessons = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    names = list(names)
    for name in names:
        if not any(path.name.startswith(name) for path in lessons):
            there = ", ".join(path.stem for path in lessons) or "none"
            raise FileNotFoundError(f"no lesson starts with {name!r}; there are: {there}")
    return [path for path in lessons if not names or path.name.startswith(tuple(names))]


def execute_lessons(paths: Iterable[Path]) -> list[Executed]:
    """Run lessons from top to bottom and store them with their outputs, each atomically.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; the file is left as it was.
        ValueError: a cell wrote to stderr (a warning, usually): mend its cause.
    """
    return [execute_lesson(Path(path)) for path in paths]


def execute_lesson(path: Path) -> Executed:
    """Run one lesson and store it: see ``execute_lessons``."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    stamp(notebook, path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    environment = {name: value for name, value in os.environ.items() if name != "NMNIST_DIR"}
    environment["COURSE_PROGRESS"] = "off"  # an author's own progress is nobody's business
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
    )
    start = time.perf_counter()
    client.execute(env=environment)
    seconds = time.perf_counter() - start
    stabilise(notebook, path.name)
    nbformat.validate(notebook)
    write_atomic(path, nbformat.writes(notebook) + "\n")
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return Executed(path, seconds, sum(map(is_text, outputs)))


def renew_map(path: Path = NOTEBOOKS / "00_start.ipynb") -> bool:
    """Write today's map of the course into the stored lesson that shows it; whether it changed.

    Nothing is run: what the map says comes from lessons.toml and the names of the exercises.
    """
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    for output in maps(notebook):
        output.data["text/html"] = course_map.page({})
    text = nbformat.writes(notebook)
    if text != before:
        write_atomic(path, f"{text}\n")
    return text != before


def maps(notebook) -> list:
    """The outputs of a notebook that are the map of the course."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [one for one in outputs if one.get("data", {}).get("text/plain") == course_map.PLAIN]


def is_text(output) -> bool:
    """Whether nbval compares something of this output that a reader reads."""
    return output.output_type == "stream" or "text/plain" in output.get("data", {})


def joined(outputs: list) -> list:
    """The outputs with neighbouring pieces of one stream made one: where they break is chance."""
    kept = []
    for output in outputs:
        last = kept[-1] if kept else {}
        if output.get("name") and output.get("name") == last.get("name"):
            last.text += output.text
        else:
            kept.append(output)
    return kept


def stabilise(notebook, name: str) -> None:
    """Take out of an executed notebook what differs from run to run.

    Raises ValueError if a cell wrote to stderr.
    """
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in KEPT if key in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
        for index, output in enumerate(cell.get("outputs", [])):
            if output.get("name") == "stderr":
                raise ValueError(
                    f"{name}, cell {cell.id}, wrote to stderr: {output.text.strip()[:300]!r}. "
                    "Mend the cause: warnings carry paths and process ids and do not validate."
                )
            view = output.get("data", {}).get(WIDGET)
            if view:
                label = f"{name} {cell.id} {index}".encode()
                view["model_id"] = hashlib.md5(label, usedforsecurity=False).hexdigest()
