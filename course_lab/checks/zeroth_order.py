"""Exercises of lesson 04: estimators that try and compare; their variance, price and bias."""

import math

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Exercise, Mistake
from course_lab.checks.engine.open import Open, fewest

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
    z = tenths(rng, *shape)
    return np.where(z == 0, 0.1, z)


def _trial(rng, f, n, d, sigma):
    return f, _normal(rng, d), _normal(rng, n, d), sigma


# ------------------------------------------------------------------------------- two points


def two_point(loss, w, z, sigma):
    return (loss(w + sigma * z) - loss(w - sigma * z))[:, None] * z / (2 * sigma)


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
    ] + [at("weights are whole numbers", bowl, np.array([2, -1]), _normal(rng, 3, 2), 0.3)],
    boundary=Boundary("there are as many directions as weights (n = d)",
                      lambda rng: [_trial(rng, bowl, 3, 3, 0.5)]),
    mistakes=(
        Mistake("the 2 is missing: the two points lie 2σ apart.", _quotients(over=1)),
        Mistake("σ is missing below the line, or you multiply by σz at the end: divide by 2σ, and "
                "multiply by z.", _quotients(divide=False)),
        Mistake("you compare with L(w). Two points means one on each side: w + σz and w − σz.",
                _quotients(back=0, over=1), _quotients(back=0)),
        Mistake("you return the quotients alone. An estimate is a vector: quotient times direction "
                "z, shape (n, d).", lambda *a: _quotients(direction=np.ones_like)(*a)[:, 0]),
        Mistake("the direction is missing: multiply each quotient by its z.",
                _quotients(direction=np.ones_like)),
        Mistake("you divide by z. Multiply: large entries of z say more about their slopes, "
                "E[z z] = 1.", _quotients(direction=lambda z: 1 / z)),
        Mistake("the nudge is σz, not z: L(w + σz) − L(w − σz).", _quotients(inside=False)),
        Mistake("the sign is turned round: L(w + σz) comes first.", _quotients(sign=-1)),
        Mistake("your directions have length 1. Leave z as it is; it has length √d on average.",
                _quotients(direction=lambda z: z / np.linalg.norm(z, axis=1, keepdims=True)),
                lambda f, w, z, s: two_point(f, w, z / np.linalg.norm(z, axis=1, keepdims=True), s),
                lambda f, w, z, s: (two_point(f, w, z / np.linalg.norm(z, axis=1, keepdims=True), s)
                                    * np.linalg.norm(z, axis=1, keepdims=True))),
        Mistake("you return their mean. Asked are all n estimates, one in each row: shape (n, d).",
                lambda *a: two_point(*a).mean(0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- one point


def baseline_estimate(loss, w, z, sigma, baseline):
    return (loss(w + sigma * z) - baseline)[:, None] * z / sigma


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
    ] + [at("weights are whole numbers", bowl, np.array([2, -1]), _normal(rng, 3, 2), 0.3, 1.5)],
    boundary=Boundary("the baseline is 0", lambda rng: [(*_trial(rng, bowl, 3, 2, 0.5), 0.0)]),
    mistakes=(
        Mistake("the baseline is missing: take it off the value before you multiply.",
                _based(take=lambda f, w, b: 0)),
        Mistake("you add the baseline. Take it off.", _based(take=lambda f, w, b: -b)),
        Mistake("you take L(w) off. That is the forward difference; take the given baseline off.",
                _based(take=lambda f, w, b: f(w))),
        Mistake("σ is missing below the line, or you multiply by σz at the end: divide by σ, and "
                "multiply by z.", _based(over=lambda s: 1)),
        Mistake("you divide by 2σ. With one point it is σ.", _based(over=lambda s: 2 * s)),
        Mistake("the nudge is σz, not z: L(w + σz).", _based(inside=False)),
        Mistake("you take the value at w. Look where the nudge leads: L(w + σz).",
                _based(centre=True)),
        Mistake("you take the baseline off at the end, where it shifts every estimate. Off the "
                "value, before it is multiplied by z, it cancels on average.", _based(late=True)),
        Mistake("the direction is missing: multiply by z, shape (n, d).",
                lambda f, w, z, sigma, b: (f(w + sigma * z) - b) / sigma),
        Mistake("you return their mean. Asked are all n estimates, one in each row: shape (n, d).",
                lambda *a: baseline_estimate(*a).mean(0)),
        Mistake("only the baseline is divided by σ. Set brackets: (L(w + σz) − b) / σ.",
                lambda f, w, z, s, b: (f(w + s * z) - b / s)[:, None] * z),
        Mistake("the baseline is not divided by σ. Set brackets: (L(w + σz) − b) / σ.",
                lambda f, w, z, s, b: (f(w + s * z) / s - b)[:, None] * z),
        Mistake("you have lost the sign of L(w + σz) − b. It says whether to go along z or against "
                "it.", lambda f, w, z, s, b: np.abs(f(w + s * z) - b)[:, None] * z / s),
        Mistake("you take the loss on the other side off as well. The baseline alone stands in its "
                "place.", lambda f, w, z, s, b: (f(w + s * z) - f(w - s * z) - b)[:, None] * z / s,
                lambda f, w, z, s, b: (f(w + s * z) - f(w - s * z) - b)[:, None] * z / s / 2),
        Mistake("you go the other way, to w − σz. The point is w + σz.",
                lambda f, w, z, s, b: baseline_estimate(f, w, -z, s, b) * -1),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- how sure


def average_slope(loss, w, z, sigma):
    estimates = two_point(loss, w, z, sigma)
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
        for case in ((bowl, 3, 2, 0.5), (cubes, 5, 3, 0.2), (line, 4, 2, 1.5))
    ] + [at("weights are whole numbers", bowl, np.array([2, -1]), _normal(rng, 3, 2), 0.3)],
    boundary=Boundary("there is one weight (d = 1)",
                      lambda rng: [_trial(rng, line, 4, 1, 1.5)]),
    mistakes=(
        Mistake("that is the standard deviation of single estimates. That of their mean is √n "
                "times smaller.", _sure(lambda g: _se(g, power=0)),
                _sure(lambda g: _se(g, power=0, ddof=0))),
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
                *[lambda *a, ddof=ddof, axis=axis: (
                    two_point(*a).mean(1),
                    two_point(*a).std(1, ddof=ddof) / a[2].shape[axis] ** 0.5)
                  for ddof in (0, 1) for axis in (0, 1)]),
        Mistake("you return one error for all. Each slope has one of its own: shape (d,).",
                _sure(lambda g: g.std(ddof=1) / len(g) ** 0.5)),
        Mistake("the two are the wrong way round: return (mean, error).",
                lambda *a: average_slope(*a)[::-1]),
        Mistake("you divide by √(n − 1) as well. The n − 1 stands in the deviation already; a mean "
                "of n has the error s/√n.",
                _sure(lambda g: g.std(0, ddof=1) / (len(g) - 1) ** 0.5)),
        Mistake("that is a variance divided by √n. Take the standard deviation, its root.",
                _sure(lambda g: g.var(0, ddof=1) / len(g) ** 0.5),
                _sure(lambda g: g.var(0) / len(g) ** 0.5)),
        Mistake("you divide by the root of the number of weights. n counts directions: len(z).",
                _sure(lambda g: g.std(0, ddof=1) / g.shape[1] ** 0.5)),
        Mistake("you take the median. Asked is the mean.",
                lambda *a: (np.median(two_point(*a), axis=0), average_slope(*a)[1])),
        Mistake("you measure the spread about 0. A standard deviation is that about the mean.",
                _sure(lambda g: ((g**2).sum(0) / (len(g) - 1) / len(g)) ** 0.5),
                _sure(lambda g: ((g**2).mean(0) / len(g)) ** 0.5)),
        Mistake("you put all weights together. Each slope has a spread of its own: over the "
                "directions, axis 0.",
                _sure(lambda g: np.full(g.shape[1], g.std(ddof=1) / len(g) ** 0.5))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- variance


def squared_error(slopes, offset, sigma, n):
    d = len(slopes)
    return ((d + 1) * np.sum(np.square(slopes)) + d * (offset / sigma) ** 2) / n


def _error(add=1, norm=lambda a: np.sum(np.square(a)), count=lambda d: d, power=2, below=2, share=1,
           own=True):  # fmt: skip
    def error(slopes, offset, sigma, n):
        d, extra = len(slopes), abs(offset) ** power / sigma**below
        return ((d + add) * norm(slopes) * own + count(d) * extra) / n**share

    return error


SQUARED_ERROR = Exercise(
    "squared_error", TOPIC, points=2,
    goal="derive the variance of an estimator from the moments of a Gaussian",
    reference=squared_error,
    cases=lambda rng: [
        (np.round(rng.uniform(0.3, 2, d) * rng.choice((-1, 1), d), 1), offset, sigma, n)
        for d, offset, sigma, n in ((2, 0.0, 0.5, 1), (3, 1.5, 0.5, 1), (4, -2.0, 0.2, 10),
                                    (1, 0.7, 3.0, 4))
    ],
    boundary=Boundary("the plane is flat (all slopes 0)",
                      lambda rng: [(np.zeros(3), 1.5, 0.5, int(rng.integers(2, 9)))]),
    mistakes=(
        Mistake("(d + 2)‖a‖² is E‖g‖², the mean squared length. Asked is the squared distance from "
                "a: ‖a‖² less.", _error(add=2)),
        Mistake("d − 1 other directions add noise, but the own one does too: E[z⁴] − 1 = 2. "
                "Together d + 1.", _error(add=-1)),
        Mistake("one ‖a‖² is missing: E[z⁴] = 3, not 2. It is (d + 1)‖a‖².", _error(add=0)),
        Mistake("‖a‖ has to be squared.", _error(norm=lambda a: np.sum(np.square(a)) ** 0.5)),
        Mistake("you add up the slopes. ‖a‖² is the sum of their squares.", _error(norm=np.sum),
                _error(norm=lambda a: np.sum(a) ** 2)),
        Mistake("you take the mean of the squares. ‖a‖² is their sum.",
                _error(norm=lambda a: np.mean(np.square(a)))),
        Mistake("the part of the offset is missing: d c²/σ².", _error(count=lambda d: 0)),
        Mistake("the offset c has to be squared: d c²/σ².", _error(power=1),
                lambda a, c, s, n: _error()(a, 0, s, n) + len(a) * c / s**2 / n),
        Mistake("c/σ has to be squared: d c²/σ², positive for every c.",
                lambda a, c, s, n: _error()(a, 0, s, n) + len(a) * c / s / n),
        Mistake("leave the mixed term out: it has an odd number of z, and is 0 on average.",
                lambda a, c, s, n: squared_error(a, c, s, n) + 2 * c / s * np.sum(a) / n),
        Mistake("σ has to be squared: d c²/σ².", _error(below=1)),
        Mistake("σ is missing under the offset: d c²/σ².", _error(below=0)),
        Mistake("every entry of z carries the offset: E‖z‖² = d. Yours has the factor 1.",
                _error(count=lambda d: 1)),
        Mistake("the factor of the offset is E‖z‖² = d, not d + 1.", _error(count=lambda d: d + 1)),
        Mistake("you return the error of one direction. The mean of n has n times less.",
                _error(share=0)),
        Mistake("squared errors shrink by n, not by √n.", _error(share=0.5)),
        Mistake("n stands under the first part only. The mean of n makes both parts n times less.",
                lambda a, c, s, n: _error(count=lambda d: 0)(a, c, s, n)
                + _error(own=False)(a, c, s, 1)),
        Mistake("n stands under the offset's part only. The mean of n makes both parts n times "
                "less.", lambda a, c, s, n: _error(count=lambda d: 0)(a, c, s, 1)
                + _error(own=False)(a, c, s, n)),
        Mistake("the slopes are missing: (d + 1)‖a‖², also where the offset is 0.",
                _error(own=False)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- its price


def directions_needed(d, cosine):
    return math.ceil((d + 1) / (1 / cosine**2 - 1))


def _needed(add=1, share=lambda c: c * c / (1 - c * c), rounding=math.ceil, times=1):
    return lambda d, cosine: times * rounding((d + add) * share(cosine))


def _question(rng):
    """d and a cosine for which no rounding error decides n, and the nearest n is too small."""
    while True:
        d, cosine = int(rng.integers(20, 5000)), round(rng.uniform(0.2, 0.9), 2)
        if 0.1 < (d + 1) / (1 / cosine**2 - 1) % 1 < 0.4:
            return d, cosine


DIRECTIONS_NEEDED = Exercise(
    "directions_needed", TOPIC, points=1,
    goal="turn a formula round, from what one gets to what one has to pay",
    reference=directions_needed,
    cases=lambda rng: [(148_682, 0.6), (1, 0.88), (2, 0.5), *(_question(rng) for _ in range(4))],
    boundary=Boundary("the cosine is very close to 1",
                      lambda rng: [(int(rng.integers(10, 90)), 0.9999)]),
    rtol=0,
    mistakes=(
        Mistake("you round down, and stay below the cosine that is asked for: round up.",
                _needed(rounding=math.floor)),
        Mistake("you round to the nearest, and may stay below the cosine that is asked for: round "
                "up.", _needed(rounding=round)),
        Mistake("the number of directions is whole: round up.", _needed(rounding=float)),
        Mistake("where the quotient is whole, as for d = 2 and a cosine of 0.5, yours is one too "
                "many: that n is enough. Do you round down and add 1, or count on where the cosine "
                "is reached exactly?",
                _needed(rounding=lambda n: math.floor(n) + 1)),
        Mistake("the sign is turned round: divide by 1/c² − 1, which is above 0.",
                _needed(share=lambda c: c * c / (c * c - 1))),
        Mistake("1 + (d + 1)/n is 1/c². The 1 has to be taken off: (d + 1)/n = 1/c² − 1.",
                _needed(share=lambda c: c * c)),
        Mistake("square the cosine: (d + 1)/n = 1/c² − 1.", _needed(share=lambda c: c / (1 - c))),
        Mistake("upside down: a larger cosine takes more directions.",
                _needed(share=lambda c: (1 - c * c) / (c * c))),
        Mistake("it is d + 1, not d.", _needed(add=0)),
        Mistake("you return forward passes. Asked are directions, half as many.",
                _needed(times=2)),
        Mistake("you stop at as many directions as there are weights. A cosine above 0.71 takes "
                "more.", lambda d, c: min(directions_needed(d, c), d)),
        Mistake("that is n for a squared error (d + 1)/n of c². Asked is n for a cosine of c.",
                _needed(share=lambda c: 1 / (c * c))),
        Mistake("brackets are missing: divide d + 1 by all of 1/c² − 1.",
                lambda d, c: math.ceil(c * c * (d + 1) - c * c),
                lambda d, c: math.ceil((d + 1) * c * c - 1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- bias


def two_point_bias(w, sigma, a, b, c):
    return (3 * b + 12 * c * w) * sigma**2


def _bias(square=0.0, cube=3, fourth=12, slope=False, power=2, sign=1):
    def bias(w, sigma, a, b, c):
        true = 2 * a * w + 3 * b * w**2 + 4 * c * w**3
        extra = (square * a + cube * b + fourth * c * w) * sigma**power
        return sign * extra + (true if slope else 0)

    return bias


TWO_POINT_BIAS = Exercise(
    "two_point_bias", TOPIC, points=2,
    goal="find what a finite nudge blurs, from a series and the moments of a Gaussian",
    reference=two_point_bias,
    cases=lambda rng: [
        (np.round(rng.uniform(0.2, 2, 3) * (1, -1, 1), 1), sigma,
         *np.round(rng.uniform(0.3, 2, 3) * rng.choice((-1, 1), 3), 1).tolist())
        for sigma in (0.5, 0.2, 3.0)
    ] + [at("positions are whole numbers", np.array([-2, 0, 1]), 0.3, 0.5, 1.2, -0.7)],
    boundary=Boundary("there is no fourth power (c = 0)",
                      lambda rng: [(tenths(rng, 3), 0.5, 1.0, round(rng.uniform(1, 2), 1), 0.0)]),
    mistakes=(
        Mistake("the square adds nothing: it is as high on both sides, (w ± σz)² differ by 4wσz "
                "only.", _bias(square=1), _bias(square=2)),
        Mistake("you took E[z⁴] = 1. For a standard Gaussian it is 3.", _bias(cube=1, fourth=4)),
        Mistake("w⁴ adds 4wσ² z⁴, and E[z⁴] = 3: 12 c w σ². In yours it is 4.", _bias(fourth=4)),
        Mistake("w⁴ adds 4wσ² z⁴, and E[z⁴] = 3: 12 c w σ². In yours it is 6.", _bias(fourth=6)),
        Mistake("w³ adds σ² z⁴, and E[z⁴] = 3: 3 b σ². In yours it is 1.", _bias(cube=1)),
        Mistake("w⁴ is missing. In its difference stands 8wσ³z³ as well.", _bias(fourth=0),
                lambda w, sigma, a, b, c: 3 * b * sigma**2),
        Mistake("w³ adds 3 b σ². Yours has a w there, too.",
                lambda w, sigma, a, b, c: (3 * b + 12 * c) * w * sigma**2),
        Mistake("that is by how much the nudge lifts the loss on average, E[L(w + σz)] − L(w). "
                "Asked is what it does to the slope.",
                lambda w, sigma, a, b, c: (a + 3 * b * w + 6 * c * w**2) * sigma**2
                + 3 * c * sigma**4),
        Mistake("w³ is missing. In its difference stands 2σ³z³ as well.", _bias(cube=0)),
        Mistake("that is the mean of the estimate. Asked is its bias, mean minus true slope.",
                _bias(slope=True)),
        Mistake("σ has to be squared: the differences hold σ³, and σ once is divided out.",
                _bias(power=1)),
        Mistake("you forgot to divide by σ: of σ³ there remains σ².", _bias(power=3)),
        Mistake("the sign is turned round: bias is mean minus true slope.", _bias(sign=-1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- leave one out


def leave_one_out(losses, z, sigma):
    n = len(losses)
    return (losses - losses.mean()) @ z / ((n - 1) * sigma)


def _left(baseline="others", over=lambda n: n, below=lambda s: s, sign=1):
    def estimate(losses, z, sigma):
        n, total = len(losses), losses.sum()
        b = {"others": (total - losses) / (n - 1), "n": (total - losses) / n, "all": total / n,
             "own": total / (n - 1),
             "sum": total - losses, "next": np.roll(losses, 1), "first": losses[0],
             "best": losses.min(), "median": np.median(losses), "none": 0}[baseline]  # fmt: skip
        return sign * (losses - b) @ z / (over(n) * below(sigma))

    return estimate


def _scaled(losses, z, sigma):
    return leave_one_out(losses, z, sigma) * (1 - 1 / len(z)) / losses.std()


LEAVE_ONE_OUT = Exercise(
    "leave_one_out", TOPIC, points=3,
    goal="lower a variance without a bias, by what the others measured",
    reference=leave_one_out,
    cases=lambda rng: [
        *[(np.round(rng.uniform(0.5, 4, n), 1), tenths(rng, n, d), sigma)
          for n, d, sigma in ((2, 2, 0.5), (3, 2, 0.2), (4, 3, 1.5), (5, 1, 0.1))],
        at("two losses are equal", np.array([1.5, 0.5, 1.5, 3.0]), tenths(rng, 4, 2), 0.5),
    ],
    boundary=Boundary("losses are whole numbers",
                      lambda rng: [(rng.permutation([0, 1, 3, 4]), tenths(rng, 4, 2), 0.5)]),
    mistakes=(
        Mistake("your baseline contains the loss itself, which makes the estimate too short by "
                "(n − 1)/n. Take the mean of the n − 1 others.", _left("all")),
        Mistake("there is no baseline in yours: take the mean of the others off each loss.",
                _left("none")),
        Mistake("you take the sum of the others off. Their mean: divide by n − 1.", _left("sum")),
        Mistake("you divide the sum of all losses by n − 1. Take its own loss out of each sum "
                "first.",
                _left("own")),
        Mistake("there are n − 1 others: the mean of the others is their sum over n − 1, not n.",
                _left("n")),
        Mistake("the baseline is right. Now take the mean over the n directions: divide by n.",
                _left(over=lambda n: n - 1)),
        Mistake("you return the sum over the directions. Asked is the mean.",
                _left(over=lambda n: 1)),
        Mistake("σ is missing below the line, or you multiply by σz at the end: divide by σ, and "
                "multiply by z.", _left(below=lambda s: 1)),
        Mistake("you divide by 2σ. Each direction has one point: by σ.",
                _left(below=lambda s: 2 * s)),
        Mistake("the baseline is the mean of the others, not the lowest loss.", _left("best")),
        Mistake("the baseline is the mean of the others, not the median of all.", _left("median")),
        Mistake("you take one other loss. The mean of all others is a steadier baseline.",
                _left("next")),
        Mistake("you take the first loss off all. Each has a baseline of its own, the mean of the "
                "others.", _left("first")),
        Mistake("you divide by the spread of the losses too. That is fitness shaping (lesson 06); "
                "this is an estimate of the gradient.", _scaled),
        Mistake("you divide by the spread of the losses in place of σ. That is fitness shaping "
                "(lesson 06); this is an estimate of the gradient.",
                lambda L, z, s: leave_one_out(L, z, L.std()),
                lambda L, z, s: leave_one_out(L, z, L.std(ddof=1))),
        Mistake("you divide by the number of weights. n counts directions: len(losses).",
                lambda L, z, s: leave_one_out(L, z, s) * len(L) / z.shape[1]),
        Mistake("// cuts the mean of the others off to a whole number: divide by /.",
                lambda L, z, s: (L - (L.sum() - L) // (len(L) - 1)) @ z / (len(L) * s)),
        Mistake("the sign is turned round: loss minus baseline.", _left(sign=-1)),
        Mistake("you return n estimates. Asked is their mean, shape (d,).",
                lambda L, z, s: (L - (L.sum() - L) / (len(L) - 1))[:, None] * z / s),
        Mistake("the factor is turned round: Lₖ − bₖ is n/(n − 1) times Lₖ less the mean of all.",
                lambda L, z, s: _left("all")(L, z, s) * (len(L) - 1) / len(L)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def descend(loss, weights, sigma, lr, steps, seed):
    return _descend(loss, weights, sigma, lr, steps, seed)


def _descend(loss, weights, sigma, lr, steps, seed, *, draws=1, sign=-1, once=False, sides=2,
             first=False):  # fmt: skip
    """draws: how many of the three places have noise of their own; first: of two, the step has that
    of the first."""
    rng = np.random.default_rng(seed)
    kept = rng.normal(size=len(weights)) if once else None
    for _ in range(steps):
        drawn = [rng.normal(size=len(weights)) for _ in range(draws)]
        up, down, along = drawn + [None] * (3 - draws)
        up = kept if once else up
        down = up if down is None else down
        along = (down if draws == 2 and not first else up) if along is None else along
        change = loss(weights + sigma * up) - loss(weights - sigma * down)
        weights = weights + sign * lr * change / (sides * sigma) * along
    return weights


def _descend_along(loss, weights, sigma, lr, steps, seed, *, numbers=None, other=False,
                   draw=np.random.Generator.normal):  # fmt: skip
    """numbers: how many are drawn for a vector, and how; other: whether the step has its own."""
    rng, numbers = np.random.default_rng(seed), numbers or len(weights)
    for _ in range(steps):
        z = draw(rng, size=numbers)
        change = loss(weights + sigma * z) - loss(weights - sigma * z)
        along = rng.normal(size=numbers) if other else z
        weights = weights - lr * change / (2 * sigma) * along
    return weights


def _standstill(rng):
    """Weights on a stair, and the rest for ``descend``: the first step finds no change, a later one
    does."""
    while True:
        weights, seed = tenths(rng, 2), int(rng.integers(1000))
        first, last = (descend(stairs, weights, 0.2, 0.1, steps, seed) for steps in (1, 4))
        if (first == weights).all() and (last != weights).any():
            return weights, 0.2, 0.1, 4, seed


DESCEND = Exercise(
    "descend", TOPIC, points=2, kind="bug",
    goal="see that a difference tells only about the direction that was tried",
    reference=descend,
    cases=lambda rng: [
        (bowl, tenths(rng, 5), 0.1, 0.05, 6, int(rng.integers(100))),
        (cubes, tenths(rng, 3), 0.2, 0.02, 4, int(rng.integers(100))),
        at("weights are whole numbers", bowl, np.array([3, -2, 1]), 0.1, 0.05, 3, 5),
        at("no step is asked for", bowl, tenths(rng, 3), 0.1, 0.05, 0, 6),
        at("a step finds no change", stairs, *_standstill(rng)),
        at("a step makes the loss larger", bowl, tenths(rng, 4) + 1, 0.1, 1.5, 4, 3),
    ],
    mistakes=(
        Mistake("that is the loop as it was given. Count how many random vectors it draws in a "
                "step, and how many it should.", lambda *a: _descend(*a, draws=3)),
        Mistake("the two sides are tried along different vectors. Draw z once, and use it for both "
                "sides and for the step.", lambda *a: _descend(*a, draws=2)),
        Mistake("every step has the same z. Make the generator once, and draw anew in each step.",
                lambda *a: _descend(*a, once=True)),
        Mistake("you climb: go against the estimate.", lambda *a: _descend(*a, sign=1)),
        Mistake("the two points are 2σ apart.", lambda *a: _descend(*a, sides=1)),
        Mistake("one side and the step share a vector now, but the other side is tried along one "
                "of its own.", lambda *a: _descend(*a, draws=2, first=True)),
        Mistake("your directions are signs, −1 or 1. They are to be standard Gaussian: rng.normal.",
                *[lambda *a, signs=signs: _descend_along(
                    *a, draw=lambda rng, size: rng.choice(signs, size=size))
                  for signs in ((-1, 1), (1, -1))]),
        Mistake("both sides are tried along one vector now, but the step goes along another.",
                lambda *a: _descend_along(*a, other=True)),
        Mistake("all weights move by the same number: a direction has a number for each weight.",
                lambda *a: _descend_along(*a, numbers=1)),
        Mistake("your directions are numbers between 0 and 1, as from rng.random. They are to be "
                "standard Gaussian: rng.normal.",
                lambda *a: _descend_along(*a, draw=np.random.Generator.random)),
        Mistake("your steps are σ² times what they should be. / 2 * sigma divides by 2 and then "
                "multiplies by σ: set brackets, / (2 * sigma).",
                lambda f, w, sigma, *a: _descend(f, w, sigma, *a, sides=2 / sigma**2)),
        Mistake("σ is missing below the line, or your step goes along σz: divide by 2σ, and go "
                "along z.", lambda f, w, sigma, *a: _descend(f, w, sigma, *a, sides=2 / sigma)),
        Mistake("your function returns after the first step: is return inside the loop?",
                lambda f, w, sigma, lr, steps, seed: descend(f, w, sigma, lr, min(steps, 1), seed)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, and race

ALLOWED, AT_MOST = 400, 5_000


def train_by_trying(loss, weights, allowed, seed):
    return _trained(loss, weights, seed, allowed)


def _trained(loss, weights, seed, allowed, enough=0.0):
    weights, rng, sigma = torch.tensor(weights), np.random.default_rng(seed), 0.05
    optimizer, latest = torch.optim.Adam([weights], lr=0.05), []
    for _ in range(allowed // 2):
        w, z = weights.numpy(), rng.normal(size=len(weights))
        up, down = loss(w + sigma * z), loss(w - sigma * z)
        latest = [*latest[-4:], up, down]
        if len(latest) == 6 and np.mean(latest) < enough:
            break
        weights.grad = torch.from_numpy((up - down) / (2 * sigma) * z)
        optimizer.step()
    return weights.numpy()


def _tried(rng, allowed=ALLOWED):
    loss, seed = tiny.Counted(1, allowed), int(rng.integers(1000))
    start = tiny.start(seed)
    return (loss, start, allowed, seed), lambda weights: tiny.learned(weights, start, both=True)


TRAIN_BY_TRYING = Open(
    "train_by_trying", TOPIC, points=3, kind="train",
    goal="train a spiking network from pairs of forward passes",
    reference=train_by_trying, trial=_tried, less=30, forward_only=True, seeded=True,
    marks=((0.75, 1), (0.85, 2), (0.9, 3)), wording="{:.0%} of unseen digits right".format,
)  # fmt: skip


def few_tries(loss, weights, seed):
    return _trained(loss, weights, seed, AT_MOST, enough=0.25)


def _fewest(rng):
    loss, seed = tiny.Counted(1, AT_MOST), int(rng.integers(1000))
    score = fewest(0.85, tiny.accuracy, lambda: len(loss.asked), "forward passes")
    return (loss, tiny.start(seed), seed), score


FEW_TRIES = Open(
    "few_tries", TOPIC, points=3,
    goal="get the most out of every forward pass",
    reference=few_tries, trial=_fewest, forward_only=True, seeded=True,
    marks=((-1000, 1), (-500, 2), (-300, 3)),
    wording=lambda value: f"85 % with {-value:.0f} forward passes",
)  # fmt: skip
