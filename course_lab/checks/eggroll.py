"""Exercises of lesson 07: noise in two thin factors, noise from a counter, and their price."""

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.cases import Boundary, tenths
from course_lab.checks.engine.engine import Exercise, Mistake, NotYet, Part, Property, Room
from course_lab.checks.engine.failures import Refused
from course_lab.checks.engine.layered import Layered, matrices, row
from course_lab.checks.engine.open import Open, fewest, same_noise
from course_lib.fitness import centred_ranks
from course_lib.noise import gaussian

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
        _factors(rng, *shape) for shape in ((1, 2, 3, 4), (3, 2, 4, 2), (2, 4, 1, 3), (2, 3, 2, 1))
    ],
    boundary=Boundary("there are as many inputs as outputs (m = n)",
                      lambda rng: [_factors(rng, 2, 3, 3, 2)]),
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
        Mistake("you divide by the spread of the numbers that came out. √r makes the variance 1 on "
                "average, whatever was drawn.",
                lambda A, B: _noise(A, B, lambda p, m, r: np.std(A @ B.transpose(0, 2, 1)))),
        Mistake("your matrices are transposed: outputs come first, (m, n), so A Bᵀ.",
                lambda A, B: low_rank_noise(B, A)),
        Mistake("you add the pairs up. Each has a matrix of its own: shape (P, m, n).",
                lambda A, B: low_rank_noise(A, B).sum(axis=0)),
        Mistake("you add up the columns of A and of B before you multiply. Column s of A meets "
                "column s of B only.",
                lambda A, B: _noise(A.sum(2)[..., None], B.sum(2)[..., None],
                                    lambda *shape: A.shape[2] ** 0.5)),
        Mistake("every pair has the same noise in yours, made of all pairs. Keep the pair's axis: "
                "noise p from factors p.",
                lambda A, B: np.broadcast_to(
                    _noise(A.sum(0)[None], B.sum(0)[None], lambda *shape: A.shape[2] ** 0.5),
                    (len(A), A.shape[1], B.shape[1])),
                lambda A, B: np.broadcast_to(
                    low_rank_noise(A, B).sum(0), (len(A), A.shape[1], B.shape[1]))),
        Mistake("reshape does not transpose, it puts the numbers into other places: "
                "B.transpose(0, 2, 1).",
                lambda A, B: A @ B.reshape(len(B), B.shape[2], -1) / A.shape[2] ** 0.5),
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
                      (3, 4, 300, 500, 1, 0.1))
    ],
    atol=1e-4,
    boundary=Boundary("there are as many inputs as outputs (m = n)",
                      lambda rng: [_layer(rng, 2, 2, 3, 3, 2, 0.5)]),
    mistakes=(
        Mistake("√r is missing: the change is σ/√r · (x B) Aᵀ.",
                lambda *a: _forward(*a, scale=lambda s, r: s)),
        Mistake("you divide by r: the change is σ/√r · (x B) Aᵀ.",
                lambda *a: _forward(*a, scale=lambda s, r: s / r)),
        Mistake("you take the root of the number of inputs. r is the last axis of A and B.",
                lambda x, *a: _forward(x, *a, scale=lambda s, r: s / x.shape[1] ** 0.5)),
        Mistake("every pair has the same change in yours, the sum of all. Keep the pair's axis.",
                lambda *a: _forward(*a, pair=lambda b, c: _pair(b, c.sum(0) + 0 * c))),
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
        Mistake("reshape does not transpose, it puts the numbers into other places: "
                "A.transpose(0, 2, 1).",
                lambda x, W, A, B, s: low_rank_forward(
                    x, W, A.reshape(len(A), A.shape[2], -1).transpose(0, 2, 1), B, s)),
        Mistake("reshape lays the pairs of B one below the other, and mixes them with the inputs. "
                "x @ B takes one pair after the other as it is.",
                lambda x, W, A, B, s: low_rank_forward(
                    x, W, A, B.reshape(B.shape[1], len(B), -1).transpose(1, 0, 2), s)),
        Mistake("the second members are x Wᵀ alone, without their change. Has += changed the array "
                "from which they were to begin?",
                lambda *a: _forward(*a, pair=lambda b, c: np.stack([b + c, b + 0 * c]))),
    ),
    room=Room("the currents are right, but you build a matrix of noise, or weights, for a member. "
              "Set the brackets otherwise: (x B) Aᵀ.",
              lambda x, W, A, B, sigma: max(3 * W.nbytes // 4, 2**18)),
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


def _side_by_side(f, A, B, sigma, turn_A, turn_B):
    """Factors laid side by side, whose axes were turned in two ways before."""
    left = ((f[:, 0] - f[:, 1])[:, None, None] * A).transpose(turn_A).reshape(A.shape[1], -1)
    right = B.transpose(turn_B).reshape(B.shape[1], -1)
    return -left @ right.T / (f.size * sigma * A.shape[2] ** 0.5)


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
    boundary=Boundary("there are as many inputs as outputs (m = n)",
                      lambda rng: [_generation(rng, 2, 3, 3, 2, 0.5)]),
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
        Mistake("the r columns of a pair lie side by side, and each of them needs the vote of "
                "its pair: np.repeat, and not np.tile.",
                lambda f, A, B, s: -np.einsum(
                    "pmr,pnr,pr->mn",
                    A, B, np.tile(f[:, 0] - f[:, 1], A.shape[2]).reshape(len(A), -1))
                / (f.size * s * A.shape[2] ** 0.5)),
        Mistake("the columns of A and of B lie in different orders, pair by pair here and rank by "
                "rank there, so that strangers meet. Turn the axes of both in the same way.",
                *[lambda f, A, B, s, turns=turns: _side_by_side(f, A, B, s, *turns)
                  for turns in (((1, 2, 0), (1, 0, 2)), ((1, 0, 2), (1, 2, 0)))]),
        Mistake("every column of A meets every column of B in yours. Column s of A meets column s "
                "of B only: one letter for both, in einsum.",
                lambda f, A, B, s: -np.einsum("p,pmr,pns->mn", f[:, 0] - f[:, 1], A, B)
                / (f.size * s * A.shape[2] ** 0.5)),
    ),
    room=Room("the gradient is right, but you build the matrices of noise of a whole population. "
              "Sum over pairs and columns in one product of two thin matrices.",
              lambda f, A, B, sigma: 4 * (A.nbytes + B.nbytes) + 2**18),
)  # fmt: skip

