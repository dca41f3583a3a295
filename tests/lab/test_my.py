"""Students' own copies: without outputs, never overwritten; and what they have done so far."""

import json

import nbformat
import pytest

from course_lab import checks, course_map, progress
from course_lab.my import copy_lessons


def store(path, text, output="42"):
    cell = nbformat.v4.new_code_cell("6 * 7")
    cell.outputs = [nbformat.v4.new_output("stream", text=output)]
    cell.execution_count = 1
    cell.metadata["tags"] = ["hide"]
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), cell])
    for number, one in enumerate(notebook.cells):
        one.id = f"cell-{number}"
    nbformat.write(notebook, path)


@pytest.fixture
def course(tmp_path):
    store(tmp_path / "notebooks/02_spikes.ipynb", "# 02, then ](../exercises/02_spikes/x.ipynb)")
    store(tmp_path / "exercises/02_spikes/02_spikes.ipynb", "](../../notebooks/02_spikes.ipynb)")
    return tmp_path


def test_copies_have_no_outputs_and_links_that_lead_somewhere(course):
    assert copy_lessons(course) == []
    lesson = nbformat.read(course / "my/02_spikes.ipynb", as_version=4)
    exercise = nbformat.read(course / "my/exercises/02_spikes/02_spikes.ipynb", as_version=4)
    assert lesson.cells[1].outputs == [] and lesson.cells[1].execution_count is None
    assert lesson.cells[1].metadata.tags == ["hide"]
    assert "](exercises/02_spikes/x.ipynb)" in lesson.cells[0].source
    assert "](../../02_spikes.ipynb)" in exercise.cells[0].source


def test_what_was_worked_on_is_never_overwritten(course):
    copy_lessons(course)
    mine = course / "my/02_spikes.ipynb"
    mine.write_text("mine", encoding="utf-8")
    assert copy_lessons(course) == [], "the same edition: nothing to tell"
    store(course / "notebooks/02_spikes.ipynb", "# second edition")
    (told,) = copy_lessons(course)
    assert "02_spikes.ipynb has a newer edition" in told
    assert mine.read_text(encoding="utf-8") == "mine"
    mine.unlink()
    assert copy_lessons(course) == [] and "second edition" in mine.read_text(encoding="utf-8")


def test_a_copy_that_nobody_touched_follows_the_course(course):
    copy_lessons(course)
    store(course / "notebooks/02_spikes.ipynb", "# second edition")
    assert copy_lessons(course) == []
    assert "second edition" in (course / "my/02_spikes.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize("record", ["", "[]", '{"02_spikes.ipynb": 3}', "\x00"])
def test_a_damaged_record_overwrites_nothing(course, record):
    copy_lessons(course)
    mine = course / "my/02_spikes.ipynb"
    mine.write_text("mine", encoding="utf-8")
    (course / "my/.copies.json").write_text(record, encoding="utf-8")
    copy_lessons(course)
    assert mine.read_text(encoding="utf-8") == "mine"


def test_progress_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "p" / "progress.json"))
    assert progress.done() == {}
    progress.record("02_spikes", "lif_step")
    progress.record("02_spikes", "lif_step")
    progress.record("02_spikes", "rheobase")
    assert progress.done() == {"02_spikes": {"lif_step", "rheobase"}}


def test_progress_that_cannot_be_kept_is_no_error(tmp_path, monkeypatch):
    broken = tmp_path / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(broken))
    broken.write_text(json.dumps([1]), encoding="utf-8")
    assert progress.done() == {}
    monkeypatch.setenv("COURSE_PROGRESS", str(broken / "below" / "a.json"))
    progress.record("02_spikes", "lif_step")
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    progress.record("02_spikes", "lif_step")
    assert progress.done() == {}


def test_the_map_shows_what_was_solved(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    count = len(checks.topics()["02_spikes"][1])
    assert f"1 of {count} solved" not in course_map.page(progress.done())
    progress.record("02_spikes", "lif_step")
    progress.record("02_spikes", "no_exercise_of_this_name")
    assert f"1 of {count} solved" in course_map.page(progress.done())
    assert '<a href="exercises/02_spikes/02_spikes.ipynb">' in course_map.page(progress.done())
