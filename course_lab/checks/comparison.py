"""Exercises of lesson 09, first part: what a run costs, how far it gets, and how sure that is."""

import math

import numpy as np

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lib.run.report import interval

TOPIC = "09_full_training"

# ------------------------------------------------------------------------------- a budget


def updates_for(budget, forward, backward):
    return budget // (forward + 2 * backward)


UPDATES_FOR = Exercise(
    "updates_for", TOPIC, points=1,
    goal="turn a budget into updates, so that every method pays the same",
    reference=updates_for,
    cases=lambda rng: [
        (1920, 64, 0), (1000, 1, 1), (50, 64, 0), (640, 2, 1),
        *[tuple(int(rng.integers(*ends)) for ends in ((200, 3000), (1, 40), (1, 9)))
          for _ in range(3)],
    ],
    mistakes=(
        Mistake("updates are whole: what is left of the budget does not pay for another one. "
                "Divide with //.", lambda n, f, b: n / (f + 2 * b)),
        Mistake("you round up. The last update is not paid for: divide with //.",
                lambda n, f, b: -(-n // (f + 2 * b))),
        Mistake("you round to the nearest. An update that is half paid for cannot be made: divide "
                "with //.", lambda n, f, b: round(n / (f + 2 * b))),
        Mistake("the backward passes are free in yours. Each costs two forward passes.",
                lambda n, f, b: n // f),
        Mistake("a backward pass costs as much as two forward passes; you count one.",
                lambda n, f, b: n // (f + b)),
        Mistake("you double the forward passes as well. Only a backward pass counts twice.",
                lambda n, f, b: n // (2 * (f + b))),
        Mistake("you double the forward passes. It is the backward pass that counts twice.",
                lambda n, f, b: n // (2 * f + b)),
        Mistake("at least one update in yours, but a budget can be too small for any.",
                lambda n, f, b: max(1, n // (f + 2 * b))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- the first time


def first_reaching(costs, accuracy, target):
    for cost, value in zip(costs, accuracy, strict=True):
        if value >= target:
            return cost
    return None


def _reaching(never=None, *, strict=False, index=False, best=False, last=False, stays=False):
    def first(costs, accuracy, target):
        there = np.greater(accuracy, target) if strict else np.greater_equal(accuracy, target)
        if not there.any():
            return never(costs) if callable(never) else never
        k = int(there.argmax())
        if best:
            k = int(np.argmax(accuracy))
        if last:
            k = int(np.flatnonzero(there)[-1])
        if stays:
            below = np.flatnonzero(~there)
            k = int(below[-1]) + 1 if len(below) else 0
            if k == len(costs):
                return None
        return k if index else costs[k]

    return first


def _between(costs, accuracy, target):
    k = int(np.argmax(np.asarray(accuracy) >= target))
    if accuracy[k] < target or k == 0:
        return costs[0] if accuracy[0] >= target else None
    return np.interp(target, accuracy[k - 1 : k + 1], costs[k - 1 : k + 1])


def _curve(rng, accuracy):
    """Costs that rise by steps of different size, and the accuracies there."""
    return np.cumsum(rng.integers(2, 30, len(accuracy))), np.array(accuracy)


FIRST_REACHING = Exercise(
    "first_reaching", TOPIC, points=2,
    goal="read a noisy curve by a rule, also where the answer is never",
    reference=first_reaching,
    cases=lambda rng: [
        (*_curve(rng, (0.2, 0.5, 0.78, 0.71, 0.84, 0.83)), 0.75),
        (*_curve(rng, (0.2, 0.5, 0.625, 0.75)), 0.625),
        (*_curve(rng, (0.1, 0.3, 0.45, 0.4)), 0.6),
        (*_curve(rng, (0.55, 0.7, 0.8)), 0.5),
        (*_curve(rng, (0.3, 0.62, 0.58)), 0.6),
    ],
    mistakes=(
        *[Mistake(f"a target that is never reached gives {what}. Return None there: nobody knows "
                  "the cost.", _reaching(never))
          for what, never in (
              ("the first cost", lambda c: c[0]), ("the last cost", lambda c: c[-1]),
              ("infinity", math.inf), ("0", 0), ("−1", -1), ("NaN", math.nan),
          )],
        Mistake("you return the place on the curve. Asked is the cost there, costs[k].",
                _reaching(index=True)),
        Mistake("you wait until the accuracy is above the target. It is reached as soon as it is "
                "equal: ≥.", _reaching(strict=True)),
        Mistake("that is where the accuracy is highest. Asked is the first time at the target.",
                _reaching(best=True)),
        Mistake("that is the last time at the target. Asked is the first.", _reaching(last=True)),
        Mistake("you wait until the accuracy stays above the target. Asked is the first time that "
                "it is reached, even if it falls again.", _reaching(stays=True)),
        Mistake("you return every cost at which the target was reached. Asked is the first.",
                lambda c, a, target: c[a >= target]),
        Mistake("you draw a line between two measurements. Nobody has measured there: return the "
                "first cost at which the target was seen.", _between),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- luck of a test


def accuracy_interval(right, n):
    return interval(right / n, n)


def _wilson(right, n, *, simple=False, scale=True, centre=True, inner=True, power=2, z=1.96, p=None,
            percent=1):  # fmt: skip
    p = right / n if p is None else p
    root = p * (1 - p) / n + (0 if simple or not inner else z**power / (4 * n**2))
    middle = p + (0 if simple or not centre else z**power / (2 * n))
    below = 1 if simple or not scale else 1 + z**power / n
    return tuple(percent * (middle + sign * z * root**0.5) / below for sign in (-1, 1))


ACCURACY_INTERVAL = Exercise(
    "accuracy_interval", TOPIC, points=2,
    goal="say how much a test set of n recordings can tell, also at 100 %",
    reference=accuracy_interval,
    cases=lambda rng: [
        (470, 500), (50, 50), (0, 20), *[(int(rng.integers(2, n)), n) for n in (30, 200)],
    ],
    mistakes=(
        Mistake("that is p̂ ± 1.96 standard errors. Where all are right it has no width; use "
                "Wilson's formula.", lambda *a: _wilson(*a, simple=True)),
        Mistake("the divisor 1 + z²/n is missing.", lambda *a: _wilson(*a, scale=False)),
        Mistake("the middle is too low: add z²/(2n) to p̂ before you divide.",
                lambda *a: _wilson(*a, centre=False)),
        Mistake("z²/(4n²) is missing under the root.", lambda *a: _wilson(*a, inner=False)),
        Mistake("z is squared in z²/n, z²/(2n) and z²/(4n²).", lambda *a: _wilson(*a, power=1)),
        Mistake("that is one standard error to each side: z = 1.96 is missing.",
                lambda *a: _wilson(*a, z=1.0)),
        Mistake("that is one standard error to each side: z = 1.96 is missing.",
                lambda *a: _wilson(*a, z=1.0, simple=True)),
        Mistake("you return a middle and a width. Asked are the two ends, the lower first.",
                lambda *a: (sum(_wilson(*a)) / 2, -np.subtract(*_wilson(*a)) / 2)),
        Mistake("the two ends are the wrong way round: the lower first.",
                lambda *a: _wilson(*a)[::-1]),
        Mistake("that is the rule of thumb with two successes and two failures more. It is close; "
                "asked is Wilson's formula.",
                lambda right, n: _wilson(right, n, z=2.0, simple=True, p=(right + 2) / (n + 4))),
        Mistake("that is the rule of thumb with two successes and two failures more. It is close; "
                "asked is Wilson's formula.",
                lambda right, n: _wilson(right + 2, n + 4, simple=True)),
        Mistake("you return percent. Asked are fractions between 0 and 1.",
                lambda *a: _wilson(*a, percent=100)),
    ),
)  # fmt: skip

EXERCISES = (UPDATES_FOR, FIRST_REACHING, ACCURACY_INTERVAL)
