"""Losses of a whole population, compiled."""

import math

import numba
import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import (
    INNER,
    LANES,
    above,
    add,
    choose,
    fma,
    load,
    mul,
    power_of_two,
    spread,
    store,
    sub,
)

#: ln 2 in two parts, of which the first has few bits, so that k times it is exact
LN_2, REST = np.float32(0.693359375), np.float32(-2.12194440e-4)
PER_OCTAVE, LEAST = np.float32(1 / math.log(2)), np.float32(-87)
#: added and taken away again, it leaves a number rounded to a whole one
ROUND = np.float32(1.5 * 2**23)
#: 1/2!, 1/3!, … 1/7!: of e^r = Σ r^j / j!
C2, C3, C4, C5, C6, C7 = (np.float32(1 / math.factorial(j)) for j in range(2, 8))


@numba.njit(**INNER)
def exponentials(x):
    """x = e^x for whole vectors of numbers between −87 and 0; smaller ones are taken for −87.

        e^x = 2^k e^r,    k = x / ln 2 rounded,    |r| ≤ ln 2 / 2

    with e^r by its series up to r⁷, whose rest is below 6e-9.
    """
    one = spread(np.float32(1), LANES)
    least, magic = spread(LEAST, one), spread(ROUND, one)
    for i in range(0, len(x), LANES):
        number = load(x, i, one)
        number = choose(above(least, number), least, number)  # NaN stays NaN
        k = sub(add(mul(number, spread(PER_OCTAVE, one)), magic), magic)
        r = sub(sub(number, mul(k, spread(LN_2, one))), mul(k, spread(REST, one)))
        total = fma(r, spread(C7, one), spread(C6, one))
        total = fma(r, fma(r, total, spread(C5, one)), spread(C4, one))
        total = fma(r, fma(r, total, spread(C3, one)), spread(C2, one))
        total = fma(r, fma(r, total, one), one)
        store(x, i, mul(total, power_of_two(k)))


@compiled
def mean_losses(counter, jobs, outputs, scale, labels, losses):
    """losses[m] = mean over samples of the cross-entropy of logits = scale · outputs (M, B, C).

    A job: members from, to.
    """
    batch, classes = outputs.shape[1], outputs.shape[2]
    shares = np.zeros((batch * classes + LANES - 1) // LANES * LANES, np.float32)
    j = take(counter)
    while j < len(jobs):
        for m in range(jobs[j, 0], jobs[j, 1]):
            total, product, place = 0.0, 1.0, 0
            for b in range(batch):
                logits = outputs[m, b]
                largest = logits[0]
                for c in range(1, classes):
                    if logits[c] > largest:
                        largest = logits[c]
                for c in range(classes):
                    shares[place + c] = scale * (logits[c] - largest)
                total -= shares[place + labels[b]]
                place += classes
            exponentials(shares)
            place = 0
            for _ in range(batch):
                share = np.float32(0)
                for c in range(classes):
                    share += shares[place + c]
                place += classes
                product *= share  # between 1 and C; one logarithm serves many samples
                if product > 1e250:
                    total, product = total + math.log(product), 1.0
            losses[m] = (total + math.log(product)) / batch
        j = take(counter)
