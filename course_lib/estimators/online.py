"""Online training: what OPZO, OTTT, DFA and single-point zeroth order share.

At every time step each weight is changed by a product of three factors that are at hand at that
moment, so nothing is kept over time: memory is the same for T = 10 and T = 1000.

    â_l[t]  = β â_l[t−1] + s_{l−1}[t]                       trace of what came in (presynaptic)
    ψ(u_l[t])                                               how ready the neuron was to fire
    g_l[t]                                                  error at its output, from above
    ∂L/∂W_l ≈ Σ_t (g_l[t] ⊙ ψ(u_l[t])) â_l[t]ᵀ              u = v − θ, ψ a surrogate derivative

The members of the family differ only in where g comes from, in ``hidden_errors``:

    OTTT                spatial backpropagation, through the weights of the layer above
    DFA                 e times a fixed random matrix
    OPZO                e times M, an estimate of the mean Jacobian made from noise
    single-point ZO     the scalar loss times the noise itself, over α

**The loss** is that of the answer accumulated over all T steps, as everywhere in this course. Its
error is known only at the end, but an online rule needs one now. It takes the error of the answer
so far,

    ō[t] = (1/t) Σ_{τ≤t} o[τ],      e[t] = (1/T) ∂loss(ō[t], label) / ∂ō[t],

which at t = T is the exact error of the network's own loss; o[τ] is the output's voltage
("membrane" readout) or spike ("rate"), and ∂ō[T]/∂o[t] = 1/T. With ``loss="each_step"`` it judges
o[t] itself, the loss being (1/T) Σ_t loss(o[t], label), as OTTT does. One might expect that to fail
on saccades, whose quiet moments hold no answer. It does not: a leaky output still holds the last.

Sources: Xiao et al. 2022, Online Training Through Time (arXiv 2210.04195), sections 4.1–4.2;
Online Pseudo-Zeroth-Order Training (arXiv 2407.12516), the three-factor update.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.estimators.base import Estimator, check_batch, check_choice
from course_lib.estimators.surrogate import SURROGATES
from course_lib.lif import LIFParameters, heaviside, lif_step
from course_lib.network import SpikingNetwork

ERRORS = ("softmax", "difference")
LOSSES = ("accumulated", "each_step")
#: time steps whose products of δ and â are taken together: one large product costs half as much as
#: so many small ones. The weights stay as they are during a pass, so it is the same sum.
BLOCK = 10


class Moment(NamedTuple):
    """One time step, as an update rule sees it. B samples, N_l neurons, C classes.

    psi:    ψ(u_l[t]) of each hidden layer, (B, N_l).
    noise:  z_l[t] of each hidden layer, (B, N_l); none if the method injects no noise.
    spikes: what each hidden layer sent on, noise included, (B, N_l).
    emitted: what the step alone added to the output, (B, C): spikes, or a leaky output's current.
    error:  e[t], (B, C), of the batch's mean loss.
    delta:  the same at the output's currents, (B, C): times ψ for a spiking output.
    losses: loss of the answer that is judged, of each sample, over B·T, (B,).
    """

    psi: list[Tensor]
    noise: list[Tensor]
    spikes: list[Tensor]
    emitted: Tensor
    error: Tensor
    delta: Tensor
    losses: Tensor


class Memory:
    """All that a pass keeps from one time step to the next; none of it grows with T.

    voltages: v_l[t], (B, N_l); traces: â_l[t], (B, N_{l−1}); bias_trace: that of an input that is
    always 1; total: Σ_τ o[τ], (B, C).
    """

    def __init__(self, network: SpikingNetwork, frames: Tensor):
        batch = frames.shape[1]
        self.voltages = [frames.new_zeros(batch, size) for size in network.sizes[1:]]
        self.traces = [frames.new_zeros(batch, size) for size in network.sizes[:-1]]
        self.bias_trace, self.total = 0.0, torch.zeros_like(self.voltages[-1])


@dataclass(kw_only=True)
class OnlineEstimator(Estimator):
    """One pass over time that fills ``.grad`` as it goes.

    surrogate, slope: ψ; the same choices as for BPTT.
    error: "softmax", e = c (softmax(c o) − y), of the cross-entropy of logits c o; or
           "difference", e = o − y, of ½‖o − y‖², y one-hot.
    loss:  "accumulated", of the answer so far; or "each_step", of each step's output.

    Raises ValueError for unknown names and a slope that is not positive, and in ``fill_grads`` for
    a network without a hidden layer, or whose neurons are not plain LIF neurons: the pass steps
    them itself.
    """

    surrogate: str = "fast_sigmoid"
    slope: float = 10.0
    error: str = "softmax"
    loss: str = "accumulated"

    def __post_init__(self):
        check_choice("surrogate", self.surrogate, SURROGATES)
        check_choice("error", self.error, ERRORS)
        check_choice("loss", self.loss, LOSSES)
        if not 0 < self.slope < math.inf:
            raise ValueError(f"slope is {self.slope}; it must be a positive number")

    def hidden_errors(self, network: SpikingNetwork, moment: Moment) -> list[Tensor]:
        """g_l[t] for each hidden layer, (B, N_l): where members of the family differ."""
        raise NotImplementedError

    def draws(self, network: SpikingNetwork, batch: int, step: int) -> Iterator[list[Tensor]]:
        """For each time step, noise z_l for each hidden layer; an empty list for no noise."""
        while True:
            yield []

    def at_threshold(self, distance: Tensor, noise: Tensor | None) -> Tensor:
        """u, by which a neuron fires, of v − θ and z."""
        return distance

    def sent(self, spikes: Tensor, noise: Tensor | None) -> Tensor:
        """What a neuron sends on, of its spikes and z."""
        return spikes

    def begin(self, network: SpikingNetwork, labels: Tensor, steps: int) -> None:
        """Called before the first of so many time steps."""

    def finish(self) -> None:
        """Called after the last time step."""

    @torch.no_grad()
    def fill_grads(self, network, frames, labels, step=0):
        check_batch(network, frames, labels)
        check_hidden(network, type(self).__name__)
        check_dynamics(network, type(self).__name__)
        steps, batch = frames.shape[:2]
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.begin(network, labels, steps)
        noise, memory = self.draws(network, batch, step), Memory(network, frames)
        scale, t = 1 / (batch * steps), 0

        for block in frames.split(BLOCK):
            sent, deltas = [], []  # by time step, then layer
            for current in network.layers[0](block):
                t, z = t + 1, next(noise)
                psi, spikes, emitted = self.advance(network, memory, current, z)
                answer = memory.total / t
                if self.loss == "each_step":
                    answer = emitted if network.readout == "rate" else memory.voltages[-1]
                losses, error = self.judge(answer, labels, network.logit_scale)
                losses, error = losses * scale, error * scale
                delta = error * psi[-1]
                errors = self.hidden_errors(
                    network, Moment(psi[:-1], z, spikes, emitted, error, delta, losses)
                )
                hidden = [g * ready for g, ready in zip(errors, psi[:-1], strict=True)]
                sent.append(spikes)
                deltas.append([*hidden, delta])
            inputs = [block, *map(torch.stack, zip(*sent, strict=True))]
            self.add_products(network, memory, inputs, zip(*deltas, strict=True), t < steps)
        self.finish()
        return F.cross_entropy(network.logit_scale * memory.total / steps, labels).item()

    def advance(self, network, memory, current, noise):
        """One time step of all layers, given the first one's currents: ψ of each layer, hidden
        spikes, what the output emits."""
        last, psi, spikes = len(network.layers) - 1, [], []
        for index, layer in enumerate(network.layers):
            current = layer(spikes[-1]) if index else current
            if index == last and network.readout == "membrane":
                memory.total += memory.voltages[-1].mul_(network.neuron.beta).add_(current)
                return [*psi, 1.0], spikes, current
            z, distances = noise[index] if noise and index < last else None, []

            def spike(distance, z=z, distances=distances):
                distances.append(self.at_threshold(distance, z))
                return heaviside(distances[0])

            fired, memory.voltages[index] = lif_step(
                current, memory.voltages[index], network.neuron, spike
            )
            psi.append(SURROGATES[self.surrogate](distances[0], self.slope))
            spikes.append(self.sent(fired, z))
        memory.total += spikes[-1]
        return psi, spikes[:-1], spikes[-1]

    def add_products(self, network, memory, inputs, deltas, more):
        """∂L/∂W_l += Σ_t δ_l[t] â_l[t]ᵀ over a block of K time steps, in two matrix products.

        A trace is linear in what came in, and â[t] = β^t â₀ + Σ_{τ≤t} β^(t−τ) s[τ] in the block. So

            Σ_t δ[t] â[t]ᵀ = Σ_τ d[τ] s[τ]ᵀ + β d[1] â₀ᵀ,      d[τ] = δ[τ] + β d[τ+1].

        inputs: s of each layer, (K, B, N_{l−1});   deltas: δ of each layer, K tensors (B, N_l);
        more: whether another block follows, which will ask for the traces.
        """
        beta = network.neuron.beta
        for index, (layer, sent, late) in enumerate(
            zip(network.layers, inputs, deltas, strict=True)
        ):
            sums, total = [], 0.0
            for delta in reversed(late):
                total = delta + beta * total
                sums.append(total)
            flat = torch.cat(sums[::-1])
            layer.add_gradient(flat, sent.flatten(0, 1))
            layer.bias.grad += layer.to_bias(flat) + beta * memory.bias_trace * layer.to_bias(total)
            trace = memory.traces[index]
            if memory.bias_trace:
                layer.add_gradient(total, trace, alpha=beta)
            for spikes in sent if more else ():
                trace.mul_(beta).add_(spikes)
        for _ in inputs[0]:
            memory.bias_trace = beta * memory.bias_trace + 1

    def judge(self, answer: Tensor, labels: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Loss of each sample (B,) and its gradient with respect to the answer (B, C)."""
        target = F.one_hot(labels, answer.shape[1]).to(answer)
        if self.error == "difference":
            return 0.5 * (answer - target).square().sum(dim=1), answer - target
        logits = scale * answer
        losses = F.cross_entropy(logits, labels, reduction="none")
        return losses, scale * (torch.softmax(logits, dim=1) - target)


def check_dynamics(network: SpikingNetwork, name: str) -> None:
    """Raise ValueError unless the network's neurons are those that the pass steps."""
    own = [part for part in ("forward", "_run", "read")
           if getattr(type(network), part) is not getattr(SpikingNetwork, part)]  # fmt: skip
    if own or type(network.neuron) is not LIFParameters:
        what = f"a {own[0]}" if own else f"a {type(network.neuron).__name__}"
        raise ValueError(
            f"{name} steps the neurons of a plain SpikingNetwork by itself, and so would train "
            f"another network than this one: {type(network).__name__} has {what} of its own. "
            "SurrogateBPTT, LocalZO and evolution strategies train it as it is"
        )


def check_hidden(network: SpikingNetwork, name: str) -> None:
    """Raise ValueError unless the network has a hidden layer for the error to reach."""
    if len(network.layers) < 2:
        raise ValueError(
            f"the network's sizes are {network.sizes}, without a hidden layer: {name} is about "
            "errors at hidden layers, so give it one, such as (2312, 256, 10)"
        )
