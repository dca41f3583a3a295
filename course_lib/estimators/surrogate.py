"""Surrogate-gradient backpropagation through time (BPTT): the baseline that uses backprop.

The spike s = 1[u > 0], u = v − θ, has derivative zero wherever it has one. Surrogate training
keeps the spike in the forward pass and puts a bump around the threshold in its place when
differentiating:

    ∂s/∂u ≈ g(u)

Autograd then unrolls the network over time as if it were a recurrent network. The loss that it
differentiates, in every method that backpropagates through time (``Unrolled``), is one of

    accumulated    L = CE(c ō, y),   ō = (1/T) Σ_t o[t]              of the answer of all T steps
    each_step      L = (1 − λ) (1/T) Σ_t CE(c o[t], y) + λ (1/T) Σ_t ⟨(o[t] − θ)²⟩

o[t] is the output's voltage ("membrane" readout) or spike ("rate"), c the logit scale, CE the
cross-entropy, ⟨⟩ the mean over classes. The second is temporal efficient training (TET): every
step has to answer, and λ keeps outputs near the threshold, so that no single step outweighs the
others. OTTT and its kin know the same loss, without λ: see ``online.py``.

Sources: Neftci, Mostafa and Zenke 2019, Surrogate Gradient Learning in Spiking Neural Networks,
IEEE Signal Processing Magazine 36(6), doi 10.1109/MSP.2019.2931595; Deng et al. 2022, Temporal
Efficient Training of Spiking Neural Network via Gradient Re-weighting (arXiv 2202.11946): L_TET,
and its total with L_MSE. LocalZO's paper trains by it, too, in section 5.1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.estimators.base import LOSSES, UNROLLED, Estimator, check_batch, check_choice
from course_lib.fitness import cross_entropy
from course_lib.lif import SpikeFunction, heaviside
from course_lib.network import SpikingNetwork


def fast_sigmoid(distance: Tensor, slope: float) -> Tensor:
    """g(u) = 1 / (1 + k|u|)²: height 1, area 2/k (Zenke and Ganguli 2018)."""
    return 1 / (1 + slope * distance.abs()) ** 2


def sigmoid(distance: Tensor, slope: float) -> Tensor:
    """g(u) = k σ(ku) (1 − σ(ku)), the slope of a logistic function: height k/4, area 1."""
    value = torch.sigmoid(slope * distance)
    return slope * value * (1 - value)


def arctan(distance: Tensor, slope: float) -> Tensor:
    """g(u) = (k/2) / (1 + (π k u / 2)²), the slope of an arctangent: height k/2, area 1."""
    return slope / 2 / (1 + (math.pi / 2 * slope * distance) ** 2)


SURROGATES = {"fast_sigmoid": fast_sigmoid, "sigmoid": sigmoid, "arctan": arctan}


class _SurrogateSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distance, derivative):
        ctx.save_for_backward(derivative(distance))
        return heaviside(distance)

    @staticmethod
    def backward(ctx, grad_spikes):
        (derivative,) = ctx.saved_tensors
        return grad_spikes * derivative, None


def surrogate_spike(derivative: Callable[[Tensor], Tensor]) -> SpikeFunction:
    """A spike function: Heaviside forward, ``derivative(v − θ)`` backward."""
    return lambda distance: _SurrogateSpike.apply(distance, derivative)


class Watched:
    """A spike function that counts, call after call, the entries whose derivative is not zero: a
    call for each time step of a layer, layer after layer.

    active: the counts;   entries: of how many.
    """

    def __init__(self, spike: SpikeFunction):
        self.spike, self.active, self.entries = spike, [], []

    def __call__(self, distance: Tensor) -> Tensor:
        spikes = self.spike(distance)
        for derivative in getattr(spikes.grad_fn, "saved_tensors", ()):  # surrogate_spike
            self.active.append(torch.count_nonzero(derivative))
            self.entries.append(derivative.numel())
        return spikes

    def shares(self, layers: int = 1) -> list[float]:
        """Of the entries of so many layers, in each; an empty list if nothing was counted."""
        size = len(self.active) // layers
        return [float(sum(self.active[i : i + size])) / sum(self.entries[i : i + size])
                for i in range(0, layers * size, size or 1)]  # fmt: skip


@dataclass(kw_only=True)
class Unrolled(Estimator):
    """An estimator by backpropagation through time.

    loss: "accumulated", of the answer of all steps; or "each_step", of each step's output.
    pull: λ of TET, 0 ≤ λ < 1; with the loss "each_step".

    Raises ValueError for other values.
    """

    backward = UNROLLED
    normalises = True

    loss: str = "accumulated"
    pull: float = 0.0

    def __post_init__(self):
        check_choice("loss", self.loss, LOSSES)
        if not 0 <= self.pull < 1:
            raise ValueError(f"pull is {self.pull}; λ of TET must lie in [0, 1)")
        if self.pull and self.loss != "each_step":
            raise ValueError(
                f'pull is {self.pull}; it is part of the loss "each_step": choose that'
            )

    def spike(self, step: int) -> SpikeFunction:
        """The spike function of a training step, whose derivative is the method's own."""
        raise NotImplementedError

    def judge(
        self, network: SpikingNetwork, frames: Tensor, labels: Tensor, spike: SpikeFunction
    ) -> Tensor:
        """The loss, a number that can be differentiated."""
        if self.loss == "accumulated":
            return cross_entropy(network.logits(frames, spike=spike), labels)
        outputs = network.each_step(frames, spike=spike)
        loss = cross_entropy(network.logit_scale * outputs, labels).mean()
        if not self.pull:
            return loss
        distance = (outputs - network.neurons[-1].threshold).square().mean()
        return (1 - self.pull) * loss + self.pull * distance


@dataclass
class SurrogateBPTT(Unrolled):
    """Fill ``.grad`` by backpropagation through time with a surrogate derivative.

    surrogate: "fast_sigmoid", "sigmoid" or "arctan".
    slope:     k, how steep the surrogate is; larger is narrower.

    and as for Unrolled: loss, pull.

    Memory grows with T: autograd keeps every step's tensors until the backward pass.
    Raises ValueError for an unknown surrogate or a slope that is not positive.
    """

    name, label = "bptt", "BPTT"
    shown = ("surrogate",)

    surrogate: str = "fast_sigmoid"
    slope: float = 10.0

    def __post_init__(self):
        super().__post_init__()
        check_choice("surrogate", self.surrogate, SURROGATES)
        if not 0 < self.slope < math.inf:
            raise ValueError(f"slope is {self.slope}; it must be a positive number")

    def spike(self, step: int = 0) -> SpikeFunction:
        derivative = SURROGATES[self.surrogate]
        return surrogate_spike(lambda distance: derivative(distance, self.slope))

    def fill_grads(self, network, frames, labels, step=0):
        check_batch(network, frames, labels)
        network.zero_grad(set_to_none=True)
        loss = self.judge(network, frames, labels, self.spike())
        loss.backward()
        return loss.item()
