"""A task without a formula: it is graded by what is reached, and one's best result is kept."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from course_lab import progress
from course_lab.checks.engine import tiny
from course_lab.checks.engine.engine import SHOWN_SEED, Exercise, NotYet


@dataclass
class Open(Exercise):
    """An open task.

    trial: random generator → (arguments, score), where ``score(result)`` is what was reached, the
           more the better; it raises NotYet for an answer that does not count.
    marks: (what has to be reached, points for it), ascending; the last has all points.
    wording: score → how it is told, such as "81.0% read right".
    forward_only: whether torch's backward is forbidden.
    around:       makes of the student's function what is called; None: the function itself.

    ``kind`` is "open", or "train" where a network learns in the student's own loop.
    """

    cases: Callable = lambda rng: []
    trial: Callable[[np.random.Generator], tuple[tuple, Callable[..., float]]] | None = None
    marks: Sequence[tuple[float, int]] = ()
    wording: Callable[[float], str] = "{:.1%}".format
    forward_only: bool = False
    around: Callable[[Callable], Callable] | None = None
    kind: str = "open"
    seconds: float = 60.0

    def reach(self, function: Callable, seed: int) -> float:
        """What the function reaches. Raises NotYet if it fails, or is below the first mark."""
        tiny.digits()  # before the clock of a call runs
        arguments, score = self.trial(np.random.default_rng(seed))
        function = self.around(function) if self.around else function
        with tiny.no_backward() if self.forward_only else nullcontext():
            result = self.result(function, arguments)
        value = score(result)
        if value < self.marks[0][0]:
            raise NotYet(f"  It reaches {self.told(value)}; the first point is at "
                         f"{self.told(self.marks[0][0])}.")  # fmt: skip
        return value

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
                f"{more and f' ({more})'}. Your best so far: {self.told(best)}.")  # fmt: skip

    def examine(self, function: Callable, seed: int) -> int:
        self.reach(function, seed)
        return 1

    def reached(self, seed: int) -> int:
        return self.worth(self.reach(self.submitted, seed))


def fewest(
    wanted: float, right: Callable[..., float], spent: Callable[[], float], unit: str
) -> Callable[..., float]:
    """The score of an answer that reads `wanted` of unseen digits right: −spent(), so less is more.

    right: answer → share of unseen digits that it reads right; unit: of what was spent, in words.
    """

    def score(answer) -> float:
        if (reached := right(answer)) < wanted:
            raise NotYet(f"  {reached:.0%} of unseen digits right with {spent():,} {unit}; "
                         f"{100 * wanted:.0f} % are asked for.")  # fmt: skip
        return -spent()

    return score
