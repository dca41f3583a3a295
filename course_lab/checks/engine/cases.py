"""Cases to try a function on: numbers that a student can compute with by hand, and boundaries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


def tenths(rng, *shape, size=1.0):
    """Normal numbers of one decimal."""
    return np.round(rng.normal(0, size, shape), 1) + 0.0  # no −0


class At(tuple):
    """The arguments of a case at a boundary; ``where`` says which, as in "where two losses tie"."""

    where: str


def at(where: str, *arguments) -> At:
    case = At(arguments)
    case.where = where
    return case


@dataclass(frozen=True)
class Boundary:
    """What the text states and the shown cases leave out: grading asks for it.

    where: in words that end "right but where …"; cases: random generator -> argument tuples.
    """

    where: str
    cases: Callable[[np.random.Generator], Sequence[tuple]]

    def draw(self, rng: np.random.Generator) -> list[At]:
        return [at(self.where, *arguments) for arguments in self.cases(rng)]
