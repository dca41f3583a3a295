"""nbgrader, as an instructor uses it: three invented submissions get the points they deserve."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import nbformat
import pytest

from course_lab.authoring.assignments import ROOT

TOPIC = "02_spikes"
SECONDS = 20  # what a cell may take in this test; nbgrader_config.py grants more

nbgrader = pytest.importorskip("nbgrader", reason="needs the extra instructor")
pytestmark = pytest.mark.slow


def test_its_helpers_are_found_without_an_activated_environment(monkeypatch):
    """The formgrader calls alembic by name when it is first opened."""
    monkeypatch.setenv("PATH", os.defpath)
    code = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    exec(code, {"get_config": MagicMock})
    assert Path(shutil.which("alembic")).parent == Path(sys.executable).parent


def command(folder: Path, *words: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words, f"--Execute.timeout={SECONDS}"],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout + run.stderr


def cell(notebook, identifier: str):
    return next(c for c in notebook.cells if c.id == identifier)


def fill(notebook, identifier: str) -> None:
    """Write the solution of the source notebook into a stub."""
    source = nbformat.read(ROOT / "solutions" / TOPIC / f"{TOPIC}.ipynb", as_version=4)
    region = re.compile(r"### BEGIN SOLUTION\n(.*?)\n\s*### END", re.S)
    body = region.search(cell(source, identifier).source)
    stub = cell(notebook, identifier)
    stub.source = stub.source.replace("    # YOUR CODE HERE", body[1])


ALL = ("lowest-current", "lif-step", "spike-interval", "firing-rates", "start-scale", "lif-delayed",
       "voltage-trace", "learn-pair", "eight-neurons")  # fmt: skip


def perfect(notebook) -> None:
    for identifier in ALL:
        fill(notebook, identifier)


def half(notebook) -> None:
    """Two right, one wrong at exactly θ alone, one that fails, the rest untouched."""
    fill(notebook, "lowest-current")
    fill(notebook, "spike-interval")
    stub = cell(notebook, "lif-step")
    stub.source = stub.source.replace(
        "# YOUR CODE HERE",
        "v = beta * voltage + current\n    return 1.0 * (v >= threshold), v * (v < threshold)",
    )
    stub = cell(notebook, "start-scale")
    stub.source = stub.source.replace("# YOUR CODE HERE", "return actve")


def hostile(notebook) -> None:
    perfect(notebook)
    cell(notebook, "lowest-current").source = "while True:\n    pass"
    notebook.cells.remove(cell(notebook, "lif-step-check"))
    cell(notebook, "spike-interval").source = "def spike_interval(*a):\n    return 1"
    cell(notebook, "spike-interval-check").source = "spike_interval = lambda *a: 11"
    cell(notebook, "firing-rates").source += "\n\nprint('never ends\\n' * 500_000)"
    cell(notebook, "start-scale").source = (
        "def start_scale(active, threshold):\n    while True:\n        print('never')"
    )


# lowest_current 1, lif_step 2, spike_interval 2, firing_rates 2, start_scale 2, lif_delayed 3,
# voltage_trace 2, learn_pair 3, eight_neurons 3, words 2, which nobody wrote
SUBMISSIONS = {perfect: 20, half: 4, hostile: 15}


@pytest.fixture(scope="module", autouse=True)
def active_environment():
    """nbgrader looks for its helper alembic on the PATH, as in an activated environment."""
    with pytest.MonkeyPatch.context() as patch:
        scripts = str(Path(sys.executable).parent)
        patch.setenv("PATH", scripts + os.pathsep + os.environ.get("PATH", ""))
        yield


@pytest.fixture(scope="module")
def graded(tmp_path_factory, active_environment) -> Path:
    folder = tmp_path_factory.mktemp("class")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copytree(ROOT / "solutions" / TOPIC, folder / "solutions" / TOPIC)
    command(folder, "generate_assignment", TOPIC)
    released = folder / "exercises" / TOPIC / f"{TOPIC}.ipynb"
    for student in SUBMISSIONS:
        notebook = nbformat.read(released, as_version=4)
        student(notebook)
        path = folder / "submitted" / student.__name__ / TOPIC / f"{TOPIC}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    command(folder, "autograde", TOPIC)
    command(folder, "generate_feedback", TOPIC)
    return folder


def test_the_instructor_s_command_gives_the_released_exercises(graded):
    made = nbformat.read(graded / "exercises" / TOPIC / f"{TOPIC}.ipynb", as_version=4)
    ours = nbformat.read(ROOT / "exercises" / TOPIC / f"{TOPIC}.ipynb", as_version=4)
    assert made.cells == ours.cells


@pytest.mark.parametrize("student", SUBMISSIONS, ids=lambda s: s.__name__)
def test_points(graded, student):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as book:
        submission = book.find_submission(TOPIC, student.__name__)
        assert submission.max_score == 22
        earned = {grade.name: grade.score for n in submission.notebooks for grade in n.grades}
        assert submission.score == SUBMISSIONS[student], earned


def test_feedback_names_the_mistake_and_stays_small(graded):
    page = graded / "feedback" / "half" / TOPIC / f"{TOPIC}.html"
    assert "you fire at v ≥ θ" in page.read_text(encoding="utf-8")
    page = graded / "feedback" / "hostile" / TOPIC / f"{TOPIC}.html"
    assert page.stat().st_size < 2_000_000
