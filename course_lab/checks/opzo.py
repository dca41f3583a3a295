"""Exercises of lesson 08: the error of the loss, feedback learnt from noise, the online rule, and a
network whose readout nobody can read."""

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Calls, Exercise, Mistake, NotYet, Part, Room
from course_lab.checks.engine.failures import Refused
from course_lab.checks.engine.open import Open, fewest
from course_lib.estimators.online import OnlineEstimator
from course_lib.estimators.surrogate import SURROGATES
from course_lib.lif import LIFParameters, lif_step

TOPIC = "08_opzo"

# ------------------------------------------------------------------------------- error of the loss


def softmax_error(outputs, labels, scale):
    judge = OnlineEstimator().judge
    return judge(torch.as_tensor(outputs), torch.as_tensor(labels), scale)[1].numpy()


def _error(o, y, c, *, outer=True, inner=True, sign=1, target=True, axis=1, over=1, only=False):
    p = np.exp(c * o if inner else o)
    p = p / p.sum(axis, keepdims=True)
    hot = np.eye(o.shape[1])[y]
    e = sign * (p - hot if target else p)
    return (c if outer else 1) * (e * hot if only else e) / over


def _at_all_labels(o, y, c):
    e = _error(o, y, c, target=False, outer=False)
    e[:, y] -= 1
    return c * e


