"""Exercises of lesson 06 about ranks: with ties, in a generation, and with any table of weights."""

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lab.checks.evolution import TOPIC, es_gradient, mirrored_members, tenths
from course_lib import fitness as library

# ------------------------------------------------------------------------------- centred ranks


def centred_ranks(f):
    return library.centred_ranks(torch.as_tensor(f, dtype=torch.float64)).numpy()


def _scaled(rank):
    """How a mistake about ranks ends: as the right solution does."""
    return lambda f: rank(f) / (len(f) - 1) - 0.5


def _places(f, kind=None):
    return np.argsort(np.argsort(f, kind=kind), kind=kind)


def _worse(f):
    return (f[:, None] > f).sum(axis=1)


def _equal(f):
    return (f[:, None] == f).sum(axis=1)


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
    ],
    mistakes=(
        Mistake("you sorted once. argsort says which member stands at each place; asked is the "
                "place of each member.", _scaled(np.argsort)),
        Mistake("members that tie get different ranks, by the chance of where they stand in the "
                "list. They share the average of their places.", _scaled(_places)),
        Mistake("members that tie get different ranks, by the chance of where they stand in the "
                "list. They share the average of their places.",
                _scaled(lambda f: _places(f, "stable"))),
        Mistake("all that tie get the lowest of their places. They share the average.",
                _scaled(_worse)),
        Mistake("all that tie get the highest of their places. They share the average.",
                _scaled(lambda f: _worse(f) + _equal(f) - 1)),
        Mistake("you count the different values. Members that tie take up a place each: values "
                "above them come after all of these.",
                _scaled(lambda f: np.unique(f, return_inverse=True)[1])),
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
    return es_gradient(shape(sign * f), noise, sigma), loss(f, -fitness(weights))


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
                "by reshape(P, 2), not by way of (2, P).",
                lambda *a: _generation(
                    *a, shape=lambda f: centred_ranks(f.ravel()).reshape(2, -1).T)),
        Mistake("you rank losses. Ranks are of the fitness, larger is better; es_gradient has the "
                "minus.", lambda *a: _generation(*a, sign=-1)),
        Mistake("your second value is the mean fitness. The loss is minus the fitness.",
                lambda *a: _generation(*a, loss=lambda f, at_weights: f.mean())),
        Mistake("your second value is the loss at W itself, one more forward pass. Asked is the "
                "members' mean.",
                lambda *a: _generation(*a, loss=lambda f, at_weights: at_weights)),
        Mistake("your second value is the sum of the losses. Asked is the members' mean.",
                lambda *a: _generation(*a, loss=lambda f, at_weights: -f.sum())),
        Mistake("your second value is the mean of the ranks, which is always 0. Asked is that of "
                "the losses.", lambda *a: _generation(*a, loss=lambda f, at_weights: 0.0)),
        Mistake("you try the noise without the weights: members are W ± σE.",
                lambda *a: _generation(
                    *a, members=lambda w, e, s: mirrored_members(0 * w, e, s))),
        Mistake("the two are the wrong way round: return (gradient, loss).",
                lambda *a: _generation(*a)[::-1]),
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
    ],
    mistakes=(
        Mistake("values[np.argsort(f)] does the inverse: argsort says which member stands at a "
                "place, so it is shaped[np.argsort(f)] = values.",
                lambda f, v: v[np.argsort(f)]),
        Mistake("members that tie get different weights. They share the mean of what their places "
                "are worth.", lambda f, v: v[_places(f)]),
        Mistake("members that tie get different weights. They share the mean of what their places "
                "are worth.", lambda f, v: v[_places(f, "stable")]),
        Mistake("you look up the value of the average place. Asked is the average of the values of "
                "their places: the table is not straight.",
                lambda f, v: v[_average_place(f).astype(int)]),
        Mistake("you look up the value of the average place. Asked is the average of the values of "
                "their places: the table is not straight.",
                lambda f, v: np.interp(_average_place(f), np.arange(len(f)), v)),
        Mistake("all that tie get what the best of their places is worth. They share the mean.",
                lambda f, v: _shared(f, v, np.max)),
        Mistake("all that tie get what the worst of their places is worth. They share the mean.",
                lambda f, v: _shared(f, v, np.min)),
        Mistake("all that tie get the sum of what their places are worth. They share the mean.",
                lambda f, v: _shared(f, v, np.sum)),
        Mistake("the table begins with the worst place: the largest f gets the last value.",
                lambda f, v: _shared(-f, v)),
        Mistake("your result is sorted. It belongs to the members, in the order of f.",
                lambda f, v: np.sort(_shared(f, v))),
        Mistake("you put the values where argsort of argsort says. That is the place of each "
                "member: shaped[np.argsort(f)] = values, with one argsort.",
                lambda f, v: _shared(f, v, order=_places)),
    ),
)  # fmt: skip

EXERCISES = (CENTRED_RANKS, ES_GENERATION, RANK_WEIGHTS)
