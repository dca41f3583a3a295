"""Backpropagation through time at the price of its events: the host side of ``kernels/forward.py``,
``backward.py`` and ``gradients.py``.

    events = input_events(frames)                           # None: use the autograd loop instead
    run = EventDrivenPass(network, events, pseudo)          # forward; run.outputs (B, C)
    run.backward(grad_outputs)                              # fills .grad

The result is that of the plain autograd loop with the same spike derivative, up to rounding: sums
are added in another order. (If rounding flips a spike whose |u| is about 1e-7, that spike's share
of the gradient differs. Weights that are multiples of 2⁻¹⁶ have exact sums, and then the spikes
are equal to the bit.)
"""

import sys
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib.compiling import is_kept
from course_lib.fast.event_lists import SAMPLES, Entries, Events, entry_room, event_room
from course_lib.fast.kernels import backward, forward, gradients
from course_lib.fast.kernels.threads import in_threads, ranges, torch_threads
from course_lib.fast.kernels.workspace import Workspace
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork

#: The batch is cut into so many groups, however many threads there are, and the groups' gradients
#: are added in order: the number of threads changes no bit.
GROUPS = 8
#: buckets of |u|
FLOORS = 1024


class Layer(NamedTuple):
    """A spiking layer, what went in, and what it did. columns: W transposed and padded."""

    linear: torch.nn.Linear
    columns: np.ndarray
    inputs: Events
    spikes: Events
    active: Entries


