"""Instant checks of the exercises: ``lif_step = checks.lif_step(lif_step)``.

Each topic's file lists its exercises, with a reference, random cases and the mistakes that people
make; ``engine.py`` tries a student's function on them.
"""

from course_lab.checks import (
    comparison,
    counters,
    evolution,
    feedback,
    hybrid,
    inference,
    localzo,
    localzo_design,
    low_rank,
    opzo,
    shaping,
    sharing,
    spike_trains,
    spikes,
    surrogate_networks,
    surrogates,
    tables,
    verdicts,
    zeroth_order,
    zeroth_order_theory,
)
from course_lab.checks.engine.engine import Exercise, Mistake, NotYet, Property

TOPICS = (
    spikes,
    spike_trains,
    surrogates,
    surrogate_networks,
    zeroth_order,
    zeroth_order_theory,
    localzo,
    localzo_design,
    evolution,
    shaping,
    low_rank,
    counters,
    feedback,
    opzo,
    comparison,
    verdicts,
    tables,
    inference,
    sharing,
    hybrid,
)
#: every exercise by the name of its function
EXERCISES: dict[str, Exercise] = {e.name: e for topic in TOPICS for e in topic.EXERCISES}

globals().update(EXERCISES)


def grade(name: str) -> None:
    """Raise NotYet unless the function checked under this name also passes on new cases."""
    EXERCISES[name].grade()


def summary(topic: str) -> None:
    """Print which exercises of a topic have passed, and the points so far."""
    exercises = [e for e in EXERCISES.values() if e.topic == topic]
    if not exercises:
        topics = ", ".join(dict.fromkeys(e.topic for e in EXERCISES.values()))
        raise ValueError(f"there is no topic {topic!r}; there are: {topics}")
    for exercise in exercises:
        mark = "✓" if exercise.passed else "·"
        points = exercise.points if exercise.passed else 0
        print(f"{mark} {exercise.name:24s} {points} of {exercise.points}")
    reached = sum(e.points for e in exercises if e.passed)
    print(f"{reached} of {sum(e.points for e in exercises)} points")


def __getattr__(name: str):
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"there is no check {name!r}; there are: {', '.join(EXERCISES)}")


__all__ = ["EXERCISES", "Exercise", "Mistake", "NotYet", "Property", "grade", "summary", *EXERCISES]
