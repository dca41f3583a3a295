"""How well the checks judge: on wrong solutions that were written without a look at them.

A stored solution is a block of tests/exercises/NN_topic.py.txt, headed

    # ==== name | wrong | words of the message meant for it
    # ==== name | right | what is unusual about it
    # ==== name | shown | what passes the shown cases alone, and words of what grading says

Those of tests/exercises/blind/ were written from the stubs alone, before anybody looked at the
mistakes that a check knows. A reader has then judged each name that a check gives to them:

    # ==== name | what is wrong | words of the name that fits

Those of a round stand below a line that keeps what came of them before anything was mended:

    # ======== round 3, at first: 16 named, 10 got and expected only, 1 accepted

and ", 2 by a wrong name" at its end, if there were. Of round 7, which had 697, only those are
stored that a check did not name at first, or named wrongly, and names today.
"""

import contextlib
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from course_lab import checks
from course_lab.checks.engine.engine import GRADING_SEEDS, SHOWN_SEED, Exercise, NotYet

STORED = Path(__file__).parents[2] / "tests" / "exercises"
HEAD = re.compile(r"^# ==== (\w+) \| ([^|\n]+?)(?: \| (.+))?\n", re.M)
ROUND = re.compile(r"^# ======== round (\d+), at first: (\d+) named, (\d+) got and expected only, "
                   r"(\d+) accepted(?:, (\d+) by a wrong name)?\n", re.M)  # fmt: skip
VERDICTS = ("named", "got and expected only", "accepted", "wrong or unread name")


class Block(NamedTuple):
    """A stored solution: its exercise, what its heading says, its source."""

    name: str
    kind: str
    words: str
    source: str


def blocks(folder: Path = STORED, topic: str = "*") -> Iterator[Block]:
    for path in sorted(folder.glob(f"{topic}.py.txt")):
        parts = HEAD.split(path.read_text(encoding="utf-8"))
        if parts[0].strip():
            raise ValueError(f"{path.name} begins with something else than a heading")
        for k in range(1, len(parts), 4):
            yield Block(parts[k], parts[k + 1], parts[k + 2] or "", parts[k + 3])


def define(exercise: Exercise, source: str) -> Callable:
    """The function of a source, which may use its topic's other functions and imports."""
    space = {"math": math, "np": np, "torch": torch}
    if "student." in source:
        from scipy.stats import t as student

        space["student"] = student
    if "centred_ranks" in source:
        from course_lib.fitness import centred_ranks

        space["centred_ranks"] = centred_ranks
    space |= {e.name: e.reference for e in checks.exercises(exercise.topic).values()}
    exec(compile(source, f"<{exercise.name}>", "exec"), space)  # noqa: S102 - our own files
    return space[exercise.name]


def chosen(names: list[str]) -> list[str]:
    """Topics by their numbers or parts of their names, such as 07 or eggroll; all if none is given.

    Raises ValueError, listing what there is, for a name that fits none.
    """
    there = list(checks.topics())
    for name in names:
        if not any(name in topic for topic in there):
            raise ValueError(f"no topic is called {name!r}; there are: {', '.join(there)}")
    return [topic for topic in there if not names or any(name in topic for name in names)]


def first_runs(topics: list[str]) -> dict[str, Counter]:
    """What came of each round before anything was mended, as stored."""
    found: dict[str, Counter] = {}
    for topic in topics:
        path = STORED / "blind" / f"{topic}.py.txt"
        for number, *counts in ROUND.findall(path.read_text(encoding="utf-8")):
            stored = {v: int(count or 0) for v, count in zip(VERDICTS, counts, strict=True)}
            found.setdefault(number, Counter()).update(stored)
    return found


def judge(block: Block) -> tuple[str, str]:
    """A verdict on a blind solution, and what the check says of it."""
    exercise = checks.exercises()[block.name]
    function = define(exercise, block.source)
    try:
        for seed in (SHOWN_SEED, *GRADING_SEEDS):
            with np.errstate(all="ignore"), contextlib.redirect_stderr(io.StringIO()):
                exercise.examine(function, seed)
    except NotYet as reason:
        said = " ".join(str(reason).split())
        if not reason.named:
            return VERDICTS[1], said
        fits = block.words and block.words in said
        return VERDICTS[0] if fits else VERDICTS[3], said
    return VERDICTS[2], ""


def measure(topics: list[str]) -> tuple[Counter, list[tuple[Block, str, str]]]:
    """How many there are of each verdict, and those that are not named: block, verdict, words."""
    counts, rest = Counter(), []
    for topic in topics:
        for block in blocks(STORED / "blind", topic):
            verdict, said = judge(block)
            counts[verdict] += 1
            if verdict != VERDICTS[0]:
                rest.append((block, verdict, said))
    return counts, rest


def shares(counts: Counter) -> list[str]:
    total = counts.total() or 1
    return [f"{counts[v]:5} of {total}  {100 * counts[v] / total:5.1f} %  {v}" for v in VERDICTS]


def report(topics: list[str], details: bool) -> str:
    counts, rest = measure(topics)
    lines = shares(counts)
    for number, first in sorted(first_runs(topics).items()):
        lines += [f"Round {number} of them at its first run, as stored then:", *shares(first)]
    if details:
        lines += [f"\n{block.name}: {block.kind}\n  {verdict}. {said[:300]}"
                  for block, verdict, said in rest]  # fmt: skip
    return "\n".join(lines)
