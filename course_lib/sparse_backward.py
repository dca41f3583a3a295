"""A sparse backward pass through time in plain torch, on whatever device the tensors are.

``event_driven.py`` is the fast form, for the CPU. This one is for a GPU, and to be read: it walks
through time with whole layers, and visits single entries (t, b, neuron) only where something is
left to do. With e = ∂L/∂s, the error that reaches a spike, and w = G e, the adjoint of a current is

    a[t] = w[t] + β k[t] a[t+1],        k = 1 − s with a reset to zero, 1 with one by subtraction

and the gradient of W sums the jumps b[t] = a[t] − β a[t+1] over the traces of the inputs:

    ∂L/∂W = Σ_t a[t] x[t]ᵀ = Σ_t b[t] x̂[t]ᵀ,      x̂[t] = β x̂[t−1] + x[t]

b is zero except where G ≠ 0 and, with a reset to zero, at spikes that cut a path off. So e is
fetched at active entries only, by a row of W for each, and ∂L/∂W is the product of a sparse and a
dense matrix. The gradients are the autograd loop's with the same G, up to rounding.

Sources: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023);
Perez-Nieves and Goodman, Sparse Spiking Gradient Descent (NeurIPS 2021).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.lif import heaviside, leaky_run, lif_run
from course_lib.network import SpikingNetwork


class Layer(NamedTuple):
    """A spiking layer, its inputs and spikes (T, B, ·), and its active entries: t, b, neuron, G."""

    linear: torch.nn.Linear
    inputs: Tensor
    spikes: Tensor
    where: tuple[Tensor, Tensor, Tensor]
    derivative: Tensor


class SparsePass:
    """A forward pass that remembers its active entries, and the backward pass through them.

    derivative: u = v − θ of a layer, (T, B, N) → G; asked for each spiking layer in turn.

    ``outputs`` (B, C) are the network's; ``active_fraction`` is the share of entries with G ≠ 0.
    """

    @torch.no_grad()
    def __init__(
        self, network: SpikingNetwork, frames: Tensor, derivative: Callable[[Tensor], Tensor]
    ):
        network.check_frames(frames)
        self.network, self.layers = network, []
        inputs, entries = frames, 0
        for linear in network.layers[: -1 if network.readout == "membrane" else None]:
            distances = []

            def fire(distance, distances=distances):
                distances.append(distance)
                return heaviside(distance)

            spikes, _ = lif_run(linear(inputs), network.neuron, fire, keep_voltages=False)
            values = derivative(torch.stack(distances))
            where = values.nonzero(as_tuple=True)
            self.layers.append(Layer(linear, inputs, spikes, where, values[where]))
            inputs, entries = spikes, entries + values.numel()
        self.active_fraction = sum(len(x.derivative) for x in self.layers) / max(entries, 1)
        self.felt = self._felt(inputs)
        last = torch.einsum("t,tbn->bn", self.felt, inputs)  # spikes, by how long they are felt
        self.outputs = last
        if network.readout == "membrane":
            out = network.layers[-1]
            self.outputs = last @ out.weight.T + out.bias * self.felt.sum()
        self.last = last

    def _felt(self, like: Tensor) -> Tensor:
        """By how much a current of each step counts in the outputs' mean over time, (T,)."""
        steps, beta = len(like), self.network.neuron.beta
        if self.network.readout == "rate":
            return like.new_full((steps,), 1 / steps)
        return (leaky_run(like.new_ones(steps), beta) / steps).flip(0)

    @torch.no_grad()
    def backward(self, errors: Tensor) -> None:
        """Set every parameter's ``.grad``, given ∂L/∂outputs (B, C)."""
        if self.network.readout == "membrane":
            out = self.network.layers[-1]
            out.weight.grad = errors.T @ self.last
            out.bias.grad = errors.sum(dim=0) * self.felt.sum()
            errors = errors @ out.weight
        above = None
        for layer in reversed(self.layers):
            t, b, n = layer.where
            if above is None:
                error = self.felt[t] * errors[b, n]
            else:
                adjoint, weight = above
                error = (adjoint[t, b] * weight.T[n]).sum(dim=1)
            passed = torch.zeros_like(layer.spikes)  # w
            passed[layer.where] = layer.derivative * error
            adjoint, jumps = self._adjoint(passed, layer.spikes)
            self._add_gradient(layer, jumps)
            above = adjoint, layer.linear.weight

    def _adjoint(self, passed: Tensor, spikes: Tensor) -> tuple[Tensor, Tensor]:
        """a and b of all steps, (T, B, N) each, from the last step to the first."""
        beta, cuts = self.network.neuron.beta, self.network.neuron.reset == "zero"
        adjoint, jumps = torch.empty_like(passed), passed
        if cuts:
            jumps = passed.clone()
        later = torch.zeros_like(passed[0])
        for t in reversed(range(len(passed))):
            if cuts:
                jumps[t] -= beta * spikes[t] * later
                later = (1 - spikes[t]) * later
            later = passed[t] + beta * later
            adjoint[t] = later
        return adjoint, jumps

    def _add_gradient(self, layer: Layer, jumps: Tensor) -> None:
        t, b, n = where = jumps.nonzero(as_tuple=True)
        steps, batch, size = jumps.shape
        values, beta = jumps[where], self.network.neuron.beta
        traces = leaky_run(layer.inputs, beta).flatten(0, 1)  # x̂, (T · B, in)
        matrix = torch.sparse_coo_tensor(
            torch.stack([n, t * batch + b]), values, (size, steps * batch), check_invariants=False
        )
        layer.linear.weight.grad = torch.sparse.mm(matrix, traces)
        ones = leaky_run(values.new_ones(steps), beta)  # the trace of the bias's input, which is 1
        layer.linear.bias.grad = values.new_zeros(size).index_add(0, n, values * ones[t])
