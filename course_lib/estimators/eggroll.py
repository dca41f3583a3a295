"""EGGROLL: evolution strategies with low-rank perturbations.

Each member's perturbation of a weight matrix (out, in) is a product of two thin factors,

    E = A Bᵀ / √r,      A (out, r),  B (in, r) with independent Gaussian entries,

so that Var(E_jk) = 1 at every rank r. Neither the forward pass nor the gradient ever builds E:

    x (W + σE)ᵀ  =  x Wᵀ + (σ/√r) (x B) Aᵀ            x Wᵀ once for the whole population
    (1/Nσ) Σ f̃_i E_i  =  (1/(Nσ√r)) Σ f̃_i A_i B_iᵀ     one matrix product over all members

Memory per member is r (out + in) numbers in place of out · in. Factors are made from their counter,
and again for the gradient unless those of the whole generation are few. Biases get full Gaussian
noise.

``population_currents`` is the algorithm in a few lines of torch. ``population.py`` has the same in
compiled loops over events, ``gpu.py`` in one kernel for a GPU, many times faster; all see the same
noise.

Sources: Sarkar et al. 2025, Evolution Strategies at the Hyperscale (arXiv 2511.16652), section 4;
Gradient-Free Training of SNNs via Low-Rank Evolution Strategies (arXiv 2605.30361), eq. 3 and 6.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.estimators.beyond.spatial import smooth_factors
from course_lib.estimators.evolution import EvolutionStrategy
from course_lib.fast import gpu, population
from course_lib.fast.kernels import noise as compiled
from course_lib.fast.kernels.workspace import Workspace
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork, per_layer
from course_lib.noise import gaussians

#: rows that the gradient's products take at a time, draws times rank; it changes no bit
PRODUCT_ROWS = 1024
KERNELS = ("auto", "fused", "readable")


class Factors(NamedTuple):
    """The noise of M draws for one layer: a (M, out, r), b (M, in, r), bias (M, out)."""

    a: Tensor
    b: Tensor
    bias: Tensor


@dataclass
class EGGROLL(EvolutionStrategy):
    """Evolution strategies with perturbations of rank r; see EvolutionStrategy for the rest.

    rank:   r ≥ 1.
    smooth: width in pixels over which the first layer's B varies; 0: independent entries, as in
            the papers. See ``spatial.py`` for what is estimated then.
    chunk:  draws that the readable kernel evaluates together. It bounds memory and decides how the
            work is cut: a draw's fitness is the same to the bit wherever and in whatever order its
            chunk is evaluated. A GPU is faster with some hundreds.
    kernel: "fused", for float32: compiled loops over events on the CPU, one kernel on a GPU (one
            hidden layer); "readable", plain torch on any device; "auto", the first where it can be
            had. Their fitness differs by rounding, and where rounding moves a voltage across the
            threshold.
    """

    name, label = "eggroll", "EGGROLL"
    shown = ("rank", "population")

    rank: int = 1
    smooth: float = 0.0
    chunk: int = 8
    kernel: str = field(default="auto", repr=False)  # a run may be resumed with another one

    def __post_init__(self):
        super().__post_init__()
        if self.rank < 1 or self.chunk < 1:
            raise ValueError(f"rank is {self.rank} and chunk is {self.chunk}; both must be ≥ 1")
        if not 0 <= self.smooth < math.inf:
            raise ValueError(f"smooth is {self.smooth}; expected a width in pixels, 0 or more")
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel is {self.kernel!r}; choose one of {', '.join(KERNELS)}")
        self._kept, self._workspace = None, Workspace()

    @property
    def reads_events(self) -> bool:
        return self.kernel != "readable"

    def chunks(self, draws: range, size: int | None = None) -> list[range]:
        """The draws, cut into ranges of at most ``chunk``, or of another size."""
        size = size or self.chunk
        return [draws[start : start + size] for start in range(0, len(draws), size)]

    def pieces(self, size: int) -> list[range]:
        """All draws, in ranges of at most ``size``; those whose noise is kept apart from others."""
        own = range(self._kept[1], self._kept[1] + len(self._kept[2])) if self._kept else range(0)
        cuts = [range(own.start), own, range(own.stop, self.draws)]
        return [piece for cut in cuts for piece in self.chunks(cut, size)]

    def noise(self, network: SpikingNetwork, step: int, draws: range) -> Tensor:
        """(M, P): for each draw and layer, A, B and the bias noise, one after another."""
        length = sum(self._lengths(network))
        if self._kept is not None:
            name, first, values = self._kept
            rows = range(draws.start - first, draws.stop - first)
            inside = 0 <= rows.start <= rows.stop <= len(values)
            if name == (self.seed, step, length) and inside:
                return values[rows.start : rows.stop]
        make = gaussians if self.kernel == "readable" else compiled.gaussians  # to the same bits
        values = make(length, seed=self.seed, generation=step, members=draws)
        if self.smooth:
            inputs, outputs = network.sizes[:2]
            smooth_factors(values, outputs * self.rank, inputs, self.rank, self.smooth)
        return values

    def _lengths(self, network: SpikingNetwork) -> list[int]:
        return [
            length
            for inputs, outputs in zip(network.sizes[:-1], network.sizes[1:], strict=True)
            for length in (outputs * self.rank, inputs * self.rank, outputs)
        ]

    def factors(self, network: SpikingNetwork, step: int, draws: range) -> list[Factors]:
        """The noise of these draws for every layer."""
        values = self.noise(network, step, draws).to(network.layers[0].weight)
        parts = values.split(self._lengths(network), dim=1)
        return [
            Factors(a.unflatten(1, (-1, self.rank)), b.unflatten(1, (-1, self.rank)), bias)
            for a, b, bias in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        ]

    def fused(self, network: SpikingNetwork, *frames: Tensor) -> ModuleType | None:
        """``population`` or ``gpu``, whichever works on these tensors; None for plain torch.

        Raises ValueError if a kernel was asked for and there is none.
        """
        if self.kernel == "readable":
            return None
        module = population if network.layers[0].weight.device.type == "cpu" else gpu
        obstacle = module.why_not(network, *frames)
        if obstacle and self.kernel == "fused":
            raise ValueError(f'kernel="fused" does not work here: {obstacle}; use kernel="auto"')
        return None if obstacle else module

    def evaluate(self, network, frames, labels, step, draws):
        if not len(draws):
            return frames.new_empty(0, len(self.signs))
        if self.fused(network, frames):
            return self.evaluate_fused(network, frames, labels, step, draws)
        base = network.layers[0](frames)
        return torch.cat([
            self.evaluate_chunk(network, frames, labels, step, chunk, base)
            for chunk in self.chunks(draws)
        ])  # fmt: skip

    def evaluate_fused(
        self, network: SpikingNetwork, frames: Tensor, labels: Tensor, step: int, draws: range
    ) -> Tensor:
        """Fitness of these draws, (M, signs), by the compiled kernel.

        Noise is made part by part: a GPU works on one part while the CPU makes the next.
        """
        module, length = self.fused(network, frames), sum(self._lengths(network))
        keep = 4 * length * len(draws) <= module.KEPT_BYTES
        run = module.PopulationPass(
            network, frames, self.rank, self.sigma, len(self.signs), workspace=self._workspace
        )
        parts, kept = [], []
        for some in self.chunks(draws, run.draws_at_once):
            noise = self.noise(network, step, some).to(frames.device)
            parts.append(self.score(network, run.outputs(noise), labels))
            kept += [noise] if keep else []
        if keep:
            values = kept[0] if len(kept) == 1 else torch.cat(kept)
            self._kept = (self.seed, step, length), draws.start, values
        return torch.cat(parts)

    def evaluate_chunk(
        self,
        network: SpikingNetwork,
        frames: Tensor,
        labels: Tensor,
        step: int,
        draws: range,
        base: Tensor,
    ) -> Tensor:
        """Fitness of these draws, (M, signs). base: x Wᵀ + b of the first layer, (T, B, out)."""
        currents = self.population_currents(network, self.factors(network, step, draws), base)
        return self.score(network, network(frames, currents=currents), labels)

    def score(self, network: SpikingNetwork, outputs: Tensor, labels: Tensor) -> Tensor:
        """Fitness (M, signs) of outputs (signs, M, B, C)."""
        module = self.fused(network, outputs)
        if module:
            return module.fitness(network, outputs, labels)
        return -cross_entropy(network.logit_scale * outputs, labels).T

    def population_currents(
        self, network: SpikingNetwork, factors: list[Factors], base: Tensor
    ) -> Callable[[int, Tensor], Tensor]:
        """How M draws turn a layer's input into currents (T, signs, M, B, out)."""
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        signs = base.new_tensor(self.signs).view(-1, 1, 1, 1)

        def currents(index: int, inputs: Tensor) -> Tensor:
            a, b, bias = factors[index]
            if index == 0:  # every member sees the same frames: (T, B, in)
                projected = torch.einsum("tbi,mir->tmbr", inputs, b).unsqueeze(1)
                shared = base.unsqueeze(1).unsqueeze(1)
            else:  # every member has spikes of its own: (T, signs, M, B, in)
                projected = torch.einsum("tsmbi,mir->tsmbr", inputs, b)
                shared = network.layers[index](inputs)
            scaled = a * (sigmas[index] / math.sqrt(self.rank))  # the smallest factor to scale
            perturbation = torch.einsum("tsmbr,mor->tsmbo", projected, scaled)
            perturbation += sigmas[index] * bias.unsqueeze(1)
            return torch.addcmul(shared, signs, perturbation)  # shared + sign · perturbation

        return currents

    def write_gradient(self, network, weights, step):
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        module = self.fused(network)
        if module:
            for draws in self.pieces(max(1, PRODUCT_ROWS // self.rank)):
                noise, w = self.noise(network, step, draws), weights[draws.start : draws.stop]
                module.add_products(network, noise, w, self.rank, sigmas)
            self._kept = None
            return
        for draws in self.chunks(range(self.draws)):
            w = weights[draws.start : draws.stop]
            layers = zip(network.layers, sigmas, self.factors(network, step, draws), strict=True)
            for layer, sigma, (a, b, bias) in layers:
                scale = sigma * math.sqrt(self.rank)
                layer.weight.grad -= torch.einsum("m,mor,mir->oi", w, a, b) / scale
                layer.bias.grad -= w @ bias / sigma
