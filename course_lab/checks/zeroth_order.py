"""Exercises of lesson 04, first part: estimators of a gradient that try and compare."""

import numpy as np

from course_lab.checks.engine.engine import Exercise, Mistake

TOPIC = "04_zeroth_order"

# Functions to try estimators on: vectors (n, d), or one vector, -> values (n,).


def line(w):
    return 2 * w.sum(-1) - 3


def bowl(w):
    return 0.5 * (w**2).sum(-1) + 1


def cubes(w):
    return (w**3).sum(-1) + 2


def stairs(w):
    return np.floor(2 * w + 0.03).sum(-1)  # no number of one decimal is on an edge


def _normal(rng, *shape):
    """Normal numbers of one decimal, none of them 0."""
    z = np.round(rng.normal(size=shape), 1)
    return np.where(z == 0, 0.1, z)


def _trial(rng, f, n, d, sigma):
    return f, _normal(rng, d), _normal(rng, n, d), sigma


# ------------------------------------------------------------------------------- two points


def two_point(f, w, z, sigma):
    return (f(w + sigma * z) - f(w - sigma * z))[:, None] * z / (2 * sigma)


def _quotients(sign=1, back=-1, over=2, divide=True, inside=True, direction=lambda z: z):
    def estimates(f, w, z, sigma):
        step = (sigma if inside else 1) * z
        moved = f(w + step) - (f(w + back * step) if back is not None else 0)
        slope = sign * moved / over / (sigma if divide else 1)
        return slope[:, None] * direction(z)

    return estimates


