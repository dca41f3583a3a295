"""Members of a population whose first layer is the last one: a kernel of its own, seldom needed,
so that others need not wait for its compilation."""

import numpy as np

from course_lib.compiling import compiled
from course_lib.fast.kernels.first_layer import MEMBRANE, step_pair, write_shifts
from course_lib.fast.kernels.plan import NOISE, WIDTH, A
from course_lib.fast.kernels.threads import take
from course_lib.fast.kernels.vectors import (
    LANES,
    add,
    choose,
    fma,
    load,
    not_above,
    spread,
    store,
    sub,
)


@compiled
def roll_out_one(
    counter, jobs, steps, base, projected, stride, factors, plan, rank, signs, beta, theta, mode,
    kind, done, outputs,
):  # fmt: skip
    """``population.roll_out`` for one layer."""
    width, a, noise, classes = plan[0, WIDTH], plan[0, A], plan[0, NOISE], outputs.shape[3]
    totals, shifts = np.empty((2, width), np.float32), np.empty((steps + 4) * LANES, np.float32)
    zero, one = spread(np.float32(0), LANES), spread(np.float32(1), LANES)
    leak, threshold = spread(beta, zero), spread(theta, zero)
    quiet = not_above(zero, threshold)
    j = take(counter)
    while j < len(jobs):
        first, last, begin, end = jobs[j]
        for b in range(first, last):
            for m in range(begin, end):
                row, start = factors[m], b * steps * stride + m * rank
                for q in range(0, width, LANES):
                    write_shifts(
                        steps, projected, start, stride, rank, row, a + q, noise + q, width, shifts
                    )
                    pair, up_total, down_total = (zero, quiet, zero, quiet), zero, zero
                    for t in range(steps):
                        current = load(base, (b * steps + t) * width + q, zero)
                        shift = load(shifts, LANES * t, zero)
                        if kind == MEMBRANE:
                            up = fma(leak, pair[0], add(current, shift))
                            down = fma(leak, pair[2], sub(current, shift))
                            pair = (up, quiet, down, quiet)
                            up_total, down_total = add(up_total, up), add(down_total, down)
                        else:
                            pair = step_pair(pair, current, shift, leak, threshold, zero, mode)
                            up_total = add(up_total, choose(pair[1], zero, one))
                            down_total = add(down_total, choose(pair[3], zero, one))
                    store(totals[0], q, up_total)
                    store(totals[1], q, down_total)
                for s in range(signs):
                    for c in range(classes):
                        outputs[s, done + m, b, c] = totals[s, c] / np.float32(steps)
        j = take(counter)
