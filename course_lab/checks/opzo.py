"""Exercises of lesson 08, second part: mirrored noise, and the online rule of three factors."""

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lab.checks.feedback import TOPIC, normal
from course_lib.estimators.surrogate import SURROGATES
from course_lib.lif import LIFParameters, lif_step

# ------------------------------------------------------------------------------- mirrored noise


def mirrored_in_time(z, steps):
    pairs, batch, neurons = z.shape
    return np.stack([z, -z], axis=1).reshape(2 * pairs, batch, neurons)[:steps]


def _signs(z, steps, index, sign):
    t = np.arange(steps)
    return z[index(t, len(z))] * sign(t, len(z))[:, None, None]


def _pair(t, pairs):
    return t // 2


def _odd(t, pairs):
    return 1.0 - 2.0 * (t % 2)


MIRRORED_IN_TIME = Exercise(
    "mirrored_in_time", TOPIC, points=2,
    goal="put random numbers into an order that makes what they share cancel",
    reference=mirrored_in_time,
    cases=lambda rng: [
        (normal(rng, *shape), steps)
        for shape, steps in (((2, 1, 2), 4), ((2, 2, 2), 3), ((3, 2, 1), 6), ((3, 1, 1), 5))
    ],
    mistakes=(
        Mistake("all z come first, then all −z. A pair must be neighbours in time: z, −z, z′, −z′.",
                lambda z, n: np.concatenate([z, -z])[:n]),
        Mistake("both steps of a pair have the same sign: the second gets −z.",
                lambda z, n: _signs(z, n, _pair, lambda t, p: np.ones(len(t)))),
        Mistake("you turn the sign of every second pair. Turn it within each pair.",
                lambda z, n: _signs(z, n, _pair, lambda t, p: _odd(t // 2, p))),
        Mistake("you begin with −z: each pair is z first, then −z.",
                lambda z, n: _signs(z, n, _pair, lambda t, p: -_odd(t, p))),
        Mistake("a step and its mirror image have different z: steps 2k and 2k + 1 share z[k].",
                lambda z, n: _signs(z, n, lambda t, p: t % p, _odd)),
        Mistake("an odd number of steps has a last z without its mirror image: keep the first "
                "`steps` only.", lambda z, n: mirrored_in_time(z, 2 * len(z))),
        Mistake("recordings or neurons got mixed. Put the pair into an axis next to time, "
                "np.stack([z, -z], axis=1), before you reshape.",
                lambda z, n: np.stack([z, -z], axis=2).reshape(-1, *z.shape[1:])[:n]),
        Mistake("recordings or neurons got mixed. Put the pair into an axis next to time, "
                "np.stack([z, -z], axis=1), before you reshape.",
                lambda z, n: np.stack([z, -z], axis=3).reshape(-1, *z.shape[1:])[:n]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- where g comes from


def hidden_error(method, e, losses, z, alpha, matrix):
    if method == "single-point":
        return losses[:, None] * z / alpha
    return e @ matrix if method == "OTTT" else e @ matrix.T


def _routed(single=None, matrix=None):
    """The reference, with another rule for single-point or for the methods with a matrix."""

    def error(method, e, losses, z, alpha, M):
        if method == "single-point":
            return (single or (lambda L, z, a: L[:, None] * z / a))(losses, z, alpha)
        right = hidden_error(method, e, losses, z, alpha, M)
        return matrix(right, method, e, losses, z, alpha, M) if matrix else right

    return error


def _error_case(rng, method, batch, neurons, classes, alpha):
    e, z = normal(rng, batch, classes), normal(rng, batch, neurons)
    losses = np.round(rng.uniform(0.5, 3, batch), 1)
    shape = (classes, neurons) if method == "OTTT" else (neurons, classes)
    matrix = None if method == "single-point" else normal(rng, *shape)
    return method, e, losses, z, alpha, matrix


HIDDEN_ERROR = Exercise(
    "hidden_error", TOPIC, points=2,
    goal="tell four learning rules apart by the one line in which they differ",
    reference=hidden_error,
    cases=lambda rng: [
        _error_case(rng, *case)
        for case in (("OPZO", 2, 3, 2, 0.2), ("OTTT", 2, 3, 2, 0.2), ("DFA", 1, 2, 4, 0.5),
                     ("single-point", 2, 3, 2, 0.2), ("single-point", 3, 2, 4, 0.5))
    ],
    mistakes=(
        Mistake("reshape does not transpose, it puts the numbers into other places. M e for each "
                "recording is e @ M.T.",
                _routed(matrix=lambda g, m, e, L, z, a, M: (
                    g if m == "OTTT" else e @ M.reshape(e.shape[1], -1)))),
        Mistake("your result is transposed: recordings come first, shape (B, N).",
                lambda *a: hidden_error(*a).T),
        Mistake("single-point divides by α: the noise was α z, the estimate is L z/α.",
                _routed(single=lambda L, z, a: L[:, None] * z)),
        Mistake("single-point divides by α; you multiply.",
                _routed(single=lambda L, z, a: L[:, None] * z * a)),
        Mistake("each recording has its own loss: row b of z times losses[b], not times the mean.",
                _routed(single=lambda L, z, a: L.mean() * z / a)),
        Mistake("each recording has its own loss: row b of z times losses[b], not times the sum.",
                _routed(single=lambda L, z, a: L.sum() * z / a)),
        Mistake("the feedback matrix is all that OPZO needs here; α is in M already.",
                _routed(matrix=lambda g, m, e, L, z, a, M: g / a if m == "OPZO" else g)),
        Mistake("you multiply by the loss as well. With a matrix the error e says it all.",
                _routed(matrix=lambda g, m, e, L, z, a, M: L[:, None] * g)),
        Mistake("that is the direction of the change. Asked is g itself, without the minus.",
                lambda *a: -hidden_error(*a)),
        Mistake("the noise is in M already: g = M e, not M e times z.",
                _routed(matrix=lambda g, m, e, L, z, a, M: g * z if m == "OPZO" else g)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- three factors


def three_factor_gradient(frames, weight, errors, beta, threshold):
    neuron, total = LIFParameters(beta, threshold), np.zeros_like(weight)
    trace, voltage = np.zeros_like(frames[0]), torch.zeros(errors[0].shape, dtype=torch.float64)
    for x, g in zip(frames, errors, strict=True):
        trace = beta * trace + x
        current = torch.as_tensor(np.asarray(x @ weight.T, dtype=float))
        distance = beta * voltage + current - threshold
        _, voltage = lif_step(current, voltage, neuron)
        total = total + (g * SURROGATES["fast_sigmoid"](distance, 10.0).numpy()).T @ trace
    return total


def _factors(x, W, g, beta, theta, *, trace="leaky", reset="zero", leak=True, power=2, minus=True,
             after=False, psi=True, sign=1, over="", last=False, apart=False):  # fmt: skip
    a, v = np.zeros_like(x[0]), np.zeros_like(g[0])
    parts, left, right = [], 0, 0
    for t in range(len(x)):
        old, a = a, beta * (a + x[t]) if trace == "all leaks" else beta * a + x[t]
        used = {"late": old, "input": x[t], "sum": x[: t + 1].sum(0)}.get(trace, a)
        v = (beta * v if leak else v) + x[t] @ W.T
        u, s = v - (theta if minus else 0), v > theta
        v = {"zero": v * ~s, "subtract": v - theta * s, "none": v}[reset]
        u = v - theta if after else u
        local = g[t] * (1 / (1 + 10 * np.abs(u)) ** power if psi else 1)
        parts.append(local.T @ used)
        left, right = left + local, right + used
    total = left.T @ right if apart else parts[-1] if last else np.sum(parts, axis=0)
    return sign * total / {"B": len(x[0]), "T": len(x), "": 1}[over]


def _sequence(rng, steps, batch, beta, threshold):
    """0/1 inputs and weights with which neuron 0 fires at the first step."""
    frames = (rng.random((steps, batch, 2)) < 0.6).astype(float)
    frames[0] = 1.0
    weight = np.round(rng.uniform(0.2, 0.5, (3, 2)), 1)
    weight[0] = np.round(0.6 * threshold + 0.2, 1), np.round(0.5 * threshold + 0.1, 1)
    return frames, weight, normal(rng, steps, batch, 3), beta, threshold


THREE_FACTOR_GRADIENT = Exercise(
    "three_factor_gradient", TOPIC, points=3,
    goal="run a learning rule online, with nothing kept over time",
    reference=three_factor_gradient,
    cases=lambda rng: [
        _sequence(rng, *case)
        for case in ((4, 1, 0.9, 1.0), (3, 2, 0.5, 0.7), (4, 1, 0.8, 1.3))
    ],
    mistakes=(
        Mistake("the trace is one step late: add x[t] to it before you use it.",
                lambda *a: _factors(*a, trace="late")),
        Mistake("you multiply by the input of this step alone. Earlier inputs still count: keep "
                "the trace β · trace + x[t].", lambda *a: _factors(*a, trace="input")),
        Mistake("β multiplies the new input too. Only the old trace leaks: β · trace + x[t].",
                lambda *a: _factors(*a, trace="all leaks")),
        Mistake("your trace never leaks: β · trace + x[t].", lambda *a: _factors(*a, trace="sum")),
        Mistake("you take ψ of the voltage after the reset. u is the distance before it.",
                lambda *a: _factors(*a, after=True)),
        Mistake("neurons are never set back: v ← v (1 − s) after ψ was taken.",
                lambda *a: _factors(*a, reset="none")),
        Mistake("you subtract θ at a spike. This neuron is reset to zero: v ← v (1 − s).",
                lambda *a: _factors(*a, reset="subtract")),
        Mistake("the voltage does not leak: v ← β v + x[t] Wᵀ.",
                lambda *a: _factors(*a, leak=False)),
        Mistake("ψ wants the distance to the threshold, u = v − θ, not v.",
                lambda *a: _factors(*a, minus=False)),
        Mistake("ψ is 1/(1 + 10|u|)²: the square is missing.", lambda *a: _factors(*a, power=1)),
        Mistake("the second factor is missing: how ready the neuron was, ψ(u[t]).",
                lambda *a: _factors(*a, psi=False)),
        Mistake("that is the direction of the change. Asked is the gradient, without the minus.",
                lambda *a: _factors(*a, sign=-1)),
        Mistake("you divide by the batch. The errors hold that factor already: add recordings up.",
                lambda *a: _factors(*a, over="B")),
        Mistake("you take the mean over time. Asked is the sum over t.",
                lambda *a: _factors(*a, over="T")),
        Mistake("only the last step is left: add the product of every step to a total.",
                lambda *a: _factors(*a, last=True)),
        Mistake("you add up over time first and multiply then. The three factors must be of the "
                "same moment: multiply inside the loop.", lambda *a: _factors(*a, apart=True)),
        Mistake("your result is transposed: like the weights, it has the shape (N, D).",
                lambda *a: _factors(*a).T),
    ),
)  # fmt: skip

EXERCISES = (MIRRORED_IN_TIME, HIDDEN_ERROR, THREE_FACTOR_GRADIENT)
