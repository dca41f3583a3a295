"""The roll-out of a population on a GPU, in Triton: what ``population.py`` is on the CPU.

A program takes one draw and a block of samples through all time steps, both signs together. Nothing
that belongs to a member is written to memory but its outputs: voltages and the readout's weights
stay in registers. This file is the only one that needs Triton; see ``course_lib/gpu.py``.
"""

import triton
import triton.language as tl

#: how a spike resets the voltage; a reset to zero in the next step leaves the same spikes
ZERO, SUBTRACT, SUBTRACT_LATER = 0, 1, 2


@triton.jit
def fire(voltage, current, beta, threshold, reset: tl.constexpr):
    """One LIF step, ``lif.lif_step``: the spikes, as 0 or 1, and the new voltage."""
    if reset == 2:
        fired = (voltage > threshold).to(tl.float32)
        voltage = beta * voltage + current - threshold * fired
        return (voltage > threshold).to(tl.float32), voltage
    voltage = beta * voltage + current
    spikes = (voltage > threshold).to(tl.float32)
    if reset == 0:
        return spikes, voltage * (1.0 - spikes)
    return spikes, voltage - threshold * spikes


@triton.jit
def readout(spikes, weights, bias, voltage, total, beta, threshold, reset: tl.constexpr,
            rate: tl.constexpr, precision: tl.constexpr):  # fmt: skip
    """A step of the last layer: its voltage, and the sum that is read in the end."""
    current = tl.dot(spikes, weights, input_precision=precision) + bias[None, :]
    if rate:
        fired, voltage = fire(voltage, current, beta, threshold, reset)
        return voltage, total + fired
    voltage = beta * voltage + current
    return voltage, total + voltage


@triton.jit
def roll_out(
    base, projected, a_rows, noise, weight, bias, outputs,
    batch, hidden, classes, draws, row, at_bias, at_readout,
    scale, deviation, last_scale, last_deviation, beta, threshold,
    steps: tl.constexpr, rank: tl.constexpr, signs: tl.constexpr, reset: tl.constexpr,
    rate: tl.constexpr, samples: tl.constexpr, width: tl.constexpr, columns: tl.constexpr,
    precision: tl.constexpr,
):  # fmt: skip
    """Outputs (signs, M, B, C) of a network with one hidden layer.

    base (T, B, H): currents of the unperturbed weights.  projected (M, r, T, B): frames times B.
    a_rows (M, r, H): A of the hidden layer.  noise (M, row): of a draw, with the hidden layer's
    bias noise at ``at_bias``, and from ``at_readout`` on the readout's A (C, r), B (H, r) and bias
    noise (C).
    weight (C, H), bias (C): of the readout.  scale: σ/√r, deviation: σ; last_…: of the readout.
    samples, width, columns: block sizes of B, H, C, powers of two.
    """
    draw, block = tl.program_id(0), tl.program_id(1)
    b = block * samples + tl.arange(0, samples)
    h, c = tl.arange(0, width), tl.arange(0, columns)
    in_b, in_h, in_c = b < batch, h < hidden, c < classes
    inside = in_b[:, None] & in_h[None, :]
    own = noise + draw.to(tl.int64) * row

    # The readout's weights of both members, (H, C), and its biases.
    shared = tl.load(weight + c[None, :] * hidden + h[:, None], in_h[:, None] & in_c[None, :], 0.0)
    change = tl.zeros((width, columns), tl.float32)
    for k in tl.static_range(rank):
        a = tl.load(own + at_readout + c * rank + k, in_c, 0.0)
        factor = tl.load(own + at_readout + (classes + h) * rank + k, in_h, 0.0)
        change += factor[:, None] * (last_scale * a)[None, :]
    last_bias = tl.load(bias + c, in_c, 0.0)
    moved = last_deviation * tl.load(own + at_readout + (classes + hidden) * rank + c, in_c, 0.0)
    hidden_bias = deviation * tl.load(own + at_bias + h, in_h, 0.0)

    v_plus = tl.zeros((samples, width), tl.float32)
    v_minus = tl.zeros((samples, width), tl.float32)
    o_plus = tl.zeros((samples, columns), tl.float32)
    o_minus = tl.zeros((samples, columns), tl.float32)
    sum_plus = tl.zeros((samples, columns), tl.float32)
    sum_minus = tl.zeros((samples, columns), tl.float32)
    plus, minus = shared + change, shared - change
    bias_plus, bias_minus = last_bias + moved, last_bias - moved
    for t in range(steps):
        place = t * batch + b
        current = tl.load(base + place[:, None] * hidden + h[None, :], inside, 0.0)
        shift = tl.zeros((samples, width), tl.float32) + hidden_bias[None, :]
        for k in tl.static_range(rank):
            factors = draw.to(tl.int64) * rank + k
            heard = tl.load(projected + factors * (steps * batch) + place, in_b, 0.0)
            factor_a = tl.load(a_rows + factors * hidden + h, in_h, 0.0)
            shift += heard[:, None] * (scale * factor_a)[None, :]
        spikes, v_plus = fire(v_plus, current + shift, beta, threshold, reset)
        o_plus, sum_plus = readout(spikes, plus, bias_plus, o_plus, sum_plus, beta, threshold,
                                   reset, rate, precision)  # fmt: skip
        if signs == 2:
            spikes, v_minus = fire(v_minus, current - shift, beta, threshold, reset)
            o_minus, sum_minus = readout(spikes, minus, bias_minus, o_minus, sum_minus, beta,
                                         threshold, reset, rate, precision)  # fmt: skip
    goal = (draw.to(tl.int64) * batch + b)[:, None] * classes + c[None, :]
    kept = in_b[:, None] & in_c[None, :]
    tl.store(outputs + goal, sum_plus / steps, kept)
    if signs == 2:
        second = tl.cast(draws, tl.int64) * batch * classes
        tl.store(outputs + second + goal, sum_minus / steps, kept)