SOFTMAX_ERROR = Exercise(
    "softmax_error", TOPIC, points=1,
    goal="write the gradient of the loss in closed form",
    reference=softmax_error,
    cases=lambda rng: [
        (tenths(rng, len(labels), c, size=0.6), rng.permutation(labels), scale)
        for labels, c, scale in (((0, 2), 3, 2.5), ((0, 1, 1), 2, 0.5), ((3,), 4, 10.0))
    ] + [at("the last class is not among the labels", tenths(rng, 2, 3), np.array([1, 0]), 1.5)],
    boundary=Boundary("there are as many recordings as classes (B = C)", lambda rng: [
        (tenths(rng, 3, 3), rng.integers(3, size=3), 0.5)]),
    mistakes=(
        Mistake("the factor γ in front is missing. The logits are γ · o, so by the chain rule "
                "∂L/∂o is γ times softmax − one-hot.", lambda *a: _error(*a, outer=False)),
        Mistake("γ is missing inside the softmax: the probabilities are those of the logits γ · o.",
                lambda *a: _error(*a, inner=False)),
        Mistake("γ is missing, inside the softmax and in front of it.",
                lambda *a: _error(*a, inner=False, outer=False)),
        Mistake("the sign is turned round: the slope of the loss is p − one-hot, negative at the "
                "label.", lambda *a: _error(*a, sign=-1)),
        Mistake("the labels are missing: take 1 off the probability of each label.",
                lambda *a: _error(*a, target=False)),
        Mistake("you normalise over the batch. Each recording (row) has probabilities of its own: "
                "sum over axis 1.", lambda *a: _error(*a, axis=0)),
        Mistake("you divide by the batch. Asked is the error of each recording.",
                lambda o, y, c: _error(o, y, c, over=len(o))),
        Mistake("you keep the label's entry only. The other classes have an error too: p_k.",
                lambda *a: _error(*a, only=True)),
        Mistake("you take the number of the label off. Off the label's own entry 1 is taken, off "
                "the others nothing: a one-hot row, np.eye(C)[labels].",
                lambda o, y, c: c * (_error(o, y, c, target=False) / c - y[:, None]),
                lambda o, y, c: _error(o, y, c, target=False) / c - y[:, None]),
        Mistake("you normalise over all recordings together. Each row has probabilities of its "
                "own: sum over axis 1.", lambda o, y, c: _error(o, y, c, axis=(0, 1))),
        Mistake("the softmax is missing: p is exp(γ · o), divided by its sum in the row.",
                lambda o, y, c: c * (c * o - np.eye(o.shape[1])[y]),
                lambda o, y, c: c * (o - np.eye(o.shape[1])[y])),
        Mistake("e to the power is taken, but not divided by its sum in each row.",
                lambda o, y, c: c * (np.exp(c * o) - np.eye(o.shape[1])[y])),
        Mistake("p[:, labels] takes 1 off in every row, at all labels. Each row has its own: "
                "p[np.arange(B), labels].", _at_all_labels),
        Mistake("brackets are missing: γ multiplies all of p − one-hot.",
                lambda o, y, c: _error(o, y, c, target=False) - np.eye(o.shape[1])[y]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- one batch's X


def jacobian_estimate(z, noisy, alpha):
    steps, batch, _ = z.shape
    return np.einsum("tbn,tbc->nc", z, noisy) / (alpha * steps * batch)


def _outer(z, noisy, alpha, power=-1, over="TB"):
    count = {"TB": z.shape[0] * z.shape[1], "T": z.shape[0], "B": z.shape[1], "": 1}[over]
    return np.einsum("tbn,tbc->nc", z, noisy) * alpha**power / count


def _moments(rng, steps, batch, neurons, classes, alpha):
    return tenths(rng, steps, batch, neurons), tenths(rng, steps, batch, classes), alpha


JACOBIAN_ESTIMATE = Exercise(
    "jacobian_estimate", TOPIC, points=2,
    goal="correlate noise with what it did, averaged over batch and time",
    reference=jacobian_estimate,
    cases=lambda rng: [
        _moments(rng, *shape)
        for shape in ((2, 2, 2, 1, 0.2), (2, 1, 3, 2, 0.5), (3, 2, 1, 2, 2.0))
    ],
    boundary=Boundary("there are as many neurons as classes (H = C)",
                      lambda rng: [_moments(rng, 2, 3, 3, 3, 0.5)]),
    mistakes=(
        Mistake("you take the sum. X is a mean over recordings and time steps: divide by T · B.",
                lambda *a: _outer(*a, over="")),
        Mistake("you divide by the batch only. The mean is over time steps as well: by T · B.",
                lambda *a: _outer(*a, over="B")),
        Mistake("you divide by the time steps only. The mean is over recordings as well: by T · B.",
                lambda *a: _outer(*a, over="T")),
        Mistake("α is missing: the noise was α z, so divide by α.", lambda *a: _outer(*a, power=0)),
        Mistake("you multiply by α. The noise in the outputs is α J z: divide by α.",
                lambda *a: _outer(*a, power=1)),
        Mistake("you divide by α twice.", lambda *a: _outer(*a, power=-2)),
        Mistake("you divide by one less than T · B, as for a variance. This is a mean: by T · B.",
                lambda z, o, alpha: _outer(z, o, alpha, over="") / (z[..., 0].size - 1)),
        Mistake("X is transposed: neurons come first, classes second, shape (H, C).",
                lambda *a: _outer(*a).T),
        Mistake("you add the outputs up over time before you multiply, and there mirrored noise "
                "cancels. Each z[t] belongs to what step t alone put out.",
                lambda z, o, alpha: _outer(z, np.broadcast_to(o.sum(0), o.shape), alpha),
                lambda z, o, alpha: _outer(z, np.broadcast_to(o.mean(0), o.shape), alpha)),
        Mistake("a product of means is not the mean of the products. Multiply z and õ of the same "
                "step and recording first.",
                lambda z, o, alpha: np.outer(z.mean((0, 1)), o.mean((0, 1))) / alpha),
        Mistake("one step alone is left: add the product of every step to a total, +=.",
                lambda z, o, alpha: z[-1].T @ o[-1] / (alpha * len(z) * len(z[0])),
                lambda z, o, alpha: z[-1].T @ o[-1] / (alpha * len(z[0]))),
        Mistake("you take the mean output off. It would scatter less; asked is the mean of z õᵀ/α "
                "as it is.", lambda z, o, alpha: _outer(z, o - o.mean((0, 1)), alpha),
                lambda z, o, alpha: _outer(z, o - o.mean(0), alpha),
                lambda z, o, alpha: _outer(z, o - o.mean(1, keepdims=True), alpha)),
        Mistake("reshape does not transpose, it puts the numbers into other places: neurons are "
                "the last axis of z.",
                lambda z, o, alpha: z.reshape(z.shape[2], -1) @ o.reshape(-1, o.shape[2])
                / (alpha * o[..., 0].size)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- choice of λ


def momentum_for(batches):
    return (batches - 1) / (batches + 1)


MOMENTUM_FOR = Exercise(
    "momentum_for", TOPIC, points=1,
    goal="solve a variance for the parameter that sets it",
    reference=momentum_for,
    cases=lambda rng: [(199,), (3,), (9,), *[(int(rng.integers(2, 500)),) for _ in range(3)]],
    boundary=Boundary("there is one batch (n = 1)", lambda rng: [(1,)]),
    mistakes=(
        Mistake("that is a memory of n batches, 1/(1 − λ) = n. Asked is the noise of n batches: "
                "(1 − λ)/(1 + λ) = 1/n.", lambda n: 1 - 1 / n),
        Mistake("that is a memory of n batches and one more. Solve (1 − λ)/(1 + λ) = 1/n for λ.",
                lambda n: n / (n + 1)),
        Mistake("the sign is turned round: λ lies between 0 and 1.", lambda n: (1 - n) / (1 + n)),
        Mistake("that is upside down: λ stays below 1.", lambda n: (n + 1) / max(n - 1, 1e-300)),
        Mistake("the factor (1 − λ)/(1 + λ) is one of variances, and a mean of n batches has 1/n "
                "of the variance. You squared n.", lambda n: (n * n - 1) / (n * n + 1)),
        Mistake("the factor (1 − λ)/(1 + λ) is one of variances already: there is no root of n.",
                lambda n: (n**0.5 - 1) / (n**0.5 + 1)),
        Mistake("you return the variance that is left, 1/n. Asked is the λ that leaves it.",
                lambda n: 1 / n),
        Mistake("that is 1 − λ: what a new batch adds, not what is kept.", lambda n: 2 / (n + 1)),
        Mistake("1 − λ is not 2/n, though it is close for large n. Solve (1 − λ)/(1 + λ) = 1/n.",
                lambda n: 1 - 2 / n),
        Mistake("that is the leak of a neuron whose memory is n batches. Asked is the noise of n "
                "batches: (1 − λ)/(1 + λ) = 1/n.", lambda n: np.exp(-1 / n)),
        Mistake("brackets are missing: (n − 1) / (n + 1).", lambda n: n - 1 / n + 1),
        Mistake("that is the λ of one batch more. Solve (1 − λ)/(1 + λ) = 1/n for λ.",
                lambda n: n / (n + 2)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- momentum feedback


def momentum_feedback(X, start, momentum):
    M = np.array(start, dtype=float)
    for batch in X:
        M = momentum * M + (1 - momentum) * batch
    left = momentum ** len(X)
    return M, (M - left * start) / (1 - left)


def _feedback(X, start, k, *, swap=False, gain=True, begin=True, subtract=True, over="1-left",
              shift=0):  # fmt: skip
    M = np.array(start if begin else 0 * start, dtype=float)
    for batch in X:
        M = (1 - k) * M + k * batch if swap else k * M + (1 - k if gain else 1) * batch
    left = k ** (len(X) + shift)
    divisor = {"1-left": 1 - left, "1-k": 1 - k, "left": left, "1": 1}[over]
    return M, (M - left * start if subtract else M) / divisor


def _corrected_on_the_way(X, start, k):
    M = start
    for t, batch in enumerate(X, 1):
        M = (k * M + (1 - k) * batch - k**t * start) / (1 - k**t)
    return M, M


MOMENTUM_FEEDBACK = Exercise(
    "momentum_feedback", TOPIC, points=2,
    goal="keep a running mean, and remove the trace of its start",
    reference=momentum_feedback,
    cases=lambda rng: [
        (tenths(rng, t, n, c), tenths(rng, n, c, size=2.0), momentum)
        for t, n, c, momentum in ((2, 2, 2, 0.9), (3, 1, 2, 0.5), (5, 1, 1, 0.8))
    ] + [at("the start is zeros", tenths(rng, 3, 2, 2), np.zeros((2, 2)), 0.9),
         at("λ is close to 1", tenths(rng, 3, 1, 2), tenths(rng, 1, 2), 0.999)],
    boundary=Boundary("there is one batch (t = 1)", lambda rng: [
        (tenths(rng, 1, 2, 3), tenths(rng, 2, 3), 0.5)]),
    mistakes=(
        Mistake("λ is the share that is kept: M ← λ M + (1 − λ) X. You have them swapped.",
                lambda *a: _feedback(*a, swap=True)),
        Mistake("X comes in with the weight 1. It needs 1 − λ, or M grows and grows.",
                lambda *a: _feedback(*a, gain=False)),
        Mistake("you begin with zeros. Begin with the start that is given.",
                lambda *a: _feedback(*a, begin=False)),
        Mistake("the start is still in your corrected M: take λᵗ M₀ off before you divide.",
                lambda *a: _feedback(*a, subtract=False)),
        Mistake("you divide by 1 − λ. After t batches the weights of the X add up to 1 − λᵗ.",
                lambda *a: _feedback(*a, over="1-k")),
        Mistake("you divide by λᵗ, the weight of the start. That of the X is 1 − λᵗ.",
                lambda *a: _feedback(*a, over="left")),
        Mistake("you took the start out but did not divide by 1 − λᵗ, so M is still too small.",
                lambda *a: _feedback(*a, over="1")),
        Mistake("after t batches the start has the weight λᵗ, with t = len(X): yours is one power "
                "too high.", lambda *a: _feedback(*a, shift=1)),
        Mistake("after t batches the start has the weight λᵗ, with t = len(X): yours is one power "
                "too low.", lambda *a: _feedback(*a, shift=-1)),
        Mistake("t counts batches, len(X). Your power of λ counts the rows of M.",
                lambda X, s, k: _feedback(X, s, k, shift=len(s) - len(X))),
        Mistake("the two are the wrong way round: return (M, corrected M).",
                lambda *a: momentum_feedback(*a)[::-1]),
        Mistake("you go through the batches backwards: the last one comes last, and weighs most.",
                lambda X, *a: momentum_feedback(X[::-1], *a)),
        Mistake("you take the whole start off. After t batches its weight is λᵗ: M − λᵗ M₀.",
                lambda X, s, k: (_feedback(X, s, k)[0],
                                 (_feedback(X, s, k)[0] - s) / (1 - k ** len(X)))),
        Mistake("you begin with zeros, and divide by 1 − λᵗ as Adam does. Begin with the start "
                "that is given, and take λᵗ M₀ off.",
                lambda X, s, k: _feedback(X, 0 * s, k)),
        Mistake("you take off λ of the start and divide by 1 − λ. After t batches it is λᵗ, with "
                "t = len(X).", lambda X, s, k: (_feedback(X, s, k)[0],
                                                (_feedback(X, s, k)[0] - k * s) / (1 - k))),
        Mistake("the corrected M goes into the next batch in yours. Carry on the plain M, and "
                "correct it at the end.", _corrected_on_the_way),
    ),
)  # fmt: skip

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
        (tenths(rng, *shape), 2 * shape[0]) for shape in ((2, 1, 2), (2, 2, 2), (3, 2, 1))
    ],
    parts=(Part("an odd number of steps", lambda rng: [
        (tenths(rng, 2, 2, 2), 3), (tenths(rng, 3, 1, 1), 5)]),),
    boundary=Boundary("there is one step alone", lambda rng: [(tenths(rng, 1, 2, 3), 1)]),
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
                lambda z, n: np.stack([z, -z], axis=2).reshape(-1, *z.shape[1:])[:n],
                lambda z, n: np.stack([z, -z], axis=3).reshape(-1, *z.shape[1:])[:n]),
        Mistake("you keep the last steps. Keep the first: an odd number of steps ends with a z.",
                lambda z, n: mirrored_in_time(z, 2 * len(z))[-n:]),
        Mistake("an odd number of steps ends with a z that has no mirror image. Yours ends "
                "without noise.",
                lambda z, n: mirrored_in_time(z, n) * (np.arange(n) < n - n % 2)[:, None, None]),
        Mistake("where the number of steps is odd, yours has one step too few. The last z has no "
                "mirror image, but it stays.",
                lambda z, n: mirrored_in_time(z, n - n % 2)),
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
    e, z = tenths(rng, batch, classes), tenths(rng, batch, neurons)
    losses = np.round(rng.uniform(0.5, 3, batch), 1)
    shape = (classes, neurons) if method == "OTTT" else (neurons, classes)
    matrix = None if method == "single-point" else tenths(rng, *shape)
    return at(f"the method is {method!r}", method, e, losses, z, alpha, matrix)


HIDDEN_ERROR = Exercise(
    "hidden_error", TOPIC, points=2,
    goal="tell four learning rules apart by the one line in which they differ",
    reference=hidden_error,
    cases=lambda rng: [
        _error_case(rng, *case)
        for case in (("OPZO", 2, 3, 2, 0.2), ("OTTT", 2, 3, 2, 0.2), ("DFA", 1, 2, 4, 0.5),
                     ("OTTT", 3, 2, 2, 0.2), ("OPZO", 3, 2, 2, 0.5),
                     ("single-point", 2, 3, 2, 0.2), ("single-point", 3, 2, 4, 0.5))
    ],
    boundary=Boundary("the batch is as large as the layer (B = H)", lambda rng: [
        _error_case(rng, method, 3, 3, 2, 0.5) for method in ("single-point", "OTTT", "DFA")]),
    mistakes=(
        Mistake("reshape does not transpose, it puts the numbers into other places. M e for each "
                "recording is e @ M.T.",
                _routed(matrix=lambda g, m, e, L, z, a, M: (
                    g if m == "OTTT" else e @ M.reshape(e.shape[1], -1)))),
        Mistake("your result is transposed: recordings come first, shape (B, H).",
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
        Mistake("where H = C, W and its transpose have the same shape. The shape cannot tell "
                "which is meant, but the method can: OTTT takes e @ W, the others e @ M.T.",
                _routed(matrix=lambda g, m, e, L, z, a, M: (
                    g if m == "OTTT" or len(M) != len(M.T) else e @ M)),
                _routed(matrix=lambda g, m, e, L, z, a, M: (
                    e @ M.T if m == "OTTT" and len(M) == len(M.T) else g))),
        Mistake("the loss is missing in single-point: row b of z times losses[b].",
                _routed(single=lambda L, z, a: z / a)),
        Mistake("only single-point looks at the loss. OPZO takes M e as it is.",
                _routed(matrix=lambda g, m, e, L, z, a, M: L[:, None] * g if m == "OPZO" else g)),
        Mistake("α belongs to single-point alone. With a matrix g is e @ M.T, or e @ W.",
                _routed(matrix=lambda g, m, e, L, z, a, M: g / a),
                _routed(matrix=lambda g, m, e, L, z, a, M: g if m == "OTTT" else g / a)),
        Mistake("DFA takes the error itself, not its sign.",
                _routed(matrix=lambda g, m, e, L, z, a, M: (
                    np.sign(e) @ M.T if m == "DFA" else g))),
        Mistake("with a matrix every recording gets the same row in yours, that of the mean error. "
                "Each recording has an error of its own.",
                _routed(matrix=lambda g, m, e, L, z, a, M: np.broadcast_to(g.mean(0), g.shape))),
        Mistake("you take the mean loss off. That would be a baseline; asked is the loss as it is.",
                _routed(single=lambda L, z, a: (L - L.mean())[:, None] * z / a)),
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


def _factors(x, W, g, beta, theta, *, trace="leaky", reset="zero", leak=True, minus=True,
             after=False, psi=lambda u: 1 / (1 + 10 * u) ** 2, error=True, sign=1, over="",
             last=False, apart=False, size=np.abs):  # fmt: skip
    a, v = np.zeros_like(x[0]), np.zeros_like(g[0])
    parts, left, right = [], 0, 0
    for t in range(len(x)):
        old, a = a, beta * (a + x[t]) if trace == "all leaks" else beta * a + x[t]
        used = {"late": old, "input": x[t], "sum": x[: t + 1].sum(0)}.get(trace, a)
        v = (beta * v if leak else v) + x[t] @ W.T
        u, s = v - (theta if minus else 0), v > theta
        v = {"zero": v * ~s, "subtract": v - theta * s, "none": v, "at": v * (v < theta)}[reset]
        u = v - theta if after else u
        local = (g[t] if error else 1) * psi(size(u))
        parts.append(local.T @ used)
        left, right = left + local, right + used
    total = left.T @ right if apart else parts[-1] if last else np.sum(parts, axis=0)
    return sign * total / {"B": len(x[0]), "T": len(x), "": 1}[over]


def _long(rng):
    """Many steps of many inputs, so that it shows what is kept over time."""
    frames = (rng.random((200, 4, 60)) < 0.1).astype(float)
    return frames, rng.normal(0, 0.3, (3, 60)), tenths(rng, 200, 4, 3), 0.9, 1.0


def _sequence(rng, steps, batch, beta, threshold):
    """0/1 inputs and weights with which neuron 0 fires at the first step. At β = ½ all numbers are
    eighths, so that neuron 1 stands exactly at the threshold, in whichever order one adds."""
    frames = (rng.random((steps, batch, 2)) < 0.6).astype(float)
    frames[0] = 1.0
    weight = np.round(rng.uniform(0.2, 0.5, (3, 2)), 1)
    weight[0] = np.round(0.6 * threshold + 0.2, 1), np.round(0.5 * threshold + 0.1, 1)
    if beta == 0.5:
        weight = np.round(8 * weight) / 8
        weight[1] = 0.5, threshold - 0.5
    return frames, weight, tenths(rng, steps, batch, 3), beta, threshold


THREE_FACTOR_GRADIENT = Exercise(
    "three_factor_gradient", TOPIC, points=3,
    goal="run a learning rule online, with nothing kept over time",
    reference=three_factor_gradient,
    cases=lambda rng: [
        _sequence(rng, *case)
        for case in ((4, 1, 0.9, 1.0), (3, 2, 0.5, 0.75), (4, 1, 0.8, 1.3))
    ] + [_long(rng)],
    boundary=Boundary("there are as many neurons as inputs (H = D)", lambda rng: [
        (x, W[:2], g[..., :2], *rest) for x, W, g, *rest in [_sequence(rng, 4, 3, 0.9, 1.0)]]),
    mistakes=(
        Mistake("the trace is one step late: add x[t] to it before you use it.",
                lambda *a: _factors(*a, trace="late")),
        Mistake("you multiply by the input of this step alone. Earlier inputs still count: keep "
                "the trace β · trace + x[t].", lambda *a: _factors(*a, trace="input")),
        Mistake("β multiplies the new input too. Only the old trace leaks: β · trace + x[t].",
                lambda *a: _factors(*a, trace="all leaks")),
        Mistake("your trace never leaks: β · trace + x[t].", lambda *a: _factors(*a, trace="sum")),
        Mistake("your result is 1 − β times what is asked, as where the trace is a mean that takes "
                "in the share 1 − β of each input. Here all of it is added: β · trace + x[t].",
                lambda x, W, g, beta, theta: (1 - beta) * _factors(x, W, g, beta, theta)),
        Mistake("β is 0.9 in yours, whatever is given.",
                lambda x, W, g, beta, theta: _factors(x, W, g, 0.9, theta)),
        Mistake("you take ψ of the voltage after the reset. u is the distance before it.",
                lambda *a: _factors(*a, after=True)),
        Mistake("the bars are missing: ψ falls off with the distance |u|, on both sides of the "
                "threshold.", lambda *a: _factors(*a, size=np.asarray)),
        Mistake("neurons are never set back: v ← v (1 − s) after ψ was taken.",
                lambda *a: _factors(*a, reset="none")),
        Mistake("you subtract θ at a spike. This neuron is reset to zero: v ← v (1 − s).",
                lambda *a: _factors(*a, reset="subtract")),
        Mistake("the voltage does not leak: v ← β v + x[t] Wᵀ.",
                lambda *a: _factors(*a, leak=False)),
        Mistake("ψ wants the distance to the threshold, u = v − θ, not v.",
                lambda *a: _factors(*a, minus=False)),
        Mistake("ψ is 1/(1 + 10|u|)²: the square is missing.",
                lambda *a: _factors(*a, psi=lambda u: 1 / (1 + 10 * u))),
        Mistake("ψ is 1/(1 + 10|u|)²: the bracket is squared as a whole.",
                lambda *a: _factors(*a, psi=lambda u: 1 / (1 + (10 * u) ** 2)),
                lambda *a: _factors(*a, psi=lambda u: 1 / (1 + 10 * u**2))),
        Mistake("the second factor is missing: how ready the neuron was, ψ(u[t]).",
                lambda *a: _factors(*a, psi=np.ones_like)),
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
        Mistake("your result is transposed: like the weights, it has the shape (H, D).",
                lambda *a: _factors(*a).T),
        Mistake("the third factor is missing: the error g[t] of each neuron.",
                lambda *a: _factors(*a, error=False)),
        Mistake("a neuron that stands exactly at the threshold is set back in yours. It fires, and "
                "is set back, only above it: v > θ.", lambda *a: _factors(*a, reset="at")),
    ),
    room=Room("the gradient is right, but you keep the traces of all time steps. Keep nothing over "
              "time but â, v and Δ: add to Δ at each step.",
              lambda frames, *_: max(frames.nbytes // 2, 2**17)),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find

SCALE = 5.0


def online_pass(frames, labels, hidden, send, z, alpha, M):
    return _pass(frames, labels, hidden, send, z, alpha, M)


def _pass(frames, labels, hidden, send, z, alpha, M, *, heard="current", late=False, shaken=True,
          flip=False, clean=False):  # fmt: skip
    """heard: what is held against the noise; late: the trace grows after its use; shaken: whether
    noise is sent; clean: the trace is without it."""
    T, B = frames.shape[:2]
    v = v_out = total = d_out = 0.0
    trace, errors, noisy, told = np.zeros((B, len(hidden))), [], [], []
    for t in range(T):
        v = 0.9 * v + frames[t] @ hidden.T
        sent = (v > 1) + (alpha * z[t] if shaken else 0.0)
        told.append(sent)
        v = v * (v <= 1)
        current = send(sent)
        v_out = 0.9 * v_out + current
        total = total + v_out
        answer = total / (t + 1)
        e = softmax_error(answer, labels, SCALE) / (B * T)
        errors.append(hidden_error("OPZO", e, None, z[t], alpha, M))
        current = current - send(sent - alpha * z[t]) if heard == "noise" else current
        noisy.append({"voltage": v_out, "total": total, "so far": answer}.get(heard, current))
        traced = sent - alpha * z[t] if clean else sent
        d_out = d_out + e.T @ (trace if late else 0.9 * trace + traced)
        trace = 0.9 * trace + traced
    if heard in ("answer", "sum", "last"):
        noisy = [{"answer": answer, "sum": total, "last": current}[heard]] * T
    if heard == "before":
        noisy = [0 * current, *noisy[:-1]]
    d_hidden = three_factor_gradient(frames, hidden, np.array(errors), 0.9, 1.0)
    X = jacobian_estimate(np.array(told) if heard == "sent" else z, np.array(noisy), alpha)
    return d_hidden, d_out, -X if flip else X


def _apart(*arguments):
    """With the noise of each step held against its change of the answer."""
    d_hidden, d_out, _ = _pass(*arguments)
    z, alpha = arguments[4:6]
    said = []
    online_pass(*arguments[:3], lambda sent: said.append(arguments[3](sent)) or said[-1],
                *arguments[4:])  # fmt: skip
    return d_hidden, d_out, jacobian_estimate(z, np.diff(said, axis=0, prepend=0.0), alpha)


def _passed(rng, steps, batch, classes):
    """A batch, and noise in mirrored pairs; three hidden neurons of which some fire."""
    frames, hidden, *_ = _sequence(rng, steps, batch, 0.9, 1.0)
    readout = tenths(rng, classes, 3)

    def send(sent):
        return sent @ readout.T

    z = mirrored_in_time(tenths(rng, (steps + 1) // 2, batch, 3), steps)
    return frames, rng.integers(classes, size=batch), hidden, send, z, 0.2, tenths(rng, 3, classes)


ONLINE_PASS = Exercise(
    "online_pass", TOPIC, points=2, kind="bug",
    goal="find out why a layer stands still while the loss falls",
    reference=online_pass,
    cases=lambda rng: [_passed(rng, *shape) for shape in ((4, 2, 2), (5, 3, 2), (6, 1, 3))],
    mistakes=(
        Mistake("that is the pass as it was given. What X holds against the noise is the same at "
                "every step, and against that z and −z cancel. What did each step alone put out?",
                lambda *a: _pass(*a, heard="answer")),
        Mistake("X holds the sum over all steps against the noise. It is the same at every step, "
                "so z and −z cancel: take what each step alone put out.",
                lambda *a: _pass(*a, heard="sum")),
        Mistake("X holds what the last step put out against the noise of all steps. Keep what each "
                "step put out.", lambda *a: _pass(*a, heard="last")),
        Mistake("X holds the answer so far against the noise. It is made of all steps until then, "
                "and their noise with it: take what this step alone put out.",
                lambda *a: _pass(*a, heard="so far"), lambda *a: _pass(*a, heard="total")),
        Mistake("X holds the output's voltage against the noise. It still holds the noise of "
                "earlier steps, the mirrored one above all: take the current of this step.",
                lambda *a: _pass(*a, heard="voltage")),
        Mistake("you have taken the noise out of what is sent. Without it nothing is learnt about "
                "the readout.", lambda *a: _pass(*a, shaken=False),
                lambda *a: _pass(*a, shaken=False, heard="answer")),
        Mistake("you have moved the trace: the spikes of a step are in it when the error of that "
                "step comes. The fault lies elsewhere.", lambda *a: _pass(*a, late=True),
                lambda *a: _pass(*a, late=True, heard="answer")),
        Mistake("the trace of the readout is without the noise in yours. It is a trace of what was "
                "sent, and that is what the readout heard.", lambda *a: _pass(*a, clean=True),
                lambda *a: _pass(*a, clean=True, heard="answer")),
        Mistake("X holds what the step before put out against the noise of a step. Both have to be "
                "of the same step.", lambda *a: _pass(*a, heard="before")),
        Mistake("X holds what was put out against what was sent, spikes and all. Hold it against "
                "the noise z alone.", lambda *a: _pass(*a, heard="sent")),
        Mistake("the sign of X is turned round.", lambda *a: _pass(*a, flip=True)),
        Mistake("X holds the difference of two steps against the noise of one. Take what this step "
                "put out, as it is.", _apart),
        Mistake("X holds what the noise alone puts out, which takes a second question a step. Take "
                "what the step put out, as it is: on average the spikes' part cancels.",
                lambda *a: _pass(*a, heard="noise")),
    ),
    calls=Calls("you ask the readout more than once in a step. Keep what it says.",
                lambda frames, *_: len(frames)),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, and race

STEPS, RECORDINGS, PER_RECORDING = 60, 20_000, 5


class Dark:
    """A readout that cannot be read: it answers spikes with currents, and takes changes.

    allowed: recordings that may be sent through it; rows: rows of spikes so far, five a recording.
    """

    def __init__(self, seed: int, allowed: int):
        hidden, _, weight, _ = np.split(tiny.start(seed), tiny.CUTS[:-1])
        self.hidden = hidden.reshape(tiny.INPUTS, tiny.HIDDEN).T.copy()
        self._weight, self.allowed, self.rows = weight.reshape(tiny.HIDDEN, 2).T, allowed, 0
        self._start = self._weight

    def send(self, sent):
        sent = np.asarray(sent, dtype=float)
        if sent.ndim != 2 or sent.shape[1] != tiny.HIDDEN:
            raise Refused(f"what was sent has the shape {sent.shape}; the readout takes (B, 8)")
        self.rows += len(sent)
        if self.rows > self.allowed * PER_RECORDING:
            raise Refused(f"more than {self.allowed:,} recordings were sent through the readout")
        return sent @ self._weight.T

    def change(self, delta):
        delta = np.asarray(delta, dtype=float)
        if delta.shape != self._weight.shape or not np.isfinite(delta).all():
            raise Refused(f"a change of shape {delta.shape}; the readout takes finite numbers, "
                             f"{self._weight.shape}")  # fmt: skip
        self._weight = self._weight + delta

    @property
    def changed(self) -> bool:
        return not np.array_equal(self._weight, self._start)

    def accuracy(self, hidden) -> float:
        """Share of unseen digits that this hidden layer and the readout get right."""
        hidden = np.asarray(hidden, dtype=float)
        if hidden.shape != self.hidden.shape or not np.isfinite(hidden).all():
            raise NotYet("  Return the weights of the hidden layer, finite numbers of shape "
                         f"{self.hidden.shape}; yours have {hidden.shape}.")  # fmt: skip
        parts = hidden.T, np.zeros(tiny.HIDDEN), self._weight.T, np.zeros(2)
        return tiny.accuracy(np.concatenate([part.ravel() for part in parts]))

    def __deepcopy__(self, memo):
        """A call's copy of the arguments counts where the check looks."""
        return self


def train_opzo(frames, labels, hidden, send, change, steps, seed):
    return _trained(frames, labels, hidden, send, change, steps, seed, len(labels), 0.05)


def _trained(frames, labels, hidden, send, change, steps, seed, batch, lr):
    rng, alpha, M = np.random.default_rng(seed), 0.2, np.zeros((tiny.HIDDEN, 2))
    both = [torch.tensor(hidden), torch.zeros(2, tiny.HIDDEN, dtype=torch.float64)]
    optimizer = torch.optim.Adam(both, lr=lr)
    for step in range(steps):
        rows = rng.permutation(len(labels))[:batch]
        z = mirrored_in_time(rng.normal(size=(3, batch, tiny.HIDDEN)), len(frames))
        d_hidden, d_out, X = online_pass(frames[:, rows], labels[rows], both[0].numpy(), send, z,
                                         alpha, M)  # fmt: skip
        M = momentum_feedback(X[None], M, 0.9)[0]
        both[0].grad, both[1].grad = torch.from_numpy(d_hidden), torch.from_numpy(d_out)
        optimizer.param_groups[0]["lr"], before = lr * (1 - step / steps), both[1].clone()
        optimizer.step()
        change((both[1] - before).numpy())
    return both[0].numpy()


def _in_the_dark(rng, allowed):
    seed, data = int(rng.integers(1000)), tiny.digits()
    dark = Dark(seed, allowed)
    return dark, (data.frames, data.labels, dark.hidden, dark.send, dark.change), seed


def _some_steps(rng, steps=STEPS):
    dark, arguments, seed = _in_the_dark(rng, steps * len(tiny.digits().labels))

    def both(hidden) -> float:
        right = dark.accuracy(hidden)
        for same, layer in ((np.array_equal(hidden, dark.hidden), "hidden layer"),
                            (not dark.changed, "readout")):  # fmt: skip
            if same:
                raise NotYet(f"  {right:.0%} of unseen digits right, but the {layer} is as you "
                             "got it. Train both layers.")  # fmt: skip
        return right

    return (*arguments, steps, seed), both


TRAIN_OPZO = Open(
    "train_opzo", TOPIC, points=3, kind="train",
    goal="train a network whose readout cannot be read, by noise and an error in closed form",
    reference=train_opzo, trial=_some_steps, less=7, forward_only=True, seeded=True,
    marks=((0.75, 1), (0.85, 2), (0.92, 3)), wording="{:.0%} of unseen digits right".format,
)  # fmt: skip


def few_recordings(frames, labels, hidden, send, change, seed):
    return _trained(frames, labels, hidden, send, change, 50, seed, 8, 0.05)


def _fewest(rng):
    dark, arguments, seed = _in_the_dark(rng, RECORDINGS)
    score = fewest(0.85, dark.accuracy, lambda: dark.rows // PER_RECORDING, "recordings")
    return (*arguments, seed), score


FEW_RECORDINGS = Open(
    "few_recordings", TOPIC, points=3,
    goal="learn from as few recordings as possible, while they run",
    reference=few_recordings, trial=_fewest, forward_only=True, seeded=True,
    marks=((-1600, 1), (-800, 2), (-400, 3)),
    wording=lambda value: f"85 % after {-value:,.0f} recordings",
)  # fmt: skip
