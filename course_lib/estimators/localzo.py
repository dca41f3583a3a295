"""LocalZO: a zeroth-order derivative for each spike, and SparseGrad, its deterministic rival.

The spike h(u) = 1[u > 0], u = v − θ, has no useful derivative. LocalZO measures one by a two-point
finite difference over a random distance δz, one of its own for every neuron and time step:

    G²(u; z) = (h(u + δz) − h(u − δz)) z / (2δ) = |z|/(2δ) · 1[|u| < δ|z|]          eq. 5
    ∂s/∂u ≈ G = (c/m) Σ_k |z_k|^α/(2δ) · 1[|u| < δ|z_k|],     z_k ~ λ               eq. 6 and 7

and backpropagates through time with it. On average G is an ordinary surrogate
(``smoothing.py``, where c comes from, too), but most neurons at most times have G = 0 exactly, and
those take no part in the backward pass. SparseGrad gets there without chance: it uses the expected
surrogate and cuts it off where |u| exceeds LocalZO's expected threshold.

The numbers z are drawn in the forward pass, from a counter-based stream. So a compiled pass that
looks at active entries only can ask for the few that it needs, and fills in the gradient of the
autograd loop below.

Sources: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023);
SparseGrad: Perez-Nieves and Goodman, Sparse Spiking Gradient Descent (NeurIPS 2021).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from course_lib.estimators.base import KERNELS, check_batch, check_choice
from course_lib.estimators.smoothing import match_surrogate, named_smoothing
from course_lib.estimators.spike_derivative import (
    Smoothing,
    ZerothOrderSpike,
    check_samples,
    stream_key,
)
from course_lib.estimators.surrogate import Unrolled, Watched, surrogate_spike
from course_lib.fast import PseudoDerivative, event_driven
from course_lib.noise import STREAMS, torch_generator


@dataclass
class _Smoothed(Unrolled):
    """What LocalZO and SparseGrad share.

    delta:        δ > 0, how far a finite difference reaches, in units of voltage.
    samples:      m ≥ 1, draws a neuron and time step.
    distribution: λ: "normal", "uniform" or "laplace"; a surrogate to be met in expectation,
                  "sigmoid", "fast_sigmoid" or a function g(u) of one's own; or a ``Smoothing``.
    alpha:        α of eq. 7; by default 1, and −1 for the fast sigmoid.
    seed:         of z, together with the step.
    kernel:       "auto": the compiled pass where there is one; "readable": the loop below; "fused":
                  the compiled pass, or a ValueError that says what keeps it from being used.

    and as for Unrolled: loss, pull.

    Raises ValueError naming the theorem's condition that δ, m, α, λ or g breaks.
    """

    shown = ("distribution", "delta", "samples")

    delta: float = 0.5
    samples: int = 5
    distribution: str | Smoothing | Callable[[Tensor], Tensor] = "normal"
    alpha: float | None = None
    seed: int = 0
    kernel: str = field(default="auto", repr=False)
    smoothing: Smoothing = field(init=False, repr=False, compare=False)
    #: share of (t, b, neuron) entries with G ≠ 0 in the last step
    active_fraction: float | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self):
        super().__post_init__()
        self.samples = check_samples(self.samples)
        check_choice("kernel", self.kernel, KERNELS)
        given = self.distribution
        if isinstance(given, Smoothing):
            if given.delta != self.delta or self.alpha not in (None, given.alpha):
                raise ValueError(
                    f"the smoothing {given.name!r} was made for delta {given.delta} and alpha "
                    f"{given.alpha:g}, not {self.delta} and {self.alpha}; make it anew"
                )
            self.smoothing = given
        elif callable(given):
            self.smoothing = match_surrogate(
                given, self.delta, 1.0 if self.alpha is None else self.alpha
            )
        else:
            self.smoothing = named_smoothing(given, self.delta, self.alpha)

    @property
    def reads_events(self) -> bool:
        return self.kernel != "readable"

    def fill_grads(self, network, frames, labels, step=0):
        check_batch(network, frames, labels)
        network.zero_grad(set_to_none=True)
        if run := event_driven(self, network, frames, step):
            self.active_fraction = run.active_fraction
            return run.learn(labels)
        spike = Watched(self.spike(step))
        loss = self.judge(network, frames, labels, spike)
        loss.backward()
        self.active_fraction = next(iter(spike.shares()), None)
        return loss.item()


@dataclass
class LocalZO(_Smoothed):
    """Fill ``.grad`` by BPTT with LocalZO's spike derivative G.

    Drawn anew for every neuron, time step and ``step``. Arguments and errors: see ``_Smoothed``.
    """

    name, label = "localzo", "LocalZO"

    def spike(self, step: int) -> ZerothOrderSpike:
        """The spike function of this step; the same step draws the same z."""
        return ZerothOrderSpike(self.smoothing, self.samples, self._generator(step))

    def _generator(self, step: int) -> torch.Generator:
        return torch_generator(self.seed, STREAMS["local zeroth order"], step)

    def pseudo_derivative(self, step: int) -> PseudoDerivative:
        """The same draws for the kernel."""
        thresholds, weights = self.smoothing.tables
        key = stream_key(self._generator(step))
        return PseudoDerivative(thresholds[-1], None, key, self.samples, thresholds, weights)


@dataclass
class SparseGrad(_Smoothed):
    """Fill ``.grad`` by BPTT with the expected surrogate, zero where |u| ≥ B_th.

    B_th is LocalZO's expected threshold δ E[max |z_k|] (eq. 21) at the same λ, δ and m. Nothing is
    drawn: ``seed`` has no effect. Arguments and errors: see ``_Smoothed``.
    """

    name, label = "sparsegrad", "SparseGrad"

    def spike(self, step: int):
        """The spike function; every step has the same."""
        return surrogate_spike(self._derivative)

    def pseudo_derivative(self, step: int) -> PseudoDerivative:
        """The same for the kernel."""
        return PseudoDerivative(self.threshold, self._derivative)

    @property
    def threshold(self) -> float:
        """B_th, in units of voltage."""
        return self.smoothing.expected_threshold(self.samples)

    def _derivative(self, distance: Tensor) -> Tensor:
        return self.smoothing.surrogate(distance) * (distance.abs() < self.threshold)
