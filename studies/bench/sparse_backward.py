"""A sparse backward pass through time in torch, on whatever device the tensors are.

``event_driven.py`` is the fast form, for the CPU. This one is for a GPU, and to be read: it takes
whole layers through time (``through_time.py``: on a GPU, all steps in one operation), and visits
single entries (t, b, neuron) only where something is left to do. With e = ∂L/∂s, the error that
reaches a spike, and w = G e, the adjoint of a current is

    a[t] = w[t] + β k[t] a[t+1],        k = 1 − s with a reset to zero, 1 with one by subtraction

and the gradient of W sums the jumps b[t] = a[t] − β a[t+1] over the traces of the inputs:

    ∂L/∂W = Σ_t a[t] x[t]ᵀ = Σ_t b[t] x̂[t]ᵀ,      x̂[t] = β x̂[t−1] + x[t]

b is zero except where G ≠ 0 and, with a reset to zero, at spikes that cut a path off. So e is
fetched at active entries only, by a row of W for each, and ∂L/∂W is the product of a sparse and a
dense matrix. The gradients are the autograd loop's with the same G, up to rounding.

``dense=True`` visits all entries by dense products instead: what the same code takes without
sparsity, so that a comparison can tell its gain from that of few operations.

Sources: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023);
Perez-Nieves and Goodman, Sparse Spiking Gradient Descent (NeurIPS 2021).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.lif import heaviside
from course_lib.network import SpikingNetwork
from studies.bench.through_time import distances, leaky


class Layer(NamedTuple):
    """A spiking layer, its inputs and spikes (T, B, ·), and its active entries: t, b, neuron, G.

    If all take part, ``where`` is None and ``derivative`` (T, B, N).
    """

    linear: torch.nn.Linear
    inputs: Tensor
    spikes: Tensor
    where: tuple[Tensor, Tensor, Tensor] | None
    derivative: Tensor


class SparsePass:
    """A forward pass that remembers its active entries, and the backward pass through them.

    derivative: u = v − θ of a layer, (T, B, N) → G; asked for each spiking layer in turn.
    dense:      whether entries with G = 0 take part, too.

    ``outputs`` (B, C) are the network's; ``active_fraction`` is the share that take part.
    """

    @torch.no_grad()
    def __init__(
        self, network: SpikingNetwork, frames: Tensor, derivative: Callable[[Tensor], Tensor],
        dense: bool = False,
    ):  # fmt: skip
        network.check_frames(frames)
        self.network, self.layers = network, []
        inputs, entries = frames, 0
        for linear in network.layers[: -1 if network.readout == "membrane" else None]:
            apart = distances(linear(inputs), network.neuron)
            spikes, values = heaviside(apart), derivative(apart)
            where = None if dense else values.nonzero(as_tuple=True)
            values = values if dense else values[where]
            self.layers.append(Layer(linear, inputs, spikes, where, values))
            inputs, entries = spikes, entries + spikes.numel()
        self.active_fraction = sum(x.derivative.numel() for x in self.layers) / max(entries, 1)
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
        return (leaky(like.new_ones(steps), beta) / steps).flip(0)

    @torch.no_grad()
    def backward(self, errors: Tensor) -> None:
        """Set every parameter's ``.grad``, given ∂L/∂outputs (B, C)."""
        if self.network.readout == "membrane":
            out = self.network.layers[-1]
            out.weight.grad = errors.T @ self.last
            out.bias.grad = errors.sum(dim=0) * self.felt.sum()
            errors = errors @ out.weight
        beta, above = self.network.neuron.beta, None
        for layer in reversed(self.layers):
            passed = self._passed(layer, above, errors)
            cuts = layer.spikes if self.network.neuron.reset == "zero" else None
            adjoint = leaky(passed, beta, cuts, backwards=True)
            if layer.where is None:
                rows = adjoint.flatten(0, 1)
                layer.linear.weight.grad = rows.T @ layer.inputs.flatten(0, 1)
                layer.linear.bias.grad = rows.sum(dim=0)
            else:
                if cuts is not None:
                    passed[:-1] -= beta * cuts[:-1] * adjoint[1:]
                self._set_gradient(layer, passed)
            above = adjoint, layer.linear.weight

    def _passed(self, layer: Layer, above: tuple[Tensor, Tensor] | None, errors: Tensor) -> Tensor:
        """w = G e, (T, B, N), from the adjoint and weights of the layer above, or from ``errors``
        (B, N) of the outputs if this is the highest one that spikes."""
        if layer.where is None:
            if above is None:
                return layer.derivative * (self.felt[:, None, None] * errors)
            return layer.derivative * (above[0] @ above[1])
        t, b, n = layer.where
        if above is None:
            error = self.felt[t] * errors[b, n]
        else:
            error = (above[0][t, b] * above[1].T[n]).sum(dim=1)
        passed = torch.zeros_like(layer.spikes)
        passed[layer.where] = layer.derivative * error
        return passed

    def _set_gradient(self, layer: Layer, jumps: Tensor) -> None:
        """Σ_t b[t] x̂[t]ᵀ; jumps: b, (T, B, N)."""
        t, b, n = where = jumps.nonzero(as_tuple=True)
        steps, batch, size = jumps.shape
        values, beta = jumps[where], self.network.neuron.beta
        traces = leaky(layer.inputs, beta).flatten(0, 1)  # x̂, (T · B, in)
        matrix = torch.sparse_coo_tensor(
            torch.stack([n, t * batch + b]), values, (size, steps * batch), check_invariants=False
        )
        layer.linear.weight.grad = torch.sparse.mm(matrix, traces)
        ones = leaky(values.new_ones(steps), beta)  # the trace of the bias's input, which is 1
        layer.linear.bias.grad = values.new_zeros(size).index_add(0, n, values * ones[t])
