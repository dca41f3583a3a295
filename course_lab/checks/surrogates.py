"""Exercises of lesson 03, first part: the slope of a spike, and blame on its way back in time."""

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lib.estimators.surrogate import fast_sigmoid

TOPIC = "03_surrogates"

# ------------------------------------------------------------------------------- true slopes


def true_gradient(w1, w2, threshold, target):
    s = float(w1 > threshold)
    return 0.0, (w2 * s - target) * s + 0.0  # no −0


def _slopes(g1="0", g2="s", sign=1, factor=1, fires=np.greater):
    def slopes(w1, w2, threshold, target):
        s = float(fires(w1, threshold))
        miss = factor * sign * (w2 * s - target)
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
                                  (1.4, -0.5, 1.7), (1.0, 2.0, 1.0))
    ],
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
    ],
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


def lif_backward(e, u, s, k, beta):
    psi, delta, later = surrogate_slope(u, k), np.zeros_like(u), 0.0
    for t in reversed(range(len(e))):
        later = delta[t] = e[t] * psi[t] + beta * (1 - s[t]) * later
    return delta


def blame(e, u, s, k, beta, *, wall="1-s", leak="later", psi="own", source="delta", forward=False):
    """lif_backward, with what people get wrong as options."""
    slope, delta, later = surrogate_slope(u, k), np.zeros_like(u), 0.0
    after = np.concatenate([s[1:], 0 * s[:1]])  # s[t+1]
    through = {"1-s": 1 - s, "1": 1 + 0 * s, "s": s, "1-s[t+1]": 1 - after}[wall]
    for t in range(len(e)) if forward else reversed(range(len(e))):
        own = e[t] if psi in ("none", "both") else e[t] * slope[t]
        back = through[t] * later * (1 if leak == "none" else beta)
        delta[t] = (beta * own if leak == "both" else own) + back
        delta[t] *= slope[t] if psi == "both" else 1
        later = {"delta": delta[t], "own": own, "e": e[t]}[source]
    return delta


def _neurons(rng, steps, neurons, beta, threshold):
    """u and s of neurons that each fire, not at the ends only, and errors of both signs."""
    currents = np.round(rng.uniform(0.1, 0.6, (steps, neurons)) * threshold, 2)
    fires = 1 + np.arange(neurons) % (steps - 2)
    currents[fires, np.arange(neurons)] = 1.2 * threshold
    u, s = run(currents, beta, threshold)
    return np.round(rng.uniform(0.3, 2, u.shape) * rng.choice((-1, 1), u.shape), 1), u, s


LIF_BACKWARD = Exercise(
    "lif_backward", TOPIC, points=2,
    goal="unroll the chain rule over time, from the last step to the first",
    reference=lif_backward,
    cases=lambda rng: [
        (*_neurons(rng, steps, neurons, beta, threshold), k, beta)
        for steps, neurons, k, beta, threshold in (
            (4, 1, 5.0, 0.9, 1.0), (4, 2, 2.0, 0.5, 1.5), (6, 2, 10.0, 0.8, 0.7))
    ],
    mistakes=(
        Mistake("blame does not travel in time in yours: add β (1 − s[t]) δ[t+1].",
                lambda e, u, s, k, beta: e * surrogate_slope(u, k)),
        Mistake("you go forward. Start at the last step: δ[t] needs δ[t+1].",
                lambda *a: blame(*a, forward=True)),
        Mistake("the last step, t = T − 1, has no blame in yours: reversed(range(T - 1)) begins at "
                "T − 2. Write reversed(range(T)).",
                lambda e, u, s, k, beta: np.concatenate(
                    [lif_backward(e[:-1], u[:-1], s[:-1], k, beta), 0 * u[-1:]])),
        Mistake("your result runs from the last step to the first. Turn it round, or fill "
                "delta[t] in place.", lambda *a: lif_backward(*a)[::-1]),
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
        Mistake("ψ is missing: the step's own blame is e[t] ψ(u[t]).",
                lambda *a: blame(*a, psi="none")),
        Mistake("you look one step ahead only. δ[t+1] holds all later blame: hand δ[t] on, not "
                "e[t] ψ(u[t]).", lambda *a: blame(*a, source="own")),
        Mistake("you hand e[t] on to the step before. It is δ[t] that goes back.",
                lambda *a: blame(*a, source="e")),
    ),
)  # fmt: skip

EXERCISES = (TRUE_GRADIENT, SURROGATE_SLOPE, LIF_BACKWARD)
