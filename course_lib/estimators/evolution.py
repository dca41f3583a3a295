"""What all evolution strategies share: a population, its fitness, and a gradient from both.

Full-rank ES and EGGROLL differ in how they perturb weights, that is in ``evaluate`` and
``write_gradient``, and in nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.estimators.base import Estimator, check_batch
from course_lib.fitness import SHAPINGS
from course_lib.network import SpikingNetwork


@dataclass
class EvolutionStrategy(Estimator):
    """What full-rank ES and EGGROLL share; they differ in ``evaluate`` and ``write_gradient``.

    population: N, members per generation; even if mirrored.
    sigma:      σ, scale of the perturbations; one number or one a layer (weights and bias).
    shaping:    "centred_ranks", "z_score" or "none" (fitness as it is).
    mirrored:   evaluate every draw with both signs.
    seed:       of the noise; draw d of generation k is named by (seed, k, d) on any worker.

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

    def __post_init__(self):
        if self.population < 2 or (self.mirrored and self.population % 2):
            raise ValueError(
                f"population is {self.population}; expected at least 2, and an even number "
                "because mirrored members come in pairs (or pass mirrored=False)"
            )
        if self.shaping not in SHAPINGS:
            raise ValueError(f"shaping is {self.shaping!r}; choose one of {', '.join(SHAPINGS)}")

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

    def fill_grads(self, network, frames, labels, step=0):
        check_batch(network, frames, labels)
        with torch.no_grad():
            fitness = self.evaluate(network, frames, labels, step, range(self.draws))
            self.write_gradient(network, self.draw_weights(fitness), step)
        return -fitness.mean().item()

    def draw_weights(self, fitness: Tensor) -> Tensor:
        """Weight of each draw in the estimate, (1/N) Σ_signs sign · f̃.

        fitness: (draws, signs). Returns (draws,).
        """
        shaped = SHAPINGS[self.shaping](fitness.flatten()).view_as(fitness)
        return (shaped * shaped.new_tensor(self.signs)).sum(dim=1) / self.population

    def evaluate(
        self, network: SpikingNetwork, frames: Tensor, labels: Tensor, step: int, draws: range
    ) -> Tensor:
        """Fitness of the members of these draws, (len(draws), signs).

        A range of draws is evaluated without knowledge of the others, so that processes can
        share a population; ``scaling.py`` does.
        """
        raise NotImplementedError

    def write_gradient(self, network: SpikingNetwork, weights: Tensor, step: int) -> None:
        """Set ``.grad`` to that of the loss: −(1/σ) Σ_draws weight · E, in every layer."""
        raise NotImplementedError
