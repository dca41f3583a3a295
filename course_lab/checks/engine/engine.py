"""The check of an exercise: run the student's function, and say what is right or likely wrong.

    lif_step = checks.lif_step(lif_step)

prints one verdict and returns the student's function if it passed, else the course's own, so that
the notebook goes on either way. A check tries seeded random cases and compares with the reference.
Where a result is wrong, the check runs the mistakes that it knows on the same cases and on further
ones: the one that gives the student's numbers everywhere is named. Where none does, what the
numbers themselves say is told, such as a sign, a factor or the one boundary where they are wrong.
Grading tries new cases, and one more boundary of what the text says.
"""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from course_lab import progress
from course_lab.checks.engine import compare, failures, sandbox
from course_lab.checks.engine.cases import Boundary
from course_lab.checks.engine.facts import fact, instead

SHOWN_SEED = 0
GRADING_SEEDS = (1, 2)
#: of cases that part two mistakes with the same numbers
FURTHER_SEED = 3


class NotYet(Exception):
    """An exercise is not right yet; the text says why. points: what it earns all the same; named:
    whether it says what to mend, beside what came out and what should have."""

    def __init__(self, text: str, points: int = 0, named: bool = True):
        super().__init__(text)
        self.points, self.named = points, named


class Mistake:
    """A plausible wrong solution: what to tell who made it, and one or more ways to make it."""

    def __init__(self, says: str, *functions: Callable):
        self.says, self.functions = says, functions


@dataclass(frozen=True)
class Property:
    """What must hold for every right answer: ``test(result, *arguments) -> bool``, and what to say
    where it does not. The result comes with tensors and lists made NumPy arrays."""

    says: str
    test: Callable[..., bool]


@dataclass(frozen=True)
class Part:
    """A boundary that has points of its own: who fails nothing else loses only these.

    says:  what it is about, such as "ties share their average rank".
    cases: as an exercise's; points: of the exercise's points.
    """

    says: str
    cases: Callable[[np.random.Generator], Sequence[tuple]]
    points: int = 1


@dataclass(frozen=True)
class Room:
    """How much memory a right answer may take, and what to tell who takes more.

    limit: ``limit(*arguments)`` -> bytes at the peak of a call, beside the arguments.
    """

    says: str
    limit: Callable[..., int]


@dataclass(frozen=True)
class Calls:
    """How often a right answer may call the functions that it is given, and what to tell who calls
    them more often. limit: ``limit(*arguments)`` -> calls."""

    says: str
    limit: Callable[..., int]


