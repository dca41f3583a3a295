"""Exercises of lesson 05, first part: a derivative of each spike made from draws."""

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lib.estimators.smoothing import Smoothing, named_smoothing

TOPIC = "05_localzo"
ROOT3 = 3**0.5


def distances(rng, reach, shares):
    """u at about these shares of ``reach``, never on an edge."""
    return np.round(reach * (np.array(shares) + rng.uniform(-0.05, 0.05, len(shares))), 3)


# ------------------------------------------------------------------------------- one draw


def spike_quotient(u, z, delta):
    return localzo_derivative(u, np.full((*np.shape(u), 1), float(z)), delta)


def _step(u):
    return (u > 0).astype(float)


def _quotient(reach="δ|z|", height="|z|", over="2δ", inside=np.abs):
    reaches = {"δ|z|": lambda z, d: d * abs(z), "δ": lambda z, d: d, "|z|": lambda z, d: abs(z)}
    heights = {"|z|": abs, "z": lambda z: z, "1": lambda z: 1.0}
    overs = {"2δ": lambda z, d: 2 * d, "δ": lambda z, d: d, "2": lambda z, d: 2,
             "2δ|z|": lambda z, d: 2 * d * abs(z)}  # fmt: skip

    def quotient(u, z, delta):
        return heights[height](z) / overs[over](z, delta) * (inside(u) < reaches[reach](z, delta))

    return quotient


