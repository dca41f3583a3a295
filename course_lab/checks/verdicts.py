"""Exercises of lesson 09, second part: what may be concluded from the results of many runs."""

import numpy as np
from scipy.stats import t as student

from course_lab.checks.comparison import TOPIC
from course_lab.checks.engine.engine import Exercise, Mistake
from course_lib.results import paired

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
        deviation, dof = np.hypot(x.std(ddof=1), y.std(ddof=1)), k - 2  # 2k − 2 in all
    quantile = student.ppf(q, k + dof) if dof is not None else 1.96
    half = quantile * deviation / k**root
    return mean, half, shown(mean, half)


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
    ],
    mistakes=(
        Mistake("you pair by place. The seeds stand in different orders: subtract b[s] from a[s].",
                lambda *a: _difference(*a, match="place")),
        Mistake("your mean takes in seeds that only one method has. Use the common seeds alone.",
                lambda *a: _difference(*a, match="all")),
        Mistake("you treat the two methods as unrelated. What a seed does to both cancels only in "
                "the differences: take the standard deviation of d.",
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
                lambda *a: _difference(*a, shown=lambda m, h: m != 0)),
        Mistake("a difference that is not 0 shows nothing yet: the interval has to leave out 0.",
                lambda *a: _difference(*a, shown=lambda m, h: m > 0)),
        Mistake("yours is True where the interval holds 0. Then nothing has been shown.",
                lambda *a: _difference(*a, shown=lambda m, h: abs(m) <= h)),
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


NAN = "one run has diverged: its accuracy is NaN, and a comparison with NaN picks it. Leave it out."


def _trials(rng, order, nan):
    """Four trials: two with the best validation accuracy, in the given order of loss; one has the
    lowest loss, one the best test accuracy; ``nan``: where one more stands that has diverged."""
    top = rng.uniform(0.85, 0.93)
    validation = np.array([top, top, top - 0.03, top - 0.01])
    loss = np.array([*np.array((0.31, 0.27))[list(order)], 0.21, 0.35])
    test = top + np.array([*rng.permutation((-0.02, -0.01)), -0.015, 0.025])
    columns = [np.round(c, 3) for c in (validation, loss, test)]
    if nan is not None:
        columns = [np.insert(c, nan, np.nan) for c in columns]
    return np.round(0.002 * np.cumsum(rng.uniform(0.2, 2, len(columns[0]))), 4), *columns


CHOOSE = Exercise(
    "choose", TOPIC, points=2,
    goal="choose on one set of recordings and report on another",
    reference=choose,
    cases=lambda rng: [
        _trials(rng, (0, 1), None), _trials(rng, (1, 0), 0), _trials(rng, (0, 1), 2),
    ],
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
        Mistake("of two equal accuracies you take the first. The lower loss decides.",
                _chosen(lambda v, loss, test: np.nanargmax(v))),
        Mistake("of two equal accuracies you take the last. The lower loss decides.",
                _chosen(lambda v, loss, test: len(v) - 1 - np.nanargmax(v[::-1]))),
        Mistake("of two equal accuracies you take the one with the higher loss. Lower is better.",
                _chosen(lambda v, loss, test: _right(v, -loss, test))),
        Mistake(NAN, _chosen(lambda v, loss, test: np.argmax(v))),
        Mistake(NAN, _chosen(lambda v, loss, test: np.lexsort((-loss, v))[-1])),
        Mistake(NAN, _chosen(lambda v, loss, test: max(range(len(v)),
                                                       key=lambda k: (v[k], -loss[k])))),
        Mistake("you return the place of the trial. Asked is its learning rate, rates[k].",
                _chosen(_right, lambda r, v, t, k: (k, t[k]))),
        Mistake("the two are the wrong way round: return (learning rate, test accuracy).",
                _chosen(_right, lambda r, v, t, k: (t[k], r[k]))),
    ),
)  # fmt: skip

EXERCISES = (PAIRED_DIFFERENCE, CHOOSE)
