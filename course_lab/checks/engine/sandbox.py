"""Call a student's function so that whatever it does, the notebook lives on.

An endless loop is stopped, a flood of output is cut, an exception is caught, and arguments are
copies. The function runs in a thread; Python lets one thread raise an exception in another, which
also stops a loop that has no end (but not one inside a compiled library).
"""

import contextlib
import copy
import ctypes
import io
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

PRINTED_AT_MOST = 10_000  # characters


class TimeLimit(BaseException):
    """Raised inside a function that takes too long."""


class TooMuchOutput(Exception):
    """Raised inside a function that prints too much."""


class Called(NamedTuple):
    """What became of a call: its result or its exception, and the arguments as it left them."""

    result: Any
    error: BaseException | None
    arguments: tuple
    printed: str


class LimitedText(io.StringIO):
    """A stream that keeps what is written and refuses a flood."""

    def write(self, text: str) -> int:
        if self.tell() + len(text) > PRINTED_AT_MOST:
            raise TooMuchOutput
        return super().write(text)


def call(function: Callable, arguments: tuple, seconds: float) -> Called:
    """Call ``function`` on copies of ``arguments``, for at most so many seconds.

    The error is TimeLimit if the time was up, and TooMuchOutput if the function printed more than
    PRINTED_AT_MOST characters.
    """
    given = copy.deepcopy(arguments)
    printed, outcome = LimitedText(), {}

    def run():
        try:
            outcome["result"] = function(*given)
        except BaseException as error:  # noqa: BLE001 - also SystemExit, and a stopped loop
            outcome["error"] = error

    with contextlib.redirect_stdout(printed):
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(seconds)
        late = thread.is_alive()
        until = time.monotonic() + 1
        while thread.is_alive() and time.monotonic() < until:
            _raise_in(thread, TimeLimit)
            thread.join(0.05)
    error = TimeLimit() if late else outcome.get("error")
    return Called(outcome.get("result"), error, given, printed.getvalue())


def peak_memory(function: Callable, arguments: tuple, seconds: float) -> int:
    """The most bytes that a call holds at a time in Python's objects and NumPy's arrays, beside its
    arguments."""
    peak = 0

    def measured(*given):
        nonlocal peak
        tracemalloc.start()
        try:
            return function(*given)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()

    call(measured, arguments, seconds)
    return peak


def _raise_in(thread: threading.Thread, exception: type[BaseException]) -> None:
    identifier = ctypes.c_ulong(thread.ident)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(identifier, ctypes.py_object(exception))
