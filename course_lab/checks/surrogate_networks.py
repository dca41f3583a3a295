"""Exercises of lesson 03, second part: who learns, what is kept, and the gradient of a layer."""

import math

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lab.checks.surrogates import TOPIC, blame, run, surrogate_slope
from course_lib.estimators.surrogate import fast_sigmoid, surrogate_spike
from course_lib.lif import LIFParameters, lif_run

# ------------------------------------------------------------------------------- dead neurons


def dead_and_lost(u, k, floor):
    dead = (u <= 0).all(axis=(0, 1))
    lost = dead & (surrogate_slope(u, k).max(axis=(0, 1)) < floor)
    return dead.mean(), lost.mean()


def _census(silent=np.less_equal, of=np.all, best=np.max, both=True, over="all"):
    def census(u, k, floor):
        dead = of(silent(u, 0), axis=(0, 1))
        lost = best(surrogate_slope(u, k), axis=(0, 1)) < floor
        lost = dead & lost if both else lost
        return dead.mean(), lost.sum() / (dead.sum() if over == "dead" else dead.size)

    return census


def _layer(rng, k, floor, kinds):
    """u (3, 2, N) of neurons that fire "often", or only far "above" the threshold; or that are dead
    and once come "near" the threshold, once "rest" on it, or are "lost"."""
    edge = (1 / math.sqrt(floor) - 1) / k  # ψ(u) is at least the floor where |u| is at most this
    u = -edge * rng.uniform(1.2, 3, (3, 2, len(kinds)))
    for n, kind in enumerate(rng.permutation(kinds)):
        moment = rng.integers(3), rng.integers(2), n
        u[moment] = edge * {"often": 0.5, "above": 2, "near": -0.6, "rest": 0, "lost": -1.5}[kind]
        if kind == "often":
            u[rng.permutation(3)[:2], :, n] *= -1
    return np.round(u, 2), k, floor


