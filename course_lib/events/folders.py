"""Folders of recordings: those of N-MNIST, matched with digits, and those of any camera.

A folder of N-MNIST holds ``Train/<label>/<number>.bin`` and ``Test/<label>/<number>.bin``.
Recording k in Train/ is digit k - 1 of the MNIST training set.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from course_lib.events.digits import PER_CLASS
from course_lib.events.frameset import DIGITS
from course_lib.events.own import class_names, files, place
from course_lib.events.readers import READERS

FULL_TRAIN, FULL_TEST = 60_000, 10_000
LAYOUT = "Train/<label>/<number>.bin, label 0 to 9"


class Recording(NamedTuple):
    """One file of a folder: its path, its label, the number of its class."""

    path: Path
    label: int


class Recordings(NamedTuple):
    """What a folder holds: ``train`` and ``test``, lists of Recording by label, then name.

    ``left_out`` says in words what else is there, or what seems to be missing; ``classes`` are the
    names of the labels.
    """

    folder: Path
    train: list[Recording]
    test: list[Recording]
    left_out: str = ""
    classes: tuple[str, ...] = DIGITS


def note_on(others: list[Path], root: Path, endings: tuple[str, ...]) -> str:
    """Says which files are left out, since their endings are others; nothing if none is."""
    some = ", ".join(path.relative_to(root).as_posix() for path in others[:3])
    more = ", …" if len(others) > 3 else ""
    only = "only " + ", ".join(endings) + (" is" if len(endings) == 1 else " are")
    return f"left out, since {only} read: {len(others)} ({some}{more})" if others else ""


def _list(part: Path) -> tuple[list[Recording], list[str]]:
    """The recordings below Train/ or Test/, if it is there, and notes on what is left out."""
    if not part.is_dir():
        return [], []
    labels, inside = sorted(part.glob("[!.]*")), files(part)
    for label in labels:
        if label.is_dir() and not re.fullmatch("[0-9]", label.name):
            raise ValueError(
                f"{label}: the folder's name is no digit; expected {LAYOUT}. Move it elsewhere."
            )
    found = [Recording(p, int(label)) for p, label in inside if p.suffix.lower() == ".bin"]
    others = [p for p, _ in inside if p.suffix.lower() != ".bin"]
    others += [label for label in labels if not label.is_dir()]
    present = {recording.label for recording in found}
    without = sorted(set(range(max(present, default=0))) - present)
    notes = [note_on(others, part.parent, (".bin",))]
    if without:
        notes.append(f"no recording of {', '.join(map(str, without))} in {part.name}/")
    return found, notes


def find_recordings(folder: str | os.PathLike) -> Recordings:
    """List a folder in N-MNIST's published layout, whole or partial, Test/ optional.

    ``folder`` holds ``Train/`` or ``Test/``, or a folder ``NMNIST/`` that does. The order is
    that of ``tonic.datasets.NMNIST``: by label, then by name. Files that are no .bin, and classes
    without recordings below the highest label, stand in ``left_out``.

    Raises:
        FileNotFoundError: no such folder, no Train/ or Test/ in it, or no recording in them.
        ValueError: a label folder whose name is no digit.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one that holds {LAYOUT}")
    for root in (folder, folder / "NMNIST"):
        if (root / "Train").is_dir() or (root / "Test").is_dir():
            break
    else:
        raise FileNotFoundError(
            f"{folder} holds neither Train/ nor Test/ nor NMNIST/; expected {LAYOUT}. "
            "Name the folder above Train/."
        )
    (train, notes), (test, more) = _list(root / "Train"), _list(root / "Test")
    left_out = "; ".join(filter(None, notes + more))
    if not train and not test:
        raise FileNotFoundError(f"{root} holds no recording; expected {LAYOUT}. {left_out}")
    return Recordings(root, train, test, left_out)


def find_of_any_camera(folder: str | os.PathLike, classes=None) -> Recordings:
    """What a folder holds of any camera: <class>/<file>, below Train/ and Test/ or without.

    Raises FileNotFoundError if it holds nothing, ValueError: a class that is unknown.
    """
    folder = Path(folder).expanduser()
    parts = {p.name.lower(): p for p in folder.glob("*") if p.is_dir()}
    train, test = parts.get("train"), parts.get("test")
    if not (train or test):
        train = folder
    endings, found, others = (".bin", *READERS), [], []
    for part in (train, test):
        listed = files(part) if part else []
        found.append([pair for pair in listed if pair[0].suffix.lower() in endings])
        others += [path for path, _ in listed if path.suffix.lower() not in endings]
    if not any(found):
        raise FileNotFoundError(f"{folder} holds no recording; expected <class>/<file>, a file "
                                f"{' or '.join(endings)}")  # fmt: skip
    names = class_names((label for part in found for _, label in part), classes)
    sets = ([Recording(path, place(label, names)) for path, label in part] for part in found)
    return Recordings(folder, *sets, note_on(others, folder, endings), names)


def matching_digits(folder: str | os.PathLike) -> list[tuple[Recording, int]]:
    """The recordings of ``folder``/Train whose digit is embedded, each with the digit's index.

    Recording k is MNIST training digit k - 1. With every number 1 to K there, the j-th recording
    of a class is the j-th digit of that class, which is how the embedded digits are sorted.

    Raises:
        FileNotFoundError: see ``find_recordings``.
        ValueError: there is no Train/, or its numbers are not 1 to K.
    """
    found = find_recordings(folder).train
    if not found:
        raise ValueError(f"{folder} holds no Train/; expected its recordings, numbers 1 to K")
    for recording in found:
        if not recording.path.stem.isdecimal():
            raise ValueError(f"{recording.path}: the name is no number; expected <number>.bin")
    found = sorted(found, key=lambda r: int(r.path.stem))
    if [int(r.path.stem) for r in found] != list(range(1, len(found) + 1)):
        raise ValueError(
            f"{folder}: the {len(found)} numbers in Train/ are not 1 to {len(found)}, so it is "
            "unknown which digits they are. Use the first recordings of the training set, or all."
        )
    pairs, seen = [], [0] * 10
    for recording in found:
        if seen[recording.label] < PER_CLASS:
            pairs.append((recording, PER_CLASS * recording.label + seen[recording.label]))
        seen[recording.label] += 1
    return pairs
