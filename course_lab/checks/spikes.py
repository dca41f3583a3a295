"""Exercises of lesson 02, first part: one step of a neuron, and when it fires."""

import math

import numpy as np
import torch

from course_lab.checks.engine.engine import Exercise, Mistake, Property
from course_lib.lif import LIFParameters
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
        Mistake("that is θ − β, or θ · 1 − β without its parentheses. θ multiplies all of 1 − β.",
                lambda beta, threshold: threshold - beta),
        Mistake("1 / (1 − β) says how many times the current the voltage becomes. The current is θ "
                "divided by that.", lambda beta, threshold: 1 / (1 - beta)),
        Mistake("you divide by θ. A higher threshold asks for a larger current: multiply.",
                lambda beta, threshold: (1 - beta) / threshold),
        Mistake("the sign is wrong: what leaks away is 1 − β, a positive number.",
                lambda beta, threshold: threshold * (beta - 1)),
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
        if reset == "old":
            return s, voltage * (1 - s)
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
    if inside <= 0:
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
        (1.0, 0.5, 1.5), (0.5, 0.5, 1.0),  # exactly θ at step 2, and in the limit: no spike
        (2.5, 0.5, 1.0),
        *[(rng.uniform(0.1, 1.2), rng.uniform(0.6, 0.97), rng.uniform(0.5, 1.5)) for _ in range(5)],
    ],
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
                "is ⌊x⌋ + 1.", _interval_variant(round, add=0)),
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
        Mistake(_ONE_LESS, _interval_variant(share=lambda i, b, t: 1 - t * (1 - b) / i)),
        Mistake(_ONE_LESS, _interval_variant(
            share=lambda i, b, t: 1 - t * (1 - b) / i if i > t * (1 - b) else math.inf)),
        Mistake("you call every neuron silent. It is silent only where 1 − θ (1 − β) / I is not "
                "above 0; look at the comparison and at the parentheses.", lambda *a: math.inf),
        Mistake("the quotient is upside down: n ln β < ln(…), so n > ln(…) / ln β.",
                _interval_variant(quotient=lambda inside, leak: leak / inside)),
        Mistake("a minus too many: both logarithms are negative, and ln(…) / ln β is positive.",
                _interval_variant(quotient=lambda inside, leak: -inside / leak)),
        Mistake("you return the rate 1/n*; asked is the interval n* itself.",
                lambda *a: 1 / spike_interval(*a)),
        Mistake("one step too many: ⌈…⌉ is already the next whole number.",
                _interval_variant(math.ceil)),
    ),
)  # fmt: skip

EXERCISES = (LOWEST_CURRENT, LIF_STEP, SPIKE_INTERVAL)
