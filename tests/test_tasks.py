"""What the text of an exercise promises: a ladder of hints, folded answers, honest stars, kinds."""

import io
import re
import textwrap
import tokenize
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from course_lab import checks
from course_lab.authoring.assignments import find_solutions, task_facts

SOURCES = find_solutions()
BLANK = {
    tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT,
    tokenize.ENDMARKER,
}  # fmt: skip
CODE = re.compile(r"```\w*\n(.*?)```|`([^`]+)`", re.S)
FOLD = re.compile(r"<details><summary>(Hint \d+|Answer)</summary>\n(.*?)</details>", re.S)
ASKED = re.compile(r"\*\*Before you write:\*\* [^\n]+\n\n(<details><summary>Answer</summary>)?")


class Task(NamedTuple):
    """An exercise as its notebook has it: name, text of the task, code of the solution."""

    name: str
    text: str
    solution: str

    @property
    def hints(self) -> list[str]:
        return [body for kind, body in FOLD.findall(self.text) if kind != "Answer"]

    @property
    def lines(self) -> int:
        return sum(bool(line.strip()) for line in self.solution.splitlines())


def tasks(source: Path) -> list[Task]:
    cells = {cell.id: cell.source for cell in nbformat.read(source, as_version=4).cells}
    found = []
    for name in checks.exercises(source.stem):
        slug = name.replace("_", "-")
        code = re.search(r"### BEGIN SOLUTION\n(.*?)\n\s*### END", cells[slug], re.S)[1]
        found.append(Task(name, cells[f"{slug}-task"], textwrap.dedent(code)))
    return found


TASKS = [task for source in SOURCES for task in tasks(source)]
each_task = pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])


def tokens(code: str) -> list[str]:
    """What Python reads of a piece of code, which may end in the middle."""
    read = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type not in BLANK:
                read.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        pass
    return read


def share(hint: str, solution: str) -> float:
    """How much of a solution the code in a hint holds: of its tokens, those that stand in the
    hint in the same order, three or more in a row."""
    whole, held = tokens(solution), set()
    for block, span in CODE.findall(hint):
        match = SequenceMatcher(None, whole, tokens(block or span), autojunk=False)
        for place, _, size in match.get_matching_blocks():
            if size >= 3:
                held |= set(range(place, place + size))
    return len(held) / len(whole)


def test_share_of_a_solution():
    solution = "psi = 1 / (1 + abs(u)) ** 2\nreturn psi"  # 16 tokens
    assert share("Square all of it: `(1 + abs(u)) ** 2`.", solution) == 10 / 16
    assert share("What does `abs` do, and `** 2`?", solution) == 0
    assert share(f"```python\n{solution}\n```", solution) == 1


@each_task
def test_no_hint_holds_more_than_half_of_the_solution(task):
    assert len(task.hints) >= 2
    for number, hint in enumerate(task.hints, 1):
        held = share(hint, task.solution)
        assert held <= 0.5, f"hint {number} holds {held:.0%} of it: ask instead of telling"


@each_task
def test_what_is_asked_before_writing_has_its_folded_answer(task):
    asked = ASKED.findall(task.text)
    assert task.text.count("**Before you write") == len(asked) and all(asked)


@each_task
def test_three_stars_are_more_than_nine_lines(task):
    assert task.lines > 9 or task_facts(task.text)["difficulty"] != "★★★", f"{task.lines} lines"


def test_all_difficulties_occur():
    assert {task_facts(task.text)["difficulty"] for task in TASKS} == {"★☆☆", "★★☆", "★★★"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_each_assignment_has_every_kind(source):
    kinds = {exercise.kind for exercise in checks.exercises(source.stem).values()}
    wanted = {"bug", "open", *(["train"] if source.stem >= "03" else [])}
    assert wanted <= kinds
    cells = nbformat.read(source, as_version=4).cells
    words = next(cell for cell in cells if cell.id == "words")
    assert words.cell_type == "markdown" and words.metadata.nbgrader.grade
    assert words.source.startswith("*What a good answer contains")
