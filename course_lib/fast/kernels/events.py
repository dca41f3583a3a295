"""Frames as lists of their events, and products of frames with matrices, by adding up rows.

Frames are about 93 % zeros: x W costs one row of W for each event, and nothing for the rest.
"""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import (
    INLINE,
    LANES,
    add,
    count,
    fma,
    item,
    load,
    lowest,
    mul,
    spread,
    store,
    unequal,
    word_at,
)

#: columns of a matrix that stand beside each other and are summed up in registers at a time
STRIP = max(32, LANES)
#: every other bit, pair and four of a word
ODD, PAIRS, FOURS = (np.uint64(0x0101010101010101 * byte) for byte in (0x55, 0x33, 0x0F))
#: places that a list of events needs beyond its end
SPARE = 64


@INLINE
def list_word(indices, found, word, offset):
    """List the places of a word's bits from ``found`` on; returns where the list then ends."""
    end = found + count(word)
    while True:  # six at once: the branch is then nearly always foreseen
        for k in range(6):
            indices[np.uint64(found + k)] = offset + lowest(word)
            word &= word - np.uint64(1)
        found += 6
        if found >= end:
            return end


@compiled
def list_events(counter, jobs, frames, indices, starts):
    """Entries of frames (T, B, D) that are not zero; whether all of them are one.

    Those of step t of sample b go to indices[b, starts[b, t] : starts[b, t + 1]]. A job: samples
    from, to.
    """
    steps, batch, inputs = frames.shape
    zero, one, flat = spread(np.float32(0), 64), spread(np.float32(1), 64), frames.reshape(-1)
    whole, strange = inputs // 64 * 64, np.uint64(0)
    j = take(counter)
    while j < len(jobs):
        for t in range(steps):  # outermost, to read memory in its order
            for b in range(jobs[j, 0], jobs[j, 1]):
                events, found, place = indices[b], starts[b, t], (t * batch + b) * inputs
                for d in range(0, whole, 64):
                    values = load(flat, place + d, zero)
                    word = unequal(values, zero)
                    strange |= word & unequal(values, one)
                    found = list_word(events, found, word, d)
                for d in range(whole, inputs):
                    value = flat[place + d]
                    if value != 0:
                        events[found] = d
                        found += 1
                        strange |= np.uint64(value != 1)
                starts[b, t + 1] = found
        j = take(counter)
    return strange == 0


@INLINE
def _first_lowest(word):
    """The bits of each byte in the opposite order."""
    word = (word >> np.uint64(1)) & ODD | (word & ODD) << np.uint64(1)
    word = (word >> np.uint64(2)) & PAIRS | (word & PAIRS) << np.uint64(2)
    return (word >> np.uint64(4)) & FOURS | (word & FOURS) << np.uint64(4)


@compiled
def list_bits_of_frames(counter, jobs, packed, rows, indices, starts):
    """``list_events`` of frames that are bits still: packed (n, T · bytes of a step), uint8.

    Sample b is packed[rows[b]]; the highest bit of a byte comes first, and a step has eight bytes
    or more. A job: samples from, to.
    """
    steps = starts.shape[1] - 1
    size = packed.shape[1] // steps
    j = take(counter)
    while j < len(jobs):
        for b in range(jobs[j, 0], jobs[j, 1]):
            bits, events, found = packed[rows[b]], indices[b], 0
            for t in range(steps):
                for k in range(0, size, 8):
                    seen = max(0, k + 8 - size)  # so many bytes were in the word before
                    word = _first_lowest(word_at(bits, t * size + k - seen)) >> np.uint64(8 * seen)
                    found = list_word(events, found, word, 8 * k)
                starts[b, t + 1] = found
        j = take(counter)


@compiled
def multiply_events(counter, jobs, indices, starts, values, columns, begin, out):
    """out[b, t, columns of the strip] = begin + Σ values · columns[j] over the events j.

    columns: (strips, D, STRIP); begin: (strips · STRIP,); out: (B, T, strips · STRIP).
    values:  one for each event, or empty where every event counts one. A job: strip, samples from,
    to.
    """
    steps, width = out.shape[1], out.shape[2]
    flat = out.reshape(-1)
    j = take(counter)
    while j < len(jobs):
        strip, first, last = jobs[j]
        table = columns[strip].reshape(-1)
        for b in range(first, last):
            events = indices[b]
            for t in range(steps):
                total = load(begin, strip * STRIP, STRIP)
                if values.size:
                    counts = values[b]
                    for e in range(starts[b, t], starts[b, t + 1]):
                        row = load(table, item(events, e) * STRIP, STRIP)
                        total = fma(spread(item(counts, e), STRIP), row, total)
                else:
                    for e in range(starts[b, t], starts[b, t + 1]):
                        total = add(total, load(table, item(events, e) * STRIP, STRIP))
                store(flat, (b * steps + t) * width + strip * STRIP, total)
        j = take(counter)


@compiled
def add_transposed(counter, jobs, indices, starts, values, late, columns):
    """columns[strip][j] += Σ values · late[t, b, columns of the strip] over the events j of all t
    and b: frames, transposed, times ``late`` (T, B, strips · STRIP).

    columns, values: as for ``multiply_events``. A job: a strip.
    """
    steps, batch, width = late.shape
    flat, like = late.reshape(-1), spread(np.float32(0), STRIP)
    i = take(counter)
    while i < len(jobs):
        strip = jobs[i, 0]
        table = columns[strip].reshape(-1)
        for b in range(batch):
            events = indices[b]
            for t in range(steps):
                row = load(flat, (t * batch + b) * width + strip * STRIP, like)
                for e in range(starts[b, t], starts[b, t + 1]):
                    place, share = item(events, e) * STRIP, row
                    if values.size:
                        share = mul(spread(values[b, e], like), row)
                    store(table, place, add(load(table, place, like), share))
        i = take(counter)


@compiled
def follow_events(counter, jobs, indices, starts, values, beta, traces):
    """traces (B, D), â ← β â + x, over the time steps whose events these are. A job: samples from,
    to."""
    steps = starts.shape[1] - 1
    i = take(counter)
    while i < len(jobs):
        for b in range(jobs[i, 0], jobs[i, 1]):
            trace, weight = traces[b], np.float32(1)
            for _ in range(steps):
                weight *= beta
            for j in range(len(trace)):
                trace[j] *= weight
            weight = np.float32(1)
            for t in range(steps - 1, -1, -1):
                for e in range(starts[b, t], starts[b, t + 1]):
                    trace[indices[b, e]] += weight * values[b, e] if values.size else weight
                weight *= beta
        i = take(counter)
