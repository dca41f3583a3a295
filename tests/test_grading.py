"""The parts of grading: a submission is made whole, outputs are cut, what is wrong is told."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytest.importorskip("nbgrader", reason="needs the extra instructor")

from course_lab.authoring.assignments import ROOT  # noqa: E402
from course_lab.grading.grade import grade_class  # noqa: E402
from course_lab.grading.kernel import MEDIA, Kernel, Limits, Outputs  # noqa: E402
from course_lab.grading.notes import NOTES, notes, unreadable  # noqa: E402
from course_lab.grading.rebuild import rebuilt  # noqa: E402

CHECK = "half = checks.half(half)"
ORIGINALS = {"half-check": (CHECK + "\nchecks.grade('half')", "sum"), "half": ("", "sum"),
             "twice": ("", "sum"), "words": ("", "sum")}  # fmt: skip


def tagged(make, name: str, text: str, **more):
    facts = {"grade_id": name, "solution": not more.get("locked"), "grade": False, **more}
    return make(text, id=name, metadata={"nbgrader": facts})


def stub(name: str) -> str:
    return f"def {name}(x):\n    raise NotImplementedError"


def released():
    return new_notebook(cells=[
        new_markdown_cell("# Half", id="title"),
        new_code_cell("import math", id="setup"),
        tagged(new_code_cell, "half", stub("half")),
        tagged(new_code_cell, "half-check", CHECK, locked=True),
        tagged(new_code_cell, "twice", stub("twice")),
        new_markdown_cell("What is a half?", id="words-text"),
        tagged(new_markdown_cell, "words", "YOUR ANSWER HERE"),
    ])  # fmt: skip


def handed_in(*places: int):
    """The assignment, or these of its cells."""
    notebook = released()
    notebook.cells = [notebook.cells[k] for k in places or range(7)]
    return notebook


def made(submitted) -> list[str]:
    """The sources of the notebook that is graded, without its title and its list."""
    cells = rebuilt(released(), submitted, ORIGINALS).cells
    return [cell.source for cell in cells if cell.id not in {NOTES, "title"}]


WHOLE = ["import math", "def half(x): return x / 2", ORIGINALS["half-check"][0], stub("twice"),
         "What is a half?", "YOUR ANSWER HERE"]  # fmt: skip


def solved(*places: int):
    notebook = handed_in(*places)
    next(c for c in notebook.cells if c.id == "half").source = WHOLE[1]
    return notebook


def test_a_submission_gets_the_hidden_lines_and_no_remark():
    assert made(solved()) == WHOLE
    assert notes(rebuilt(released(), solved(), ORIGINALS)) == []


@pytest.mark.parametrize("places", [(2,), (3, 2, 1), (2, 6, 5, 4), (0, 1, 2, 4, 5)])
def test_deleted_and_moved_cells_are_put_where_they_belong(places):
    assert made(solved(*places))[-6:] == WHOLE


def test_what_is_missing_or_changed_is_told():
    notebook = solved(0, 1, 2, 3, 6)
    notebook.cells[3].source = "half = 1"
    assert notes(rebuilt(released(), notebook, ORIGINALS)) == [
        "Missing, and put back as handed out: twice.",
        "Changed, although it checks, and put back: half-check.",
    ]


def test_cells_are_known_by_what_they_say_where_ids_are_lost():
    notebook = solved()
    notebook.cells[-1].source = "It is one of two."
    for cell in notebook.cells:
        cell.metadata, cell.id = nbformat.from_dict({}), new_code_cell().id
    assert made(notebook) == WHOLE[:-1] + ["It is one of two."]


def test_a_solution_in_a_new_cell_counts_where_the_stub_was_left():
    notebook = handed_in()
    notebook.cells.insert(2, new_code_cell(WHOLE[1]))
    assert made(notebook) == WHOLE
    notebook.cells.insert(4, notebook.cells.pop(2))
    assert made(notebook) == WHOLE


def test_a_scratch_cell_below_does_not_replace_a_solution():
    notebook = solved()
    notebook.cells.append(new_code_cell("def half(x): return 0"))
    assert made(notebook) == [*WHOLE, "def half(x): return 0"]


def test_a_copied_cell_that_became_another_solution_is_that():
    notebook = solved()
    copied = deepcopy(notebook.cells[2])
    copied.id, copied.source = "copied", "def twice(x): return 2 * x"
    notebook.cells[4:5] = [copied]
    assert made(notebook) == [*WHOLE[:3], "def twice(x): return 2 * x", *WHOLE[4:]]


def test_new_cells_stay_behind_the_cell_that_they_followed():
    notebook = solved()
    notebook.cells.insert(3, new_code_cell("half(3)"))
    notebook.cells[1].source = "import mine"
    assert made(notebook) == [WHOLE[0], "import mine", WHOLE[1], "half(3)", *WHOLE[2:]]


def message(kind: str, **content) -> dict:
    return {"msg_type": kind, "header": {"msg_type": kind}, "content": content}


def test_outputs_are_cut_as_they_come():
    outputs = Outputs(1000)
    for _ in range(3):
        outputs.take(message("stream", name="stdout", text="x" * 600))
    picture = {"image/png": "i" * (MEDIA + 1)}
    outputs.take(message("display_data", data=picture, metadata={}))
    outputs.take(message("execute_result", data={"text/plain": "2"}, metadata={},
                         execution_count=1))  # fmt: skip
    outputs.take(message("error", ename="E", evalue="y" * 10**6, traceback=["z" * 10**6]))
    assert [o.output_type for o in outputs] == ["stream", "execute_result", "error"]
    assert outputs[0].text.startswith("x" * 1000 + "\n... cut") and len(str(outputs)) < 7000


def test_why_a_file_cannot_be_graded(tmp_path):
    assert "no notebook at all" in unreadable(tmp_path, "a")
    (tmp_path / "a (1).ipynb").touch()
    assert "There is no a.ipynb (but a (1).ipynb)" in unreadable(tmp_path, "a")
    for text in ("", "{", "[]", "{}", '{"cells": [{}], "nbformat": 4, "nbformat_minor": 5}'):
        (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
        assert "no notebook that can be read" in unreadable(tmp_path, "a")
    nbformat.write(released(), tmp_path / "a.ipynb")
    assert unreadable(tmp_path, "a") is None


@pytest.mark.slow
def test_memory_is_that_of_all_processes_together(tmp_path):
    code = "import time; held = bytearray(b'1') * (150 * 10**6); time.sleep(1000)"
    start = f"import subprocess, sys\n[subprocess.Popen([sys.executable, '-c', {code!r}]) "
    with Kernel(tmp_path, Limits(300 * 10**6, 10**6, 1000)) as kernel:
        kernel.start()
        assert kernel.run("1 + 1", 60)[1] == ""
        _, why = kernel.run(start + "for _ in range(2)]\nimport time\ntime.sleep(1000)", 60)
        assert why == "it took more than 300 MB of memory" and not kernel.alive
        kernel.start()
        (output,), why = kernel.run("held = bytearray(400 * 10**6)", 60)
        assert output.ename == "MemoryError" or why  # where the system knows no limit, it is ended


@pytest.mark.slow
def test_what_cannot_begin_is_told(tmp_path):
    with pytest.raises(ValueError, match="submitted/NAME/02_spikes/02_spikes.ipynb"):
        grade_class(tmp_path, [], False)
    (tmp_path / "submitted" / "ada" / "99_none").mkdir(parents=True)
    with pytest.raises(ValueError, match="nobody handed in '02_small'; there are: 99_none"):
        grade_class(tmp_path, ["02_small"], False)
    with pytest.raises(ValueError, match="no assignment '99_none'"):
        grade_class(tmp_path, [], False)
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()", encoding="utf-8")
    with pytest.raises(ValueError, match="of an earlier version"):
        grade_class(tmp_path, [], False)


@pytest.mark.slow
def test_the_formgrader_opens_from_the_lab(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from course import lab_options

    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder, options = lab_options(["--class", str(tmp_path), "--no-browser", "--port", str(port)])
    lab = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, "--IdentityProvider.token=t"], cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    browser = urllib.request.build_opener()
    browser.addheaders = [("Authorization", "token t")]
    try:
        for _ in range(300):
            assert lab.poll() is None
            with contextlib.suppress(OSError):
                page = browser.open(f"http://127.0.0.1:{port}/", timeout=120)
                break
            time.sleep(1)
        assert page.url.endswith("/formgrader/manage_assignments")
        assert "nbgrader formgrade" in page.read().decode()
    finally:
        lab.kill()
        lab.wait()
