"""Exercises of lesson 02: leaky integrate-and-fire neurons."""

import math

import numpy as np
import torch

from course_lib.lab.checks.engine import Exercise, Mistake, Property
from course_lib.lif import LIFParameters, lif_run
from course_lib.lif import lif_step as library_step

TOPIC = "02_spikes"

# ------------------------------------------------------------------------------- lowest current


def lowest_current(beta, threshold):
    return threshold * (1 - beta)


LOWEST_CURRENT = Exercise(
    "lowest_current", TOPIC, points=1,
    goal="read a threshold off a limit",
    reference=lowest_current,
    cases=lambda rng: [
        (0.9, 1.0), *[(rng.uniform(0, 0.99), rng.uniform(0.2, 3)) for _ in range(5)],
    ],
    mistakes=(
        Mistake("θ alone is what one step needs (β = 0). With a leak the voltage adds up to "
                "I / (1 − β) in the end; ask when that reaches θ.",
                lambda beta, threshold: threshold),
        Mistake("You divide by 1 − β. The voltage settles at I / (1 − β) = θ; solve that for I.",
                lambda beta, threshold: threshold / (1 - beta)),
        Mistake("β is the share that is kept; what leaks away, and has to be put back, is 1 − β.",
                lambda beta, threshold: threshold * beta),
        Mistake("The threshold is not always 1: multiply by it.",
                lambda beta, threshold: 1 - beta),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- one LIF step


def lif_step(current, voltage, beta, threshold):
    neuron = LIFParameters(beta, threshold)
    spikes, after = library_step(torch.as_tensor(current), torch.as_tensor(voltage), neuron)
    return spikes.numpy(), after.numpy()


def _step_variant(fires=np.greater, leak=True, reset="zero", order="fire", soft=False):
    def step(current, voltage, beta, threshold):
        v = (beta * voltage if leak else voltage) + current
        if order == "leak last":
            v = beta * (voltage + current)
        if order == "reset first":
            v = v * ~fires(v, threshold)
            return fires(v, threshold).astype(float), v
        if order == "before":
            return fires(voltage, threshold).astype(float), v * ~fires(voltage, threshold)
        s = fires(v, threshold).astype(float)
        if reset == "none":
            return s, v
        if reset == "one":
            return s, v - s
        return s, v - threshold * s if reset == "subtract" else v * (1 - s)

    return step


def _step_cases(rng):
    """Random neurons; in each case one voltage is exactly θ (β and the numbers are binary
    fractions, so no rounding decides)."""
    cases = []
    for beta, threshold in ((0.5, 1.0), (0.75, 2.0), (0.875, 0.5), (0.0, 1.5)):
        voltage, current = rng.uniform(0, 1.5, 6).round(2), rng.uniform(0, 2.5, 6).round(2)
        voltage[0], current[0] = 0.0, threshold
        voltage[1], current[1] = 3 * threshold, threshold / 4
        cases.append((current, voltage, beta, threshold))
    return cases


LIF_STEP = Exercise(
    "lif_step", TOPIC, points=2,
    goal="turn three equations into a step of code, in order",
    reference=lif_step, cases=_step_cases,
    mistakes=(
        Mistake("you fire at v ≥ θ. The threshold must be passed: v > θ, strictly.",
                _step_variant(fires=np.greater_equal)),
        Mistake("you reset before the spike was recorded, so nothing ever fires. Compute s first, "
                "then set the voltage back.", _step_variant(order="reset first")),
        Mistake("you compare the voltage of the step before with θ. Leak and integrate first, then "
                "ask whether the new voltage is above θ.", _step_variant(order="before")),
        Mistake("the voltage is never set back: multiply it by 1 − s after the spike.",
                _step_variant(reset="none")),
        Mistake("you subtract θ. This exercise resets to zero: v · (1 − s).",
                _step_variant(reset="subtract")),
        Mistake("you subtract 1 at a spike. This exercise resets to zero: v · (1 − s).",
                _step_variant(reset="one")),
        Mistake("nothing leaks: β multiplies the old voltage.", _step_variant(leak=False)),
        Mistake("β multiplies the current too. Only the old voltage leaks: β · v + I.",
                _step_variant(order="leak last")),
        Mistake("spikes and voltage are the wrong way round: return (spikes, voltage).",
                lambda *a: _step_variant()(*a)[::-1]),
    ),
    properties=(
        Property("A spike is 0 or 1.", lambda r, *a: bool(np.isin(r[0], (0, 1)).all())),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- interval


def spike_interval(current, beta, threshold):
    inside = 1 - threshold * (1 - beta) / current
    if inside <= 0:
        return math.inf
    return math.floor(math.log(inside) / math.log(beta)) + 1


def _interval_variant(rounding, inside_sign=1, add=0, silent=math.inf):
    def interval(current, beta, threshold):
        inside = 1 - threshold * (1 - beta) / current
        if inside <= 0:
            return silent
        return rounding(math.log(inside) / math.log(beta)) + add

    return interval


SPIKE_INTERVAL = Exercise(
    "spike_interval", TOPIC, points=2,
    goal="solve for a whole number of steps, silence included",
    reference=spike_interval,
    cases=lambda rng: [
        (0.15, 0.9, 1.0), (0.05, 0.9, 1.0), (1.3, 0.9, 1.0), (0.6, 0.5, 1.0),
        (1.0, 0.5, 1.5), (0.5, 0.5, 1.0),  # exactly θ at step 2, and in the limit: no spike
        *[(rng.uniform(0.1, 1.2), rng.uniform(0.6, 0.97), rng.uniform(0.5, 1.5)) for _ in range(5)],
    ],
    mistakes=(
        Mistake("you round down. v passes θ only after the crossing: one step later, ⌊…⌋ + 1.",
                _interval_variant(math.floor)),
        Mistake("the number of steps is whole: round with math.floor(…) + 1.",
                _interval_variant(float)),
        Mistake("you add 1 but do not round down first: ⌊…⌋ + 1 is a whole number.",
                _interval_variant(float, add=1)),
        Mistake("a neuron that never fires has the interval math.inf, not 0.",
                _interval_variant(math.floor, add=1, silent=0)),
        Mistake("you round up. Where ln(…)/ln β is a whole number, the voltage is exactly θ at "
                "that step and does not fire yet: ⌊…⌋ + 1.", _interval_variant(math.ceil)),
        Mistake("you return the rate 1/n*; asked is the interval n* itself.",
                lambda *a: 1 / spike_interval(*a)),
        Mistake("one step too many: ⌈…⌉ is already the next whole number.",
                _interval_variant(math.ceil, add=1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- f-I curve


def firing_rates(currents, beta, threshold, steps):
    drive = torch.as_tensor(np.asarray(currents)).expand(steps, -1)
    return lif_run(drive, LIFParameters(beta, threshold))[0].mean(dim=0).numpy()


def _rates(currents, beta, threshold, steps, *, keep=False, count=False, subtract=False, skip=0):
    v, total = np.zeros_like(currents), np.zeros_like(currents)
    for t in range(steps):
        v = beta * v + currents
        s = v > threshold
        v = v if keep else v - threshold * s if subtract else v * ~s
        total += s * (t >= skip)
    return total if count else total / steps


FIRING_RATES = Exercise(
    "firing_rates", TOPIC, points=2,
    goal="run a state through time and average it",
    reference=firing_rates,
    cases=lambda rng: [
        (rng.uniform(0.01, 1.4, 12), beta, threshold, steps)
        for beta, threshold, steps in ((0.9, 1.0, 200), (0.75, 0.5, 64), (0.95, 1.5, 150))
    ],
    mistakes=(
        Mistake("you count spikes. A rate is spikes a step: divide by steps.",
                lambda *a: _rates(*a, count=True)),
        Mistake("the voltage goes on growing after a spike: set it back.",
                lambda *a: _rates(*a, keep=True)),
        Mistake("you subtract θ at a spike; lif_step of this exercise resets to zero.",
                lambda *a: _rates(*a, subtract=True)),
        Mistake("you start with the voltage of the step before the reset: keep what lif_step "
                "returns and hand it to the next step.",
                lambda c, b, t, n: _rates(c, 0.0, t, n)),
        Mistake("you return one number, the mean over neurons too. Each current has its own rate: "
                "take the mean over time only.", lambda *a: _rates(*a).mean()),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- scale of weights


def start_scale(active, threshold):
    return 0.5 * threshold / math.sqrt(active)


START_SCALE = Exercise(
    "start_scale", TOPIC, points=2,
    goal="scale weights so that a layer starts alive",
    reference=start_scale,
    cases=lambda rng: [(100, 1.0), (160, 1.0), (int(rng.integers(20, 900)), rng.uniform(0.3, 2))],
    mistakes=(
        Mistake("standard deviations of independent weights do not add up, variances do: "
                "sd(I) = ω √n, not ω n.", lambda n, t: 0.5 * t / n),
        Mistake("you multiply by √n. More active inputs mean larger currents, so the weights "
                "have to be smaller.", lambda n, t: 0.5 * t * math.sqrt(n)),
        Mistake("asked is half a threshold, not a whole one.", lambda n, t: t / math.sqrt(n)),
        Mistake("you forgot the threshold: the current has to be half of θ.",
                lambda n, t: 0.5 / math.sqrt(n)),
        Mistake("that is the variance of a weight; asked is its standard deviation.",
                lambda n, t: (0.5 * t) ** 2 / n),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- delayed reset


def lif_delayed(currents, beta, threshold):
    neuron = LIFParameters(beta, threshold, "subtract", reset_delay=True)
    spikes, voltages = lif_run(torch.as_tensor(np.asarray(currents)), neuron)
    return spikes.numpy(), voltages.numpy()


def _delayed(currents, beta, threshold, *, leak_reset=False, zero=False, now=False, two=False):
    v, s = np.zeros_like(currents[0]), np.zeros_like(currents[0])
    spikes, voltages, older = [], [], s
    for current in currents:
        taken = older if two else s
        if leak_reset:
            v = beta * (v - threshold * taken) + current
        elif zero:
            v = beta * v * (1 - taken) + current
        elif now:
            v = beta * v + current
        else:
            v = beta * v + current - threshold * taken
        older, s = s, (v > threshold).astype(float)
        if now:
            v = v - threshold * s
        spikes.append(s)
        voltages.append(v)
    return np.array(spikes), np.array(voltages)


LIF_DELAYED = Exercise(
    "lif_delayed", TOPIC, points=3,
    goal="follow another paper's convention to the letter",
    reference=lif_delayed,
    cases=lambda rng: [
        (rng.uniform(0, 1.2, (30, 4)), beta, threshold)
        for beta, threshold in ((0.9, 1.0), (0.5, 0.75), (0.8, 1.5))
    ],
    mistakes=(
        Mistake("you reset in the step of the spike. Delayed means that s[t − 1], the spike of the "
                "step before, takes θ off.", lambda *a: _delayed(*a, now=True)),
        Mistake("you take θ off before the leak, so that only β · θ is lost. In LocalZO's eq. 1, "
                "v[t] = β v[t−1] + I[t] − θ s[t−1], θ does not leak.",
                lambda *a: _delayed(*a, leak_reset=True)),
        Mistake("you reset to zero. Asked is subtraction: − θ · s[t − 1].",
                lambda *a: _delayed(*a, zero=True)),
        Mistake("your reset comes two steps late.", lambda *a: _delayed(*a, two=True)),
        Mistake("spikes and voltages are the wrong way round: return (spikes, voltages).",
                lambda *a: _delayed(*a)[::-1]),
    ),
)  # fmt: skip

EXERCISES = (LOWEST_CURRENT, LIF_STEP, SPIKE_INTERVAL, FIRING_RATES, START_SCALE, LIF_DELAYED)
