"""Exercises of lesson 10, second part: what travels between processes, and what a file holds."""

import math

import numpy as np

from course_lab.checks.engine.engine import Exercise, Mistake, Property
from course_lab.checks.inference import TOPIC
from course_lib.run import scaling, scaling_model

# ------------------------------------------------------------------------------- bytes


def received_bytes(members, processes):
    return scaling_model.received_bytes(members, processes)


def _received(n, k, *, senders=-1, header=8, number=4, share=lambda n, k: 2 * math.ceil(n / 2 / k)):
    return (k + senders) * (header + number * share(n, k))


RECEIVED_BYTES = Exercise(
    "received_bytes", TOPIC, points=1,
    goal="count what a distributed method sends",
    reference=received_bytes,
    cases=lambda rng: [
        (256, 2), (1000, 7), (1024, 100), (64, 1), (2 * int(rng.integers(50, 500)), 3),
    ],
    mistakes=(
        Mistake("a process does not send to itself: K − 1 messages come in.",
                lambda *a: _received(*a, senders=0)),
        Mistake("the header is missing: 8 bytes in every message.",
                lambda *a: _received(*a, header=0)),
        Mistake("the header comes with every message, not once.",
                lambda n, k: 8 + _received(n, k, header=0) if k > 1 else 0),
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
                scaling_model.message_bytes),
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
        (32, 8, 2), (128, 8, 3), (30, 4, 4), (50, 8, 1), (21, 2, 4),
        (int(rng.integers(60, 120)), 5, 7),
    ],
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
    t = np.sort(rng.integers(70_000, 310_000, n))
    p = rng.permutation(np.arange(n) % 2)
    columns = [*rng.integers(0, 34, (2, n)), (p << 7) | (t >> 16), (t >> 8) & 255, t & 255]
    return (np.stack(columns, axis=1).astype(np.uint8).tobytes(),)


DECODE_EVENTS = Exercise(
    "decode_events", TOPIC, points=2,
    goal="read a binary format from its description",
    reference=decode_events,
    cases=lambda rng: [_bytes(rng, 4), _bytes(rng, 3), _bytes(rng, 7)],
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
        Mistake("the seven bits in the third byte are the highest of the time: add them, << 16.",
                lambda d: _decoded(d, mask=0)),
        Mistake("x comes first in the file, then y.", lambda d: _decoded(d, order="yxpt")),
        Mistake("return x, y, p, t in this order; your last two are swapped.",
                lambda d: _decoded(d, order="xytp")),
        Mistake("the five bytes of an event stand together: reshape(-1, 5), one event a row.",
                lambda d: _decoded(d, by_row=False)),
    ),
)  # fmt: skip

EXERCISES = (RECEIVED_BYTES, CUT_POPULATION, DECODE_EVENTS)
