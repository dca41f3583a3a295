"""The house: three parts, two arrows, imports that run downwards, and a light start."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("course_lib", "course_lab", "studies")
#: floors of course_lib from the ground up: a file imports from its own floor or from below
FLOORS = (
    ("lif", "layers", "noise", "fitness", "compiling", "events"),
    ("network",),
    ("fast",),
    ("estimators",),
    ("memory", "checkpoints", "history", "evaluation", "alignment", "energy", "results"),
    ("schedule", "training"),
    ("run",),
)


@cache
def graph() -> dict[str, set[str]]:
    """Every module of ours, and the modules of ours that it imports, inside functions too."""
    files = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    names = {path: name.removesuffix(".__init__") for path, name in names.items()}
    return {name: imports(path, set(names.values())) - {name} for path, name in names.items()}


def imports(path: Path, modules: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & modules) or {node.module}
    return found & modules


@pytest.mark.parametrize(
    "part, allowed",
    [
        ("events", {"events", "compiling"}),
        ("lif", set()),
        ("noise", set()),
        ("fitness", set()),
        ("layers", set()),
        ("network", {"lif", "layers", "noise"}),
    ],
)
def test_foundations_stand_alone(part, allowed):
    for module, found in graph().items():
        if module.split(".")[:2] == ["course_lib", part]:
            others = found - {"course_lib"}
            wrong = {other for other in others if other.split(".")[1] not in allowed | {part}}
            assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def floor(module: str) -> int:
    place = module.split(".")[1]
    return next(number for number, names in enumerate(FLOORS) if place in names)


def test_two_arrows_between_three_parts():
    for module, found in graph().items():
        part = module.split(".")[0]
        allowed = {part, "course_lib"}
        wrong = [other for other in found if other.split(".")[0] not in allowed]
        assert not wrong, f"{module} imports {', '.join(wrong)}"


def test_imports_of_course_lib_run_downwards():
    for module, found in graph().items():
        if module.startswith("course_lib.") and module != "course_lib.__main__":
            for other in found - {"course_lib"}:
                assert floor(other) <= floor(module), f"{module} imports {other}, from above"


def test_no_circle_not_even_by_an_import_inside_a_function():
    done, path = set(), []

    def visit(module):
        if module in done:
            return
        assert module not in path, f"circle: {' -> '.join([*path, module])}"
        path.append(module)
        for other in sorted(graph()[module]):
            visit(other)
        done.add(path.pop())

    for module in sorted(graph()):
        visit(module)


HEAVY = {"numba", "tonic", "scipy", "matplotlib", "pandas", "IPython"}
LIGHT = (
    "import course_lib.lif, course_lib.network, course_lib.estimators",
    "import course_lib.events",
    "import course_lib.training, course_lib.alignment, course_lib.results",
    "import course_lib.run.cli",
)


def test_starting_is_light():
    code = "\n".join(["import sys", *(f"{line}\nprint(*sys.modules)" for line in LIGHT)])
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for statements, loaded in zip(LIGHT, run.stdout.splitlines(), strict=True):
        heavy = HEAVY & set(loaded.split())
        assert not heavy, f"{statements} loads {', '.join(sorted(heavy))}"
