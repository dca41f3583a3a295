"""A class of twelve hands in a small assignment, in every state that submissions come in."""

import csv
import os
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from textwrap import dedent, indent
from unittest.mock import MagicMock

import nbformat
import psutil
import pytest

from course_lab.authoring.assignments import ROOT

NAME = "02_small"
LIMITS = "c.Run.timeout, c.Run.check_timeout, c.Run.memory, c.Run.disk = 6, 10, 2500, 20\n"
#: exercises of the small assignment: from which one they come; one is an open task, with 3 points
EXERCISES = {
    "lowest-current": "02_spikes",
    "lif-step": "02_spikes",
    "spike-interval": "02_spikes",
    "fading-picture": "01_events",
    "choose-inputs": "01_events",
}
SLEEP = 1000 + os.getpid()  # no other test sleeps that long
SETUP = "import math, os\nimport numpy as np\nfrom course_lab import checks"
USE = "print(lif_step(np.array([0.15, 2.0]), np.zeros(2), 0.9, 1.0))"

nbgrader = pytest.importorskip("nbgrader", reason="needs the extra instructor")
pytestmark = pytest.mark.slow


def test_its_helpers_are_found_without_an_activated_environment(monkeypatch):
    """The formgrader calls alembic by name when it is first opened."""
    monkeypatch.setenv("PATH", os.defpath)
    code = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    exec(code, {"get_config": MagicMock})
    assert Path(shutil.which("alembic")).parent == Path(sys.executable).parent


def source(topic: str):
    return nbformat.read(ROOT / "solutions" / topic / f"{topic}.ipynb", as_version=4)


def cell(notebook, identifier: str):
    return next(c for c in notebook.cells if c.id == identifier)


def assignment():
    """Five exercises, one with partial points and one without a formula, and words."""
    topics = {topic: source(topic) for topic in ("01_events", "02_spikes")}
    small, cells = topics["02_spikes"], [cell(topics["02_spikes"], "setup")]
    cells[0].source = SETUP
    for name, topic in EXERCISES.items():
        cells += [cell(topics[topic], name + kind) for kind in ("-task", "", "-check")]
        if name == "lif-step":
            cells.append(nbformat.v4.new_code_cell(USE, id="lif-step-use"))
    small.cells = cells + [cell(topics["01_events"], name) for name in ("words-text", "words")]
    return small


def solve(notebook, *names: str) -> None:
    """Write the solutions of the source notebooks, but that of the open task."""
    region = re.compile(r"### BEGIN SOLUTION\n(.*?)\n\s*### END", re.S)
    for name in names or list(EXERCISES)[:4]:
        body = region.search(cell(source(EXERCISES[name]), name).source)
        write(notebook, name, dedent(body[1]))


def write(notebook, name: str, body: str) -> None:
    """Write this body below the head and the docstring of a stub."""
    stub = cell(notebook, name)
    stub.source = "\n".join([*stub.source.splitlines()[:2], indent(body, "    ")])


def remove(notebook, *names: str) -> None:
    notebook.cells = [c for c in notebook.cells if c.id not in names]


def copy_of(notebook, name: str):
    """A copied cell, as JupyterLab pastes it below: with nbgrader's id and a new one of its own."""
    copied = deepcopy(cell(notebook, name))
    copied.id = nbformat.v4.new_code_cell().id
    notebook.cells.insert(notebook.cells.index(cell(notebook, name)) + 1, copied)
    return copied


def ada(notebook):
    """All right; a warning in a check costs nothing; a function in a cell of her own."""
    solve(notebook)
    notebook.cells.insert(1, nbformat.v4.new_code_cell("def root(x):\n    return x ** 0.5"))
    write(notebook, "lowest-current", "import warnings\nwarnings.warn('mind the gap')\n"
          "return root(4) / 2 * threshold * (1 - beta)")  # fmt: skip
    write(notebook, "choose-inputs", "return np.argsort(-known.astype(float).var(0))[:budget]")
    cell(notebook, "words").source = "A camera that speaks only of changes."


def ben(notebook):
    """One right, one that fails; of two a boundary alone is missing."""
    solve(notebook, "lowest-current", "fading-picture")
    write(notebook, "lif-step", "v = beta * voltage + current\n"
          "return 1.0 * (v >= threshold), v * (v < threshold)")  # fmt: skip
    write(notebook, "spike-interval", "return curent")
    stub = cell(notebook, "fading-picture")
    stub.source = re.sub(r"\w+ <= now", "True", stub.source)


