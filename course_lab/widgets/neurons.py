"""Lesson 02: leak, threshold, input current and reset of one neuron."""

import math

import ipywidgets as ipw
import numpy as np
import torch

from course_lab import neuron_figures
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, plural, slider
from course_lib.lif import LIFParameters, lif_run
from course_lib.run.figures import COLOURS, style

TRACE_STEPS = 60
RATE_STEPS = 600


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


def render_neuron(values: dict) -> tuple[bytes, str, str]:
    """One LIF neuron. values: "beta", "threshold", "current", "reset" ("zero" or "subtract")."""
    beta, threshold, current = values["beta"], values["threshold"], values["current"]
    neuron = LIFParameters(beta, threshold, values["reset"])

    def run(currents, steps):
        drive = torch.as_tensor(currents, dtype=torch.float64).expand(steps, -1)
        return lif_run(drive, neuron)

    spikes, after = (values[:, 0].numpy() for values in run([current], TRACE_STEPS))
    voltages = beta * np.append(0, after[:-1]) + current  # as they are compared with θ
    axis = np.linspace(0, 1.5, 151)
    rates = run(axis, RATE_STEPS)[0].mean(dim=0).numpy()
    rate = run([current], RATE_STEPS)[0].mean().item()

    figure, (left, right) = new_figure(1, 2, width=9, height=3.2)
    with style():
        neuron_figures.crossings(left, voltages, spikes, threshold, after)
        neuron_figures.fi_curve(right, axis, rates)
        right.axvline(current, color=COLOURS["blue"], linestyle="--", linewidth=1.2)
        right.plot([current], [rate], "D", color=COLOURS["blue"], markersize=9)
        right.set_title("firing rate, your current marked")
    wait = first_spike(beta, threshold, current)
    first = "never" if wait == math.inf else f"after {plural(wait, 'step')}"
    numbers = (
        f"β = {beta:.2f}, θ = {threshold:.2f}, I = {current:.2f}: {regime(rate)}, "
        f"{plural(int(spikes.sum()), 'spike')} in {TRACE_STEPS} steps, rate "
        f"{rate:.3f} a step; can fire if I > {threshold * (1 - beta):.3f}; "
        f"closed form: first spike {first}"
    )
    alt = (
        f"Left: voltage and spikes of a neuron over {TRACE_STEPS} steps, reset: {values['reset']}. "
        f"Right: its rate against the current. {numbers}"
    )
    return png(figure), numbers, alt


def lif_neuron() -> Sweep:
    """Lesson 02: leak, threshold, input current and reset of one neuron."""
    return Sweep(
        render_neuron,
        {
            "beta": slider(
                ipw.FloatSlider, "memory β (share kept)", 0.9, 0, 1, 0.01, ".2f"
            ),
            "threshold": slider(ipw.FloatSlider, "threshold θ (voltage)", 1.0, 0.1, 2, 0.05, ".2f"),
            "current": slider(
                ipw.FloatSlider, "current I (voltage a step)", 0.15, 0, 1.5, 0.01, ".2f"
            ),
            "reset": choice("reset", [("to zero", "zero"), ("by subtraction", "subtract")]),
        },
    )
