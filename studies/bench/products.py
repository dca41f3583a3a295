"""The matrix products that a generation cannot avoid, alone, their arguments at hand.

    input:    x Wᵀ once, and x B of every draw
    members:  (x B) Aᵀ of every draw, s Wᵀ and s B of every member's hidden spikes s
    gradient: the product of all A with all B

each in dense form, by torch, and in sparse form, by adding up rows of events. The spikes are those
of a few members, over and over: members do not fire like the unperturbed network, nor like each
other. A generation also has to draw and pack its noise, to run its neurons and to compare
losses.
"""

from collections.abc import Callable

import numba
import numpy as np
import torch

from course_lib.estimators import EGGROLL
from course_lib.fast.event_lists import frame_events, multiply
from course_lib.fast.kernels.events import COMPILED, STRIP
from course_lib.fast.kernels.later_layers import sum_both
from course_lib.fast.kernels.plan import COLUMNS
from course_lib.fast.kernels.products import BLOCK, TILE, add_products
from course_lib.fast.kernels.threads import in_threads, take
from course_lib.fast.kernels.vectors import LANES, add, fma, item, load, spread, store
from course_lib.fast.kernels.workspace import lines, zeros
from course_lib.lif import heaviside, lif_run
from course_lib.network import SpikingNetwork
from studies.bench.timing import Times, row

PARTS = ("input", "members", "gradient")
#: draws whose members' spikes are used: few enough for the second cache
DRAWS = 4


def products(network: SpikingNetwork, frames, draws: int, rank: int) -> dict[str, Callable]:
    """Contestants "products of the <part>, <form>, rank <rank>"."""
    inputs, hidden, classes = network.sizes
    spikes = spikes_of_members(network, frames, rank)
    both = {
        "input": (dense_input(frames, hidden + draws * rank),
                  sparse_input(frames, hidden + draws * rank)),
        "members": (dense_members(spikes, classes, draws, rank),
                    sparse_members(spikes, draws, rank)),
        "gradient": (dense_gradient(hidden, inputs, draws * rank),
                     sparse_gradient(hidden, inputs, draws * rank)),
    }  # fmt: skip
    return {
        f"products of the {part}, {form}, rank {rank}": run
        for part, forms in both.items()
        for form, run in zip(("dense", "compiled"), forms, strict=True)
    }


def spikes_of_members(network: SpikingNetwork, frames, rank: int) -> torch.Tensor:
    """The hidden layer's spikes of both members of DRAWS draws: (T, 2 · DRAWS, B, hidden)."""
    estimator = EGGROLL(population=2 * DRAWS, rank=rank)
    with torch.no_grad():
        base = network.layers[0](frames)
        factors = estimator.factors(network, 0, range(DRAWS))
        currents = estimator.population_currents(network, factors, base)(0, frames)
        return lif_run(currents, network.neuron, heaviside)[0].flatten(1, 2)


def some(*shape):
    """Numbers between 0 and 1."""
    numbers = lines(shape)
    np.random.default_rng(0).random(out=numbers, dtype=np.float32)
    return numbers


def dense_input(frames, columns):
    flat, matrix = frames.flatten(0, 1), torch.randn(frames.shape[-1], columns)
    result = torch.empty(len(flat), columns)
    return lambda: torch.mm(flat, matrix, out=result)


