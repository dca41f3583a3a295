"""OPZO: online pseudo-zeroth-order training.

The gradient of the loss with respect to the output, e, is known in closed form; only the network
in between is a black box. So noise is used to learn what the network does to small changes, not
what the loss does. One noisy pass, s̃ = s + α z at every hidden layer, gives for each of them

    M ← λ M + (1 − λ) · mean over batch and time of  z õᵀ / α          (N, C)

and since E[z õᵀ]/α is the Jacobian Jᵀ of the output with respect to the layer (exactly so for a
linear network; of the smoothed network otherwise), M tends to its mean over the data. It is the
feedback that carries the error down to the layer, in place of backpropagation through weights:

    g = M e,        ∂L/∂W ≈ Σ_t (g[t] ⊙ ψ(u[t])) â[t]ᵀ

A scalar loss times noise (single-point zeroth order) has a variance that grows with the number of
neurons; here the noise is averaged over 1/(1 − λ) batches before it meets the error.

õ is what the time step alone added to the output: its spikes, or the current into a leaky output.
It must not be the answer accumulated over time: there the two noises of a mirrored pair cancel,
and M would see nothing. Batch b's error is carried by the M of the batches before it.

Source: Xiao et al., Online Pseudo-Zeroth-Order Training of Neuromorphic Spiking Neural Networks
(arXiv 2407.12516). No code of theirs is public; α, λ and the start of M are our choices.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_lib.estimators.feedback import NodePerturbation, random_feedback

STARTS = (0, "random")


@dataclass(kw_only=True)
class OPZO(NodePerturbation):
    """Fill ``.grad`` by an online pass whose errors come through momentum feedback M.

    momentum:       λ, 0 ≤ λ < 1, of M. M starts at zero and so stays small at first,
                    (1 − λᵏ) of its size after k batches; Adam does not mind, plain SGD does.
    feedback_start: 0, or "random": as DFA's. A random start fades as λᵏ only.
    local:          besides, let every hidden layer learn for a readout of its own (local
                    learning): see ``LocalReadouts``.
    local_rate:     learning rate of these readouts' Adam.
    intermediate:   with ``local``, let the error of a hidden layer's readout teach the layers below
                    it, too, through a momentum feedback of its own (intermediate global learning):
                    M as above, with the readout's answer R_l s̃_l[t] in place of õ. How the paper
                    groups its layers is not known to us; here each is a group.

    and as for NodePerturbation: alpha, noise, mirrored, inject, seed, surrogate, slope, error.

    Beyond one hidden layer, a neuron's memory carries part of the noise on into the next step; with
    ``mirrored``, it then meets its opposite, which makes the M of lower layers smaller by up to
    (2 − β)/2, in the same direction.

    M belongs to one network: use a new estimator for each. It is made when first used, and anew
    when a network of other sizes comes. Raises ValueError for values out of range.
    """

    name, label = "opzo", "OPZO"
    shown = ("alpha", "momentum")

    momentum: float = 0.999
    feedback_start: float | str = 0
    local: bool = False
    local_rate: float = 0.003
    intermediate: bool = False

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"momentum is {self.momentum}; it must lie in [0, 1): 0 uses the last batch's "
                "noise alone, 0.999 about a thousand batches, 1 would never learn"
            )
        if self.feedback_start not in STARTS:
            raise ValueError(f"feedback_start is {self.feedback_start!r}; choose 0 or 'random'")
        if not 0 < self.local_rate < math.inf:
            raise ValueError(f"local_rate is {self.local_rate}; it must be a positive number")
        if self.intermediate and not self.local:
            raise ValueError("intermediate learning needs the hidden layers' readouts: local=True")
        self.feedback, self.between = [], []
        self.readouts = LocalReadouts(self.local_rate)

    def begin(self, network, labels, steps):
        shapes = [(size, network.sizes[-1]) for size in network.sizes[1:-1]]
        if [tuple(feedback.shape) for feedback in self.feedback] != shapes:
            self.feedback = random_feedback(network, self.seed)
            if self.feedback_start == 0:
                self.feedback = [torch.zeros_like(feedback) for feedback in self.feedback]
            layers = range(len(shapes) if self.intermediate else 0)
            self.between = [torch.zeros(shapes[below]) for k in layers for below in range(k)]
        self.feedback, self.between = (
            [feedback.to(network.layers[0].weight) for feedback in kept]
            for kept in (self.feedback, self.between)
        )
        self._share = 1 / (len(labels) * steps)
        self._estimates = [torch.zeros_like(kept) for kept in (*self.feedback, *self.between)]
        if self.local:
            self.readouts.begin(network, labels, steps)

    def hidden_errors(self, network, moments):
        emitted = moments.emitted.flatten(0, 1)
        for estimate, z in zip(self._estimates[: len(self.feedback)], moments.noise, strict=True):
            estimate.addmm_(z.flatten(0, 1).T, emitted, alpha=self._share / self.alpha)
        errors = [moments.error @ feedback.T for feedback in self.feedback]
        for t, spikes in enumerate(zip(*moments.spikes, strict=True) if self.local else ()):
            self.ask_readouts(t, spikes, moments.noise, errors)
        return errors

    def ask_readouts(self, t, spikes, noise, errors):
        """Add to the hidden layers' errors at a time step what their own readouts say."""
        between = iter(zip(self.between, self._estimates[len(self.feedback) :], strict=True))
        own = self.readouts.errors(spikes, self.judge)
        for k, (error, readout) in enumerate(zip(own, self.readouts.weights, strict=True)):
            errors[k][t] += error @ readout
            for below in range(k if self.intermediate else 0):
                feedback, estimate = next(between)
                errors[below][t] += error @ feedback.T
                answered = spikes[k] @ readout.T
                estimate.addmm_(noise[below][t].T, answered, alpha=self._share / self.alpha)

    def finish(self):
        kept = (*self.feedback, *self.between)
        for feedback, estimate in zip(kept, self._estimates, strict=True):
            feedback.mul_(self.momentum).add_(estimate, alpha=1 - self.momentum)
        if self.local:
            self.readouts.finish()

    def state_dict(self):
        return {
            "feedback": [feedback.clone() for feedback in self.feedback],
            "between": [feedback.clone() for feedback in self.between],
            "readouts": self.readouts.state_dict(),
        }

    def load_state_dict(self, state):
        self.feedback = [feedback.clone() for feedback in state["feedback"]]
        self.between = [feedback.clone() for feedback in state.get("between", ())]
        self.readouts.load_state_dict(state["readouts"])


class LocalReadouts:
    """Local learning: every hidden layer answers for itself. rate: of the readouts' Adam.

    A linear readout R_l (C, N_l) of each hidden layer gives an answer of its own, whose error
    teaches both the readout and the layer, so that a layer far from the output has a teacher near:

        o_l[t] = R_l â[t],   â[t] = β â[t−1] + s_l[t]       a leaky output, as the network's own
        e_l[t] = error of the mean of o_l so far            as for the network's: see ``online``
        g_l[t] = R_lᵀ e_l[t]                                added to the error from above
        ∂/∂R_l = Σ_t e_l[t] â[t]ᵀ                           for the readout's own Adam

    The readouts are scaffolding: no part of the network, and of no use after training. They start
    at zero and are kept, with their Adam, in the estimator's state.

    How the paper's are trained is not known to us. (With plain gradient descent ours lagged behind
    the layers, which then learnt from a poor teacher: 76 % instead of 93 % on saccade digits after
    250 steps from local errors alone.)
    """

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
        """e_l[t], (B, C), of the spikes (B, N_l) of each hidden layer at the next time step.

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
            errors.append(error)
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
