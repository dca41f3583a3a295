"""Exercises of lesson 09, third part: tables of results, read critically."""

import numpy as np

from course_lab.checks.comparison import TOPIC
from course_lab.checks.engine.engine import Exercise, Mistake

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


def _ends(key):
    return lambda rows: rows[0][key] != rows[-1][key]


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
        _table(rng, (1, "readout", "rate"), (0, "seeds", [4, 4])),
        _table(rng, (int(rng.integers(3)), "chosen_on", "test"), (1, "tried", 20)),
        _table(rng, (1, "recordings", 10_000), (2, "seeds", [1])),
        _table(rng, *[(k, "tried", 1) for k in range(3)],
               *[(k, "chosen_on", "test") for k in range(3)]),
    ],
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
                _complaints(**{name: _ends(key) for name, key in
                               (("readout", "readout"), ("recordings", "recordings"),
                                ("effort", "tried"))})),
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
        _points(rng, (1, 0.4), (2, 0.6), (2, 0.6), (3, 0.8), (3, 0.5), (6, 0.8)),
        _points(rng, (1, 0.9), (2, 0.8), (3, 0.7)),
        _points(rng, (1, 0.3), (2, 0.5), (3, 0.7), (4, 0.9)),
    ],
    mistakes=(
        Mistake("you ask for better in both. It is enough to be better in one and no worse in the "
                "other.", _front(lambda c, a, d, b: (c < d) & (a > b))),
        Mistake("in yours every method beats itself, so none is left. To beat another, a method "
                "must be strictly better in cost or in accuracy.",
                _front(lambda c, a, d, b: (c <= d) & (a >= b))),
        Mistake(TWINS, _front(lambda c, a, d, b: (c <= d) & (a >= b), keep_itself=False)),
        *[Mistake(TWINS, _running(np.greater, order))
          for order in (lambda c, a: np.argsort(c, kind="stable"),
                        lambda c, a: np.lexsort((-a, c)))],
        Mistake("you keep what costs more and is not more accurate. Equal accuracy at a higher "
                "cost is beaten.",
                _running(np.greater_equal, lambda c, a: np.lexsort((-a, c)))),
        Mistake("of methods with the same cost only the most accurate is left; sort equal costs by "
                "accuracy.", _running(np.greater_equal, lambda c, a: np.argsort(c, kind="stable"))),
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
    ),
)  # fmt: skip

EXERCISES = (COMPLAINTS, PARETO_FRONT)
