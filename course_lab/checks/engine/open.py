"""A task without a formula: it is graded by what is reached, and one's best result is kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from course_lab import progress
from course_lab.checks.engine import compare, tiny
from course_lab.checks.engine.engine import SHOWN_SEED, Exercise, NotYet

FROM_SEED = "Draw everything random from a generator that is made with `seed`."


@dataclass
class Open(Exercise):
    """An open task.

    trial: random generator → (arguments, score), where ``score(result)`` is what was reached, the
           more the better; it raises NotYet for an answer that does not count.
    less:  an allowance to try it with as well, as ``trial(rng, less)``, that is smaller than the
           text's: score raises NotYet, or what is handed out Refused, where it is not kept.
    marks: (what has to be reached, points for it), ascending; the last has all points.
    wording: score → how it is told, such as "81.0% read right".
    forward_only: whether torch's backward is forbidden.
    around:       makes of the student's function what is called; None: the function itself.
    short:        a trial's arguments, after it → what keeps one from all points, a sentence after
                  a space; empty where that is not known.
    seeded:       whether all that is random has to come from the function's argument `seed`.

    ``kind`` is "open", or "train" where a network learns in the student's own loop.
    """

    cases: Callable = lambda rng: []
    trial: Callable[..., tuple[tuple, Callable[..., float]]] | None = None
    less: int | None = None
    marks: Sequence[tuple[float, int]] = ()
    wording: Callable[[float], str] = "{:.1%}".format
    forward_only: bool = False
    around: Callable[[Callable], Callable] | None = None
    short: Callable[..., str] = lambda *arguments: ""
    seeded: bool = False
    kind: str = "open"
    seconds: float = 60.0

    def reach(self, function: Callable, seed: int) -> float:
        """What the function reaches. Raises NotYet if it fails, or is below the first mark."""
        tiny.digits()  # before the clock of a call runs
        function = self.around(function) if self.around else function
        result, score, _, arguments = self.attempt(function, seed)
        self.hint = self.short(*arguments)
        if self.seeded:  # before the score, which chance would decide
            self.check_repeats(function, seed, result)
        try:
            value = score(result)
            if value < self.marks[0][0]:
                raise NotYet(f"  It reaches {self.told(value)}; the first point is at "
                             f"{self.told(self.marks[0][0])}.")  # fmt: skip
        except NotYet as reason:
            reason.args = (f"{reason}{self.hint}",)
            raise
        if self.seeded:
            self.check_seed(function, seed, result)
        if self.less is not None:
            result, score, *_ = self.attempt(function, seed, less=self.less)
            score(result)
        return value

    def check_repeats(self, function: Callable, seed: int, result: Any) -> None:
        """Raise NotYet if the result is another one for the same seed."""
        if not compare.same(result, self.attempt(function, seed)[0], 1e-6, 1e-9):
            raise NotYet(f"  The same seed gives another result the second time. {FROM_SEED}")

    def check_seed(self, function: Callable, seed: int, result: Any) -> None:
        """Raise NotYet if the result is the same for another seed, though a generator was made."""
        other, _, made, _ = self.attempt(function, seed, 1)
        if made and compare.same(result, other, 1e-6, 1e-9):
            raise NotYet(f"  Every seed gives the same result. {FROM_SEED}")

    def attempt(
        self, function: Callable, seed: int, later: int = 0, less: int | None = None
    ) -> tuple[Any, Callable, list, tuple]:
        """A trial's result, its score, the generators that were made, and its arguments; later:
        what is added to the `seed` that the function gets; less: a smaller allowance."""
        allowance = () if less is None else (less,)
        arguments, score = self.trial(np.random.default_rng(seed), *allowance)
        arguments = tuple(a + later if name == "seed" else a
                          for name, a in zip(self.names(), arguments, strict=True))  # fmt: skip
        forward = tiny.no_backward() if self.forward_only else nullcontext()
        with forward, _generators() as made:
            return self.result(function, arguments), score, made, arguments

    def worth(self, value: float) -> int:
        """Points of a score."""
        return max((points for mark, points in self.marks if value >= mark), default=0)

    def told(self, value: float) -> str:
        return self.wording(value)

    def verdict(self, function: Callable) -> str:
        value = self.reach(function, SHOWN_SEED)
        self.earned = self.worth(value)
        best = progress.best(self.topic, self.name, value)
        more = "; ".join(f"{points} from {self.told(mark)} on"
                         for mark, points in self.marks if mark > value)  # fmt: skip
        return (f"✓ {self.name}: {self.told(value)}, {self.earned} of {self.points} points"
                f"{more and f' ({more})'}. Your best so far: {self.told(best)}."
                f"{more and self.hint}")  # fmt: skip

    def examine(self, function: Callable, seed: int) -> int:
        self.reach(function, seed)
        return 1

    def reached(self, seed: int) -> int:
        return self.worth(self.reach(self.submitted, seed))


@contextmanager
def _generators() -> Iterator[list]:
    """The arguments of all calls, within the block, that make a generator of NumPy."""
    kept, made = np.random.default_rng, []

    def noting(*arguments):
        made.append(arguments)
        return kept(*arguments)

    np.random.default_rng = noting
    try:
        yield made
    finally:
        np.random.default_rng = kept


def same_noise(fitness, *others) -> str:
    """What to tell somebody who has shaken a network by the same noise in every generation."""
    if not fitness.same_noise():
        return ""
    return (" Every generation tries the noise of the first again, and so looks in the same few "
            "directions. Draw new noise each time.")  # fmt: skip


def fewest(
    wanted: float, right: Callable[..., float], spent: Callable[[], float], unit: str
) -> Callable[..., float]:
    """The score of an answer that reads `wanted` of unseen digits right: −spent(), so less is more.

    right: answer → share of unseen digits that it reads right; unit: of what was spent, in words.
    """

    def score(answer) -> float:
        demand(wanted, right(answer), lambda: f" with {spent():,} {unit}")
        return -spent()

    return score


def demand(wanted: float, reached: float, price: Callable[[], str] = str) -> None:
    """Raise NotYet unless the wanted share of unseen digits was read right; price: what for."""
    if reached < wanted:
        raise NotYet(f"  {reached:.0%} of unseen digits right{price()}; {100 * wanted:.0f} % are "
                     "asked for.")  # fmt: skip
