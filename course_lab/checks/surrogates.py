"""Exercises of lesson 03: the slope of a spike, blame on its way back in time, who learns."""

import math

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Exercise, Mistake, Part
from course_lab.checks.engine.open import Open, demand
from course_lab.checks.engine.slopes import Limited
from course_lib.estimators.surrogate import fast_sigmoid, surrogate_spike
from course_lib.lif import LIFParameters, lif_run

TOPIC = "03_surrogates"

# ------------------------------------------------------------------------------- true slopes


def true_gradient(w1, w2, threshold, target):
    s = float(w1 > threshold)
    return 0.0, (w2 * s - target) * s + 0.0  # no −0


def _slopes(g1="0", g2="s", sign=1, factor=1, fires=np.greater, y=lambda w2, s: w2 * s):
    def slopes(w1, w2, threshold, target):
        s = float(fires(w1, threshold))
        miss = factor * sign * (y(w2, s) - target)
        first = {"0": 0.0, "w2": miss * w2, "w2 s": miss * w2 * s}[g1]
        return first, miss * {"s": s, "1": 1.0, "w1": w1, "0": 0.0}[g2]

    return slopes


TRUE_GRADIENT = Exercise(
    "true_gradient", TOPIC, points=1,
    goal="apply the chain rule through a spike, and see where it is cut",
    reference=true_gradient,
    cases=lambda rng: [
        (w1, w2, threshold, round(rng.uniform(0.6, 1.9), 1))
        for w1, w2, threshold in ((0.4, 0.5, 1.0), (1.6, 2.5, 1.0), (0.9, 3.0, 0.6),
                                  (1.4, -0.5, 1.7))
    ] + [at("w₁ is exactly θ", 1.0, 2.0, 1.0, round(rng.uniform(0.6, 1.9), 1)),
         at("w₁ is far below 0", -1.6, 1.5, 1.0, 0.7)],
    boundary=Boundary("the neuron fires and w₂ is negative",
                      lambda rng: [(1.5, round(-rng.uniform(0.5, 2), 1), 1.0, 0.7)]),
    mistakes=(
        Mistake("you let the slope of the spike be 1. The step is flat on both sides of the "
                "threshold, so ∂s/∂w₁ = 0 wherever it exists.", _slopes(g1="w2")),
        Mistake("you take s for the slope of the spike. That is its height; its slope is 0 where "
                "it fires as well.", _slopes(g1="w2 s")),
        Mistake("only the way to w₁ leads through the spike. w₂ acts after it: "
                "∂L/∂w₂ = (y − target) ∂y/∂w₂.", _slopes(g2="0")),
        Mistake("the factor s is missing: y = w₂ s, so ∂y/∂w₂ = s. A silent neuron teaches its "
                "readout nothing.", _slopes(g2="1")),
        Mistake("what w₂ multiplies is the spike s, not the input weight w₁.", _slopes(g2="w1")),
        Mistake("the sign is turned round: the slope of ½ (y − target)² is y − target.",
                _slopes(sign=-1)),
        Mistake("the ½ is gone: the slope of ½ (y − target)² is y − target, once.",
                _slopes(factor=2)),
        Mistake("you fire at w₁ ≥ θ. The threshold must be passed: w₁ > θ.",
                _slopes(fires=np.greater_equal)),
        Mistake("the neuron fires above θ. In yours it fires above 0.",
                _slopes(fires=lambda w1, threshold: w1 > 0)),
        Mistake("a spike is 1 high. In yours it is as high as w₁.",
                lambda w1, w2, threshold, target: (
                    0.0, (w2 * w1 - target) * w1 * (w1 > threshold))),
        Mistake("you compare the spike with the wish. What is wished for is y, and y = w₂ s.",
                _slopes(y=lambda w2, s: s)),
        Mistake("the two are the wrong way round: return (∂L/∂w₁, ∂L/∂w₂).",
                lambda *a: true_gradient(*a)[::-1]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- surrogate


def surrogate_slope(u, k):
    return fast_sigmoid(torch.as_tensor(u), k).numpy()


SURROGATE_SLOPE = Exercise(
    "surrogate_slope", TOPIC, points=1,
    goal="put a smooth slope in the place of one that is zero",
    reference=surrogate_slope,
    cases=lambda rng: [
        (np.append(np.round(rng.uniform(0.1, 0.9, 4) * (1, -1, 1, -1), 2), 0.0), k)
        for k in (5.0, 10.0, 0.5)
    ] + [at("distances are whole numbers", np.array([-2, 0, 1, 3]), 0.5)],
    boundary=Boundary("u has more than one axis", lambda rng: [(tenths(rng, 2, 3), 4.0)]),
    mistakes=(
        Mistake("the square is missing: ψ(u) = 1/(1 + k|u|)².",
                lambda u, k: 1 / (1 + k * np.abs(u))),
        Mistake("the bars are missing: only the distance |u| counts, on both sides of the "
                "threshold.", lambda u, k: 1 / (1 + k * u) ** 2),
        Mistake("you square u alone. The whole bracket is squared: (1 + k|u|)².",
                lambda u, k: 1 / (1 + k * u**2)),
        Mistake("you square k|u| alone. The whole bracket is squared: (1 + k|u|)².",
                lambda u, k: 1 / (1 + (k * u) ** 2)),
        Mistake("k is missing: it multiplies |u|.", lambda u, k: 1 / (1 + np.abs(u)) ** 2),
        Mistake("that is the smooth step u/(1 + k|u|). Asked is its slope.",
                lambda u, k: u / (1 + k * np.abs(u))),
        Mistake("that is the slope of a step k times as high. With u/(1 + k|u|) the slope at u = 0 "
                "is 1 for every k.", lambda u, k: k / (1 + k * np.abs(u)) ** 2),
        Mistake("that is the slope of a step from 0 to 1. With u/(1 + k|u|) the slope at u = 0 is "
                "1 for every k.", lambda u, k: k / 2 / (1 + k * np.abs(u)) ** 2),
        Mistake("that is the true slope of the spike, 0. Asked is the one invented in its place.",
                lambda u, k: 0 * u),
        Mistake("those are the spikes. Asked is the slope that the backward pass takes for them.",
                lambda u, k: (u > 0) * 1.0),
        Mistake("in yours the slope has the sign of u. ψ is positive on both sides of the "
                "threshold.", lambda u, k: np.sign(u) / (1 + k * np.abs(u)) ** 2),
        Mistake("in yours only neurons above the threshold have a slope. Those below it need one "
                "to wake up: ψ is as large on both sides.",
                lambda u, k: np.where(u > 0, surrogate_slope(u, k), 0),
                lambda u, k: np.where(u >= 0, surrogate_slope(u, k), 0)),
        Mistake("k stands in the numerator. It belongs to |u|: 1/(1 + k|u|)².",
                lambda u, k: k / (1 + np.abs(u)) ** 2, lambda u, k: k / (1 + np.abs(u))),
        Mistake("k multiplies |u|; in yours it is an exponent.",
                lambda u, k: 1 / (1 + np.abs(u) ** k) ** 2),
        Mistake("the quotient rule has lost a sign: |u| has the slope −1 below the threshold, "
                "and u times that slope is |u|.",
                lambda u, k: (1 + k * np.abs(u) - k * u) / (1 + k * np.abs(u)) ** 2),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- back in time


def run(currents, beta, threshold, reset="zero", keep=False, fires=np.greater):
    """Distances u and spikes s, both (T, ...), of currents (T, ...); keep: neurons never reset."""
    u, s, v = np.zeros_like(currents), np.zeros_like(currents), 0.0
    for t, current in enumerate(currents):
        u[t] = beta * v + current - threshold
        s[t] = fires(u[t], 0)
        v = u[t] + threshold
        v = v if keep else v * (1 - s[t]) if reset == "zero" else v - threshold * s[t]
    return u, s


def lif_backward(g, u, s, k, beta):
    psi, delta, later = surrogate_slope(u, k), np.zeros(u.shape), 0.0
    for t in reversed(range(len(g))):
        later = delta[t] = g[t] * psi[t] + beta * (1 - s[t]) * later
    return delta


def blame(g, u, s, k, beta, *, wall="1-s", leak="later", psi="own", source="delta", forward=False):
    """lif_backward, with what people get wrong as options."""
    slope, delta, later = surrogate_slope(u, k), np.zeros(u.shape), 0.0
    after = np.concatenate([s[1:], 0 * s[:1]])  # s[t+1]
    through = {"1-s": 1 - s, "1": 1 + 0 * s, "s": s, "1-s[t+1]": 1 - after}[wall]
    for t in range(len(g)) if forward else reversed(range(len(g))):
        own = g[t] if psi in ("none", "both") else g[t] * slope[t]
        back = through[t] * later * (1 if leak == "none" else beta)
        delta[t] = (beta * own if leak == "both" else own) + back
        delta[t] *= slope[t] if psi == "both" else 1
        later = {"delta": delta[t], "own": own, "g": g[t]}[source]
    return delta


def _neurons(rng, steps, neurons, beta, threshold):
    """u and s of neurons that each fire, not at the ends only, and errors of both signs."""
    currents = np.round(rng.uniform(0.1, 0.6, (steps, neurons)) * threshold, 2)
    fires = 1 + np.arange(neurons) % (steps - 2)
    currents[fires, np.arange(neurons)] = 1.2 * threshold
    u, s = run(currents, beta, threshold)
    return np.round(rng.uniform(0.3, 2, u.shape) * rng.choice((-1, 1), u.shape), 1), u, s


def _whole_spikes(g, u, s):
    return g, u, s.astype(int)


LIF_BACKWARD = Exercise(
    "lif_backward", TOPIC, points=2,
    goal="unroll the chain rule over time, from the last step to the first",
    reference=lif_backward,
    cases=lambda rng: [
        (*_neurons(rng, steps, neurons, beta, threshold), k, beta)
        for steps, neurons, k, beta, threshold in (
            (4, 1, 5.0, 0.9, 1.0), (4, 2, 2.0, 0.5, 1.5), (6, 2, 10.0, 0.8, 0.7))
    ] + [at("a distance is exactly 0", tenths(rng, 3, 1) + 3,
            np.array([[-0.3], [0.0], [-0.2]]), np.zeros((3, 1)), 2.0, 0.9),
         at("spikes are whole numbers", *_whole_spikes(*_neurons(rng, 5, 2, 0.9, 1.0)), 5.0, 0.9)],
    parts=(Part("distances that are whole numbers", lambda rng: [
        (tenths(rng, 3, 2) + 3, np.array([[-1, 0], [1, -2], [-1, 1]]),
         np.array([[0, 0], [1, 0], [0, 1]]), 2.0, 0.5)]),),
    boundary=Boundary("there is one step alone (T = 1)", lambda rng: [
        (tenths(rng, 1, 3), np.array([[0.4, -0.3, -0.1]]), np.array([[1.0, 0.0, 0.0]]), 5.0, 0.9)]),
    mistakes=(
        Mistake("blame does not travel in time in yours: add β (1 − s[t]) c[t+1].",
                lambda g, u, s, k, beta: g * surrogate_slope(u, k)),
        Mistake("you go forward. Start at the last step: c[t] needs c[t+1].",
                lambda *a: blame(*a, forward=True)),
        Mistake("the last step, t = T − 1, has no blame in yours: reversed(range(T - 1)) begins at "
                "T − 2. Write reversed(range(T)).",
                lambda g, u, s, k, beta: np.concatenate(
                    [lif_backward(g[:-1], u[:-1], s[:-1], k, beta), 0 * u[-1:]])),
        Mistake("your result runs from the last step to the first. Turn it round, or fill "
                "c[t] in place.", lambda *a: lif_backward(*a)[::-1]),
        Mistake("the wall is missing: after a reset to zero nothing of u[t] is left, so blame is "
                "cut by the factor 1 − s[t].", lambda *a: blame(*a, wall="1")),
        Mistake("the wall is one step off: a spike at t cuts the way from u[t] to u[t+1], the "
                "factor is 1 − s[t].", lambda *a: blame(*a, wall="1-s[t+1]")),
        Mistake("blame passes where the neuron fired and stops where it did not: the factor is "
                "1 − s[t].", lambda *a: blame(*a, wall="s")),
        Mistake("β is missing: of v[t] the next step keeps the share β.",
                lambda *a: blame(*a, leak="none")),
        Mistake("β multiplies the step's own blame too. Only what comes from t + 1 leaked.",
                lambda *a: blame(*a, leak="both")),
        Mistake("ψ multiplies what comes back from t + 1 too. That way leads through the voltage, "
                "not through the spike.", lambda *a: blame(*a, psi="both")),
        Mistake("ψ is missing: the step's own blame is g[t] ψ(u[t]).",
                lambda *a: blame(*a, psi="none")),
        Mistake("you look one step ahead only. c[t+1] holds all later blame: hand c[t] on, not "
                "g[t] ψ(u[t]).", lambda *a: blame(*a, source="own")),
        Mistake("you hand g[t] on to the step before. It is c[t] that goes back.",
                lambda *a: blame(*a, source="g")),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- dead neurons


def dead_and_lost(u, k, floor):
    dead = (u <= 0).all(axis=(0, 1))
    lost = dead & (surrogate_slope(u, k).max(axis=(0, 1)) < floor)
    return dead.mean(), lost.mean()


def _census(silent=np.less_equal, of=np.all, best=np.max, both=True, over="all", low=np.less):
    def census(u, k, floor):
        dead = of(silent(u, 0), axis=(0, 1))
        lost = low(best(surrogate_slope(u, k), axis=(0, 1)), floor)
        lost = dead & lost if both else lost
        return dead.mean(), lost.sum() / (dead.sum() if over == "dead" else dead.size)

    return census


def _dead_by_its_mean(u, k, floor):
    dead = u.mean(axis=(0, 1)) <= 0
    return dead.mean(), (dead & (surrogate_slope(u, k).max(axis=(0, 1)) < floor)).mean()


def _layer(rng, k, floor, kinds):
    """u (3, 2, N) of neurons that fire "often", or only far "above" the threshold; or that are dead
    and once come "near" the threshold, or only just so ("close"), once "rest" on it, or are
    "lost"."""
    edge = (1 / math.sqrt(floor) - 1) / k  # ψ(u) is at least the floor where |u| is at most this
    u = -edge * rng.uniform(1.2, 3, (3, 2, len(kinds)))
    for n, kind in enumerate(rng.permutation(kinds)):
        moment = rng.integers(3), rng.integers(2), n
        u[moment] = edge * {"often": 0.5, "above": 2, "near": -0.6, "close": -0.95, "rest": 0,
                            "lost": -1.5}[kind]
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
    ] + [at("a neuron's best moment is one of one recording",
            *_layer(rng, 5, 0.02, ("often", "close", "lost"))),
         at("a neuron's largest slope is exactly the floor",
            rng.permutation([[[-1.0, -3.0, 0.5]], [[-3.0, -3.0, -2.0]]]), 1.0, 0.25)],
    boundary=Boundary("no neuron is dead",
                      lambda rng: [_layer(rng, 5, 0.02, ("often", "above", "often"))]),
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
                "neurons are dead ones.", _census(both=False),
                lambda u, k, c: (dead_and_lost(u, k, c)[0],
                                 (surrogate_slope(u.max(axis=(0, 1)), k) < c).mean())),
        Mistake("a slope of exactly the floor is not below it. Lost is who stays below.",
                _census(low=np.less_equal)),
        Mistake("you compare the mean of ψ with the floor. One moment near the threshold is "
                "enough: the largest ψ.", _census(best=np.mean)),
        Mistake("you compare the smallest ψ with the floor. One moment near the threshold is "
                "enough: the largest ψ.", _census(best=np.min)),
        Mistake("your second share is that of the dead. Both are shares of all neurons.",
                _census(over="dead")),
        Mistake("the first is the share that is alive. Asked is the share of the dead.",
                lambda *a: (1 - dead_and_lost(*a)[0], dead_and_lost(*a)[1])),
        Mistake("you ask about steps: axis=(1, 2) takes recordings and neurons together. A neuron "
                "is dead or lost, over all steps and recordings: axis=(0, 1).",
                lambda u, *a: dead_and_lost(np.moveaxis(u, 0, 2), *a)),
        Mistake("you ask whether the mean distance is below 0. One moment above 0, and the neuron "
                "has fired: all of them have to be ≤ 0.",
                _dead_by_its_mean),
        Mistake("you look at the first recording alone. A neuron is dead if it is silent in all.",
                lambda u, *a: dead_and_lost(u[:, :1], *a)),
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
        (100, 16, 64, 10), (100, 2, 8, 30), (100, 2, 8, 35), (50, 4, 3, 1),
        *[(segment * int(rng.integers(3, 9)) + 1, int(rng.integers(2, 20)),
           int(rng.integers(3, 90)), segment) for segment in (7, 12)],
    ],
    boundary=Boundary("one segment holds all steps (S = T)",
                      lambda rng: [(100, 16, int(rng.integers(9, 90)), 100)]),
    mistakes=(
        Mistake("a start is missing where the last segment is shorter. It is kept as well: round "
                "T / S up. And to the end: starts are not let go on the way back.",
                _kept(lambda T, S: T // S)),
        Mistake("the number of segments is whole: round T / S up.", _kept(lambda T, S: T / S)),
        Mistake("you round T / S to the nearest number. However short the last segment is, its "
                "start is kept: round up.", _kept(lambda T, S: round(T / S))),
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
        Mistake("a start has a voltage for each neuron and recording, too: the factor B · N.",
                lambda T, B, N, S: math.ceil(T / S) + B * N * 3 * S),
        Mistake("you take the larger of the two. Starts and the arrays of a segment are kept at "
                "the same time: add.", lambda T, B, N, S: B * N * max(math.ceil(T / S), 3 * S)),
        Mistake("each recording has voltages of its own: multiply by the batch.",
                _kept(size=lambda B, N: N)),
        Mistake("each neuron has numbers of its own: multiply by the neurons.",
                _kept(size=lambda B, N: B)),
        Mistake("you return bytes. Asked are numbers.", _kept(factor=8)),
        Mistake("you count the inside of the last segment, which may be shorter. Most is kept in "
                "a whole one.",
                lambda T, B, N, S: B * N * (math.ceil(T / S) + 3 * (T % S or S))),
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


def _layers(x, W, g, k, beta, theta, *, after=False, minus=True, sign=1, over="", pair="same",
            reset="zero", keep=False, fires=np.greater, back=None):  # fmt: skip
    u, s = run(x @ W.T, beta, theta, reset, keep, fires)
    seen = (u + theta) * (1 - s) - theta if after else u if minus else u + theta
    delta = (back or blame)(g, seen, s, k, beta)
    x = {"same": x, "late": np.concatenate([0 * x[:1], x[:-1]])}.get(pair, x)
    if pair == "trace":
        x = np.array([sum(beta ** (t - i) * x[i] for i in range(t + 1)) for t in range(len(x))])
    if pair == "last":
        delta, x = delta[-1:], x[-1:]
    if pair == "apart":
        delta, x = delta.sum(0, keepdims=True), x.sum(0, keepdims=True)
    count = {"": 1, "B": x.shape[1], "T": len(x)}[over]
    return sign * np.einsum("tbn,tbd->nd", delta, x) / count


def _threshold(subtracted, added):
    """A layer whose forward run has its threshold in one of two places, or in none."""

    def gradient(x, W, g, k, beta, theta):
        u, s, v = np.zeros_like(g), np.zeros_like(g), 0.0
        for t, current in enumerate(x @ W.T):
            u[t] = beta * v + current - subtracted * theta
            s[t] = u[t] > 0
            v = (u[t] + added * theta) * (1 - s[t])
        return np.einsum("tbn,tbd->nd", blame(g, u, s, k, beta), x)

    return gradient


def _without_memory(x, W, g, k, beta, theta):
    u = x @ W.T - theta
    return np.einsum("tbn,tbd->nd", blame(g, u, (u > 0) * 1.0, k, beta), x)


def _with(**options):
    return lambda *a: blame(*a, **options)


def _sequence(rng, steps, batch, k, beta, threshold):
    """0/1 inputs, and weights with which neuron 0 fires at the second step, and neuron 1 is exactly
    at its threshold at the first."""
    x = (rng.random((steps, batch, 2)) < 0.6).astype(float)
    x[0], x[1] = (1, 0), 1
    W = np.round(rng.uniform(0.2, 0.5, (3, 2)) * threshold, 2)
    W[0], W[1, 0] = np.round((0.6 * threshold, 0.7 * threshold), 2), threshold
    return x, W, tenths(rng, steps, batch, 3), k, beta, threshold


WEIGHT_GRADIENT = Exercise(
    "weight_gradient", TOPIC, points=3,
    goal="backpropagate through a layer of spiking neurons by hand",
    reference=weight_gradient,
    cases=lambda rng: [
        *[_sequence(rng, *case)
          for case in ((4, 1, 5.0, 0.9, 1.0), (5, 2, 2.0, 0.5, 0.7), (4, 3, 10.0, 0.8, 1.3))],
        at("weights are negative", rng.integers(1, 3, (4, 2, 2)) / 2.0,
           -np.round(rng.uniform(0.8, 1.5, (3, 2)), 2), tenths(rng, 4, 2, 3), 5.0, 0.9, 0.6),
        at("inputs are whole numbers", rng.integers(0, 3, (4, 2, 2)),
           np.round(rng.uniform(0.2, 0.6, (3, 2)), 2), tenths(rng, 4, 2, 3), 5.0, 0.9, 0.8),
    ],
    boundary=Boundary("there are as many neurons as inputs (N = D)", lambda rng: [
        (*(a[..., :2, :] if k == 1 else a[..., :2] for k, a in enumerate(case[:3])), *case[3:])
        for case in [_sequence(rng, 4, 3, 5.0, 0.9, 1.0)]]),
    mistakes=(
        Mistake("you use the error of the same step only. Blame for later steps goes back "
                "through the voltage: c from lif_backward, not g ψ.",
                lambda *a: _layers(*a, back=lambda g, u, s, k, b: g * surrogate_slope(u, k))),
        Mistake("the blame is multiplied with the input one step before. Input and voltage of "
                "one step belong together: c[t] x[t].", lambda *a: _layers(*a, pair="late")),
        Mistake("you multiply by a trace of inputs. c holds the leak over time already: "
                "c[t] x[t].", lambda *a: _layers(*a, pair="trace")),
        Mistake("you add up over time first and multiply then. Multiply c[t] and x[t] of the same "
                "step, then add.", lambda *a: _layers(*a, pair="apart")),
        Mistake("you take ψ of the voltage after the reset. u is the distance before it.",
                lambda *a: _layers(*a, after=True)),
        Mistake("u is the distance to the threshold: subtract θ.",
                lambda *a: _layers(*a, minus=False)),
        Mistake("you fire at u ≥ 0. The threshold must be passed: u > 0.",
                lambda *a: _layers(*a, fires=np.greater_equal)),
        Mistake("you hand the distance on, v = u(1 − s). The voltage goes on: v = (u + θ)(1 − s).",
                _threshold(1, 0)),
        Mistake("θ is missing forwards: u[t] = β v[t − 1] + x[t] Wᵀ − θ.", _threshold(0, 0),
                _threshold(0, 1)),
        Mistake("forwards, neurons are never set back: v = (u + θ)(1 − s).",
                lambda *a: _layers(*a, keep=True)),
        Mistake("you subtract θ at a spike. These neurons are reset to zero: v = (u + θ)(1 − s).",
                lambda *a: _layers(*a, reset="subtract"),
                lambda *a: _layers(*a, reset="subtract", back=_with(wall="1"))),
        Mistake("the wall is missing on the way back: the factor 1 − s[t] of the reset to zero.",
                lambda *a: _layers(*a, back=_with(wall="1"))),
        Mistake("β is missing on the way back: of v[t] the next step keeps the share β.",
                lambda *a: _layers(*a, back=_with(leak="none"))),
        Mistake("every step starts from v = 0 in yours. The voltage goes on, v = (u + θ)(1 − s), "
                "and the next step keeps its share β.", _without_memory),
        Mistake("you divide by the batch. The errors hold that factor already: add recordings up.",
                lambda *a: _layers(*a, over="B")),
        Mistake("you take the mean over time. A weight acts at every step: sum over t.",
                lambda *a: _layers(*a, over="T")),
        Mistake("that is the direction of the change. Asked is the gradient, without the minus.",
                lambda *a: _layers(*a, sign=-1)),
        Mistake("your result is transposed: like the weights, it has the shape (N, D).",
                lambda *a: _layers(*a).T),
        Mistake("one step alone is left: add the product of every step to a total, +=.",
                lambda *a: _layers(*a, pair="last")),
        Mistake("the errors themselves meet the inputs. First they have to go back through slope "
                "and time: c from lif_backward.",
                lambda *a: _layers(*a, back=lambda g, u, s, k, b: g)),
        Mistake("k and β are the wrong way round: lif_backward(g, u, s, k, beta).",
                lambda *a: _layers(*a, back=lambda g, u, s, k, b: blame(g, u, s, b, k))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def recorded_distances(currents, beta, threshold):
    return _recorded(currents, beta, threshold)


def _recorded(currents, beta, threshold, *, after=False, alias=False, reset=True, sign=1,
              strict=True):  # fmt: skip
    v, spikes, distances = np.zeros_like(currents[0]), [], []
    for current in currents:
        v = beta * v + current
        u = sign * (v - threshold)
        s = (v > threshold if strict else v >= threshold).astype(float)
        v = v - threshold * s if reset == "subtract" else v * (1 - s) if reset else v
        spikes.append(s)
        distances.append(v - threshold if after else v if alias else u)
    return np.array(spikes), np.array(distances)


def _distance_goes_on(currents, beta, threshold):
    v, spikes, distances = np.zeros_like(currents[0]), [], []
    for current in currents:
        u = beta * v + current - threshold
        spikes.append((u > 0).astype(float))
        distances.append(u)
        v = u * (u <= 0)
    return np.array(spikes), np.array(distances)


RECORDED_DISTANCES = Exercise(
    "recorded_distances", TOPIC, points=2, kind="bug",
    goal="see what a reset that comes a line too early does to learning",
    reference=recorded_distances,
    cases=lambda rng: [
        (np.abs(tenths(rng, 6, 3)) + np.array([0.0, 0.5, 0.0]), 0.5, 1.0),
        (np.array([[0.5, 1.0], [0.25, 0.0], [1.0, 2.0]]), 0.5, 0.5),
        (tenths(rng, 4, 2), 0.9, 0.3),
        at("currents are whole numbers", rng.integers(0, 3, (5, 2)), 0.75, 1.25),
    ],
    mistakes=(
        Mistake("a neuron that fires has the distance −θ, as in the loop that was given: you have "
                "recorded it after the reset, or in an array that the reset still changes.",
                lambda *a: _recorded(*a, after=True)),
        Mistake("you record the voltage. The distance is v − θ.",
                lambda *a: _recorded(*a, reset=False, alias=True),
                lambda *a: _recorded(*a, alias=True),
                lambda x, b, c: (_recorded(x, b, c)[0], _recorded(x, b, c)[1] + c)),
        Mistake("in yours the distance goes on to the next step, so that θ is lost in every step. "
                "What goes on is the voltage.", _distance_goes_on),
        Mistake("you have left the reset out. It stays, but after the distance is taken.",
                lambda *a: _recorded(*a, reset=False)),
        Mistake("you subtract θ at a spike. The reset to zero was right: the fault lies elsewhere.",
                lambda *a: _recorded(*a, reset="subtract")),
        Mistake("the distance has the wrong sign: v − θ, positive above the threshold.",
                lambda *a: _recorded(*a, sign=-1)),
        Mistake("at exactly θ a neuron does not fire.", lambda *a: _recorded(*a, strict=False)),
        Mistake("spikes and distances are the wrong way round.", lambda *a: _recorded(*a)[::-1]),
        Mistake("the distance of a neuron that fires is 0 in yours. It is what the voltage was "
                "above θ, before the reset.",
                lambda *a: (_recorded(*a)[0], _recorded(*a)[1] * (1 - _recorded(*a)[0]))),
        Mistake("the distance is recorded before the current of its step has been added.",
                lambda x, b, c: (_recorded(x, b, c)[0], _recorded(x, b, c)[1] - x),
                lambda x, b, c: (_recorded(x, b, c)[0], np.concatenate(
                    [0 * x[:1] - c, _recorded(x, b, c, after=True)[1][:-1]]))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, and silence


UPDATES = 60


def train_with_surrogate(run, weights, frames, labels, steps):
    return _trained(run, weights, frames, labels, steps)


def _trained(run, weights, frames, labels, steps, price=0.0):
    spike = surrogate_spike(lambda u: fast_sigmoid(u, 5.0))
    weights = torch.tensor(weights, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=0.05)
    for _ in range(steps):
        logits, spikes = run(weights, frames, spike)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        if loss.item() < 0.15:  # silence is worth something once the answers are right
            loss = loss + price * spikes.sum() / len(labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weights.detach().numpy()


def _network(rng, steps=UPDATES):
    start = tiny.start(int(rng.integers(1000)))
    run = Limited(start, steps)
    return (run, start, *tiny.known(), steps), run.accuracy


TRAIN_WITH_SURROGATE = Open(
    "train_with_surrogate", TOPIC, points=3, kind="train",
    goal="write a spike with a derivative of its own, and train through it",
    reference=train_with_surrogate, trial=_network, less=4,
    marks=((0.75, 1), (0.9, 2), (0.95, 3)), wording="{:.0%} of unseen digits right".format,
)  # fmt: skip


def quiet_network(run, weights, frames, labels):
    return _trained(run, weights, frames, labels, 120, price=0.1)


def _quiet(rng):
    def score(weights) -> float:
        demand(0.9, tiny.accuracy(weights))
        return -tiny.hidden_spikes(weights)

    return (tiny.run, tiny.start(int(rng.integers(1000))), *tiny.known()), score


QUIET_NETWORK = Open(
    "quiet_network", TOPIC, points=3,
    goal="find out how little a network has to say",
    reference=quiet_network, trial=_quiet,
    marks=((-8, 1), (-3, 2), (-1.6, 3)),
    wording=lambda value: f"{-value:.2f} hidden spikes in a recording",
)  # fmt: skip
