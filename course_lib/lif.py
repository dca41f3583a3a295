"""Leaky integrate-and-fire (LIF) neurons: one step, and a whole run.

For each neuron, at each time step t,

    v[t] = β · v[t−1] + I[t]          leak, then integrate the input current
    s[t] = 1  if v[t] > θ  else  0    fire (strictly above the threshold)
    v[t] ← v[t] · (1 − s[t])          reset to zero, or
    v[t] ← v[t] − θ · s[t]            reset by subtraction

The reset takes effect within the step. Many libraries delay it instead: the voltage is left as it
is when the neuron fires and the reset is applied at the start of the next step
(``reset_delay=True``), which is LocalZO's eq. 1 for the subtracting reset:

    v[t] = β · v[t−1] + I[t] − θ · s[t−1]            delayed, by subtraction
    v[t] = β · v[t−1] · (1 − s[t−1]) + I[t]          delayed, to zero

All quantities are dimensionless: a voltage of 1 is the default threshold, and time is counted in
steps. ``conventions.md`` beside this file compares these conventions with the papers' and with
other libraries'.

Sources: Gradient-Free Training of SNNs via Low-Rank Evolution Strategies (arXiv 2605.30361),
eq. 1; Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023), eq. 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

RESETS = ("zero", "subtract")


@dataclass(frozen=True)
class LIFParameters:
    """What defines a LIF neuron.

    beta:        β, fraction of the voltage kept from one step to the next; 0 ≤ β ≤ 1.
                 A membrane time constant τ (in steps) gives β = exp(−1/τ).
    threshold:   θ > 0, the voltage above which the neuron fires.
    reset:       "zero" or "subtract".
    reset_delay: False, the reset takes effect in the step of the spike; True, in the next one.

    In a network, β and θ may be a number for each layer, as in beta=(0.9, 0.95): see ``by_layer``.
    Raises ValueError for a value outside these ranges.
    """

    beta: float | tuple[float, ...] = 0.9
    threshold: float | tuple[float, ...] = 1.0
    reset: str = "zero"
    reset_delay: bool = False

    def __post_init__(self):
        for name in ("beta", "threshold"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if not all(0 <= beta <= 1 for beta in _each(self.beta)):
            raise ValueError(f"beta is {self.beta}; the leak must lie between 0 and 1")
        if not all(0 < threshold < float("inf") for threshold in _each(self.threshold)):
            raise ValueError(f"threshold is {self.threshold}; it must be a positive number")
        if self.reset not in RESETS:
            raise ValueError(f"reset is {self.reset!r}; choose one of {', '.join(RESETS)}")

    def by_layer(self, layers: int) -> list["LIFParameters"]:
        """Those of each layer, with one β and one θ.

        Raises ValueError unless there are one or as many of both as there are layers.
        """
        given = {name: value for name, value in (("beta", self.beta), ("threshold", self.threshold))
                 if isinstance(value, tuple)}  # fmt: skip
        for name, values in given.items():
            if len(values) != layers:
                raise ValueError(f"{name} has {len(values)} values; give one, or one for each of "
                                 f"{layers} layers")  # fmt: skip
        return [replace(self, **{name: values[index] for name, values in given.items()})
                for index in range(layers)] if given else [self] * layers  # fmt: skip


def _each(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def heaviside(distance: Tensor) -> Tensor:
    """The spike s = 1[u > 0] of the distance to threshold u = v − θ. Its gradient is zero."""
    return (distance > 0).to(distance.dtype)


SpikeFunction = Callable[[Tensor], Tensor]


def lif_step(
    current: Tensor,
    voltage: Tensor,
    parameters: LIFParameters,
    spike: SpikeFunction = heaviside,
) -> tuple[Tensor, Tensor]:
    """Advance LIF neurons by one time step.

    current: I[t], any shape; voltage: v[t−1], the same shape.
    spike:   maps v − θ to spikes; replace it to give the spike another derivative.

    Returns (spikes s[t], voltage v[t]), both of the shape of ``current``. The voltage is the one
    that enters the next step: after the reset, or before it if the reset is delayed.

    The reset treats s as a constant: no gradient flows through it, as is usual in surrogate
    training, because the derivative of the reset would be as made up as the surrogate itself.
    """
    beta, threshold = parameters.beta, parameters.threshold
    if parameters.reset_delay:
        fired_before = heaviside(voltage.detach() - threshold)
        if parameters.reset == "zero":
            voltage = beta * ((1 - fired_before) * voltage) + current
        else:
            voltage = beta * voltage + current - fired_before * threshold
        return spike(voltage - threshold), voltage

    voltage = beta * voltage + current
    spikes = spike(voltage - threshold)
    fired = spikes.detach()
    if parameters.reset == "zero":
        return spikes, voltage * (1 - fired)
    return spikes, voltage - fired * threshold


def lif_run(
    currents: Tensor,
    parameters: LIFParameters,
    spike: SpikeFunction = heaviside,
    voltage: Tensor | None = None,
    keep_voltages: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """Run LIF neurons over time.

    currents: (T, ...), the input current of each step.
    voltage:  (...), the voltage before the first step; zero if not given.
    keep_voltages: False saves the memory of what only looking needs; voltages are None then.

    Returns (spikes, voltages), both (T, ...): see ``lif_step``.
    Raises ValueError if ``currents`` has no time axis or no time steps.
    """
    if currents.dim() == 0 or len(currents) == 0:
        raise ValueError(
            f"currents has shape {tuple(currents.shape)}; expected (T, ...) with at least one step"
        )
    voltage = torch.zeros_like(currents[0]) if voltage is None else voltage
    spikes, voltages = [], []
    for current in currents:
        fired, voltage = lif_step(current, voltage, parameters, spike)
        spikes.append(fired)
        if keep_voltages:
            voltages.append(voltage)
    return torch.stack(spikes), torch.stack(voltages) if keep_voltages else None


def leaky_run(currents: Tensor, beta: float) -> Tensor:
    """Run leaky integrators that never fire: v[t] = β · v[t−1] + I[t], from v = 0.

    currents: (T, ...). Returns the voltages, (T, ...).
    """
    voltages, voltage = [], torch.zeros_like(currents[0])
    for current in currents:
        voltage = beta * voltage + current
        voltages.append(voltage)
    return torch.stack(voltages)
