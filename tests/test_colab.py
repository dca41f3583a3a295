"""A lesson's set-up where there is no course yet, only what Colab has, in an empty folder.

The environment holds links to those packages of this one that Colab has, and nothing else: no
JupyterLab, no tonic. pip must add the course alone and leave torch and numpy as they are.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from course_lab.authoring import authoring, opening
from course_lab.authoring.assignments import find_solutions

COLAB_HAS = ("torch", "numpy", "numba", "matplotlib", "ipywidgets", "platformdirs", "tqdm", "scipy")

pytestmark = pytest.mark.slow


def closure(names) -> set[str]:
    """The distributions of these names and everything that they require here."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            for need in map(Requirement, needs):
                if not need.marker or need.marker.evaluate({"extra": ""}):
                    waiting.append(re.sub(r"[-_.]+", "-", need.name).lower())
    return found


def top_level(names) -> set[str]:
    """First parts of the paths, under site-packages, of these distributions' files."""
    parts = set()
    for name in names:
        parts |= {Path(file).parts[0] for file in distribution(name).files or ()}
    return {part for part in parts if part not in ("..", "__pycache__")}


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> tuple[Path, Path]:
    """(Python of an environment like Colab's, wheel of the course)."""
    folder = tmp_path_factory.mktemp("colab")
    source = folder / "source"  # building leaves files behind
    skip = shutil.ignore_patterns("__pycache__")
    for part in ("course_lib", "course_lab", "studies", "data"):
        shutil.copytree(opening.ROOT / part, source / part, ignore=skip)
    for part in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-LESSONS"):
        shutil.copy(opening.ROOT / part, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w"]
    subprocess.run([*pip, folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    here = Path(sysconfig.get_path("purelib"))
    there = next((folder / "env").glob("[Ll]ib*/**/site-packages"))
    for part in top_level(closure(COLAB_HAS)):
        if (here / part).exists() and not (there / part).exists():
            (there / part).symlink_to(here / part)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    return folder / "env" / scripts / "python", wheel


def setup_of(path: Path, wheel: Path) -> str:
    """The whole first code cell of a notebook, with the wheel in place of the address."""
    cells = nbformat.read(path, as_version=4).cells
    source = next(cell.source for cell in cells if cell.cell_type == "code")
    return source.replace('f"{REPOSITORY}/archive/main.zip"', repr(str(wheel)))


def run(python: Path, folder: Path, source: str) -> str:
    done = subprocess.run(
        [python, "-I", "-c", source], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_setup_cell_runs_where_only_colab_s_packages_are(colab, tmp_path):
    python, wheel = colab
    look = (
        "import importlib.util as u; from importlib.metadata import version; "
        "print([version('torch'), version('numpy'), u.find_spec('course_lib') is None, "
        "u.find_spec('jupyterlab') is None, u.find_spec('tonic') is None])"
    )
    before = run(python, tmp_path, look)
    assert "True, True, True" in before
    notebooks = [*authoring.find_lessons(), *find_solutions()]
    first = run(python, tmp_path, setup_of(notebooks[0], wheel))
    assert f"Lesson {notebooks[0].stem} is ready." in first
    assert run(python, tmp_path, look) == before.replace("True, True, True", "False, True, True")
    rest = "\n".join(
        f"exec({setup_of(path, wheel)!r}, {{}})\nprint({path.stem!r}, 'done')"
        for path in notebooks[1:]
    )
    said = run(python, tmp_path, rest)
    assert said.count("is ready.") == said.count(" done") == len(notebooks) - 1
    digits = "from course_lib.events import load_digits; print(load_digits().images.shape)"
    assert run(python, tmp_path, digits) == "(5000, 28, 28)\n"
    assert not list(tmp_path.iterdir())
