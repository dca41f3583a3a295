"""How well a method's gradient agrees with backpropagation's, and how much it varies.

For the gradient g_k of training step k = 1 … R at fixed weights and a fixed batch, g* that of
backpropagation through time and ḡ the mean of the g_k, for each layer (its weights and bias):

    cosine             mean over k of ⟨g_k, g*⟩ / (‖g_k‖ ‖g*‖)       one step's direction
    mean_cosine        ⟨ḡ, g*⟩ / (‖ḡ‖ ‖g*‖)                          what many steps agree on
    variance           Σ_k ‖g_k − ḡ‖² / (R − 1)                      summed over the entries
    relative_variance  variance / ‖g*‖²                              noise for each unit of signal
    scale              ‖ḡ‖ / ‖g*‖                                    methods may be off by a factor

A method that is off by a factor s has s² times the relative variance that its direction deserves:
divide by scale² before comparing (OPZO's feedback starts at zero, and DFA's length is arbitrary).
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.estimators.base import Estimator
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.network import SpikingNetwork


class LayerAlignment(NamedTuple):
    """Figures of one layer, see above. Cosines with a gradient of length zero are nan."""

    cosine: float
    mean_cosine: float
    variance: float
    relative_variance: float
    scale: float


def alignment(
    network: SpikingNetwork,
    estimator: Estimator,
    frames: Tensor,
    labels: Tensor,
    repeats: int = 20,
    reference: Estimator | None = None,
    first_step: int = 0,
) -> list[LayerAlignment]:
    """Compare ``estimator`` with backpropagation on one batch, layer by layer.

    repeats:    R, how many steps' noise to look at: steps first_step … first_step + R − 1.
    reference:  what to compare with; SurrogateBPTT() if not given.

    Weights, ``.grad`` and the estimator's state are left as they were; each repeat starts from the
    same state (an OPZO that has not trained has feedback zero, so let it train first).
    Memory: four gradients. Raises ValueError for fewer than 2 repeats.
    """
    if repeats < 2:
        raise ValueError(f"repeats is {repeats}; a variance needs at least 2")
    kept = [parameter.grad for parameter in network.parameters()]
    state = copy.deepcopy(estimator.state_dict())
    for parameter in network.parameters():
        parameter.grad = None  # so that kept gradients cannot be overwritten in place
    (reference or SurrogateBPTT()).fill_grads(network, frames, labels, first_step)
    truths = _gradients(network)

    means = [torch.zeros_like(truth) for truth in truths]
    cosines, squares = [0.0] * len(truths), [0.0] * len(truths)
    for k in range(repeats):
        estimator.load_state_dict(copy.deepcopy(state))
        estimator.fill_grads(network, frames, labels, first_step + k)
        for index, (gradient, truth) in enumerate(zip(_gradients(network), truths, strict=True)):
            cosines[index] += _cosine(gradient, truth) / repeats
            before = gradient - means[index]
            means[index] += before / (k + 1)
            squares[index] += torch.dot(before, gradient - means[index]).item()  # Welford's update

    estimator.load_state_dict(state)
    for parameter, gradient in zip(network.parameters(), kept, strict=True):
        parameter.grad = gradient
    return [
        LayerAlignment(
            cosine=cosine,
            mean_cosine=_cosine(mean, truth),
            variance=square / (repeats - 1),
            relative_variance=square / (repeats - 1) / _over(truth.square().sum().item()),
            scale=mean.norm().item() / _over(truth.norm().item()),
        )
        for cosine, mean, square, truth in zip(cosines, means, squares, truths, strict=True)
    ]


def _gradients(network: SpikingNetwork) -> list[Tensor]:
    """One vector a layer, weights then bias."""
    return [torch.cat([layer.weight.grad.flatten(), layer.bias.grad]) for layer in network.layers]


def _cosine(a: Tensor, b: Tensor) -> float:
    return torch.dot(a, b).item() / _over(a.norm().item() * b.norm().item())


def _over(length: float) -> float:
    return length or float("nan")