def cleo(notebook):
    """Deleted: a solution with its check, and the set-up."""
    solve(notebook)
    remove(notebook, "setup", "lif-step", "lif-step-check")


def dan(notebook):
    """Copied cells: one was improved, one became another solution, a check stands twice."""
    solve(notebook, "fading-picture")
    write(notebook, "lowest-current", "return 7")
    copied = copy_of(notebook, "lowest-current")
    solve(notebook, "lowest-current", "lif-step")
    copied.source, cell(notebook, "lowest-current").source = (
        cell(notebook, "lowest-current").source, copied.source)  # fmt: skip
    copy_of(notebook, "lowest-current-check")
    copied = copy_of(notebook, "lowest-current")
    copied.source = cell(notebook, "lif-step").source
    remove(notebook, "lif-step")


def eve(notebook):
    """Her function ends Python, in the check and wherever it is used."""
    solve(notebook)
    write(notebook, "lif-step", "os._exit(3)")


def finn(notebook):
    """A loop in C that no interrupt reaches, in a check."""
    solve(notebook)
    loop = "import collections, itertools\ncollections.deque(itertools.repeat(0), maxlen=0)"
    write(notebook, "spike-interval", loop)


def gus(notebook):
    """Cells that run for ever: one can be interrupted, one refuses to be."""
    solve(notebook)
    cell(notebook, "lowest-current").source = "while True:\n    pass"
    loop = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    notebook.cells.insert(1, nbformat.v4.new_code_cell(loop))


def hana(notebook):
    """Saved by an editor that keeps no metadata and no ids, as Colab may."""
    solve(notebook)
    cell(notebook, "words").source = "Where nothing changes, it says nothing."
    notebook.metadata, notebook.nbformat_minor = nbformat.from_dict({"colab": {}}), 0
    for number, c in enumerate(notebook.cells):
        c.metadata = nbformat.from_dict({"id": f"aBc{number}"})
        del c["id"]


def ivo(notebook):
    """Saved by an editor that adds metadata, and locks nothing, as VS Code."""
    solve(notebook)
    notebook.metadata.kernelspec = {"name": "my-venv", "display_name": ".venv (3.12)"}
    for c in notebook.cells:
        c.metadata["vscode"] = {"languageId": "python"}
        if "nbgrader" in c.metadata:
            c.metadata.nbgrader["extra"], c.metadata.nbgrader["schema_version"] = 1, 2
    cell(notebook, "lif-step-check").source = "lif_step = lambda *a: 1"
    raw = nbformat.v4.new_raw_cell(cell(notebook, "spike-interval-check").source)
    raw.metadata = cell(notebook, "spike-interval-check").metadata
    notebook.cells[notebook.cells.index(cell(notebook, "spike-interval-check"))] = raw


def jo(notebook):
    """Megabytes in one line, a file, and a process that outlives its parent."""
    solve(notebook)
    cell(notebook, "lif-step-use").source = (
        "print('x' * 5_000_000)\nopen('mine.txt', 'w').write('x')\nimport subprocess, sys\n"
        f"code = 'import time; time.sleep({SLEEP})'\n"
        "subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
        "raise ValueError('y' * 5_000_000)"
    )
    notebook.cells.append(nbformat.v4.new_code_cell("'z' * 5_000_000"))


def kim(notebook):
    """More memory and more disk than there is for one."""
    solve(notebook)
    write(notebook, "lif-step", "return np.ones(5 * 10**8), voltage")
    cell(notebook, "lif-step-use").source = (
        "for k in range(100):\n    open(f'{k}', 'wb').write(bytes(10**6))\n"
        "import time\ntime.sleep(1000)"
    )


def lee(notebook):
    """Nothing is written yet."""


