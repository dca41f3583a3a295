"""What a student has done so far: the checks that passed, on this computer alone.

    record("02_spikes", "lif_step")      # when a check passes
    done()                               # {"02_spikes": {"lif_step"}}, for the map in 00_start
    best("01_events", "choose_inputs", 0.74)     # the best so far, in a task without a formula

One small JSON file in the user's data folder; nothing is sent anywhere. ``COURSE_PROGRESS`` names
another file, or "off" for none. Where it cannot be written, progress is not kept, and no more.
"""

import contextlib
import json
import os
from pathlib import Path

from course_lib.events.files import write_atomic


def place() -> Path | None:
    """The file, or None if nothing is to be kept."""
    named = os.environ.get("COURSE_PROGRESS")
    if named:
        return None if named == "off" else Path(named)
    from platformdirs import user_data_path

    return user_data_path("spikes-without-backprop", appauthor=False) / "progress.json"


def done() -> dict[str, set[str]]:
    """Names of the checks that have passed, by assignment."""
    return {topic: set(names) for topic, names in _read().items()}


def record(assignment: str, exercise: str) -> None:
    """Remember that a check passed."""
    kept = _read()
    if exercise not in kept.get(assignment, {}):
        kept.setdefault(assignment, {})[exercise] = None
        _write(kept)


def best(assignment: str, exercise: str, value: float) -> float:
    """The best that was ever reached in an open task, this value included; it is remembered."""
    kept = _read()
    before = kept.get(assignment, {}).get(exercise)
    if before is not None and before >= value:
        return before
    kept.setdefault(assignment, {})[exercise] = value
    _write(kept)
    return value


def _read() -> dict[str, dict[str, float | None]]:
    """By assignment and exercise, what was reached in an open task, and None for the others."""
    path = place()
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path else {}
        # a file of the first version has lists of names
        return {str(topic): _numbers(names) for topic, names in kept.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _numbers(names) -> dict[str, float | None]:
    given = names if isinstance(names, dict) else dict.fromkeys(names)
    return {str(name): None if value is None else float(value) for name, value in given.items()}


def _write(kept: dict[str, dict[str, float | None]]) -> None:
    if path := place():
        text = json.dumps(kept, indent=1, sort_keys=True)
        with contextlib.suppress(OSError):
            write_atomic(path, text)
