"""LIF neurons through all time steps on a GPU, in Triton; its host side is ``through_time.py``.

A program takes a block of (sample, neuron) pairs through time and keeps their voltages in
registers. Tensors are (T, ...), contiguous, with ``size`` numbers a step.
"""

import triton
import triton.language as tl


@triton.jit
def charge(currents, distances, size, beta, threshold, steps, reset: tl.constexpr,
           block: tl.constexpr):  # fmt: skip
    """u[t] = v[t] − θ of ``lif.lif_run``, as the spike function is given it.

    reset: as in ``gpu.fire``; a delayed one to zero has the u of one that is not delayed.
    """
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < size
    voltage = tl.zeros((block,), tl.float32)
    fired = tl.zeros((block,), tl.float32)
    for _ in range(steps):
        current = tl.load(currents + place, inside, 0.0)
        if reset == 0:
            voltage = beta * (voltage * (1.0 - fired)) + current
        elif reset == 1:
            voltage = beta * (voltage - threshold * fired) + current
        else:
            voltage = beta * voltage + current - threshold * fired
        distance = voltage - threshold
        fired = (distance > 0).to(tl.float32)
        tl.store(distances + place, distance, inside)
        currents += size
        distances += size


@triton.jit
def leak(inputs, spikes, outputs, size, stride, beta, steps, cuts: tl.constexpr,
         block: tl.constexpr):  # fmt: skip
    """a[t] = inputs[t] + β k[t] a[one step before], k = 1 − spikes if ``cuts``, else 1.

    The pointers are those of the first step taken; stride: from one step to the next, ± size.
    """
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < size
    state = tl.zeros((block,), tl.float32)
    for _ in range(steps):
        if cuts:
            state *= 1.0 - tl.load(spikes + place, inside, 0.0)
            spikes += stride
        state = beta * state + tl.load(inputs + place, inside, 0.0)
        tl.store(outputs + place, state, inside)
        inputs += stride
        outputs += stride
