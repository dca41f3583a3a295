"""Compiled forward passes of a whole population over shared frames.

``events.py`` has multiplied the frames with every column that the population needs: x Wᵀ + b once,
and x B_i for every draw i. Here then, for each sample and draw,

    I±[t] = (x Wᵀ + b)[t] ± ( (x B_i)[t] A_iᵀ σ/√r + σ e_i )       ``first_layer.py``
    v, s  = LIF(I±)
    I[t]  = Σ_{n: s_n[t] = 1} W_n + …                              ``later_layers.py``

and so on to the outputs. Nothing of the size of a member's weights or of a population's currents is
ever written: between layers there are 64 spikes to a word, and a list of one sample's events.

Every sum is made in one order, however the work is divided: results are the same to the bit for any
number of threads, any chunks and any range of draws.
"""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.events import SPARE
from course_lib.fast.kernels.first_layer import HIDDEN, first_layer
from course_lib.fast.kernels.later_layers import later_layer, list_spikes
from course_lib.fast.kernels.plan import COLUMNS, INPUTS, NARROW, NOISE, WIDE, WIDTH, A
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import LANES, spread


@compiled
def roll_out(
    counter, jobs, steps, base, projected, stride, weights, factors, plan, rank, signs, beta, theta,
    mode, wide, kind, done, outputs,
):  # fmt: skip
    """Outputs of members of two layers or more. A job: samples from, to, draws from, to.

    What is None is not compiled, so that the most frequent case need not wait for the others:
    mode: None for a reset to zero, else as in ``step_neurons``;  wide: None if all layers after the
    first are narrow, else 1.

    base:      x Wᵀ + b, (B, T, width of the first layer) numbers;  projected: x B, (B, T, stride)
               numbers, of which draw m has those from m · rank on.
    weights, factors, plan: see ``plan.py``; factors (M, …), a row a draw.
    kind:      of the last layer, RATE or MEMBRANE.
    outputs:   (signs, draws, B, C), where the draws of this call come after ``done`` others.
    """
    layers, width = len(plan), plan[0, WIDTH]
    classes, widest = outputs.shape[3], 1
    for i in range(layers):
        widest = max(widest, plan[i, WIDTH] // 64 + 1)
    pair, silent = np.empty(2 * steps * widest, np.uint64), np.empty(steps * widest, np.uint64)
    indices = np.empty(steps * (widest * 64 + 4) + SPARE, np.int32)
    starts = np.empty(steps + 1, np.int32)
    starts[0] = 0
    columns = (rank + COLUMNS - 1) // COLUMNS * COLUMNS
    sums = np.empty(steps * columns + COLUMNS, np.float32)
    totals, shifts = np.empty(64 * widest, np.float32), np.empty((steps + 4) * LANES, np.float32)
    few, many = spread(np.float32(0), NARROW), spread(np.float32(0), WIDE)
    reset = np.int64(0) if mode is None else mode  # the branch not taken is not compiled
    j = take(counter)
    while j < len(jobs):
        first, last, begin, end = jobs[j]
        for b in range(first, last):
            for m in range(begin, end):
                row, here, start = factors[m], b * steps * width, b * steps * stride + m * rank
                first_layer(
                    steps, width, base, here, projected, start, stride, rank, row,
                    plan[0, A], plan[0, NOISE], beta, theta, reset, pair, shifts,
                )  # fmt: skip
                for s in range(signs):
                    sign = np.float32(1 - 2 * s)
                    for i in range(1, layers):
                        words, layer = plan[i - 1, WIDTH] // 64, plan[i]
                        use = HIDDEN if i < layers - 1 else kind
                        bits, place = (pair, s * steps * words) if i == 1 else (silent, 0)
                        list_spikes(bits, place, words, steps, indices, starts, layer[INPUTS])
                        if wide is None or layer[WIDTH] == NARROW:
                            later_layer(
                                use, few, NARROW, steps, layer, indices, starts, sums, columns,
                                rank, weights, row, sign, beta, theta, reset, silent, totals,
                            )  # fmt: skip
                        else:
                            later_layer(
                                use, many, WIDE, steps, layer, indices, starts, sums, columns,
                                rank, weights, row, sign, beta, theta, reset, silent, totals,
                            )  # fmt: skip
                    for c in range(classes):
                        outputs[s, done + m, b, c] = totals[c] / np.float32(steps)
        j = take(counter)
