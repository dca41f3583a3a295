"""Full-rank evolution strategies (ES): a gradient from fitness values alone.

Every member i of the population gets weights W + σ E_i with E_i Gaussian, its fitness f_i is
measured by a forward pass, and the gradient of the smoothed fitness is estimated by

    ∇_W E[f(W + σE)]  ≈  (1 / Nσ) Σ_i f̃_i E_i

with f̃ the shaped fitness (centred ranks). Mirrored members come in pairs ±E, whose shared noise
cancels to first order. Here each E_i has the size of W, and members are evaluated one after
another: the baseline that EGGROLL is compared with.

Source: Salimans et al. 2017, Evolution Strategies as a Scalable Alternative to Reinforcement
Learning (arXiv 1703.03864), algorithms 1 and 2.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from course_lib.estimators.evolution import EvolutionStrategy
from course_lib.fast import engine
from course_lib.network import SpikingNetwork


@dataclass
class ES(EvolutionStrategy):
    """Evolution strategies with full-rank Gaussian perturbations; see EvolutionStrategy."""

    name, label = "es", "full-rank ES"
    shown = ("population",)

    chunk = 4  # draws whose noise, as large as the network, is held at the same time

    def lengths(self, network):
        """Of each layer: E and e."""
        parameters = [(layer.weight, layer.bias) for layer in network.layers]
        return [parameter.numel() for pair in parameters for parameter in pair]

    def noise(self, network: SpikingNetwork, step: int, draw: int) -> list[tuple[Tensor, Tensor]]:
        """(E, e) for each layer: noise for its weights (out, in) and its bias (out,)."""
        return self.split(network, self.rows(network, step, range(draw, draw + 1))[0])

    def split(self, network: SpikingNetwork, row: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The noise (P,) of a draw as (E, e), layer after layer."""
        parts = row.to(network.layers[0].weight).split(self.lengths(network))
        return [
            (weight.view_as(layer.weight), bias)
            for layer, weight, bias in zip(network.layers, parts[::2], parts[1::2], strict=True)
        ]

    def evaluate(self, network, frames, labels, step, draws):
        if fast := engine(self, network, frames):
            return fast.evaluate(network, frames, labels, step, draws)
        fitness = []
        for some in self.chunks(draws):
            for row in self.rows(network, step, some):
                noise = self.split(network, row)
                for sign in self.signs:
                    currents = self.member_currents(network, noise, sign)
                    logits = network.logits(frames, currents=currents)
                    fitness.append(-self.loss(logits, labels).item())
        return frames.new_tensor(fitness).view(-1, len(self.signs))

    def member_currents(
        self, network: SpikingNetwork, noise: list[tuple[Tensor, Tensor]], sign: int
    ) -> Callable[[int, Tensor], Tensor]:
        """How the member with weights W + sign · σE turns a layer's input into currents."""
        sigmas = self.sigmas(network)

        def currents(index: int, inputs: Tensor) -> Tensor:
            layer, (weight, bias), scale = network.layers[index], noise[index], sign * sigmas[index]
            return layer.currents(inputs, layer.weight + scale * weight, layer.bias + scale * bias)

        return currents

    def add_gradient(self, network, weights, rows):
        sigmas = self.sigmas(network)
        for draw_weight, row in zip(weights.tolist(), rows, strict=True):
            noise = self.split(network, row)
            for layer, sigma, (weight, bias) in zip(network.layers, sigmas, noise, strict=True):
                layer.weight.grad.sub_(weight, alpha=draw_weight / sigma)
                layer.bias.grad.sub_(bias, alpha=draw_weight / sigma)
