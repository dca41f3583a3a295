"""Surrogate-gradient backpropagation through time (BPTT): the baseline that uses backprop.

The spike s = 1[u > 0], u = v − θ, has derivative zero wherever it has one. Surrogate training
keeps the spike in the forward pass and puts a bump around the threshold in its place when
differentiating:

    ∂s/∂u ≈ g(u)

Autograd then unrolls the network over time as if it were a recurrent network.

Source: Neftci, Mostafa and Zenke 2019, Surrogate Gradient Learning in Spiking Neural Networks,
IEEE Signal Processing Magazine 36(6), doi 10.1109/MSP.2019.2931595.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.estimators.base import check_batch, check_choice
from course_lib.estimators.unrolled import Unrolled
from course_lib.lif import SpikeFunction, heaviside


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
