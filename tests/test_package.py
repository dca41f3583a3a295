"""The package: everything that runs is shipped, its texts are UTF-8, its links lead somewhere."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from course_lab.course_map import lessons

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("course_lib", "course_lab", "studies")
FILES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))


def test_every_folder_of_code_is_shipped():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]["packages"]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in FILES}
    assert set(listed) == folders | {"course_lib._data"}


def test_every_text_is_read_and_written_as_utf_8():
    """Ruff's PLW1514 sees this of open(), and of a path only where it knows that it is one."""
    for path in [*FILES, *sorted((ROOT / "tests").rglob("*.py")), ROOT / "course.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = {keyword.arg for keyword in node.keywords}
                text = node.func.attr in ("read_text", "write_text")
                assert not text or "encoding" in given, f"{path.name}, line {node.lineno}"


def test_no_assert_in_the_library():
    """User errors are exceptions with a message; python -O removes asserts."""
    for path in FILES:
        asserts = [n.lineno for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                   if isinstance(n, ast.Assert)]  # fmt: skip
        assert not asserts, f"{path.name} has assert in lines {asserts}"


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "data/README.md",
        "data/results/README.md",
        "data/results/scaling.md",
        "solutions/README.md",
    ],
)
def test_links_between_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_the_readme_maps_every_lesson_as_lessons_toml_has_it():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d\d .+?)\]\((.+?)\) \| (.+?) \| (\d+) \|$", text, re.MULTILINE)
    assert rows == [
        (f"{lesson.number} {lesson.title}", f"notebooks/{lesson.name}.ipynb", lesson.can,
         str(lesson.minutes))
        for lesson in lessons()
    ]  # fmt: skip
    stored = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert stored == [lesson.name for lesson in lessons()]
    for lesson in lessons():
        path = ROOT / "notebooks" / f"{lesson.name}.ipynb"
        head = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        assert f"# {lesson.number} · {lesson.title}" in head
        if lesson.name != "00_start":
            assert re.search(rf"\*\*Time\*\* (about )?{lesson.minutes} minutes", head), path.name
