"""Node perturbation: noise at the hidden neurons, for OPZO and single-point zeroth order.

    s̃_l[t] = s_l[t] + α z_l[t]                 after the neuron ("spikes"), or
    s̃_l[t] = 1[u_l[t] + α z_l[t] > 0]          at its threshold ("membrane")

Every z has E[z] = 0 and E[z zᵀ] = 1 (the identity), which is all that the estimates need.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.estimators.online import OnlineEstimator, check_choice
from course_lib.lif import heaviside
from course_lib.noise import STREAMS, torch_generator


def gaussian(shape, generator) -> Tensor:
    """Independent standard normals."""
    return torch.randn(shape, generator=generator)


def rademacher(shape, generator) -> Tensor:
    """Independent signs, −1 or 1: one random bit a neuron, which hardware likes."""
    return 2.0 * torch.randint(2, shape, generator=generator) - 1.0


def sphere(shape, generator) -> Tensor:
    """A random direction in each row of N entries, of length √N.

    Papers draw it of length 1 and multiply the estimate by N; with √N the same α stands for the
    same noise per neuron as for the other two.
    """
    directions = torch.randn(shape, generator=generator)
    return directions * (shape[-1] ** 0.5 / directions.norm(dim=-1, keepdim=True))


NOISES = {"gaussian": gaussian, "rademacher": rademacher, "sphere": sphere}
PLACES = ("spikes", "membrane")


@dataclass(kw_only=True)
class NodePerturbation(OnlineEstimator):
    """An online estimator whose one forward pass is noisy.

    alpha:    α > 0, scale of the noise.
    noise:    "gaussian", "rademacher" or "sphere".
    mirrored: time steps come in pairs with z and −z; what the network does anyway then cancels
              from the estimates, as far as it is the same in both.
    inject:   where the noise goes: "spikes" or "membrane", see above. The voltage that is carried
              on to the next step has none.
    seed:     of the noise; that of training step k is a function of (seed, k).
    """

    alpha: float = 0.2
    noise: str = "gaussian"
    mirrored: bool = False
    inject: str = "spikes"
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.alpha < math.inf:
            raise ValueError(f"alpha is {self.alpha}; the noise's scale must be a positive number")
        check_choice("noise", self.noise, NOISES)
        check_choice("inject", self.inject, PLACES)

    def draws(self, network, batch, step):
        generator = torch_generator(self.seed, STREAMS["node noise"], step)
        like = network.layers[0].weight
        while True:
            z = [
                NOISES[self.noise]((batch, size), generator).to(like)
                for size in network.sizes[1:-1]
            ]
            yield z
            if self.mirrored:
                yield [-part for part in z]

    def disturb(self, distance, noise):
        if noise is None:
            return super().disturb(distance, noise)
        if self.inject == "membrane":
            distance = distance + self.alpha * noise
            return distance, heaviside(distance)
        return distance, heaviside(distance) + self.alpha * noise
