"""Hybrid training: a local rule for the hidden layers, EGGROLL for the readout alone.

    ∂L/∂W_l   from the local rule (OPZO or LocalZO)          hidden layers
    ∂L/∂W_L ≈ −(1/Nσ) Σ_i f̃_i E_i,  E_i = A_i B_iᵀ/√r         readout; see ``eggroll.py``

Members share everything below the readout, so the hidden layers run once and their spikes are the
input of a population of one-layer networks. That is cheap, and the noise has few dimensions:
out·in of the readout in place of all weights. What reaches the hidden layers is the local rule's
business: OPZO carries the output's error down by a feedback of its own, LocalZO through the
readout's weights.

Source: named as future work in Gradient-Free Training of SNNs via Low-Rank Evolution Strategies
(arXiv 2605.30361), section 6: "combining EGGROLL with local plasticity rules for the early layers —
reserving global ES updates for the readout layer". How is our choice.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from course_lib.estimators.base import Estimator, check_choice, check_layers
from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.online import check_hidden
from course_lib.estimators.opzo import OPZO
from course_lib.fast import knows
from course_lib.network import SpikingNetwork

#: local rules, and which options of ours are theirs
RULES = {
    "opzo": ("surrogate", "slope", "alpha", "momentum"),
    "localzo": ("distribution", "delta", "samples"),
}


@dataclass
class Hybrid(Estimator):
    """Fill ``.grad`` of hidden layers by a local rule, that of the readout by EGGROLL.

    below: the local rule, "opzo" or "localzo".
    population, rank, sigma, shaping, mirrored, kernel: of EGGROLL at the readout; σ is one number.
    seed:  of both.
    surrogate, slope, alpha, momentum (OPZO), distribution, delta, samples (LocalZO): of the local
           rule; None takes its own default.

    ``forward_passes`` counts whole ones: the local rule's and one for the hidden spikes. The
    population runs through the readout only.

    Raises ValueError for values out of range, and for an option of the rule that is not used.
    """

    name, label = "hybrid", "hybrid"
    shown = ("below", "rank", "population")
    backward = "none with OPZO below, as many backward passes through time with LocalZO"

    below: str = "opzo"
    population: int = 256
    rank: int = 1
    sigma: float = 0.03
    shaping: str = "centred_ranks"
    mirrored: bool = True
    seed: int = 0
    surrogate: str | None = None
    slope: float | None = None
    alpha: float | None = None
    momentum: float | None = None
    distribution: str | None = None
    delta: float | None = None
    samples: int | None = None
    kernel: str = field(default="auto", repr=False)
    rule: Estimator = field(init=False, repr=False, compare=False)
    eggroll: EGGROLL = field(init=False, repr=False, compare=False)

    forward_passes = 2

    def __post_init__(self):
        check_choice("below", self.below, RULES)
        if not isinstance(self.sigma, int | float):
            raise ValueError(
                f"sigma is {self.sigma}; EGGROLL perturbs the readout alone here: give one number"
            )
        given = {
            name: getattr(self, name) for names in RULES.values() for name in names
            if getattr(self, name) is not None
        }  # fmt: skip
        own = RULES[self.below]
        foreign = ", ".join(name for name in given if name not in own)
        if foreign:
            raise ValueError(
                f"{foreign} is no option of {self.below!r}, the rule below; it has {', '.join(own)}"
            )
        if self.below == "opzo":
            self.rule = OPZO(seed=self.seed, **given)
        else:
            from course_lib.estimators.localzo import LocalZO  # imported where it is used

            self.rule = LocalZO(seed=self.seed, **given)
        self.eggroll = EGGROLL(
            population=self.population, rank=self.rank, sigma=self.sigma, shaping=self.shaping,
            mirrored=self.mirrored, seed=self.seed, kernel=self.kernel,
        )  # fmt: skip

    def fill_grads(self, network, frames, labels, step=0):
        check_hidden(network, type(self).__name__)
        check_layers(type(self), network.layers)
        loss = self.rule.fill_grads(network, frames, labels, step)
        readout, spikes = readout_of(network, frames)
        self.eggroll.fill_grads(readout, spikes, labels, step)
        return loss

    def state_dict(self):
        return self.rule.state_dict()

    def load_state_dict(self, state):
        self.rule.load_state_dict(state)


@torch.no_grad()
def readout_of(network: SpikingNetwork, frames: Tensor) -> tuple[SpikingNetwork, Tensor]:
    """The last layer as a network of its own, and its input, spikes (T, B, N).

    It shares the layer's weights and ``.grad``.
    """
    below, arrived = [], []

    def currents(index: int, inputs: Tensor) -> Tensor:
        arrived.append(inputs)
        below.append(network.layers[index](inputs))
        return below[-1]

    network(frames, currents=currents)
    options = network.sizes[-2:], network.neurons[-1], network.readout, network.logit_scale
    other = knows(network)  # its dynamics are not those that a SpikingNetwork would have
    readout = Readout(*options) if other else SpikingNetwork(*options)
    readout.layers[0] = network.layers[-1]
    if other:
        readout.whole = network, frames, below[:-1]
    return readout, arrived[-1]


class Readout(SpikingNetwork):
    """The readout of a network with dynamics of its own, which therefore runs whole.

    whole: the network, its frames, and the currents of its hidden layers.
    """

    def logits(self, frames, currents):
        network, frames, below = self.whole
        return network.logits(frames, currents=lambda index, inputs: (
            below[index] if index < len(below) else currents(0, inputs)
        ))  # fmt: skip
