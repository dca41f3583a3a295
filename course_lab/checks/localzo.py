"""Exercises of lesson 05: a derivative made from draws, what it saves, where to draw from."""

import numpy as np
import torch

from course_lab.checks.engine import compare, tiny
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Calls, Exercise, Mistake, NotYet
from course_lab.checks.engine.open import Open, fewest
from course_lab.checks.engine.slopes import Watched
from course_lib.estimators.smoothing import Smoothing, named_smoothing

TOPIC = "05_localzo"

ROOT3 = 3**0.5


def distances(rng, reach, shares):
    """u at about these shares of ``reach``, never on an edge."""
    return np.round(reach * (np.array(shares) + rng.uniform(-0.05, 0.05, len(shares))), 3)


# ------------------------------------------------------------------------------- one draw


def spike_quotient(u, z, delta):
    u, z = np.broadcast_arrays(u, z)
    return localzo_derivative(u, z[..., None], delta)


def _step(u):
    return (u > 0).astype(float)


def _quotient(reach="δ|z|", height="|z|", over="2δ", inside=np.abs):
    reaches = {"δ|z|": lambda z, d: d * abs(z), "δ": lambda z, d: d, "|z|": lambda z, d: abs(z),
               "δz": lambda z, d: d * z}  # fmt: skip
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
    ] + [at("distances are whole numbers", np.array([-3, -1, 0, 2]), 1.5, 0.9)],
    boundary=Boundary("z is 0", lambda rng: [(distances(rng, 1.0, (-0.5, 0.5)), 0.0, 0.4)]),
    mistakes=(
        Mistake("a negative z gives you a negative slope. Moving the other way turns the "
                "difference round as well, and minus times minus is plus: take |z|.",
                _quotient(height="z")),
        Mistake("you compare with the neuron where it is. Two points means one on each side: "
                "h(u + δz) − h(u − δz).",
                lambda u, z, d: (_step(u + d * z) - _step(u)) * z / d,
                lambda u, z, d: (_step(u + d * z) - _step(u)) * z / (2 * d)),
        Mistake("you divide by the distance 2δ|z|. LocalZO divides by 2δ and multiplies by z, so "
                "that wide boxes are high ones: |z|/(2δ).", _quotient(height="1", over="2δ|z|")),
        Mistake("the factor z is missing: the box is |z|/(2δ) high.", _quotient(height="1"),
                lambda u, z, d: (_step(u + d * z) - _step(u - d * z)) / (2 * d)),
        Mistake("twice too high: one step less the other is 0 or 1, and below the line stands 2δ.",
                _quotient(over="δ")),
        Mistake("δ is missing below the line: divide by 2δ, not by 2.", _quotient(over="2")),
        Mistake("in yours every draw reaches as far. A larger z reaches farther: |u| < δ|z|.",
                _quotient(reach="δ")),
        Mistake("you ask whether |u| < |z|. The neuron is moved by δz: |u| < δ|z|.",
                _quotient(reach="|z|")),
        Mistake("neurons far below the threshold get a slope too. Compare the size |u|, not u.",
                _quotient(inside=lambda u: u)),
        Mistake("a negative z reaches nobody in yours. It moves a neuron as far as a positive one: "
                "|u| < δ|z|.", _quotient(reach="δz"), _quotient(reach="δz", height="z")),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- m draws


def localzo_derivative(u, z, delta):
    given = Smoothing("given", 1.0, delta, 1.0, torch.empty(0), torch.abs, torch.abs)
    return given.derivative(torch.as_tensor(u), torch.as_tensor(z).abs()).numpy()


def _boxes(u, z, delta, height=np.abs, reach=np.abs):
    return height(z) / (2 * delta) * (np.abs(u)[..., None] < delta * reach(z))


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
        at("distances are whole numbers", np.array([-1, 0, 2]), _draws(rng, 3, 4), 0.9),
    ],
    boundary=Boundary("u has three axes", lambda rng: [
        (distances(rng, 0.4, [-0.6, 0.3, 0.7] * 4).reshape(2, 2, 3), _draws(rng, 2, 2, 3, 2),
         0.4)]),
    mistakes=(
        Mistake("you add the m boxes up. G is their mean: divide by m.",
                lambda *a: _boxes(*a).sum(-1)),
        Mistake("you average over the draws that reach the threshold only. Those that do not "
                "count as 0: divide by m.", _active_mean),
        Mistake("you average the draws first and ask once. Ask each draw for its box, then "
                "average the boxes.",
                lambda u, z, d: _boxes(u, np.abs(z).mean(-1, keepdims=True), d)[..., 0],
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
        Mistake("|z| is forgotten: half of all draws are negative, and reach nobody in yours. A "
                "draw reaches |u| < δ|z|, and its box is |z|/(2δ) high, whatever its sign.",
                lambda *a: _boxes(*a, height=np.asarray, reach=np.asarray).mean(-1),
                lambda *a: _boxes(*a, reach=np.asarray).mean(-1)),
        Mistake("|u| is forgotten: neurons far below the threshold get a slope in yours.",
                lambda u, z, d: (np.abs(z) / (2 * d) * (u[..., None] < d * np.abs(z))).mean(-1)),
        Mistake("you take the mean over axis 1. The draws lie in the last axis, wherever that "
                "is: −1.",
                lambda *a: _boxes(*a).mean(1)),
        Mistake("`u[:, None]` puts the new axis second, which is the last one of (N, 1) alone. "
                "Yours is wanted at the end, wherever that is: `u[..., None]`.",
                lambda u, z, d: (np.abs(z) / (2 * d) * (np.abs(u[:, None]) < d * np.abs(z))
                                 ).mean(-1)),
        Mistake("you make one box of the farthest reach and the mean height. Each draw has a box "
                "of its own: make m boxes, then average them.",
                lambda u, z, d: (np.abs(u) < d * np.abs(z).max(-1)) * np.abs(z).mean(-1) / (2 * d)),
        Mistake("every neuron has the draws of the first one in yours.",
                lambda u, z, d: _boxes(u, z.reshape(-1, z.shape[-1])[0], d).mean(-1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- expectation


def expected_uniform(u, width, delta):
    # p of half width w is the library's, of √3, with every draw w/√3 times as large
    share = width / ROOT3
    library = named_smoothing("uniform", delta * share, 1.0)
    distance = torch.as_tensor(np.asarray(u, dtype=float))
    return share * share * library.surrogate(distance).numpy()


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
    boundary=Boundary("distances are whole numbers",
                      lambda rng: [(np.array([-2, 0, 1, 4]), rng.uniform(2, 3), 1.1)]),
    mistakes=(
        Mistake("your slope gets negative far out. Beyond |u| = wδ no draw reaches: it is 0 there.",
                lambda *a: tail(*a, clip=False)),
        Mistake("your slope rises again beyond |u| = wδ, where no draw reaches. What would be "
                "negative is 0 there: cut it off, instead of turning its sign.",
                lambda *a: np.abs(tail(*a, clip=False))),
        Mistake("you cut off on one side only. Beyond u = −wδ your slope gets negative: take |u|.",
                lambda u, w, d: tail(u, w, d, clip=False) * (u < w * d)),
        Mistake("you integrated p alone. The box is |z|/(2δ) high, so it is z p(z) that has to be "
                "integrated from |u|/δ to w.", lambda *a: tail(*a, squared=False, factor=2.0)),
        Mistake("twice too large. p is 1/(2w) on [−w, w], and the integral of z is z²/2.",
                lambda *a: tail(*a, factor=2.0)),
        Mistake("half is missing. Negative draws have boxes as well: double the positive side.",
                lambda *a: tail(*a, factor=8.0)),
        Mistake("the integral starts at |u|/δ, not at |u|: divide u by δ first.",
                lambda *a: tail(*a, inner=False)),
        Mistake("the factor 1/δ in front of the integral is missing.",
                lambda *a: tail(*a, outer=False)),
        Mistake("that is the lesson's formula for w = √3. Put the width w in its place.",
                lambda u, w, d: tail(u, ROOT3, d)),
        Mistake("your p reaches from −1 to 1, whatever the width. It ends at w.",
                lambda u, w, d: tail(u, 1.0, d)),
        Mistake("yours ends at |u| = δ. The longest draw is w, and reaches wδ.",
                lambda u, w, d: tail(u, w, d) * (np.abs(u) < d)),
        Mistake("you hold the slope below 1. It is no probability: at u = 0 it is w/(4δ).",
                lambda *a: np.minimum(tail(*a), 1)),
        Mistake("the integral of z from |u|/δ to w is (w² − (u/δ)²)/2: a difference of squares, "
                "and not the square of the difference.",
                lambda u, w, d: np.maximum(w - np.abs(u) / d, 0) ** 2 / (4 * w * d)),
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
    boundary=Boundary("a trial has one draw (m = 1)", lambda rng: [(_reaching(rng, 4, 1), 0.5)]),
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
        Mistake("you take the median over the trials. Asked is their mean.",
                lambda z, d: d * np.median(np.abs(z).max(axis=1))),
        Mistake("you take half of the distance between the farthest draws on both sides. A draw "
                "reaches as far to both sides: the largest |z|.",
                lambda z, d: d * np.ptp(z, axis=1).mean() / 2),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- SparseGrad


def sparsegrad_derivative(u, delta, samples):
    limit = ROOT3 * samples / (samples + 1) * delta
    return expected_uniform(u, ROOT3, delta) * (np.abs(np.asarray(u)) < limit)


def _cut(limit, inside=lambda u, limit: np.abs(u) < limit):
    return lambda u, d, m: tail(u, ROOT3, d) * inside(u, limit(d, m))


def _limit(d, m):
    return ROOT3 * m / (m + 1) * d


SPARSEGRAD_DERIVATIVE = Exercise(
    "sparsegrad_derivative", TOPIC, points=2,
    goal="build a rival method from the same parts",
    reference=sparsegrad_derivative,
    cases=lambda rng: [
        (np.concatenate([
            distances(rng, _limit(delta, m), (-0.8, 0.3, 0.9)),
            distances(rng, ROOT3 * delta, (-1.2, 1.3)),
            0.5 * (_limit(delta, m) + ROOT3 * delta) * np.array([1, -1]),
            _limit(delta, m) * np.array([0.99, -0.99, 1.01, -1.01]),
        ]), delta, m)
        for delta, m in ((0.5, 1), (0.3, 3), (0.8, 2))
    ] + [
        at("|u| is exactly B_th", ROOT3 / 4 * np.array([-1, 0.5, 1]), 0.5, 1),
        at("distances are whole numbers", np.array([-2, -1, 0, 1, 3]), 1.5, 2),
    ],
    boundary=Boundary("there are many draws (m = 50)", lambda rng: [
        (_limit(0.4, 50) * np.array([-0.999, -1.001, 0.3, 0.999, 1.001]), 0.4, 50)]),
    mistakes=(
        Mistake("nothing is cut off before the surrogate ends by itself. It is zero from "
                "|u| = B_th = √3 · m/(m + 1) · δ on.", _cut(lambda d, m: ROOT3 * d)),
        Mistake("δ is missing in the threshold: B_th = √3 · m/(m + 1) · δ.",
                _cut(lambda d, m: ROOT3 * m / (m + 1))),
        Mistake("the factor √3 is missing in the threshold: B_th = √3 · m/(m + 1) · δ.",
                _cut(lambda d, m: m / (m + 1) * d)),
        Mistake("you cut at √3 · δ/(m + 1). More draws reach farther: m/(m + 1).",
                _cut(lambda d, m: ROOT3 / (m + 1) * d)),
        Mistake("you cut off on one side only. Compare |u| with B_th.",
                _cut(_limit, lambda u, limit: np.asarray(u) < limit),
                _cut(_limit, lambda u, limit: np.asarray(u) <= limit)),
        Mistake("you keep what should be cut off: keep |u| < B_th.",
                _cut(_limit, lambda u, limit: np.abs(u) >= limit)),
        Mistake("you return which entries are active. Multiply by the expected surrogate.",
                lambda u, d, m: (np.abs(u) < _limit(d, m)).astype(float)),
        Mistake("you lower the surrogate until it ends at B_th. SparseGrad leaves it as it is and "
                "only cuts: there is a jump at B_th.",
                lambda u, d, m: np.maximum(
                    tail(u, ROOT3, d) - tail(_limit(d, m), ROOT3, d), 0)),
        Mistake("you cut at √3 · (m − 1)/m · δ. One draw alone reaches somewhere too: m/(m + 1).",
                _cut(lambda d, m: ROOT3 * (m - 1) / m * d)),
        Mistake("you cut at √3 · (m − 1)/(m + 1) · δ, the mean of the largest draw with its sign. "
                "A negative draw reaches as far: m/(m + 1).",
                _cut(lambda d, m: ROOT3 * (m - 1) / (m + 1) * d)),
        Mistake("your draws end at 1. Here they end at w = √3: expected_uniform(u, 3**0.5, δ).",
                lambda u, d, m: tail(u, 1.0, d) * (np.abs(u) < _limit(d, m)),
                lambda u, d, m: tail(u, 1.0, d) * (np.abs(u) < m / (m + 1) * d)),
        Mistake("beyond B_th you keep the value at B_th. It is 0 there: keep or cut, by a mask.",
                lambda u, d, m: tail(np.minimum(np.abs(u), _limit(d, m)), ROOT3, d)),
        Mistake("expected_uniform takes the half width of z, √3. δ is its third argument already, "
                "and not to be multiplied in.",
                lambda u, d, m: tail(u, ROOT3 * d, d) * (np.abs(u) < _limit(d, m)),
                lambda u, d, m: tail(u, ROOT3 * d, d) * (np.abs(u) < d * _limit(d, m))),
        Mistake("you compare the value of the surrogate with B_th. Compare the distance |u|.",
                lambda u, d, m: np.where(tail(u, ROOT3, d) < _limit(d, m), tail(u, ROOT3, d), 0)),
        Mistake("3 ** 1 / 2 is 1.5: the power comes first. √3 is 3 ** 0.5.",
                lambda u, d, m: tail(u, 1.5, d) * (np.abs(u) < 1.5 * m / (m + 1) * d)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- savings


def backward_savings(G, spikes, inputs):
    active = np.asarray(G) != 0
    visited = active | (np.asarray(spikes) != 0)
    return active.mean(), inputs * np.sum(~visited)


def _savings(share="active", visited="or", inputs=True, saved=True):
    def savings(G, spikes, D):
        a, s = G != 0, spikes != 0
        seen = {"active": a, "and": a & s, "xor": a ^ s, "!=": s != G}.get(visited, a | s)
        count = a.sum() + s.sum() if visited == "sum" else seen.sum()
        count += 2 * G.size if visited == "~" else 0  # ~0 is −1, and ~1 is −2
        part = {"active": a.mean(), "visited": (a | s).mean(), "idle": 1 - a.mean(),
                "count": a.sum(), "percent": 100 * a.mean(), "size": G.mean()}[share]  # fmt: skip
        return part, (G.size - count if saved else count) * (D if inputs else 1)

    return savings


def _entries(rng, idle, active, spiking, both):
    """G and spikes (2, 4) with so many entries of each kind, in random places."""
    kinds = rng.permutation([0] * idle + [1] * active + [2] * spiking + [3] * both).reshape(2, 4)
    G = np.round(rng.uniform(0.4, 3, (2, 4)), 1) * (kinds % 2)
    return G, (kinds >= 2).astype(float)


def _small(rng):
    G, spikes = _entries(rng, 3, 2, 2, 1)
    return G * 1e-12, spikes


def _ones(rng):
    G, spikes = _entries(rng, 2, 2, 2, 2)
    return (G > 0) * 1.0, spikes


def _deep(rng):
    """Time steps, recordings and neurons, (2, 2, 4)."""
    return map(np.stack, zip(_entries(rng, 4, 2, 1, 1), _entries(rng, 2, 3, 2, 1), strict=True))


BACKWARD_SAVINGS = Exercise(
    "backward_savings", TOPIC, points=1,
    goal="count the work that a sparse algorithm does, and the work it leaves out",
    reference=backward_savings,
    cases=lambda rng: [
        *[(*_entries(rng, *kinds), inputs)
          for kinds, inputs in (((5, 1, 1, 1), 100), ((2, 2, 3, 1), 2312), ((3, 2, 1, 2), 7))],
        at("G is very small", *_small(rng), 9), at("G is exactly 1", *_ones(rng), 9),
        at("there are three axes", *_deep(rng), 20),
    ],
    boundary=Boundary("G is negative", lambda rng: [
        (-_entries(rng, 3, 2, 2, 1)[0], _entries(rng, 2, 2, 3, 1)[1], 11)]),
    mistakes=(
        Mistake("entries that are active and spike are counted twice. An entry is visited once: "
                "active or spiking, (G != 0) | (spikes != 0).", _savings(visited="sum")),
        Mistake("spikes are missing: their resets cut off errors that were on their way back, so "
                "these entries need a product as well.", _savings(visited="active")),
        Mistake("an entry is visited if it is active or spikes; you ask for both at once.",
                _savings(visited="and")),
        Mistake("an entry that is active and spikes as well is not visited in yours. It is, once: "
                "(G != 0) | (spikes != 0).", _savings(visited="xor")),
        Mistake("~ is “not” for True and False alone. It makes −1 and −2 of the whole numbers 0 "
                "and 1: join (G != 0) and (spikes != 0).", _savings(visited="~")),
        Mistake("you count the rows, len(G), and not the entries, G.size.",
                lambda G, s, D: (np.sum(G != 0) / len(G),
                                 D * (len(G) - np.sum((G != 0) | (s != 0))))),
        Mistake("| comes before != in Python, so you compare G with the spikes. Set brackets: "
                "(G != 0) | (spikes != 0).", _savings(visited="!=")),
        Mistake("your share counts the spikes too. Active are the entries with G ≠ 0 only.",
                _savings(share="visited")),
        Mistake("your share is that of the entries that are not active.", _savings(share="idle")),
        Mistake("asked is a share between 0 and 1, not a number of entries.",
                _savings(share="count")),
        Mistake("asked is a share between 0 and 1, not a percentage.", _savings(share="percent")),
        Mistake("you average G itself. Count the entries where it is not 0.",
                _savings(share="size")),
        Mistake("you return the multiply-adds that are done. Asked is how many are saved, those of "
                "the entries that are not visited.", _savings(saved=False)),
        Mistake("that is the share of entries that are not visited, times inputs. Each of them "
                "saves as many multiply-adds as there are inputs: their number, the sum.",
                lambda G, s, D: (backward_savings(G, s, D)[0],
                                 backward_savings(G, s, D)[1] / G.size)),
        Mistake("each entry costs a multiply-add for every input: multiply by inputs.",
                _savings(inputs=False)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- inverse transform


def draw_magnitudes(r, z, density):
    z, density = np.asarray(z), np.asarray(density)
    pieces = (density[1:] + density[:-1]) / 2 * np.diff(z)
    F = np.concatenate([[0.0], np.cumsum(pieces)])
    return np.interp(r, F / F[-1], z)


def _table(z, density, rule="trapezoid", widths=True):
    parts = {"trapezoid": (density[1:] + density[:-1]) / 2, "left": density[:-1],
             "right": density[1:]}[rule]  # fmt: skip
    F = np.concatenate([[0.0], np.cumsum(parts * (np.diff(z) if widths else 1))])
    return F / F[-1]


def _grids(rng):
    for size, scale in ((4, 1.0), (5, 3.0), (4, 0.4)):
        z = np.concatenate([[0.0], np.cumsum(rng.choice((0.25, 0.5, 1.0, 1.5), size - 1))])
        z[-1] += 0.5
        density = np.sort(scale * (rng.uniform(0.1, 0.3, size) + 0.3 * np.arange(size)))[::-1]
        yield np.round(np.sort(rng.uniform(0.05, 0.95, 3)), 2), z, np.round(density, 2)
    yield at("r is not sorted", np.array([0.7, 0.2, 0.9, 0.4]), z, np.round(density, 2))
    yield at("the density rises", np.array([0.3, 0.6]), z, np.round(density[::-1], 2))
    yield at("grid and density are whole numbers", np.array([0.2, 0.55, 0.8]),
             np.array([0, 1, 3, 4]), np.array([7, 5, 2, 1]))


DRAW_MAGNITUDES = Exercise(
    "draw_magnitudes", TOPIC, points=2,
    goal="sample from any density with nothing but uniform numbers",
    reference=draw_magnitudes,
    cases=lambda rng: list(_grids(rng)),
    boundary=Boundary("r is 0 or 1, an end of the table", lambda rng: [
        (np.array([0.5, 1.0, 0.0]), z, p) for _, z, p in list(_grids(rng))[:1]]),
    mistakes=(
        Mistake("you return F at r. Asked is the inverse: which z has F(z) = r? Swap the last two "
                "arguments, np.interp(r, F, z).",
                lambda r, z, p: np.interp(r, z, _table(z, p))),
        Mistake("your F does not end at 1: divide it by its last value.",
                lambda r, z, p: np.interp(
                    r, np.concatenate([[0], np.cumsum((p[1:] + p[:-1]) / 2 * np.diff(z))]), z)),
        Mistake("the pieces of the grid have different widths: multiply each mean height by "
                "np.diff(z) before you add up.",
                lambda r, z, p: np.interp(r, _table(z, p, widths=False), z)),
        Mistake("you add up densities, not areas. A piece has the area (mean of its two ends) × "
                "width, and F is 0 at the first grid point.",
                lambda r, z, p: np.interp(r, np.cumsum(p) / p.sum(), z),
                lambda r, z, p: np.interp(r, (np.cumsum(p) - p[0]) / p[1:].sum(), z)),
        Mistake("a piece is as high as its left end in yours. Take the mean of both ends.",
                lambda r, z, p: np.interp(r, _table(z, p, "left"), z)),
        Mistake("a piece is as high as its right end in yours. Take the mean of both ends.",
                lambda r, z, p: np.interp(r, _table(z, p, "right"), z)),
        Mistake("F begins with 0 at the first grid point. Without it your smallest draws are all "
                "z[1].", lambda r, z, p: np.interp(r, _table(z, p)[1:], z[1:])),
        Mistake("you take a whole grid point. Between two of them z grows in proportion to F: "
                "np.interp does that.",
                lambda r, z, p: z[np.searchsorted(_table(z, p), r)]),
        Mistake("you read the density at r. Add it up to F first, then look up which z has "
                "F(z) = r.", lambda r, z, p: np.interp(r, z, p)),
        Mistake("small r give you large z: count F from the left, F(z) = P(|z| < z).",
                lambda r, z, p: np.interp(1 - r, _table(z, p), z)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- Theorem 3


def matching_density(slope, z, delta):
    weight = -np.asarray(slope(delta * z)) / z
    c = 2 * delta**2 * np.sum((weight[1:] + weight[:-1]) / 2 * np.diff(z))
    return delta**2 * weight / c, c


def sigmoid_slope(u):
    """ψ′ of the sigmoid's surrogate k σ(1 − σ), k = 3."""
    s = 1 / (1 + np.exp(-3.0 * u))
    return 9.0 * s * (1 - s) * (1 - 2 * s)


def bell_slope(u):
    """ψ′ of exp(−u²/2)."""
    return -u * np.exp(-(u**2) / 2)


def arctan_slope(u):
    """ψ′ of 1/(1 + (πu)²)."""
    return -2 * np.pi**2 * u / (1 + (np.pi * u) ** 2) ** 2


def _matched(slope, z, d, *, sign=-1, c_sign=-1, at=True, two=2, power=2, c_power=2,
             over="z", by_c=True, widths=True):  # fmt: skip
    weight = np.asarray(slope(d * z if at else z)) / {"z": z, "1/z": 1 / z, "1": 1}[over]
    pieces = (weight[1:] + weight[:-1]) / 2 * (np.diff(z) if widths else 1)
    c = c_sign * two * d**c_power * np.sum(pieces)
    return sign * d**power * weight / (c if by_c else 1), c


def _matched_sum(slope, z, delta):
    weight = -np.asarray(slope(delta * z)) / z
    return weight / (2 * weight.sum()), 2 * delta**2 * weight.sum()


def _matched_evenly(slope, z, delta):
    y = -(delta**2) * np.asarray(slope(delta * z)) / z
    c = 2 * np.sum(y) * (z[1] - z[0])
    return y / c, c


def _matched_ends(end):
    """Each piece as high as at one of its ends, without the last point or without the first."""

    def matched(slope, z, delta):
        y = -(delta**2) * np.asarray(slope(delta * z)) / z
        c = 2 * np.sum(y[end] * np.diff(z))
        return y / c, c

    return matched


def _matched_first(slope, z, delta):
    """By the trapezoidal rule with the width of the first piece."""
    y = -(delta**2) * np.asarray(slope(delta * z)) / z
    c = (y[1:] + y[:-1]).sum() * (z[1] - z[0])
    return y / c, c


MATCHING_DENSITY = Exercise(
    "matching_density", TOPIC, points=2,
    goal="turn a theorem into a program, its constant included",
    reference=matching_density,
    cases=lambda rng: [
        (slope, np.round(np.cumsum(rng.uniform(0.2, 0.9, 5)), 1) + 0.1, delta)
        for slope, delta in ((bell_slope, 0.5), (sigmoid_slope, 0.8), (arctan_slope, 0.3))
    ] + [at("the grid has whole numbers", bell_slope, np.array([1, 2, 4]), 0.5)],
    boundary=Boundary("the grid has two points", lambda rng: [
        (bell_slope, np.array([0.2, round(rng.uniform(0.5, 2), 1)]), 0.7)]),
    mistakes=(
        Mistake("the two are the wrong way round: return (p, γ).",
                lambda *a: matching_density(*a)[::-1]),
        Mistake("your p is negative: ψ falls, ψ′ < 0, and the minus in front makes p positive.",
                lambda *a: _matched(*a, sign=1)),
        Mistake("the minus is missing, in γ and in p. It cancels in p, but your γ is negative.",
                lambda *a: _matched(*a, sign=1, c_sign=1)),
        Mistake("γ is negative in yours, and with it p. −2δ² stands in front of the integral of "
                "ψ′ < 0.", lambda *a: _matched(*a, c_sign=1)),
        Mistake("the slope is taken at z. The theorem wants it at u = δz: slope(delta * z).",
                lambda *a: _matched(*a, at=False)),
        Mistake("p has a negative side as well, of the same area: the factor 2 in γ is missing.",
                lambda *a: _matched(*a, two=1)),
        Mistake("you did not divide p by γ, so its area is not 1.",
                lambda *a: _matched(*a, by_c=False)),
        Mistake("you multiply by z. Solving for p leaves z below the line, in γ as well: ψ′(δz)/z.",
                lambda *a: _matched(*a, over="1/z")),
        Mistake("δ comes squared, in p and in γ.",
                lambda *a: _matched(*a, power=1, c_power=1)),
        Mistake("δ comes squared in γ too: γ = −2 δ² ∫ ψ′(δz)/z dz.",
                lambda *a: _matched(*a, c_power=1)),
        Mistake("δ² is missing in γ: γ = −2 δ² ∫ ψ′(δz)/z dz.",
                lambda *a: _matched(*a, c_power=0)),
        Mistake("you add up heights. An integral on this grid needs the width of each piece.",
                lambda *a: _matched(*a, widths=False), _matched_sum),
        Mistake("z is missing below the line: ψ′(δz)/z, in γ as well.",
                lambda *a: _matched(*a, over="1")),
        Mistake("you take the width of one piece for all. This grid is not evenly spaced.",
                _matched_evenly, _matched_first),
        Mistake("a piece is as high as at one of its ends in yours. The trapezoidal rule takes the "
                "mean of both.", *map(_matched_ends, (slice(-1), slice(1, None)))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def sparse_gradient(x, u, z, delta, blame):
    return _sparse(x, u, z, delta, blame)


def _sparse(x, u, z, delta, blame, *, reach=lambda z: np.abs(z).max(-1), box=True, add=True,
            share=1):  # fmt: skip
    G = localzo_derivative(u, z, delta) if box else np.ones(u.shape)
    gradient = np.zeros((u.shape[1], x.shape[1]))
    for b, j in np.argwhere(np.abs(u) < delta * reach(z)):
        gradient[j] = add * gradient[j] + blame(b, j) * G[b, j] * x[b] / share
    return gradient


class _Blame:
    """∂L/∂s of each entry, from a table, asked for one by one."""

    __name__ = "blame"

    def __init__(self, table):
        self.table = table

    def __call__(self, b, j):
        return float(self.table[b, j])


def _entries_within(rng, B, N, D, m, delta):
    """Entries on both sides of δ and of what their nearest, mean and farthest draws reach."""
    z = _draws(rng, B, N, m)
    z[..., -1] *= np.where(np.abs(z).max(-1) < 1.3, 3, 1)
    sizes = np.abs(z)
    near, mean, far = sizes.min(-1), sizes.mean(-1), sizes.max(-1)
    places = [0.5 * near, 0.48 * (near + mean), 0.5 * (np.maximum(near, 1) + far), 0.9 * far,
              1.2 * far]  # fmt: skip
    u = delta * np.choose(rng.permutation(np.arange(B * N) % 5).reshape(B, N), places)
    u = np.round(u * rng.choice((-1, 1), (B, N)), 3)
    return tenths(rng, B, D), u, np.round(z, 1), delta, _Blame(tenths(rng, B, N))


SPARSE_GRADIENT = Exercise(
    "sparse_gradient", TOPIC, points=2, kind="bug",
    goal="find the neurons that a saving has left out",
    reference=sparse_gradient,
    cases=lambda rng: [
        _entries_within(rng, 3, 4, 2, 1, 0.5), _entries_within(rng, 4, 3, 2, 3, 0.4),
        _entries_within(rng, 4, 6, 1, 2, 1.2),
        at("a draw is very short", tenths(rng, 2, 2), np.array([[5e-5], [-0.3]]),
           np.array([[[2e-4]], [[1.0]]]), 0.5, _Blame(np.array([[9e3], [0.6]]))),
        at("a draw is longer than 3", tenths(rng, 2, 2), np.array([[1.7], [-0.3]]),
           np.array([[[-3.8]], [[1.0]]]), 0.5, _Blame(np.array([[1.4], [0.6]]))),
    ],
    mistakes=(
        Mistake("as in the loop that was given, whoever is farther than δ from the threshold is "
                "sent home. A draw z reaches δ|z|. How far does the farthest draw of an entry "
                "reach?", lambda *a: _sparse(*a, reach=lambda z: np.ones(z.shape[:-1]))),
        Mistake("whoever is farther than 2δ from the threshold is sent home in yours. Some draw "
                "reaches beyond any limit: how far do the draws of this entry reach?",
                lambda *a: _sparse(*a, reach=lambda z: np.full(z.shape[:-1], 2))),
        Mistake("you ask the first draw of an entry alone. One draw that reaches it is enough, "
                "whichever it is.", lambda *a: _sparse(*a, reach=lambda z: np.abs(z[..., 0]))),
        Mistake("you ask how far the draws reach on average. The farthest decides.",
                lambda *a: _sparse(*a, reach=lambda z: np.abs(z).mean(-1))),
        Mistake("in yours all draws have to reach an entry. One is enough.",
                lambda *a: _sparse(*a, reach=lambda z: np.abs(z).min(-1))),
        Mistake("a negative draw reaches as far as a positive one: take |z| first.",
                lambda *a: _sparse(*a, reach=lambda z: z.max(-1))),
        Mistake("no draw is longer than 3 in yours. Few normal draws are, but those reach farther.",
                lambda *a: _sparse(*a, reach=lambda z: np.minimum(np.abs(z).max(-1), 3))),
        Mistake("only the last recording of each neuron is left: add to its row, +=.",
                lambda *a: _sparse(*a, add=False)),
        Mistake("G is missing: blame passes an entry times its slope.",
                lambda *a: _sparse(*a, box=False)),
        Mistake("you take the mean over the recordings. The loop added them up, and so does the "
                "gradient.", lambda x, *a: _sparse(x, *a, share=len(x))),
    ),
    calls=Calls("The gradient is right, but you ask for more blame than you need, and every answer "
                "costs a walk through the layers above. Whoever has G ≠ 0 is asked, and once.",
                lambda x, u, z, delta, blame: int((localzo_derivative(u, z, delta) != 0).sum())),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, thin out

DELTA, UPDATES, PARTAKE = 0.5, 60, "% of the entries taking part"


def train_with_draws(run, weights, frames, labels, allowed, seed):
    rng = np.random.default_rng(seed)

    def slope(u):
        return localzo_derivative(u, rng.normal(size=(*u.shape, 5)), DELTA)

    return _trained(run, weights, frames, labels, allowed, slope)


def _trained(run, weights, frames, labels, steps, slope, learning=slice(None)):
    """slope: u → G, both (B, N), asked for in every time step; learning: weights that do."""
    weights = torch.tensor(weights, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=0.05)

    def spike(u):
        G = torch.as_tensor(slope(u.detach().numpy()))
        return (u > 0).to(u.dtype) + G * (u - u.detach())  # + 0, with the derivative G

    for _ in range(steps):
        logits, _ = run(weights, frames, spike)
        (gradient,) = torch.autograd.grad(
            torch.nn.functional.cross_entropy(logits, labels), weights)  # fmt: skip
        weights.grad = torch.zeros_like(weights)
        weights.grad[learning] = gradient[learning]
        optimizer.step()
    return weights.detach().numpy()


def _watched(rng, allowed=UPDATES):
    run, seed = Watched(allowed), int(rng.integers(1000))
    start = tiny.start(seed)

    def score(weights) -> float:
        tiny.accuracy(weights)  # which says what is no network at all
        run.judge()
        return tiny.learned(weights, start, both=True)

    return (run, start, *tiny.known(), allowed, seed), score


TRAIN_WITH_DRAWS = Open(
    "train_with_draws", TOPIC, points=3, kind="train",
    goal="train a spiking network through slopes that were drawn, not invented",
    reference=train_with_draws, trial=_watched, less=4, seeded=True,
    marks=((0.75, 1), (0.9, 2), (0.95, 3)), wording="{:.0%} of unseen digits right".format,
)  # fmt: skip


def rare_draws(r):
    return 3.0 * (np.asarray(r) < 0.02)


#: seeds of the networks that learn by one's draws; narrow draws let two of them sleep
NETWORKS = (473, 726, 944)


def _thinned(rng):
    frames, labels = tiny.known()
    r = rng.random((len(NETWORKS), UPDATES, len(frames), len(labels), tiny.HIDDEN))
    active = []

    def right(z) -> float:
        """Share that these networks read right on average; only their hidden layers learn."""
        draws = tiny.finite(z)
        if draws is None or draws.shape != r.shape:
            raise NotYet(f"  Return one finite draw for each number of r, in its shape {r.shape}; "
                         f"yours is {compare.describe(compare.plain(z))}.")  # fmt: skip
        return float(np.mean(list(map(tiny.accuracy, map(learnt, NETWORKS, draws)))))

    def learnt(seed, draws):
        steps = iter(draws.reshape(-1, *draws.shape[2:]))

        def slope(u):
            G = localzo_derivative(u, next(steps)[..., None], DELTA)
            active.append(np.mean(G != 0))
            return G

        return _trained(tiny.run, tiny.start(seed), frames, labels, UPDATES, slope,
                        slice(tiny.CUTS[1]))  # fmt: skip

    return (r,), fewest(0.9, right, lambda: round(100 * np.mean(active), 2), PARTAKE)


RARE_DRAWS = Open(
    "rare_draws", TOPIC, points=3,
    goal="design a distribution so that few take part and the slope stays right on average",
    reference=rare_draws, trial=_thinned,
    marks=((-5, 1), (-2, 2), (-1, 3)), wording=lambda value: f"{-value:.2f} {PARTAKE}",
)  # fmt: skip
