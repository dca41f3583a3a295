"""A task without a formula: it is graded by what is reached, and one's best result is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from course_lab import progress
from course_lab.checks.engine.engine import SHOWN_SEED, Exercise, NotYet


@dataclass
class Open(Exercise):
    """An open task.

    trial: random generator → (arguments, score), where ``score(result)`` is what was reached, the
           more the better; it raises NotYet for an answer that does not count.
    marks: (what has to be reached, points for it), ascending; the last has all points.
    wording: how a score is written, such as "{:.1%} read right".
    """

    cases: Callable = lambda rng: []
    trial: Callable[[np.random.Generator], tuple[tuple, Callable[..., float]]] | None = None
    marks: Sequence[tuple[float, int]] = ()
    wording: str = "{:.1%}"
    kind: str = "open"

    def reach(self, function: Callable, seed: int) -> float:
        """What the function reaches. Raises NotYet if it fails, or is below the first mark."""
        arguments, score = self.trial(np.random.default_rng(seed))
        value = score(self.result(function, arguments))
        if value < self.marks[0][0]:
            raise NotYet(f"  It reaches {self.told(value)}; the first point is at "
                         f"{self.told(self.marks[0][0])}.")  # fmt: skip
        return value

    def worth(self, value: float) -> int:
        """Points of a score."""
        return max((points for mark, points in self.marks if value >= mark), default=0)

    def told(self, value: float) -> str:
        return self.wording.format(value)

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

    def points_of(self, seed: int) -> int:
        return self.worth(self.reach(self.submitted, seed))
