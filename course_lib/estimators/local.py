"""Local learning: every hidden layer answers for itself.

A linear readout R_l (C, N_l) of each hidden layer gives an answer of its own, whose error teaches
both the readout and the layer, so that a layer far from the output has a teacher near by:

    o_l[t] = R_l â[t],   â[t] = β â[t−1] + s_l[t]           a leaky output, as the network's own
    e_l[t] = error of the mean of o_l so far                as in ``online``, with c = 1
    g_l[t] = R_lᵀ e_l[t]                                    added to the error from above
    R_l ← R_l − η / mean‖â‖² · mean e_l[t] â[t]ᵀ             normalised gradient descent

The readouts are scaffolding: no part of the network, and of no use after training. They start at
zero and are kept in the estimator's state.

Source: the local learning that arXiv 2407.12516 adds to OPZO; how their readouts are trained is
not known to us. The normalised step is the classical one of Widrow and Hoff, here so that η needs
no tuning to how much a layer spikes.
"""

import torch
from torch import Tensor


class LocalReadouts:
    """Readouts of the hidden layers, trained as they are used. rate: η, between 0 and 2."""

    def __init__(self, rate: float):
        self.rate = rate
        self.weights: list[Tensor] = []

    def begin(self, network, labels: Tensor, steps: int) -> None:
        """Forget the batch before; make readouts if the network's sizes are new."""
        batch, self._labels, self._share = len(labels), labels, 1 / (len(labels) * steps)
        like, classes, hidden = network.layers[0].weight, network.sizes[-1], network.sizes[1:-1]
        if [tuple(weight.shape) for weight in self.weights] != [(classes, n) for n in hidden]:
            self.weights = [like.new_zeros(classes, size) for size in hidden]
        self.weights = [weight.to(like) for weight in self.weights]
        self._gradients = [torch.zeros_like(weight) for weight in self.weights]
        self._traces = [like.new_zeros(batch, size) for size in hidden]
        self._totals = [like.new_zeros(batch, classes) for _ in hidden]
        self._power, self._steps = [0.0 for _ in hidden], 0

    def errors(self, spikes: list[Tensor], beta: float, judge) -> list[Tensor]:
        """g_l[t], (B, N_l), of the spikes (B, N_l) of each hidden layer at the next time step.

        judge: maps (answers, labels, scale) to losses and their gradient.
        """
        self._steps += 1
        errors = []
        for index, (weight, sent) in enumerate(zip(self.weights, spikes, strict=True)):
            trace = self._traces[index].mul_(beta).add_(sent)
            total = self._totals[index].add_(trace @ weight.T)
            _, error = judge(total / self._steps, self._labels, 1.0)
            error = error * self._share
            self._gradients[index].addmm_(error.T, trace)
            self._power[index] += trace.square().sum().item() * self._share
            errors.append(error @ weight)
        return errors

    def finish(self) -> None:
        """Let the readouts learn from the batch."""
        for weight, gradient, power in zip(self.weights, self._gradients, self._power, strict=True):
            weight.sub_(gradient, alpha=self.rate / max(power, 1.0))
