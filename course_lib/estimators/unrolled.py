"""What methods that backpropagate through time share: the loss that they differentiate.

    accumulated    L = CE(c ō, y),   ō = (1/T) Σ_t o[t]              of the answer of all T steps
    each_step      L = (1 − λ) (1/T) Σ_t CE(c o[t], y) + λ (1/T) Σ_t ⟨(o[t] − θ)²⟩

o[t] is the output's voltage ("membrane" readout) or spike ("rate"), c the logit scale, CE the
cross-entropy, ⟨⟩ the mean over classes. The second is temporal efficient training (TET): every
step has to answer, and λ keeps outputs near the threshold, so that no single step outweighs the
others. OTTT and its kin know the same loss, without λ: see ``online.py``.

Source: Deng et al. 2022, Temporal Efficient Training of Spiking Neural Network via Gradient
Re-weighting (arXiv 2202.11946): L_TET, and its total with L_MSE. LocalZO's paper trains by it, too,
in section 5.1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.estimators.base import LOSSES, UNROLLED, Estimator, check_choice
from course_lib.fitness import cross_entropy
from course_lib.lif import SpikeFunction
from course_lib.network import SpikingNetwork


class Watched:
    """A spike function that counts, call after call, the entries whose derivative is not zero: a
    call for each time step of a layer, layer after layer.

    active: the counts;   entries: of how many.
    """

    def __init__(self, spike: SpikeFunction):
        self.spike, self.active, self.entries = spike, [], []

    def __call__(self, distance: Tensor) -> Tensor:
        spikes = self.spike(distance)
        for derivative in getattr(spikes.grad_fn, "saved_tensors", ()):  # surrogate_spike
            self.active.append(torch.count_nonzero(derivative))
            self.entries.append(derivative.numel())
        return spikes

    def shares(self, layers: int = 1) -> list[float]:
        """Of the entries of so many layers, in each; an empty list if nothing was counted."""
        size = len(self.active) // layers
        return [float(sum(self.active[i : i + size])) / sum(self.entries[i : i + size])
                for i in range(0, layers * size, size or 1)]  # fmt: skip


@dataclass(kw_only=True)
class Unrolled(Estimator):
    """An estimator by backpropagation through time.

    loss: "accumulated", of the answer of all steps; or "each_step", of each step's output.
    pull: λ of TET, 0 ≤ λ < 1; with the loss "each_step".

    Raises ValueError for other values.
    """

    backward = UNROLLED
    normalises = True

    loss: str = "accumulated"
    pull: float = 0.0

    def __post_init__(self):
        check_choice("loss", self.loss, LOSSES)
        if not 0 <= self.pull < 1:
            raise ValueError(f"pull is {self.pull}; λ of TET must lie in [0, 1)")
        if self.pull and self.loss != "each_step":
            raise ValueError(
                f'pull is {self.pull}; it is part of the loss "each_step": choose that'
            )

    def spike(self, step: int) -> SpikeFunction:
        """The spike function of a training step, whose derivative is the method's own."""
        raise NotImplementedError

    def judge(
        self, network: SpikingNetwork, frames: Tensor, labels: Tensor, spike: SpikeFunction
    ) -> Tensor:
        """The loss, a number that can be differentiated."""
        if self.loss == "accumulated":
            return cross_entropy(network.logits(frames, spike=spike), labels)
        outputs = network.each_step(frames, spike=spike)
        loss = cross_entropy(network.logit_scale * outputs, labels).mean()
        if not self.pull:
            return loss
        distance = (outputs - network.neurons[-1].threshold).square().mean()
        return (1 - self.pull) * loss + self.pull * distance
