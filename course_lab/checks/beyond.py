"""Exercises of lesson 10: what an inference costs, what travels between processes, a hybrid."""

import math
from functools import cache

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.cases import Boundary, at, tenths
from course_lab.checks.engine.engine import Exercise, Mistake, NotYet, Part, Property
from course_lab.checks.engine.failures import Refused
from course_lab.checks.engine.open import Open, demand
from course_lab.checks.engine.workers import together
from course_lib.energy import JOULES_PER_AC, JOULES_PER_MAC
from course_lib.run import scaling

TOPIC = "10_beyond"

# ------------------------------------------------------------------------------- energy


def nanojoules(acs, macs):
    return 1e9 * (JOULES_PER_AC * acs + JOULES_PER_MAC * macs)


NANOJOULES = Exercise(
    "nanojoules", TOPIC, points=1,
    goal="turn counts of operations into an estimate, with its unit",
    reference=nanojoules, atol=1e-12,
    cases=lambda rng: [
        (119_319, 0), (0, 1000),
        *[tuple(int(n) for n in rng.integers(100, 10**6, 2)) for _ in range(3)],
    ],
    boundary=Boundary("there is nothing to pay for", lambda rng: [(0, 0)]),
    mistakes=(
        Mistake("that is in picojoules. A nanojoule has 1,000 of them.",
                lambda a, m: 0.9 * a + 4.6 * m),
        Mistake("that is in joules. A nanojoule is 10⁻⁹ J.",
                lambda a, m: 1e-12 * (0.9 * a + 4.6 * m)),
        Mistake("that is in microjoules: you divided by 1,000 once too often.",
                lambda a, m: 1e-6 * (0.9 * a + 4.6 * m)),
        Mistake("3.7 pJ is the multiplication alone. A MAC also adds: 4.6 pJ.",
                lambda a, m: 1e-3 * (0.9 * a + 3.7 * m)),
        Mistake("the two costs are swapped: an addition (AC) is the cheap one.",
                lambda a, m: 1e-3 * (4.6 * a + 0.9 * m)),
        Mistake("every operation costs 0.9 pJ in yours. A MAC multiplies as well: 4.6 pJ.",
                lambda a, m: 1e-3 * 0.9 * (a + m)),
        Mistake("every operation costs 4.6 pJ in yours. Where spikes arrive, weights are only "
                "added: 0.9 pJ.", lambda a, m: 1e-3 * 4.6 * (a + m)),
        Mistake("every operation costs 0.9 and 4.6 pJ together in yours. An AC costs 0.9, a MAC "
                "4.6.", lambda a, m: 1e-3 * 5.5 * (a + m)),
        Mistake("you multiply by 1,000. A nanojoule is larger than a picojoule: divide.",
                lambda a, m: 1e3 * (0.9 * a + 4.6 * m)),
        Mistake("brackets are missing: both parts are in picojoules, and divided by 1,000.",
                lambda a, m: 0.9 * a + 4.6 * m / 1e3),
        Mistake("the addition of a MAC is in its 4.6 pJ already. It needs no AC beside it.",
                lambda a, m: 1e-3 * (0.9 * (a + m) + 4.6 * m)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- operations


def synaptic_operations(inputs, weight):
    arrived = (np.asarray(inputs) != 0).sum(axis=0)
    return arrived @ (np.asarray(weight) != 0).sum(axis=0)


def _operations(x, W, *, arrivals=lambda x: x != 0, synapses=lambda W: W != 0, over="sum"):
    each = arrivals(x) @ synapses(W).sum(axis=0)  # (T, B)
    return {"sum": each.sum(axis=0), "mean": each.mean(axis=0), "steps": each,
            "recordings": each.sum(axis=1), "all": each.sum(),
            "batch": each.sum(axis=0).mean()}[over]  # fmt: skip


def _layer(rng, steps, batch, outputs, inputs, values):
    """Inputs (T, B, in) from these values, and weights of which some are zero."""
    x = rng.choice(values, (steps, batch, inputs))
    x[:, 0, 0], x[0, 0, 1] = values[-1], values[-2]
    W = tenths(rng, outputs, inputs) * (rng.random((outputs, inputs)) < 0.7)
    W[0, :2] = 0, 0.4
    return x.astype(float), W


def _tiny_weight(rng):
    x, W = _layer(rng, 3, 2, 3, 4, (0, 0, 1))
    W[0, :2] = 1e-12, 0
    return x, W


SYNAPTIC_OPERATIONS = Exercise(
    "synaptic_operations", TOPIC, points=2,
    goal="count the work that arriving events cause, and no other",
    reference=synaptic_operations,
    cases=lambda rng: [
        _layer(rng, 3, 2, 3, 4, (0, 0, 1)),
        _layer(rng, 2, 3, 4, 3, (0, 1)),
        at("a weight is tiny and not 0", *_tiny_weight(rng)),
        at("there are many operations", *_layer(rng, 60, 2, 60, 80, (0, 1, 1))),
    ],
    parts=(Part("inputs are negative, or larger than 1",
                lambda rng: [_layer(rng, 3, 2, 2, 3, (0, 1, -1, 2)),
                             _layer(rng, 3, 2, 3, 4, (0, 0, 1e-12))]),),
    boundary=Boundary("there are as many inputs as outputs",
                      lambda rng: [_layer(rng, 3, 2, 4, 4, (0, 1, 1))]),
    mistakes=(
        Mistake("you add the inputs up. An input of 2 or −1 arrives once: count entries that are "
                "not zero.", lambda *a: _operations(*a, arrivals=lambda x: x)),
        Mistake("you add the sizes of the inputs up. An input of 2 arrives once: count entries "
                "that are not zero.", lambda *a: _operations(*a, arrivals=np.abs)),
        Mistake("you count entries above zero. A negative input is work as well: ≠ 0.",
                lambda *a: _operations(*a, arrivals=lambda x: x > 0)),
        Mistake("weights that are exactly 0 are no synapses: count W ≠ 0.",
                lambda *a: _operations(*a, synapses=np.ones_like)),
        Mistake("you add weights up. An operation is counted, whatever its weight: W ≠ 0.",
                lambda *a: _operations(*a, synapses=lambda W: W)),
        Mistake("you count every entry, also the zeros: that is the dense network. Only inputs "
                "that are not zero cause work.", lambda *a: _operations(*a, arrivals=np.ones_like)),
        Mistake("you take the mean over time. Every step's operations have to be paid: sum.",
                lambda *a: _operations(*a, over="mean")),
        Mistake("that is a number for each time step and recording. Sum over time.",
                lambda *a: _operations(*a, over="steps")),
        Mistake("you sum over the recordings, not over time: time is the first axis.",
                lambda *a: _operations(*a, over="recordings")),
        Mistake("that is the sum over the batch. Asked is a number for each recording, (B,).",
                lambda *a: _operations(*a, over="all")),
        Mistake("that is the mean over the batch. Asked is a number for each recording, (B,).",
                lambda *a: _operations(*a, over="batch")),
        Mistake("an input counts once however often it arrives in yours. Each time step at which "
                "it is not zero is work anew.",
                lambda x, W: (x != 0).any(axis=0) @ (W != 0).sum(axis=0)),
        Mistake("only positive weights count in yours. A negative one is a synapse too: W ≠ 0.",
                lambda *a: _operations(*a, synapses=lambda W: W > 0)),
        Mistake("you take the average fan-out. Inputs have different ones: each arrival times the "
                "fan-out of its own input.",
                lambda x, W: (x != 0).sum((0, 2)) * (W != 0).sum() / W.shape[1]),
        Mistake("a product of two arrays of True and False asks whether there is any, and does not "
                "count. Make numbers of one of them first.",
                lambda x, W: ((x != 0) @ (W != 0).T).sum(axis=(0, 2)),
                lambda x, W: (x != 0).sum(axis=0) @ (W != 0).any(axis=0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- equal accuracy


def ratio_at_equal_accuracy(accuracy_a, cost_a, accuracy_b, cost_b):
    target = min(max(accuracy_a), max(accuracy_b))
    first = [np.argmax(np.asarray(accuracy) >= target) for accuracy in (accuracy_a, accuracy_b)]
    return target, cost_a[first[0]] / cost_b[first[1]]


def _ratio(at=lambda acc, target: np.argmax(acc >= target), target=min, turned=False,
           value=lambda cost, k: cost[k]):  # fmt: skip
    def ratio(acc_a, cost_a, acc_b, cost_b):
        goal = target(acc_a.max(), acc_b.max())
        a, b = (value(c, at(acc, goal)) for acc, c in ((acc_a, cost_a), (acc_b, cost_b)))
        return goal, b / a if turned else a / b

    return ratio


def _interpolated(acc_a, cost_a, acc_b, cost_b):
    goal, costs = min(acc_a.max(), acc_b.max()), []
    for acc, cost in ((acc_a, cost_a), (acc_b, cost_b)):
        k = int(np.argmax(acc >= goal))
        costs.append(np.interp(goal, acc[k - 1 : k + 1], cost[k - 1 : k + 1]) if k else cost[0])
    return goal, costs[0] / costs[1]


def _from_the_ends(acc_a, cost_a, acc_b, cost_b):
    goal = min(acc_a[-1], acc_b[-1])
    return goal, cost_a[np.argmax(acc_a >= goal)] / cost_b[np.argmax(acc_b >= goal)]


def _ends_alone(acc_a, cost_a, acc_b, cost_b):
    return min(acc_a[-1], acc_b[-1]), cost_a[-1] / cost_b[-1]


def _paths(rng, accuracy_a, accuracy_b):
    """Two paths; costs rise and fall back a little where the accuracy has been reached."""
    paths = []
    for accuracy in (accuracy_a, accuracy_b):
        cost = 40 + np.cumsum(rng.integers(5, 40, len(accuracy)))
        cost[-1] = cost[-2] - 3
        paths += [np.array(accuracy), cost.astype(float)]
    return tuple(paths)


RATIO_AT_EQUAL_ACCURACY = Exercise(
    "ratio_at_equal_accuracy", TOPIC, points=2,
    goal="compare costs where both networks know as much",
    reference=ratio_at_equal_accuracy,
    cases=lambda rng: [
        _paths(rng, (0.2, 0.35, 0.52, 0.5, 0.48), (0.3, 0.48, 0.7, 0.8, 0.79)),
        _paths(rng, (0.25, 0.5, 0.66, 0.81, 0.8), (0.1, 0.3, 0.55, 0.6, 0.58)),
        _paths(rng, (0.2, 0.4, 0.7, 0.65, 0.6), (0.15, 0.32, 0.45, 0.7, 0.7)),
        at("an accuracy is just below the target",
           *_paths(rng, (0.2, 0.599999999, 0.7, 0.8), (0.3, 0.5, 0.6, 0.55))),
    ],
    boundary=Boundary("the two paths have different lengths", lambda rng: [
        (np.array([0.2, 0.6, 0.5]), 10.0 + rng.permutation(3), np.array([0.1, 0.4, 0.7, 0.6]),
         20.0 + rng.permutation(4))]),
    mistakes=(
        Mistake("you compare at the end of both paths, where one knows more than the other. "
                "Compare at the same accuracy.", _ratio(at=lambda acc, t: -1)),
        Mistake("you compare each at its own best accuracy. Compare both at the lower one of the "
                "two.", _ratio(at=lambda acc, t: np.argmax(acc))),
        Mistake("your target is the higher of the two best accuracies; one network never reaches "
                "it. Take the lower.", _ratio(target=max)),
        Mistake("you wait until the accuracy is above the target, and the weaker network never "
                "gets there: ≥.", _ratio(at=lambda acc, t: np.argmax(acc > t))),
        Mistake("you take the point nearest to the target, which may lie below it. Take the first "
                "at which it is reached.", _ratio(at=lambda acc, t: np.argmin(np.abs(acc - t)))),
        Mistake("that is the last point at the target. Take the first.",
                _ratio(at=lambda acc, t: np.flatnonzero(acc >= t)[-1])),
        Mistake("you take the cheapest of all points at the target. Take the first.",
                _ratio(at=lambda acc, t: acc >= t, value=lambda cost, k: cost[k].min())),
        Mistake("the ratio is upside down: a's cost divided by b's.", _ratio(turned=True)),
        Mistake("you look for the place on one path, and use it on both. Each network reaches the "
                "target at a point of its own.",
                *[lambda acc_a, cost_a, acc_b, cost_b, one=one: (
                    min(acc_a.max(), acc_b.max()), (cost_a / cost_b)[np.argmax(
                        (acc_a, acc_b)[one] >= min(acc_a.max(), acc_b.max()))]) for one in (0, 1)]),
        Mistake("you draw a line between two points. Take the first point that was measured at the "
                "target.", _interpolated),
        Mistake("the two are the wrong way round: return (target, ratio).",
                lambda *a: ratio_at_equal_accuracy(*a)[::-1]),
        Mistake("the target is the lower of the two best accuracies. The last of a path may be "
                "lower than its best.", _from_the_ends, _ends_alone),
        Mistake("searchsorted wants a path that never falls. These do: look for the first True of "
                "accuracy >= target.", _ratio(at=lambda acc, t: min(
                    np.searchsorted(acc, t), len(acc) - 1))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- bytes


def received_bytes(members, processes):
    return scaling.received_bytes(members, processes)


def _received(n, k, *, senders=-1, header=8, number=4, share=lambda n, k: 2 * math.ceil(n / 2 / k)):
    return (k + senders) * (header + number * share(n, k))


RECEIVED_BYTES = Exercise(
    "received_bytes", TOPIC, points=1,
    goal="count what a distributed method sends",
    reference=received_bytes,
    cases=lambda rng: [
        (256, 2), (1000, 7), (1024, 100), (2 * int(rng.integers(50, 500)), 3),
    ],
    boundary=Boundary("one process works alone (K = 1)",
                      lambda rng: [(2 * int(rng.integers(20, 60)), 1)]),
    mistakes=(
        Mistake("a process does not send to itself: K − 1 messages come in.",
                lambda *a: _received(*a, senders=0)),
        Mistake("the header is missing: 8 bytes in every message.",
                lambda *a: _received(*a, header=0)),
        Mistake("a fitness value has 4 bytes (float32), not 8.",
                lambda *a: _received(*a, number=8)),
        Mistake("mirrored pairs stay together: the largest share is ⌈N/2K⌉ pairs, two members "
                "each.", lambda *a: _received(*a, share=lambda n, k: math.ceil(n / k))),
        Mistake("a share is whole. The largest one is ⌈N/2K⌉ pairs, two members each.",
                lambda *a: _received(*a, share=lambda n, k: n / k)),
        Mistake("you round down. The largest share decides how long a message is: ⌈N/2K⌉ pairs.",
                lambda *a: _received(*a, share=lambda n, k: 2 * (n // (2 * k)))),
        Mistake("that is the number of pairs. Both members of a pair have a fitness: times 2.",
                lambda *a: _received(*a, share=lambda n, k: math.ceil(n / 2 / k))),
        Mistake("every message holds all N values in yours. A process sends its own share only.",
                lambda *a: _received(*a, share=lambda n, k: n)),
        Mistake("that is one message. A process receives one from each of the K − 1 others.",
                scaling.message_bytes),
        Mistake("the header comes with every message, not once.",
                lambda n, k: 8 + _received(n, k, header=0)),
        Mistake("brackets are missing: N / (2 * K) pairs are a share.",
                lambda *a: _received(*a, share=lambda n, k: 2 * math.ceil(n / 2 * k))),
        Mistake("each message is as long as its sender's share in yours. All are equally long: "
                "4 bytes for each fitness value of the largest share.",
                lambda n, k: 8 * (k - 1) + 4 * (n - 2 * math.ceil(n / 2 / k))),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- shares


def cut_population(draws, chunk, processes):
    return [(share.start, share.stop) for share in scaling.shares(draws, chunk, processes)]


def _chunks(pairs, chunk):
    return -(-(pairs[:, 1] - pairs[:, 0]) // chunk)


def _even(draws, chunk, processes):
    """Without regard to chunks."""
    cuts = [draws * k // processes for k in range(processes + 1)]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def _by_size(draws, chunk, processes, rounding=math.ceil, rest=False, stop_at_end=True):
    """Shares of one size, in whole chunks."""
    size = chunk * rounding(math.ceil(draws / chunk) / processes)
    pairs = [(k * size, (k + 1) * size) for k in range(processes)]
    if rest:
        pairs[-1] = (pairs[-1][0], draws)
    return [(min(a, draws), min(b, draws)) for a, b in pairs] if stop_at_end else pairs


CUT_POPULATION = Exercise(
    "cut_population", TOPIC, points=2,
    goal="share work so that the result does not depend on how many share it",
    reference=cut_population, compared=False,
    cases=lambda rng: [
        (32, 8, 2), (128, 8, 3), (28, 2, 4), (5 * int(rng.integers(12, 24)), 5, 7),
    ],
    parts=(Part("the last chunk is shorter", lambda rng: [
        (30, 4, 4), (50, 8, 2), (21, 2, 4), (5 * int(rng.integers(12, 24)) + 3, 5, 7)]),),
    properties=(
        Property("There must be one pair (start, stop) for each process, in a list of K pairs.",
                 lambda r, draws, chunk, processes: r.shape == (processes, 2)),
        Property("Every draw needs exactly one process: the first share starts at 0, each starts "
                 "where the one before it stops, and the last stops at the number of draws.",
                 lambda r, draws, chunk, processes: (
                     r[0, 0] == 0 and r[-1, 1] == draws and (r[1:, 0] == r[:-1, 1]).all())),
        Property("A share begins in the middle of a chunk. One process would have evaluated that "
                 "chunk as a whole: cut at multiples of the chunk only.",
                 lambda r, draws, chunk, processes: (r[:, 0] % chunk == 0).all()),
        Property("The shares are not as even as can be: numbers of chunks may differ by one at "
                 "most.", lambda r, draws, chunk, processes: np.ptp(_chunks(r, chunk)) <= 1),
    ),
    boundary=Boundary("one process works alone (K = 1)",
                      lambda rng: [(int(rng.integers(20, 60)), 8, 1)]),
    mistakes=(
        Mistake("you cut in the middle of a chunk. One process would have evaluated that chunk as "
                "a whole: cut at multiples of the chunk only.", _even),
        Mistake("your last share goes beyond the last draw. Its last chunk may be shorter: stop at "
                "min(draws, …).", lambda d, c, k: [
                    (a, -(-b // c) * c) for a, b in cut_population(d, c, k)]),
        Mistake("you round the size of a share up, so the last process gets the leftovers, or "
                "nothing. Cut after k · chunks // K chunks.", _by_size),
        Mistake("you round the size of a share down, so the last draws have no process.",
                lambda *a: _by_size(*a, rounding=math.floor)),
        Mistake("you round the size of a share down, and the last process does all the rest. Cut "
                "after k · chunks // K chunks.",
                lambda *a: _by_size(*a, rounding=math.floor, rest=True)),
        Mistake("your stop is the last draw of a share. As in range(start, stop) it is the first "
                "that belongs to the next.",
                lambda *a: [(start, stop - 1) for start, stop in cut_population(*a)]),
        Mistake("your cuts count chunks. Draws are asked: times chunk.",
                lambda d, c, k: [(a // c, -(-b // c)) for a, b in cut_population(d, c, k)]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a file's bytes


def decode_events(data):
    x, y, high, middle, low = np.frombuffer(data, np.uint8).reshape(-1, 5).T.astype(np.int64)
    return x, y, high >> 7, ((high & 127) << 16) | (middle << 8) | low


def _decoded(data, *, p=lambda h: h >> 7, mask=127, shifts=(16, 8, 0), order="xypt", by_row=True):
    raw = np.frombuffer(data, np.uint8).astype(np.int64)
    x, y, h, m, low = raw.reshape(-1, 5).T if by_row else raw.reshape(5, -1)
    t = sum(part << s for part, s in zip((h & mask, m, low), shifts, strict=True))
    return tuple({"x": x, "y": y, "p": p(h), "t": t}[name] for name in order)


def _bytes(rng, n):
    """n events: both polarities, and times above 2¹⁶ whose low bits vary."""
    return _written(rng, np.sort(rng.integers(70_000, 310_000, n)))


def _written(rng, t, pixels=(0, 34)):
    n = len(t)
    p = rng.permutation(np.arange(n) % 2)
    columns = [*rng.integers(*pixels, (2, n)), (p << 7) | (t >> 16), (t >> 8) & 255, t & 255]
    return (np.stack(columns, axis=1).astype(np.uint8).tobytes(),)


DECODE_EVENTS = Exercise(
    "decode_events", TOPIC, points=2,
    goal="read a binary format from its description",
    reference=decode_events,
    cases=lambda rng: [
        _bytes(rng, 4), _bytes(rng, 3), _bytes(rng, 7),
        at("the time needs its lower 16 bits alone",
           *_written(rng, np.array([5, 70, 900, 65_535]))),
        at("x and y need all their 8 bits",
           *_written(rng, np.array([80_001, 90_002, 100_003]), (128, 256))),
    ],
    parts=(Part("the time needs its highest bits", lambda rng: [
        at("the time needs its highest bits",
           *_written(rng, np.array([2**21 + 5, 2**22 + 70_000])))]),),
    boundary=Boundary("events are not in the order of their times", lambda rng: [
        _written(rng, np.array([300_000, 100_000, 200_000]))]),
    mistakes=(
        Mistake("the polarity is still in your time: mask its bit off, third byte & 127.",
                lambda d: _decoded(d, mask=255)),
        Mistake("bits fell off: a byte that is shifted within 8 bits loses them. Make the bytes "
                "int64 before you shift.",
                lambda d: (*_decoded(d)[:3], _decoded(d)[3] & 255)),
        Mistake("the polarity is the highest bit of the third byte, not the lowest: >> 7.",
                lambda d: _decoded(d, p=lambda h: h & 1)),
        Mistake("a polarity is 0 or 1; yours is 0 or 128. Shift the bit down: >> 7.",
                lambda d: _decoded(d, p=lambda h: h & 128)),
        Mistake("your polarities are turned round.",
                lambda d: _decoded(d, p=lambda h: 1 - (h >> 7))),
        Mistake("big-endian: the first of the three bytes is the highest part of the time, "
                "<< 16.", lambda d: _decoded(d, shifts=(0, 8, 16))),
        Mistake("the seven highest bits of the time are lost. Are they added, << 16? In numbers "
                "of more than 16 bits? And with brackets, (a & 127) << 16?",
                lambda d: _decoded(d, mask=0)),
        Mistake("x comes first in the file, then y.", lambda d: _decoded(d, order="yxpt")),
        Mistake("return x, y, p, t in this order; your last two are swapped.",
                lambda d: _decoded(d, order="xytp")),
        Mistake("the five bytes of an event stand together: reshape(-1, 5), one event a row.",
                lambda d: _decoded(d, by_row=False)),
        Mistake("a byte has 8 bits: shift by 8 for each byte that follows, << 16 and << 8.",
                lambda d: _decoded(d, shifts=(15, 7, 0)), lambda d: _decoded(d, shifts=(14, 7, 0))),
    ),
)  # fmt: skip


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
    return loss, *[tenths(rng, *shape) for shape in shapes], sigma


def _means_apart(loss, features, weight, a, b, sigma):
    E = np.einsum("pmr,pnr->pmn", a, b) / a.shape[2] ** 0.5
    slopes = [loss(features @ (weight + sigma * e).T) - loss(features @ (weight - sigma * e).T)
              for e in E]  # fmt: skip
    return np.mean(slopes) / (2 * sigma) * E.mean(axis=0)


READOUT_GRADIENT = Exercise(
    "readout_gradient", TOPIC, points=3,
    goal="estimate a gradient from nothing but a loss that can be called",
    reference=readout_gradient,
    cases=lambda rng: [
        _readout(rng, mean_square, 2, 2, 2, 2, 3, 0.5),
        _readout(rng, first_class, 3, 3, 2, 3, 2, 0.2),
        _readout(rng, cubes, 1, 4, 3, 2, 4, 0.3),
    ],
    boundary=Boundary("there are as many neurons as classes (H = C)",
                      lambda rng: [_readout(rng, first_class, 2, 2, 3, 3, 3, 0.3)]),
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
        Mistake("you take the sum over pairs. The estimate is their mean: divide by P.",
                lambda *a: _gradient(*a, mean=False)),
        Mistake("a product of means is not the mean of the products: multiply the slope of each "
                "pair by its own E, then take the mean.", _means_apart),
        Mistake("that is the direction of the change. Asked is the gradient of the loss, without "
                "the minus.", lambda *a: _gradient(*a, sign=-1)),
        Mistake("you compare with the unmoved readout. A pair is W + σE and W − σE.",
                lambda *a: _gradient(*a, sided=1, two=1), lambda *a: _gradient(*a, sided=1)),
        Mistake("each pair has one member only in yours. Run its mirror image W − σE too, and take "
                "the difference of the losses.", lambda *a: _gradient(*a, sided=0, two=1)),
        Mistake("your result is transposed: like the weights it has the shape (C, H).",
                lambda *a: readout_gradient(*a).T),
        Mistake("you take the root of another length. The rank r is the last axis of a and b.",
                *[lambda loss, x, W, a, b, s, of=of: readout_gradient(
                    loss, x, W, a * (a.shape[2] / np.shape((a, b)[of[0]])[of[1]]) ** 0.5, b, s)
                  for of in ((0, 0), (0, 1), (1, 1))]),
        Mistake("only the first column of A and B counts in yours. E adds up what all r columns "
                "say: A @ B.T.",
                *[lambda loss, x, W, a, b, s, root=root: readout_gradient(
                    loss, x, W, a[..., :1] / a.shape[2] ** root, b[..., :1], s)
                  for root in (0, 0.5)]),
        Mistake("one pair alone is left: add up what all pairs say, +=.",
                lambda loss, x, W, a, b, s: _gradient(loss, x, W, a[-1:], b[-1:], s) / len(a),
                lambda loss, x, W, a, b, s: _gradient(loss, x, W, a[-1:], b[-1:], s)),
        Mistake("reshape does not transpose, it puts the numbers into other places: b[p].T, or "
                "b.transpose(0, 2, 1).",
                lambda loss, x, W, a, b, s: readout_gradient(
                    loss, x, W, a, b.reshape(len(b), b.shape[2], -1).transpose(0, 2, 1), s)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def evaluate_share(fitness, weights, start, stop, sigma, seed, step):
    return _share(fitness, weights, start, stop, sigma, seed, step)


def _share(fitness, weights, start, stop, sigma, seed, step, *, key=lambda *numbers: numbers[:2],
           skip=lambda start, d: start * d, each=False, sign=1):  # fmt: skip
    """key: (seed, step, start, pair) → what seeds the generator; each: anew for every pair."""
    rng, values = np.random.default_rng(key(seed, step, start, start)), []
    rng.normal(size=skip(start, len(weights)))
    for pair in range(start, stop):
        rng = np.random.default_rng(key(seed, step, start, pair)) if each else rng
        noise = sign * rng.normal(size=len(weights))
        values.append((fitness(weights + sigma * noise), fitness(weights - sigma * noise)))
    return np.array(values)


def _skipping_again(fitness, weights, start, stop, sigma, seed, step):
    noise = np.random.default_rng([seed, step]).normal(
        size=((stop - start) * (start + 1), len(weights)))[start :: start + 1]
    return np.array([[fitness(weights + sign * sigma * e) for sign in (1, -1)] for e in noise])


def _columns(fitness, weights, start, stop, sigma, seed, step):
    noise = np.random.default_rng([seed, step]).normal(size=(len(weights), stop)).T[start:]
    return np.array([[fitness(weights + sign * sigma * e) for sign in (1, -1)] for e in noise])


def _own(key, each=False):
    return lambda *a: _share(*a, key=key, skip=lambda start, d: 0, each=each)


_STRANGERS = (
    "every machine has noise of its own now, but it is not the noise that `rebuild` hangs on its "
    "values. Pair p belongs to row p of the table that one machine alone would draw."
)

EVALUATE_SHARE = Exercise(
    "evaluate_share", TOPIC, points=2, kind="bug",
    goal="see that values which are right can hang on the wrong noise",
    reference=evaluate_share,
    cases=lambda rng: [
        (mean_square, tenths(rng, 4), 0, 3, 0.5, int(rng.integers(100)), 0),
        (mean_square, tenths(rng, 3), 2, 5, 0.5, int(rng.integers(100)), 3),
        (cubes, tenths(rng, 5), 4, 6, 0.2, int(rng.integers(100)), 7),
        at("many pairs come before `start`", mean_square, tenths(rng, 30), 64, 66, 0.5,
           int(rng.integers(100)), 1),
    ],
    mistakes=(
        Mistake("every machine has the noise of the first, as in the function that was given. "
                "Which row of the table should pair number `start` get?",
                lambda *a: _share(*a, skip=lambda start, d: 0)),
        Mistake(_STRANGERS, _own(lambda *n: n[:3]), _own(lambda *n: n[:2] + n[3:], each=True),
                _own(lambda seed, step, start, pair: (seed + start, step)),
                _own(lambda seed, step, start, pair: (seed + pair, step), each=True),
                _own(lambda seed, step, start, pair: (seed, step + start)),
                _own(lambda seed, step, start, pair: (seed, step + pair), each=True),
                _own(lambda seed, step, start, pair: seed + step + start)),
        Mistake("you pass over `start` numbers. A pair takes one number for each weight.",
                lambda *a: _share(*a, skip=lambda start, d: start)),
        Mistake("you pass over one pair too many. The first is number 0, so that `start` pairs "
                "come before pair number `start`.",
                lambda *a: _share(*a, skip=lambda start, d: (start + 1) * d)),
        Mistake("your table has a column for each pair. The table of one machine has a row for "
                "each, and its numbers are drawn row by row.", _columns),
        Mistake("you pass over one pair too few. The first is number 0, so that `start` pairs come "
                "before pair number `start`.",
                lambda *a: _share(*a, skip=lambda start, d: max(start - 1, 0) * d)),
        Mistake("you pass over `start` pairs again and again, before each pair. Do it once, ahead "
                "of the loop.", _skipping_again),
        Mistake("all pairs of a machine have the same noise in yours: a generator that is made "
                "anew for each pair begins anew.",
                lambda *a: _share(*a, skip=lambda start, d: 0, each=True)),
        Mistake("the noise does not depend on the generation any more: [seed, step].",
                lambda *a: _share(*a, key=lambda *numbers: numbers[:1])),
        Mistake("in yours W − σE comes first in a pair.", lambda *a: _share(*a, sign=-1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, together

GENERATIONS, SIGMA = 80, 0.05


def worker(number, workers, fitness, weights, generations, seed):
    weights = torch.tensor(weights)
    optimizer = torch.optim.Adam([weights], lr=0.05)
    for step in range(generations):
        noise = np.random.default_rng([seed, step]).normal(size=(workers, len(weights)))
        move = SIGMA * noise[number]
        everyone = yield fitness(weights.numpy() + move) - fitness(weights.numpy() - move)
        weights.grad = -torch.tensor(everyone @ noise / (2 * SIGMA * workers))
        optimizer.step()
    return weights.numpy()


def _machines(rng, generations=GENERATIONS):
    workers, seed = int(rng.integers(4, 7)), int(rng.integers(1000))
    fitness = tiny.Counted(-1, 2 * generations * workers)

    def score(ends) -> float:
        right, first = tiny.learned(ends[0], start), np.asarray(ends[0], dtype=float).ravel()
        asked, different = len(fitness.asked), len({row.tobytes() for row in fitness.asked})
        largest = np.abs(fitness.asked).max()
        if 2 * different < asked and largest > 1e6:
            raise NotYet(f"  Your weights have run away, up to {largest:.0e}, where noise hardly "
                         "changes them any more. The steps are too large, for example where a "
                         "worker sends a fitness as it is, with nothing taken off.")
        if 2 * different < asked:
            raise NotYet(f"  Of {asked} questions only {different} differ, so that all machines "
                         "are hardly more than one. Each has to try noise of its own.")
        for number, end in enumerate(ends):
            tiny.accuracy(end)  # is it a network at all?
            apart = float(np.abs(np.asarray(end, dtype=float).ravel() - first).max())
            if apart > 1e-9:
                raise NotYet(f"  Workers 0 and {number} end up to {apart:.2g} apart. Did they take "
                             "the same steps? Each has to know the noise of all others, and of "
                             "their messages which belongs to whom.")  # fmt: skip
            if apart:
                raise NotYet(f"  Workers 0 and {number} end {apart:.0e} apart: equal, but not to "
                             "the bit. A sum depends on its order, so all have to add up in the "
                             "same. It earns 1 of 3 points.", points=1)  # fmt: skip
        return right

    start = tiny.start(seed)
    return (range(workers), workers, fitness, start, generations, seed), score


WORKER = Open(
    "worker", TOPIC, points=3, kind="train",
    goal="train one network on many machines that send a number each, equal to the bit",
    reference=worker, trial=_machines, less=7, around=together, forward_only=True,
    marks=((0.75, 1), (0.85, 2), (0.9, 3)), wording="{:.0%} of unseen digits right".format,
)  # fmt: skip

# ------------------------------------------------------------------------------- few operations


def cheap_network(measure, weights):
    rng, best, price = np.random.default_rng(0), weights, measure(weights)[1]
    for _ in range(600):  # networks of one input and one neuron that fires for zeros
        tried = np.zeros(tiny.SIZE)
        tried[tiny.HIDDEN * rng.integers(tiny.INPUTS)] = rng.uniform(0, 2)
        tried[tiny.CUTS[0]] = rng.uniform(-0.5, 0)
        tried[tiny.CUTS[1]], tried[-1] = 1, rng.uniform(0, 0.3)
        right, operations = measure(tried)
        if right >= 0.96 and operations < price:
            best, price = tried, operations
    return best


def operations(weights, frames, labels):
    """(share right, synaptic operations a recording) of one network (154,)."""
    row = torch.as_tensor(np.asarray(weights, dtype=float).ravel())
    if row.shape != (tiny.SIZE,):
        raise Refused(f"weights of shape {np.shape(weights)}; a network has ({tiny.SIZE},)")
    with torch.no_grad():
        logits, spikes = tiny.run(row, frames, lambda u: (u > 0).to(u.dtype))
    first, _, second, _ = row.tensor_split(tiny.CUTS[:-1].tolist())
    counted = synaptic_operations(frames, first.view(tiny.INPUTS, tiny.HIDDEN).T)
    counted = counted + synaptic_operations(spikes, second.view(tiny.HIDDEN, tiny.OUTPUTS).T)
    right = (logits.argmax(dim=1) == labels).double().mean().item()
    return right, float(counted.mean())


@cache
def _trained(seed):
    fitness = tiny.Counted(-1, 8 * GENERATIONS)
    return together(worker)(range(4), 4, fitness, tiny.start(seed), GENERATIONS, seed)[0]


def _bill(rng):
    frames, labels = tiny.known()

    def measure(weights):
        return operations(weights, frames, labels)

    def score(weights) -> float:
        demand(0.9, tiny.accuracy(weights))
        data = tiny.digits()
        unseen = torch.tensor(data.unseen_frames), torch.tensor(data.unseen_labels)
        return -operations(weights, *unseen)[1]

    return (measure, _trained(int(rng.integers(1000))).copy()), score


CHEAP_NETWORK = Open(
    "cheap_network", TOPIC, points=3,
    goal="find out how little work an answer takes",
    reference=cheap_network, trial=_bill, forward_only=True,
    marks=((-100, 1), (-40, 2), (-12, 3)),
    wording=lambda value: f"90 % right for {-value:.1f} operations a recording",
)  # fmt: skip
