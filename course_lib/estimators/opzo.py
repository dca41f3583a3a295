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

import math
from dataclasses import dataclass

import torch

from course_lib.estimators.feedback import NodePerturbation, random_feedback
from course_lib.estimators.local import LocalReadouts

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
        self.feedback, self.readouts = [], LocalReadouts(self.local_rate)

    def begin(self, network, labels, steps):
        shapes = [(size, network.sizes[-1]) for size in network.sizes[1:-1]]
        if [tuple(feedback.shape) for feedback in self.feedback] != shapes:
            self.feedback = random_feedback(network, self.seed)
            if self.feedback_start == 0:
                self.feedback = [torch.zeros_like(feedback) for feedback in self.feedback]
        self.feedback = [feedback.to(network.layers[0].weight) for feedback in self.feedback]
        self._share = 1 / (len(labels) * steps)
        self._estimates = [torch.zeros_like(feedback) for feedback in self.feedback]
        if self.local:
            self.readouts.begin(network, labels, steps)

    def hidden_errors(self, network, moments):
        emitted = moments.emitted.flatten(0, 1)
        for estimate, z in zip(self._estimates, moments.noise, strict=True):
            estimate.addmm_(z.flatten(0, 1).T, emitted, alpha=self._share / self.alpha)
        errors = [moments.error @ feedback.T for feedback in self.feedback]
        if self.local:
            for t, spikes in enumerate(zip(*moments.spikes, strict=True)):
                for g, own in zip(errors, self.readouts.errors(spikes, self.judge), strict=True):
                    g[t] += own
        return errors

    def finish(self):
        for feedback, estimate in zip(self.feedback, self._estimates, strict=True):
            feedback.mul_(self.momentum).add_(estimate, alpha=1 - self.momentum)
        if self.local:
            self.readouts.finish()

    def state_dict(self):
        return {
            "feedback": [feedback.clone() for feedback in self.feedback],
            "readouts": self.readouts.state_dict(),
        }

    def load_state_dict(self, state):
        self.feedback = [feedback.clone() for feedback in state["feedback"]]
        self.readouts.load_state_dict(state["readouts"])
