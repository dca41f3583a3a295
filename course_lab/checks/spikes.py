"""Exercises of lesson 02: one step of a neuron, when it fires, its rate, and layers that read."""

import math
from functools import cache

import numpy as np
import torch

from course_lab.checks.engine.cases import Boundary, at
from course_lab.checks.engine.engine import Exercise, Mistake, NotYet, Part, Property
from course_lab.checks.engine.open import Open
from course_lab.four_digits import four_digits
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
        (0.9, 1.0), at("nothing is kept (β = 0)", 0.0, 2.5),
        *[(rng.uniform(0, 0.99), rng.uniform(0.2, 3)) for _ in range(5)],
    ],
    boundary=Boundary("the voltage takes very long to settle (β = 0.9999)",
                      lambda rng: [(0.9999, rng.uniform(1, 3))]),
    mistakes=(
        Mistake("θ alone is what one step needs (β = 0). With a leak the voltage adds up to "
                "I / (1 − β) in the end; ask when that reaches θ.",
                lambda beta, threshold: threshold),
        Mistake("You divide by 1 − β. The voltage settles at I / (1 − β) = θ; solve that for I.",
                lambda beta, threshold: threshold / (1 - beta)),
        Mistake("the sign of β is wrong: 1 + β + β² + … adds up to 1 / (1 − β).",
                lambda beta, threshold: threshold / (1 + beta),
                lambda beta, threshold: threshold * (1 + beta)),
        Mistake("β is the share that is kept; what leaks away, and has to be put back, is 1 − β.",
                lambda beta, threshold: threshold * beta),
        Mistake("The threshold is not always 1: multiply by it.",
                lambda beta, threshold: 1 - beta),
        Mistake("that is θ − β, or θ · 1 − β without its parentheses. θ multiplies all of 1 − β.",
                lambda beta, threshold: threshold - beta),
        Mistake("1 / (1 − β) says how many times the current the voltage becomes. The current is θ "
                "divided by that.", lambda beta, threshold: 1 / (1 - beta)),
        Mistake("you divide by θ. A higher threshold asks for a larger current: multiply.",
                lambda beta, threshold: (1 - beta) / threshold),
        Mistake("−ln β is nearly 1 − β where β is close to 1, and not elsewhere. In one step "
                "1 − β leaks away.", lambda beta, threshold: -threshold * np.log(beta)),
        Mistake("the sign is wrong: what leaks away is 1 − β, a positive number.",
                lambda beta, threshold: threshold * (beta - 1)),
        Mistake("β is not squared: the voltage settles at I / (1 − β).",
                lambda beta, threshold: threshold * (1 - beta**2)),
        Mistake("you add 1 − β to θ. The current is one of them times the other.",
                lambda beta, threshold: threshold + 1 - beta),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- one LIF step


def lif_step(current, voltage, beta, threshold):
    neuron = LIFParameters(beta, threshold)
    spikes, after = library_step(torch.as_tensor(current), torch.as_tensor(voltage), neuron)
    return spikes.numpy(), after.numpy()


def _step_variant(fires=np.greater, leak=True, reset="zero", order="fire"):
    def step(current, voltage, beta, threshold):
        v = (beta * voltage if leak else voltage) + current
        if order == "leak last":
            v = beta * (voltage + current)
        if order == "lost share":
            v = (1 - beta) * voltage + current
        if order == "normalised":
            v = beta * voltage + (1 - beta) * current
        if order == "no current":
            v = beta * voltage
        if order == "late":
            v = beta * voltage * ~fires(voltage, threshold) + current
            return fires(v, threshold).astype(float), v
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
        if reset == "all":
            return s, v - threshold
        if reset == "others":
            return s, v * s
        if reset == "everybody":
            return s, v * (1 - s.max())
        if reset == "old":
            return s, voltage * (1 - s)
        return s, v - threshold * s if reset == "subtract" else v * (1 - s)

    return step


def _step_cases(rng):
    """Random neurons; in the last case all voltages are negative, some below −θ."""
    cases = [_neurons(rng, *pair) for pair in ((0.5, 1.0), (0.75, 2.0), (0.875, 0.5), (0.0, 1.5))]
    below = rng.uniform(-2, -1.2, 3).round(2)
    return [*cases, at("a voltage is negative", below, 0.5 * below, 0.5, 1.0)]


def _neurons(rng, beta, threshold):
    voltage, current = rng.uniform(0, 1.5, 6), rng.uniform(0, 2.5, 6)
    voltage[1], current[1] = 3 * threshold, threshold / 4
    return current.round(3) + 1e-4, voltage.round(3), beta, threshold


def _exactly_at_threshold(rng):
    """One voltage is exactly θ: β and the numbers are binary fractions, so no rounding decides."""
    current, voltage, beta, threshold = _neurons(rng, 0.5, 1.0)
    voltage[:2], current[:2] = 0.5, (0.75, 0.75 + 2**-14)  # the other one is just above it
    return [(current, voltage, beta, threshold)]


LIF_STEP = Exercise(
    "lif_step", TOPIC, points=2,
    goal="turn three equations into a step of code, in order",
    reference=lif_step, cases=_step_cases,
    parts=(Part("a voltage of exactly θ does not fire", _exactly_at_threshold),),
    boundary=Boundary("currents and voltages are whole numbers",
                      lambda rng: [(rng.integers(0, 3, 6), np.arange(6) % 4, 0.5, 1.25)]),
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
        Mistake("you keep the share 1 − β of the old voltage. β is the share that is kept.",
                _step_variant(order="lost share")),
        Mistake("you multiply the current by 1 − β, as some texts do. Here it is added whole: "
                "β · v + I.", _step_variant(order="normalised")),
        Mistake("the current is missing: β · v + I.", _step_variant(order="no current")),
        Mistake("you reset one step late, those that were above θ before. Set back in the same "
                "step those that fire now.", _step_variant(order="late")),
        Mistake("you fire below θ: the comparison is the wrong way round.",
                _step_variant(fires=np.less)),
        Mistake("you set back those that did not fire: multiply by 1 − s, not by s.",
                _step_variant(reset="others")),
        Mistake("you take θ off every neuron, whether it fired or not. Only those with s = 1 are "
                "set back, and to zero: v · (1 − s).", _step_variant(reset="all")),
        Mistake("as soon as one neuron fires, all are set back in yours. Each has its own s: "
                "v · (1 − s).", _step_variant(reset="everybody")),
        Mistake("the voltage that you return is the old one. Return the new one, β · v + I, after "
                "its reset.", _step_variant(reset="old")),
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
    if not 0 < inside < 1:
        return math.inf
    return math.floor(math.log(inside) / math.log(beta)) + 1


def _interval_variant(rounding=math.floor, add=1, silent=math.inf, share=None, quotient=None):
    """share: what stands in place of θ(1 − β)/I; quotient: in place of ln(1 − share) / ln β."""

    def interval(current, beta, threshold):
        ratio = share(current, beta, threshold) if share else threshold * (1 - beta) / current
        if ratio >= 1:
            return silent
        inside, leak = math.log(1 - ratio), math.log(beta)
        return rounding(quotient(inside, leak) if quotient else inside / leak) + add

    return interval


def _interval_at_threshold(current, beta, threshold):
    """By simulation, with v ≥ θ."""
    v = 0.0
    for n in range(1, 2000):
        v = beta * v + current
        if v >= threshold:
            return n
    return math.inf


_ONE_LESS = "a 1 − is missing: βⁿ is smaller than 1 − θ (1 − β) / I."


def _interval_without_question(current, beta, threshold):
    with np.errstate(all="ignore"):
        inside = np.log(1 - threshold * (1 - beta) / current)
        return np.floor(inside / np.log(beta)) + 1


SPIKE_INTERVAL = Exercise(
    "spike_interval", TOPIC, points=2,
    goal="solve for a whole number of steps, silence included",
    reference=spike_interval,
    cases=lambda rng: [
        (0.15, 0.9, 1.0), (0.05, 0.9, 1.0), (1.3, 0.9, 1.0), (0.6, 0.5, 1.0),
        at("the limit of the voltage is exactly θ", 0.5, 0.5, 1.0),
        at("the limit of the voltage is only just above θ", 0.5 + 5e-10, 0.5, 1.0),
        (2.5, 0.5, 1.0), at("the spike takes millions of steps", 2e-8, 1 - 1e-8, 1.0),
        *[(rng.uniform(0.1, 1.2), rng.uniform(0.6, 0.97), rng.uniform(0.5, 1.5)) for _ in range(5)],
    ],
    parts=(Part("a voltage of exactly θ does not fire yet", lambda rng: [
        (1.0, 0.5, 1.5), (1.0, 0.5, 1.75)]),),
    boundary=Boundary("the current is exactly θ, so that the first step is not enough",
                      lambda rng: [(1.0, 0.5, 1.0), (2.0, 0.75, 2.0)]),
    late="Without simulating there is no need for a loop: the formula gives n at once.",
    mistakes=(
        Mistake("you round down, or count the first step as 0. v passes θ only after the crossing: "
                "one step later, ⌊…⌋ + 1.", _interval_variant(add=0)),
        Mistake("the number of steps is whole: round with math.floor(…) + 1.",
                _interval_variant(float, add=0)),
        Mistake("you add 1 but do not round down first: ⌊…⌋ + 1 is a whole number.",
                _interval_variant(float)),
        Mistake("a neuron that never fires has the interval math.inf, not 0.",
                _interval_variant(silent=0)),
        Mistake("a neuron that never fires has the interval math.inf, not −1.",
                _interval_variant(silent=-1)),
        Mistake("a neuron that never fires waits for ever: + infinity, not − infinity.",
                _interval_variant(silent=-math.inf)),
        Mistake("where the neuron never fires, your function ends without a return. Return "
                "math.inf there.", _interval_variant(silent=None)),
        Mistake("you take the logarithm of a negative number where the neuron never fires. Ask "
                "first whether there is such an n, and return math.inf if there is none.",
                _interval_without_question),
        Mistake("you round up. Where ln(…)/ln β is a whole number, the voltage is exactly θ at "
                "that step and does not fire yet: ⌊…⌋ + 1.", _interval_variant(math.ceil, add=0)),
        Mistake("you stop at v ≥ θ. A voltage of exactly θ does not fire: v > θ, strictly.",
                _interval_at_threshold),
        Mistake("round(…) goes to the nearest whole number, up or down. The smallest one above x "
                "is ⌊x⌋ + 1.", _interval_variant(round, add=0),
                lambda *a: max(1, _interval_variant(round, add=0)(*a))),
        Mistake("round(…) goes up as often as down, and one more step may then be one too many: "
                "⌊…⌋ + 1.", _interval_variant(round)),
        Mistake("a neuron with I ≤ θ is not silent yet: its voltage adds up, to I / (1 − β). It is "
                "silent where that is not above θ.",
                lambda i, b, t: spike_interval(i, b, t) if i > t else math.inf),
        Mistake("θ / I lacks its factor. Solve I (1 − βⁿ) / (1 − β) > θ for βⁿ again: the 1 − β "
                "comes to the other side as a factor of θ.",
                _interval_variant(share=lambda i, b, t: t / i)),
        Mistake("you divide θ / I by 1 − β. It is a factor of θ: multiply both sides by it.",
                _interval_variant(share=lambda i, b, t: t / (i * (1 - b)))),
        Mistake("the threshold is missing below the logarithm: θ (1 − β) / I. It is not always 1.",
                _interval_variant(share=lambda i, b, t: (1 - b) / i),
                lambda i, b, t: spike_interval(i, b, 1.0) if i > t * (1 - b) else math.inf),
        Mistake(_ONE_LESS, _interval_variant(share=lambda i, b, t: 1 - t * (1 - b) / i),
                _interval_variant(
            share=lambda i, b, t: 1 - t * (1 - b) / i if i > t * (1 - b) else math.inf)),
        Mistake("you call every neuron silent. It is silent only where 1 − θ (1 − β) / I is not "
                "above 0; look at the comparison and at the parentheses.", lambda *a: math.inf),
        Mistake("the quotient is upside down: n ln β < ln(…), so n > ln(…) / ln β.",
                _interval_variant(quotient=lambda inside, leak: leak / inside)),
        Mistake("a minus too many: both logarithms are negative, and ln(…) / ln β is positive.",
                _interval_variant(quotient=lambda inside, leak: -inside / leak)),
        Mistake("ln β is missing below the fraction: n > ln(…) / ln β.",
                _interval_variant(quotient=lambda inside, leak: -inside),
                _interval_variant(quotient=lambda inside, leak: inside)),
        Mistake("β − 1 is nearly ln β where β is close to 1, and not elsewhere: n > ln(…) / ln β.",
                _interval_variant(quotient=lambda inside, leak: inside / (math.exp(leak) - 1))),
        Mistake("you return the rate 1/n*; asked is the interval n* itself.",
                lambda *a: 1 / spike_interval(*a)),
        Mistake("one step too many: ⌊…⌋ + 1 is the next whole number, as ⌈…⌉ often is already.",
                _interval_variant(math.ceil), _interval_variant(add=2)),
        Mistake("round takes the even neighbour at a half, so adding ½ does not always round up. "
                "Round down with math.floor, and add 1.",
                _interval_variant(lambda share: round(share + 0.5), add=0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- f-I curve


def firing_rates(currents, beta, threshold, steps):
    drive = torch.as_tensor(np.asarray(currents, dtype=float)).expand(steps, -1)
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


def _one_after_another(currents, beta, threshold, steps):
    """Rates of neurons that each begin at the voltage at which the one before has ended."""
    return _raster(np.repeat(currents, steps)[:, None], beta, threshold, -1).reshape(
        -1, steps).mean(axis=1)  # fmt: skip


def _settled(share):
    """Rates of what comes after a share of the steps."""
    return lambda c, b, t, n: _raster(c, b, t, n)[int(share * n) :].mean(axis=0)


def _steps_a_spike(*arguments):
    with np.errstate(divide="ignore"):
        return 1 / firing_rates(*arguments)


FIRING_RATES = Exercise(
    "firing_rates", TOPIC, points=2,
    goal="run a state through time and average it",
    reference=firing_rates,
    cases=lambda rng: [
        *[(rng.uniform(0.01, 1.4, 12), beta, threshold, steps)
          for beta, threshold, steps in ((0.9, 1.0, 200), (0.75, 0.5, 64), (0.95, 1.5, 150))],
        at("a current is negative", rng.uniform(-3, -1.5, 3), 0.5, 1.0, 20),
        at("nobody fires for a long time", np.array([0.1001, 0.09]), 0.9, 1.0, 200),
    ],
    boundary=Boundary("currents are whole numbers",
                      lambda rng: [(np.array([0, 1, 2, 3]), 0.75, 2.5, int(rng.integers(20, 40)))]),
    mistakes=(
        Mistake("you count spikes. A rate is spikes a step: divide by steps.",
                lambda *a: _rates(*a, over=1)),
        Mistake("the voltage goes on growing after a spike: set it back.",
                lambda *a: _rates(*a, keep=True)),
        Mistake("you subtract θ at a spike; lif_step of this exercise resets to zero.",
                lambda *a: _rates(*a, subtract=True)),
        Mistake("your rates are 0 or 1 only. Does // throw the fraction away? Or does every step "
                "start from v = 0 again, where lif_step wants the voltage that it returned?",
                lambda c, b, t, n: _rates(c, 0.0, t, n)),
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
        Mistake("you start at the threshold. Start from v = 0.",
                lambda c, b, t, n: _rates(c, b, t, n, start=t)),
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
        Mistake("each neuron begins where the one before has ended. Every one starts from v = 0.",
                _one_after_another),
        Mistake("you leave out the steps in which it settles. All steps count, from v = 0.",
                *[_settled(share) for share in (0.1, 0.2, 0.25, 0.5)]),
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
    boundary=Boundary("one input alone is active", lambda rng: [(1, rng.uniform(0.3, 2))]),
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
    spikes, voltages = lif_run(torch.as_tensor(np.asarray(currents, dtype=float)), neuron)
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
    return [*cases, at("currents are negative", rng.uniform(-3, -1, (4, 2)), 0.5, 1.0),
            at("currents are whole numbers", rng.integers(0, 3, (6, 3)), 0.75, 1.25)]


LIF_DELAYED = Exercise(
    "lif_delayed", TOPIC, points=3,
    goal="follow another paper's convention to the letter",
    reference=lif_delayed,
    cases=_delayed_cases,
    boundary=Boundary("there is one neuron alone (N = 1)",
                      lambda rng: [(rng.uniform(0, 1.2, (12, 1)), 0.8, 1.25)]),
    mistakes=(
        Mistake("you fire at v ≥ θ. The threshold must be passed: v > θ, strictly.",
                lambda *a: _delayed(*a, fires=np.greater_equal)),
        Mistake("you reset in the step of the spike. Delayed means that s[t − 1], the spike of the "
                "step before, takes θ off.", lambda *a: _delayed(*a, now=True)),
        Mistake("you take θ off before the leak, in the step of the spike or in the brackets of "
                "β · (v − θ s), so that only β · θ is lost. In LocalZO's eq. 1, "
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
        Mistake("you start from v = currents[0], so that the first current counts twice. Start "
                "from v = 0.", lambda c, b, t: _delayed(
                    np.concatenate([c[:1] * (1 + b), c[1:]]), b, t)),
        Mistake("you take neurons for steps. The first axis of currents is time.",
                lambda c, b, t: tuple(part.T for part in _delayed(c.T, b, t))),
        Mistake("all rows of your voltages are the last one: you append one array and change it in "
                "place later. Make a new one each step, v = …, or append v.copy().",
                _last_everywhere),
        Mistake("all rows of your spikes are the last one: you append one array and write into it "
                "in every step. Make a new one each step, s = …, or append s.copy().",
                lambda *a: (_last_everywhere(*a, both=True)[0], lif_delayed(*a)[1])),
        Mistake("all your rows are the last one: you append one array and change it in place "
                "later. Make new ones each step, or append copies.",
                lambda *a: _last_everywhere(*a, both=True)),
        Mistake("spikes and voltages are the wrong way round: return (spikes, voltages).",
                lambda *a: _delayed(*a)[::-1]),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def voltage_trace(currents, beta, threshold):
    return _trace(currents, beta, threshold)


def _trace(currents, beta, threshold, *, rows="kept", resets=True, fires=np.greater,
           sets_back=None):  # fmt: skip
    """rows: which array stands in a row of the voltages; sets_back: who is, ``fires`` if None."""
    v, spikes, voltages = np.zeros(currents.shape[1]), [], []
    for current in currents:
        before = v
        v = beta * v + current
        s = fires(v, threshold)
        after = np.where((sets_back or fires)(v, threshold) & resets, 0, v)
        spikes.append(s.astype(float))
        voltages.append({"kept": v, "after": after, "before": before}.get(rows, v))
        v = after
    if rows == "one":
        voltages = [after] * len(currents)
    return np.array(spikes), np.array(voltages)


def _trace_subtracting(currents, beta, threshold):
    spikes, after = lif_run(torch.as_tensor(np.asarray(currents, dtype=float)),
                            LIFParameters(beta, threshold, "subtract"))  # fmt: skip
    return spikes.numpy(), (after + threshold * spikes).numpy()


VOLTAGE_TRACE = Exercise(
    "voltage_trace", TOPIC, points=2, kind="bug",
    goal="tell an array from a copy of it",
    reference=voltage_trace,
    cases=lambda rng: [
        (rng.uniform(0, 0.6, (8, 3)).round(2), 0.9, 1.0),
        (rng.uniform(-0.2, 1.2, (6, 2)).round(2), 0.5, 0.75),
        (np.array([[1.0, 2.0], [0.5, 1.0], [0.25, 0.5]]), 0.5, 1.0),
        at("currents are whole numbers", rng.integers(0, 3, (6, 3)), 0.75, 1.25),
    ],
    mistakes=(
        Mistake("all rows of the voltages are the last one, as in the loop that was given. How "
                "many arrays does your loop make, and how many does it append?",
                lambda *a: _trace(*a, rows="one")),
        Mistake("each step has a row of its own now, but where the neuron fires you have recorded "
                "a 0: the voltage after its reset, or one that the reset still changes.",
                lambda *a: _trace(*a, rows="after")),
        Mistake("your voltages come one step late: record a step's voltage when its current has "
                "been added.", lambda *a: _trace(*a, rows="before")),
        Mistake("you have lost the reset. It stays; only what is recorded has to be saved from it.",
                lambda *a: _trace(*a, resets=False)),
        Mistake("at exactly θ a neuron does not fire.",
                lambda *a: _trace(*a, fires=np.greater_equal)),
        Mistake("you subtract θ at a spike. The loop that was given sets the voltage back to 0.",
                _trace_subtracting),
        Mistake("a voltage of exactly θ does not fire, so it is not set back either.",
                lambda *a: _trace(*a, sets_back=np.greater_equal)),
        Mistake("you draw the threshold where the neuron fires. The voltage that was compared with "
                "it lies above.", lambda x, b, t: (_trace(x, b, t)[0],
                                                   np.minimum(_trace(x, b, t)[1], t))),
        Mistake("spikes and voltages are the wrong way round: return (spikes, voltages).",
                lambda *a: _trace(*a)[::-1]),
        Mistake("you record a voltage that has leaked, before its current has been added.",
                lambda *a: (_trace(*a)[0], a[1] * _trace(*a, rows="before")[1])),
        Mistake("you record how far the voltage is from θ. Asked is the voltage itself.",
                lambda x, b, t: (_trace(x, b, t)[0], _trace(x, b, t)[1] - t)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- train, and design

PIXELS, EACH = 17, 40


@cache
def _recordings():
    """Frames (5, B, 289) and labels of the digits 0 to 3: known ones, and unseen ones."""
    return tuple(part.numpy() for part in four_digits(train=400, unseen=50))


def _drawn(rng, digits):
    """Known frames and labels, EACH of every digit, and all unseen ones."""
    known, labels, unseen, truth = _recordings()
    rows = [rng.permutation(np.flatnonzero(labels == digit))[:EACH] for digit in digits]
    rows, others = np.concatenate(rows), np.flatnonzero(np.isin(truth, digits))
    return known[:, rows], labels[rows], unseen[:, others], truth[others]


def _counts(weights, frames):
    """Spikes (B, N) of neurons with weights (N, 289), β = 0.9 and θ = 1."""
    return lif_run(torch.from_numpy(frames @ weights.T), LIFParameters(0.9, 1.0))[0].sum(0).numpy()


def _weights(given, neurons, wanted):
    weights = np.asarray(given, dtype=float)
    turned = weights.ndim > 1 and len(weights) != neurons
    if weights.size != neurons * PIXELS**2 or turned or not np.isfinite(weights).all():
        raise NotYet(f"  Return {wanted}, finite numbers; yours has the shape {weights.shape}.")
    return weights.reshape(neurons, -1)


class Tried(np.ndarray):
    """Recordings that note with which rows of weights (289,) they are multiplied: ``met``, one set
    for all parts and copies of them."""

    def __array_finalize__(self, source):
        self.met = getattr(source, "met", None)

    def __deepcopy__(self, memo):
        return self.copy()

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if ufunc is np.matmul:
            self.note(inputs)
        inputs, out = ([x.view(np.ndarray) if isinstance(x, Tried) else x for x in arrays]
                       for arrays in (inputs, out))  # fmt: skip
        return getattr(ufunc, method)(*inputs, **(options | ({"out": tuple(out)} if out else {})))

    def __array_function__(self, function, types, arguments, options):
        if function in (np.dot, np.einsum, np.tensordot, np.inner):
            self.note(arguments)
        return super().__array_function__(function, types, arguments, options)

    def dot(self, other, out=None):
        return np.dot(self, other, out)

    def note(self, arrays):
        for x in arrays:
            if self.met is not None and not isinstance(x, Tried) and PIXELS**2 in np.shape(x):
                rows = np.moveaxis(x, np.shape(x).index(PIXELS**2), -1).reshape(-1, PIXELS**2)
                self.met.update(row.tobytes() for row in rows)


def learn_pair(frames, labels, tries, seed):
    rng, rows = np.random.default_rng(seed), np.arange(len(labels))

    def lead(weights):
        counts = _counts(weights, frames)
        return np.minimum(counts[rows, labels] - counts[rows, 1 - labels], 2).mean()

    weights = np.zeros((2, frames.shape[2]))
    best = lead(weights)
    for _ in range(tries):
        tried = weights + rng.normal(0, 0.2, weights.shape)
        if (now := lead(tried)) >= best:
            weights, best = tried, now
    return weights


def _pair(rng, tries=300):
    frames, labels, unseen, truth = _drawn(rng, (0, 1))
    frames = frames.view(Tried)
    frames.met = set()

    def right(weights) -> float:
        weights = _weights(weights, 2, "the weights of both neurons, (2, 289)")
        if not tries:
            return untried(weights)
        if len(frames.met) > 2 * tries + 40:  # a try changes two rows; and a few for something else
            raise NotYet(f"  You may make {tries} tries. Your loop has looked at the recordings "
                         f"with some {len(frames.met) // 2} different pairs of weights."
                         )  # fmt: skip
        counts = _counts(weights, unseen)
        if not counts.any():
            raise NotYet("  Neither neuron ever fires: your pair is still dead. How large is a "
                         "try, and how large a current wakes somebody?")  # fmt: skip
        rows = np.arange(len(truth))
        return float(np.mean(counts[rows, truth] > counts[rows, 1 - truth]))

    def untried(weights) -> float:
        if weights.any():
            raise NotYet("  After 0 tries the weights are what they were, all 0. How many tries "
                         "does your loop make if `tries` is 0, or 10?")  # fmt: skip
        return 0.0

    return (frames, labels, tries, int(rng.integers(1000))), right


LEARN_PAIR = Open(
    "learn_pair", TOPIC, points=3, kind="train",
    goal="wake two dead neurons and let them learn by trial and error",
    reference=learn_pair, trial=_pair, less=0, forward_only=True, seeded=True,
    marks=((0.65, 1), (0.78, 2), (0.88, 3)), wording="{:.0%} of unseen digits right".format,
)  # fmt: skip


def eight_neurons(pictures):
    weights = np.zeros((8, PIXELS, PIXELS))
    corners = [(row, column) for row in (3, 7, 11) for column in (3, 7, 11)]
    corners.remove((7, 7))
    for picture, (row, column) in zip(weights, corners, strict=True):
        picture[row : row + 4, column : column + 4] = 0.08
    return weights


def nearest_counts(counts, labels, unknown):
    """Labels whose average counts lie nearest to the counts (m, N) of unknown recordings."""
    means = np.stack([counts[labels == digit].mean(axis=0) for digit in np.unique(labels)])
    return ((unknown[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)


def _eight(rng):
    frames, labels, unseen, truth = _drawn(rng, range(4))
    means = [frames[:, labels == digit].mean(axis=(0, 1)) for digit in range(4)]

    def right(weights) -> float:
        weights = _weights(weights, 8, "eight pictures of weights, (8, 17, 17)")
        known, unknown = _counts(weights, frames), _counts(weights, unseen)
        if not known.any():
            why = "their currents are too small" if (weights > 0).any() else "no weight is above 0"
            raise NotYet(f"  None of the eight ever fires: {why}.")
        return float(np.mean(nearest_counts(known, labels, unknown) == truth))

    return (np.stack(means).reshape(4, PIXELS, PIXELS),), right


EIGHT_NEURONS = Open(
    "eight_neurons", TOPIC, points=3,
    goal="design what a neuron looks for",
    reference=eight_neurons, trial=_eight,
    marks=((0.62, 1), (0.68, 2), (0.74, 3)),
    wording="{:.1%} of four digits read right by eight neurons".format,
)  # fmt: skip
