"""Exercises of lesson 02, second part: neurons through time, and a layer's start."""

import math

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake
from course_lab.checks.spikes import TOPIC, lif_step, spike_interval
from course_lib.lif import LIFParameters, lif_run

# ------------------------------------------------------------------------------- f-I curve


def firing_rates(currents, beta, threshold, steps):
    drive = torch.as_tensor(np.asarray(currents)).expand(steps, -1)
    return lif_run(drive, LIFParameters(beta, threshold))[0].mean(dim=0).numpy()


def _rates(currents, beta, threshold, steps, *, keep=False, subtract=False, start=0.0, over=None,
           voltages=False):  # fmt: skip
    """start: voltage before the first step; over: what the sum is divided by, ``steps`` if None."""
    v, total = start + np.zeros_like(currents), np.zeros_like(currents)
    for _ in range(steps):
        v = beta * v + currents
        s = v > threshold
        v = v if keep else v - threshold * s if subtract else v * ~s
        total += v if voltages else s
    return total / (steps if over is None else over)


def _raster(currents, beta, threshold, steps):
    """Spikes (steps, N)."""
    drive = torch.as_tensor(np.asarray(currents)).expand(steps, -1)
    return lif_run(drive, LIFParameters(beta, threshold))[0].numpy()


def _rates_swapped(currents, beta, threshold, steps):
    """Spikes and voltages of lif_step mixed up."""
    v, total = np.zeros_like(currents), np.zeros_like(currents)
    for _ in range(steps):
        v, s = lif_step(currents, v, beta, threshold)
        total += s
    return total / steps