#: what each earns, and words of the reasons to look
SUBMISSIONS = {
    ada: (9, []),
    ben: (3, []),
    cleo: (5, ["put back as handed out: lif-step, lif-step-check"]),
    dan: (5, ["more than once", "lowest-current, lowest-current-check"]),
    eve: (5, ["`lif-step-check`: Python ended in it"]),
    finn: (5, ["`spike-interval-check`: it ran for more than 10 seconds, and no interrupt"]),
    gus: (6, ["`lowest-current`: it ran for more than 6 s", "`import signal`", "no interrupt"]),
    hana: (7, []),
    ivo: (7, ["Changed, although it checks, and put back: lif-step-check"]),
    jo: (7, []),
    kim: (5, ["`for k in range(100):`: it wrote more than 20 MB"]),
    lee: (0, []),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A class that has handed in."""
    from course_lab.grading.grade import prepared

    folder = tmp_path_factory.mktemp("class")
    config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    (folder / "nbgrader_config.py").write_text(config + LIMITS, encoding="utf-8")
    (folder / "solutions" / NAME).mkdir(parents=True)
    nbformat.write(assignment(), folder / "solutions" / NAME / f"{NAME}.ipynb")
    assert prepared(folder).generate_assignment(NAME)["success"]
    released = nbformat.read(folder / "exercises" / NAME / f"{NAME}.ipynb", as_version=4)
    for student in SUBMISSIONS:
        notebook = deepcopy(released)
        student(notebook)
        path = folder / "submitted" / student.__name__ / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    for student, name in (("max", NAME), ("nia", NAME + " (1)")):
        path = folder / "submitted" / student / NAME / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text("{", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def graded(folder) -> subprocess.CompletedProcess:
    """The command, when it has graded them."""
    (folder / "tmp").mkdir()
    settings = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder / "tmp"))
    command = [sys.executable, "-m", "course_lab.grading", str(folder)]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=1200)


@pytest.fixture(scope="module")
def table(folder, graded) -> dict[str, dict[str, str]]:
    with (folder / "grades.csv").open(newline="", encoding="utf-8") as stream:
        return {row["student_id"]: row for row in csv.DictReader(stream)}


def page(folder: Path, student: str) -> str:
    return (folder / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("student", SUBMISSIONS, ids=lambda s: s.__name__)
def test_points_reasons_and_feedback(folder, table, student):
    (points, reasons), row = SUBMISSIONS[student], table[student.__name__]
    assert (float(row["score"]), float(row["max_score"])) == (points, 12), row["needs_a_look"]
    assert bool(row["needs_a_look"]) == bool(reasons)
    assert [reason for reason in reasons if reason not in row["needs_a_look"]] == []
    text = page(folder, student.__name__)
    assert f"(Score: {points:.1f} / 12.0)" in text and len(text) < 500_000
    assert ("Notes of the grading" in text) == bool(reasons)


def test_what_a_student_reads(folder, graded):
    assert "you fire at v ≥ θ" in page(folder, "ben")
    assert "It earns 1 of 2 points" in page(folder, "ben")
    assert "This cell was stopped: Python ended in it" in page(folder, "eve")
    assert "cut: too much output" in page(folder, "jo")
    assert "Unable to allocate" in page(folder, "kim")
    assert "02_small.ipynb is no notebook that can be read" in page(folder, "max")


def test_what_cannot_be_read_has_no_points_and_a_reason(table, graded):
    assert table["max"]["score"] == table["nia"]["score"] == ""
    assert "(but 02_small (1).ipynb)" in table["nia"]["needs_a_look"]
    assert graded.returncode == 1
    looks = graded.stdout.split("Needs a look:")[1]
    assert "max, 02_small:" in looks and "cleo, 02_small:" in looks and "ada" not in looks


def test_answers_in_words_wait_to_be_read(table):
    assert {name for name, row in table.items() if row["to_read"]} == {"ada", "hana"}


def test_nothing_stays_behind(folder, graded):
    assert list((folder / "tmp").glob("grading-*")) == []
    written = {p.name for p in (folder / "feedback").rglob("*") if p.is_file()}
    assert written == {f"{NAME}.html"} and list(folder.rglob("mine.txt")) == []
    running = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    assert [line for line in running if f"time.sleep({SLEEP})" in line] == []


def test_an_honest_submission_is_graded_without_a_warning(folder, graded):
    log = (folder / "grading.log").read_text(encoding="utf-8")
    assert "===== 02_small ada" in log and "WARN" not in log and "ERROR" not in log
    assert "arning" not in graded.stderr


def test_the_instructor_s_command_gives_the_released_exercises(folder):
    from course_lab.grading.grade import hand_out, prepared

    topic = "02_spikes"
    hand_out(prepared(folder), folder, topic)
    made = nbformat.read(folder / "exercises" / topic / f"{topic}.ipynb", as_version=4)
    ours = nbformat.read(ROOT / "exercises" / topic / f"{topic}.ipynb", as_version=4)
    assert made.cells == ours.cells