TWO_POINT = Exercise(
    "two_point", TOPIC, points=1,
    goal="turn differences of a loss into an estimate of its gradient",
    reference=two_point,
    cases=lambda rng: [
        _trial(rng, *case)
        for case in ((bowl, 1, 2, 0.5), (cubes, 2, 3, 0.2), (stairs, 3, 2, 0.4), (line, 4, 1, 2.0))
    ],
    mistakes=(
        Mistake("the 2 is missing: the two points lie 2σ apart.", _quotients(over=1)),
        Mistake("σ is missing below the line: divide by 2σ.", _quotients(divide=False)),
        Mistake("you compare with f(w). Two points means one on each side: w + σz and w − σz.",
                _quotients(back=0, over=1)),
        Mistake("you compare with f(w). Two points means one on each side: w + σz and w − σz.",
                _quotients(back=0)),
        Mistake("you return the quotients alone. An estimate is a vector: quotient times direction "
                "z, shape (n, d).", lambda *a: _quotients(direction=np.ones_like)(*a)[:, 0]),
        Mistake("the direction is missing: multiply each quotient by its z.",
                _quotients(direction=np.ones_like)),
        Mistake("you divide by z. Multiply: large entries of z say more about their slopes, "
                "E[z z] = 1.", _quotients(direction=lambda z: 1 / z)),
        Mistake("the nudge is σz, not z: f(w + σz) − f(w − σz).", _quotients(inside=False)),
        Mistake("the sign is turned round: f(w + σz) comes first.", _quotients(sign=-1)),
        Mistake("your directions have length 1. Leave z as it is; it has length √d on average.",
                _quotients(direction=lambda z: z / np.linalg.norm(z, axis=1, keepdims=True))),
        Mistake("you return their mean. Asked are all n estimates, one in each row: shape (n, d).",
                lambda *a: two_point(*a).mean(0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- one point


def baseline_estimate(f, w, z, sigma, baseline):
    return (f(w + sigma * z) - baseline)[:, None] * z / sigma


def _based(take=lambda f, w, b: b, over=lambda s: s, inside=True, late=False, centre=False):
    def estimates(f, w, z, sigma, baseline):
        value = f(w + (0 * z if centre else sigma * z if inside else z))
        b = take(f, w, baseline)
        if late:
            return value[:, None] * z / sigma - b
        return (value - b)[:, None] * z / over(sigma)

    return estimates


BASELINE_ESTIMATE = Exercise(
    "baseline_estimate", TOPIC, points=1,
    goal="see one-point and forward difference as one estimator with two baselines",
    reference=baseline_estimate,
    cases=lambda rng: [
        (*_trial(rng, *case), float(np.round(rng.uniform(0.5, 3), 1)))
        for case in ((bowl, 1, 2, 0.5), (cubes, 2, 3, 0.2), (stairs, 3, 2, 0.4))
    ],
    mistakes=(
        Mistake("the baseline is missing: take it off the value before you multiply.",
                _based(take=lambda f, w, b: 0)),
        Mistake("you add the baseline. Take it off.", _based(take=lambda f, w, b: -b)),
        Mistake("you take f(w) off. That is the forward difference; take the given baseline off.",
                _based(take=lambda f, w, b: f(w))),
        Mistake("σ is missing below the line.", _based(over=lambda s: 1)),
        Mistake("you divide by 2σ. With one point it is σ.", _based(over=lambda s: 2 * s)),
        Mistake("the nudge is σz, not z: f(w + σz).", _based(inside=False)),
        Mistake("you take the value at w. Look where the nudge leads: f(w + σz).",
                _based(centre=True)),
        Mistake("you take the baseline off at the end, where it shifts every estimate. Off the "
                "value, before it is multiplied by z, it cancels on average.", _based(late=True)),
        Mistake("the direction is missing: multiply by z, shape (n, d).",
                lambda f, w, z, sigma, b: (f(w + sigma * z) - b) / sigma),
        Mistake("you return their mean. Asked are all n estimates, one in each row: shape (n, d).",
                lambda *a: baseline_estimate(*a).mean(0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- how sure


def average_slope(f, w, z, sigma):
    estimates = two_point(f, w, z, sigma)
    return estimates.mean(axis=0), estimates.std(axis=0, ddof=1) / len(z) ** 0.5


def _sure(error, axis=0, over=None):
    def average(f, w, z, sigma):
        g = two_point(f, w, z, sigma)
        return (g.mean(axis) if over is None else g.sum(axis) / over(len(g))), error(g)

    return average


def _se(g, axis=0, ddof=1, times=1, power=0.5):
    return times * g.std(axis, ddof=ddof) / len(g) ** power


AVERAGE_SLOPE = Exercise(
    "average_slope", TOPIC, points=2,
    goal="average noisy measurements, and say how sure one is",
    reference=average_slope,
    cases=lambda rng: [
        _trial(rng, *case)
        for case in ((bowl, 3, 2, 0.5), (cubes, 5, 3, 0.2), (line, 4, 1, 1.5))
    ],
    mistakes=(
        Mistake("that is the standard deviation of single estimates. That of their mean is √n "
                "times smaller.", _sure(lambda g: _se(g, power=0))),
        Mistake("that is the standard deviation of single estimates. That of their mean is √n "
                "times smaller.", _sure(lambda g: _se(g, power=0, ddof=0))),
        Mistake("variances shrink by n, standard deviations by √n: divide by √n.",
                _sure(lambda g: _se(g, power=1))),
        Mistake("you return the variance of the mean. Asked is its standard error, the root of it.",
                _sure(lambda g: _se(g) ** 2)),
        Mistake("the spread of few numbers about their own mean looks too small; divide by n − 1: "
                "std(axis=0, ddof=1).", _sure(lambda g: _se(g, ddof=0))),
        Mistake("n is the number of directions, not of forward passes: each estimate has two.",
                _sure(lambda g: _se(g) / 2**0.5)),
        Mistake("you return two standard errors. Asked is one.", _sure(lambda g: 2 * _se(g))),
        Mistake("you return the sum of the estimates. Asked is their mean.",
                _sure(_se, over=lambda n: 1)),
        Mistake("you average over the entries of the gradient. Each slope has a mean of its own: "
                "over the directions, axis 0.",
                lambda *a: (two_point(*a).mean(1), two_point(*a).std(1) / a[2].shape[1] ** 0.5)),
        Mistake("you return one error for all. Each slope has one of its own: shape (d,).",
                _sure(lambda g: g.std(ddof=1) / len(g) ** 0.5)),
        Mistake("the two are the wrong way round: return (mean, error).",
                lambda *a: average_slope(*a)[::-1]),
    ),
)  # fmt: skip

EXERCISES = (TWO_POINT, BASELINE_ESTIMATE, AVERAGE_SLOPE)