# ------------------------------------------------------------------------------- noise by name


def member_noise(seed, generation, members, length):
    rows = [gaussian([length], seed=seed, generation=generation, member=k) for k in members]
    return torch.stack(rows).numpy()


def _rows(members, generator, length, dtype=np.float32):
    """A row for each member, from the generator that its number and place in the list give."""
    draws = (generator(k, place) for place, k in enumerate(members))
    return np.array([draw.standard_normal(length, dtype=dtype) for draw in draws])


def _philox(key, counter=(0, 0, 0, 0)):
    return np.random.Generator(np.random.Philox(key=list(key), counter=list(counter)))


def _one_tape(seed, generation, members, length):
    tape = _philox((seed, generation))
    return _rows(members, lambda k, place: tape, length)


def _from_the_first(seed, generation, members, length):
    tape = _philox((seed, generation), (0, 0, 0, members[0]))
    return _rows(members, lambda k, place: tape, length)


MEMBER_NOISE = Exercise(
    "member_noise", TOPIC, points=2,
    goal="make the same noise again anywhere, from three numbers",
    reference=member_noise,
    cases=lambda rng: [
        (3, 7, [5, 2, 5], 3), (0, 1, [0, 1], 6), (1, 0, [1, 0], 6),
        (*map(int, rng.integers(1, 1000, 2)), rng.integers(0, 500, 3).tolist(), 4),
    ],
    boundary=Boundary("members have large numbers (2⁴⁰)",
                      lambda rng: [(3, int(rng.integers(1, 99)), [2**40, 2**40 + 1], 5)]),
    mistakes=(
        Mistake("the generation is missing in the key, so every generation tries the same members: "
                "lesson 07's mistake (a).",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: _philox((s, 0), (0, 0, 0, k)), n)),
        Mistake("the seed is missing in the key: key = [seed, generation].",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: _philox((0, g), (0, 0, 0, k)), n)),
        Mistake("the key is the wrong way round: key = [seed, generation].",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: _philox((g, s), (0, 0, 0, k)), n)),
        Mistake("the member is the first word of your counter, the one that counts on while you "
                "draw: soon member 0 draws what member 1 began with. Put it into the last word.",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: _philox((s, g), (k, 0, 0, 0)), n)),
        Mistake("the member is not in the counter: every row has the same noise.",
                lambda s, g, members, n: _rows(members, lambda k, place: _philox((s, g)), n)),
        Mistake("you play one generator forwards for all rows, so a row depends on those before "
                "it. Start one at each member's counter.", _one_tape),
        Mistake("your rows depend on their place in the list: use the member's number.",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: _philox((s, g), (0, 0, 0, place)), n)),
        Mistake("a sum is no name: seed 1, generation 2 gets what seed 2, generation 1 gets. Give "
                "Philox the three numbers apart.",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: np.random.default_rng(s + g + k), n),
                lambda s, g, members, n: _rows(
                    members, lambda k, place: _philox((s + g, 0), (0, 0, 0, k)), n)),
        Mistake("that is a good name and another generator. Asked is Philox, with key and counter, "
                "so that the library has the same noise.",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: np.random.default_rng([s, g, k]), n)),
        Mistake("numbers of 64 bits are other numbers: standard_normal(length, dtype=np.float32).",
                lambda s, g, members, n: _rows(
                    members, lambda k, place: _philox((s, g), (0, 0, 0, k)), n, float)),
        Mistake("you draw from 0 to 1. Asked are standard Gaussians: standard_normal.",
                lambda s, g, members, n: np.array(
                    [_philox((s, g), (0, 0, 0, k)).random(n, dtype=np.float32) for k in members])),
        Mistake("one generator, started at the first member, plays on through all rows. Start "
                "another at each member's counter.", _from_the_first),
        Mistake("your rows are sorted. Row i belongs to members[i], in the order that was given.",
                lambda s, g, members, n: member_noise(s, g, sorted(members), n)),
        Mistake("a member that is named twice has its row twice.",
                lambda s, g, members, n: member_noise(s, g, list(dict.fromkeys(members)), n),
                lambda s, g, members, n: member_noise(s, g, sorted(set(members)), n)),
        Mistake("the member stands in another word of the counter. It belongs into the last one.",
                *[lambda s, g, members, n, word=word: _rows(
                    members, lambda k, place: _philox((s, g), np.eye(4, dtype=int)[word] * k), n)
                  for word in (1, 2)]),
        Mistake("the key has two words, and both numbers are in one of them in yours. Give it two: "
                "key=[seed, generation].",
                *[lambda s, g, members, n, high=high: _rows(
                    members, lambda k, place: _philox((s + (g << 32) if high else (s << 32) + g, 0),
                                                      (0, 0, 0, k)), n) for high in (0, 1)]),
    ),
    properties=(Property("The numbers are right, but their array has 64 bits a number. Asked is "
                         "float32: np.empty(…, np.float32), say.",
                         lambda rows, *a: rows.dtype == np.float32),),
)  # fmt: skip