@dataclass
class Exercise:
    """One exercise and its check.

    name:       of the function that the student writes, and of the check.
    topic:      the assignment it belongs to, such as "02_spikes".
    goal:       what whoever solves it can do afterwards, for instructors.
    reference:  a right solution, from the library where there is one.
    cases:      random generator -> list of argument tuples, some of them ``at`` a boundary.
    boundary:   what grading tries beside such cases, for one point, and the shown ones lack.
    parts:      boundaries with points of their own, tried when the cases are right.
    kind:       what sort of task it is: "", "bug" (to be found), "train" (a network) or "open".
    mistakes:   tried in order when the answer is wrong; the first that explains it is named.
    properties: tested before values.
    compared:   whether values are compared with the reference's (else properties decide alone).
    seconds:    time limit of one call; late: what to tell who needs longer.
    room:       limit of its memory, looked at once all values are right; None: no limit. Who holds
                more loses one point.
    calls:      limit of its calls of a function among its arguments, looked at likewise.
    """

    name: str
    topic: str
    points: int
    goal: str
    reference: Callable
    cases: Callable[[np.random.Generator], Sequence[tuple]]
    boundary: Boundary | None = None
    mistakes: Sequence[Mistake] = ()
    properties: Sequence[Property] = ()
    parts: Sequence[Part] = ()
    kind: str = ""
    compared: bool = True
    rtol: float = 1e-4
    atol: float = 1e-6
    seconds: float = 2.0
    late: str = "Is there a loop that never ends?"
    room: Room | None = None
    calls: Calls | None = None
    submitted: Callable | None = field(default=None, init=False, repr=False)
    passed: bool = field(default=False, init=False, repr=False)
    earned: int = field(default=0, init=False, repr=False)

    def __call__(self, function: Callable) -> Callable:
        """Check a student's function, print the verdict, and return what to go on with."""
        if function is self.reference:
            print(f"{self.name} is now the course's own function. To have yours checked, run the "
                  "cell with your function again, then this one.")  # fmt: skip
            return function
        self.submitted, self.passed, self.earned = function, False, 0
        try:
            said = self.verdict(function)
        except NotYet as reason:
            self.earned = reason.points
            print(f"✗ {self.name}: not right yet.\n{reason}\n"
                  f"The notebook goes on with the course's own {self.name}.")  # fmt: skip
            return self.reference
        self.passed = True
        progress.record(self.topic, self.name)
        print(said)
        return function

    def verdict(self, function: Callable) -> str:
        """What to say of a right function, whose points are kept. Raises NotYet for others."""
        count = self.examine(function, SHOWN_SEED)
        self.earned = self.points
        return f"✓ {self.name} is right: {count} cases tried."

    def grade(self) -> int:
        """Points of the function that was checked last, on new cases. Raises NotYet for none."""
        if self.submitted is None:
            raise NotYet(f"{self.name} was never checked: its cell is missing or was not run")
        return min(self.points_of(seed) for seed in GRADING_SEEDS)

    def points_of(self, seed: int) -> int:
        """Points on the cases of a seed; says what is missing if some are."""
        try:
            return self.reached(seed)
        except NotYet as reason:
            if not reason.points:
                raise
            print(f"{self.name}:\n{reason}")
            return reason.points

    def reached(self, seed: int) -> int:
        """Points where nothing fails. Raises NotYet where something does."""
        self.examine(self.submitted, seed)
        return self.points

    def examine(self, function: Callable, seed: int) -> int:
        """Number of cases passed. Raises NotYet, saying what is wrong and what to do."""
        if not callable(function):
            raise NotYet(f"  {self.name} is {compare.describe(compare.plain(function))}, not a "
                         "function. Run the cell that defines it.")  # fmt: skip
        cases, parts = self.drawn(seed)
        self.examine_cases(function, cases)
        missing: list[tuple[Part, NotYet]] = []
        for part, more in parts:
            try:
                self.examine_cases(function, [*cases, *more])
                cases += more
            except NotYet as reason:
                missing.append((part, reason))
        if missing:
            points = self.points - sum(part.points for part, _ in missing)
            wanted = "; ".join(part.says for part, _ in missing)
            reason = missing[0][1]
            raise NotYet(f"{reason}\n  It earns {points} of {self.points} points. What is "
                         f"missing: {wanted}.", points, reason.named)  # fmt: skip
        if self.calls:
            self.check_calls(function, cases)
        if self.room:
            self.check_room(function, cases)
        return len(cases)

    def drawn(self, seed: int) -> tuple[list[tuple], list[tuple[Part, list[tuple]]]]:
        """The cases of a seed, and those of each part; the boundary is a part in grading alone."""
        rng = np.random.default_rng(seed)
        cases = list(self.cases(rng))
        parts = list(self.parts)
        if self.boundary and seed != SHOWN_SEED:
            parts.append(Part(self.boundary.where, self.boundary.draw))
        return cases, [(part, list(part.cases(rng))) for part in parts]

    def examine_cases(
        self, function: Callable, cases: Sequence[tuple], which: str = "that were tried"
    ) -> None:
        """Raise NotYet unless the function is right in every case; which: what these cases are."""
        results = []
        for arguments in cases:
            try:
                results.append(self.result(function, arguments))
            except NotYet as reason:
                where = getattr(arguments, "where", None)
                if reason.named or not where:
                    raise
                others = [tuple(a) for a in cases if getattr(a, "where", "") != where]  # no `where`
                self.examine_cases(function, others, "where it does not stop")
                raise NotYet(f"  In all {len(cases)} cases that were tried, your function is right "
                             f"but where {where}.\n{reason}") from None  # fmt: skip
        for arguments, result in zip(cases, results, strict=True):
            try:
                if self.compared:
                    expected = self.reference(*arguments)
                    compare.compare(result, expected, self.rtol, self.atol)
            except compare.Difference as difference:
                named = self.name_mistake(function, cases, results, which)
                named = named or self.not_twice_alike(function, arguments)
                head = named or sentence(str(difference))
                right = compare.show(expected)
                abridged = named and difference.place and "..." in right
                where = f"\n  where     {difference}" if abridged else ""
                raise NotYet(
                    f"  {head}\n{self.shown(arguments)}\n  got       {compare.show(result)}\n"
                    f"  expected  {right}{where}", named=bool(named),
                ) from None
            self.check_properties(function, arguments, result, cases, results)

    def name_mistake(
        self, function: Callable, cases, results, which: str = "that were tried"
    ) -> str | None:
        """The known mistake with these results, or else what they say themselves."""
        if likely := self.likely_mistake(function, cases, results):
            return f"Likely mistake: {likely}"
        expected = [self.reference(*arguments) for arguments in cases]
        found = fact(cases, self.names(), results, expected, self.same) or instead(
            cases, self.names(), results,
            lambda *a: sandbox.call(self.reference, a, self.seconds).result, self.same)  # fmt: skip
        return found and f"In all {len(cases)} cases {which}, your {found}."

    def not_twice_alike(self, function: Callable, arguments: tuple) -> str | None:
        """What to tell where a second call of the function gives another result."""
        once, again = (copy.deepcopy(sandbox.call(function, arguments, self.seconds).result)
                       for _ in range(2))  # fmt: skip
        return None if self.same(once, again) else (
            "Called twice with the same arguments, your function gives two different results. "
            "Something is left from one call to the next, or drawn anew.")  # fmt: skip

    def same(self, a: Any, b: Any) -> bool:
        return compare.same(a, b, self.rtol, self.atol)

    def check_properties(self, function, arguments, result, cases, results) -> None:
        for wanted in self.properties:
            try:
                result = list(result) if isinstance(result, tuple) else result
                holds = wanted.test(compare.plain(result), *arguments)
            except Exception:  # noqa: BLE001 - a result of a shape that the test did not expect
                holds = False
            if not holds:
                likely = self.likely_mistake(function, cases, results)
                says = f"Likely mistake: {likely}" if likely else wanted.says
                raise NotYet(f"  {says}\n{self.shown(arguments)}\n"
                             f"  got       {compare.show(result)}")  # fmt: skip

    def check_calls(self, function: Callable, cases: Sequence[tuple]) -> None:
        for arguments in cases:
            calls = sandbox.call(function, arguments, self.seconds).calls
            limit = self.calls.limit(*arguments)
            if calls > limit:
                raise self.wasteful(f"  {self.calls.says}\n{self.shown(arguments)}\n"
                                    f"  calls     {calls}\n  needed    {limit}")  # fmt: skip

    def check_room(self, function: Callable, cases: Sequence[tuple]) -> None:
        for arguments in cases:
            peak = sandbox.peak_memory(function, arguments, self.seconds)
            limit = self.room.limit(*arguments)
            if peak > limit:
                raise self.wasteful(f"  {self.room.says}\n{self.shown(arguments)}\n"
                                    f"  held      {peak:,} bytes at a time\n"
                                    f"  allowed   {limit:,}")  # fmt: skip

    def wasteful(self, text: str) -> NotYet:
        """Right values, at too high a price: all points but one."""
        points = self.points - 1
        return NotYet(f"{text}\n  It earns {points} of {self.points} points.", points)

    def result(self, function: Callable, arguments: tuple) -> Any:
        """What the function returns. Raises NotYet if it fails in a way that has no result."""
        called = sandbox.call(function, arguments, self.seconds)
        given = self.shown(arguments)
        error = called.error
        if isinstance(error, NotImplementedError) and not failures.of_torch(error):
            raise NotYet(f"  To do: {error}" if str(error) else "  It is not written yet.")
        if isinstance(error, sandbox.TimeLimit):
            raise NotYet(f"  It was stopped after {self.seconds:g} seconds. {self.late}\n{given}",
                         named=False)  # fmt: skip
        if isinstance(error, sandbox.TooMuchOutput):
            raise NotYet("  It prints very much. Take the print out of the loop, and return the "
                         "result.")  # fmt: skip
        if error is not None:
            raise NotYet(f"{failures.explain(error, function)}\n{given}",
                         named=isinstance(error, failures.Refused))  # fmt: skip
        for name, before, after in zip(self.names(), arguments, called.arguments, strict=True):
            if _is_data(before) and not compare.same(before, after, 0, 0):
                raise NotYet(f"  It changes its argument {name}. Work on a copy, so that whoever "
                             f"calls it keeps the data.\n{given}")  # fmt: skip
        return called.result

    def likely_mistake(
        self, function: Callable, cases: Sequence[tuple], results: Sequence
    ) -> str | None:
        """What the first known mistake that explains the function says; None if there is none."""
        for mistake in self.mistakes:
            for wrong in mistake.functions:
                called = [sandbox.call(wrong, case, self.seconds) for case in cases]
                if all(
                    c.error is None and self.same(mine, c.result)
                    for mine, c in zip(results, called, strict=True)
                ) and self.alike(function, wrong):
                    return mistake.says
        return None

    def alike(self, function: Callable, wrong: Callable) -> bool:
        """Whether further cases do not part the two functions."""
        for arguments in self.cases(np.random.default_rng(FURTHER_SEED)):
            mine, other = (sandbox.call(f, arguments, self.seconds) for f in (function, wrong))
            if mine.error is None and (other.error or not self.same(mine.result, other.result)):
                return False
        return True

    def names(self) -> list[str]:
        return list(inspect.signature(self.reference).parameters)

    def shown(self, arguments: tuple) -> str:
        """The arguments of a case in one line."""
        pairs = zip(self.names(), arguments, strict=False)
        return "  for       " + ", ".join(f"{name} = {compare.show(a)}" for name, a in pairs)


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def _is_data(value: Any) -> bool:
    return isinstance(compare.plain(value), np.ndarray | list | dict | tuple)
