"""Losses of a whole population, compiled."""

import math

import numba
import numpy as np

from course_lib.kernels.events import COMPILED
from course_lib.kernels.threads import take


@numba.njit(**COMPILED)
def mean_losses(counter, jobs, outputs, scale, labels, losses):
    """losses[m] = mean over samples of the cross-entropy of logits = scale · outputs (M, B, C).

    A job: members from, to.
    """
    batch, classes = outputs.shape[1], outputs.shape[2]
    j = take(counter)
    while j < len(jobs):
        for m in range(jobs[j, 0], jobs[j, 1]):
            total = 0.0
            for b in range(batch):
                logits = outputs[m, b]
                largest = logits[0]
                for c in range(1, classes):
                    largest = max(largest, logits[c])
                exponentials = np.float32(0)
                for c in range(classes):
                    exponentials += math.exp(scale * (logits[c] - largest))
                truth = scale * (logits[labels[b]] - largest)
                total += math.log(exponentials) - truth
            losses[m] = total / batch
        j = take(counter)
