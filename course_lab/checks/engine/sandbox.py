"""Call a student's function so that whatever it does, the notebook lives on.

An endless loop is stopped, a flood of output is cut, an exception is caught, and arguments are
copies. The function runs in a thread; Python lets one thread raise an exception in another, which
also stops a loop that has no end (but not one inside a compiled library). What Numba takes to
compile a function hardly counts as time of the function.
"""

import contextlib
import copy
import ctypes
import functools
import io
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PRINTED_AT_MOST = 10_000  # characters


class TimeLimit(BaseException):
    """Raised inside a function that takes too long."""


class TooMuchOutput(Exception):
    """Raised inside a function that prints too much."""


class Called(NamedTuple):
    """What became of a call: its result or its exception, the arguments as it left them, and how
    often it called those that are functions."""

    result: Any
    error: BaseException | None
    arguments: tuple
    printed: str
    calls: int


class LimitedText(io.StringIO):
    """A stream that keeps what is written and refuses a flood."""

    def write(self, text: str) -> int:
        if self.tell() + len(text) > PRINTED_AT_MOST:
            raise TooMuchOutput
        return super().write(text)


def call(function: Callable, arguments: tuple, seconds: float) -> Called:
    """Call ``function`` on copies of ``arguments``, for at most so many seconds of computing.

    The error is TimeLimit if the time was up, and TooMuchOutput if the function printed more than
    PRINTED_AT_MOST characters.
    """
    printed, outcome, calls = LimitedText(), {}, []

    def counted(given):
        @functools.wraps(given)
        def counting(*arguments, **named):
            calls.append(given)
            return given(*arguments, **named)

        return counting

    given = tuple(counted(a) if callable(a) else a for a in copy.deepcopy(arguments))

    def run():
        try:
            outcome["result"] = function(*given)
        except BaseException as error:  # noqa: BLE001 - also SystemExit, and a stopped loop
            outcome["error"] = error

    with contextlib.redirect_stdout(printed), _compiling() as compiling:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        left, before, patience = seconds, _computed(thread), 400
        while thread.is_alive() and left > 0 and patience > 0:
            thread.join(seconds / 40)  # computing counts, waiting for a busy computer hardly does
            spent, before = _computed(thread) - before, _computed(thread)
            busy = compiling()
            left, patience = left - (spent / 30 if busy else spent), patience - (not busy)
        late = thread.is_alive()
        until = time.monotonic() + 1
        while thread.is_alive() and time.monotonic() < until:
            _raise_in(thread, TimeLimit)
            thread.join(0.05)
    error = TimeLimit() if late else outcome.get("error")
    return Called(outcome.get("result"), error, given, printed.getvalue(), len(calls))


def _computed(thread: threading.Thread) -> float:
    """Seconds that a thread has computed, or the process where threads cannot be told apart."""
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    except (AttributeError, OSError):  # Windows; a thread that has just ended
        return time.process_time()


@contextlib.contextmanager
def _compiling():
    """A function that says whether Numba, where it is in use, compiles something just now."""
    event = sys.modules.get("numba.core.event")
    if event is None:
        yield lambda: False
        return

    class Listener(event.Listener):
        depth = 0

        def on_start(self, event):
            self.depth += 1

        def on_end(self, event):
            self.depth -= 1

    listener = Listener()
    with event.install_listener("numba:compile", listener):
        yield lambda: listener.depth > 0


def peak_memory(function: Callable, arguments: tuple, seconds: float) -> int:
    """The most bytes that a call holds at a time in Python's objects, NumPy's arrays and torch's
    tensors, beside its arguments. What is turned into a tensor counts where it comes from."""
    tensors, peak = _Tensors(), 0

    def traced(*given):
        nonlocal peak
        tracemalloc.start()
        try:
            return function(*given)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()

    def watched(*given):
        with tensors:
            return function(*given)

    with _Tensors():  # torch loads what it needs for that, in nobody's time
        torch.zeros(1).add(1)
    for measured in (traced, watched):  # apart, since to watch takes memory as well
        call(measured, arguments, 10 * seconds)
    return peak + tensors.peak


class _Tensors(TorchDispatchMode):
    """Adds up the storages that operations of torch make while they are alive."""

    CONVERSIONS = ("lift_fresh", "_to_copy")

    def __init__(self):
        super().__init__()
        self.held, self.peak = {}, 0

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        result = operation(*arguments, **(named or {}))
        given = {_storage(t) for t in tree_leaves((arguments, named)) if _is_tensor(t)}
        for tensor in filter(_is_tensor, tree_leaves(result)):
            storage = _storage(tensor)
            if storage not in given and operation.overloadpacket.__name__ not in self.CONVERSIONS:
                self.held[storage] = (StorageWeakRef(tensor.untyped_storage()),
                                      tensor.untyped_storage().nbytes())  # fmt: skip
        self.held = {k: v for k, v in self.held.items() if not v[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.held.values()))
        return result


def _is_tensor(value) -> bool:
    return isinstance(value, torch.Tensor)


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _raise_in(thread: threading.Thread, exception: type[BaseException]) -> None:
    identifier = ctypes.c_ulong(thread.ident)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(identifier, ctypes.py_object(exception))
