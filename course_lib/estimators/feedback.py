"""The rivals of OPZO: the same online update, with the error at a hidden layer from elsewhere.

Sources: OTTT, Xiao et al. 2022 (arXiv 2210.04195), section 4.1; direct feedback alignment (DFA),
Nøkland 2016 (arXiv 1609.01596), eq. 5; single-point zeroth order, as the baseline of OPZO
(arXiv 2407.12516).
"""

from dataclasses import dataclass

from torch import Tensor

from course_lib.estimators.online import OnlineEstimator
from course_lib.estimators.perturbation import NodePerturbation
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

    def hidden_errors(self, network, moment):
        errors, delta = [], moment.delta
        for layer, psi in zip(reversed(network.layers[1:]), reversed(moment.psi), strict=True):
            errors.append(delta @ layer.weight)
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

    def hidden_errors(self, network, moment):
        return [moment.error @ feedback.T for feedback in self.feedback]


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

    def hidden_errors(self, network, moment):
        return [moment.losses[:, None] * z / self.alpha for z in moment.noise]


def random_feedback(network: SpikingNetwork, seed: int) -> list[Tensor]:
    """Gaussian matrices (N_l, C) of standard deviation 1/√N_l, one for each hidden layer."""
    generator, like = torch_generator(seed, STREAMS["feedback"]), network.layers[0].weight
    return [
        normal((size, network.sizes[-1]), generator).to(like) / size**0.5
        for size in network.sizes[1:-1]
    ]
