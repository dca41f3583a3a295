"""Checkpoints: all that a run needs to go on as if it had never stopped.

A checkpoint is one file, replaced atomically: whatever happens while it is written, the one before
it stays readable. Files hold tensors, numbers and strings only and are read with
``weights_only=True``, so opening somebody else's checkpoint cannot run code. Their end is MARK and
the SHA-256 of what stands before it.

And what ends a run: numbers that blew up, a network that fell silent, Ctrl-C.
"""

import hashlib
import io
import math
import pickle
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from course_lib.events.files import write_atomic
from course_lib.history import History
from course_lib.network import SpikingNetwork

VERSION = 2
MARK = b"sha256 of this checkpoint:"
#: what torch.load raises on a file that is cut short, foreign, or holds more than plain values
UNREADABLE = (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError)


class Checkpoint:
    """The checkpoint of one run, checkpoint.pt in its folder; without a folder nothing is kept.

    settings: what must not change from one start of the run to the next.
    parts:    what has a ``state_dict``, by name.
    """

    def __init__(self, folder: Path | str | None, settings: dict[str, Any], **parts):
        self.path = Path(folder) / "checkpoint.pt" if folder else None
        self.settings, self.parts = settings, parts
        if self.path:
            for left in self.path.parent.glob(f".{self.path.name}.*"):
                left.unlink()  # half a checkpoint that a killed run left behind

    def save(self, step: int, seconds: float, history: History) -> None:
        """Keep the parts as they are after so many steps, and the history's files."""
        if self.path:
            states = {name: part.state_dict() for name, part in self.parts.items()}
            counts = {"step": step, "seconds": seconds, "history": list(history)}
            save_checkpoint(self.path, {"settings": self.settings, **counts, **states})
            history.save(self.path.parent)

    def resume(self) -> tuple[int, float, History]:
        """Bring the parts to where the run stopped, if it has a checkpoint: step, seconds, history.

        Raises ValueError if there is no folder, or the checkpoint is of other settings.
        """
        if self.path is None:
            raise ValueError("resume needs the folder of the run")
        if not self.path.is_file():
            return 0, 0.0, History()
        saved = load_checkpoint(self.path)
        check_same(saved["settings"], self.settings, self.path)
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        return saved["step"], saved["seconds"], History(saved["history"])


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` (plain values and tensors) to ``path``, all or nothing."""
    memory = io.BytesIO()
    torch.save({"version": VERSION, **content}, memory)
    data = memory.getvalue()
    write_atomic(path, data + MARK + hashlib.sha256(data).digest())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises FileNotFoundError if there is none, ValueError if it is damaged or of another version, or
    if its weights are not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {path}: the run stopped before its first one; start it again"
        )
    try:
        data, mark, checksum = path.read_bytes().rpartition(MARK)
        if not mark or hashlib.sha256(data).digest() != checksum:
            raise ValueError("its checksum is wrong, or missing as in old versions")
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
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
    if not all_finite(content.get("network", {}).values()):
        raise ValueError(f"{path} holds weights that are not finite: training blew up. {LOWER}")
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
            f"{path} is of a run with other settings, or of an older version of the course: "
            f"{'; '.join(different)}. Resume with the same settings, or start a new run in another "
            "folder"
        )


LOWER = (
    "Start a new run with a lower learning rate (--lr), or a lower --sigma if the method has one"
)


def all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


class TrainingStopped(RuntimeError):
    """Training cannot go on; the message says why and what to try."""


@contextmanager
def deferred_interrupt() -> Iterator[list]:
    """Within the block, a first Ctrl-C only fills the list; a second one interrupts at once.

    A step that is cut in half would leave weights that belong to no step. Python hands signals to
    the main thread only; elsewhere the block changes nothing.
    """
    asked: list[bool] = []

    def ask(signum, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(True)

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def check_finite(loss: float, network: SpikingNetwork, step: int) -> None:
    """Raise TrainingStopped, with advice, if the loss or a gradient is not finite."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not math.isfinite(loss) or not all_finite(gradients):
        raise TrainingStopped(
            f"at step {step + 1} the loss is {loss} or a gradient is not finite. {LOWER}"
        )


def check_alive(spikes: tuple[float, ...], readout: str, step: int) -> None:
    """Raise TrainingStopped, with advice, if a layer that should spike does not."""
    names = [f"hidden layer {index + 1}" for index in range(len(spikes) - 1)]
    if readout == "rate":
        names.append("the output layer")
    for name, count in zip(names, spikes, strict=False):
        if count == 0:
            raise TrainingStopped(
                f"at step {step} {name} is dead: not one spike in hundreds of recordings, so "
                "every answer is the same. Start a new run with larger weights "
                "(--weight-sd), a lower threshold (--threshold), less leak (--beta nearer 1), or "
                "lower the learning rate (--lr) if it was alive before"
            )
