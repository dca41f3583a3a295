"""Projected EGGROLL: of each member's noise, keep what a sample could feel.

EGGROLL gives a member one fitness value, the mean over the batch. The forward passes have measured
more: one loss for each sample s. The fitness f_is of draw i on sample s depends on the input factor
B_i only through the sample's own inputs x_st, that is through X_s B_i (X_s: T rows, one a time
step). All other directions of B_i, of which there are 2312 − T, cannot have changed this loss; in
f_is A_i B_iᵀ they are pure noise. So replace B_i by its mean given what was felt, its projection on
the span of the sample's inputs (Rao and Blackwell):

    P_s = X_sᵀ (X_s X_sᵀ)⁻¹ X_s,      g = mean over s of (1/(Nσ√r)) Σ_i Σ_± (± f_is±) A_i (P_s B_i)ᵀ

For each sample the expectation is the same and the variance never larger. For f = ⟨G, W⟩ with G
in the span, one draw, d = rank X_s ≤ T, W (out, in) and σ = 1,

    E‖g − G‖²  =  ‖G‖² (out · d + 1 + 2 (out + d + 1)/r)        EGGROLL: the same with in for d

T = 10 in place of 2312; and samples with different inputs average their noise away. In bins with
few events the inputs are nearly dependent and their inverse is large, so a ridge is added,
X_s X_sᵀ + λ · (mean of its diagonal) · I: λ = 0 is unbiased, a larger λ trusts the strong
directions more. Inputs of later layers are spikes and differ between members by O(σ); those of the
unperturbed network stand for them, at one forward pass more.

Still forward passes only, and nothing is sent back through the network. But a departure from the
papers: a synapse must know what its neuron received from the sample, not only a member's number.

Source: EGGROLL as in ``eggroll.py``; Rao 1945, Blackwell 1947 (doi 10.1214/aoms/1177730497).
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from course_lib.estimators.eggroll import EGGROLL
from course_lib.fitness import sample_losses

#: rows of factors that are held together for the gradient, draws times rank
ROWS = 1024


@dataclass
class ProjectedEGGROLL(EGGROLL):
    """EGGROLL with one fitness value a member and sample, and projected factors.

    ridge: λ ≥ 0.
    population, sigma, rank, seed, kernel: see EGGROLL. Members are mirrored, and fitness is taken
    as it is: ranks would give a sample that all members know the weight of one in doubt.
    """

    name, label = "projected", "projected EGGROLL"
    dense_only = True
    #: one learning rate for the hidden layers, one for the readout: Adam moves all weights alike,
    #: and those of the first layer are smaller
    defaults = {
        "rate": EGGROLL.defaults["rate"],
        "membrane": EGGROLL.defaults["membrane"] | {"sigma": (0.014, 0.005)},
        "any": EGGROLL.defaults["any"] | {
            "readout": "membrane", "lr": (0.003, 0.01), "shift": 1, "steps": 800,
        },
    }  # fmt: skip

    ridge: float = 1.0
    shaping: str = field(default="none", init=False, repr=False)
    mirrored: bool = field(default=True, init=False, repr=False)

    loss = staticmethod(sample_losses)  # fitness is (draws, signs, B)

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.ridge < math.inf:
            raise ValueError(f"ridge is {self.ridge}; expected a number of 0 or more")

    @property
    def forward_passes(self) -> int:
        return self.population + 1

    def draw_weights(self, fitness: Tensor) -> Tensor:
        """(1/(N · batch)) Σ_signs sign · f of each draw and sample: (draws, B)."""
        signs = fitness.new_tensor(self.signs).view(1, -1, 1)
        return (fitness * signs).sum(dim=1) / (self.population * fitness.shape[2])

    def write_gradient(self, network, frames, weights, step):
        inputs = [frames, *(layer.spikes for layer in network.record(frames)[:-1])]
        inputs = [x.transpose(0, 1) for x in inputs]  # (B, T, in)
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        layers = list(zip(network.layers, self.sigmas(network), inputs, strict=True))
        credits = [x.new_zeros(*x.shape[:2], layer.out_features) for layer, _, x in layers]
        for draws in self.chunks(range(self.draws), max(1, ROWS // self.rank)):
            some, factors = weights[draws.start : draws.stop], self.factors(network, step, draws)
            for (layer, sigma, x), credit, (a, b, bias) in zip(
                layers, credits, factors, strict=True
            ):
                credit += felt(x, a, b, some)
                layer.bias.grad -= some.sum(dim=1) @ bias / sigma
        for (layer, sigma, x), credit in zip(layers, credits, strict=True):
            credit = whitened(x, self.ridge) @ credit
            scale = sigma * math.sqrt(self.rank)
            layer.weight.grad -= credit.flatten(0, 1).T @ x.flatten(0, 1) / scale


def felt(x: Tensor, a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Σ_i weight_is (X_s B_i) A_iᵀ: how much each neuron's current at each step helped the sample.

    x: (B, T, in); a: (M, out, r); b: (M, in, r); weights: (M, B). Returns (B, T, out).
    """
    columns = b.permute(1, 0, 2).flatten(1)  # (in, M · r)
    rows = a.permute(0, 2, 1).flatten(0, 1)  # (M · r, out)
    share = weights.repeat_interleave(a.shape[2], dim=0).T.unsqueeze(1)  # (B, 1, M · r)
    return (x @ columns * share) @ rows


def whitened(x: Tensor, ridge: float) -> Tensor:
    """(X_s X_sᵀ + λ · mean of its diagonal · I)⁻¹ of every sample, (B, T, T).

    Without a ridge a pseudo-inverse, since steps without an event leave rows of zeros.
    """
    gram = x @ x.mT
    level = gram.diagonal(dim1=1, dim2=2).mean(dim=1).view(-1, 1, 1)
    unit = torch.eye(x.shape[1]).to(gram)
    if not ridge:
        return torch.linalg.pinv(gram, hermitian=True)
    empty = level == 0  # no event at all: nothing was felt
    return torch.linalg.inv(gram + (ridge * level + empty) * unit) * ~empty
