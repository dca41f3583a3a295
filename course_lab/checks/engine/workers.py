"""Plays the machines that share a population, one after the other, in one process.

A worker is a generator: ``everyone = yield mine`` sends a number, waits until all have sent, and
gets the list of what all have sent, in the order of the workers.
"""

import functools
from collections.abc import Callable, Generator

import numpy as np

from course_lab.checks.engine import compare
from course_lab.checks.engine.failures import Refused


def together(worker: Callable) -> Callable:
    """A function that plays all workers: ``(numbers, workers, fitness, weights, generations,
    seed)`` → what each returned, in order.

    The function raises TypeError for a worker that sends nothing, and ValueError for a message that
    is more than one number, for more messages than generations, for workers of which some end while
    others wait, and for one that changes the weights that it was given.
    """

    @functools.wraps(worker)
    def play(numbers, workers, fitness, weights, generations, seed):
        given = {n: weights.copy() for n in numbers}
        playing = {n: worker(n, workers, fitness, given[n], generations, seed) for n in numbers}
        if not all(isinstance(one, Generator) for one in playing.values()):
            raise TypeError("a worker has to send its number: everyone = yield mine")
        heard, ended = None, {}
        for _ in range(generations + 1):
            sent = []
            for number, one in playing.items():
                try:
                    sent.append(_message(number, one.send(heard and list(heard))))
                except StopIteration as end:
                    ended[number] = end.value
            if ended:
                break
            heard = sent
        if len(ended) < len(playing):
            waiting = min(set(playing) - set(ended))
            others = f"worker {min(ended)} has ended" if ended else "its generations are over"
            raise Refused(f"worker {waiting} waits for numbers, but {others}")
        for number in numbers:
            if not np.array_equal(given[number], weights):
                raise Refused(f"worker {number} changes the weights that all were given: work on a "
                              "copy")  # fmt: skip
        return [ended[number] for number in numbers]

    return play


def _message(number: int, value) -> float:
    sent = compare.plain(value)
    if not isinstance(sent, np.ndarray) or sent.size != 1 or not np.isfinite(sent).all():
        raise Refused(f"worker {number} sends {compare.show(value)}; a message is one number")
    return float(sent.ravel()[0])
