"""Exercises of lesson 08, first part: the error of the loss, and feedback learnt from noise."""

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lib.estimators.online import OnlineEstimator

TOPIC = "08_opzo"


def normal(rng, *shape, size=1.0):
    """Normal numbers of one decimal."""
    return np.round(rng.normal(0, size, shape), 1) + 0.0  # no −0


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


SOFTMAX_ERROR = Exercise(
    "softmax_error", TOPIC, points=1,
    goal="write the gradient of the loss in closed form",
    reference=softmax_error,
    cases=lambda rng: [
        (normal(rng, b, c, size=0.6), rng.integers(c, size=b), scale)
        for b, c, scale in ((2, 3, 2.5), (3, 2, 0.5), (1, 4, 10.0))
    ],
    mistakes=(
        Mistake("the factor c in front is missing. The logits are c · o, so by the chain rule "
                "∂L/∂o is c times softmax − one-hot.", lambda *a: _error(*a, outer=False)),
        Mistake("c is missing inside the softmax: the probabilities are those of the logits c · o.",
                lambda *a: _error(*a, inner=False)),
        Mistake("c is missing, inside the softmax and in front of it.",
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
    return normal(rng, steps, batch, neurons), normal(rng, steps, batch, classes), alpha


JACOBIAN_ESTIMATE = Exercise(
    "jacobian_estimate", TOPIC, points=2,
    goal="correlate noise with what it did, averaged over batch and time",
    reference=jacobian_estimate,
    cases=lambda rng: [
        _moments(rng, *shape)
        for shape in ((2, 2, 2, 1, 0.2), (2, 1, 3, 2, 0.5), (3, 2, 1, 2, 2.0))
    ],
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
        Mistake("X is transposed: neurons come first, classes second, shape (N, C).",
                lambda *a: _outer(*a).T),
        Mistake("you add the outputs up over time before you multiply, and there mirrored noise "
                "cancels. Each z[t] belongs to what step t alone put out.",
                lambda z, o, alpha: _outer(z, np.broadcast_to(o.sum(0), o.shape), alpha)),
        Mistake("you add the outputs up over time before you multiply, and there mirrored noise "
                "cancels. Each z[t] belongs to what step t alone put out.",
                lambda z, o, alpha: _outer(z, np.broadcast_to(o.mean(0), o.shape), alpha)),
        Mistake("a product of means is not the mean of the products. Multiply z and õ of the same "
                "step and recording first.",
                lambda z, o, alpha: np.outer(z.mean((0, 1)), o.mean((0, 1))) / alpha),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- choice of λ


def momentum_for(batches):
    return (batches - 1) / (batches + 1)


MOMENTUM_FOR = Exercise(
    "momentum_for", TOPIC, points=1,
    goal="solve a variance for the parameter that sets it",
    reference=momentum_for,
    cases=lambda rng: [(199,), (1,), (9,), *[(int(rng.integers(2, 500)),) for _ in range(3)]],
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


MOMENTUM_FEEDBACK = Exercise(
    "momentum_feedback", TOPIC, points=2,
    goal="keep a running mean, and remove the trace of its start",
    reference=momentum_feedback,
    cases=lambda rng: [
        (normal(rng, t, n, c), normal(rng, n, c, size=2.0), momentum)
        for t, n, c, momentum in ((2, 2, 2, 0.9), (3, 1, 2, 0.5), (5, 1, 1, 0.8))
    ],
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
        Mistake("the two are the wrong way round: return (M, corrected M).",
                lambda *a: momentum_feedback(*a)[::-1]),
        Mistake("you go through the batches backwards: the last one comes last, and weighs most.",
                lambda X, *a: momentum_feedback(X[::-1], *a)),
    ),
)  # fmt: skip

EXERCISES = (SOFTMAX_ERROR, JACOBIAN_ESTIMATE, MOMENTUM_FOR, MOMENTUM_FEEDBACK)
