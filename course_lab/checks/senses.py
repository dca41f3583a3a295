"""Exercises of lesson 11: convolutions as matrices, thin noise on kernels, pictures and sounds."""

import numpy as np
import torch

from course_lab.checks.engine import compare, maps
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Exercise, Mistake, NotYet, Room
from course_lab.checks.engine.open import Open, demand, same_noise
from course_lib.fitness import centred_ranks

TOPIC = "11_other_senses"

# ------------------------------------------------------------------------------- what a map costs


def map_costs(C, Y, X, m, k):
    return _costs(C, Y, X, m, k)


def _costs(C, Y, X, m, k, *, places=lambda Y, X, k: (Y - k + 1) * (X - k + 1), bias=0, times=1,
           kernel=lambda C, m, k: m * C * k**2, used=lambda P: P,
           neurons=lambda m, P: m * P, order=(0, 1, 2)):  # fmt: skip
    P, weights = places(Y, X, k), kernel(C, m, k)
    found = weights + bias * m, weights * used(P) * times, C * Y * X * neurons(m, P)
    return tuple(found[k] for k in order)


MAP_COSTS = Exercise(
    "map_costs", TOPIC, points=1,
    goal="count what it saves to use the same weights everywhere",
    reference=map_costs,
    cases=lambda rng: [
        (2, 34, 34, 16, 5), (1, 8, 6, 4, 3), (3, 7, 9, 2, 3),
        (*map(int, rng.integers(2, 5, 1)), *map(int, rng.integers(8, 20, 2)), 6, 7),
    ],
    rtol=0, atol=0.5,
    boundary=Boundary("the kernel's side is an even number",
                      lambda rng: [(2, *map(int, rng.integers(8, 20, 2)), 3, 4)]),
    mistakes=(
        Mistake("that many places are there only if the edge is padded. Without padding a kernel "
                "fits at Y − k + 1 places down, and X − k + 1 across.",
                lambda *a: _costs(*a, places=lambda Y, X, k: Y * X),
                lambda *a: _costs(*a, places=lambda Y, X, k: (Y - k // 2) * (X - k // 2))),
        Mistake("there is one place more in each direction: Y − k + 1 and X − k + 1.",
                lambda *a: _costs(*a, places=lambda Y, X, k: (Y - k) * (X - k))),
        Mistake("places down and places across make a rectangle of places: multiply them.",
                lambda *a: _costs(*a, places=lambda Y, X, k: Y - k + 1 + X - k + 1)[:2]
                + _costs(*a)[2:],
                lambda *a: _costs(*a, places=lambda Y, X, k: Y - k + 1 + X - k + 1)),
        Mistake("your dense layer has m · Y · X neurons. It should have as many as the "
                "convolution, and near the edge there are none.",
                lambda *a: _costs(*a)[:2] + _costs(*a, places=lambda Y, X, k: Y * X)[2:]),
        Mistake("your kernel jumps by its own size. It moves by one pixel: Y − k + 1 places down.",
                lambda *a: _costs(*a, places=lambda Y, X, k: (Y // k) * (X // k))),
        Mistake("the maps need not be square: Y − k + 1 places down, X − k + 1 across.",
                lambda *a: _costs(*a, places=lambda Y, X, k: (Y - k + 1) ** 2),
                lambda *a: _costs(*a, places=lambda Y, X, k: (X - k + 1) ** 2),
                lambda C, Y, X, m, k: _costs(C, Y, Y, m, k),
                lambda C, Y, X, m, k: _costs(C, X, X, m, k)),
        Mistake("C is missing: at each place a kernel looks at all C maps that come in.",
                lambda *a: _costs(*a, kernel=lambda C, m, k: m * k**2)),
        Mistake("m is missing: each of the m maps has a kernel of its own.",
                lambda *a: _costs(*a, kernel=lambda C, m, k: C * k**2)),
        Mistake("a kernel covers k × k pixels: k².",
                lambda *a: _costs(*a, kernel=lambda C, m, k: m * C * k)),
        Mistake("you use each weight of the kernel once. It is used again at every place of the "
                "map.", lambda *a: _costs(*a, used=lambda P: 1)),
        Mistake("that dense layer has m neurons. It should have as many as the convolution: one at "
                "every place of each of the m maps.",
                lambda *a: _costs(*a, neurons=lambda m, P: m)),
        Mistake("that dense layer makes one map. It should make m, as the convolution does.",
                lambda *a: _costs(*a, neurons=lambda m, P: P)),
        Mistake("your multiply-adds are those of the dense layer. The convolution uses each of its "
                "weights once at every place.",
                lambda *a: (_costs(*a)[0], _costs(*a)[2], _costs(*a)[2])),
        Mistake("a neuron of the dense layer sees all C · Y · X pixels, and not a patch of them.",
                lambda *a: (*_costs(*a)[:2], _costs(*a)[1])),
        Mistake("you count biases. Asked are weights alone.", lambda *a: _costs(*a, bias=1),
                lambda C, Y, X, m, k: (
                    *_costs(C, Y, X, m, k, bias=1)[:2],
                    (C * Y * X + 1) * m * (Y - k + 1) * (X - k + 1))),
        Mistake("twice too many multiply-adds: a multiplication and its addition count as one.",
                lambda *a: _costs(*a, times=2)),
        Mistake("your numbers are right, their order is not: weights of the convolution, its "
                "multiply-adds, weights of the dense layer.",
                lambda *a: _costs(*a, order=(0, 2, 1)), lambda *a: _costs(*a, order=(1, 0, 2)),
                lambda *a: _costs(*a, order=(2, 1, 0))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a convolution


def convolve(x, W, k, stride):
    return maps.convolve(x, W, k, stride)


def _convolve(x, W, k, stride, *, strides=lambda s: (s, s), kernel=lambda w: w, pad=0,
              last=lambda w: w, order="cyx"):  # fmt: skip
    """kernel: changes the weights (m, C, k, k); last: the patches (Z, C, Y', X', k, k)."""
    channels = x.shape[1]
    if order == "yxc":
        W = W.reshape(len(W), k, k, channels).transpose(0, 3, 1, 2)
    weights = kernel(W.reshape(len(W), channels, k, k))
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    patches = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    down, across = strides(stride)
    patches = last(patches)[:, :, ::down, ::across]
    return np.einsum("zcyxij,mcij->zmyx", patches, weights)


def _fewer(places):
    """places: (side, k, stride) → how many of the places down and across are kept."""
    def convolved(x, W, k, stride):
        down, across = (places(side, k, stride) for side in x.shape[2:])
        return convolve(x, W, k, stride)[..., :down, :across]

    return convolved


def _without_last(x, W, k, stride):
    return convolve(x[:, :, :-1, :-1], W, k, stride)


def _folded(x, W, k, stride):
    """Patches made rows by a reshape alone, with their channels still in front."""
    patches = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    patches = patches[:, :, ::stride, ::stride]
    Z, _, down, across = patches.shape[:4]
    return np.moveaxis(patches.reshape(Z, down, across, -1) @ W.T, 3, 1)


def _unstrided(x, W, k, stride):
    down, across = ((side - k) // stride + 1 for side in x.shape[2:])
    return convolve(x, W, k, 1)[:, :, :down, :across]


def _half_empty(x, W, k, stride):
    found = convolve(x, W, k, stride)
    out = np.zeros_like(convolve(x, W, k, 1))
    out[:, :, : found.shape[2], : found.shape[3]] = found
    return out


def _row_ends(x, W, k, stride):
    found = convolve(x, W, k, stride)
    return found * (np.arange(found.shape[3]) == found.shape[3] - 1)


def _maps(rng, Z, C, Y, X, m, k, stride):
    return tenths(rng, Z, C, Y, X), tenths(rng, m, C * k * k), k, stride


CONVOLVE = Exercise(
    "convolve", TOPIC, points=2,
    goal="write a convolution as one matrix that meets every patch of a picture",
    reference=convolve,
    cases=lambda rng: [
        _maps(rng, *shape) for shape in ((1, 1, 3, 4, 1, 2, 1), (2, 2, 5, 4, 3, 2, 1),
                                         (2, 3, 6, 8, 2, 3, 2), (1, 2, 8, 5, 2, 2, 3))
    ],
    boundary=Boundary("frames are whole numbers, such as counts of events",
                      lambda rng: [(rng.integers(0, 4, (2, 2, 5, 4)), tenths(rng, 3, 8), 2, 1)]),
    mistakes=(
        Mistake("your kernel is turned by half a circle. That is what mathematicians call a "
                "convolution; here the kernel lies on the patch as it is.",
                lambda *a: _convolve(*a, kernel=lambda w: w[:, :, ::-1, ::-1])),
        Mistake("rows and columns of the kernel are exchanged: after the channel comes y, then x.",
                lambda *a: _convolve(*a, kernel=lambda w: w.swapaxes(2, 3))),
        Mistake("you read a row of W as (y, x, channel). The channel comes first: C blocks of k².",
                lambda *a: _convolve(*a, order="yxc")),
        Mistake("all channels meet the first channel's kernel. A row of W holds one of k² numbers "
                "for each of the C channels.",
                lambda *a: _convolve(*a, kernel=lambda w: np.broadcast_to(w[:, :1], w.shape))),
        Mistake("only the first channel counts in yours: add up over all C.",
                lambda *a: _convolve(*a, kernel=lambda w: w * (np.arange(w.shape[1]) == 0)[
                    :, None, None])),
        Mistake("the stride is missing: the kernel moves on by `stride` pixels.",
                lambda *a: _convolve(*a, strides=lambda s: (1, 1))),
        Mistake("the stride holds in both directions, down and across.",
                lambda *a: _convolve(*a, strides=lambda s: (s, 1)),
                lambda *a: _convolve(*a, strides=lambda s: (1, s))),
        Mistake("place number i begins at pixel i · stride. Yours begins at pixel i.", _unstrided),
        Mistake("your result is as large as for stride 1, and zero where nothing was computed. "
                "With a stride there are fewer places.", _half_empty),
        Mistake("you jump by k. The kernel moves on by `stride` pixels.",
                lambda x, W, k, s: convolve(x, W, k, k)),
        Mistake("you pad the edge with zeros. Only places count where the whole kernel lies on "
                "the picture.", lambda *a: _convolve(*a, pad=1),
                lambda x, W, k, s: _convolve(x, W, k, s, pad=k // 2),
                lambda x, W, k, s: _convolve(np.pad(x, ((0, 0), (0, 0), (0, k - 1), (0, k - 1))),
                                             W, k, s)),
        Mistake("your last places hang over the edge. The kernel has to lie on the picture as a "
                "whole: round their number down.",
                lambda x, W, k, s: convolve(
                    np.pad(x, ((0, 0), (0, 0), *((0, (k - side) % s) for side in x.shape[2:]))),
                    W, k, s)),
        Mistake("the last place is missing, where the kernel touches the edge. Does your range end "
                "one too early? It has Y − k + 1 places for stride 1.", _without_last,
                _fewer(lambda side, k, stride: (side - k) // stride)),
        Mistake("where the stride does not divide Y − k + 1, a place is missing: there are "
                "(Y − k) // stride + 1.", _fewer(lambda side, k, stride: (side - k + 1) // stride)),
        Mistake("the maps belong in the second axis: (Z, m, Y', X').",
                lambda *a: np.moveaxis(convolve(*a), 1, 3)),
        Mistake("your maps are transposed: first y, then x.",
                lambda *a: convolve(*a).swapaxes(2, 3)),
        Mistake("reshape does not transpose. In your windows the channel stands before y' and x'; "
                "it has to stand behind them before a patch becomes a row.", _folded),
        Mistake("W.reshape does not transpose, it puts the numbers into other places: W.T.",
                lambda x, W, k, s: convolve(x, W.reshape(-1, len(W)).T, k, s)),
        Mistake("only the last place of each row is computed, and the others stay 0. Does the line "
                "that fills the result stand within both loops?", _row_ends),
        Mistake("that is the mean over a patch. The products are added up: a sum.",
                lambda x, W, k, s: convolve(x, W, k, s) / W.shape[1],
                lambda x, W, k, s: convolve(x, W, k, s) / k**2),
        Mistake("the Z frames are added up. Each has maps of its own.",
                lambda *a: convolve(*a).sum(0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- thin noise


def low_rank_conv(x, W, A, B, sigma, k):
    return _thin(x, W, A, B, sigma, k)


def _pair(base, change):
    return np.stack([base + change, base - change])


def _thin(x, W, A, B, sigma, k, *, scale=lambda s, r: s / r**0.5, pair=_pair,
          filters=lambda B: B.transpose(0, 2, 1), mix="pmr,zpryx->pzmyx"):  # fmt: skip
    P, _, r = A.shape
    found = convolve(x, filters(B).reshape(P * r, -1), k, 1)
    found = found.reshape(len(x), P, r, *found.shape[2:])
    change = np.einsum(mix, A, found) * scale(sigma, r)
    return pair(convolve(x, W, k, 1)[None], change)


def _exchanged(x, W, A, B, sigma, k):
    """What the filters found, cut up as (r, P) though it lies as (P, r)."""
    P, _, r = A.shape
    found = convolve(x, B.transpose(0, 2, 1).reshape(P * r, -1), k, 1)
    found = found.reshape(len(x), r, P, *found.shape[2:]).swapaxes(1, 2)
    return _pair(convolve(x, W, k, 1), np.einsum("pmr,zpryx->pzmyx", A, found) * sigma / r**0.5)


def _frames_cut(x, W, A, B, sigma, k):
    """What the filters found, cut up as (P, Z, r) though it lies as (Z, P, r)."""
    P, _, r = A.shape
    found = convolve(x, B.transpose(0, 2, 1).reshape(P * r, -1), k, 1)
    found = found.reshape(P, len(x), r, *found.shape[2:])
    return _pair(convolve(x, W, k, 1), np.einsum("pmr,pzryx->pzmyx", A, found) * sigma / r**0.5)


def _members(rng, Z, C, Y, X, m, k, P, r, sigma):
    n = C * k * k
    return (tenths(rng, Z, C, Y, X), tenths(rng, m, n), tenths(rng, P, m, r), tenths(rng, P, n, r),
            sigma, k)  # fmt: skip


LOW_RANK_CONV = Exercise(
    "low_rank_conv", TOPIC, points=3,
    goal="run a population through a convolution without a matrix of noise",
    reference=low_rank_conv,
    cases=lambda rng: [
        _members(rng, *shape) for shape in (
            (1, 1, 3, 3, 2, 2, 2, 1, 0.5), (2, 2, 4, 4, 3, 2, 3, 2, 0.1),
            (3, 1, 4, 4, 2, 3, 2, 3, 2.0), (1, 12, 5, 5, 500, 5, 3, 1, 0.1))
    ],
    atol=1e-4,
    boundary=Boundary("maps are not square",
                      lambda rng: [_members(rng, 2, 2, 3, 5, 3, 2, 2, 2, 0.5)]),
    mistakes=(
        Mistake("√r is missing: E = A Bᵀ/√r.", lambda *a: _thin(*a, scale=lambda s, r: s)),
        Mistake("you divide by r: E = A Bᵀ/√r.", lambda *a: _thin(*a, scale=lambda s, r: s / r)),
        Mistake("you take the root of another length. The rank r is the last axis of A and B.",
                *[lambda x, W, A, B, s, k, of=of: _thin(
                    x, W, A, B, s, k, scale=lambda s, r: s / np.shape((A, B)[of[0]])[of[1]] ** 0.5)
                  for of in ((0, 0), (0, 1), (1, 1))]),
        Mistake("σ scales the part that all share as well. It belongs to the noise alone.",
                lambda x, W, A, B, s, k: s * low_rank_conv(x, W, A, B, 1.0, k)),
        Mistake("σ is missing: the members are W ± σE.",
                lambda *a: _thin(*a, scale=lambda s, r: r**-0.5)),
        Mistake("σ is in both factors, so the weights move by σ². Scale one of them.",
                lambda *a: _thin(*a, scale=lambda s, r: s * s / r**0.5)),
        Mistake("both members of a pair are the same: the second has −E.",
                lambda *a: _thin(*a, pair=lambda b, c: np.stack([b + c, b + c]))),
        Mistake("you turn the sign of the whole current. The second member is W − σE: the part "
                "that all share keeps its sign.",
                lambda *a: _thin(*a, pair=lambda b, c: np.stack([b + c, -b - c]))),
        Mistake("the part that all share is in your change as well, and so counts twice or not at "
                "all.", lambda *a: _thin(*a, pair=lambda b, c: np.stack([2 * b + c, -c + 0 * b]))),
        Mistake("only the last column of each pair is left: add up what all r columns say.",
                lambda x, W, A, B, s, k: _thin(
                    x, W, A[..., -1:], B[..., -1:], s / A.shape[2] ** 0.5, k)),
        Mistake("only the first column of A and B counts in yours: add up what all r columns say.",
                *[lambda x, W, A, B, s, k, root=root: _thin(
                    x, W, A[..., :1], B[..., :1], s / A.shape[2] ** root, k) for root in (0, 0.5)]),
        Mistake("in yours W − σE comes first: first W + σE.",
                lambda *a: _thin(*a, pair=lambda b, c: np.stack([b - c, b + c]))),
        Mistake("the part that all members share is missing: that is the change alone.",
                lambda *a: _thin(*a, pair=lambda b, c: np.stack([c, -c]))),
        Mistake("the second members of the pairs, W − σE, are missing.",
                lambda *a: _thin(*a, pair=lambda b, c: b + c)),
        Mistake("in yours the pair comes before the sign. The sign is the first axis: "
                "(2, P, Z, m, Y', X').",
                lambda *a: _thin(*a, pair=lambda b, c: np.stack([b + c, b - c], axis=1))),
        Mistake("the frames come before the pairs in yours: (2, P, Z, m, Y', X').",
                lambda *a: low_rank_conv(*a).swapaxes(1, 2)),
        Mistake("reshape does not transpose. A column of B is a filter: B.transpose(0, 2, 1) "
                "makes rows of them, and then pairs and columns may become one axis.",
                lambda *a: _thin(*a, filters=lambda B: B)),
        Mistake("what your filters found lies pair by pair, r numbers each: reshape to (P, r), and "
                "not to (r, P).", _exchanged),
        Mistake("frames come first in what `convolve` returns, then the filters: reshape the "
                "second axis to (P, r), and leave the first one alone.", _frames_cut),
        Mistake("a product of sums is not the sum of the products: column s of A meets what column "
                "s of B has found, and no other.",
                lambda x, W, A, B, s, k: _thin(
                    x, W, np.broadcast_to(A.sum(2, keepdims=True), A.shape), B, s, k)),
        Mistake("every member meets the factors of all pairs. Pair p has A and B of its own.",
                lambda x, W, A, B, s, k: _thin(
                    x, W, np.broadcast_to(A.sum(0), A.shape), B, s, k),
                lambda x, W, A, B, s, k: _thin(
                    x, W, A, np.broadcast_to(B.sum(0), B.shape), s, k),
                lambda x, W, A, B, s, k: np.broadcast_to(
                    _thin(x, W, A, B, s, k, pair=lambda b, c: _pair(b, c.sum(0, keepdims=True))),
                    low_rank_conv(x, W, A, B, s, k).shape)),
    ),
    room=Room("the currents are right, but somewhere you hold a matrix of the size of W: noise or "
              "weights of a member, or in your `convolve` all products at once. B alone can be a "
              "stack of kernels; then A mixes what they have found.",
              lambda x, W, A, B, sigma, k: max(3 * W.nbytes // 4, 2**18)),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def kernel_gradient(error, feedback, slope, patches):
    return _feedback(error, feedback, slope, patches)


def _local(error, feedback, slope):
    return (error @ feedback.T) * slope


def _placed(flat, P, by_place=False):
    """(T, B, N) as (T, B, m, P); by_place: as if each place's maps lay side by side."""
    m = flat.shape[-1] // P
    if by_place:
        return flat.reshape(*flat.shape[:2], P, m).swapaxes(2, 3)
    return flat.reshape(*flat.shape[:2], m, P)


def _feedback(error, feedback, slope, patches, *, rows="tbmp,tbnp->mn", local=None, by_place=False,
              over=lambda T, B, P: 1):  # fmt: skip
    T, B, _, P = patches.shape
    local = _placed(_local(error, feedback, slope), P, by_place) if local is None else local
    return np.einsum(rows, local, patches) / over(T, B, P)


def _half_by_place(error, feedback, slope, patches, halves):
    """Feedback and slope cut up in different ways."""
    T, B, _, P = patches.shape
    blame = _placed((error @ feedback.T).reshape(T, B, -1), P, halves[0])
    return _feedback(error, feedback, slope, patches,
                     local=blame * _placed(slope, P, halves[1]))  # fmt: skip


def _patches_cut(error, feedback, slope, patches):
    """The blame as given, and patches that are reshaped to look like it."""
    T, B, n, P = patches.shape
    return _feedback(error, feedback, slope, patches.reshape(T, B, P, n).swapaxes(2, 3),
                     by_place=True)  # fmt: skip


def _errors(rng, T, B, C, m, n, P):
    return (tenths(rng, T, B, C), tenths(rng, m * P, C), np.abs(tenths(rng, T, B, m * P)),
            tenths(rng, T, B, n, P))  # fmt: skip


KERNEL_GRADIENT = Exercise(
    "kernel_gradient", TOPIC, points=2, kind="bug",
    goal="see blame reach the wrong place of the wrong map",
    reference=kernel_gradient,
    cases=lambda rng: [
        _errors(rng, *shape) for shape in (
            (1, 1, 2, 2, 3, 3), (2, 3, 3, 3, 2, 4), (3, 2, 2, 2, 4, 2), (2, 2, 4, 4, 3, 1))
    ],
    mistakes=(
        Mistake("those are the numbers of the function as it was given. In which order do the "
                "neurons of a flat map lie? Write it down for two maps of three places.",
                lambda *a: _feedback(*a, by_place=True)),
        Mistake("the feedback lies in one order in yours and the slopes in another. Both are flat "
                "maps, channel first.",
                lambda *a: _half_by_place(*a, (True, False)),
                lambda *a: _half_by_place(*a, (False, True))),
        Mistake("you add up over places before you multiply. A patch meets the blame of the neuron "
                "that looked at it, and no other.",
                lambda *a: _feedback(*a, rows="tbmp,tbnq->mn")),
        Mistake("only the last time step counts in yours. All of them add up.",
                lambda e, f, s, p: kernel_gradient(e[-1:], f, s[-1:], p[-1:])),
        Mistake("you take the mean over places. The kernel was used at all of them: add up.",
                lambda *a: _feedback(*a, over=lambda T, B, P: P)),
        Mistake("you take the mean over time steps. The gradient adds them up.",
                lambda *a: _feedback(*a, over=lambda T, B, P: T)),
        Mistake("you take the mean over recordings. The error has that factor already.",
                lambda *a: _feedback(*a, over=lambda T, B, P: B)),
        Mistake("you take a mean over more than one axis. Time steps, recordings and places add "
                "up; what has to be divided is divided in the error already.",
                lambda *a: _feedback(*a, over=lambda T, B, P: T * B),
                lambda *a: _feedback(*a, over=lambda T, B, P: T * P),
                lambda *a: _feedback(*a, over=lambda T, B, P: B * P),
                lambda *a: _feedback(*a, over=lambda T, B, P: T * B * P)),
        Mistake("you gave the patches another shape. They lie as the text says, (T, B, n, P); what "
                "is in the wrong order is the blame.", _patches_cut),
        Mistake("the blame is right now, but you gave the patches another shape. They lie as the "
                "text says, (T, B, n, P).",
                lambda e, f, s, p: kernel_gradient(
                    e, f, s, p.reshape(*p.shape[:2], *p.shape[:1:-1]).swapaxes(2, 3))),
        Mistake("your result is transposed: like the kernel, (m, n).",
                lambda *a: kernel_gradient(*a).T),
        Mistake("the slope of the neurons is missing.",
                lambda e, f, s, p: kernel_gradient(e, f, np.ones_like(s), p)),
        Mistake("each map's patches run backwards in yours.",
                lambda e, f, s, p: kernel_gradient(e, f, s, p[..., ::-1])),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- latencies


def latency_code(x, bins, theta):
    return _latency(x, bins, theta)


def _latency(x, bins, theta, *, tau=5, log=np.log, whole=np.floor, late="never", dark="never",
             turn=lambda t, bins: t, form=lambda spikes: spikes):  # fmt: skip
    x = np.asarray(x, float)
    lit = x > theta
    t = np.full(len(x), -1.0)
    t[lit] = turn(whole(bins / tau * log(x[lit] / (x[lit] - theta))), bins)
    ends = {"never": -1, "last": bins - 1, "first": 0}
    t[lit & (t >= bins)] = ends[late]
    t[~lit] = ends[dark]
    return form((np.arange(bins)[:, None] == t).astype(float))


def _renumbered_late(x, bins, theta):
    """Pixels that spike side by side, the dark and the late ones left out."""
    found = latency_code(x, bins, theta)
    found = found[:, found.any(axis=0)]
    return np.pad(found, ((0, 0), (0, len(x) - found.shape[1])))


def _renumbered(x, bins, theta):
    """Bright pixels side by side, the dark ones left out."""
    found = _latency(x[x > theta], bins, theta)
    return np.pad(found, ((0, 0), (0, len(x) - found.shape[1])))


def _times(x, bins, theta):
    spikes = _latency(x, bins, theta)
    return np.where(spikes.any(0), spikes.argmax(0), bins)


def _pixels(rng, n, bins, theta, *more):
    x = np.round(rng.uniform(theta + 0.005, 1, n), 2) + 0.001
    x = np.minimum(np.append(x, [1.0, 0.0, theta / 2, *more]), 1)
    return rng.permutation(x), bins, theta


LATENCY_CODE = Exercise(
    "latency_code", TOPIC, points=1,
    goal="turn brightness into the time of a single spike",
    reference=latency_code,
    cases=lambda rng: [
        _pixels(rng, 3, 10, 0.2), _pixels(rng, 6, 40, 0.2), _pixels(rng, 6, 29, 0.3),
        at("no pixel is bright enough", np.array([0.1, 0.0, 0.15]), 5, 0.2),
        at("the spike would come after the last bin",
           *_pixels(rng, 3, 20, 0.2, 0.2005, 0.2003, 0.2012)),  # 0.2012: in bin T
    ],
    boundary=Boundary("a pixel is exactly as bright as θ",
                      lambda rng: [_pixels(rng, 4, 20, 0.25, 0.25)]),
    mistakes=(
        Mistake("your bright pixels come late. The brighter, the earlier.",
                lambda *a: _latency(*a, turn=lambda t, bins: bins - 1 - t)),
        Mistake("you round. A spike at 3.7 lies in bin 3: its whole part.",
                lambda *a: _latency(*a, whole=np.round)),
        Mistake("your spikes are a bin late. A spike at 3.7 lies in bin 3, its whole part, and the "
                "first bin is number 0.", lambda *a: _latency(*a, whole=np.ceil)),
        Mistake("τ need not be a whole number: T/5, and not T // 5.",
                lambda x, bins, theta: _latency(
                    x, bins, theta, whole=lambda t: np.floor(t * (bins // 5) * 5 / bins))),
        Mistake("τ is a fifth of the recording: T/5.", lambda *a: _latency(*a, tau=1)),
        Mistake("that is the logarithm to another base: ln is np.log.",
                lambda *a: _latency(*a, log=np.log10), lambda *a: _latency(*a, log=np.log2)),
        Mistake("that is the logarithm of another number: x divided by x − θ.",
                *[lambda x, bins, theta, of=of: _latency(
                    x, bins, theta, log=lambda q: np.log(of(theta * q / (q - 1), theta)))
                  for of in (lambda x, theta: 1 / (x - theta), lambda x, theta: 1 / x,
                             lambda x, theta: 1 / (1 - theta / (x + theta)))]),
        Mistake("what would come after the last bin comes in the last bin in yours. It does not "
                "come at all.", lambda *a: _latency(*a, late="last")),
        Mistake("dark pixels spike in your last bin. They never spike.",
                lambda *a: _latency(*a, dark="last"),
                lambda *a: _latency(*a, dark="last", late="last")),
        Mistake("dark pixels spike in your first bin. They never spike.",
                lambda *a: _latency(*a, dark="first")),
        Mistake("from its spike on, a pixel stays on in yours. It is one spike, in one bin.",
                lambda *a: _latency(*a, form=lambda s: s.cumsum(0))),
        Mistake("your spikes belong to other pixels. Where the dark ones are left out, the others "
                "get new numbers: keep their own, np.flatnonzero(x > theta).", _renumbered,
                _renumbered_late),
        Mistake("where one pixel spikes in a bin, all do in yours. An entry has two indices, bin "
                "and pixel.", lambda *a: _latency(*a, form=lambda s: np.maximum(s, s.max(
                    axis=1, keepdims=True)))),
        Mistake("time is the first axis: (T, N).", lambda *a: _latency(*a).T),
        Mistake("those are the times. Asked are spikes: zeros and ones, (T, N).", _times),
        Mistake("a spike is 1, however bright its pixel.",
                lambda x, bins, theta: _latency(x, bins, theta) * x),
        Mistake("time runs in equal steps of brightness in yours: (1 − x) T. Follow the equation "
                "of the charging neuron.", *[
                    lambda x, bins, theta, whole=whole, last=last: (
                        np.arange(bins)[:, None] == np.where(x > theta, whole((1 - x) * last(bins)),
                                                             -1)).astype(float)
                    for whole in (np.floor, np.round)
                    for last in (lambda bins: bins, lambda bins: bins - 1)]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- sounds


def bin_sounds(t, channel, step, bins, channels, width):
    return _sounds(t, channel, step, bins, channels, width)


def _sounds(t, channel, step, bins, channels, width, *, bin=lambda t, step: t // step,
            group=lambda c, width, groups: c // width, groups=lambda n, width: -(-n // width),
            late="out", once=False, scale=lambda width: 1, form=lambda frames: frames,
            zero=lambda t: 0):  # fmt: skip
    frames = np.zeros((bins, groups(channels, width)))
    b = np.asarray(bin(t - zero(t), step)).astype(int)
    g = np.asarray(group(channel, width, frames.shape[1])).astype(int)
    b = np.minimum(b, bins - 1) if late == "last" else b
    kept = (b < bins) & (b >= 0) & (g < frames.shape[1])
    np.add.at(frames, (b[kept], g[kept]), 1)
    return form(np.minimum(frames, 1) if once else frames) / scale(width)


def _first(t):
    return t[0] if len(t) else 0


def _events(rng, n, step, bins, channels, width, *, late=2):
    """Events in order, some of them on an edge between bins, twice in a place, or too late."""
    t = rng.integers(1, step * bins, n)
    t[:2] = step * np.array([1, bins - 1])
    t = np.sort(np.append(t, step * bins + np.arange(late) * step // 2))
    channel = rng.integers(0, channels, len(t))
    channel[n - 1] = channels - 1
    t, channel = np.insert(t, 3, t[3]), np.insert(channel, 3, channel[3])
    return t, channel, step, bins, channels, width


BIN_SOUNDS = Exercise(
    "bin_sounds", TOPIC, points=2,
    goal="bring events of a sense that has no picture into frames",
    reference=bin_sounds,
    cases=lambda rng: [
        _events(rng, 8, 1000, 4, 6, 2), _events(rng, 20, 500, 5, 7, 3),
        _events(rng, 12, 250, 3, 4, 1, late=0), _events(rng, 60, 100, 6, 11, 4),
        at("there is no event", np.array([], int), np.array([], int), 100, 3, 5, 2),
        at("more than 255 events fall into one place",
           np.repeat([30, 120, 250], (300, 2, 1)), np.repeat([1, 0, 4], (300, 2, 1)), 100, 3, 5, 2),
    ],
    boundary=Boundary("events are not in the order of their times", lambda rng: [
        (np.array([450, 2100, 130, 299, 2050, 10]), rng.integers(0, 6, 6), 100, 5, 6, 2)]),
    mistakes=(
        Mistake("two events in one bin and group count once in yours. frames[b, g] += 1 looks at "
                "each place once: np.add.at, or np.bincount.", lambda *a: _sounds(*a, once=True)),
        Mistake("what comes after the last bin is put into it. Leave it out.",
                lambda *a: _sounds(*a, late="last")),
        Mistake("the last bin ends before bins · Δ. An event at that very time comes too late.",
                lambda t, c, step, bins, *more: _sounds(
                    np.where(t == step * bins, t - 1, t), c, step, bins, *more)),
        Mistake("the last bin is lost: bins are numbered from 0 to bins − 1.",
                lambda t, c, step, bins, *more: _sounds(
                    *(each[t < step * (bins - 1)] for each in (t, c)), step, bins, *more)),
        Mistake("a group is too many. Where the channels fill the last group, none comes after it.",
                lambda *a: _sounds(*a, groups=lambda n, width: n // width + 1)),
        Mistake("an event on an edge belongs to the bin that begins there: b Δ ≤ t < (b + 1) Δ.",
                lambda *a: _sounds(*a, bin=lambda t, step: -(-t // step) - 1)),
        Mistake("a row is too many: what comes after the last bin has no place in the result.",
                lambda t, c, step, bins, *more: _sounds(t, c, step, bins + 1, *more, late="last")),
        Mistake("your bins end with the last event. Their length is given: t // step.",
                lambda t, c, step, bins, *more: _sounds(
                    t, c, step, bins, *more,
                    bin=lambda t, step: t * bins // (t.max(initial=0) + 1))),
        Mistake("you round to the nearest group. Channels 0 to width − 1 are group 0: whole parts.",
                lambda *a: _sounds(*a, group=lambda c, width, groups: np.minimum(
                    np.round(c / width), groups - 1))),
        Mistake("one event is missing: the last one of the list.",
                lambda t, c, *more: _sounds(t[:-1], c[:-1], *more)),
        Mistake("you round to the nearest edge. Bin b begins at b Δ: whole parts.",
                lambda *a: _sounds(*a, bin=lambda t, step: np.round(t / step))),
        Mistake("you count time from the first event. Here it runs from 0, since the silence "
                "before a word says something, too.", lambda *a: _sounds(*a, zero=_first)),
        Mistake("the last group is missing, which may be narrower: round up.",
                lambda *a: _sounds(*a, groups=lambda n, width: n // width)),
        Mistake("there are as many channels as before. `width` neighbours become one group.",
                lambda *a: _sounds(*a, groups=lambda n, width: n,
                                   group=lambda c, width, groups: c)),
        Mistake("your groups are no neighbours: 0 and 1 belong together, not 0 and the one a "
                "group further.", lambda *a: _sounds(*a, group=lambda c, width, groups: c % groups),
                lambda *a: _sounds(*a, group=lambda c, width, groups: c % width)),
        Mistake("you make groups as even as can be. Each has `width` channels, and the last alone "
                "may be narrower: channel // width.",
                lambda t, c, step, bins, channels, width: _sounds(
                    t, c, step, bins, channels, width,
                    group=lambda c, width, groups: c * groups // channels)),
        Mistake("you divide by the width. Asked are counts: events of all its channels together.",
                lambda *a: _sounds(*a, scale=lambda width: width)),
        Mistake("time is the first axis: (bins, groups).",
                lambda *a: _sounds(*a, form=lambda frames: frames.T)),
        Mistake("`width` is how many channels a group has, not how many groups there are.",
                lambda t, c, step, bins, channels, width: _sounds(
                    t, c, step, bins, channels, width, groups=lambda n, width: width,
                    group=lambda c, width, groups: c * width // channels),
                lambda t, c, step, bins, channels, width: _sounds(
                    t, c, step, bins, channels, width, groups=lambda n, width: width,
                    group=lambda c, width, groups: c // (channels // width))),
        Mistake("no event may be lost on an edge: 0 belongs to the first bin, and each edge to the "
                "bin that begins there.",
                lambda t, c, step, *a: _sounds(t[t % step > 0], c[t % step > 0], step, *a)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- train

MEMBERS = 320


def train_maps(fitness, layers, allowed, seed):
    weights = [torch.tensor(W) for W in layers]
    optimizer = torch.optim.Adam(weights, lr=0.05)
    rng, pairs, sigma = np.random.default_rng(seed), 4, 0.05
    for _ in range(allowed // (2 * pairs)):
        now = [W.numpy() for W in weights]
        A, B = ([rng.normal(size=(pairs, W.shape[side], 1)) for W in now] for side in (0, 1))

        def currents(index, x, now=now, A=A, B=B):
            if index == 0:
                return low_rank_conv(x, now[0], A[0], B[0], sigma, maps.KERNEL)
            change = sigma * (x @ B[1]) @ A[1].transpose(0, 2, 1)
            return x @ now[1].T + np.stack([change[0], -change[1]])

        f = fitness(now, A, B, sigma, currents)
        votes = centred_ranks(torch.tensor(f).flatten()).view(pairs, 2).numpy()
        pull = (votes[:, 1] - votes[:, 0]) / (2 * pairs * sigma)
        for W, a, b in zip(weights, A, B, strict=True):
            W.grad = torch.tensor(np.einsum("p,pmr,pnr->mn", pull, a, b))
        optimizer.step()
    return [W.numpy() for W in weights]


def _seen(rng):
    fitness, seed = maps.Population(MEMBERS), int(rng.integers(1000))

    def score(layers) -> float:
        right = maps.accuracy(layers)
        if not fitness.asked:
            raise NotYet("  Nobody has asked for the fitness of a population.")
        for name, still in zip(("kernel", "readout"), fitness.still, strict=True):
            if still > len(fitness.losses) / 10:
                raise NotYet(f"  In {still} of {len(fitness.losses)} generations there was no "
                             f"noise on the {name}, so it could learn nothing. All layers have "
                             "to learn.")  # fmt: skip
        pairs = zip(("kernel", "readout"), maps.start(seed), layers, strict=True)
        for name, before, after in pairs:
            if np.array_equal(before, after):
                raise NotYet(f"  {right:.0%} of unseen digits right, but not one weight of the "
                             f"{name} has changed. All layers have to learn.")  # fmt: skip
        return right

    return (fitness, maps.start(seed), MEMBERS, seed), score


TRAIN_MAPS = Open(
    "train_maps", TOPIC, points=3, kind="train",
    goal="train a convolutional network by forward passes of a population that is never built",
    reference=train_maps, trial=_seen, forward_only=True, seeded=True,
    marks=((0.75, 1), (0.85, 2), (0.92, 3)), wording="{:.0%} of unseen digits right".format,
    short=same_noise,
)  # fmt: skip

# ------------------------------------------------------------------------------- few weights

CALLS, WANTED = 8, 0.55


def few_weights(train):
    return train("p2 c6k2 p5 4", 0.1)


def _described(rng):
    school = maps.School([int(seed) for seed in rng.integers(1000, size=2)], CALLS)

    def score(answer) -> float:
        if school.last is None:
            raise NotYet("  Nobody has been trained yet: return train(...).")
        right, weights = school.last
        if not compare.same(answer, school.last, 0.02, 0):
            raise NotYet("  The last call counts, so return what it returned, "
                         f"{compare.show(school.last)}. You return {compare.show(answer)}.")
        demand(WANTED, right, lambda: f" with {weights:,} weights and biases")
        return -weights

    return (school,), score


FEW_WEIGHTS = Open(
    "few_weights", TOPIC, points=3,
    goal="find out what sharing weights is worth, where things do not stay in their place",
    reference=few_weights, trial=_described, seconds=150.0,
    late="Large networks take long to train; begin with small ones.",
    marks=((-700, 1), (-250, 2), (-70, 3)),
    wording=lambda value: f"{100 * WANTED:.0f} % right with {-value:,.0f} weights and biases",
)  # fmt: skip
