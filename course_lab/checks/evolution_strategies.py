"""Exercises of lesson 06: mirrored members, the gradient of a population, and ranks."""

import math

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Calls, Exercise, Mistake
from course_lab.checks.engine.open import Open, fewest, same_noise
from course_lib import fitness as library

TOPIC = "06_evolution_strategies"

# ------------------------------------------------------------------------------- members of a pair


def mirrored_members(weights, noise, sigma):
    return np.stack([weights + sigma * noise, weights - sigma * noise], axis=1)


MIRRORED_MEMBERS = Exercise(
    "mirrored_members", TOPIC, points=1,
    goal="lay out a population in pairs, without a loop",
    reference=mirrored_members,
    cases=lambda rng: [
        (tenths(rng, d), tenths(rng, pairs, d), sigma)
        for pairs, d, sigma in ((3, 2, 0.5), (2, 3, 0.2), (4, 1, 2.0))
    ],
    boundary=Boundary("weights are whole numbers",
                      lambda rng: [(np.array([0, 1, -2]), tenths(rng, 2, 3), 0.5)]),
    mistakes=(
        Mistake("σ is missing: a member is W + σE, not W + E.",
                lambda w, e, s: mirrored_members(w, e, 1.0)),
        Mistake("you divide by σ: a member is W + σE.",
                lambda w, e, s: mirrored_members(w, e, 1 / s)),
        Mistake("both members of a pair are the same: the second is W − σE.",
                lambda w, e, s: np.stack([w + s * e] * 2, axis=1)),
        Mistake("you turn the sign of the whole member. The mirror stands at W, not at 0: W − σE.",
                lambda w, e, s: np.stack([w + s * e, -(w + s * e)], axis=1)),
        Mistake("that is the noise alone: each member is W and its noise.",
                lambda w, e, s: mirrored_members(0 * w, e, s)),
        Mistake("in yours W − σE comes first in a pair: first W + σE.",
                lambda w, e, s: mirrored_members(w, -e, s)),
        Mistake("in yours the sign is the first axis. Pairs come first, then the two signs: "
                "np.stack(…, axis=1), shape (P, 2, d).",
                lambda w, e, s: np.stack([w + s * e, w - s * e])),
        Mistake("all W + σE come first, then all W − σE. Cut into twos, that list pairs "
                "strangers: np.stack(…, axis=1) keeps a pair together.",
                lambda w, e, s: np.concatenate([w + s * e, w - s * e]).reshape(-1, 2, len(w))),
        Mistake("that is a list of members, shape (2P, d). Give each pair a row: (P, 2, d).",
                lambda w, e, s: np.concatenate([w + s * e, w - s * e]),
                lambda w, e, s: mirrored_members(w, e, s).reshape(-1, len(w))),
        Mistake("in yours the sign is the last axis. The two members of a pair are rows, one "
                "below the other: np.stack(…, axis=1), shape (P, 2, d).",
                lambda w, e, s: np.stack([w + s * e, w - s * e], axis=2)),
        Mistake("the second has the sign at its weights. The mirror turns the noise: W − σE.",
                lambda w, e, s: np.stack([w + s * e, -w + s * e], axis=1)),
        Mistake("σ is missing in the second member: W − σE.",
                lambda W, E, s: np.stack([W + s * E, W - E], axis=1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- gradient of a loss


def es_gradient(f, noise, sigma):
    return -(f[:, 0] - f[:, 1]) @ noise / (f.size * sigma)


def _difference(f):
    return f[:, 0] - f[:, 1]


def _gradient(f, noise, sigma, *, sign=-1, count=lambda f: f.size, power=1, pull=_difference):
    return sign * pull(f) @ noise / (count(f) * sigma**power)


ES_GRADIENT = Exercise(
    "es_gradient", TOPIC, points=2,
    goal="turn fitness values into the gradient of the loss, sign and factors included",
    reference=es_gradient,
    cases=lambda rng: [
        (-abs(tenths(rng, pairs, 2, size=2.0)), tenths(rng, pairs, d), sigma)
        for pairs, d, sigma in ((3, 2, 0.5), (2, 4, 0.1), (4, 1, 2.0))
    ],
    boundary=Boundary("there are as many pairs as weights (P = d)",
                      lambda rng: [(tenths(rng, 3, 2), tenths(rng, 3, 3), 0.5)]),
    mistakes=(
        Mistake("the sign is turned round. f is the fitness, but .grad holds the gradient of the "
                "loss, since optimisers go downhill: a minus in front.",
                lambda *a: _gradient(*a, sign=1)),
        Mistake("you divide by the number of pairs. N counts members, two a pair: f.size.",
                lambda *a: _gradient(*a, count=len)),
        Mistake("you divide by 2Nσ. N counts both members of a pair, so the 2 of the two-point "
                "estimator is in it already.",
                lambda *a: _gradient(*a, count=lambda f: 2 * f.size)),
        Mistake("N is missing: divide by Nσ, or a larger population takes longer steps.",
                lambda *a: _gradient(*a, count=lambda f: 1)),
        Mistake("σ is missing: divide by Nσ.", lambda *a: _gradient(*a, power=0)),
        Mistake("you multiply by σ. The differences grow with σ, so divide by it.",
                lambda *a: _gradient(*a, power=-1)),
        Mistake("you divide by σ twice.", lambda *a: _gradient(*a, power=2)),
        Mistake("you add the two members of a pair. The second one went the other way: "
                "f⁺ − f⁻.", lambda *a: _gradient(*a, pull=lambda f: f.sum(1))),
        Mistake("the second members of the pairs are missing: each pair counts f⁺ − f⁻.",
                lambda *a: _gradient(*a, pull=lambda f: f[:, 0]),
                lambda *a: _gradient(*a, count=len, pull=lambda f: f[:, 0]),
                lambda *a: _gradient(*a, count=len, pull=lambda f: f[:, 0] - f[:, 0].mean())),
        Mistake("you divide the differences by their spread. f is shaped already, or is to stay as "
                "it is.",
                lambda *a: _gradient(*a, pull=lambda f: _difference(f) / _difference(f).std())),
        Mistake("you standardise the fitness first. f is shaped already, or is to stay as it is.",
                lambda f, e, s: es_gradient((f - f.mean()) / f.std(), e, s),
                lambda f, e, s: es_gradient((f - f.mean()) / f.std(ddof=1), e, s)),
        Mistake("a product of means is not the mean of the products: multiply each pair's "
                "difference by its own noise, then add up.",
                lambda f, e, s: -_difference(f).mean() * e.mean(0) / (2 * s),
                lambda f, e, s: -_difference(f).sum() * e.sum(0) / (f.size * s)),
        Mistake("that is what each pair says. Asked is the sum over pairs, shape (d,).",
                lambda f, e, s: -(f[:, :1] - f[:, 1:]) * e / (f.size * s)),
        Mistake("you divide by the number of weights. N counts members: f.size.",
                lambda f, e, s: es_gradient(f, e, s) * f.size / e.shape[1],
                lambda f, e, s: es_gradient(f, e, s) * len(f) / e.shape[1]),
        Mistake("only who has won a pair counts in yours. By how much counts, too: f⁺ − f⁻, not "
                "its sign.", lambda *a: _gradient(*a, pull=lambda f: np.sign(_difference(f)))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- smoothed staircase


def smoothed_slope(w, edges, jumps, sigma):
    z = (np.asarray(w)[:, None] - edges) / sigma
    return np.exp(-(z**2) / 2) @ jumps / (sigma * math.sqrt(2 * math.pi))


def _bells(w, edges, jumps, sigma, *, half=2, root=2 * math.pi, width=None, front=1):
    z = (w[:, None] - edges) / (sigma if width is None else width(sigma))
    return np.exp(-(z**2) / half) @ jumps / (sigma**front * math.sqrt(root))


def _slope_of_bells(w, edges, jumps, sigma):
    z = (w[:, None] - edges) / sigma
    return -z * np.exp(-(z**2) / 2) @ jumps / math.sqrt(2 * math.pi)


def _smoothed(w, edges, jumps, sigma):
    z = (w[:, None] - edges) / sigma
    return np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)(z) @ jumps


def _nearest(w, edges, jumps, sigma):
    return [smoothed_slope([x], edges[[k]], jumps[[k]], sigma)[0]
            for x, k in zip(w, np.abs(w[:, None] - edges).argmin(axis=1), strict=True)]


def _stairs(w, edges, jumps, sigma):
    return (w[:, None] > edges) @ jumps / (2 * sigma)


SMOOTHED_SLOPE = Exercise(
    "smoothed_slope", TOPIC, points=2,
    goal="derive what evolution strategies estimate where there is no derivative",
    reference=smoothed_slope,
    cases=lambda rng: [
        (tenths(rng, n), np.sort(tenths(rng, k)), tenths(rng, k) + 0.25, sigma)
        for n, k, sigma in ((4, 3, 0.5), (2, 5, 0.8), (3, 1, 2.0))
    ],
    boundary=Boundary("edges are not in order", lambda rng: [
        (tenths(rng, 4), np.array([0.7, -0.4, 0.2]), np.array([1.0, -0.5, 2.0]), 0.5)]),
    mistakes=(
        Mistake("the staircase itself has the slope 0. Asked is the slope of its mean over the "
                "noise: one bell for each step.", lambda w, e, j, s: 0 * w),
        Mistake("that is the smoothed fitness, a sum of jump · Φ. Asked is its slope: "
                "differentiate by w, and Φ becomes the bell φ.", _smoothed),
        Mistake("1/σ in front is missing: by the chain rule, the slope of Φ((w − wₖ)/σ) is "
                "φ((w − wₖ)/σ)/σ.", lambda *a: _bells(*a, front=0)),
        Mistake("you add up over the weights. Each weight has a slope of its own: add up over the "
                "steps, axis 1, so that the shape is that of w.",
                lambda w, edges, jumps, sigma: (
                    np.exp(-(((w[:, None] - edges) / sigma) ** 2) / 2) * jumps).sum(0)
                / (sigma * math.sqrt(2 * math.pi))),
        Mistake("you divide by σ twice: by the chain rule once.", lambda *a: _bells(*a, front=2)),
        Mistake("√(2π) is missing: φ(z) = exp(−z²/2)/√(2π), so that its area is 1.",
                lambda *a: _bells(*a, root=1)),
        Mistake("the root is missing: φ(z) = exp(−z²/2)/√(2π).",
                lambda *a: _bells(*a, root=(2 * math.pi) ** 2)),
        Mistake("z is not squared in your exponent: φ(z) = exp(−z²/2)/√(2π).",
                *[lambda w, e, j, s, size=size: np.exp(-size((w[:, None] - e) / s) / 2) @ j
                  / (s * math.sqrt(2 * math.pi)) for size in (np.abs, np.positive)]),
        Mistake("the ½ in the exponent is missing: φ(z) = exp(−z²/2)/√(2π).",
                lambda *a: _bells(*a, half=1)),
        Mistake("σ is missing inside the bell: z = (w − wₖ)/σ.",
                lambda *a: _bells(*a, width=lambda s: 1)),
        Mistake("σ is squared with the rest: z = (w − wₖ)/σ, and the exponent is −z²/2.",
                lambda *a: _bells(*a, width=math.sqrt)),
        Mistake("in yours every step is 1 high: each bell counts as much as its jump.",
                lambda w, e, j, s: smoothed_slope(w, e, np.ones_like(j), s)),
        Mistake("you take the mean over the steps. Their bells add up.",
                lambda w, e, j, s: smoothed_slope(w, e, j, s) / len(e)),
        Mistake("the sign is turned round: f is a fitness, and a jump up gives a positive slope.",
                lambda w, e, j, s: -smoothed_slope(w, e, j, s)),
        Mistake("every step goes up in yours. A negative jump is a step down: a negative bell.",
                lambda w, e, j, s: smoothed_slope(w, e, np.abs(j), s)),
        Mistake("you differentiate twice: Φ becomes φ, and that is all.",
                _slope_of_bells, lambda w, e, j, s: _slope_of_bells(w, e, j, s) / s),
        Mistake("brackets are missing in the exponent: −u² / (2σ²), all of it below the line.",
                lambda w, e, j, s: np.exp(-((w[:, None] - e) ** 2) / 2 * s**2) @ j
                / (s * np.sqrt(2 * np.pi))),
        Mistake("the nearest step alone counts in yours. Every step has its bell, and they add up.",
                _nearest),
        Mistake("one step alone is left: add up the bells of all steps, +=.",
                lambda w, e, j, s: smoothed_slope(w, e[-1:], j[-1:], s)),
        Mistake("that is a difference of the staircase itself, between w + σ and w − σ. The noise "
                "is Gaussian, so each step gives a bell.",
                lambda w, e, j, s: _stairs(w + s, e, j, s) - _stairs(w - s, e, j, s)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- centred ranks


def centred_ranks(f):
    return library.centred_ranks(torch.as_tensor(f, dtype=torch.float64)).numpy()


def _scaled(rank):
    """How a mistake about ranks ends: as the right solution does."""
    return lambda f: rank(f) / (len(f) - 1) - 0.5


def _sorted(f):
    return np.argsort(f, kind="stable")


def _places(f, kind=None):
    return np.argsort(np.argsort(f, kind=kind), kind=kind)


def _worse(f):
    return (f[:, None] > f).sum(axis=1)


def _equal(f):
    return (f[:, None] == f).sum(axis=1)


def _different(f):
    """The number of a value among the different ones, from 0 to 1; NaN where there is but one."""
    values, number = np.unique(f, return_inverse=True)
    return number / (len(values) - 1 or math.nan)


def _two_by_two(shaped, f):
    """What neighbours in order have is shared by twos, where they tie."""
    order = np.argsort(f, kind="stable")
    for a, b in zip(order[:-1], order[1:], strict=True):
        if f[a] == f[b]:
            shaped[[a, b]] = shaped[[a, b]].mean()
    return shaped


CENTRED_RANKS = Exercise(
    "centred_ranks", TOPIC, points=2,
    goal="make an update independent of the fitness's unit, and fair to ties",
    reference=centred_ranks,
    cases=lambda rng: [
        (np.array([-1.9, -1.7, -1.9, -1.2, -50.0]),),
        (np.array([0.3, 0.3, 0.3]),),
        *[(rng.integers(0, 4, n) / 4,) for n in (6, 8)],
        (rng.permutation([-2.5, -1.0, -1.0, -1.0, -0.5, 0.0]),),
        (np.array([0.5, -0.5]),),
        at("values are very close and not equal", np.array([0.5, 0.500000001, 0.7, 0.5])),
    ],
    boundary=Boundary("fitness is whole numbers, such as answers that were right",
                      lambda rng: [(rng.permutation([7, 3, 7, 9, 12]),)]),
    mistakes=(
        Mistake("you sorted once. argsort says which member stands at each place; asked is the "
                "place of each member.", _scaled(np.argsort), _scaled(_sorted)),
        Mistake("members that tie get different ranks, by the chance of where they stand in the "
                "list. They share the average of their places.", _scaled(_places),
                _scaled(lambda f: _places(f, "stable"))),
        Mistake("all that tie get the lowest of their places. They share the average.",
                _scaled(_worse)),
        Mistake("all that tie get the highest of their places. They share the average.",
                _scaled(lambda f: _worse(f) + _equal(f) - 1)),
        Mistake("you count the different values. Members that tie take up a place each: values "
                "above them come after all of these.",
                _scaled(lambda f: np.unique(f, return_inverse=True)[1]),
                lambda f: _different(f) - 0.5, lambda f: np.nan_to_num(_different(f)) - 0.5,
                lambda f: np.nan_to_num(_different(f) - 0.5)),
        Mistake("of three that tie, you share two by two. All that tie share one average.",
                _scaled(lambda f: _two_by_two(1.0 * _places(f, "stable"), f))),
        Mistake("a member counts itself among its equals: half of the *other* equal ones.",
                _scaled(lambda f: _worse(f) + _equal(f) / 2)),
        Mistake("that is the rank. Scale it: divide by N − 1, then take ½ off.",
                lambda f: (centred_ranks(f) + 0.5) * (len(f) - 1)),
        Mistake("you divide by N. The best has the rank N − 1, and is to get ½.",
                lambda f: (centred_ranks(f) + 0.5) * (len(f) - 1) / len(f) - 0.5),
        Mistake("½ is missing: centred means from −½ to ½, with the sum 0.",
                lambda f: centred_ranks(f) + 0.5),
        Mistake("the order is turned round: larger is better, so the largest gets ½.",
                lambda f: -centred_ranks(f)),
        Mistake("that is a z-score: one accident still shifts everybody. Asked are ranks.",
                lambda f: (f - f.mean()) / (f.std() or 1)),
        Mistake("you stretch the values themselves from −½ to ½. Ranks look at the order alone.",
                lambda f: (f - f.min()) / (np.ptp(f) or 1) - 0.5,
                *[lambda f, none=none: (f - (f.min() + f.max()) / 2) / (np.ptp(f) or none)
                  for none in (1, math.nan)]),
        Mistake("half of the others that are equal can be half a place: / and not //.",
                lambda f: ((f[:, None] > f).sum(1) + ((f[:, None] == f).sum(1) - 1) // 2)
                / (len(f) - 1) - 0.5),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a generation


def es_generation(fitness, weights, noise, sigma):
    return _generation(fitness, weights, noise, sigma)


def _all_at_once(f):
    return centred_ranks(f.ravel()).reshape(f.shape)


def _along(axis):
    return lambda f: np.apply_along_axis(centred_ranks, axis, f)


def _mean_loss(f, at_weights):
    return -f.mean()


def _generation(fitness, weights, noise, sigma, *, shape=_all_at_once, sign=1, loss=_mean_loss,
                members=mirrored_members):  # fmt: skip
    f = np.array([[fitness(w) for w in pair] for pair in members(weights, noise, sigma)])
    return es_gradient(shape(sign * f), noise, sigma), loss(f, lambda: -fitness(weights))


def hill(w):
    """Highest where all weights are 1."""
    return -float(((w - 1) ** 2).sum())


def steps(w):
    """Counts weights above 0.33: members tie."""
    return float((w > 0.33).sum())


ES_GENERATION = Exercise(
    "es_generation", TOPIC, points=2,
    goal="estimate a gradient from a function that can only be called",
    reference=es_generation,
    cases=lambda rng: [
        (fitness, tenths(rng, d), tenths(rng, pairs, d), sigma)
        for fitness, pairs, d, sigma in ((hill, 3, 2, 0.5), (steps, 4, 2, 0.7), (hill, 2, 3, 0.2),
                                         (steps, 5, 1, 1.0))
    ],
    boundary=Boundary("all members tie", lambda rng: [
        (steps, np.full(3, 9.0), tenths(rng, 2, 3), 0.5)]),
    calls=Calls("The numbers are right, but you call the fitness more often than once for each "
                "member. A call is a forward pass: keep its answer.",
                lambda fitness, weights, noise, sigma: 2 * len(noise)),
    mistakes=(
        Mistake("the fitness goes into the gradient as it is. Shape it first: centred ranks over "
                "the whole population.", lambda *a: _generation(*a, shape=lambda f: f)),
        Mistake("you rank within each pair, which leaves only who of the two was better. Rank all "
                "2P members together: f.ravel(), and back to (P, 2).",
                lambda *a: _generation(*a, shape=_along(1))),
        Mistake("you rank the W + σE and the W − σE apart. Rank all 2P members together: "
                "f.ravel(), and back to (P, 2).",
                lambda *a: _generation(*a, shape=_along(0))),
        Mistake("members change partners: f.ravel() goes through the pairs one by one, so go back "
                "by reshape(P, 2), not by way of (2, P) or by columns.",
                lambda *a: _generation(
                    *a, shape=lambda f: centred_ranks(f.ravel()).reshape(2, -1).T)),
        Mistake("your gradient has the opposite sign. Do you rank losses? Ranks are of the "
                "fitness, larger is better. Or does W − σE come first in a pair? It is W + σE.",
                lambda *a: _generation(*a, sign=-1)),
        Mistake("your second value is the mean fitness. The loss is minus the fitness.",
                lambda *a: _generation(*a, loss=lambda f, at_weights: f.mean())),
        Mistake("your second value is the loss at W itself, one more forward pass. Asked is the "
                "members' mean.",
                lambda *a: _generation(*a, loss=lambda f, at_weights: at_weights())),
        Mistake("your second value is the sum of the losses. Asked is the members' mean.",
                lambda *a: _generation(*a, loss=lambda f, at_weights: -f.sum())),
        Mistake("your second value is the mean of the ranks, which is always 0. Asked is that of "
                "the losses.", lambda *a: _generation(*a, loss=lambda f, at_weights: 0.0)),
        Mistake("you try the noise without the weights: members are W ± σE.",
                lambda *a: _generation(
                    *a, members=lambda w, e, s: mirrored_members(0 * w, e, s))),
        Mistake("the two are the wrong way round: return (gradient, loss).",
                lambda *a: _generation(*a)[::-1]),
        Mistake("your second value is the loss of the best member. Asked is the members' mean.",
                lambda *a: _generation(*a, loss=lambda f, at_weights: -f.max())),
        Mistake("σ is in the noise twice: mirrored_members multiplies by it already.",
                lambda *a: _generation(
                    *a, members=lambda w, e, s: mirrored_members(w, s * e, s))),
        Mistake("σ is missing in the members: W ± σE.",
                lambda *a: _generation(*a, members=lambda w, e, s: mirrored_members(w, e, 1))),
        Mistake("your fitness is cut off to whole numbers. Does it go into an array of integers, "
                "such as np.full(…, 0)?",
                lambda fitness, *a: es_generation(lambda w: np.trunc(fitness(w)), *a)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a table of weights


def rank_weights(f, values):
    return _shared(f, values)


def _shared(f, values, share=np.mean, order=np.argsort):
    """Each member gets the value of its place; what members with equal f got is shared."""
    shaped = np.empty(len(f))
    shaped[order(f)] = values
    for value in np.unique(f):
        shaped[f == value] = share(shaped[f == value])
    return shaped


def _tied_neighbours(f, values):
    shaped = _shared(f, values, lambda tied: tied)
    for k in range(len(f) - 1):
        if f[k] == f[k + 1]:
            shaped[k : k + 2] = shaped[k : k + 2].mean()
    return shaped


def _first_and_last(f, values):
    """Tied members get the mean of what their first and their last place are worth."""
    first, last = _worse(f), _worse(f) + _equal(f) - 1
    return (values[first] + values[last]) / 2


def _by_member(f, values):
    """The k-th member has the k-th value; ties share."""
    return _shared(f, values, order=lambda f: np.arange(len(f)))


def _average_place(f):
    return (centred_ranks(f) + 0.5) * (len(f) - 1)


def _table(rng, n):
    """Not evenly spaced, so that a place between two is not worth the mean of both."""
    return np.round(np.sort(rng.exponential(1.0, n)), 1) - 0.5


RANK_WEIGHTS = Exercise(
    "rank_weights", TOPIC, points=3,
    goal="build a family of fitness shapings from one function, ties included",
    reference=rank_weights,
    cases=lambda rng: [
        (rng.permutation([-2.5, -1.0, -1.0, -1.0, -0.5, 0.0]), _table(rng, 6)),
        (np.array([0.25, 0.5, 0.25, 0.75]), np.array([-1.0, 0.0, 0.0, 3.0])),
        (rng.permutation([0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.4]), _table(rng, 7)),
        (np.array([0.3, 0.3, 0.3]), np.array([0.0, 0.0, 1.0])),
        at("the table falls somewhere", np.array([0.2, 0.5, 0.5, 0.1, 0.5, 0.9]),
           np.array([1.0, -0.5, 0.2, 2.0, 0.1, -1.0])),
        at("values are very close and not equal", np.array([0.5, 0.500000001, 0.7, 0.5]),
           np.array([-1.0, 0.2, 0.5, 2.0])),
        at("the table has whole numbers", np.array([0.5, 0.2, 0.5]), np.array([0, 0, 1])),
    ],
    boundary=Boundary("fitness is whole numbers, such as answers that were right",
                      lambda rng: [(rng.permutation([7, 3, 7, 9]), np.array([-0.5, 0, 0.3, 2]))]),
    mistakes=(
        Mistake("values[np.argsort(f)] does the inverse: argsort says which member stands at a "
                "place, so it is shaped[np.argsort(f)] = values.",
                lambda f, v: v[np.argsort(f)], lambda f, v: _shared(f, v, order=_places),
                lambda f, v: v[_sorted(f)],
                lambda f, v: _shared(f, v, order=lambda f: _places(f, "stable"))),
        Mistake("members that tie get different weights. They share the mean of what their places "
                "are worth.", lambda f, v: v[_places(f)], lambda f, v: v[_places(f, "stable")]),
        Mistake("you look up the value of the average place. Asked is the average of the values of "
                "their places: the table is not straight.",
                lambda f, v: v[_average_place(f).astype(int)],
                lambda f, v: np.interp(_average_place(f), np.arange(len(f)), v)),
        Mistake("all that tie get what the best of their places is worth. They share the mean.",
                lambda f, v: v[_worse(f) + _equal(f) - 1], lambda f, v: _shared(f, v, np.max)),
        Mistake("all that tie get what the worst of their places is worth. They share the mean.",
                lambda f, v: v[_worse(f)], lambda f, v: _shared(f, v, np.min)),
        Mistake("all that tie get the sum of what their places are worth. They share the mean.",
                lambda f, v: _shared(f, v, np.sum)),
        Mistake("the table begins with the worst place: the largest f gets the last value.",
                lambda f, v: _shared(-f, v)),
        Mistake("your result is sorted. It belongs to the members, in the order of f.",
                lambda f, v: _shared(np.sort(f), v)),
        Mistake("the tied get the median of what their places are worth. They share the mean.",
                lambda f, v: _shared(f, v, np.median)),
        Mistake("members tie wherever they stand, not only beside one another: f == value.",
                _tied_neighbours),
        Mistake("of three that tie, you share two by two. All that tie share one mean.",
                lambda f, v: _two_by_two(1.0 * v[_places(f, "stable")], f)),
        Mistake("you count the different values. Members that tie take up a place each: who is "
                "above them comes after all of these.",
                lambda f, v: v[np.unique(f, return_inverse=True)[1]]),
        Mistake("you stretch centred ranks from the table's first value to its last. What it says "
                "of the places between counts as well.",
                lambda f, v: v[0] + (centred_ranks(f) + 0.5) * (v[-1] - v[0])),
        Mistake("the tied get the mean of what their first and last place are worth. The places "
                "between count as well.", _first_and_last),
        Mistake("values[k] is what the k-th place is worth, from the worst on. You give it to the "
                "k-th member.", _by_member, lambda f, v: v),
    ),
)  # fmt: skip


# ------------------------------------------------------------------------------- a bug to find


def climb(fitness, weights, generations, pairs, sigma, lr, seed):
    return _climb(fitness, weights, generations, pairs, sigma, lr, seed)


def _climb(fitness, weights, generations, pairs, sigma, lr, seed, *, noise="fresh", sign=-1,
           anew=None):  # fmt: skip
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(pairs, len(weights))) if noise in ("once", "late") else None
    for k in range(generations):
        rng = np.random.default_rng(anew(seed, k)) if anew else rng
        shape = (len(weights), pairs) if noise == "transposed" else (pairs, len(weights))
        drawn = first if noise == "once" else rng.normal(size=shape)
        drawn = drawn.T if noise == "transposed" else drawn
        drawn = np.repeat(drawn[:1], pairs, axis=0) if noise == "one pair" else drawn
        drawn = sigma * drawn if noise == "scaled" else drawn
        weights = weights + sign * lr * es_generation(fitness, weights, drawn, sigma)[0]
    return weights


CLIMB = Exercise(
    "climb", TOPIC, points=2, kind="bug",
    goal="see why one draw is not enough, in code that runs without a complaint",
    reference=climb,
    cases=lambda rng: [
        (hill, rng.normal(size=4).round(1), 5, 3, 0.1, 0.2, int(seed))
        for seed in rng.integers(0, 100, 2)
    ],
    mistakes=(
        Mistake("every generation looks in the same few directions: the noise is drawn once, as in "
                "the loop that was given, or the generator is made anew each time. Make it once, "
                "draw often.", lambda *a: _climb(*a, noise="once")),
        Mistake("the first noise that you draw is never used. That is no fault in itself, but the "
                "check compares numbers: nothing is drawn that is not used.",
                lambda *a: _climb(*a, noise="late")),
        Mistake("every generation has a generator of its own in yours. Make one, with seed, before "
                "the loop.", lambda *a: _climb(*a, anew=lambda seed, k: seed + k),
                lambda *a: _climb(*a, anew=lambda seed, k: [seed, k])),
        Mistake("your noise has other numbers in it: draw it in its own shape, (pairs, d), and not "
                "transposed.", lambda *a: _climb(*a, noise="transposed")),
        Mistake("one generation is all that runs. Does return stand inside the loop?",
                lambda fitness, weights, generations, *a: _climb(fitness, weights, 1, *a)),
        Mistake("all pairs of a generation have the same noise in yours: draw (pairs, d) numbers.",
                lambda *a: _climb(*a, noise="one pair")),
        Mistake("σ is in the noise twice: es_generation multiplies by it already.",
                lambda *a: _climb(*a, noise="scaled")),
        Mistake("you climb the loss: es_generation returns the gradient of the loss, so go against "
                "it.", lambda *a: _climb(*a, sign=1), lambda *a: _climb(*a, sign=1, noise="once")),
    ),
)  # fmt: skip


# ------------------------------------------------------------------------------- train, and race

ALLOWED = 600


def train_population(fitness, weights, allowed, seed):
    weights, optimizer = _adam(weights)
    rng, pairs = np.random.default_rng(seed), 4
    for _ in range(allowed // (2 * pairs)):
        noise = rng.normal(size=(pairs, len(weights)))
        members = mirrored_members(weights.numpy(), noise, 0.05)
        f = np.array([[fitness(member) for member in pair] for pair in members])
        shaped = centred_ranks(f.ravel()).reshape(f.shape)
        weights.grad = torch.from_numpy(es_gradient(shaped, noise, 0.05))
        optimizer.step()
    return weights.numpy()


def _adam(weights, lr=0.05):
    weights = torch.tensor(weights)
    return weights, torch.optim.Adam([weights], lr=lr)


def _population(rng, allowed=ALLOWED):
    fitness, seed = tiny.Counted(-1, allowed), int(rng.integers(1000))
    start = tiny.start(seed)
    return (fitness, start, allowed, seed), lambda weights: tiny.learned(weights, start, both=True)


TRAIN_POPULATION = Open(
    "train_population", TOPIC, points=3, kind="train",
    goal="train a spiking network with nothing but forward passes",
    reference=train_population, trial=_population, less=90, forward_only=True, seeded=True,
    marks=((0.75, 1), (0.85, 2), (0.92, 3)), wording="{:.0%} of unseen digits right".format,
    short=same_noise,
)  # fmt: skip

ROUNDS_AT_MOST = 20_000


def few_rounds(fitness, weights, seed):
    weights, optimizer = _adam(weights, lr=0.15)
    rng, pairs = np.random.default_rng(seed), 256
    for _ in range(14):
        noise = rng.normal(size=(pairs, len(weights)))
        members = mirrored_members(weights.numpy(), noise, 0.07)
        f = fitness(members.reshape(2 * pairs, -1))
        shaped = centred_ranks(f).reshape(pairs, 2)
        weights.grad = torch.from_numpy(es_gradient(shaped, noise, 0.07))
        optimizer.step()
    return weights.numpy()


def _rounds(rng):
    fitness, seed = tiny.Counted(-1, ROUNDS_AT_MOST), int(rng.integers(1000))
    score = fewest(0.9, tiny.accuracy, lambda: fitness.calls, "rounds")
    return (fitness, tiny.start(seed), seed), score


FEW_ROUNDS = Open(
    "few_rounds", TOPIC, points=3,
    goal="trade machines for time",
    reference=few_rounds, trial=_rounds, forward_only=True, seeded=True,
    marks=((-60, 1), (-30, 2), (-16, 3)),
    wording=lambda value: f"90 % in {-value:.0f} rounds", short=same_noise,
)  # fmt: skip
