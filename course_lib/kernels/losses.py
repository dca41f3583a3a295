"""Losses of a whole population, compiled."""

import math

import numba
import numpy as np

from course_lib.kernels.events import COMPILED
from course_lib.kernels.threads import take
from course_lib.kernels.vectors import INNER

#: ln 2 in two parts, of which the first has few bits, so that k times it is exact
LN_2, REST = np.float32(0.693359375), np.float32(-2.12194440e-4)
PER_OCTAVE, LEAST = np.float32(1 / math.log(2)), np.float32(-87)
ONE = np.float32(1)
#: 1/2!, 1/3!, … 1/7!: of e^r = Σ r^j / j!
C2, C3, C4, C5, C6, C7 = (np.float32(1 / math.factorial(j)) for j in range(2, 8))


@numba.njit(**INNER)
def exponentials(x, powers):
    """x = e^x for numbers between −87 and 0; smaller ones are taken for −87.

        e^x = 2^k e^r,    k = x / ln 2 rounded,    |r| ≤ ln 2 / 2

    e^r by its series up to r⁷, whose rest is below 6e-9, and 2^k by writing k into a number's
    exponent. So a compiler can do many at a time, and every machine has the same bits.
    """
    for i in range(len(x)):
        number = LEAST if x[i] < LEAST else x[i]  # NaN stays NaN
        k = np.int32(number * PER_OCTAVE - np.float32(0.5))
        r = number - np.float32(k) * LN_2 - np.float32(k) * REST
        tail = C3 + r * (C4 + r * (C5 + r * (C6 + r * C7)))
        x[i] = ONE + r * (ONE + r * (C2 + r * tail))
        powers[i] = (k + np.int32(127)) << np.int32(23)
    twos = powers.view(np.float32)
    for i in range(len(x)):
        x[i] *= twos[i]


@numba.njit(**COMPILED)
def mean_losses(counter, jobs, outputs, scale, labels, losses):
    """losses[m] = mean over samples of the cross-entropy of logits = scale · outputs (M, B, C).

    A job: members from, to.
    """
    batch, classes = outputs.shape[1], outputs.shape[2]
    shares, powers = np.empty(batch * classes, np.float32), np.empty(batch * classes, np.int32)
    j = take(counter)
    while j < len(jobs):
        for m in range(jobs[j, 0], jobs[j, 1]):
            total, product = 0.0, 1.0
            for b in range(batch):
                logits = outputs[m, b]
                largest = logits[0]
                for c in range(1, classes):
                    largest = max(largest, logits[c])
                for c in range(classes):
                    shares[b * classes + c] = scale * (logits[c] - largest)
                total -= shares[b * classes + labels[b]]
            exponentials(shares, powers)
            for b in range(batch):
                share = np.float32(0)
                for c in range(classes):
                    share += shares[b * classes + c]
                product *= share  # between 1 and C; one logarithm serves many samples
                if product > 1e250:
                    total, product = total + math.log(product), 1.0
            losses[m] = (total + math.log(product)) / batch
        j = take(counter)
