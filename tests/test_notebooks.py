"""The stored lessons: executed, whole, readable without pictures, and watched by nbval.

``pytest --nbval notebooks`` runs the lessons and compares their outputs; the tests here make sure
that there is something to compare, and that nbval notices when the library is broken.
"""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course_lab.authoring import authoring, opening, rules
from course_lab.authoring.assignments import find_solutions

ROOT = Path(__file__).resolve().parents[1]
LESSONS = authoring.find_lessons()
NAMES = [path.stem for path in LESSONS]
IGNORED_AT_MOST = 1  # cells in all lessons whose outputs nbval does not compare


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_every_lesson_keeps_the_rule(rule):
    for path in LESSONS:
        assert list(rule(rules.Lesson(path))) == [], f"{path.stem}: {rules.sentence(rule)}"


def test_lessons_are_numbered_without_a_gap():
    assert [name[:2] for name in NAMES] == [f"{k:02d}" for k in range(len(NAMES))]


def test_few_outputs_are_ignored():
    cells = [cell for path in LESSONS for cell in code_cells(read(path))]
    assert sum(map(rules.ignored, cells)) <= IGNORED_AT_MOST


#: what is said of a lesson of two cells, one line for each rule that it breaks
BROKEN = (
    "too few to compare; 5 are needed.",
    "Something moves within the first ten cells. Nothing does.",
    "Cell c0 uses plt.show(.", "There is one in: 'open(\"/home/me/x\")",
    "The execution counts are [None]", "'## Summary' is missing.", "It does not say '# 02 · ",
    "Four to ten questions", "shown are .",
)  # fmt: skip


def test_check_lists_all_that_a_lesson_breaks_at_once(tmp_path):
    path = small_notebook(tmp_path / "02_spikes.ipynb", 'open("/home/me/x")\nplt.show()')
    notebook = read(path)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Small"))
    nbformat.write(notebook, path)
    said = "\n".join(rules.broken(path))
    for words in BROKEN:
        assert words in said, said


# ---------------------------------------------------------------- what a lesson loads

#: modules of ours that a lesson's import statements may load
AT_MOST = 40


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_a_lesson_s_imports_close_over_few_modules(path):
    """Those of all its cells, in a fresh process; the first three lessons load no Numba."""
    cells = [ast.walk(ast.parse(cell.source)) for cell in code_cells(read(path))]
    statements = [ast.unparse(node) for nodes in cells for node in nodes
                  if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    script = "\n".join([*statements, "import sys", "print(*sys.modules)"])
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    loaded = run.stdout.split()
    ours = [m for m in loaded if m.split(".")[0] in ("course_lib", "course_lab", "studies")]
    print(f"{path.stem}: {len(ours)} modules of ours")
    assert 0 < len(ours) <= AT_MOST, (ours, run.stderr)
    assert "numba" not in loaded or path not in LESSONS[:3]


# ---------------------------------------------------------------- the opening


def setup_source(notebook) -> str:
    head, _, _ = code_cells(notebook)[0].source.partition(opening.SETUP_END)
    return head


@pytest.mark.parametrize("path", [*LESSONS, *find_solutions()], ids=lambda path: path.stem)
def test_badge_and_setup_are_those_of_all_with_the_repository_of_the_package(path):
    notebook = read(path)
    before = nbformat.writes(notebook)
    opening.stamp(notebook, path)
    assert nbformat.writes(notebook) == before, "run it again: python3 course.py lessons"
    assert opening.badge(path) in notebook.cells[0].source
    assert f'REPOSITORY = "{opening.repository()}"' in setup_source(notebook)


def test_a_badge_leads_to_what_students_open():
    lesson = opening.badge(ROOT / "notebooks" / "02_spikes.ipynb")
    assert lesson.endswith("/course/blob/main/notebooks/02_spikes.ipynb)")
    solution = opening.badge(ROOT / "solutions" / "02_spikes" / "02_spikes.ipynb")
    assert solution.endswith("/blob/main/exercises/02_spikes/02_spikes.ipynb)")


def run_setup(monkeypatch, folder: Path, missing: tuple, status: int = 0) -> list:
    """What pip was called with; pip itself is not run."""
    calls = []
    find = importlib.util.find_spec

    def pip(command, **_):
        calls.append(command)
        return subprocess.CompletedProcess(command, status)

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else find(name)
    )
    exec(setup_source(read(LESSONS[0])), {})
    return calls


