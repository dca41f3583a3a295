"""Compiled functions from several ordinary threads, as many as torch uses.

Such a function begins with ``counter, jobs`` and takes jobs until none is left:

    j = take(counter)
    while j < len(jobs):
        …  # jobs[j], a row of whole numbers
        j = take(counter)

The calling thread works, too, and what a helper has not begun by the end is called off: on a busy
machine nobody waits for a thread that only waits for a processor. Between jobs there is no Python,
whose lock a sleeping thread could hold.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@cache
def _helpers(size: int) -> ThreadPoolExecutor:
    """So many threads that wait for work."""
    return ThreadPoolExecutor(size, "course_lib kernels")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_helpers.cache_clear)


@intrinsic
def take(typing, counter):
    """counter[0], which is raised by one: no two threads get the same number."""

    def generate(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.atomic_rmw("add", array.data, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), generate


def in_threads(function: Callable, jobs: Sequence[tuple[int, ...]], *arguments) -> list:
    """function(counter, jobs, *arguments) in several threads; what each of them returned."""
    helpers = min(torch.get_num_threads(), len(jobs) // 2) - 1  # few jobs: not worth waking anyone
    if helpers < 1:
        return in_turn(function, jobs, *arguments)
    numbers, counter = np.array(jobs, np.int64), np.zeros(1, np.int64)
    pool = _helpers(torch.get_num_threads() - 1)
    waiting = [pool.submit(function, counter, numbers, *arguments) for _ in range(helpers)]
    try:
        results = [function(counter, numbers, *arguments)]
    finally:
        counter[0] = max(counter[0], len(numbers))
        waiting = [helper for helper in waiting if not helper.cancel()]
    return results + [helper.result() for helper in waiting]


@contextmanager
def torch_threads(count: int):
    """So many threads do what torch and ``in_threads`` do here. One: torch works alone.

    Otherwise it wakes its own threads for the smallest product; and these then wait for more,
    busily and for milliseconds, on the processors that compiled loops want next.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def ranges(length: int, size: int) -> list[tuple[int, int]]:
    """(first, last) of pieces of so many: jobs."""
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def in_turn(function: Callable, jobs: Sequence[tuple[int, ...]], *arguments) -> list:
    """The same in the calling thread alone."""
    if not jobs:
        return []
    return [function(np.zeros(1, np.int64), np.array(jobs, np.int64), *arguments)]
