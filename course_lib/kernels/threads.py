"""Compiled functions from several ordinary threads, as many as torch uses."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch


def in_threads(function: Callable, jobs: Iterable[tuple], *arguments) -> list:
    """function(*job, *arguments) for every job; the results in their order.

    A pool lives as long as the call: nothing is left that a fork could copy half-way, and a
    generation needs so few calls that starting threads costs it nothing.
    """
    jobs = list(jobs)
    threads = min(torch.get_num_threads(), len(jobs))
    if threads <= 1:
        return in_turn(function, jobs, *arguments)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda job: function(*job, *arguments), jobs))


def in_turn(function: Callable, jobs: Iterable[tuple], *arguments) -> list:
    """The same in the calling thread."""
    return [function(*job, *arguments) for job in jobs]