def test_setup_installs_the_course_alone_and_only_what_is_missing(monkeypatch, tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    archive = f"{opening.repository()}/archive/main.zip"
    calls = run_setup(monkeypatch, tmp_path, missing=("course_lib",))
    assert calls == [[*pip, "--no-deps", archive]]
    calls = run_setup(monkeypatch, tmp_path, missing=("course_lib", "platformdirs"))
    assert calls == [[*pip, "--no-deps", archive], [*pip, "platformdirs"]]


@pytest.mark.parametrize(
    "name", ["spikes_without_backprop-0.1.0-py3-none-any.whl", "spikes-without-backprop (1).zip"]
)
def test_setup_takes_an_archive_beside_the_notebook(monkeypatch, tmp_path, name):
    for other in (name, "spikes-without-backprop.ipynb", "spikes-without-backprop"):
        (tmp_path / other).touch()
    (call,) = run_setup(monkeypatch, tmp_path, missing=("course_lib",))
    assert call[-2:] == ["--no-deps", str(tmp_path / name)]


def test_setup_that_fails_says_what_to_do_in_two_lines_without_a_traceback(monkeypatch, tmp_path):
    with pytest.raises(Exception, match="could not be installed from https") as stopped:
        run_setup(monkeypatch, tmp_path, missing=("course_lib",), status=1)
    shown = stopped.value._render_traceback_()  # is what IPython shows, and no more
    assert len(shown) == 2 and "course.py colab` makes it) beside this notebook" in shown[1]


def test_setup_uses_an_installed_course_or_the_one_around_the_notebook(monkeypatch, tmp_path):
    assert run_setup(monkeypatch, tmp_path, missing=()) == []
    assert run_setup(monkeypatch, ROOT / "notebooks", missing=("course_lib",)) == []
    assert sys.path[0] == str(ROOT)


# ---------------------------------------------------------------- storing lessons


def small_notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source, id=f"c{k}") for k, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_execution_is_stable_and_hides_real_recordings(tmp_path, monkeypatch):
    monkeypatch.setenv("NMNIST_DIR", "somewhere")
    path = small_notebook(
        tmp_path / "99_small.ipynb",
        "import os, sys\nprint(os.environ.get('NMNIST_DIR'))\nsys.stdout.flush()\nprint(1)",
        "import ipywidgets\nipywidgets.IntSlider()",
    )
    result = authoring.execute_lessons([path])[0]
    first = path.read_bytes()
    assert read(path).cells[0].outputs[0].text == "None\n1\n"
    assert result.text_outputs == 2 and result.seconds > 0
    authoring.execute_lessons([path])
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("source", "message"),
    [("1 / 0", "ZeroDivisionError"), ("import warnings\nwarnings.warn('old')", "wrote to stderr")],
)
def test_a_failing_or_warning_lesson_is_not_stored(tmp_path, source, message):
    path = small_notebook(tmp_path / "99_small.ipynb", source)
    before = path.read_bytes()
    with pytest.raises(Exception, match=message):
        authoring.execute_lesson(path)
    assert path.read_bytes() == before


def test_the_map_is_renewed_without_running_the_lesson(tmp_path):
    path, stored = tmp_path / "00_start.ipynb", read(LESSONS[0])
    assert not authoring.renew_map(LESSONS[0])
    (shown,) = authoring.maps(stored)
    shown.data["text/html"] = "<table>of last year</table>"
    nbformat.write(stored, path)
    assert len(list(rules.map_of_today(rules.Lesson(path)))) == 1
    assert authoring.renew_map(path) and not authoring.renew_map(path)
    assert path.read_bytes() == LESSONS[0].read_bytes()


def test_lessons_are_found_by_the_start_of_their_name():
    assert [path.stem for path in authoring.find_lessons(["02"])] == ["02_spikes"]
    with pytest.raises(FileNotFoundError, match="no lesson starts with 'spikes'; there are: 00_"):
        authoring.find_lessons(["spikes"])


# ---------------------------------------------------------------- does nbval notice?

