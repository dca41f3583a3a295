"""Numba's compilations, kept from one start to the next where that is possible.

``@compiled`` is ``@numba.njit(cache=True)`` without its faults: Numba refuses to define a function
for which it finds no folder that can be written (a read-only course and no home, as in many
containers), and a full disk or a damaged file in its cache ends the call that meets it. Here such
functions are compiled anew at every start, and one line says so.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

OPTIONS = {"nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}


def compiled(function: Callable | None = None, **options) -> Callable:
    """Compile for Numba without Python's lock; options: of ``numba.njit``, beside OPTIONS."""
    if function is None:
        return lambda function: compiled(function, **options)
    import numba

    dispatcher = numba.njit(**OPTIONS, **options)(function)
    try:
        dispatcher._cache = _forgiving()(function)  # as cache=True does, with Numba's own class
    except RuntimeError as error:  # "no locator available"
        _say(str(error))
    return dispatcher


def cache_folder(dispatcher: Callable) -> Path | None:
    """Where the compilations of a function are kept; None where they are not."""
    path = dispatcher.stats.cache_path
    return Path(path) if path else None


def is_kept(dispatcher: Callable) -> bool:
    """Whether a compilation of the function is kept, of whatever types."""
    folder, code = cache_folder(dispatcher), dispatcher.py_func.__code__
    name = f"{Path(code.co_filename).stem}.{code.co_name}-*.nbi"
    return folder is not None and any(folder.glob(name))


@cache
def _forgiving() -> type:
    from numba.core.caching import FunctionCache

    class Forgiving(FunctionCache):
        """Whatever cannot be read is compiled, and what cannot be written is not kept."""

        def load_overload(self, *arguments):
            try:
                return super().load_overload(*arguments)
            except Exception:  # any at all: files hold pickles
                with suppress(Exception):
                    self.flush()  # the next one is whole
                return None

        def save_overload(self, *arguments):
            try:
                super().save_overload(*arguments)
            except Exception as error:
                _say(f"{type(error).__name__}: {error}")

    return Forgiving


_said: list[str] = []


def _say(why: str) -> None:
    """One line a process."""
    if not _said:
        print(
            f"Compiled code cannot be kept, so every start takes some seconds longer: {why} "
            "(NUMBA_CACHE_DIR may name a folder that can be written.)", file=sys.stderr,
        )  # fmt: skip
        _said.append(why)