SPIKE_QUOTIENT = Exercise(
    "spike_quotient", TOPIC, points=1,
    goal="turn an analysis of cases into one line of code",
    reference=spike_quotient,
    cases=lambda rng: [
        (distances(rng, delta * abs(z), (-1.7, -0.8, -0.3, 0.2, 0.7, 1.4)), z, delta)
        for z, delta in ((1.2, 0.4), (-2.0, 0.3), (0.6, 0.8), (-0.5, 0.5))
    ],
    mistakes=(
        Mistake("a negative z gives you a negative slope. Moving the other way turns the "
                "difference round as well, and minus times minus is plus: take |z|.",
                _quotient(height="z")),
        Mistake("you compare with the neuron where it is. Two points means one on each side: "
                "h(u + δz) − h(u − δz).",
                lambda u, z, d: (_step(u + d * z) - _step(u)) * z / d),
        Mistake("you compare with the neuron where it is. Two points means one on each side: "
                "h(u + δz) − h(u − δz).",
                lambda u, z, d: (_step(u + d * z) - _step(u)) * z / (2 * d)),
        Mistake("you divide by the distance 2δ|z|. LocalZO divides by 2δ and multiplies by z, so "
                "that wide boxes are high ones: |z|/(2δ).", _quotient(height="1", over="2δ|z|")),
        Mistake("the factor z is missing: the box is |z|/(2δ) high.", _quotient(height="1")),
        Mistake("twice too high: divide by 2δ, not by δ.", _quotient(over="δ")),
        Mistake("δ is missing below the line: divide by 2δ, not by 2.", _quotient(over="2")),
        Mistake("in yours every draw reaches as far. A larger z reaches farther: |u| < δ|z|.",
                _quotient(reach="δ")),
        Mistake("you ask whether |u| < |z|. The neuron is moved by δz: |u| < δ|z|.",
                _quotient(reach="|z|")),
        Mistake("neurons far below the threshold get a slope too. Compare the size |u|, not u.",
                _quotient(inside=lambda u: u)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- m draws


def localzo_derivative(u, z, delta):
    given = Smoothing("given", 1.0, delta, 1.0, torch.empty(0), torch.abs, torch.abs)
    return given.derivative(torch.as_tensor(u), torch.as_tensor(z).abs()).numpy()


def _boxes(u, z, delta, height=np.abs):
    return height(z) / (2 * delta) * (np.abs(u)[..., None] < delta * np.abs(z))


def _active_mean(u, z, delta):
    boxes = _boxes(u, z, delta)
    return boxes.sum(-1) / np.maximum((boxes > 0).sum(-1), 1)


def _draws(rng, *shape):
    """Sizes from 0.3 to 2.2, both signs, of one decimal."""
    return np.round(rng.uniform(0.3, 2.2, shape) * rng.choice((-1, 1), shape), 1)


LOCALZO_DERIVATIVE = Exercise(
    "localzo_derivative", TOPIC, points=2,
    goal="compute with arrays of different shapes, without a loop",
    reference=localzo_derivative,
    cases=lambda rng: [
        (np.array([0.103]), np.array([[0.3, -0.8, 0.6, 1.0]]), 0.2),
        *[(distances(rng, delta, shares), _draws(rng, len(shares), m), delta)
          for shares, m, delta in (((-1.5, 0.4, 0.9), 2, 0.4), ((0.6, -0.7), 3, 0.3))],
        (distances(rng, 0.8, (0.5, -0.9, 0.2, 1.1)).reshape(2, 2), _draws(rng, 2, 2, 2), 0.8),
    ],
    mistakes=(
        Mistake("you add the m boxes up. G is their mean: divide by m.",
                lambda *a: _boxes(*a).sum(-1)),
        Mistake("you average over the draws that reach the threshold only. Those that do not "
                "count as 0: divide by m.", _active_mean),
        Mistake("you average the draws first and ask once. Ask each draw for its box, then "
                "average the boxes.",
                lambda u, z, d: _boxes(u, np.abs(z).mean(-1, keepdims=True), d)[..., 0]),
        Mistake("you average the draws first and ask once. Ask each draw for its box, then "
                "average the boxes.",
                lambda u, z, d: _boxes(u, z.mean(-1, keepdims=True), d)[..., 0]),
        Mistake("negative draws lower your mean. Every box is positive: |z|/(2δ).",
                lambda *a: _boxes(*a, height=lambda z: z).mean(-1)),
        Mistake("all your boxes are equally high. A box is |z|/(2δ) high: each its own.",
                lambda *a: _boxes(*a, height=np.ones_like).mean(-1)),
        Mistake("you return one number. Every neuron has a G of its own: take the mean over the "
                "last axis only.", lambda *a: _boxes(*a).mean()),
        Mistake("you average over neurons. The draws lie in the last axis: mean over axis −1.",
                lambda *a: _boxes(*a).mean(0)),
        Mistake("you use one draw. There are m in the last axis of z: average their boxes.",
                lambda *a: _boxes(*a)[..., 0]),
        Mistake("you take the highest box. G is the mean of all m.",
                lambda *a: _boxes(*a).max(-1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- expectation


def expected_uniform(u, width, delta):
    # λ of half width w is the library's, of √3, with every draw w/√3 times as large
    share = width / ROOT3
    library = named_smoothing("uniform", delta * share, 1.0)
    return share * share * library.surrogate(torch.as_tensor(u)).numpy()


def tail(u, w, d, *, clip=True, squared=True, inner=True, factor=4.0, outer=True):
    x = np.abs(u) / (d if inner else 1)
    area = w**2 - x**2 if squared else w - x
    area = np.maximum(area, 0) if clip else area
    return area / (factor * w * (d if outer else 1))


EXPECTED_UNIFORM = Exercise(
    "expected_uniform", TOPIC, points=2,
    goal="take the mean of a random derivative by an integral, and know where it ends",
    reference=expected_uniform,
    cases=lambda rng: [
        (distances(rng, width * delta, (-1.5, -0.6, 0.1, 0.7, 1.3)), width, delta)
        for width, delta in ((1.5, 0.5), (0.8, 0.6), (2.5, 0.3))
    ],
    mistakes=(
        Mistake("your slope gets negative far out. Beyond |u| = wδ no draw reaches: it is 0 there.",
                lambda *a: tail(*a, clip=False)),
        Mistake("you integrated λ alone. The box is |z|/(2δ) high, so it is z λ(z) that has to be "
                "integrated from |u|/δ to w.", lambda *a: tail(*a, squared=False, factor=2.0)),
        Mistake("twice too large. λ is 1/(2w) on [−w, w], and the integral of z is z²/2.",
                lambda *a: tail(*a, factor=2.0)),
        Mistake("half is missing. Negative draws have boxes as well: double the positive side.",
                lambda *a: tail(*a, factor=8.0)),
        Mistake("the integral starts at |u|/δ, not at |u|: divide u by δ first.",
                lambda *a: tail(*a, inner=False)),
        Mistake("the factor 1/δ in front of the integral is missing.",
                lambda *a: tail(*a, outer=False)),
        Mistake("that is the lesson's formula for w = √3. Put the width w in its place.",
                lambda u, w, d: tail(u, ROOT3, d)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- reach


def expected_threshold(z, delta):
    return delta * np.abs(z).max(axis=1).mean()


def _reaching(rng, rows, m):
    """Draws whose farthest is negative in one row and positive in another."""
    z = _draws(rng, rows, m)
    far = np.abs(z).argmax(axis=1)
    z[0, far[0]], z[1, far[1]] = -abs(z[0, far[0]]) - 0.4, abs(z[1, far[1]]) + 0.1
    return np.round(z, 1)


EXPECTED_THRESHOLD = Exercise(
    "expected_threshold", TOPIC, points=1,
    goal="measure an expectation from draws",
    reference=expected_threshold,
    cases=lambda rng: [
        (_reaching(rng, rows, m), delta)
        for rows, m, delta in ((3, 2, 0.5), (2, 4, 0.3), (4, 2, 0.8))
    ],
    mistakes=(
        Mistake("a negative draw reaches as far as a positive one: take |z| before the maximum.",
                lambda z, d: d * z.max(axis=1).mean()),
        Mistake("that is the mean reach of all draws. Asked is that of the farthest in each row: "
                "the maximum over m first, then the mean over rows.",
                lambda z, d: d * np.abs(z).mean()),
        Mistake("δ is missing: a draw z reaches δ|z|.", lambda z, d: np.abs(z).max(axis=1).mean()),
        Mistake("that is the farthest of all draws. Each row is a trial of its own: maximum over m "
                "(axis 1), then the mean over rows.", lambda z, d: d * np.abs(z).max()),
        Mistake("you take the maximum over the trials. The m draws of a trial lie in a row: "
                "maximum over axis 1.", lambda z, d: d * np.abs(z).max(axis=0).mean()),
        Mistake("you take the nearest draw. One that reaches is enough: the maximum of |z|.",
                lambda z, d: d * np.abs(z).min(axis=1).mean()),
        Mistake("you return the reach of every trial. Asked is their mean, one number.",
                lambda z, d: d * np.abs(z).max(axis=1)),
    ),
)  # fmt: skip

EXERCISES = (SPIKE_QUOTIENT, LOCALZO_DERIVATIVE, EXPECTED_UNIFORM, EXPECTED_THRESHOLD)
