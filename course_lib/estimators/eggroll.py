"""EGGROLL: evolution strategies with low-rank perturbations.

Each member's perturbation of a weight matrix (out, in) is a product of two thin factors,

    E = A Bᵀ / √r,      A (out, r),  B (in, r) with independent Gaussian entries,

so that Var(E_jk) = 1 at every rank r. Neither the forward pass nor the gradient ever builds E:

    x (W + σE)ᵀ  =  x Wᵀ + (σ/√r) (x B) Aᵀ            x Wᵀ once for the whole population
    (1/Nσ) Σ f̃_i E_i  =  (1/(Nσ√r)) Σ f̃_i A_i B_iᵀ     one matrix product over all members

Memory per member is r (out + in) numbers in place of out · in, and factors are made again for the
gradient, from their counter. Biases get full Gaussian noise.

The population, its fitness and the order of a step stand in ``evolution.py``; ``fast/`` answers
the same two questions many times faster, with the same noise.

Sources: Sarkar et al. 2025, Evolution Strategies at the Hyperscale (arXiv 2511.16652), section 4;
Gradient-Free Training of SNNs via Low-Rank Evolution Strategies (arXiv 2605.30361), eq. 3 and 6.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.estimators.evolution import EvolutionStrategy
from course_lib.fast import engine
from course_lib.network import SpikingNetwork

CHUNK = 8  # draws evaluated together; it bounds the memory of the readable path


class Factors(NamedTuple):
    """The noise of M draws for one layer: a (M, out, r), b (M, in, r), bias (M, out)."""

    a: Tensor
    b: Tensor
    bias: Tensor


@dataclass
class EGGROLL(EvolutionStrategy):
    """Evolution strategies with perturbations of low rank; see EvolutionStrategy for the rest.

    rank: r ≥ 1, of a perturbation.
    """

    name, label = "eggroll", "EGGROLL"
    shown = ("rank", "population")

    rank: int = 1

    chunk = CHUNK

    def __post_init__(self):
        super().__post_init__()
        if self.rank < 1:
            raise ValueError(f"rank is {self.rank}; it must be ≥ 1")

    def lengths(self, network):
        """Of each layer: A, B and the bias noise."""
        shapes = [layer.weight.shape for layer in network.layers]
        return [n for m, k in shapes for n in (m * self.rank, k * self.rank, m)]

    def factors(self, network: SpikingNetwork, step: int, draws: range) -> list[Factors]:
        """The noise of these draws for every layer."""
        return self.split(network, self.rows(network, step, draws))

    def split(self, network: SpikingNetwork, rows: Tensor) -> list[Factors]:
        """Noise (M, P) as factors, layer after layer."""
        parts = rows.to(network.layers[0].weight).split(self.lengths(network), dim=1)
        return [
            Factors(a.unflatten(1, (-1, self.rank)), b.unflatten(1, (-1, self.rank)), bias)
            for a, b, bias in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        ]

    def evaluate(self, network, frames, labels, step, draws):
        if fast := engine(self, network, frames):
            return fast.evaluate(network, frames, labels, step, draws)
        base, fitness = network.layers[0](frames), []
        for some in self.chunks(draws):
            factors = self.factors(network, step, some)
            currents = self.population_currents(network, factors, base)
            logits = network.logits(frames, currents=currents)  # (signs, M, B, C)
            fitness.append(-self.loss(logits, labels).transpose(0, 1))
        return torch.cat(fitness)

    def population_currents(
        self, network: SpikingNetwork, factors: list[Factors], base: Tensor
    ) -> Callable[[int, Tensor], Tensor]:
        """How M draws turn a layer's input into currents (T, signs, M, B, out).

        base: x Wᵀ + b of the first layer, (T, B, out).
        """
        sigmas = self.sigmas(network)
        signs = base.new_tensor(self.signs).view(-1, 1, 1, 1)

        def currents(index: int, inputs: Tensor) -> Tensor:
            a, b, bias = factors[index]
            layer = network.layers[index]
            # members share the frames (T, B, in); above, each has spikes of its own
            shared = layer(inputs) if index else base.unsqueeze(1).unsqueeze(1)
            scaled = a * (sigmas[index] / math.sqrt(self.rank))  # the smallest factor to scale
            change = layer.low_rank(inputs, scaled, b)
            change += sigmas[index] * layer.spread(bias).unsqueeze(1)
            return torch.addcmul(shared, signs, change)  # shared + sign · change

        return currents

    def add_gradient(self, network, weights, rows):
        layers = zip(network.layers, self.sigmas(network), self.split(network, rows), strict=True)
        for layer, sigma, (a, b, bias) in layers:
            scale = sigma * math.sqrt(self.rank)
            layer.weight.grad -= torch.einsum("m,mor,mir->oi", weights, a, b) / scale
            layer.bias.grad -= weights @ bias / sigma
