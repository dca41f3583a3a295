"""Exercises of lesson 09: what a run costs, how far it gets, what may be concluded; and a loop that
stops by itself."""

import math

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Exercise, Mistake, NotYet, Part
from course_lab.checks.engine.failures import Refused
from course_lab.checks.engine.open import Open, fewest
from course_lib.estimators.surrogate import SURROGATES, surrogate_spike
from course_lib.results import paired, student_t
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
        at("the budget pays for one update, to the last pass", 49, 47, 1),
    ],
    boundary=Boundary("an update has no forward pass of its own",
                      lambda rng: [(int(rng.integers(20, 90)), 0, 1)]),
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
        Mistake("brackets are missing: the cost of an update, forward + 2 · backward, is below the "
                "line as a whole.", lambda n, f, b: n // f + 2 * b),
        Mistake("you multiply forward and backward passes. Both are counts for one update: "
                "forward + 2 · backward.", lambda n, f, b: n // (f * (1 + 2 * b)),
                lambda n, f, b: n // (f * 2 * b) if b else n // f),
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


def _by_search(costs, accuracy, target):
    k = np.searchsorted(accuracy, target)
    return costs[k] if k < len(costs) else None


def _between(costs, accuracy, target):
    k = int(np.argmax(np.asarray(accuracy) >= target))
    if accuracy[k] < target or k == 0:
        return costs[0] if accuracy[0] >= target else None
    return np.interp(target, accuracy[k - 1 : k + 1], costs[k - 1 : k + 1])


def _none_for_the_first(costs, accuracy, target):
    k = int(np.argmax(np.asarray(accuracy) >= target))
    return costs[k] if k else None


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
        (*_curve(rng, (0.55, 0.7, 0.8)), 0.5),
        (*_curve(rng, (0.3, 0.62, 0.58)), 0.6),
        at("the first cost is 0", np.array([0, 3, 9]), np.array([0.5, 0.4, 0.8]), 0.5),
        at("an accuracy is just below the target", np.array([2, 5, 9, 11]),
           np.array([0.3, 0.699999999, 0.8, 0.75]), 0.7),
        at("the first point alone reaches the target", np.array([4, 9, 12]),
           np.array([0.7, 0.5, 0.4]), 0.6),
    ],
    parts=(Part("a target that is never reached", lambda rng: [
        (*_curve(rng, (0.1, 0.3, 0.45, 0.4)), 0.6)]),),
    boundary=Boundary("the last measurement is the first to reach it",
                      lambda rng: [(*_curve(rng, (0.2, 0.5, 0.4, 0.8)), 0.75)]),
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
        Mistake("searchsorted wants a curve that never falls. This one does: look at the points "
                "one by one.", _by_search),
        Mistake("the very first point may reach the target. argmax is 0 there, and 0 if no point "
                "does: ask with .any().", _none_for_the_first),
        Mistake("your function gives up at the first point that is too low: return None after the "
                "loop, not in it.",
                lambda c, a, target: c[0] if a[0] >= target else None),
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


def _wilson_ends(right, n, shift, share=1.96, inner=None):
    p, z = right / n, 1.96
    half = share * (p * (1 - p) / n + (z**2 / (4 * n**2) if inner is None else inner)) ** 0.5
    return (p + shift - half) / (1 + z**2 / n), (p + shift + half) / (1 + z**2 / n)


def _rooted(inner):
    """Something else under the root than z²/(4n²), for z² and n."""
    return lambda right, n: _wilson_ends(right, n, 1.96**2 / (2 * n), inner=inner(1.96**2, n))


def _mixed(middle, width):
    """An interval with the middle of one and the width of another."""
    return tuple(sum(middle) / 2 + sign * np.ptp(width) / 2 for sign in (-1, 1))


ACCURACY_INTERVAL = Exercise(
    "accuracy_interval", TOPIC, points=2,
    goal="say how much a test set of n recordings can tell, also at 100 %",
    reference=accuracy_interval,
    cases=lambda rng: [
        (470, 500), (50, 50), (0, 20), *[(int(rng.integers(2, n)), n) for n in (30, 200)],
    ],
    boundary=Boundary("there is one recording (n = 1)", lambda rng: [(0, 1), (1, 1)]),
    mistakes=(
        Mistake("that is p̂ ± 1.96 standard errors. Where all are right it has no width; use "
                "Wilson's formula.", lambda *a: _wilson(*a, simple=True)),
        Mistake("the divisor 1 + z²/n is missing.", lambda *a: _wilson(*a, scale=False)),
        Mistake("the middle is too low: add z²/(2n) to p̂ before you divide.",
                lambda *a: _wilson(*a, centre=False)),
        Mistake("z²/(4n²) is missing under the root.", lambda *a: _wilson(*a, inner=False)),
        Mistake("z is squared in z²/n, z²/(2n) and z²/(4n²).", lambda *a: _wilson(*a, power=1)),
        Mistake("that is one standard error to each side: z = 1.96 is missing.",
                lambda *a: _wilson(*a, z=1.0), lambda *a: _wilson(*a, z=1.0, simple=True)),
        Mistake("you return a middle and a width. Asked are the two ends, the lower first.",
                lambda *a: (sum(_wilson(*a)) / 2, -np.subtract(*_wilson(*a)) / 2)),
        Mistake("the two ends are the wrong way round: the lower first.",
                lambda *a: _wilson(*a)[::-1]),
        Mistake("that is the rule of thumb with two successes and two failures more. It is close; "
                "asked is Wilson's formula.",
                lambda right, n: _wilson(right, n, z=2.0, simple=True, p=(right + 2) / (n + 4)),
                lambda right, n: _wilson(right + 2, n + 4, simple=True)),
        Mistake("you return percent. Asked are fractions between 0 and 1.",
                lambda *a: _wilson(*a, percent=100)),
        Mistake("under the root n is squared: z²/(4n²).", _rooted(lambda zz, n: zz / (4 * n))),
        Mistake("under the root z is squared, too: z²/(4n²).",
                _rooted(lambda zz, n: zz**0.5 / (4 * n**2))),
        Mistake("the factor z stands before the root, not under it.",
                lambda right, n: _wilson_ends(right, n, 1.96**2 / (2 * n), share=1.96**0.5)),
        Mistake("brackets are missing: z**2 / (2 * n), and z**2 / (4 * n**2).",
                lambda right, n: _wilson_ends(right, n, 1.96**2 / 2 * n),
                _rooted(lambda zz, n: zz / 4 * n**2)),
        Mistake("in the middle stands z²/(2n), half of z²/n.",
                lambda right, n: _wilson_ends(right, n, 1.96**2 / n)),
        Mistake("only the half width is divided by 1 + z²/n. The middle is, too.",
                lambda *a: _mixed(_wilson(*a, scale=False), _wilson(*a))),
        Mistake("only the middle is divided by 1 + z²/n. The half width is, too.",
                lambda *a: _mixed(_wilson(*a), _wilson(*a, scale=False))),
        Mistake("z in front of the root is missing.",
                lambda right, n: _wilson_ends(right, n, 1.96**2 / (2 * n), share=1.0)),
        Mistake("z is 1.96 here, not 2.", lambda *a: _wilson(*a, z=2.0)),
        Mistake("z is 1.96 here. 1.645 leaves out 5 % on each side, 10 % together.",
                lambda *a: _wilson(*a, z=1.645)),
        Mistake("z is 1.96 here. Student's t is for the mean of a few runs, not for a share.",
                lambda right, n: _wilson(right, n, z=student_t(n - 1, 0.975))),
        Mistake("that is the rule of thumb with two successes and two failures more, cut off at "
                "0 and 1. It is close; asked is Wilson's formula.",
                lambda right, n: tuple(np.clip(_wilson(right + 2, n + 4, simple=True), 0, 1))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- by seed


def paired_difference(a, b):
    mean, half = paired(a, b)
    return mean, half, abs(mean) > half


def _difference(a, b, *, match="seed", spread="paired", ddof=1, q=0.975, dof=-1, root=0.5, sign=1,
                shown=lambda mean, half: abs(mean) > half):  # fmt: skip
    seeds = [seed for seed in a if seed in b]
    if match == "place":
        x, y = (np.array(list(v.values())[: min(len(a), len(b))]) for v in (a, b))
    else:
        x, y = (np.array([v[seed] for seed in seeds]) for v in (a, b))
    k, d = len(x), sign * (x - y)
    mean = d.mean()
    if match == "all":
        mean = np.mean(list(a.values())) - np.mean(list(b.values()))
    deviation = d.std(ddof=ddof)
    if spread == "apart":
        deviation = np.hypot(x.std(ddof=1), y.std(ddof=1))
    quantile = 1.96 if dof is None else student_t(k + dof, q)
    half = quantile * deviation / k**root
    return mean, half, shown(mean, half)


def _all_seeds_counted(a, b):
    d = np.array([a[seed] - b[seed] for seed in a if seed in b])
    half = student_t(len(a) - 1, 0.975) * d.std(ddof=1) / len(a) ** 0.5
    return d.mean(), half, abs(d.mean()) > half


def _runs(rng, pattern, offset, extra_a=(), extra_b=()):
    """Two methods' accuracies by seed, in different orders; a − b is the pattern and the offset."""
    pattern, offset = rng.permutation(pattern), offset * rng.uniform(0.9, 1.1)
    seeds = range(1, len(pattern) + 1)
    b = {s: round(rng.uniform(0.7, 0.9), 3) for s in seeds}
    a = {s: round(b[s] + d + offset, 3) for s, d in zip(seeds, pattern, strict=True)}
    a |= {s: round(rng.uniform(0.5, 0.6), 3) for s in extra_a}
    b |= {s: round(rng.uniform(0.4, 0.5), 3) for s in extra_b}
    return a, dict(reversed(b.items()))


PAIRED_DIFFERENCE = Exercise(
    "paired_difference", TOPIC, points=2,
    goal="compare two methods seed by seed, and know when nothing has been shown",
    reference=paired_difference,
    cases=lambda rng: [
        _runs(rng, (-0.004, 0, 0.004), 0.03),
        _runs(rng, (-0.01, 0.002, 0.008), 0.004, extra_b=(9,)),
        _runs(rng, (-0.006, -0.003, 0, 0.003, 0.006), -0.03, extra_a=(7, 8)),
        at("seeds are missing in the middle", {1: 0.91, 2: 0.83, 3: 0.87, 4: 0.9, 6: 0.8},
           {6: 0.79, 2: 0.8, 3: 0.85, 5: 0.7, 7: 0.77}),
        at("both are equally accurate with every seed", {1: 0.9, 2: 0.85, 3: 0.8},
           {3: 0.8, 1: 0.9, 2: 0.85}),
        at("an accuracy is 0", {1: 0.0, 2: 0.5, 3: 0.4}, {1: 0.1, 2: 0.55, 3: 0.0}),
    ],
    boundary=Boundary("two seeds are common", lambda rng: [
        _runs(rng, (-0.01, 0.01), 0.05, extra_b=(5,))]),
    mistakes=(
        Mistake("you pair by place. The seeds stand in different orders: subtract b[s] from a[s].",
                lambda *a: _difference(*a, match="place")),
        Mistake("your mean takes in seeds that only one method has. Use the common seeds alone.",
                lambda *a: _difference(*a, match="all")),
        Mistake("you treat the two methods as unrelated. What a seed does to both cancels only in "
                "the differences: take the standard deviation of d.",
                lambda a, b: _difference(a, b, spread="apart", dof=len(a.keys() & b.keys()) - 2),
                lambda *a: _difference(*a, spread="apart")),
        Mistake("1.96 is for many seeds. With k of them take Student's t with k − 1 degrees of "
                "freedom: 4.30 for three.", lambda *a: _difference(*a, dof=None)),
        Mistake("t has k − 1 degrees of freedom, not k.", lambda *a: _difference(*a, dof=0)),
        Mistake("t.ppf(0.95, …) leaves out 5 % on one side. For 95 % in the middle it is 0.975.",
                lambda *a: _difference(*a, q=0.95)),
        Mistake("std divides by k unless told otherwise. From k seeds it has to be k − 1: ddof=1.",
                lambda *a: _difference(*a, ddof=0)),
        Mistake("that is the spread of single seeds. A mean is surer: divide by √k.",
                lambda *a: _difference(*a, root=0)),
        Mistake("you divide by k. The standard error of a mean falls as √k.",
                lambda *a: _difference(*a, root=1)),
        Mistake("the sign is turned round: d = a − b.", lambda *a: _difference(*a, sign=-1)),
        Mistake("a method that is worse has been shown to be so, too: the interval leaves out 0 "
                "where |d̄| > half.", lambda *a: _difference(*a, shown=lambda m, h: m > h)),
        Mistake("a difference that is not 0 shows nothing yet: the interval has to leave out 0.",
                lambda *a: _difference(*a, shown=lambda m, h: m != 0),
                lambda *a: _difference(*a, shown=lambda m, h: m > 0)),
        Mistake("yours is True where the interval holds 0. Then nothing has been shown.",
                lambda *a: _difference(*a, shown=lambda m, h: abs(m) <= h)),
        Mistake("k counts the common seeds, not all seeds of a method.", _all_seeds_counted),
        Mistake("a seed that one method lacks counts there as accuracy 0 in yours. Use the common "
                "seeds alone.",
                lambda a, b: paired_difference(a, {s: b.get(s, 0) for s in a}),
                lambda a, b: paired_difference({s: a.get(s, 0) for s in b}, b),
                lambda a, b: paired_difference(*({s: v.get(s, 0) for s in a | b} for v in (a, b)))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- the choice


def choose(rates, validation, loss, test):
    ran = [k for k in range(len(rates)) if not np.isnan(validation[k])]
    best = max(ran, key=lambda k: (validation[k], -loss[k]))
    return rates[best], test[best]


def _chosen(pick, report=lambda rates, v, test, k: (rates[k], test[k])):
    return lambda rates, v, loss, test: report(rates, v, test, pick(v, loss, test))


def _right(v, loss, test):
    return max(np.flatnonzero(~np.isnan(v)), key=lambda k: (v[k], -loss[k]))


def _place_among_the_rest(rates, validation, loss, test):
    ran = ~np.isnan(validation)
    k = _right(validation[ran], loss[ran], test[ran])
    return rates[k], test[k]


NAN = "one run has diverged: its accuracy is NaN, and a comparison with NaN picks it. Leave it out."


def _trials(rng, order, tested, nan):
    """Four trials: two with the best validation accuracy, in orders of loss and test; one has the
    lowest loss, one the best test accuracy; ``nan``: where one more stands that has diverged."""
    top = rng.uniform(0.85, 0.93)
    validation = np.array([top, top, top - 0.03, top - 0.01])
    loss = np.array([*np.array((0.31, 0.27))[list(order)], 0.21, 0.35])
    test = top + np.array([*np.array((-0.02, -0.01))[list(tested)], -0.015, 0.025])
    columns = [np.round(c, 3) for c in (validation, loss, test)]
    if nan is not None:
        columns = [np.insert(c, nan, np.nan) for c in columns]
    return np.round(0.002 * np.cumsum(rng.uniform(0.2, 2, len(columns[0]))), 4), *columns


CHOOSE = Exercise(
    "choose", TOPIC, points=2,
    goal="choose on one set of recordings and report on another",
    reference=choose,
    cases=lambda rng: [
        _trials(rng, (0, 1), (0, 1), None), _trials(rng, (1, 0), (0, 1), 0),
        _trials(rng, (0, 1), (1, 0), 2), _trials(rng, (0, 1), (0, 1), 0),
        at("the best accuracy has a high loss", np.array([0.1, 0.2, 0.4]),
           np.array([0.9, 0.902, 0.85]), np.array([0.2, 1.9, 0.1]), np.array([0.86, 0.88, 0.8])),
        at("two accuracies are very close and not equal", np.array([0.1, 0.3, 0.4]),
           np.array([0.9, 0.900000001, 0.85]), np.array([0.2, 0.3, 0.1]),
           np.array([0.86, 0.88, 0.8])),
        at("a worse trial has the loss of the best", np.array([0.1, 0.2, 0.4]),
           np.array([0.8, 0.9, 0.9]), np.array([0.3, 0.5, 0.3]), np.array([0.78, 0.86, 0.87])),
    ],
    boundary=Boundary("every accuracy is 0", lambda rng: [
        (np.array([0.1, 0.2, 0.4]), np.zeros(3), np.array([2.4, 2.3, 2.5]),
         np.array([0.1, 0.05, 0.0]))]),
    mistakes=(
        *[Mistake("you choose by the test accuracy, and then report the luck that you chose. "
                  "Choose by validation; the test set is looked at once, after the choice.",
                  _chosen(lambda v, loss, test, best=best: best(test)))
          for best in (np.nanargmax, np.argmax)],
        Mistake("you report the best test accuracy of all trials. Report that of the trial that "
                "validation chose.",
                _chosen(_right, lambda r, v, t, k: (r[k], np.nanmax(t)))),
        Mistake("you report the validation accuracy. It is the highest of several, so it is too "
                "good: report the test accuracy of the same trial.",
                _chosen(_right, lambda r, v, t, k: (r[k], v[k]))),
        *[Mistake("you choose by the loss. It only decides between equal accuracies.",
                  _chosen(lambda v, loss, test, best=best: best(loss)))
          for best in (np.nanargmin, np.argmin)],
        Mistake("you choose by the loss, and by accuracy only where losses are equal. It is the "
                "other way round.", _chosen(lambda v, loss, test: np.lexsort((-v, loss))[0])),
        Mistake("of two equal accuracies you take the first. The lower loss decides.",
                _chosen(lambda v, loss, test: np.nanargmax(v))),
        Mistake("of two equal accuracies you take the last. The lower loss decides.",
                _chosen(lambda v, loss, test: len(v) - 1 - np.nanargmax(v[::-1]))),
        Mistake("of two equal accuracies you take the one with the higher loss. Lower is better.",
                _chosen(lambda v, loss, test: _right(v, -loss, test))),
        Mistake(NAN, _chosen(lambda v, loss, test: np.argmax(v)),
                _chosen(lambda v, loss, test: np.lexsort((-loss, v))[-1]),
                _chosen(lambda v, loss, test: max(range(len(v)),
                                                       key=lambda k: (v[k], -loss[k])))),
        Mistake("you return the place of the trial. Asked is its learning rate, rates[k].",
                _chosen(_right, lambda r, v, t, k: (k, t[k]))),
        Mistake("the two are the wrong way round: return (learning rate, test accuracy).",
                _chosen(_right, lambda r, v, t, k: (t[k], r[k]))),
        Mistake("of two equal accuracies you take the one with the better test accuracy: that is a "
                "look at the test set. The lower loss decides.",
                _chosen(lambda v, loss, test: _right(v, -test, test))),
        Mistake("a low loss outweighs a better accuracy in yours. Accuracy comes first, and the "
                "loss decides among equal ones alone.",
                *[_chosen(lambda v, loss, test, w=w: np.nanargmax(v - w * loss))
                  for w in (0.01, 0.05)]),
        Mistake("you leave runs out and then count places without them. Leave them out of all "
                "columns, rates and test too, or keep the places.", _place_among_the_rest,
                _chosen(lambda v, loss, test: np.argmax(v[~np.isnan(v)]))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a table


def complaints(rows):
    def differ(key):
        return len({row[key] for row in rows}) > 1

    return {
        "readout": differ("readout"),
        "recordings": differ("recordings"),
        "choice": any(row["chosen_on"] == "test" for row in rows),
        "effort": differ("tried"),
        "seeds": any(len(set(row["seeds"])) < 2 for row in rows),
    }


def _complaints(**changed):
    return lambda rows: complaints(rows) | {key: rule(rows) for key, rule in changed.items()}


_LAST_ROW = {
    "choice": lambda rows: rows[-1]["chosen_on"] == "test",
    "seeds": lambda rows: len(set(rows[-1]["seeds"])) < 2,
}


def _two_rows(other):
    """The first row and one other are all that is compared."""

    def differ(key):
        return lambda rows: rows[0][key] != rows[other][key]

    return _complaints(readout=differ("readout"), recordings=differ("recordings"),
                       effort=differ("tried"))  # fmt: skip


def _table(rng, *defects):
    """Three rows that may be compared, but for the defects: (row, key, value)."""
    names, tried = rng.permutation(["BPTT", "OPZO", "DFA", "EGGROLL"])[:3], int(rng.integers(3, 9))
    rows = [
        {"method": str(name), "readout": "membrane", "recordings": 500, "chosen_on": "validation",
         "tried": tried, "seeds": [1, 2, 3][: 3 - (k == 2)]}
        for k, name in enumerate(names)
    ]  # fmt: skip
    for row, key, value in defects:
        rows[row][key] = value
    return (rows,)


COMPLAINTS = Exercise(
    "complaints", TOPIC, points=2,
    goal="read a table of results the way a reviewer does",
    reference=complaints,
    cases=lambda rng: [
        _table(rng),
        _table(rng, (1, "readout", "rate")),
        _table(rng, (int(rng.integers(3)), "chosen_on", "test"), (1, "tried", 20)),
        _table(rng, (2, "recordings", 10_000), (2, "seeds", [1])),
        _table(rng, *[(k, "tried", 1) for k in range(3)],
               *[(k, "chosen_on", "test") for k in range(3)]),
        _table(rng, *[(k, "seeds", [k]) for k in range(3)]),
        _table(rng, *[(k, "seeds", [1, 2]) for k in range(3)]),
        _table(rng, (0, "seeds", [1, 2, 3, 4]), (1, "seeds", [5, 6, 7]), (2, "seeds", [1, 2, 3])),
        _table(rng, (0, "chosen_on", "test"), (1, "seeds", [1])),
    ],
    parts=(Part("a seed that was run twice", lambda rng: [
        _table(rng, (1, "readout", "rate"), (0, "seeds", [4, 4]))]),),
    boundary=Boundary("the table has one row", lambda rng: [([_table(rng)[0][0]],)]),
    mistakes=(
        Mistake("your answers are turned round: True means that there is something to complain "
                "about.", lambda rows: {k: not v for k, v in complaints(rows).items()}),
        Mistake("the same seed twice is one run, told twice: count different seeds, "
                "len(set(seeds)).",
                _complaints(seeds=lambda rows: any(len(row["seeds"]) < 2 for row in rows))),
        Mistake("one row with a single seed is enough to complain: any, not all.",
                _complaints(seeds=lambda rows: all(len(set(row["seeds"])) < 2 for row in rows))),
        Mistake("two different seeds are enough here. Complain about fewer.",
                _complaints(seeds=lambda rows: any(len(set(row["seeds"])) < 3 for row in rows))),
        Mistake("rows may have different seeds, or more of them. Complain only where there are "
                "fewer than two.",
                _complaints(seeds=lambda rows: len({tuple(row["seeds"]) for row in rows}) > 1)),
        Mistake("one row whose settings were chosen on the test set is enough: any, not all.",
                _complaints(choice=lambda rows: all(r["chosen_on"] == "test" for r in rows))),
        Mistake("a choice on the test set is unfair even where all rows were chosen so.",
                _complaints(choice=lambda rows: len({r["chosen_on"] for r in rows}) > 1)),
        Mistake("few trials are no complaint as long as every row had as many.",
                _complaints(effort=lambda rows: any(row["tried"] < 2 for row in rows))),
        Mistake("you compare the first row with the last only. One in the middle may differ.",
                _two_rows(-1)),
        Mistake("you compare the first two rows only. One further down may differ.", _two_rows(1)),
        Mistake("rows may have different numbers of seeds. Complain where one has fewer than two.",
                _complaints(seeds=lambda rows: len({len(row["seeds"]) for row in rows}) > 1)),
        Mistake("in yours the last row alone decides, over the test set, the seeds or both. One "
                "row that is not in order is enough, wherever it stands: any(…).",
                *[_complaints(**{key: _LAST_ROW[key] for key in keys})
                  for keys in (("choice", "seeds"), ("choice",), ("seeds",))]),
        Mistake("you put the seeds of all rows together. Each row needs two seeds of its own.",
                _complaints(seeds=lambda rows: len({s for row in rows for s in row["seeds"]}) < 2)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- Pareto front


def pareto_front(costs, accuracy):
    c, a = np.asarray(costs), np.asarray(accuracy)
    no_worse = (c[:, None] <= c) & (a[:, None] >= a)
    better = (c[:, None] < c) | (a[:, None] > a)
    return ~(no_worse & better).any(axis=0)


def _front(relation, keep_itself=True, c_sign=1, a_sign=1):
    def front(costs, accuracy):
        c, a = c_sign * costs, a_sign * accuracy
        beaten = relation(c[:, None], a[:, None], c, a)
        if not keep_itself:
            np.fill_diagonal(beaten, False)
        return ~beaten.any(axis=0)

    return front


def _dominates(c, a, other_c, other_a):
    return (c <= other_c) & (a >= other_a) & ((c < other_c) | (a > other_a))


def _running(better, order):
    """Cheapest first; keep what is better than all before."""

    def front(costs, accuracy):
        kept, best = np.zeros(len(costs), bool), -1.0
        for k in order(costs, accuracy):
            kept[k] = better(accuracy[k], best)
            best = max(best, accuracy[k])
        return kept

    return front


def _extremes(costs, accuracy):
    return (costs == costs.min()) | (accuracy == accuracy.max())


TWINS = "two methods with equal cost and equal accuracy do not beat each other: both stay."


def _points(rng, *points):
    costs, accuracy = np.array(points)[rng.permutation(len(points))].T
    return costs * int(rng.integers(2, 9)), np.round(accuracy + rng.uniform(-0.05, 0.05), 3)


PARETO_FRONT = Exercise(
    "pareto_front", TOPIC, points=3,
    goal="name the methods worth having when cost and accuracy both count",
    reference=pareto_front,
    cases=lambda rng: [
        _points(rng, (1, 0.5), (2, 0.7), (2, 0.6), (3, 0.7), (4, 0.9), (5, 0.8)),
        _points(rng, (1, 0.4), (2, 0.6), (3, 0.8), (3, 0.5), (6, 0.8)),
        _points(rng, (1, 0.9), (2, 0.8), (3, 0.7)),
        _points(rng, (1, 0.3), (2, 0.5), (3, 0.7), (4, 0.9)),
        (np.array([2.0, 2.0, 1.0, 4.0, 4.0]), np.array([0.7, 0.6, 0.4, 0.8, 0.9])),
        at("methods differ by very little", np.array([3.0, 3.00000001, 5.0, 5.0]),
           np.array([0.7, 0.7, 0.9, 0.900000001])),
    ],
    parts=(Part("two methods that cost the same and are as accurate", lambda rng: [
        _points(rng, (1, 0.4), (2, 0.6), (2, 0.6), (3, 0.8), (3, 0.5), (6, 0.8))]),),
    boundary=Boundary("the cheapest method has the accuracy 0", lambda rng: [
        (np.array([3.0, 1.0, 2.0]), np.array([0.6, 0.0, 0.5])),
        (np.array([3.0, 1.0, 2.0]), np.array([0.6, 0.0, 0.0]))]),
    mistakes=(
        Mistake("you ask for better in both. It is enough to be better in one and no worse in the "
                "other.", _front(lambda c, a, d, b: (c < d) & (a > b))),
        Mistake("in yours every method beats itself, so none is left. To beat another, a method "
                "must be strictly better in cost or in accuracy.",
                _front(lambda c, a, d, b: (c <= d) & (a >= b))),
        Mistake(TWINS, _front(lambda c, a, d, b: (c <= d) & (a >= b), keep_itself=False)),
        Mistake(TWINS, _running(np.greater, lambda c, a: np.lexsort((-a, c)))),
        Mistake("you keep what costs more and is not more accurate. Equal accuracy at a higher "
                "cost is beaten.",
                _running(np.greater_equal, lambda c, a: np.lexsort((-a, c)))),
        Mistake("of methods with the same cost only the most accurate is left; sort equal costs by "
                "accuracy.", _running(np.greater, lambda c, a: np.argsort(c, kind="stable"))),
        Mistake("of methods with the same cost only the most accurate is left, and one that costs "
                "more has to be more accurate, not just as accurate.",
                _running(np.greater_equal, lambda c, a: np.argsort(c, kind="stable"))),
        Mistake("yours marks the methods that are beaten. Asked are those that nobody beats.",
                lambda c, a: ~pareto_front(c, a)),
        Mistake("you return places. Asked is True or False for each method, in their order.",
                lambda c, a: np.flatnonzero(pareto_front(c, a))),
        Mistake("being better in one is not enough to beat another: a method must also be no worse "
                "in the other.", _front(lambda c, a, d, b: (c < d) | (a > b))),
        Mistake("you prefer high costs. Cheap and accurate is better.",
                _front(_dominates, c_sign=-1)),
        Mistake("you prefer low accuracy. Cheap and accurate is better.",
                _front(_dominates, a_sign=-1)),
        Mistake("you keep the cheapest and the most accurate only. Between them there may be "
                "others that nobody beats.", _extremes),
        Mistake("you go along the methods as they stand. They are in no order: sort by cost, or "
                "compare each with all.",
                lambda c, a: a >= np.maximum.accumulate(a),
                lambda c, a: a > np.concatenate([[-1], np.maximum.accumulate(a)[:-1]])),
        Mistake("your answers are in the order of the costs. Give them back in the methods' own.",
                *[lambda c, a, kind=kind: pareto_front(c, a)[np.argsort(c, kind=kind)]
                  for kind in ("stable", None)],
                lambda c, a: pareto_front(c, a)[np.lexsort((-a, c))]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def race(methods, start, recordings, steps, lr, seed):
    return _race(methods, start, recordings, steps, lr, seed)


def _race(methods, start, recordings, steps, lr, seed, *, fresh=True, batches="same", sign=-1,
          every=False):  # fmt: skip
    """fresh: whether each method begins at the start; batches: "same" for all methods, "on" from
    where the one before stopped, "own" from a seed of its own, or "one" for all steps; every: keep
    the way, not its end."""
    rng, weights, reached = np.random.default_rng(seed), np.array(start, dtype=float), {}
    for place, (name, gradient) in enumerate(methods.items()):
        weights = np.array(start, dtype=float) if fresh else weights
        own = seed + place * (batches == "own")
        rng, way = rng if batches == "on" else np.random.default_rng(own), []
        for _ in range(steps):
            rng = np.random.default_rng(seed) if batches == "one" else rng
            batch = recordings[rng.integers(0, len(recordings), 4)]
            weights = weights + sign * lr * gradient(weights, batch)
            way.append(weights)
        reached[name] = np.array(way) if every else weights
    return reached


def _first_alone(methods, start, *more):
    first = next(iter(methods))
    return {name: start.copy() for name in methods} | _race({first: methods[first]}, start, *more)


def _ends_with_the_last(*arguments):
    reached = _race(*arguments)
    return dict.fromkeys(reached, list(reached.values())[-1])


def towards(weights, batch):
    return weights - batch.mean(axis=0)


def slowly(weights, batch):
    return 0.3 * (weights - batch.mean(axis=0))


def by_sign(weights, batch):
    return np.sign(weights - batch.mean(axis=0)) + 0.25 * weights


def _entries(rng, names, recordings, steps, lr):
    methods = {name: {"A": towards, "B": slowly, "C": by_sign}[name[0]] for name in names}
    return (methods, tenths(rng, 3, size=2.0), tenths(rng, recordings, 3), steps, lr,
            int(rng.integers(100)))  # fmt: skip


RACE = Exercise(
    "race", TOPIC, points=2, kind="bug",
    goal="give every method the same start and the same batches",
    reference=race,
    cases=lambda rng: [
        _entries(rng, ("A", "B"), 1, 4, 0.2), _entries(rng, ("C", "B", "A"), 1, 3, 0.1),
        _entries(rng, ("A", "A again"), 1, 5, 0.3),
    ],
    parts=(Part("the same batches for every method", lambda rng: [
        _entries(rng, ("A", "A again"), 20, 4, 0.2), _entries(rng, ("B", "C", "A"), 9, 6, 0.1)]),),
    mistakes=(
        Mistake("in yours each method goes on where the one before it stopped. Every one has to "
                "begin at the start.", lambda *a: _race(*a, fresh=False, batches="on"),
                lambda *a: _race(*a, fresh=False)),
        Mistake("the starts are the same now, but the batches are not: the generator is made once, "
                "and each method gets other draws from it.", lambda *a: _race(*a, batches="on")),
        Mistake("all batches of a method are the same: the batch is drawn before the steps, or the "
                "generator is made anew in each. Make it once for each method, and draw anew in "
                "every step.", lambda *a: _race(*a, batches="one")),
        Mistake("only the first method ran: is return inside the loop?",
                lambda methods, *a: _race(dict([next(iter(methods.items()))]), *a)),
        Mistake("you climb: go against the gradient.", lambda *a: _race(*a, sign=1)),
        Mistake("each method has a generator of its own now, but from another seed, so that it "
                "meets other batches.", lambda *a: _race(*a, batches="own")),
        Mistake("under every name are the weights with which the last method ended. Does one array "
                "stand behind all of them? Keep a copy.", _ends_with_the_last),
        Mistake("only the first method moves in yours, and the others end where they start. A "
                "generator of batches, for example, is used up after the first one; a list is not.",
                _first_alone),
        Mistake("you return all weights on the way. Asked are those at the end.",
                lambda *a: _race(*a, every=True)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, and race


def _backpropagated(weights, rows):
    """(loss, gradient (154,)) of the tiny network on these of its 80 recordings, by BPTT."""
    data, derivative = tiny.digits(), SURROGATES["fast_sigmoid"]
    weights = torch.as_tensor(np.array(weights, dtype=float)).requires_grad_()
    spike = surrogate_spike(lambda distance: derivative(distance, 5.0))
    logits, _ = tiny.run(weights, torch.tensor(data.frames[:, rows]), spike)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(data.labels[rows]))
    return loss.item(), torch.autograd.grad(loss, weights)[0]


def _losses(weights, rows):
    data = tiny.digits()
    return tiny.losses(np.atleast_2d(weights), data.frames[:, rows], data.labels[rows])


def _row(weights):
    row = weights.detach().numpy() if isinstance(weights, torch.Tensor) else np.asarray(weights)
    if row.shape != (tiny.SIZE,):
        raise Refused(f"weights of shape {row.shape}; a network has ({tiny.SIZE},)")
    return row


UPDATES, PATIENCE = 600, 20


def _field(seed, patience):
    """Three ways to fill .grad, of which one has two names, a validation loss, and what was done
    with them: {name: [the loss of each look, and how many updates there had been]}."""
    rng = np.random.default_rng(seed)
    held, known = np.split(rng.permutation(len(tiny.digits().labels)), [20])
    done, looks, running = {}, {}, []

    def some(rng):
        return known[rng.integers(0, len(known), 16)]

    def bptt(weights, rng):
        return _backpropagated(weights, some(rng))

    def evolution(weights, rng):
        noise = rng.normal(size=(16, tiny.SIZE))
        up, down = (_losses(weights + sign * 0.05 * noise, known) for sign in (1, -1))
        return np.mean(up + down) / 2, torch.from_numpy((up - down) @ noise / (32 * 0.05))

    def overheating(weights, rng):
        loss, gradient = _backpropagated(weights, some(rng))
        heat = (done["BPTT, overheating"] / 25) ** 5 * gradient.norm() / 12
        return loss, gradient + heat * torch.from_numpy(rng.normal(size=tiny.SIZE))

    def filler(name, estimate, number):
        own = np.random.default_rng([seed, number])  # equal methods draw equally

        def fill(weights):
            if not isinstance(weights, torch.Tensor):
                raise Refused("fill(w) leaves the gradient in w.grad, so w has to be a tensor")
            done[name] += 1
            if done[name] > UPDATES:
                raise Refused(f"that was update {done[name]} of {name}; with a patience of "
                                 f"{patience} it could have stopped long ago")  # fmt: skip
            running[:] = [name]
            loss, gradient = estimate(_row(weights), own)
            weights.grad = gradient.to(weights.dtype)
            return float(loss)

        done[name], looks[name] = 0, []
        return fill

    def validate(weights):
        loss = float(_losses(_row(weights), held)[0])
        if running and not np.array_equal(_row(weights), tiny.start(seed)):  # which is no method's
            looks[running[0]].append((loss, done[running[0]]))
        return loss

    ways = {"BPTT, overheating": (overheating, 0), "BPTT": (bptt, 1), "ES": (evolution, 2),
            "BPTT again": (bptt, 1)}  # fmt: skip
    return {name: filler(name, *way) for name, way in ways.items()}, validate, held, looks, done


def train_each(methods, start, validate, patience):
    trained = {}
    for name, fill in methods.items():
        weights, best, waited = torch.tensor(start), math.inf, 0
        optimizer = torch.optim.Adam([weights], lr=0.05)
        while waited < patience:
            fill(weights)
            optimizer.step()
            loss, waited = validate(weights), waited + 1
            if loss < best:
                best, waited, trained[name] = loss, 0, weights.clone()
    return trained


def _three(rng, patience=PATIENCE):
    seed = int(rng.integers(1000))
    methods, validate, held, looks, done = _field(seed, patience)
    start = tiny.start(seed)

    def judged(name, weights) -> float:
        right = tiny.learned(weights, start)
        if not looks[name]:
            raise NotYet(f"  {name}: you never asked validate how good the weights are.")
        best, when = math.inf, 0
        for loss, update in looks[name]:
            if done[name] > update >= when + patience and loss >= best:
                raise NotYet(f"  {name}: {done[name] - when} updates came after the best, at "
                             f"update {when}; the patience is {patience}. Let the loop stop "
                             "in time.")  # fmt: skip
            best, when = min((best, when), (loss, update))
        at_start = float(_losses(start, held)[0])  # some loops look there, too
        first = 0 if best >= at_start else when
        if done[name] < first + patience:
            raise NotYet(f"  {name}: the loop stopped {done[name] - when} updates after the best, "
                         f"at update {when}. It may stop once {patience} in a row have brought "
                         "nothing.")  # fmt: skip
        if float(_losses(_row(weights), held)[0]) > best + 0.05:
            raise NotYet(f"  {name}: at update {when} validate said {best:.2f} nats, and the "
                         "weights that you return are worse. Keep the best ones.")  # fmt: skip
        return right

    def score(trained) -> float:
        if not isinstance(trained, dict) or set(trained) != set(methods):
            raise NotYet(f"  Return a dictionary with the keys {', '.join(methods)}, and the "
                         "trained weights of each.")  # fmt: skip
        worst = min(judged(name, weights) for name, weights in trained.items())
        one, other = (_row(trained[name]) for name in ("BPTT", "BPTT again"))
        if not np.allclose(one, other, 0, 1e-6):
            raise NotYet("  BPTT and BPTT again are the same method, and end with other weights. "
                         "What does the loop carry over from one method to the next?")  # fmt: skip
        return worst

    return (methods, start, validate, patience), score


TRAIN_EACH = Open(
    "train_each", TOPIC, points=3, kind="train",
    goal="write one loop into which every way to fill .grad fits, and which stops by itself",
    reference=train_each, trial=_three, less=8,
    marks=((0.75, 1), (0.85, 2), (0.92, 3)),
    wording="{:.0%} of unseen digits right with the worst of the methods".format,
)  # fmt: skip

BACKWARD, CHARGE = 40, 100_000


class Battery:
    """What may be measured, and what it has cost: 1 mJ a recording run forwards, 40 backwards."""

    def __init__(self):
        self.spent = 0

    def pay(self, rows, price):
        rows = np.arange(len(tiny.digits().labels))[rows].ravel()
        self.spent += price * len(rows)
        if self.spent > CHARGE:
            raise Refused(f"the battery of {CHARGE // 1000} J is empty")
        if len(rows) == 0:
            raise Refused("there is no recording among the rows")
        return rows

    def loss(self, weights, rows):
        return float(_losses(_row(weights), self.pay(rows, 1))[0])

    def gradient(self, weights, rows):
        return _backpropagated(_row(weights), self.pay(rows, BACKWARD))[1].numpy()

    def __deepcopy__(self, memo):
        """A call's copy of the arguments counts where the check looks."""
        return self


def one_battery(loss, gradient, weights, seed):
    weights, rng, sigma, steps = torch.tensor(weights), np.random.default_rng(seed), 0.05, 400
    optimizer = torch.optim.Adam([weights])
    for step in range(steps):
        w, z, rows = weights.numpy(), rng.normal(size=len(weights)), rng.permutation(80)[:4]
        slope = (loss(w + sigma * z, rows) - loss(w - sigma * z, rows)) / (2 * sigma)
        weights.grad = torch.from_numpy(slope * z)
        optimizer.param_groups[0]["lr"] = 0.04 * (1 - step / steps)
        optimizer.step()
    return weights.numpy()


def _charged(rng):
    battery, seed = Battery(), int(rng.integers(1000))
    score = fewest(0.85, tiny.accuracy, lambda: battery.spent, "mJ")
    return (battery.loss, battery.gradient, tiny.start(seed), seed), score


ONE_BATTERY = Open(
    "one_battery", TOPIC, points=3,
    goal="choose a method by what its passes cost on the machine at hand",
    reference=one_battery, trial=_charged, seeded=True,
    marks=((-16_000, 1), (-8_000, 2), (-4_000, 3)),
    wording=lambda value: f"85 % for {-value:,.0f} mJ",
)  # fmt: skip
