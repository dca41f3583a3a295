"""EGGROLL whose σ learns: each layer's scale follows its own gradient of the smoothed objective.

A perturbation σ A Bᵀ/√r with Gaussian A is a Gaussian factor of standard deviation σ times the
rest, so that a change of ln σ has a score as the mean has: with n = out · r entries of A,

    ∂/∂ln σ E[f] = E[f (‖A‖² − n)],     natural gradient: divided by the Fisher information, 2n

Long perturbations that did better than short ones lengthen σ, and others shorten it:

    ln σ ← ln σ + η (1/M) Σ_i f̄_i (‖A_i‖² − n)/(2n)

over M draws, with the centred ranks f̄ of the mean of each mirrored pair: what is odd in the
perturbation says nothing about its length.

Source: Wierstra et al. 2014, Natural Evolution Strategies (JMLR 15, 949), section 3, for one scale.
"""

import math
from dataclasses import dataclass

from course_lib.estimators.eggroll import EGGROLL
from course_lib.fitness import centred_ranks
from course_lib.network import per_layer

#: σ stays within this factor of its start
REACH = 16.0


@dataclass
class StepSizeEGGROLL(EGGROLL):
    """EGGROLL with one σ a layer that is learned, from ``sigma`` on; see EGGROLL for the rest.

    sigma_rate: η ≥ 0; 0 leaves σ as it is.
    """

    sigma_rate: float = 10.0

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.sigma_rate < math.inf:
            raise ValueError(f"sigma_rate is {self.sigma_rate}; expected a number of 0 or more")
        self._start, self.log_scale = self.sigma, None

    def evaluate(self, network, frames, labels, step, draws):
        self._set_sigma(network)
        return super().evaluate(network, frames, labels, step, draws)

    def draw_weights(self, fitness):
        self._pairs = centred_ranks(fitness.mean(dim=1))
        return super().draw_weights(fitness)

    def write_gradient(self, network, weights, step):
        self._set_sigma(network)
        pushes = [0.0] * len(network.layers)
        for draws in self.pieces(self.draws):
            f = self._pairs[draws.start : draws.stop]
            for index, layer in enumerate(self.factors(network, step, draws)):
                entries = layer.a[0].numel()
                excess = layer.a.square().sum(dim=(1, 2)) - entries
                pushes[index] += (f @ excess.to(f)).item() / (2 * entries)
        super().write_gradient(network, weights, step)
        reach = math.log(REACH)
        self.log_scale = [
            min(reach, max(-reach, old + self.sigma_rate * push / self.draws))
            for old, push in zip(self.log_scale, pushes, strict=True)
        ]

    def _set_sigma(self, network) -> None:
        starts = per_layer("sigma", self._start, len(network.layers))
        self.log_scale = self.log_scale or [0.0] * len(starts)
        self.sigma = tuple(
            start * math.exp(grown) for start, grown in zip(starts, self.log_scale, strict=True)
        )

    def state_dict(self):
        return {"log_scale": self.log_scale}

    def load_state_dict(self, state):
        self.log_scale = state["log_scale"]