BREAKS = {
    "no reset to zero": (
        "02_spikes", "lif.py", "return spikes, voltage * (1 - fired)", "return spikes, voltage"),
    "fires at twice the threshold": (
        "02_spikes", "lif.py", "    spikes = spike(voltage - threshold)",
        "    spikes = spike(voltage - 2 * threshold)"),
    "integrates before it leaks": (
        "02_spikes", "lif.py", "    voltage = beta * voltage + current\n    spikes",
        "    voltage = beta * (voltage + current)\n    spikes"),
    "weights start too large": (
        "02_spikes", "network.py", "deviation * normal(", "2 * deviation * normal("),
    "surrogate without its square": (
        "03_surrogates", "estimators/surrogate.py", "return 1 / (1 + slope * distance.abs()) ** 2",
        "return 1 / (1 + slope * distance.abs())"),
    "a slope for the reset too": (
        "03_surrogates", "lif.py", "fired = spikes.detach()", "fired = spikes"),
    "logits without their scale": (
        "03_surrogates", "network.py", "return self.logit_scale * self(", "return self("),
    "a quotient not divided by two": (
        "05_localzo", "estimators/spike_derivative.py", "(2 * self.delta * magnitudes",
        "(self.delta * magnitudes"),
    "the threshold of one draw for every m": (
        "05_localzo", "estimators/spike_derivative.py", "(steps**samples).diff()",
        "steps.diff()"),
    "SparseGrad without its cut": (
        "05_localzo", "estimators/localzo.py",
        "return self.smoothing.surrogate(distance) * (distance.abs() < self.threshold)",
        "return self.smoothing.surrogate(distance)"),
    "ties ranked by their place in the list": (
        "06_evolution_strategies", "fitness.py",
        "average_rank = last_rank - (count - 1).to(fitness.dtype) / 2",
        "average_rank = last_rank.to(fitness.dtype)"),
    "both members of a pair with one sign": (
        "06_evolution_strategies", "estimators/es.py", "noise[index], sign * sigmas[index]",
        "noise[index], sigmas[index]"),
    "a population's mean taken twice": (
        "06_evolution_strategies", "estimators/evolution.py",
        "(shaped * shaped.new_tensor(self.signs)).sum(dim=1) / self.population",
        "(shaped * shaped.new_tensor(self.signs)).mean(dim=1) / self.population"),
    "noise of rank r without its 1/√r": (
        "07_eggroll", "estimators/eggroll.py",
        "scaled = a * (sigmas[index] / math.sqrt(self.rank))",
        "scaled = a * sigmas[index]"),
    "σ on both factors": (
        "07_eggroll", "estimators/eggroll.py",
        "scaled = a * (sigmas[index] / math.sqrt(self.rank))",
        "scaled = a * (sigmas[index] ** 2 / math.sqrt(self.rank))"),
    "one draw for every generation": (
        "07_eggroll", "noise.py", "key=np.array([seed, generation], dtype=np.uint64)",
        "key=np.array([seed, 0], dtype=np.uint64)"),
    "noise not divided by its scale": (
        "08_opzo", "estimators/opzo.py", "alpha=self._share / self.alpha", "alpha=self._share"),
    "feedback that forgets what it should keep": (
        "08_opzo", "estimators/opzo.py",
        "feedback.mul_(self.momentum).add_(estimate, alpha=1 - self.momentum)",
        "feedback.mul_(1 - self.momentum).add_(estimate, alpha=self.momentum)"),
    "an error of the wrong sign": (
        "08_opzo", "estimators/online.py", "(torch.softmax(logits, dim=1) - target)",
        "(target - torch.softmax(logits, dim=1))"),
    "readout that adds up its voltages": (
        "04_zeroth_order", "network.py", "output.voltages).mean(dim=0)",
        "output.voltages).sum(dim=0)"),
    "readout without a leak": (
        "04_zeroth_order", "lif.py",
        "        voltage = beta * voltage + current\n        voltages.append(voltage)",
        "        voltage = voltage + current\n        voltages.append(voltage)"),
    "divided by σ twice": (
        "04_zeroth_order", "estimators/es.py",
        "layer.weight.grad.sub_(weight, alpha=draw_weight / sigma)",
        "layer.weight.grad.sub_(weight, alpha=draw_weight / sigma**2)"),
    "polarity turned round": (
        "01_events", "events/saccades.py", 'events["p"] = keys % 2', 'events["p"] = 1 - keys % 2'),
    "a population's forward passes counted as one": (
        "09_full_training", "estimators/evolution.py", "        return self.population\n",
        "        return 1\n"),
    "synapses that work twice": (
        "10_beyond", "energy.py", "operations = arrived @", "operations = 2 * arrived @"),
    "a camera's picture that is not in the middle": (
        "10_beyond", "events/own.py", "// part - old) // 2)", "// part - old) // 2 + 24)"),
    "fitness values gathered in another order": (
        "10_beyond", "run/scaling.py", "for row, share in zip(messages, self.shares",
        "for row, share in zip(messages.flip(0), self.shares"),
    "climbs the loss instead of the fitness": (
        "09_full_training", "estimators/evolution.py", "sum(dim=1) / self.population",
        "sum(dim=1) / -self.population"),
}  # fmt: skip

