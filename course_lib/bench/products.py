"""The matrix products that a generation cannot avoid, alone, their arguments at hand.

    input:    x Wᵀ once, and x B of every draw
    members:  (x B) Aᵀ of every draw, s Wᵀ and s B of every member's hidden spikes s
    gradient: the product of all A with all B

each in dense form, by torch, and in sparse form, by adding up rows of events. A generation also has
to draw and pack its noise, to run its neurons and to compare losses.
"""

from collections.abc import Callable

import numba
import numpy as np
import torch

from course_lib.bench.timing import Times, row
from course_lib.event_lists import frame_events, multiply
from course_lib.kernels.events import COMPILED, STRIP
from course_lib.kernels.later_layers import sum_both
from course_lib.kernels.plan import COLUMNS
from course_lib.kernels.products import BLOCK, TILE, add_products
from course_lib.kernels.threads import in_threads, take
from course_lib.kernels.vectors import LANES, add, fma, item, load, spread, store
from course_lib.kernels.workspace import lines, zeros
from course_lib.network import SpikingNetwork

PARTS = ("input", "members", "gradient")


def products(network: SpikingNetwork, frames, draws: int, rank: int) -> dict[str, Callable]:
    """Contestants "products of the <part>, <form>, rank <rank>"."""
    inputs, hidden, classes = network.sizes
    spikes = network.record(frames)[0].spikes.detach()
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
    flat, weight = spikes.flatten(0, 1), torch.randn(spikes.shape[-1], classes + rank)
    a, projected = torch.randn(rank, spikes.shape[-1]), torch.randn(len(flat), rank)
    currents, outputs = torch.empty_like(flat), torch.empty(len(flat), classes + rank)

    def run():
        for _ in range(draws):
            torch.mm(projected, a, out=currents)
            for _ in range(2):  # both signs
                torch.mm(flat, weight, out=outputs)

    return run


def sparse_members(spikes, draws, rank):
    """Every member has the spikes of the unperturbed network here."""
    steps, batch, hidden = spikes.shape
    width = -(-hidden // 64) * 64
    indices = np.full((batch, steps * (width + 4)), hidden, np.int32)
    starts = np.zeros((batch, steps + 1), np.int64)
    for b in range(batch):
        for t in range(steps):
            who = spikes[t, b].nonzero().flatten().numpy()
            indices[b, starts[b, t] : starts[b, t] + len(who)] = who
            starts[b, t + 1] = starts[b, t] + -(-len(who) // 4) * 4
    projected, a = some(batch, steps, draws * rank), some(draws, rank * width)
    second, table = some(draws, (hidden + 17) * rank + 64), some((hidden + 1) * 16)
    sums = zeros(LANES)
    jobs = [(b, min(b + 8, batch)) for b in range(0, batch, 8)]
    return lambda: in_threads(
        _members, jobs, indices, starts, projected, rank, width, a, second, table, sums
    )


@numba.njit(**COMPILED)
def _members(counter, jobs, indices, starts, projected, rank, width, a, second, table, sums):
    steps, columns = projected.shape[1], projected.shape[2]
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
                for _ in range(2):
                    for t in range(steps):
                        rows, other = sum_both(
                            rows, table, 0, 16, second[m], 0, rank, indices[b], starts[b, t],
                            starts[b, t + 1],
                        )  # fmt: skip
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
