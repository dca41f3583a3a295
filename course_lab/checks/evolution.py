"""Exercises of lesson 06: a population in mirrored pairs, its gradient, and of what it is one.

Those about ranks follow in ``shaping.py``.
"""

import math

import numpy as np

from course_lab.checks.engine.engine import Exercise, Mistake

TOPIC = "06_evolution_strategies"


def tenths(rng, *shape, size=1.0):
    """Normal numbers of one decimal, short enough to compute with by hand."""
    return np.round(rng.normal(0, size, shape), 1) + 0.0  # no −0


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
                lambda w, e, s: np.concatenate([w + s * e, w - s * e])),
        Mistake("that is a list of members, shape (2P, d). Give each pair a row: (P, 2, d).",
                lambda w, e, s: mirrored_members(w, e, s).reshape(-1, len(w))),
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
                lambda *a: _gradient(*a, pull=lambda f: f[:, 0])),
        Mistake("the second members of the pairs are missing: each pair counts f⁺ − f⁻.",
                lambda *a: _gradient(*a, count=len, pull=lambda f: f[:, 0])),
        Mistake("that is what each pair says. Asked is the sum over pairs, shape (d,).",
                lambda f, e, s: -(f[:, :1] - f[:, 1:]) * e / (f.size * s)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- smoothed staircase


def smoothed_slope(w, edges, jumps, sigma):
    z = (np.asarray(w)[:, None] - edges) / sigma
    return np.exp(-(z**2) / 2) @ jumps / (sigma * math.sqrt(2 * math.pi))


def _bells(w, edges, jumps, sigma, *, half=2, root=2 * math.pi, width=None, front=1):
    z = (w[:, None] - edges) / (sigma if width is None else width(sigma))
    return np.exp(-(z**2) / half) @ jumps / (sigma**front * math.sqrt(root))


def _smoothed(w, edges, jumps, sigma):
    z = (w[:, None] - edges) / sigma
    return np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)(z) @ jumps


SMOOTHED_SLOPE = Exercise(
    "smoothed_slope", TOPIC, points=2,
    goal="derive what evolution strategies estimate where there is no derivative",
    reference=smoothed_slope,
    cases=lambda rng: [
        (tenths(rng, n), np.sort(tenths(rng, k)), tenths(rng, k) + 0.25, sigma)
        for n, k, sigma in ((4, 3, 0.5), (2, 5, 0.8), (3, 1, 2.0))
    ],
    mistakes=(
        Mistake("the staircase itself has the slope 0. Asked is the slope of its mean over the "
                "noise: one bell for each step.", lambda w, e, j, s: 0 * w),
        Mistake("that is the smoothed fitness, a sum of jump · Φ. Asked is its slope: "
                "differentiate by w, and Φ becomes the bell φ.", _smoothed),
        Mistake("1/σ in front is missing: by the chain rule, the slope of Φ((w − e)/σ) is "
                "φ((w − e)/σ)/σ.", lambda *a: _bells(*a, front=0)),
        Mistake("you divide by σ twice: by the chain rule once.", lambda *a: _bells(*a, front=2)),
        Mistake("√(2π) is missing: φ(z) = exp(−z²/2)/√(2π), so that its area is 1.",
                lambda *a: _bells(*a, root=1)),
        Mistake("the root is missing: φ(z) = exp(−z²/2)/√(2π).",
                lambda *a: _bells(*a, root=(2 * math.pi) ** 2)),
        Mistake("the ½ in the exponent is missing: φ(z) = exp(−z²/2)/√(2π).",
                lambda *a: _bells(*a, half=1)),
        Mistake("σ is missing inside the bell: z = (w − e)/σ.",
                lambda *a: _bells(*a, width=lambda s: 1)),
        Mistake("σ is squared with the rest: z = (w − e)/σ, and the exponent is −z²/2.",
                lambda *a: _bells(*a, width=math.sqrt)),
        Mistake("in yours every step is 1 high: each bell counts as much as its jump.",
                lambda w, e, j, s: smoothed_slope(w, e, np.ones_like(j), s)),
        Mistake("you take the mean over the steps. Their bells add up.",
                lambda w, e, j, s: smoothed_slope(w, e, j, s) / len(e)),
        Mistake("the sign is turned round: f is a fitness, and a jump up gives a positive slope.",
                lambda w, e, j, s: -smoothed_slope(w, e, j, s)),
    ),
)  # fmt: skip

EXERCISES = (MIRRORED_MEMBERS, ES_GRADIENT, SMOOTHED_SLOPE)
