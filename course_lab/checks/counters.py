"""Exercises of lesson 07 about scale: noise from a counter, what it saves, and what travels."""

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake, Room
from course_lab.checks.evolution import tenths
from course_lab.checks.low_rank import TOPIC, eggroll_gradient
from course_lib.noise import gaussian

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


MEMBER_NOISE = Exercise(
    "member_noise", TOPIC, points=2,
    goal="make the same noise again anywhere, from three numbers",
    reference=member_noise,
    cases=lambda rng: [
        (3, 7, [5, 2, 5], 3), (0, 1, [0, 1], 6), (1, 0, [1, 0], 6),
        (*map(int, rng.integers(1, 1000, 2)), rng.integers(0, 500, 3).tolist(), 4),
    ],
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
                    members, lambda k, place: np.random.default_rng(s + g + k), n)),
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
    ),
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


GENERATION_COSTS = Exercise(
    "generation_costs", TOPIC, points=2,
    goal="count numbers and multiply-adds, and see which ones are shared",
    reference=generation_costs,
    cases=lambda rng: [
        (160, 128, 2312, 256, None), (160, 128, 2312, 256, 1), (3, 2, 5, 4, None), (3, 2, 5, 4, 2),
        (*map(int, rng.integers(2, 50, 3)), 2 * int(rng.integers(2, 50)), 3),
    ],
    rtol=0, atol=0.5,
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
                lambda *a: _costs(*a, thin=lambda m, n, r: r * m * n)),
        Mistake("at full rank every member has a matrix of its own, both of a pair: N products of "
                "rows · m · n.", _full(products=lambda N: N // 2)),
        Mistake("at full rank nothing is shared: every member multiplies x by a matrix of its own.",
                _full(products=lambda N: 1)),
        Mistake("at full rank you count a product too many: W + σE is built by adding, and then "
                "multiplied once.", _full(products=lambda N: N + 1)),
        Mistake("you count bytes. Asked is how many numbers are drawn.",
                lambda *a: _costs(*a, size=4)),
        Mistake("the two are the wrong way round: return (numbers, multiply-adds).",
                lambda *a: _costs(*a)[::-1]),
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
               keep=1, named=lambda seed, generation: (seed, generation)):  # fmt: skip
    total = np.zeros((m, n))
    last = len(f) - chunk + 1 if whole else len(f)
    for first in range(0, last, chunk):
        part = f[first : first + chunk]
        members = range(start(first), start(first) + len(part))
        A, B = cut(member_noise(*named(seed, generation), members, r * (m + n)), m, n, r)
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
                lambda *a: _from_seed(*a, named=lambda seed, generation: (seed, 0))),
        Mistake("seed and generation are the wrong way round.",
                lambda *a: _from_seed(*a, named=lambda seed, generation: (generation, seed))),
        Mistake("the sign is turned round: eggroll_gradient has the minus already.",
                lambda *a: _from_seed(*a, sign=-1)),
    ),
    room=Room("the gradient is right, but you hold the noise of the whole population, or all its "
              "parts, at a time. Draw the noise of `chunk` pairs, add up their part, let both go.",
              lambda f, seed, generation, m, n, r, sigma, chunk: (
                  8 * (5 * m * n + 4 * chunk * r * (m + n)) + 2**16)),
)  # fmt: skip

EXERCISES = (MEMBER_NOISE, GENERATION_COSTS, GRADIENT_FROM_SEED)