DEAD_AND_LOST = Exercise(
    "dead_and_lost", TOPIC, points=2,
    goal="tell silent neurons that can still learn from those that cannot",
    reference=dead_and_lost,
    cases=lambda rng: [
        _layer(rng, *case)
        for case in ((5, 0.02, ("often", "near", "near", "lost")),
                     (10, 0.01, ("often", "above", "near", "lost", "lost")),
                     (2, 0.1, ("often", "above", "rest", "lost", "lost", "lost")))
    ],
    mistakes=(
        Mistake("you count moments. A neuron is dead if it never fires, at no step of no "
                "recording: (u <= 0).all(axis=(0, 1)), then the mean over neurons.",
                lambda u, k, c: ((u <= 0).mean(), ((u <= 0) & (surrogate_slope(u, k) < c)).mean())),
        Mistake("a neuron that is silent in one recording may fire in another. Ask all steps and "
                "all recordings: axis=(0, 1).",
                lambda u, k, c: ((u <= 0).all(0).mean(),
                                 ((u <= 0).all(0) & (surrogate_slope(u, k).max(0) < c)).mean())),
        Mistake("silent at some moment is what every neuron is. Dead means at all of them: all, "
                "not any.", _census(of=np.any)),
        Mistake("at u = 0 a neuron is silent too: the spike asks for u > 0.",
                _census(silent=np.less)),
        Mistake("a neuron that fires is not lost, however far above the threshold it is: lost "
                "neurons are dead ones.", _census(both=False)),
        Mistake("you compare the mean of ψ with the floor. One moment near the threshold is "
                "enough: the largest ψ.", _census(best=np.mean)),
        Mistake("you compare the smallest ψ with the floor. One moment near the threshold is "
                "enough: the largest ψ.", _census(best=np.min)),
        Mistake("your second share is that of the dead. Both are shares of all neurons.",
                _census(over="dead")),
        Mistake("the first is the share that is alive. Asked is the share of the dead.",
                lambda *a: (1 - dead_and_lost(*a)[0], dead_and_lost(*a)[1])),
        Mistake("you return numbers of neurons. Asked are shares, between 0 and 1.",
                lambda u, *a: tuple(u.shape[2] * share for share in dead_and_lost(u, *a))),
        Mistake("the two are the wrong way round: return (dead, lost).",
                lambda *a: dead_and_lost(*a)[::-1]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- memory


def numbers_kept(steps, batch, neurons, segment):
    return batch * neurons * (math.ceil(steps / segment) + 3 * segment)


def _kept(segments=lambda T, S: math.ceil(T / S), arrays=3, size=lambda B, N: B * N, factor=1):
    return lambda T, B, N, S: factor * size(B, N) * (segments(T, S) + arrays * S)


NUMBERS_KEPT = Exercise(
    "numbers_kept", TOPIC, points=2,
    goal="count the memory of a backward pass, and trade it for time",
    reference=numbers_kept,
    cases=lambda rng: [
        (100, 16, 64, 100), (100, 16, 64, 10), (100, 2, 8, 30), (50, 4, 3, 1),
        *[(segment * int(rng.integers(3, 9)) + 1, int(rng.integers(2, 20)),
           int(rng.integers(3, 90)), segment) for segment in (7, 12)],
    ],
    mistakes=(
        Mistake("you round down. The last segment may be shorter, but it has a start to be kept "
                "as well: round up.", _kept(lambda T, S: T // S)),
        Mistake("the number of segments is whole: round T / S up.", _kept(lambda T, S: T / S)),
        Mistake("you add a segment where T / S is whole already: ⌈T / S⌉, not ⌊T / S⌋ + 1.",
                _kept(lambda T, S: T // S + 1)),
        Mistake("the start of the first segment is kept too: there are as many starts as segments.",
                _kept(lambda T, S: math.ceil(T / S) - 1)),
        Mistake("the voltages at the starts of the segments are missing: one for each neuron, "
                "recording and segment.", _kept(lambda T, S: 0)),
        Mistake("inside a segment you count one array a step. Kept are three: u, 1 − s and s.",
                _kept(arrays=1)),
        Mistake("of a segment's start only the voltage is kept, one array. You count three.",
                lambda T, B, N, S: 3 * B * N * (math.ceil(T / S) + S)),
        Mistake("you keep three arrays of every step. When a segment is done its arrays are "
                "forgotten: count one segment.",
                lambda T, B, N, S: B * N * (math.ceil(T / S) + 3 * T)),
        Mistake("you multiply. Starts and the arrays of a segment are kept side by side: add.",
                lambda T, B, N, S: B * N * math.ceil(T / S) * 3 * S),
        Mistake("each recording has voltages of its own: multiply by the batch.",
                _kept(size=lambda B, N: N)),
        Mistake("each neuron has numbers of its own: multiply by the neurons.",
                _kept(size=lambda B, N: B)),
        Mistake("you return bytes. Asked are numbers.", _kept(factor=8)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a layer's gradient


def weight_gradient(frames, weight, errors, k, beta, threshold):
    leaf = torch.tensor(np.asarray(weight), dtype=torch.float64, requires_grad=True)
    currents = torch.as_tensor(np.asarray(frames, dtype=float)) @ leaf.T
    spike = surrogate_spike(lambda distance: fast_sigmoid(distance, k))
    spikes, _ = lif_run(currents, LIFParameters(beta, threshold), spike, keep_voltages=False)
    (spikes * torch.as_tensor(np.asarray(errors))).sum().backward()
    return leaf.grad.numpy()


def _layers(x, W, e, k, beta, theta, *, after=False, minus=True, sign=1, over="", pair="same",
            reset="zero", keep=False, fires=np.greater, back=None):  # fmt: skip
    u, s = run(x @ W.T, beta, theta, reset, keep, fires)
    seen = (u + theta) * (1 - s) - theta if after else u if minus else u + theta
    delta = (back or blame)(e, seen, s, k, beta)
    x = {"same": x, "late": np.concatenate([0 * x[:1], x[:-1]])}.get(pair, x)
    if pair == "trace":
        x = np.array([sum(beta ** (t - i) * x[i] for i in range(t + 1)) for t in range(len(x))])
    if pair == "apart":
        delta, x = delta.sum(0, keepdims=True), x.sum(0, keepdims=True)
    count = {"": 1, "B": x.shape[1], "T": len(x)}[over]
    return sign * np.einsum("tbn,tbd->nd", delta, x) / count


def _threshold(subtracted, added):
    """A layer whose forward run has its threshold in one of two places, or in none."""

    def gradient(x, W, e, k, beta, theta):
        u, s, v = np.zeros_like(e), np.zeros_like(e), 0.0
        for t, current in enumerate(x @ W.T):
            u[t] = beta * v + current - subtracted * theta
            s[t] = u[t] > 0
            v = (u[t] + added * theta) * (1 - s[t])
        return np.einsum("tbn,tbd->nd", blame(e, u, s, k, beta), x)

    return gradient


def _with(**options):
    return lambda *a: blame(*a, **options)


def _sequence(rng, steps, batch, k, beta, threshold):
    """0/1 inputs, and weights with which neuron 0 fires at the second step, and neuron 1 is exactly
    at its threshold at the first."""
    x = (rng.random((steps, batch, 2)) < 0.6).astype(float)
    x[0], x[1] = (1, 0), 1
    W = np.round(rng.uniform(0.2, 0.5, (3, 2)) * threshold, 2)
    W[0], W[1, 0] = np.round((0.6 * threshold, 0.7 * threshold), 2), threshold
    return x, W, np.round(rng.normal(size=(steps, batch, 3)), 1) + 0.0, k, beta, threshold


WEIGHT_GRADIENT = Exercise(
    "weight_gradient", TOPIC, points=3,
    goal="backpropagate through a layer of spiking neurons by hand",
    reference=weight_gradient,
    cases=lambda rng: [
        _sequence(rng, *case)
        for case in ((4, 1, 5.0, 0.9, 1.0), (5, 2, 2.0, 0.5, 0.7), (4, 3, 10.0, 0.8, 1.3))
    ],
    mistakes=(
        Mistake("you use the error of the same step only. Blame for later steps goes back "
                "through the voltage: δ from lif_backward, not e ψ.",
                lambda *a: _layers(*a, back=lambda e, u, s, k, b: e * surrogate_slope(u, k))),
        Mistake("a δ is multiplied with the input one step before. Input and voltage of one step "
                "belong together: δ[t] x[t].", lambda *a: _layers(*a, pair="late")),
        Mistake("you multiply by a trace of inputs. δ holds the leak over time already: "
                "δ[t] x[t].", lambda *a: _layers(*a, pair="trace")),
        Mistake("you add up over time first and multiply then. Multiply δ[t] and x[t] of the same "
                "step, then add.", lambda *a: _layers(*a, pair="apart")),
        Mistake("you take ψ of the voltage after the reset. u is the distance before it.",
                lambda *a: _layers(*a, after=True)),
        Mistake("u is the distance to the threshold: subtract θ.",
                lambda *a: _layers(*a, minus=False)),
        Mistake("you fire at u ≥ 0. The threshold must be passed: u > 0.",
                lambda *a: _layers(*a, fires=np.greater_equal)),
        Mistake("you hand the distance on, v = u(1 − s). The voltage goes on: v = (u + θ)(1 − s).",
                _threshold(1, 0)),
        Mistake("θ is missing forwards: u[t] = β v[t − 1] + x[t] Wᵀ − θ.", _threshold(0, 0)),
        Mistake("θ is missing forwards: u[t] = β v[t − 1] + x[t] Wᵀ − θ.", _threshold(0, 1)),
        Mistake("forwards, neurons are never set back: v = (u + θ)(1 − s).",
                lambda *a: _layers(*a, keep=True)),
        Mistake("you subtract θ at a spike. These neurons are reset to zero: v = (u + θ)(1 − s).",
                lambda *a: _layers(*a, reset="subtract")),
        Mistake("you subtract θ at a spike. These neurons are reset to zero: v = (u + θ)(1 − s).",
                lambda *a: _layers(*a, reset="subtract", back=_with(wall="1"))),
        Mistake("the wall is missing on the way back: the factor 1 − s[t] of the reset to zero.",
                lambda *a: _layers(*a, back=_with(wall="1"))),
        Mistake("you divide by the batch. The errors hold that factor already: add recordings up.",
                lambda *a: _layers(*a, over="B")),
        Mistake("you take the mean over time. A weight acts at every step: sum over t.",
                lambda *a: _layers(*a, over="T")),
        Mistake("that is the direction of the change. Asked is the gradient, without the minus.",
                lambda *a: _layers(*a, sign=-1)),
        Mistake("your result is transposed: like the weights, it has the shape (N, D).",
                lambda *a: _layers(*a).T),
    ),
)  # fmt: skip

EXERCISES = (DEAD_AND_LOST, NUMBERS_KEPT, WEIGHT_GRADIENT)