# ------------------------------------------------------------------------------- what it costs


def generation_costs(rows, m, n, population, rank):
    return _costs(rows, m, n, population, rank)


def _costs(rows, m, n, population, rank, *, draws=lambda N: N // 2, shared=lambda N: 1,
           thin=lambda m, n, r: r * (m + n), changes=lambda N: N // 2, full=None,
           size=1):  # fmt: skip
    if rank is None:
        numbers, products = full or (draws(population), population)
        return numbers * m * n * size, products * rows * m * n
    work = shared(population) * rows * m * n + changes(population) * rows * thin(m, n, rank)
    return draws(population) * thin(m, n, rank) * size, work


def _full(draws=lambda N: N // 2, products=lambda N: N):
    """Other counts for full rank; right for rank r."""
    return lambda rows, m, n, N, rank: _costs(rows, m, n, N, rank, full=(draws(N), products(N)))


def _more(change):
    """Right but for the multiply-adds of a pair at rank r: more by ``change(rows, m, n, r)``."""

    def costs(rows, m, n, N, rank):
        numbers, work = _costs(rows, m, n, N, rank)
        return numbers, work + (N // 2 * change(rows, m, n, rank) if rank else 0)

    return costs


#: Multiply-adds of the thin products x B, and of that with Aᵀ.
_THIN = lambda rows, m, n, r: rows * r * n, lambda rows, m, n, r: rows * r * m


GENERATION_COSTS = Exercise(
    "generation_costs", TOPIC, points=2,
    goal="count numbers and multiply-adds, and see which ones are shared",
    reference=generation_costs,
    cases=lambda rng: [
        (160, 128, 2312, 256, 1), (3, 4, 5, 4, 2),
        (*map(int, rng.integers(4, 50, 3)), 2 * int(rng.integers(2, 50)), 3),
    ],
    parts=(Part("full rank",
                lambda rng: [(160, 128, 2312, 256, None), (3, 4, 5, 4, None)]),),
    rtol=0, atol=0.5,
    boundary=Boundary("the rank is as high as it can be (r = m)",
                      lambda rng: [(int(rng.integers(2, 9)), 4, 6, 8, 4)]),
    mistakes=(
        Mistake("you draw noise for every member. The two of a pair share theirs, with opposite "
                "signs: N/2 draws.", lambda *a: _costs(*a, draws=lambda N: N)),
        Mistake("with rank r you multiply x by W for every member. x Wᵀ is the same for all: once "
                "for the whole population.", lambda *a: _costs(*a, shared=lambda N: N)),
        Mistake("with rank r you multiply x by W for every pair. x Wᵀ is the same for all: once "
                "for the whole population.", lambda *a: _costs(*a, shared=lambda N: N // 2)),
        Mistake("with rank r the shared product x Wᵀ is missing: rows · m · n, once.",
                lambda *a: _costs(*a, shared=lambda N: 0)),
        Mistake("with rank r you compute (x B) Aᵀ for every member. A pair shares it: its members "
                "differ in the sign.", lambda *a: _costs(*a, changes=lambda N: N)),
        Mistake("with rank r you count E, m · n. The factors have r(m + n) numbers, and (x B) Aᵀ "
                "needs as many multiply-adds for each row.",
                lambda *a: _costs(*a, thin=lambda m, n, r: m * n)),
        Mistake("r is missing: each of the r columns has m + n numbers.",
                lambda *a: _costs(*a, thin=lambda m, n, r: m + n)),
        Mistake("A is m × r and B is n × r: together r(m + n) numbers, not r · m · n.",
                lambda *a: _costs(*a, thin=lambda m, n, r: r * m * n),
                lambda *a: (_costs(*a, thin=lambda m, n, r: r * m * n)[0], _costs(*a)[1])),
        Mistake("at full rank every member has a matrix of its own, both of a pair: N products of "
                "rows · m · n.", _full(products=lambda N: N // 2)),
        Mistake("at full rank you draw a matrix for every member. The two of a pair share theirs, "
                "with opposite signs: N/2 draws.", _full(draws=lambda N: N)),
        Mistake("at full rank nothing is shared: every member multiplies x by a matrix of its own.",
                _full(products=lambda N: 1)),
        Mistake("at full rank you count factors of rank min(m, n). E is drawn as a whole, m · n "
                "numbers, and every member multiplies x by a matrix of its own.",
                lambda rows, m, n, N, rank: _costs(rows, m, n, N, rank or min(m, n))),
        Mistake("at full rank you count a product too many: W + σE is built by adding, and then "
                "multiplied once.", _full(products=lambda N: N + 1)),
        Mistake("at full rank the two of a pair share x Eᵀ in yours. Counted is the plain program: "
                "each of them multiplies x by a matrix of its own.",
                _full(products=lambda N: N // 2 + 1)),
        Mistake("with rank r you make one of the two thin products for every member. Both are made "
                "once a pair.", *map(_more, _THIN)),
        Mistake("with rank r one of the two thin products is missing: x B, and that with Aᵀ.",
                *[_more(lambda *a, thin=thin: -thin(*a)) for thin in _THIN]),
        Mistake("with rank r the rows are missing in your thin products: every row is multiplied.",
                _more(lambda rows, m, n, r: (1 - rows) * r * (m + n))),
        Mistake("with rank r you build E and multiply x by it. As in exercise 2, no E is built: "
                "x B, and that with Aᵀ.",
                _more(lambda rows, m, n, r: m * r * n + rows * (m * n - r * (m + n)))),
        Mistake("you count bytes. Asked is how many numbers are drawn.",
                lambda *a: _costs(*a, size=4)),
        Mistake("the two are the wrong way round: return (numbers, multiply-adds).",
                lambda *a: _costs(*a)[::-1]),
        Mistake("the rows are missing in your multiply-adds: every input row is multiplied.",
                lambda rows, *a: (_costs(rows, *a)[0], _costs(1, *a)[1])),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- from fitness alone


def gradient_from_seed(f, seed, generation, m, n, r, sigma, chunk):
    return _from_seed(f, seed, generation, m, n, r, sigma, chunk)


def _cut(row, m, n, r):
    return row[:, : m * r].reshape(-1, m, r), row[:, m * r :].reshape(-1, n, r)


def _b_first(row, m, n, r):
    return row[:, n * r :].reshape(-1, m, r), row[:, : n * r].reshape(-1, n, r)


def _column_by_column(row, m, n, r):
    A, B = _cut(row, m, n, r)
    return A.reshape(-1, r, m).transpose(0, 2, 1), B.reshape(-1, r, n).transpose(0, 2, 1)


def _from_seed(f, seed, generation, m, n, r, sigma, chunk, *, sign=1, start=lambda first: first,
               cut=_cut, weight=lambda part, f, chunk: len(part) / len(f), whole=False,
               keep=1, step=1,
               named=lambda seed, generation, piece: (seed, generation)):  # fmt: skip
    total = np.zeros((m, n))
    last = len(f) - chunk + 1 if whole else len(f)
    for first in range(0, last, chunk):
        part = f[first : first + chunk]
        members = [step * (start(first) + k) for k in range(len(part))]
        name = named(seed, generation, first // chunk)
        A, B = cut(member_noise(*name, members, r * (m + n)), m, n, r)
        share = weight(part, f, chunk) * eggroll_gradient(part, A, B, sigma)
        total = keep * total + sign * share
    return total


def _fitness(rng, pairs, seed, generation, m, n, r, sigma, chunk):
    return tenths(rng, pairs, 2), seed, generation, m, n, r, sigma, chunk


GRADIENT_FROM_SEED = Exercise(
    "gradient_from_seed", TOPIC, points=3,
    goal="compute a whole gradient from a few bytes a member, in pieces that fit",
    reference=gradient_from_seed,
    cases=lambda rng: [
        _fitness(rng, 5, 3, 7, 2, 3, 1, 0.5, 2), _fitness(rng, 4, 1, 2, 3, 2, 2, 0.1, 3),
        _fitness(rng, 3, 0, 1, 1, 2, 3, 2.0, 8), _fitness(rng, 96, 2, 5, 4, 396, 2, 0.1, 4),
    ],
    atol=1e-4,
    boundary=Boundary("pieces are single pairs (chunk = 1)",
                      lambda rng: [_fitness(rng, 3, 4, 2, 2, 3, 2, 0.5, 1)]),
    mistakes=(
        Mistake("each piece is divided by its own N. The sum over all pieces needs the N of the "
                "whole population: weigh a piece by len(part)/len(f).",
                lambda *a: _from_seed(*a, weight=lambda part, f, chunk: 1)),
        Mistake("you take the plain mean of the pieces, but the last may be smaller: weigh a piece "
                "by len(part)/len(f).",
                lambda *a: _from_seed(
                    *a, weight=lambda part, f, chunk: 1 / -(-len(f) // chunk))),
        Mistake("you weigh pieces by chunk/len(f), but the last may be smaller: len(part)/len(f).",
                lambda *a: _from_seed(*a, weight=lambda part, f, chunk: chunk / len(f))),
        Mistake("your members are numbered from 0 in every piece. Pair k of the population keeps "
                "its number: range(first, first + len(part)).",
                lambda *a: _from_seed(*a, start=lambda first: 0)),
        Mistake("your members are numbered from 1. The first pair has the number 0.",
                lambda *a: _from_seed(*a, start=lambda first: first + 1)),
        Mistake("the pairs after the last whole piece are lost.",
                lambda *a: _from_seed(*a, whole=True)),
        Mistake("only the last piece is left: add every piece to a total.",
                lambda *a: _from_seed(*a, keep=0)),
        Mistake("A comes first in a row of noise: m · r numbers, then n · r of B.",
                lambda *a: _from_seed(*a, cut=_b_first)),
        Mistake("the numbers fill A and B row by row, reshape(-1, m, r); you fill the columns.",
                lambda *a: _from_seed(*a, cut=_column_by_column)),
        Mistake("the generation does not reach your noise.",
                lambda *a: _from_seed(*a, named=lambda seed, generation, piece: (seed, 0))),
        Mistake("seed and generation are the wrong way round.",
                lambda *a: _from_seed(
                    *a, named=lambda seed, generation, piece: (generation, seed))),
        Mistake("every piece counts as a generation of its own in yours. All of them have the same "
                "one.", lambda *a: _from_seed(
                    *a, named=lambda seed, generation, piece: (seed, generation + piece))),
        Mistake("you take every second number. Pair p is member p of the counter, for its two "
                "members share their noise.", lambda *a: _from_seed(*a, step=2)),
        Mistake("the sign is turned round: eggroll_gradient has the minus already.",
                lambda *a: _from_seed(*a, sign=-1)),
    ),
    room=Room("the gradient is right, but you hold the noise of the whole population, or all its "
              "parts, at a time. Draw the noise of `chunk` pairs, add up their part, let both go.",
              lambda f, seed, generation, m, n, r, sigma, chunk: (
                  8 * (5 * m * n + 4 * chunk * r * (m + n)) + 2**16)),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def climb_thin(fitness, W, generations, pairs, r, sigma, lr, seed):
    return _climb(fitness, W, generations, pairs, r, sigma, lr, seed)


def _apart(A, B, votes):
    """Votes and factors averaged apart, as in the loop that was given."""
    return (votes[:, None, None] * A).mean(0) @ B.mean(0).T


def _climb(fitness, W, generations, pairs, r, sigma, lr, seed, *, mean=None, root=0.5, sign=1,
           share=lambda pairs: pairs, once=False, moves=False, ordered=True,
           keeps=False):  # fmt: skip
    rng, drawn, before = np.random.default_rng(seed), None, 0
    for _ in range(generations):
        if drawn is None or not once:
            many = 1 if ordered else pairs  # pairs of which A comes before B
            drawn = [[rng.normal(size=(many, size, r)) for size in W.shape]
                     for _ in range(pairs // many)]  # fmt: skip
        A, B = map(np.concatenate, zip(*drawn, strict=True))
        E = low_rank_noise(A, B)
        if moves:
            for e in E:
                vote = fitness(W + sigma * e) - fitness(W - sigma * e)
                W = W + lr * vote * e / (2 * sigma * pairs)
            continue
        votes = np.array([fitness(W + sigma * e) - fitness(W - sigma * e) for e in E])
        step = np.einsum("p,pmr,pnr->mn", votes, A, B) / share(pairs)
        step = mean(A, B, votes) if mean else step + before
        before = step if keeps else 0
        W = W + sign * lr * step / (2 * sigma * r**root)
    return W


def peak(W):
    """Minus the squared distance to weights that rise along rows and fall along columns."""
    rows, columns = np.indices(np.shape(W))
    return -float(np.sum((np.asarray(W) - rows + columns / 2) ** 2))


CLIMB_THIN = Exercise(
    "climb_thin", TOPIC, points=2, kind="bug",
    goal="see that a mean of products is no product of means",
    reference=climb_thin,
    cases=lambda rng: [
        (peak, tenths(rng, m, n), 3, pairs, r, 0.1, 0.02, int(rng.integers(100)))
        for m, n, pairs, r in ((2, 3, 3, 2), (3, 2, 4, 1), (2, 2, 1, 3))
    ],
    mistakes=(
        Mistake("A, times the votes, and B are added up apart, and then multiplied, as in the loop "
                "that was given. Write down what left @ right.T is for two pairs: which A meets "
                "which B?", lambda *a: _climb(*a, mean=_apart),
                lambda *a: _climb(*a, mean=lambda A, B, v: len(v) * _apart(A, B, v))),
        Mistake("the votes are at B now, but A and B are still added up apart, and then "
                "multiplied. Which A meets which B?",
                lambda *a: _climb(*a, mean=lambda A, B, v: _apart(B, A, v).T)),
        Mistake("A, B and the votes are each added up apart in yours, and then multiplied. Which "
                "vote belongs to which A and B?",
                lambda *a: _climb(*a, mean=lambda A, B, v: v.mean() * _apart(A, B, v**0))),
        Mistake("the votes are at A and at B, and so squared, and both are still added up apart. "
                "Which A meets which B, and how often does a vote count?",
                lambda *a: _climb(*a, mean=lambda A, B, v: _apart(A, v[:, None, None] * B, v))),
        Mistake("you add the pairs up. The step is their mean, or more pairs take longer steps.",
                lambda *a: _climb(*a, share=lambda pairs: 1)),
        Mistake("√r is missing in the step: E = A Bᵀ/√r.", lambda *a: _climb(*a, root=0)),
        Mistake("√r is in your step twice.", lambda *a: _climb(*a, root=1)),
        Mistake("only the last pair's vote is left in a step: add every pair's.",
                lambda *a: _climb(*a, mean=lambda A, B, v: v[-1] * A[-1] @ B[-1].T / len(v)),
                lambda *a: _climb(*a, mean=lambda A, B, v: v[-1] * A[-1] @ B[-1].T)),
        Mistake("you go downhill: fitness is to grow.", lambda *a: _climb(*a, sign=-1)),
        Mistake("every generation has the same noise in yours: it is drawn once, or the generator "
                "is made anew each time. Make it once, draw often.",
                lambda *a: _climb(*a, once=True)),
        Mistake("W moves after each pair in yours, so that later pairs are tried from elsewhere. A "
                "generation tries all pairs from one W, and then takes one step.",
                lambda *a: _climb(*a, moves=True)),
        Mistake("you divide by the number of pairs twice. A mean divides once.",
                lambda *a: _climb(*a, share=lambda pairs: pairs**2)),
        Mistake("you draw in another order: A and B of one pair come before those of the next.",
                lambda *a: _climb(*a, ordered=False)),
        Mistake("the steps of earlier generations are in yours as well. Each generation begins "
                "with a sum of 0.", lambda *a: _climb(*a, keeps=True)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, telegraph

ALLOWED = 600


def train_thin(fitness, layers, allowed, seed):
    weights = [torch.tensor(W) for W in layers]
    optimizer = torch.optim.Adam(weights, lr=0.05)
    rng, pairs, sigma = np.random.default_rng(seed), 2, 0.05
    for _ in range(allowed // (2 * pairs)):
        factors = [_drawn(rng, W, pairs) for W in weights]
        f = np.array([[fitness([W.numpy() + sign * sigma * low_rank_noise(A, B)[p]
                                for W, (A, B) in zip(weights, factors, strict=True)])
                       for sign in (1, -1)] for p in range(pairs)])  # fmt: skip
        shaped = centred_ranks(torch.tensor(f).flatten()).numpy().reshape(f.shape)
        for W, (A, B) in zip(weights, factors, strict=True):
            W.grad = torch.from_numpy(eggroll_gradient(shaped, A, B, sigma))
        optimizer.step()
    return [W.numpy() for W in weights]


def _drawn(rng, W, pairs):
    return rng.normal(size=(pairs, W.shape[0], 1)), rng.normal(size=(pairs, W.shape[1], 1))


def _thinly(rng, allowed=ALLOWED):
    fitness, seed = Layered(allowed), int(rng.integers(1000))

    def score(layers) -> float:
        right = tiny.learned(row(layers), row(matrices(seed)), both=True)
        if (thin := fitness.thin() if fitness.asked else 0.0) < 0.9:
            raise NotYet(f"  {thin:.0%} of the networks that you asked for differ from another one "
                         "by a matrix of rank 1 in each layer; 90 % are asked for. What is the "
                         "rank of your noise?")  # fmt: skip
        return right

    return (fitness, matrices(seed), allowed, seed), score


TRAIN_THIN = Open(
    "train_thin", TOPIC, points=3, kind="train",
    goal="train a spiking network by EGGROLL, forward passes and thin noise alone",
    reference=train_thin, trial=_thinly, less=90, forward_only=True, seeded=True,
    marks=((0.75, 1), (0.85, 2), (0.92, 3)), wording="{:.0%} of unseen digits right".format,
    short=same_noise,
)  # fmt: skip

PAIRS, GENERATIONS = 8, 100


class Wire:
    """Trains three networks of which one end has the fitness, and the other gets a text about it.

    bits: sent for a network, on average; right: share of unseen digits, likewise.
    """

    __name__ = "train"

    def __init__(self, seeds):
        self.seeds, self.right, self.bits = seeds, 0.0, 0.0

    def __call__(self, encode, decode):
        self.repeated = True
        runs = [self.run(seed, encode, decode) for seed in self.seeds]
        self.right, self.bits = (float(np.mean(column)) for column in zip(*runs, strict=True))
        return self.right, self.bits

    def run(self, seed, encode, decode):
        weights, rng = [torch.tensor(W) for W in matrices(seed)], np.random.default_rng(seed)
        optimizer, sent = torch.optim.Adam(weights, lr=0.05), []
        for generation in range(GENERATIONS):
            factors = [_drawn(rng, W, PAIRS) for W in weights]
            f = self.population(weights, factors)
            message = encode(f, generation)
            if not isinstance(message, str) or set(message) - {"0", "1"}:
                raise Refused(f"a message is a text of 0 and 1, such as '0110'; not {message!r}")
            votes = self.votes(decode, message, generation)
            sent.append((generation, message, votes, f))
            for W, (A, B) in zip(weights, factors, strict=True):
                shaped = np.stack([votes, -votes], axis=1) / 2
                W.grad = torch.from_numpy(eggroll_gradient(shaped, A, B, 0.05))
            optimizer.step()
        for generation, message, votes, f in reversed(sent):
            encode(f[::-1, ::-1].copy(), generation)  # what it keeps of f does not cross the line
            self.repeated &= np.array_equal(self.votes(decode, message, generation), votes)
        bits = sum(len(message) for _, message, _, _ in sent)
        return tiny.accuracy(row([W.numpy() for W in weights])), bits

    @staticmethod
    def population(weights, factors):
        """Fitness (P, 2) of W + σE and W − σE."""
        rows = []
        for p in range(PAIRS):
            noise = [0.05 * A[p] @ B[p].T for A, B in factors]
            rows += [row([W.numpy() + sign * E for W, E in zip(weights, noise, strict=True)])
                     for sign in (1, -1)]  # fmt: skip
        data = tiny.digits()
        return -tiny.losses(np.array(rows), data.frames, data.labels).reshape(PAIRS, 2)

    @staticmethod
    def votes(decode, message, generation):
        votes = tiny.finite(decode(message, generation))
        if votes is None or votes.shape != (PAIRS,):
            raise Refused(f"decode should return {PAIRS} finite numbers, one vote for each pair")
        return votes

    def __deepcopy__(self, memo):
        return self


def telegraph(train):
    def encode(f, generation):
        pull = (f[:, 0] - f[:, 1])[:2]
        stronger = int(abs(pull[1]) > abs(pull[0]))
        return f"{stronger}{int(pull[stronger] > 0)}"

    def decode(message, generation):
        votes = np.zeros(PAIRS)
        votes[int(message[0])] = 1 if message[1] == "1" else -1
        return votes

    return train(encode, decode)


def _wired(rng):
    wire = Wire([int(seed) for seed in rng.integers(1000, size=3)])

    def right(answer) -> float:
        if not wire.bits and not wire.right:
            raise NotYet("  Nobody has trained yet: return train(encode, decode).")
        if np.shape(tiny.finite(answer)) != (2,):
            raise NotYet("  Return what train returned: the share and the bits, two numbers.")
        if not wire.repeated:
            raise NotYet("  At the other end of the line, decode gave other votes for the same "
                         "message and generation. It may know nothing else.")  # fmt: skip
        return wire.right

    return (wire,), fewest(0.9, right, lambda: round(wire.bits), "bits a network")


TELEGRAPH = Open(
    "telegraph", TOPIC, points=3,
    goal="find out how little a population has to say",
    reference=telegraph, trial=_wired, forward_only=True,
    marks=((-1600, 1), (-800, 2), (-200, 3)),
    wording=lambda value: f"{-value:,.0f} bits a network",
)  # fmt: skip
