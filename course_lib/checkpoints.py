"""Checkpoints: all that a run needs to go on as if it had never stopped.

A checkpoint is one file, replaced atomically: whatever happens while it is written, the one before
it stays readable. Files hold tensors, numbers and strings only and are read with
``weights_only=True``, so opening somebody else's checkpoint cannot run code.
"""

import pickle
from pathlib import Path
from typing import Any

import torch

from course_lib.events.files import write_atomic

VERSION = 1
#: what torch.load raises on a file that is cut short, foreign, or holds more than plain values
UNREADABLE = (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError)


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` (plain values and tensors) to ``path``, all or nothing."""
    write_atomic(path, lambda stream: torch.save({"version": VERSION, **content}, stream))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises FileNotFoundError if there is none, ValueError if it is damaged or of another version.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {path}: the run stopped before its first one; start it again"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version = content["version"]
    except UNREADABLE as error:
        raise ValueError(
            f"{path} is not a checkpoint of this course, or is damaged ({error}); "
            "delete it and start the run again"
        ) from error
    if version != VERSION:
        raise ValueError(
            f"{path} has format {version}, this version of the course reads {VERSION}; "
            "start the run again"
        )
    return content


def check_same(saved: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    """Raise ValueError, naming each difference, unless two runs' settings are the same."""
    different = [
        f"{name} was {saved.get(name)!r} and is now {now.get(name)!r}"
        for name in sorted(saved.keys() | now.keys())
        if saved.get(name) != now.get(name)
    ]
    if different:
        raise ValueError(
            f"{path} is of a run with other settings: {'; '.join(different)}. Resume with the same "
            "settings, or start a new run in another folder"
        )
