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

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.estimators.evolution import EvolutionStrategy
from course_lib.fast import population
from course_lib.fast.event_lists import frame_events
from course_lib.fast.full_rank import full_rank_outputs
from course_lib.fast.kernels import noise as compiled
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork, per_layer
from course_lib.noise import gaussians

__all__ = ["ES", "EvolutionStrategy"]

KERNELS = ("readable", "batched", "fused")
#: draws whose full-rank noise is held at the same time
GROUP = 4


@dataclass
class ES(EvolutionStrategy):
    """Evolution strategies with full-rank Gaussian perturbations.

    kernel: "readable", one member after another in plain torch, the paper's baseline; "batched",
            four draws at once in plain torch; "fused", one member after another in each thread, in
            the compiled loops that EGGROLL uses (float32 on the CPU).
    """

    name, label = "es", "full-rank ES"
    shown = ("population",)

    kernel: str = field(default="readable", repr=False)  # a run may be resumed with another one

    def __post_init__(self):
        super().__post_init__()
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel is {self.kernel!r}; choose one of {', '.join(KERNELS)}")

    @property
    def reads_events(self) -> bool:
        return self.kernel == "fused"

    def noise(self, network: SpikingNetwork, step: int, draw: int) -> list[tuple[Tensor, Tensor]]:
        """(E, e) for each layer: noise for its weights (out, in) and its bias (out,)."""
        return next(self.noises(network, step, range(draw, draw + 1)))

    def noises(self, network: SpikingNetwork, step: int, draws: range) -> Iterator[list]:
        """``noise`` of each of these draws; a few are made at a time, in several threads."""
        shapes = [shape for layer in network.layers for shape in (layer.weight, layer.bias)]
        for first in range(0, len(draws), GROUP):
            for row in self.rows(network, step, draws[first : first + GROUP]).to(shapes[0]):
                parts = row.split([shape.numel() for shape in shapes])
                noise = [part.view_as(shape) for part, shape in zip(parts, shapes, strict=True)]
                yield list(zip(noise[::2], noise[1::2], strict=True))

    def rows(self, network: SpikingNetwork, step: int, draws: range) -> Tensor:
        """(M, P): for each draw all of its noise, layer after layer."""
        make = compiled.gaussians if self.kernel == "fused" else gaussians
        length = sum(parameter.numel() for parameter in network.parameters())
        return make(length, seed=self.seed, generation=step, members=draws)

    def evaluate(self, network, frames, labels, step, draws):
        evaluate = {"readable": self.one_by_one, "batched": self.batched, "fused": self.fused}
        return evaluate[self.kernel](network, frames, labels, step, draws)

    def one_by_one(self, network, frames, labels, step, draws):
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        fitness = frames.new_empty(len(draws), len(self.signs))
        for row, noise in enumerate(self.noises(network, step, draws)):
            for column, sign in enumerate(self.signs):

                def perturbed(index, inputs, noise=noise, sign=sign):
                    layer, (weight, bias) = network.layers[index], noise[index]
                    scale = sign * sigmas[index]
                    return F.linear(
                        inputs, layer.weight + scale * weight, layer.bias + scale * bias
                    )

                logits = network.logits(frames, currents=perturbed)
                fitness[row, column] = -cross_entropy(logits, labels)
        return fitness

    def batched(self, network, frames, labels, step, draws):
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        fitness = frames.new_empty(len(draws), len(self.signs))
        signs = fitness.new_tensor(self.signs).view(-1, 1, 1, 1)
        base = network.layers[0](frames)
        for first in range(0, len(draws), GROUP):
            group = draws[first : first + GROUP]
            noise = list(self.noises(network, step, group))

            def perturbed(index, inputs, noise=noise):
                """Currents (T, signs, M, B, out): the products with W and with E, ± added."""
                weight, bias = (torch.stack([one[index][k] for one in noise]) for k in (0, 1))
                if index == 0:
                    products = torch.einsum("tbi,moi->tmbo", inputs, weight).unsqueeze(1)
                    shared = base.unsqueeze(1).unsqueeze(1)
                else:
                    products = torch.einsum("tsmbi,moi->tsmbo", inputs, weight)
                    shared = network.layers[index](inputs)
                products = (products + bias.unsqueeze(1)) * sigmas[index]
                return torch.addcmul(shared, signs, products)

            logits = network.logits(frames, currents=perturbed)
            fitness[first : first + GROUP] = -cross_entropy(logits, labels).T
        return fitness

    def fused(self, network, frames, labels, step, draws):
        if obstacle := population.why_not(network, frames):
            raise ValueError(
                f'kernel="fused" does not work here: {obstacle}; use kernel="readable"'
            )
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        events, parts = frame_events(frames), [torch.empty(0, len(self.signs))]
        for first in range(0, len(draws), GROUP):
            noise = self.rows(network, step, draws[first : first + GROUP]).numpy()
            outputs = full_rank_outputs(
                network, frames, noise, sigmas, self.signs, events
            )
            parts.append(population.fitness(network, outputs, labels))
        return torch.cat(parts)

    def write_gradient(self, network, weights, step):
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        noises = self.noises(network, step, range(self.draws))
        for draw_weight, noise in zip(weights.tolist(), noises, strict=True):
            for layer, sigma, (weight, bias) in zip(network.layers, sigmas, noise, strict=True):
                layer.weight.grad.sub_(weight, alpha=draw_weight / sigma)
                layer.bias.grad.sub_(bias, alpha=draw_weight / sigma)
