"""The rivals of OPZO: the same online update, with the error at a hidden layer from elsewhere; and
node perturbation, the noise that OPZO and single-point zeroth order add at the hidden neurons:

    s̃_l[t] = s_l[t] + α z_l[t]                 after the neuron ("spikes"), or
    s̃_l[t] = 1[u_l[t] + α z_l[t] > 0]          at its threshold ("membrane")

Every z has E[z] = 0 and E[z zᵀ] = 1 (the identity), which is all that the estimates need.

Sources: OTTT, Xiao et al. 2022 (arXiv 2210.04195), section 4.1; direct feedback alignment (DFA),
Nøkland 2016 (arXiv 1609.01596), eq. 5; single-point zeroth order, as the baseline of OPZO
(arXiv 2407.12516).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.estimators.online import OnlineEstimator, check_choice
from course_lib.network import SpikingNetwork
from course_lib.noise import STREAMS, normal, torch_generator


@dataclass(kw_only=True)
class OTTT(OnlineEstimator):
    """Online training through time: g_l = (g_{l+1} ⊙ ψ_{l+1}) W_{l+1}, backwards over layers.

    Spatial backpropagation within the time step; over time, only the traces. What it leaves out
    of BPTT is the way of a spike through the memory of the layers above.
    """

    name, label = "ottt", "OTTT"
    shown = ("surrogate",)
    backward = "a backward pass over layers at every step, nothing kept over time"

    def hidden_errors(self, network, moments):
        errors, delta = [], moments.delta
        for layer, psi in zip(reversed(network.layers[1:]), reversed(moments.psi), strict=True):
            errors.append(layer.back(delta))
            delta = errors[-1] * psi
        return errors[::-1]


@dataclass(kw_only=True)
class DFA(OnlineEstimator):
    """Direct feedback alignment: g_l = e B_lᵀ with B_l (N_l, C) Gaussian, drawn once, never learnt.

    seed: of the feedback. Its entries have standard deviation 1/√N_l, about that of the weights
    they stand for.
    """

    name, label = "dfa", "DFA"

    seed: int = 0

    def begin(self, network, labels, steps):
        self.feedback = random_feedback(network, self.seed)

    def hidden_errors(self, network, moments):
        return [moments.error @ feedback.T for feedback in self.feedback]


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

    def at_threshold(self, distance, noise):
        if noise is None or self.inject == "spikes":
            return distance
        return distance + self.alpha * noise

    def sent(self, spikes, noise):
        if noise is None or self.inject == "membrane":
            return spikes
        return spikes + self.alpha * noise


@dataclass(kw_only=True)
class SinglePointZO(NodePerturbation):
    """Single-point zeroth order: g_l[t] = loss · z_l[t] / α, a scalar for a whole network.

    loss is that of the sample's answer as it is judged at t. On average over z this is the
    gradient of the smoothed loss, but a loss of 2 nats times noise of standard deviation 1/α drowns
    it: the variance grows with the number of neurons. (``mirrored`` helps: the loss changes little
    from one step to the next, so that loss · z − loss · z nearly vanishes.)
    """

    name, label = "zo", "single-point ZO"
    shown = ("alpha",)

    def hidden_errors(self, network, moments):
        return [moments.losses[..., None] * z / self.alpha for z in moments.noise]


def random_feedback(network: SpikingNetwork, seed: int) -> list[Tensor]:
    """Gaussian matrices (N_l, C) of standard deviation 1/√N_l, one for each hidden layer."""
    generator, like = torch_generator(seed, STREAMS["feedback"]), network.layers[0].weight
    return [
        normal((size, network.sizes[-1]), generator).to(like) / size**0.5
        for size in network.sizes[1:-1]
    ]
