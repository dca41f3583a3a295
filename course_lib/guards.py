"""What stops a run, and how: numbers that blew up, a network that fell silent, Ctrl-C."""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from course_lib.network import SpikingNetwork


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
    if not math.isfinite(loss) or not all(torch.isfinite(g).all() for g in gradients):
        raise TrainingStopped(
            f"at step {step + 1} the loss is {loss} or a gradient is not finite. Start a new run "
            "with a lower learning rate (--lr), or a lower --sigma if the method has one"
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