class EventDrivenPass:
    """A forward pass that remembers its events, and the backward pass through them.

    events: from ``input_events``;  pseudo: the spike's ``PseudoDerivative``;
    workspace: where arrays are kept: a pass is over when it is next used.

    ``outputs`` (B, C) are the network's; ``active_fraction`` is the share of (t, b, neuron)
    entries with G ≠ 0 in the spiking layers.
    """

    def __init__(
        self,
        network: SpikingNetwork,
        events: Events,
        pseudo,
        workspace: Workspace | None = None,
    ):
        _announce()
        self.network, self.room = network, workspace or Workspace()
        self.batch, self.steps = len(events.starts), events.starts.shape[1] - 1
        self.layers: list[Layer] = []
        none = np.empty(0, np.uint64), np.float32(0)
        self.floors = floors_of(pseudo.thresholds) if pseudo.samples else none
        spikes, entries = events, 0
        for linear in network.layers[: -1 if network.readout == "membrane" else None]:
            layer = self._run_layer(linear, spikes, pseudo, entries)
            self.layers.append(layer)
            spikes, entries = layer.spikes, entries + self.steps * self.batch * linear.out_features
        found = sum(int(layer.active.starts[:, -1].sum()) for layer in self.layers)
        self.active_fraction = found / max(entries, 1)
        self.outputs = self._read(spikes)

    def _run_layer(self, linear, inputs, pseudo, position) -> Layer:
        neuron, size, name = self.network.neuron, linear.out_features, f"layer {len(self.layers)}"
        spikes = event_room(self.room, f"{name}, spikes", self.batch, self.steps, size)
        active = entry_room(self.room, f"{name}, active", self.batch, self.steps, size)
        columns, bias = self._padded(linear, name)
        in_threads(
            forward.run_layer, ranges(self.batch, SAMPLES), *inputs, columns, bias, size,
            np.float32(neuron.beta), np.float32(neuron.threshold),
            0 if neuron.reset == "zero" else 2 if neuron.reset_delay else 1,
            np.float32(pseudo.bound), np.uint64(pseudo.key), position, pseudo.samples,
            *self.floors, pseudo.thresholds, pseudo.weights, *spikes, *active,
        )  # fmt: skip
        if pseudo.function:  # the kernel has left u there
            values = torch.from_numpy(active.values[:, : int(active.starts[:, -1].max())])
            with torch_threads(1):
                values.copy_(pseudo.function(values))
        return Layer(linear, columns, inputs, spikes, active)

    def _padded(self, linear, name) -> tuple[np.ndarray, np.ndarray]:
        size, inputs = linear.weight.shape
        width = -(-size // 64) * 64
        columns = self.room.array(f"{name}, columns", (inputs, width), np.float32)
        bias = np.full(width, -np.inf, np.float32)
        columns[:, size:], bias[:size] = 0, linear.bias.detach().numpy()
        columns[:, :size] = linear.weight.detach().numpy().T
        return columns, bias

    def _read(self, spikes: Events) -> Tensor:
        """The outputs are linear in the last spikes: each counts by how long it will be felt."""
        felt = np.ones(self.steps)
        if self.network.readout == "membrane":
            for t in range(self.steps - 2, -1, -1):
                felt[t] += self.network.neuron.beta * felt[t + 1]
        self.factors = (felt / self.steps).astype(np.float32)
        size = self.network.sizes[len(self.layers)]
        self.counts = np.empty((self.batch, size), np.float32)
        jobs = ranges(self.batch, 2 * SAMPLES)
        in_threads(forward.weigh_spikes, jobs, *spikes, self.factors, self.counts)
        if self.network.readout == "rate":
            return torch.from_numpy(self.counts)
        linear = self.network.layers[-1]
        bias = linear.bias.detach() * float(self.factors.sum())
        with torch_threads(1):
            return torch.addmm(bias, torch.from_numpy(self.counts), linear.weight.detach().T)

    def learn(self, labels: Tensor) -> float:
        """Set every parameter's ``.grad`` to that of the cross-entropy of these labels, which is
        returned."""
        with torch_threads(1):
            logits = (self.network.logit_scale * self.outputs).requires_grad_()
            loss = cross_entropy(logits, labels)
            loss.backward()
        self.backward(self.network.logit_scale * logits.grad)
        return loss.item()

    def backward(self, grad_outputs: Tensor) -> None:
        """Set every parameter's ``.grad``, given ∂L/∂outputs (B, C)."""
        errors = grad_outputs.detach().contiguous()
        if self.network.readout == "membrane":
            linear = self.network.layers[-1]
            linear.bias.grad = torch.from_numpy(errors.numpy().sum(axis=0) * self.factors.sum())
            with torch_threads(1):
                linear.weight.grad = errors.T @ torch.from_numpy(self.counts)
                errors = errors @ linear.weight.detach()
        jumps = None
        for index in reversed(range(len(self.layers))):
            jumps = self._jumps(index, jumps, errors.numpy())
            self._add_gradients(self.layers[index], jumps)

    def _jumps(self, index: int, above: Entries | None, errors: np.ndarray) -> Entries:
        """The jumps of a layer's adjoint, from those of the layer above or the outputs' errors."""
        layer, beta = self.layers[index], np.float32(self.network.neuron.beta)
        neurons, values, starts = layer.active
        jobs, size = ranges(self.batch, SAMPLES), layer.linear.out_features
        carried = self.room.array(f"layer {index}, errors", values.shape, np.float32)
        if above is None:
            in_threads(backward.weigh_errors, jobs, *layer.active, self.factors, errors, carried)
        else:
            columns = self.layers[index + 1].columns
            in_threads(backward.carry_errors, jobs, *layer.active, *above, columns, beta, carried)
        if self.network.neuron.reset != "zero":
            return Entries(neurons, carried, starts)
        cut = entry_room(self.room, f"layer {index}, jumps", self.batch, self.steps, 2 * size)
        in_threads(
            backward.cut_paths, jobs, beta, size, *layer.spikes, neurons, carried, starts, *cut
        )
        return cut

    def _add_gradients(self, layer: Layer, jumps: Entries) -> None:
        size, inputs = layer.linear.weight.shape
        lists = *layer.inputs, *jumps, np.float32(self.network.neuron.beta)
        found = (jumps.starts[:, -1] - jumps.starts[:, 0]).astype(np.int64)
        traced = found * inputs < layer.inputs.starts[:, -1].astype(np.int64) * size
        edges = np.linspace(0, self.batch, GROUPS + 1).astype(int).tolist()
        groups = [(*edges[g : g + 2], g) for g in range(GROUPS)]
        used = np.array([traced[first:last].any() for first, last, _ in groups])
        by_trace = self.room.array("by trace", (GROUPS, size, inputs), np.float32)
        bias = np.empty((GROUPS, size), np.float32)
        in_threads(gradients.add_by_traces, groups, *lists, traced, by_trace, bias)
        layer.linear.bias.grad = torch.from_numpy(bias.sum(axis=0))
        layer.linear.weight.grad = torch.empty_like(layer.linear.weight)
        in_threads(
            gradients.sum_gradients, ranges(size, gradients.NEURONS), *lists, traced, by_trace,
            used, layer.linear.weight.grad.numpy(),
        )  # fmt: skip


def floors_of(thresholds: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """(floors, fineness): thresholds[i] > u takes i ≥ floors[⌊fineness · u⌋].

    Buckets of u end where one threshold in a thousand is left, and each has the floor of the one
    before it, so that rounding rejects no draw.
    """
    fineness = np.float32(FLOORS) / thresholds[-len(thresholds) // 1000]
    edges = (np.arange(FLOORS) - 1) / fineness
    return np.searchsorted(thresholds, edges, side="right").astype(np.uint64), fineness


@cache
def _announce() -> None:
    """Say so on a terminal, once, if the kernels must be compiled first."""
    if sys.stderr.isatty() and not is_kept(gradients.sum_gradients):
        print("compiling the event-driven kernel, once (half a minute) …", file=sys.stderr)
