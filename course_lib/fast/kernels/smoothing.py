"""The first layer's B, smoothed over the pixels in place: see ``estimators/spatial.py``."""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.threads import take


@compiled
def _along(table, image, sums, out):
    """out[x, y, k] = Σ_u table[y, u] image[u, x, k]: smooth one axis, then exchange the two."""
    side, rank = len(table), len(sums) // len(table)
    for y in range(side):
        sums[:] = 0
        for u in range(side):
            weight, row = table[y, u], image[u]
            if weight != 0:
                for n in range(len(sums)):
                    sums[n] += weight * row[n]
        for x in range(side):
            for k in range(rank):
                out[x, y * rank + k] = sums[x * rank + k]


@compiled
def smooth_rows(counter, jobs, noise, start, rank, maps, table):
    """Each of the maps B (side, side, rank) at noise[m, start:] becomes table · B · tableᵀ.

    Sums are made in one order, however the draws are divided. A job: draws from, to.
    """
    side = len(table)
    size = side * side * rank
    turned = np.empty((side, side * rank), np.float32)
    sums = np.empty(side * rank, np.float32)
    job = take(counter)
    while job < len(jobs):
        for m in range(jobs[job, 0], jobs[job, 1]):
            for p in range(maps):
                image = noise[m, start + p * size : start + (p + 1) * size]
                image = image.reshape(side, side * rank)
                _along(table, image, sums, turned)
                _along(table, turned, sums, image)
        job = take(counter)