#: the cell that notices a break first: only it is run, and those that it needs
NOTICED_BY = {
    "no reset to zero": "c04",
    "fires at twice the threshold": "c04",
    "integrates before it leaks": "c04",
    "weights start too large": "c04",
    "polarity turned round": "c18",
    "logits without their scale": "c13",
    "readout that adds up its voltages": "c17",
    "a quotient not divided by two": "c19",
    "the threshold of one draw for every m": "c19",
    "ties ranked by their place in the list": "c22",
    "both members of a pair with one sign": "c31",
    "a population's mean taken twice": "c31",
    "synapses that work twice": "layers",
    "a camera's picture that is not in the middle": "flip",
    "fitness values gathered in another order": "torchrun",
    "noise not divided by its scale": "same",
    "feedback that forgets what it should keep": "same",
    "an error of the wrong sign": "memory",
}


def names(cell) -> tuple[set[str], set[str], set[str]]:
    """What a code cell defines once and for all (imports, functions), what it assigns, and what it
    uses."""
    fixed, assigned, used = set(), set(), set()
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            fixed |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            fixed.add(node.name)
        elif isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else assigned).add(node.id)
    return fixed, assigned, used


def with_needed(cells: list, last: str) -> list:
    """The cell ``last`` and the code cells before it that it needs, directly or through others:
    those that define a name it uses, and those that may change what such a name stands for."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    place = [cell.id for cell in code].index(last)
    kept, wanted, changing = {place}, set(names(code[place])[2]), set()
    while True:
        before = len(kept)
        for number in range(place):
            fixed, assigned, used = names(code[number])
            if number == 0 or (fixed | assigned) & wanted or used & changing:
                kept.add(number)
                wanted |= used
                changing |= assigned & wanted
        if len(kept) == before:
            return [code[number] for number in sorted(kept)]


def test_what_a_cell_needs_is_found():
    sources = ("import a", "x = a.start()", "y = 2", "def f():\n    return x", "x.move()",
               "print(y)", "f()", "print(x)")  # fmt: skip
    cells = [nbformat.v4.new_code_cell(text, id=f"c{k}") for k, text in enumerate(sources)]
    assert [cell.id for cell in with_needed(cells, "c6")] == ["c0", "c1", "c3", "c4", "c6"]
    assert [cell.id for cell in with_needed(cells, "c5")] == ["c0", "c2", "c5"]


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_nbval_notices_a_broken_library(tmp_path, name):
    lesson, file, right, wrong = BREAKS[name]
    # With stored compilations, which hold as long as no kernel is broken: it saves their seconds.
    for part in ("course_lib", "course_lab"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copytree(ROOT / "data", tmp_path / "data")
    (tmp_path / "notebooks").mkdir()
    notebook = shutil.copy(ROOT / "notebooks" / f"{lesson}.ipynb", tmp_path / "notebooks")
    if name in NOTICED_BY:
        cells = nbformat.read(notebook, as_version=4)
        cells.cells = with_needed(cells.cells, NOTICED_BY[name])
        nbformat.write(cells, notebook)
    module = tmp_path / "course_lib" / file
    text = module.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{file} has changed: name the line to break anew"
    module.write_text(text.replace(right, wrong), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "nbval.plugin",
         "-p", "course_lab.authoring.approximate", "--nbval", "--nbval-current-env",
         "-q", "-x", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), notebook],
        cwd=tmp_path, capture_output=True, text=True,
        # other plugins than nbval would take half a second to load
        env={k: v for k, v in os.environ.items() if k not in ("NMNIST_DIR", "PYTHONPATH")}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout[-2000:]
    other = re.search("mismatch '(stdout|text/plain)'", run.stdout)  # not a crash: other numbers
    assert other, run.stdout[-2000:]
