"""Exercise of lesson 10, third part: EGGROLL at the readout of a hybrid."""

import numpy as np

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lab.checks.inference import TOPIC


def readout_gradient(loss, features, weight, a, b, sigma):
    rank = a.shape[2]
    E = np.einsum("mcr,mnr->mcn", a, b) / np.sqrt(rank)
    change = [loss(features @ (weight + sigma * e).T) - loss(features @ (weight - sigma * e).T)
              for e in E]  # fmt: skip
    return np.tensordot(change, E, axes=1) / (2 * sigma * len(E))


def _gradient(loss, x, W, a, b, sigma, *, run_root=True, root=True, step=None, two=2, sided=2,
              mean=True, sign=1, over_sigma=1, square=False):  # fmt: skip
    r, total = a.shape[2], 0
    for A, B in zip(a, b, strict=True):
        E, moved = A @ B.T, (sigma if step is None else step) * (A @ B.T)
        moved = moved / np.sqrt(r) if run_root else moved
        E = E / (r if square else np.sqrt(r) if root else 1)
        up, down = loss(x @ (W + moved).T), loss(x @ (W - moved).T)
        change = up - down if sided == 2 else up - loss(x @ W.T) if sided == 1 else up
        total = total + change * E
    return sign * total / (two * sigma**over_sigma * (len(a) if mean else 1))


def mean_square(logits):
    return float(np.mean(np.square(logits)) / 2)


def first_class(logits):
    """Cross-entropy if every label is 0."""
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[:, 0]))


def cubes(logits):
    return float(np.mean(np.asarray(logits) ** 3 + logits))


def _readout(rng, loss, pairs, rank, batch, classes, neurons, sigma):
    shapes = ((batch, neurons), (classes, neurons), (pairs, classes, rank), (pairs, neurons, rank))
    return loss, *[np.round(rng.normal(0, 1, shape), 1) + 0.0 for shape in shapes], sigma


READOUT_GRADIENT = Exercise(
    "readout_gradient", TOPIC, points=3,
    goal="estimate a gradient from nothing but a loss that can be called",
    reference=readout_gradient,
    cases=lambda rng: [
        _readout(rng, mean_square, 2, 2, 2, 2, 3, 0.5),
        _readout(rng, first_class, 3, 3, 2, 3, 2, 0.2),
        _readout(rng, cubes, 1, 4, 3, 2, 2, 0.3),
    ],
    mistakes=(
        Mistake("the factor 1/√r is missing, in the members and in the sum: E = A Bᵀ/√r.",
                lambda *a: _gradient(*a, run_root=False, root=False)),
        Mistake("the factor 1/√r is missing in the members: they are W ± σE with E = A Bᵀ/√r.",
                lambda *a: _gradient(*a, run_root=False)),
        Mistake("the factor 1/√r is missing in the sum: it is made of E = A Bᵀ/√r, not of A Bᵀ.",
                lambda *a: _gradient(*a, root=False)),
        Mistake("you divide by r. E = A Bᵀ/√r.", lambda *a: _gradient(*a, square=True)),
        Mistake("the members are W ± σE; σ is missing there.", lambda *a: _gradient(*a, step=1.0)),
        Mistake("you do not divide by σ: the difference was made by a move of 2σE.",
                lambda *a: _gradient(*a, over_sigma=0)),
        Mistake("you divide by σ twice.", lambda *a: _gradient(*a, over_sigma=2)),
        Mistake("twice too large: the two members are 2σE apart. Divide by 2σ.",
                lambda *a: _gradient(*a, two=1)),
        Mistake("you take the sum over pairs. The estimate is their mean: divide by M.",
                lambda *a: _gradient(*a, mean=False)),
        Mistake("that is the direction of the change. Asked is the gradient of the loss, without "
                "the minus.", lambda *a: _gradient(*a, sign=-1)),
        Mistake("you compare with the unmoved readout. A pair is W + σE and W − σE.",
                lambda *a: _gradient(*a, sided=1, two=1)),
        Mistake("you compare with the unmoved readout. A pair is W + σE and W − σE.",
                lambda *a: _gradient(*a, sided=1)),
        Mistake("each pair has one member only in yours. Run its mirror image W − σE too, and take "
                "the difference of the losses.", lambda *a: _gradient(*a, sided=0, two=1)),
        Mistake("your result is transposed: like the weights it has the shape (C, N).",
                lambda *a: readout_gradient(*a).T),
    ),
)  # fmt: skip

EXERCISES = (READOUT_GRADIENT,)
