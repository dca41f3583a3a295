"""Instant checks of the exercises: ``lif_step = checks.lif_step(lif_step)``.

The file of a topic (``spikes.py`` of 02_spikes) lists its exercises: each with a reference, random
cases and the mistakes that people make; ``engine`` tries a student's function on them. An exercise
is there as soon as its topic's file defines it, and asking for it loads that one file alone.
"""

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lab.checks.engine.engine import Exercise

__all__ = ["exercises", "grade", "summary", "topics"]

DEFINED = re.compile(r'^[A-Z_]+ = (?:Exercise|Open)\(\s*"(\w+)"', re.M)
TOPIC = re.compile(r'^TOPIC = "(\w+)"', re.M)


def topics() -> dict[str, tuple[str, list[str]]]:
    """By topic, such as "02_spikes", in order: its module, and the names of its exercises."""
    found = {}
    for path in Path(__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if topic := TOPIC.search(text):
            found[topic[1]] = f"{__name__}.{path.stem}", DEFINED.findall(text)
    return dict(sorted(found.items()))


def exercises(topic: str | None = None) -> dict[str, "Exercise"]:
    """The exercises of a topic by the names of their functions; those of all topics if None.

    Raises ValueError, listing what there is, for a topic without exercises.
    """
    from course_lab.checks.engine.engine import Exercise  # the course's map needs names alone

    there = topics()
    if topic is not None and topic not in there:
        raise ValueError(f"there is no topic {topic!r}; there are: {', '.join(there)}")
    modules = [module for name, (module, _) in there.items() if topic in (None, name)]
    objects = [o for module in modules for o in vars(importlib.import_module(module)).values()]
    return {o.name: o for o in objects if isinstance(o, Exercise)}


def __getattr__(name: str) -> "Exercise":
    if name.startswith("__"):
        raise AttributeError(name)
    there = topics()
    for topic, (_, names) in there.items():
        if name in names:
            return exercises(topic)[name]
    names = ", ".join(n for _, defined in there.values() for n in defined)
    raise AttributeError(f"there is no check {name!r}; there are: {names}")


def grade(name: str) -> int:
    """Points of the function that was checked under this name, on new cases; nbgrader takes them.

    Raises NotYet where it earns none.
    """
    return __getattr__(name).grade()


def summary(topic: str) -> None:
    """Print which exercises of a topic have passed, and the points so far."""
    tried = exercises(topic).values()
    for exercise in tried:
        print(f"{'✓' if exercise.passed else '·'} {exercise.name:24s} {exercise.earned} of "
              f"{exercise.points}")  # fmt: skip
    print(f"{sum(e.earned for e in tried)} of {sum(e.points for e in tried)} points")