def _steps_a_spike(*arguments):
    with np.errstate(divide="ignore"):
        return 1 / firing_rates(*arguments)


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
                lambda *a: _rates(*a, over=1)),
        Mistake("the voltage goes on growing after a spike: set it back.",
                lambda *a: _rates(*a, keep=True)),
        Mistake("you subtract θ at a spike; lif_step of this exercise resets to zero.",
                lambda *a: _rates(*a, subtract=True)),
        Mistake("every step starts from v = 0 again: keep what lif_step returns and hand it to the "
                "next step.", lambda c, b, t, n: _rates(c, 0.0, t, n)),
        Mistake("you keep the spikes of the last step only. Add up those of all steps.",
                lambda c, b, t, n: _raster(c, b, t, n)[-1] / n),
        Mistake("you return the spikes of the last step. Add up those of all steps, and divide by "
                "steps.", lambda *a: _raster(*a)[-1]),
        Mistake("your function returns after the first step: is return inside the loop?",
                lambda c, b, t, n: _raster(c, b, t, n)[0] / n),
        Mistake("your loop runs one step too few: range(steps).",
                lambda c, b, t, n: _rates(c, b, t, n - 1, over=n)),
        Mistake("your loop runs one step too many: range(steps).",
                lambda c, b, t, n: _rates(c, b, t, n + 1, over=n)),
        Mistake("you divide by the number of neurons. A rate is spikes a step: divide by steps.",
                lambda c, b, t, n: _rates(c, b, t, n, over=len(c))),
        Mistake("you average over neurons. Take the mean over time, the first axis.",
                lambda *a: _raster(*a).mean(axis=1)),
        Mistake("you start from a voltage of I, so the current counts twice at the start. Start "
                "from v = 0.", lambda c, b, t, n: _rates(c, b, t, n, start=c)),
        Mistake("you mix up what lif_step returns: it is (spikes, voltage), in this order.",
                _rates_swapped),
        Mistake("you add up voltages. Add up the spikes, the first thing that lif_step returns.",
                lambda *a: _rates(*a, voltages=True)),
        Mistake("that is steps a spike. A rate is spikes a step: divide by steps.", _steps_a_spike),
        Mistake("that is 1 / n*, the rate of an endless run. Asked are the spikes of a run of "
                "steps steps, divided by steps.",
                lambda c, b, t, n: [1 / spike_interval(i, b, t) for i in c]),
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
                "sd(I) = ω √active, not ω · active.", lambda n, t: 0.5 * t / n),
        Mistake("you multiply by √active. More active inputs mean larger currents, so the weights "
                "have to be smaller.", lambda n, t: 0.5 * t * math.sqrt(n)),
        Mistake("asked is half a threshold, not a whole one.", lambda n, t: t / math.sqrt(n)),
        Mistake("asked is half a threshold, not twice one.", lambda n, t: 2 * t / math.sqrt(n)),
        Mistake("you forgot the threshold: the current has to be half of θ.",
                lambda n, t: 0.5 / math.sqrt(n)),
        Mistake("that is the variance of a weight; asked is its standard deviation.",
                lambda n, t: (0.5 * t) ** 2 / n),
        Mistake("θ / 2 is a standard deviation already: ω √active = θ / 2. The root is of active "
                "only.", lambda n, t: math.sqrt(0.5 * t / n)),
        Mistake("the half stands under the root. That halves the variance of the current, not its "
                "standard deviation.", lambda n, t: t / math.sqrt(2 * n)),
        Mistake("θ stands under the root. Only active belongs there.",
                lambda n, t: 0.5 * math.sqrt(t / n)),
        Mistake("that makes the standard deviation of the current 1; asked is half of θ.",
                lambda n, t: 1 / math.sqrt(n)),
        Mistake("that is the standard deviation of the current. A weight is one of active: divide "
                "by √active.", lambda n, t: 0.5 * t),
        Mistake("you divide by θ. A higher threshold asks for larger weights: multiply.",
                lambda n, t: 0.5 / (t * math.sqrt(n))),
        Mistake("your fraction is upside down: ω √active = θ / 2, solved for ω.",
                lambda n, t: math.sqrt(n) / (0.5 * t)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- delayed reset


def lif_delayed(currents, beta, threshold):
    neuron = LIFParameters(beta, threshold, "subtract", reset_delay=True)
    spikes, voltages = lif_run(torch.as_tensor(np.asarray(currents)), neuron)
    return spikes.numpy(), voltages.numpy()


def _delayed(currents, beta, threshold, *, leak_reset=False, zero=False, now=False, two=False,
             fires=np.greater, off=None, leak_current=False, skip=0):  # fmt: skip
    """off: what a spike takes off, ``threshold`` if None; skip: steps left out at the start."""
    off = threshold if off is None else off
    v, s = np.zeros_like(currents[0]), np.zeros_like(currents[0])
    spikes, voltages, older = [s] * skip, [v] * skip, s
    for current in currents[skip:]:
        taken = older if two else s
        if leak_current:
            current = beta * current
        if leak_reset:
            v = beta * (v - threshold * taken) + current
        elif zero:
            v = beta * v * (1 - taken) + current
        elif now:
            v = beta * v + current
        else:
            v = beta * v + current - off * taken
        older, s = s, fires(v, threshold).astype(float)
        if now:
            v = v - threshold * s
        spikes.append(s)
        voltages.append(v)
    return np.array(spikes), np.array(voltages)


def _reset_twice(currents, beta, threshold, *, zero=False):
    """At once, and by subtraction in the next step too."""
    v, s = np.zeros_like(currents[0]), np.zeros_like(currents[0])
    spikes, voltages = [], []
    for current in currents:
        v = beta * v + current - threshold * s
        s = (v > threshold).astype(float)
        v = v * (1 - s) if zero else v - threshold * s
        spikes.append(s)
        voltages.append(v)
    return np.array(spikes), np.array(voltages)


def _spikes_late(currents, beta, threshold):
    spikes, voltages = lif_delayed(currents, beta, threshold)
    return np.vstack([np.zeros_like(spikes[:1]), spikes[:-1]]), voltages


def _last_everywhere(currents, beta, threshold, *, both=False):
    """One array appended again and again, and changed in place."""
    spikes, voltages = lif_delayed(currents, beta, threshold)
    repeated = np.tile(spikes[-1], (len(spikes), 1)) if both else spikes
    return repeated, np.tile(voltages[-1], (len(voltages), 1))


def _delayed_cases(rng):
    """Random currents; the first of each case lifts a neuron to exactly θ."""
    cases = []
    for beta, threshold in ((0.9, 1.0), (0.5, 0.75), (0.8, 1.5)):
        currents = rng.uniform(0, 1.2, (30, 4))
        currents[0, 0] = threshold
        cases.append((currents, beta, threshold))
    return cases


LIF_DELAYED = Exercise(
    "lif_delayed", TOPIC, points=3,
    goal="follow another paper's convention to the letter",
    reference=lif_delayed,
    cases=_delayed_cases,
    mistakes=(
        Mistake("you fire at v ≥ θ. The threshold must be passed: v > θ, strictly.",
                lambda *a: _delayed(*a, fires=np.greater_equal)),
        Mistake("you reset in the step of the spike. Delayed means that s[t − 1], the spike of the "
                "step before, takes θ off.", lambda *a: _delayed(*a, now=True)),
        Mistake("you take θ off before the leak, so that only β · θ is lost. In LocalZO's eq. 1, "
                "v[t] = β v[t−1] + I[t] − θ s[t−1], θ does not leak.",
                lambda *a: _delayed(*a, leak_reset=True)),
        Mistake("you reset to zero. Asked is subtraction: − θ · s[t − 1].",
                lambda *a: _delayed(*a, zero=True)),
        Mistake("your reset comes two steps late.", lambda *a: _delayed(*a, two=True)),
        Mistake("you reset twice, in the step of the spike and one step later. Asked is only the "
                "second: − θ · s[t − 1].", _reset_twice),
        Mistake("you reset twice: to zero in the step of the spike, and by subtraction one step "
                "later. Asked is only the second.", lambda *a: _reset_twice(*a, zero=True)),
        Mistake("nothing is taken off after a spike: − θ · s[t − 1].",
                lambda *a: _delayed(*a, off=0)),
        Mistake("you take 1 off. A spike costs θ, and θ is not always 1.",
                lambda *a: _delayed(*a, off=1)),
        Mistake("you add θ after a spike. It is taken off: − θ · s[t − 1].",
                lambda c, b, t: _delayed(c, b, t, off=-t)),
        Mistake("β multiplies the current too. Only v[t − 1] leaks.",
                lambda *a: _delayed(*a, leak_current=True)),
        Mistake("your spikes come one step late: s[t] compares v[t] with θ, the voltage of the "
                "same step.", _spikes_late),
        Mistake("the first step is left out: currents[0] lifts the voltage too, from v = 0.",
                lambda *a: _delayed(*a, skip=1)),
        Mistake("all rows of your voltages are the last one: you append one array and change it in "
                "place later. Make a new one each step, v = …, or append v.copy().",
                _last_everywhere),
        Mistake("all your rows are the last one: you append one array and change it in place "
                "later. Make new ones each step, or append copies.",
                lambda *a: _last_everywhere(*a, both=True)),
        Mistake("spikes and voltages are the wrong way round: return (spikes, voltages).",
                lambda *a: _delayed(*a)[::-1]),
    ),
)  # fmt: skip

EXERCISES = (FIRING_RATES, START_SCALE, LIF_DELAYED)
