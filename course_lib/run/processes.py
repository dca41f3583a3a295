"""The processes that train together: who they are, how they start, and what ends them.

torchrun starts the same command K times and tells each its rank; ``start_processes`` joins them to
one process group of ``torch.distributed`` (gloo between CPUs, nccl between GPUs). The process of
rank 0 is the lead: it alone reads settings, writes files and prints. Without torchrun there is one
process, and every method here does the obvious thing.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from course_lib.checkpoints import TrainingStopped

T = TypeVar("T")
#: longest wait for the others while data are prepared, and, in seconds, while training
START, TRAINING = timedelta(hours=2), 300


class ProcessLost(TrainingStopped):
    """Another process of the job does not answer any more."""

    def __init__(self, why: str):
        super().__init__(
            f"{why}. Nothing up to the newest checkpoint is lost: go on with train --resume, or "
            "let torchrun do so by itself with --max-restarts 3"
        )


@dataclass
class Processes:
    """K processes that train together; this one has the given rank among them.

    restarts: how often torchrun has started the job anew, after a process was lost.
    received: bytes that this process got from others in ``all_gather``.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    restarts: int = 0
    store: Any = None
    group: Any = None
    received: int = 0

    @property
    def lead(self) -> bool:
        return self.rank == 0

    def all_gather(self, message: Tensor) -> Tensor:
        """Everyone's message, (K, *shape); all have the same shape and type.

        Raises ProcessLost if another process is gone, or silent for longer than the timeout.
        """
        parts = message.new_empty(self.size, *message.shape)
        if self.size == 1:
            return parts.copy_(message)
        try:
            dist.all_gather(list(parts), message.contiguous(), group=self.group)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise ProcessLost(
                f"process {self.rank} of {self.size} lost another one, which was killed, failed or "
                f"hangs ({reason})"
            ) from error
        self.received += (self.size - 1) * message.numel() * message.element_size()
        return parts

    def from_lead(self, make: Callable[[], T]) -> T:
        """What ``make()`` returns in the lead, sent to all.

        What it raises is raised there; the others then leave in silence, with status 2.
        """
        if self.size == 1:
            return make()
        box: list = [False, None]
        try:
            if self.lead:
                box = [True, make()]
        finally:
            dist.broadcast_object_list(box, src=0)
        made, value = box
        if not made:
            raise SystemExit(2)
        return value

    def in_turn(self, make: Callable[[], T]) -> T:
        """``make()`` in the first process of each machine, then in the rest, who find its cache."""
        made, failure = None, None
        for first in (True, False):
            if first == (self.local_rank == 0):
                try:
                    made = make()
                except Exception as error:
                    failure = error
            if self.all_gather(torch.tensor([failure is not None])).any():
                raise failure or SystemExit(2)
        return made

    def remember(self, name: str, value: str) -> None:
        """Keep a word for the processes that torchrun starts in place of these."""
        if self.store is not None:
            self.store.set(f"course/{name}", value)

    def recall(self, name: str) -> str | None:
        """The word kept by ``remember``, if this is a restart that knows one."""
        if self.store is None or not self.store.check([f"course/{name}"]):
            return None
        return self.store.get(f"course/{name}").decode()

    @contextmanager
    def folder(self, folder: Path) -> Iterator[Path]:
        """The folder to give to ``fit``: the lead's own; for others a copy of its checkpoint.

        So only the lead writes, and all resume from the same checkpoint, on any machine.
        """
        path = Path(folder) / "checkpoint.pt"
        content = self.from_lead(lambda: path.read_bytes() if path.is_file() else None)
        if self.lead:
            yield folder
            return
        with TemporaryDirectory(prefix="course-") as copy:
            if content is not None:
                (Path(copy) / path.name).write_bytes(content)
            yield Path(copy)


@contextmanager
def start_processes() -> Iterator[Processes]:
    """The job that torchrun started this process for, or one of this process alone.

    The variable COURSE_TIMEOUT says how many seconds to wait for the others' part of a generation.
    """
    if not dist.is_available() or not dist.is_torchelastic_launched():
        yield Processes()
        return
    from torch.distributed.rendezvous import rendezvous

    timeout = timedelta(seconds=float(os.environ.get("COURSE_TIMEOUT", TRAINING)))
    restarts = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))
    store, rank, size = next(rendezvous("env://"))
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available():
        backend = "cpu:gloo,cuda:nccl"
    # The store outlives a restart. Without a prefix of their own, new processes would look for the
    # lost ones' addresses.
    dist.init_process_group(
        backend, store=dist.PrefixStore(f"start {restarts}", store), rank=rank, world_size=size,
        timeout=START,
    )  # fmt: skip
    group = dist.new_group(timeout=timeout)
    local = int(os.environ.get("LOCAL_RANK", 0))
    processes = Processes(rank, size, local, restarts, store, group)
    # Not with nccl, which waits for a lost process without letting Python run.
    with _told_by_torchrun() if backend == "gloo" else nullcontext():
        yield processes
    dist.destroy_process_group()


@contextmanager
def _told_by_torchrun() -> Iterator[None]:
    """Within the block, SIGTERM raises ProcessLost: torchrun ends all by it when one is lost."""

    def lost(signum, frame):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise ProcessLost(
            "torchrun ends the processes, since one was killed or failed (its report says which), "
            f"or the job on {socket.gethostname()} was told to end"
        )

    before = signal.signal(signal.SIGTERM, lost)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
