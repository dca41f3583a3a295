"""Exercises of lesson 07: noise in two thin factors, and what can be computed without building it.

Those about the noise's origin and its price follow in ``counters.py``.
"""

import numpy as np

from course_lab.checks.engine.engine import Exercise, Mistake, Room
from course_lab.checks.evolution import tenths

TOPIC = "07_eggroll"


# ------------------------------------------------------------------------------- noise of rank r


def low_rank_noise(A, B):
    return A @ B.transpose(0, 2, 1) / A.shape[2] ** 0.5


def _noise(A, B, divisor=lambda p, m, r: r**0.5):
    return A @ B.transpose(0, 2, 1) / divisor(*A.shape)


def _factors(rng, pairs, m, n, r):
    return tenths(rng, pairs, m, r), tenths(rng, pairs, n, r)


LOW_RANK_NOISE = Exercise(
    "low_rank_noise", TOPIC, points=1,
    goal="multiply stacks of matrices, and keep the variance at 1",
    reference=low_rank_noise,
    cases=lambda rng: [
        _factors(rng, *shape) for shape in ((1, 2, 3, 4), (3, 2, 2, 2), (2, 4, 1, 3), (2, 3, 2, 1))
    ],
    mistakes=(
        Mistake("√r is missing. An entry is a sum of r products, so its variance is r: divide by "
                "√r.", lambda A, B: _noise(A, B, lambda p, m, r: 1)),
        Mistake("you divide by r. That makes the variance 1/r: divide by √r.",
                lambda A, B: _noise(A, B, lambda p, m, r: r)),
        Mistake("you multiply by √r. The entries are too large already: divide.",
                lambda A, B: _noise(A, B, lambda p, m, r: r**-0.5)),
        Mistake("you take the root of m. The rank r is the last axis of A and B.",
                lambda A, B: _noise(A, B, lambda p, m, r: m**0.5)),
        Mistake("you take the root of the number of pairs. The rank r is the last axis.",
                lambda A, B: _noise(A, B, lambda p, m, r: p**0.5)),
        Mistake("your matrices are transposed: outputs come first, (m, n), so A Bᵀ.",
                lambda A, B: low_rank_noise(B, A)),
        Mistake("you add the pairs up. Each has a matrix of its own: shape (P, m, n).",
                lambda A, B: low_rank_noise(A, B).sum(axis=0)),
        Mistake("you add up the columns of A and of B before you multiply. Column s of A meets "
                "column s of B only.",
                lambda A, B: _noise(A.sum(2)[..., None], B.sum(2)[..., None],
                                    lambda *shape: A.shape[2] ** 0.5)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- forward without E


def low_rank_forward(x, W, A, B, sigma):
    return _forward(x, W, A, B, sigma)


def _pair(base, change):
    return np.stack([base + change, base - change])


def _forward(x, W, A, B, sigma, *, scale=lambda s, r: s / r**0.5, pair=_pair):
    change = (x @ B) @ A.transpose(0, 2, 1) * scale(sigma, A.shape[2])
    return pair(x @ W.T, change)


def _layer(rng, rows, pairs, m, n, r, sigma):
    return tenths(rng, rows, n), tenths(rng, m, n), *_factors(rng, pairs, m, n, r), sigma


LOW_RANK_FORWARD = Exercise(
    "low_rank_forward", TOPIC, points=2,
    goal="set brackets so that a population costs little more than one network",
    reference=low_rank_forward,
    cases=lambda rng: [
        _layer(rng, *shape)
        for shape in ((1, 1, 2, 3, 4, 0.5), (2, 3, 1, 2, 2, 0.1), (3, 2, 3, 1, 2, 2.0),
                      (4, 8, 200, 300, 1, 0.1))
    ],
    atol=1e-4,
    mistakes=(
        Mistake("√r is missing: the change is σ/√r · (x B) Aᵀ.",
                lambda *a: _forward(*a, scale=lambda s, r: s)),
        Mistake("you divide by r: the change is σ/√r · (x B) Aᵀ.",
                lambda *a: _forward(*a, scale=lambda s, r: s / r)),
        Mistake("σ is missing: the change is σ/√r · (x B) Aᵀ.",
                lambda *a: _forward(*a, scale=lambda s, r: r**-0.5)),
        Mistake("σ is in both factors, so the weights move by σ². Scale one of them.",
                lambda *a: _forward(*a, scale=lambda s, r: s * s / r**0.5)),
        Mistake("both members of a pair are the same: the second has −E.",
                lambda *a: _forward(*a, pair=lambda b, c: np.stack([b + c, b + c]))),
        Mistake("you turn the sign of the whole current. The second member is W − σE: x Wᵀ keeps "
                "its sign.", lambda *a: _forward(*a, pair=lambda b, c: np.stack([b + c, -b - c]))),
        Mistake("in yours W − σE comes first: first W + σE.",
                lambda *a: _forward(*a, pair=lambda b, c: np.stack([b - c, b + c]))),
        Mistake("x Wᵀ is missing: that is the change alone.",
                lambda *a: _forward(*a, pair=lambda b, c: np.stack([c, -c]))),
        Mistake("the second members of the pairs, W − σE, are missing: shape (2, P, rows, m).",
                lambda *a: _forward(*a, pair=lambda b, c: b + c)),
        Mistake("in yours the pair comes before the sign. As in the lesson, the sign is the first "
                "axis: shape (2, P, rows, m).",
                lambda *a: _forward(*a, pair=lambda b, c: np.stack([b + c, b - c], axis=1))),
    ),
    room=Room("the currents are right, but you build a matrix of noise, or weights, for a member. "
              "Set the brackets otherwise: (x B) Aᵀ.",
              lambda x, W, A, B, sigma: max(3 * W.nbytes // 2, 2**18)),
)  # fmt: skip

# ------------------------------------------------------------------------------- gradient without E


def eggroll_gradient(f, A, B, sigma):
    return _gradient(f, A, B, sigma)


def _gradient(f, A, B, sigma, *, sign=-1, count=lambda f: f.size, power=1, root=0.5,
              pull=lambda f: f[:, 0] - f[:, 1]):  # fmt: skip
    total = np.einsum("p,pmr,pnr->mn", pull(f), A, B, optimize=["einsum_path", (0, 1), (0, 1)])
    return sign * total / (count(f) * sigma**power * A.shape[2] ** root)


def _by_reshape(f, A, B, sigma):
    """Factors laid side by side by a reshape without the transpose before it."""
    left = ((f[:, 0] - f[:, 1])[:, None, None] * A).reshape(A.shape[1], -1)
    return -left @ B.reshape(B.shape[1], -1).T / (f.size * sigma * A.shape[2] ** 0.5)


def _generation(rng, pairs, m, n, r, sigma):
    return tenths(rng, pairs, 2), *_factors(rng, pairs, m, n, r), sigma


EGGROLL_GRADIENT = Exercise(
    "eggroll_gradient", TOPIC, points=2,
    goal="turn a sum over members into one matrix product",
    reference=eggroll_gradient,
    cases=lambda rng: [
        _generation(rng, *shape)
        for shape in ((2, 2, 3, 2, 0.5), (3, 1, 2, 1, 0.1), (2, 3, 1, 2, 2.0),
                      (100, 60, 50, 1, 0.1))
    ],
    mistakes=(
        Mistake("the sign is turned round: .grad holds the gradient of the loss, and f is the "
                "fitness. A minus in front.", lambda *a: _gradient(*a, sign=1)),
        Mistake("√r is missing: E = A Bᵀ/√r here as well.", lambda *a: _gradient(*a, root=0)),
        Mistake("you divide by r: E = A Bᵀ/√r here as well.", lambda *a: _gradient(*a, root=1)),
        Mistake("you divide by the number of pairs. N counts members, two a pair: f.size.",
                lambda *a: _gradient(*a, count=len)),
        Mistake("N is missing: divide by N σ √r.", lambda *a: _gradient(*a, count=lambda f: 1)),
        Mistake("σ is missing: divide by N σ √r.", lambda *a: _gradient(*a, power=0)),
        Mistake("you multiply by σ: divide by N σ √r.", lambda *a: _gradient(*a, power=-1)),
        Mistake("you add the two members of a pair: each pair counts f⁺ − f⁻.",
                lambda *a: _gradient(*a, pull=lambda f: f.sum(1))),
        Mistake("the second members of the pairs are missing: each pair counts f⁺ − f⁻.",
                lambda *a: _gradient(*a, pull=lambda f: f[:, 0])),
        Mistake("the weights are in both factors, and so squared: scale A or B, not both.",
                lambda *a: _gradient(*a, pull=lambda f: (f[:, 0] - f[:, 1]) ** 2)),
        Mistake("reshape alone mixes pairs with rows. Pairs and columns have to lie side by side: "
                "A.transpose(1, 0, 2).reshape(m, -1).", _by_reshape),
        Mistake("a product of sums is not the sum of the products: A of one pair meets B of the "
                "same pair only.",
                lambda f, A, B, s: _gradient(
                    f, A, np.broadcast_to(B.sum(0), B.shape), s)),
        Mistake("your result is transposed: like the weights, it has the shape (m, n).",
                lambda f, A, B, s: _gradient(f, B, A, s)),
    ),
    room=Room("the gradient is right, but you build the matrices of noise of a whole population. "
              "Sum over pairs and columns in one product of two thin matrices.",
              lambda f, A, B, sigma: 4 * (A.nbytes + B.nbytes) + 2**18),
)  # fmt: skip

EXERCISES = (LOW_RANK_NOISE, LOW_RANK_FORWARD, EGGROLL_GRADIENT)
