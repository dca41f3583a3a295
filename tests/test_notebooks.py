"""The stored lessons: executed, whole, readable without pictures, and watched by nbval.

``pytest --nbval notebooks`` runs the lessons and compares their outputs; the tests here make sure
that there is something to compare, and that it differs when the library is broken.
"""

import ast
import contextlib
import importlib.util
import io
import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import IPython.display
import nbformat
import pytest

from course_lab.authoring import approximate, authoring, opening, rules
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


#: what is said of a lesson of three cells, one line for each rule that it breaks
BROKEN = (
    "too few to compare; 5 are needed.",
    "Something moves within the first ten cells. Nothing does.",
    "Cell c0 uses plt.show(.", "There is one in: 'open(\"/home/me/x\")",
    "The execution counts are [None, None]", "'## Summary' is missing.", "It does not say '# 02 · ",
    "Four to ten questions", "shown are .", "Cell c1 has 78.",
)  # fmt: skip


def test_check_lists_all_that_a_lesson_breaks_at_once(tmp_path):
    first, second = 'open("/home/me/x")\nplt.show()', f"#@title {'Long ' * 14}"
    path = small_notebook(tmp_path / "02_spikes.ipynb", first, second)
    notebook = read(path)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Small"))
    nbformat.write(notebook, path)
    said = "\n".join(rules.broken(path))
    for words in BROKEN:
        assert words in said, said


# ---------------------------------------------------------------- what a lesson loads

#: modules of ours that a lesson's import statements may load
AT_MOST = 40


def imports(path: Path) -> str:
    """The import statements of all cells of a lesson."""
    cells = [ast.walk(ast.parse(cell.source)) for cell in code_cells(read(path))]
    return "\n".join(ast.unparse(node) for nodes in cells for node in nodes
                     if isinstance(node, ast.Import | ast.ImportFrom))  # fmt: skip


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_a_lesson_s_imports_close_over_few_modules(path, loaded_anew):
    exec(imports(path), {})
    print(f"{path.stem}: {len(loaded_anew())} modules of ours")
    assert 0 < len(loaded_anew()) <= AT_MOST, list(loaded_anew())


def test_the_first_three_lessons_load_no_numba():
    script = "\n".join([*map(imports, LESSONS[:3]), "import sys", "print(*sys.modules)"])
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "course_lib" in run.stdout and " numba " not in run.stdout, run.stderr


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


# ---------------------------------------------------------------- are the stored numbers watchful?

#: what is broken: cells of a lesson, of which the last notices it and the others are what it needs;
#: a file, its right text and a wrong one
BREAKS = {
    "polarity turned round": (
        "01_events", "c02 c05 c09 c12 c15 c18", "events/saccades.py",
        'events["p"] = keys % 2', 'events["p"] = 1 - keys % 2'),
    "a slope for the reset too": (
        "03_surrogates", "c02 c04 c06 c09 c17 c30 c36", "lif.py",
        "fired = spikes.detach()", "fired = spikes"),
    "surrogate without its square": (
        "03_surrogates", "c02 c04 c06 c09 c17 c30 c36", "estimators/surrogate.py",
        "return 1 / (1 + slope * distance.abs()) ** 2", "return 1 / (1 + slope * distance.abs())"),
    "readout that adds up its voltages": (
        "04_zeroth_order", "c02 c17", "network.py",
        "self._emitted(output).mean(dim=0)", "self._emitted(output).sum(dim=0)"),
    "weights start too large": (
        "04_zeroth_order", "c02 c17", "network.py",
        "deviation * normal(", "2 * deviation * normal("),
    "a quotient not divided by two": (
        "05_localzo", "c02 c19", "estimators/spike_derivative.py",
        "(2 * self.delta * magnitudes", "(self.delta * magnitudes"),
    "SparseGrad without its cut": (
        "05_localzo", "c02 c08 c08b c19 c21 c24 c31 c35", "estimators/localzo.py",
        "return self.smoothing.surrogate(distance) * (distance.abs() < self.threshold)",
        "return self.smoothing.surrogate(distance)"),
    "ties ranked by their place in the list": (
        "06_evolution_strategies", "c02 c22", "fitness.py",
        "average_rank = last_rank - (count - 1).to(fitness.dtype) / 2",
        "average_rank = last_rank.to(fitness.dtype)"),
    "both members of a pair with one sign": (
        "06_evolution_strategies", "c02 c08 c11 c14 c22 c31", "estimators/es.py",
        "noise[index], sign * sigmas[index]", "noise[index], sigmas[index]"),
    "climbs the loss instead of the fitness": (
        "06_evolution_strategies", "c02 c08 c11 c14 c22 c31", "estimators/evolution.py",
        "sum(dim=1) / self.population", "sum(dim=1) / -self.population"),
    "one draw for every generation": (
        "07_eggroll", "c02 c38", "noise.py",
        "key=np.array([seed, generation], dtype=np.uint64)",
        "key=np.array([seed, 0], dtype=np.uint64)"),
    "noise not divided by its scale": (
        "08_opzo", "setup own noisy opzo same", "estimators/opzo.py",
        "emitted, alpha=self._share / self.alpha", "emitted, alpha=self._share"),
    "an error of the wrong sign": (
        "08_opzo", "setup own weigh memory", "estimators/online.py",
        "(torch.softmax(logits, dim=-1) - target)", "(target - torch.softmax(logits, dim=-1))"),
    "synapses that work twice": (
        "10_beyond", "setup helpers base layers", "energy.py",
        "operations = layer.connect(", "operations = 2 * layer.connect("),
    "bright pixels that are late": (
        "11_other_senses", "setup helpers early", "events/fashion.py",
        "np.log(bright / (bright - DARK))", "np.log((1.2 - bright + DARK) / (1.2 - bright))"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_stored_numbers_notice_a_broken_library(name, loaded_anew, monkeypatch, tmp_path):
    """By the comparison that nbval makes; tests/test_approximate.py shows that it makes it."""
    lesson, needed, file, right, wrong = BREAKS[name]
    module = ROOT / "course_lib" / file
    text = module.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{file} has changed: name the line to break anew"
    load = SourceFileLoader.get_code

    def get_code(loader, loaded):
        if Path(loader.path) != module:
            return load(loader, loaded)
        return compile(text.replace(right, wrong), module, "exec", dont_inherit=True)

    monkeypatch.setattr(SourceFileLoader, "get_code", get_code)
    monkeypatch.setattr(IPython.display, "display", lambda *shown, **_: None)
    monkeypatch.delenv("NMNIST_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "__main__"}
    cells = {cell.id: cell for cell in read(ROOT / "notebooks" / f"{lesson}.ipynb").cells}
    for cell in map(cells.get, needed.split()):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(cell.source, space)
    new = printed.getvalue()
    stored = "".join(o.text for o in cell.outputs if o.output_type == "stream")
    assert approximate.problem(new, stored, cell.metadata.get("tolerance", {})), new
    words = [re.sub(r"[-−\d.,\s]+", " ", printed) for printed in (new, stored)]
    assert words[0] == words[1], "other numbers, not other words"
