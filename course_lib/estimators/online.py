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
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.estimators.base import (
    KERNELS,
    LOSSES,
    Estimator,
    check_batch,
    check_choice,
    check_layers,
)
from course_lib.estimators.surrogate import SURROGATES
from course_lib.fast import first_layer
from course_lib.layers import Layer
from course_lib.lif import LIFParameters, heaviside, lif_step
from course_lib.network import SpikingNetwork

ERRORS = ("softmax", "difference")
#: time steps whose errors, and products of δ and â, are taken together: a few large operations cost
#: half as much as so many small ones. The weights stay as they are during a pass, and no error
#: depends on a later step, so it is the same sum.
BLOCK = 10


class Moments(NamedTuple):
    """A block of K time steps, as an update rule sees it. B samples, N_l neurons, C classes.

    psi:    ψ(u_l[t]) of each hidden layer, (K, B, N_l).
    noise:  z_l[t] of each hidden layer, (K, B, N_l); none if the method injects no noise.
    spikes: what each hidden layer sent on, noise included, (K, B, N_l).
    emitted: what a step alone added to the output, (K, B, C): spikes, or a leaky output's current.
    error:  e[t], (K, B, C), of the batch's mean loss.
    delta:  the same at the output's currents, (K, B, C): times ψ for a spiking output.
    losses: loss of the answer that is judged, of each sample, over B·T, (K, B).
    """

    psi: list[Tensor]
    noise: list[Tensor]
    spikes: list[Tensor]
    emitted: Tensor
    error: Tensor
    delta: Tensor
    losses: Tensor


class Memory:
    """All that a pass keeps from one time step to the next, beside the layers' traces; none of it
    grows with T.

    voltages: v_l[t], (B, N_l); bias_traces: â of inputs that are always 1; total: Σ_τ o[τ], (B, C);
    t: time steps so far, of all ``steps``.
    """

    def __init__(self, network: SpikingNetwork, frames: Tensor):
        self.steps, batch, _ = frames.shape
        self.voltages = [frames.new_zeros(batch, size) for size in network.sizes[1:]]
        self.bias_traces = [0.0] * len(self.voltages)
        self.total, self.t = torch.zeros_like(self.voltages[-1]), 0


class Traced:
    """A layer's weights, and the trace â of what came in before a block of steps, (B, N_{l−1})."""

    def __init__(self, layer: Layer, frames: Tensor, beta: float):
        self.layer, self.beta = layer, beta
        self.trace = frames.new_zeros(frames.shape[1], layer.inputs)

    def currents(self, sent: Tensor) -> Tensor:
        return self.layer(sent)

    def add_products(self, sent: Tensor, late: Tensor, more: bool) -> None:
        """∂L/∂W += Σ_τ d[τ] s[τ]ᵀ + β d[1] â₀ᵀ, of ``OnlineEstimator.add_products``.

        sent: s, (K, B, N_{l−1});   late: d, (K, B, N_l);   more: whether another block follows,
        which will ask for the trace.
        """
        self.layer.add_gradient(late.flatten(0, 1), sent.flatten(0, 1))
        if self.trace.any():
            self.layer.add_gradient(late[0], self.trace, alpha=self.beta)
        for spikes in sent if more else ():
            self.trace.mul_(self.beta).add_(spikes)


