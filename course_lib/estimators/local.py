"""Local learning: every hidden layer answers for itself.

A linear readout R_l (C, N_l) of each hidden layer gives an answer of its own, whose error teaches
both the readout and the layer, so that a layer far from the output has a teacher near by:

    o_l[t] = R_l â[t],   â[t] = β â[t−1] + s_l[t]           a leaky output, as the network's own
    e_l[t] = error of the mean of o_l so far                as for the network's: see ``online``
    g_l[t] = R_lᵀ e_l[t]                                    added to the error from above
    ∂/∂R_l = Σ_t e_l[t] â[t]ᵀ                               for the readout's own Adam

The readouts are scaffolding: no part of the network, and of no use after training. They start at
zero and are kept, with their Adam, in the estimator's state.

Source: the local learning that arXiv 2407.12516 adds to OPZO; how their readouts are trained is
not known to us. (With plain gradient descent ours lagged behind the layers, which then learnt from
a poor teacher: 76 % instead of 93 % on saccade digits after 250 steps from local errors alone.)
"""

import copy
from typing import Any

import torch
from torch import Tensor


class LocalReadouts:
    """Readouts of the hidden layers, trained as they are used. rate: of their Adam."""

    def __init__(self, rate: float):
        self.rate = rate
        self._make([])

    def _make(self, weights: list[Tensor]) -> None:
        self.weights = weights
        self.optimizer = torch.optim.Adam(weights, lr=self.rate) if weights else None

    def begin(self, network, labels: Tensor, steps: int) -> None:
        """Forget the batch before; make readouts if the network's sizes are new."""
        self._labels, self._share, self._steps = labels, 1 / (len(labels) * steps), 0
        self._beta, self._scale = network.neurons[-1].beta, network.logit_scale
        like, classes, hidden = network.layers[0].weight, network.sizes[-1], network.sizes[1:-1]
        if [tuple(weight.shape) for weight in self.weights] != [(classes, n) for n in hidden]:
            self._make([like.new_zeros(classes, size) for size in hidden])
        elif self.weights[0].device != like.device or self.weights[0].dtype != like.dtype:
            moved = [weight.to(like) for weight in self.weights]
            self.load_state_dict(self.state_dict() | {"weights": moved})
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight)
        self._traces = [like.new_zeros(len(labels), size) for size in hidden]
        self._totals = [like.new_zeros(len(labels), classes) for _ in hidden]

    def errors(self, spikes: list[Tensor], judge) -> list[Tensor]:
        """g_l[t], (B, N_l), of the spikes (B, N_l) of each hidden layer at the next time step.

        judge: maps (answers, labels, scale) to losses and their gradient.
        """
        self._steps += 1
        errors = []
        for weight, sent, trace, total in zip(
            self.weights, spikes, self._traces, self._totals, strict=True
        ):
            trace.mul_(self._beta).add_(sent)
            total.addmm_(trace, weight.T)
            _, error = judge(total / self._steps, self._labels, self._scale)
            error = error * self._share
            weight.grad.addmm_(error.T, trace)
            errors.append(error @ weight)
        return errors

    def finish(self) -> None:
        """Let the readouts learn from the batch."""
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        weights = [weight.detach().clone() for weight in self.weights]
        adam = copy.deepcopy(self.optimizer.state_dict()) if weights else {}
        return {"weights": weights, "adam": adam}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._make([weight.clone() for weight in state["weights"]])
        if self.weights:
            self.optimizer.load_state_dict(copy.deepcopy(state["adam"]))
