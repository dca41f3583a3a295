"""The roll-out of a population on a GPU, in Triton: what ``population.py`` is on the CPU.

A program takes one member and a block of samples through all time steps. Nothing that belongs to a
member is written to memory but its outputs: voltages and the readout's weights stay in registers.
Only this file needs Triton; see ``course_lib/fast/gpu.py``.
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
def roll_out(
    base, projected, a_rows, noise, weight, bias, outputs,
    batch, hidden, classes, draws, row, at_bias, at_readout,
    scale, deviation, last_scale, last_deviation, beta, threshold,
    steps: tl.constexpr, rank: tl.constexpr, signs: tl.constexpr, reset: tl.constexpr,
    rate: tl.constexpr, samples: tl.constexpr, width: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    """Outputs (signs, M, B, C) of a network with one hidden layer.

    base (T, B, H): currents of the unperturbed weights.  projected (M, r, T, B): frames times B.
    a_rows (M, r, H): A of the hidden layer.  noise (M, row): of a draw, with the hidden layer's
    bias noise at ``at_bias``, and from ``at_readout`` on the readout's A (C, r), B (H, r) and bias
    noise (C).
    weight (C, H), bias (C): of the readout.  scale: σ/√r, deviation: σ; last_…: of the readout.
    samples, width, columns: block sizes of B, H, C, powers of two.
    """
    draw, sign = tl.program_id(0) // signs, 1.0 - 2.0 * (tl.program_id(0) % signs)
    b = tl.program_id(1) * samples + tl.arange(0, samples)
    h, c = tl.arange(0, width), tl.arange(0, columns)
    in_b, in_h, in_c = b < batch, h < hidden, c < classes
    inside = in_b[:, None] & in_h[None, :]
    own = noise + draw.to(tl.int64) * row

    # The member's readout, (H, C).
    own_weight = tl.zeros((width, columns), tl.float32)
    for k in tl.static_range(rank):
        a = tl.load(own + at_readout + c * rank + k, in_c, 0.0)
        factor = tl.load(own + at_readout + (classes + h) * rank + k, in_h, 0.0)
        own_weight += factor[:, None] * (last_scale * a)[None, :]
    shared = tl.load(weight + c[None, :] * hidden + h[:, None], in_h[:, None] & in_c[None, :], 0.0)
    own_weight = shared + sign * own_weight
    own_bias = tl.load(own + at_readout + (classes + hidden) * rank + c, in_c, 0.0)
    own_bias = tl.load(bias + c, in_c, 0.0) + sign * last_deviation * own_bias
    # Spikes are 0 or 1, exact in half precision; a weight is the sum of two such numbers, but for
    # its last bit. Scaled, small ones keep all their bits, and those up to 255 do not overflow.
    own_weight *= 256.0
    high = own_weight.to(tl.float16)
    low = (own_weight - high.to(tl.float32)).to(tl.float16)

    hidden_bias = deviation * tl.load(own + at_bias + h, in_h, 0.0)
    voltage = tl.zeros((samples, width), tl.float32)
    output = tl.zeros((samples, columns), tl.float32)
    total = tl.zeros((samples, columns), tl.float32)
    for t in range(steps):
        place = t * batch + b
        shift = tl.zeros((samples, width), tl.float32) + hidden_bias[None, :]
        for k in tl.static_range(rank):
            factors = draw.to(tl.int64) * rank + k
            heard = tl.load(projected + factors * (steps * batch) + place, in_b, 0.0)
            factor_a = tl.load(a_rows + factors * hidden + h, in_h, 0.0)
            shift += heard[:, None] * (scale * factor_a)[None, :]
        current = tl.load(base + place[:, None] * hidden + h[None, :], inside, 0.0)
        spikes, voltage = fire(voltage, current + sign * shift, beta, threshold, reset)
        spikes = spikes.to(tl.float16)
        drive = tl.dot(spikes, high, tl.dot(spikes, low)) / 256.0 + own_bias[None, :]
        if rate:
            fired, output = fire(output, drive, beta, threshold, reset)
            total += fired
        else:
            output = beta * output + drive
            total += output
    member = (tl.program_id(0) % signs).to(tl.int64) * draws + draw
    goal = (member * batch + b)[:, None] * classes + c[None, :]
    tl.store(outputs + goal, total / steps, in_b[:, None] & in_c[None, :])
