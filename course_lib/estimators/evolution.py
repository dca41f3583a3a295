"""What all evolution strategies share: a population, its fitness, and a gradient from both.

Full-rank ES and EGGROLL differ in how they perturb weights: in the noise of a draw (``lengths``),
in the members' forward passes (``evaluate``) and in the sum of their perturbations
(``add_gradient``), and in nothing else.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from course_lib.estimators.base import (
    KERNELS,
    Estimator,
    check_batch,
    check_choice,
    check_layers,
)
from course_lib.fast import engine
from course_lib.fitness import SHAPINGS, check_finite, cross_entropy
from course_lib.network import SpikingNetwork, per_layer
from course_lib.noise import gaussians


@dataclass
class EvolutionStrategy(Estimator):
    """A gradient from the fitness of a population; ES and EGGROLL say how it is perturbed.

    population: N, members per generation; even if mirrored.
    sigma:      σ, scale of the perturbations; one number or one a layer (weights and bias).
    shaping:    "centred_ranks", "z_score" or "none" (fitness as it is).
    mirrored:   evaluate every draw with both signs.
    seed:       of the noise; draw d of generation k is named by (seed, k, d) on any worker.
    kernel:     "readable", plain torch on any device; "fused", float32 in compiled loops on the CPU
                or in one kernel on a GPU (EGGROLL, one hidden layer); "auto", the second where it
                can be had. Their fitness differs by rounding, and where rounding moves a voltage
                across the threshold.

    Raises ValueError for values out of range.
    """

    defaults = {
        "rate": {
            "beta": 0.95, "logit_scale": 3.0, "weight_sd": (0.04, 0.2), "sigma": (0.014, 0.05),
        },
        "membrane": {
            "beta": 0.9, "logit_scale": 2.0, "weight_sd": (0.025, 0.06), "sigma": (0.014, 0.03),
        },
        "any": {
            "hidden": (128,), "readout": "rate", "lr": 0.01, "batch_size": 64, "shift": 0,
            "steps": 600,
        },
    }  # fmt: skip

    population: int = 256
    sigma: float | Sequence[float] = 0.02
    shaping: str = "centred_ranks"
    mirrored: bool = True
    seed: int = 0
    # no part of a run's settings: it may be resumed with another one
    kernel: str = field(default="auto", repr=False, kw_only=True)

    #: of E; None: full
    rank = None
    #: draws that are evaluated together. The readable path's bits depend on where it cuts, so
    #: processes that share a population cut it there, too
    chunk = 1
    #: of logits (…, B, C), whose negative is the fitness
    loss = staticmethod(cross_entropy)

    def __post_init__(self):
        if self.population < 2 or (self.mirrored and self.population % 2):
            raise ValueError(
                f"population is {self.population}; expected at least 2, and an even number "
                "because mirrored members come in pairs (or pass mirrored=False)"
            )
        check_choice("shaping", self.shaping, SHAPINGS)
        check_choice("kernel", self.kernel, KERNELS)

    @property
    def signs(self) -> tuple[int, ...]:
        return (1, -1) if self.mirrored else (1,)

    @property
    def draws(self) -> int:
        """Independent perturbations per generation: N/2 if mirrored, else N."""
        return self.population // len(self.signs)

    @property
    def forward_passes(self) -> int:
        return self.population

    @property
    def reads_events(self) -> bool:
        return self.kernel != "readable"

    def fill_grads(self, network, frames, labels, step=0):
        self.check(network, frames, labels)
        with torch.no_grad():
            fitness = self.evaluate(network, frames, labels, step, range(self.draws))
            return self.learn(network, frames, fitness, step)

    def learn(self, network: SpikingNetwork, frames: Tensor, fitness: Tensor, step: int) -> float:
        """Set ``.grad`` from the fitness of all draws, and return the loss."""
        check_finite(fitness)
        self.write_gradient(network, frames, self.draw_weights(fitness), step)
        return -fitness.mean().item()

    def draw_weights(self, fitness: Tensor) -> Tensor:
        """Weight of each draw in the estimate, (1/N) Σ_signs sign · f̃.

        fitness: (draws, signs). Returns (draws,).
        """
        shaped = SHAPINGS[self.shaping](fitness.flatten()).view_as(fitness)
        return (shaped * shaped.new_tensor(self.signs)).sum(dim=1) / self.population

    def write_gradient(
        self, network: SpikingNetwork, frames: Tensor, weights: Tensor, step: int
    ) -> None:
        """Set ``.grad`` to that of the loss: −(1/σ) Σ_draws weight · E, in every layer."""
        if fast := engine(self, network, frames):
            return fast.write_gradient(network, weights, step)
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        for draws in self.chunks(range(self.draws)):
            some = weights[draws.start : draws.stop]
            self.add_gradient(network, some, self.rows(network, step, draws))

    def rows(
        self, network: SpikingNetwork, step: int, draws: range, gaussians=gaussians
    ) -> Tensor:
        """(M, P) float32 on the CPU: all the noise of each of M draws.

        gaussians: of ``noise.py``, or a faster source of the same numbers.
        """
        length = sum(self.lengths(network))
        return gaussians(length, seed=self.seed, generation=step, members=draws)

    def chunks(self, draws: range, size: int | None = None) -> list[range]:
        """The draws, cut into ranges of at most ``chunk``, or of another size."""
        size = size or self.chunk
        return [draws[start : start + size] for start in range(0, max(len(draws), 1), size)]

    def sigmas(self, network: SpikingNetwork) -> list[float]:
        """σ of each layer. Raises ValueError for one beyond what the network's numbers can hold."""
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        limits = torch.finfo(network.layers[0].weight.dtype)
        if not all(limits.tiny <= sigma <= limits.max**0.5 for sigma in sigmas):
            raise ValueError(
                f"sigma is {self.sigma}; in {limits.dtype} it must lie between {limits.tiny:.0e} "
                f"and {limits.max**0.5:.0e}"
            )
        return sigmas

    def check(self, network: SpikingNetwork, frames: Tensor, labels: Tensor) -> None:
        """Raise unless the batch fits the network and all numbers are finite.

        A member with a voltage that is not a number does not spike, and its rates look like any
        other's: nothing later would tell. ValueError, or FloatingPointError for weights.
        """
        check_layers(type(self), network.layers)
        check_batch(network, frames, labels)
        self.sigmas(network)
        if not all(_finite(parameter.detach()) for parameter in network.parameters()):
            raise FloatingPointError(
                "the network has weights that are not finite: they have grown without bound. Start "
                "a new run with a lower learning rate or a lower sigma"
            )

    # ------------------------------------------------------------------- what a kind of noise says

    def lengths(self, network: SpikingNetwork) -> list[int]:
        """How many numbers the parts of a draw's noise have, layer after layer."""
        raise NotImplementedError

    def evaluate(
        self, network: SpikingNetwork, frames: Tensor, labels: Tensor, step: int, draws: range
    ) -> Tensor:
        """Fitness of the members of these draws, (len(draws), signs).

        A range of draws is evaluated without knowledge of the others, so that processes can
        share a population; ``scaling.py`` does.
        """
        raise NotImplementedError

    def add_gradient(self, network: SpikingNetwork, weights: Tensor, rows: Tensor) -> None:
        """Add −(1/σ) Σ weight · E of some draws to every ``.grad``. weights (M,), rows (M, P)."""
        raise NotImplementedError


def _finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite; their sum, one number to look at, nearly always tells.

    NumPy makes it in this thread. torch would wake others, which after that wait for more, busily
    and for milliseconds, on the processors that compiled loops want next.
    """
    usual = tensor.device.type == "cpu" and tensor.dtype == torch.float32
    with np.errstate(over="ignore", invalid="ignore"):
        total = float((tensor.numpy() if usual else tensor).sum())
    return math.isfinite(total) or bool(tensor.isfinite().all())
