"""What a student has done so far: the checks that passed, on this computer alone.

    record("02_spikes", "lif_step")      # when a check passes
    done()                               # {"02_spikes": {"lif_step"}}, for the map in 00_start

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
    path = place()
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path else {}
        return {str(topic): set(map(str, names)) for topic, names in kept.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def record(assignment: str, exercise: str) -> None:
    """Remember that a check passed."""
    path, kept = place(), done()
    if path is None or exercise in kept.get(assignment, ()):
        return
    kept.setdefault(assignment, set()).add(exercise)
    text = json.dumps({topic: sorted(names) for topic, names in sorted(kept.items())}, indent=1)
    with contextlib.suppress(OSError):
        write_atomic(path, lambda stream: stream.write(text.encode()))
