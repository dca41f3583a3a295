"""What the widgets show: one setting -> (PNG, line of key numbers, description in words).

Pure functions: the same values give the same bytes, and nothing is kept between calls but data
that never change.
"""

import functools
import math

import numpy as np
import torch

from course_lib.events import load_digits, simulate
from course_lib.events.compare import count_frames
from course_lib.lab import event_figures, neuron_figures
from course_lib.lab.figures import COLOURS, style
from course_lib.lab.picture import new_figure, png
from course_lib.lif import LIFParameters, lif_run

SHOWN = 10  # frames in a strip at most
TRACE_STEPS = 60
RATE_STEPS = 600


def plural(count: int, noun: str) -> str:
    """ "1 frame", "2 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@functools.cache
def recording(digit: int):
    """The saccade-digit recording of the first example of a digit, seed 0; read only."""
    events = simulate(load_digits().images[500 * digit], seed=0)
    events.flags.writeable = False
    return events


def event_bins(values: dict) -> tuple[bytes, str, str]:
    """Frames of one recording. values: "digit" 0 to 9, "bins" T, "clamp" True or False."""
    digit, bins, clamp = values["digit"], values["bins"], values["clamp"]
    events = recording(digit)
    counts = count_frames(events, bins)
    inputs = counts.clip(0, 1) if clamp else counts
    shown = np.unique(np.linspace(0, bins - 1, min(bins, SHOWN)).round().astype(int))
    figure, axes = new_figure(2, 5, height=3.4)
    with style():
        titles = [f"frame {k + 1} of {bins}" for k in shown]
        if clamp:
            event_figures.strip(axes, inputs[shown], titles)
        else:
            largest = int(counts.sum(axis=1).max())
            for position, ax in enumerate(axes.ravel()):
                if position < len(shown):
                    both = counts[shown[position]].sum(axis=0)
                    event_figures.counts(ax, both, titles[position], largest)
                else:
                    ax.set_axis_off()
    width = (int(events["t"][-1]) - int(events["t"][0])) / bins / 1000
    kept = inputs.sum() / len(events)
    active = np.count_nonzero(inputs) / bins
    # Bits of one input: 1 where clamped, else enough for the largest count.
    memory = inputs.size * max(1, math.ceil(math.log2(inputs.max() + 1))) / 8000
    numbers = (
        f"digit {digit}, T = {plural(bins, 'frame')} of {width:.1f} ms: {100 * kept:.0f} % of "
        f"{len(events):,} events kept, largest input {inputs.max()}, on average {active:.0f} of "
        f"2,312 inputs active a frame, {memory:.1f} kB"
    )
    alt = (
        f"{len(shown)} of {bins} frames of a digit {digit}, "
        + ("with one colour for each polarity" if clamp else "darker where a pixel had more events")
        + f"; {numbers}"
    )
    return png(figure), numbers, alt


def first_spike(beta: float, threshold: float, current: float) -> float:
    """Steps of constant current from v = 0 to the first v > θ; infinite below the rheobase.

    v[n] = I (1 − βⁿ)/(1 − β) > θ holds from n = ⌊ln(1 − θ(1 − β)/I) / ln β⌋ + 1 on.
    """
    if current <= threshold * (1 - beta):
        return math.inf
    if beta == 0:
        return 1
    if beta == 1:
        return math.floor(threshold / current) + 1
    return math.floor(math.log(1 - threshold * (1 - beta) / current) / math.log(beta)) + 1


def regime(rate: float) -> str:
    """Silence, regular firing or saturation."""
    return "silence" if rate == 0 else "saturation" if rate == 1 else "regular firing"


def lif_neuron(values: dict) -> tuple[bytes, str, str]:
    """One LIF neuron. values: "beta", "threshold", "current", "reset" ("zero" or "subtract")."""
    beta, threshold, current = values["beta"], values["threshold"], values["current"]
    neuron = LIFParameters(beta, threshold, values["reset"])

    def run(currents, steps):
        drive = torch.as_tensor(currents, dtype=torch.float64).expand(steps, -1)
        return lif_run(drive, neuron)

    spikes, voltages = run([current], TRACE_STEPS)
    axis = np.linspace(0, 1.5, 151)
    rates = run(axis, RATE_STEPS)[0].mean(dim=0).numpy()
    rate = run([current], RATE_STEPS)[0].mean().item()

    figure, (left, right) = new_figure(1, 2, width=9, height=3.2)
    with style():
        neuron_figures.voltage(left, voltages[:, 0], spikes[:, 0], threshold)
        left.set_title("voltage after the reset, and spikes")
        neuron_figures.fi_curve(right, axis, rates)
        right.axvline(current, color=COLOURS["blue"], linestyle="--", linewidth=1.2)
        right.plot([current], [rate], "D", color=COLOURS["blue"], markersize=9)
        right.set_title("firing rate, your current marked")
    wait = first_spike(beta, threshold, current)
    first = "never" if wait == math.inf else f"after {plural(wait, 'step')}"
    numbers = (
        f"β = {beta:.2f}, θ = {threshold:.2f}, I = {current:.2f}: {regime(rate)}, "
        f"{plural(int(spikes.sum()), 'spike')} in {TRACE_STEPS} steps, rate "
        f"{rate:.3f} a step; lowest current that fires {threshold * (1 - beta):.3f}; "
        f"closed form: first spike {first}"
    )
    alt = (
        f"Left: voltage and spikes of a neuron over {TRACE_STEPS} steps, reset: {values['reset']}. "
        f"Right: its rate against the current. {numbers}"
    )
    return png(figure), numbers, alt