def sparse_input(frames, columns):
    events, strips = frame_events(frames), -(-columns // STRIP)
    packed = some(strips, frames.shape[-1], STRIP)
    begin = zeros(strips * STRIP)
    sums = lines((frames.shape[1], len(frames), strips * STRIP))
    return lambda: multiply(events, packed, begin, sums)


def dense_gradient(outputs, inputs, rows):
    left, right = torch.randn(outputs, rows), torch.randn(rows, inputs)
    result = torch.empty(outputs, inputs)
    return lambda: torch.mm(left, right, out=result)


def sparse_gradient(outputs, inputs, rows):
    left, right = some(-(-outputs // BLOCK), rows, BLOCK), some(-(-inputs // TILE), rows, TILE)
    result = np.zeros(outputs * inputs, np.float32)
    jobs = [(tile, 0, len(left)) for tile in range(len(right))]
    return lambda: in_threads(add_products, jobs, left, right, outputs, inputs, result)


def dense_members(spikes, classes, draws, rank):
    flat, weight = spikes[:, 0].flatten(0, 1), torch.randn(spikes.shape[-1], classes + rank)
    a, projected = torch.randn(rank, spikes.shape[-1]), torch.randn(len(flat), rank)
    currents, outputs = torch.empty_like(flat), torch.empty(len(flat), classes + rank)

    def run():
        for _ in range(draws):
            torch.mm(projected, a, out=currents)
            for _ in range(2):  # both signs
                torch.mm(flat, weight, out=outputs)

    return run


def sparse_members(spikes, draws, rank):
    steps, members, batch, hidden = spikes.shape
    width = -(-hidden // 64) * 64
    indices = np.full((batch, members, steps * (width + 4)), hidden, np.int32)
    starts = np.zeros((batch, members, steps + 1), np.int64)
    fired = spikes.permute(2, 1, 0, 3).numpy() != 0
    for b, member, t in np.ndindex(batch, members, steps):
        who, start = np.flatnonzero(fired[b, member, t]), starts[b, member, t]
        indices[b, member, start : start + len(who)] = who
        starts[b, member, t + 1] = start + -(-len(who) // 4) * 4
    projected, a = some(batch, steps, draws * rank), some(draws, rank * width)
    second, table = some(draws, (hidden + 17) * rank + 64), some((hidden + 1) * 16)
    sums = zeros(LANES)
    jobs = [(b, min(b + 8, batch)) for b in range(0, batch, 8)]
    return lambda: in_threads(
        _members, jobs, indices, starts, projected, rank, width, a, second, table, sums
    )


@numba.njit(**COMPILED)
def _members(counter, jobs, indices, starts, projected, rank, width, a, second, table, sums):
    steps, columns, members = projected.shape[1], projected.shape[2], starts.shape[1]
    flat, kept = projected.reshape(-1), spread(np.float32(0), LANES)
    rows, seen = spread(np.float32(0), 16), spread(np.float32(0), COLUMNS)
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            for m in range(len(a)):
                factors, place = a[m], b * steps * columns + m * rank
                for n in range(0, width, LANES):
                    for t in range(steps):
                        total = kept
                        for k in range(rank):
                            weight = spread(item(flat, place + t * columns + k), LANES)
                            total = fma(weight, load(factors, k * width + n, LANES), total)
                        kept = total
                for sign in range(2):
                    member = (2 * m + sign) % members
                    who, start = indices[b, member], starts[b, member]
                    for t in range(steps):
                        rows, other = sum_both(
                            rows, table, 0, 16, second[m], 0, rank, who, start[t], start[t + 1]
                        )
                        seen = add(seen, other)
        j = take(counter)
    store(sums, 0, kept)  # or the compiler would leave all of it out
    store(sums, 0, rows)
    store(sums, 0, seen)


def against_products(times: Times, rank: int, bar: float | None) -> list[str]:
    """How far a generation is from the products in it, each in its faster form.

    And from these with the hidden neurons, which no product replaces.
    """
    lines, total = [], 0.0
    for part in PARTS:
        seconds, form = min(
            (times.median(f"products of the {part}, {form}, rank {rank}"), form)
            for form in ("dense", "compiled")
        )
        total += seconds
        lines.append(row(f"rank {rank}: products of the {part}, {form}", 1000 * seconds, "ms"))
    neurons, whole = times.median("neurons alone"), times.median(f"EGGROLL, rank {rank}")
    return [
        *lines,
        row(f"rank {rank}: generation / these products", whole / total, "×", bar, True),
        row(f"rank {rank}: the hidden neurons, alone", 1000 * neurons, "ms"),
        row(f"rank {rank}: generation / products and neurons", whole / (total + neurons), "×"),
    ]