@dataclass(kw_only=True)
class OnlineEstimator(Estimator):
    """One pass over time that fills ``.grad`` as it goes.

    surrogate, slope: ψ; the same choices as for BPTT.
    error: "softmax", e = c (softmax(c o) − y), of the cross-entropy of logits c o; or
           "difference", e = o − y, of ½‖o − y‖², y one-hot.
    loss:  "accumulated", of the answer so far; or "each_step", of each step's output.
    kernel: "auto": the first layer's products from the frames' events, compiled, where that works;
           "readable": from the frames; "fused": from the events, or a ValueError that says what
           keeps them from being used.

    Raises ValueError for unknown names and a slope that is not positive, and in ``fill_grads`` for
    a network without a hidden layer, or whose neurons are not plain LIF neurons: the pass steps
    them itself.
    """

    surrogate: str = "fast_sigmoid"
    slope: float = 10.0
    error: str = "softmax"
    loss: str = "accumulated"
    kernel: str = field(default="auto", repr=False)

    def __post_init__(self):
        check_choice("surrogate", self.surrogate, SURROGATES)
        check_choice("error", self.error, ERRORS)
        check_choice("loss", self.loss, LOSSES)
        check_choice("kernel", self.kernel, KERNELS)
        if not 0 < self.slope < math.inf:
            raise ValueError(f"slope is {self.slope}; it must be a positive number")

    def hidden_errors(self, network: SpikingNetwork, moments: Moments) -> list[Tensor]:
        """g_l[t] for each hidden layer, (K, B, N_l): where members of the family differ."""
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
        check_layers(type(self), network.layers)
        check_hidden(network, type(self).__name__)
        check_dynamics(network, type(self).__name__)
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.begin(network, labels, len(frames))
        draws, memory = self.draws(network, len(labels), step), Memory(network, frames)
        with first_layer(self, network, frames) as fast:
            first, *layers = (
                Traced(layer, frames, neuron.beta)
                for layer, neuron in zip(network.layers, network.neurons, strict=True)
            )
            layers.insert(0, fast or first)
            for block in frames.split(BLOCK):
                self.learn(network, layers, memory, block, labels, draws)
        self.finish()
        return F.cross_entropy(network.logit_scale * memory.total / memory.steps, labels).item()

    def learn(self, network, layers, memory, block, labels, draws):
        """Run the network for a block of time steps, and add to every ``.grad`` what they say."""
        seen = []
        for current in layers[0].currents(block):
            noise = next(draws)
            distances, spikes, emitted = self.advance(network, memory, current, noise)
            answer = memory.total / memory.t
            if self.loss == "each_step":
                answer = emitted if network.readout == "rate" else memory.voltages[-1].clone()
            seen.append((distances, noise, spikes, [emitted], [answer]))
        distances, noise, spikes, (emitted,), (answer,) = (
            [torch.stack(layer) for layer in zip(*parts, strict=True)]
            for parts in zip(*seen, strict=True)
        )
        psi = [SURROGATES[self.surrogate](distance, self.slope) for distance in distances]
        losses, error = self.judge(answer, labels, network.logit_scale)
        losses, error = (part / (len(labels) * memory.steps) for part in (losses, error))
        delta = error * psi.pop() if network.readout == "rate" else error
        errors = self.hidden_errors(
            network, Moments(psi, noise, spikes, emitted, error, delta, losses)
        )
        deltas = [*(g * ready for g, ready in zip(errors, psi, strict=True)), delta]
        self.add_products(layers, memory, [block, *spikes], deltas)

    def advance(self, network, memory, current, noise):
        """One time step of all layers, given the first one's currents: u of the spiking layers,
        hidden spikes, what the output emits."""
        last, distances, spikes = len(network.layers) - 1, [], []
        memory.t += 1
        for index, (layer, neuron) in enumerate(zip(network.layers, network.neurons, strict=True)):
            current = layer(spikes[-1]) if index else current
            if index == last and network.readout == "membrane":
                memory.total += memory.voltages[-1].mul_(neuron.beta).add_(current)
                return distances, spikes, current
            z = noise[index] if noise and index < last else None

            def spike(distance, z=z):
                distances.append(self.at_threshold(distance, z))
                return heaviside(distances[-1])

            fired, memory.voltages[index] = lif_step(
                current, memory.voltages[index], neuron, spike
            )
            spikes.append(self.sent(fired, z))
        memory.total += spikes[-1]
        return distances, spikes[:-1], spikes[-1]

    def add_products(self, layers, memory, inputs, deltas):
        """∂L/∂W_l += Σ_t δ_l[t] â_l[t]ᵀ over a block of K time steps, in two matrix products.

        A trace is linear in what came in, and â[t] = β^t â₀ + Σ_{τ≤t} β^(t−τ) s[τ] in the block. So

            Σ_t δ[t] â[t]ᵀ = Σ_τ d[τ] s[τ]ᵀ + β d[1] â₀ᵀ,      d[τ] = δ[τ] + β d[τ+1].

        inputs: s of each layer, (K, B, N_{l−1});   deltas: δ of each layer, (K, B, N_l),
        which become d.
        """
        for index, (traced, sent, late) in enumerate(zip(layers, inputs, deltas, strict=True)):
            beta = traced.beta
            for t in range(len(late) - 2, -1, -1):
                late[t] += beta * late[t + 1]
            layer, flat = traced.layer, late.flatten(0, 1)
            layer.bias.grad += layer.to_bias(flat)
            layer.bias.grad += beta * memory.bias_traces[index] * layer.to_bias(late[0])
            traced.add_products(sent, late, memory.t < memory.steps)
            for _ in sent:
                memory.bias_traces[index] = beta * memory.bias_traces[index] + 1

    def judge(self, answer: Tensor, labels: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Loss of each sample (…, B) and its gradient with respect to the answer (…, B, C)."""
        target = F.one_hot(labels, answer.shape[-1]).to(answer)
        if self.error == "difference":
            return 0.5 * (answer - target).square().sum(dim=-1), answer - target
        logits = scale * answer
        losses = -(torch.log_softmax(logits, dim=-1) * target).sum(dim=-1)
        return losses, scale * (torch.softmax(logits, dim=-1) - target)


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
