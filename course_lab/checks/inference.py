"""Exercises of lesson 10, first part: what an inference costs, and how to compare two of them."""

import numpy as np

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lib.energy import JOULES_PER_AC, JOULES_PER_MAC

TOPIC = "10_beyond"

# ------------------------------------------------------------------------------- energy


def nanojoules(acs, macs):
    return 1e9 * (JOULES_PER_AC * acs + JOULES_PER_MAC * macs)


NANOJOULES = Exercise(
    "nanojoules", TOPIC, points=1,
    goal="turn counts of operations into an estimate, with its unit",
    reference=nanojoules, atol=1e-12,
    cases=lambda rng: [
        (119_319, 0), (0, 1000),
        *[tuple(int(n) for n in rng.integers(100, 10**6, 2)) for _ in range(3)],
    ],
    mistakes=(
        Mistake("that is in picojoules. A nanojoule has 1,000 of them.",
                lambda a, m: 0.9 * a + 4.6 * m),
        Mistake("that is in joules. A nanojoule is 10⁻⁹ J.",
                lambda a, m: 1e-12 * (0.9 * a + 4.6 * m)),
        Mistake("that is in microjoules: you divided by 1,000 once too often.",
                lambda a, m: 1e-6 * (0.9 * a + 4.6 * m)),
        Mistake("3.7 pJ is the multiplication alone. A MAC also adds: 4.6 pJ.",
                lambda a, m: 1e-3 * (0.9 * a + 3.7 * m)),
        Mistake("the two costs are swapped: an addition (AC) is the cheap one.",
                lambda a, m: 1e-3 * (4.6 * a + 0.9 * m)),
        Mistake("every operation costs 0.9 pJ in yours. A MAC multiplies as well: 4.6 pJ.",
                lambda a, m: 1e-3 * 0.9 * (a + m)),
        Mistake("every operation costs 4.6 pJ in yours. Where spikes arrive, weights are only "
                "added: 0.9 pJ.", lambda a, m: 1e-3 * 4.6 * (a + m)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- operations


def synaptic_operations(inputs, weight):
    arrived = (np.asarray(inputs) != 0).sum(axis=0)
    return arrived @ (np.asarray(weight) != 0).sum(axis=0)


def _operations(x, W, *, arrivals=lambda x: x != 0, synapses=lambda W: W != 0, over="sum"):
    each = arrivals(x) @ synapses(W).sum(axis=0)  # (T, B)
    return {"sum": each.sum(axis=0), "mean": each.mean(axis=0), "steps": each,
            "recordings": each.sum(axis=1), "all": each.sum(),
            "batch": each.sum(axis=0).mean()}[over]  # fmt: skip


def _layer(rng, steps, batch, outputs, inputs, values):
    """Inputs (T, B, in) from these values, and weights of which some are zero."""
    x = rng.choice(values, (steps, batch, inputs))
    x[:, 0, 0] = values[-1]
    W = np.round(rng.normal(0, 1, (outputs, inputs)), 1) * (rng.random((outputs, inputs)) < 0.7)
    W[0, :2] = 0, 0.4
    return x.astype(float), W


SYNAPTIC_OPERATIONS = Exercise(
    "synaptic_operations", TOPIC, points=2,
    goal="count the work that arriving events cause, and no other",
    reference=synaptic_operations,
    cases=lambda rng: [
        _layer(rng, 3, 2, 3, 4, (0, 0, 1)),
        _layer(rng, 2, 3, 4, 4, (0, 1)),
        _layer(rng, 3, 2, 2, 3, (0, 1, -1, 2)),
    ],
    mistakes=(
        Mistake("you add the inputs up. An input of 2 or −1 arrives once: count entries that are "
                "not zero.", lambda *a: _operations(*a, arrivals=lambda x: x)),
        Mistake("you add the sizes of the inputs up. An input of 2 arrives once: count entries "
                "that are not zero.", lambda *a: _operations(*a, arrivals=np.abs)),
        Mistake("you count entries above zero. A negative input is work as well: ≠ 0.",
                lambda *a: _operations(*a, arrivals=lambda x: x > 0)),
        Mistake("weights that are exactly 0 are no synapses: count W ≠ 0.",
                lambda *a: _operations(*a, synapses=np.ones_like)),
        Mistake("you add weights up. An operation is counted, whatever its weight: W ≠ 0.",
                lambda *a: _operations(*a, synapses=lambda W: W)),
        Mistake("you count every entry, also the zeros: that is the dense network. Only inputs "
                "that are not zero cause work.", lambda *a: _operations(*a, arrivals=np.ones_like)),
        Mistake("you take the mean over time. Every step's operations have to be paid: sum.",
                lambda *a: _operations(*a, over="mean")),
        Mistake("that is a number for each time step and recording. Sum over time.",
                lambda *a: _operations(*a, over="steps")),
        Mistake("you sum over the recordings, not over time: time is the first axis.",
                lambda *a: _operations(*a, over="recordings")),
        Mistake("that is the sum over the batch. Asked is a number for each recording, (B,).",
                lambda *a: _operations(*a, over="all")),
        Mistake("that is the mean over the batch. Asked is a number for each recording, (B,).",
                lambda *a: _operations(*a, over="batch")),
        Mistake("an input counts once however often it arrives in yours. Each time step at which "
                "it is not zero is work anew.",
                lambda x, W: (x != 0).any(axis=0) @ (W != 0).sum(axis=0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- equal accuracy


def ratio_at_equal_accuracy(accuracy_a, cost_a, accuracy_b, cost_b):
    target = min(max(accuracy_a), max(accuracy_b))
    first = [np.argmax(np.asarray(accuracy) >= target) for accuracy in (accuracy_a, accuracy_b)]
    return target, cost_a[first[0]] / cost_b[first[1]]


def _ratio(at=lambda acc, target: np.argmax(acc >= target), target=min, turned=False,
           value=lambda cost, k: cost[k]):  # fmt: skip
    def ratio(acc_a, cost_a, acc_b, cost_b):
        goal = target(acc_a.max(), acc_b.max())
        a, b = (value(c, at(acc, goal)) for acc, c in ((acc_a, cost_a), (acc_b, cost_b)))
        return goal, b / a if turned else a / b

    return ratio


def _interpolated(acc_a, cost_a, acc_b, cost_b):
    goal, costs = min(acc_a.max(), acc_b.max()), []
    for acc, cost in ((acc_a, cost_a), (acc_b, cost_b)):
        k = int(np.argmax(acc >= goal))
        costs.append(np.interp(goal, acc[k - 1 : k + 1], cost[k - 1 : k + 1]) if k else cost[0])
    return goal, costs[0] / costs[1]


def _paths(rng, accuracy_a, accuracy_b):
    """Two paths; costs rise and fall back a little where the accuracy has been reached."""
    paths = []
    for accuracy in (accuracy_a, accuracy_b):
        cost = 40 + np.cumsum(rng.integers(5, 40, len(accuracy)))
        cost[-1] = cost[-2] - 3
        paths += [np.array(accuracy), cost.astype(float)]
    return tuple(paths)


RATIO_AT_EQUAL_ACCURACY = Exercise(
    "ratio_at_equal_accuracy", TOPIC, points=2,
    goal="compare costs where both networks know as much",
    reference=ratio_at_equal_accuracy,
    cases=lambda rng: [
        _paths(rng, (0.2, 0.35, 0.52, 0.5, 0.48), (0.3, 0.48, 0.7, 0.8, 0.79)),
        _paths(rng, (0.25, 0.5, 0.66, 0.81, 0.8), (0.1, 0.3, 0.55, 0.6, 0.58)),
        _paths(rng, (0.2, 0.4, 0.7, 0.65), (0.15, 0.32, 0.45, 0.7, 0.7)),
    ],
    mistakes=(
        Mistake("you compare at the end of both paths, where one knows more than the other. "
                "Compare at the same accuracy.", _ratio(at=lambda acc, t: -1)),
        Mistake("you compare each at its own best accuracy. Compare both at the lower one of the "
                "two.", _ratio(at=lambda acc, t: np.argmax(acc))),
        Mistake("your target is the higher of the two best accuracies; one network never reaches "
                "it. Take the lower.", _ratio(target=max)),
        Mistake("you wait until the accuracy is above the target, and the weaker network never "
                "gets there: ≥.", _ratio(at=lambda acc, t: np.argmax(acc > t))),
        Mistake("you take the point nearest to the target, which may lie below it. Take the first "
                "at which it is reached.", _ratio(at=lambda acc, t: np.argmin(np.abs(acc - t)))),
        Mistake("that is the last point at the target. Take the first.",
                _ratio(at=lambda acc, t: np.flatnonzero(acc >= t)[-1])),
        Mistake("you take the cheapest of all points at the target. Take the first.",
                _ratio(at=lambda acc, t: acc >= t, value=lambda cost, k: cost[k].min())),
        Mistake("the ratio is upside down: a's cost divided by b's.", _ratio(turned=True)),
        Mistake("you draw a line between two points. Take the first point that was measured at the "
                "target.", _interpolated),
        Mistake("the two are the wrong way round: return (target, ratio).",
                lambda *a: ratio_at_equal_accuracy(*a)[::-1]),
    ),
)  # fmt: skip

EXERCISES = (NANOJOULES, SYNAPTIC_OPERATIONS, RATIO_AT_EQUAL_ACCURACY)
