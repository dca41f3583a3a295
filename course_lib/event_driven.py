"""Backpropagation through time at the price of its events: the host side of ``kernels.py``.

    events = input_events(network, frames)                  # None: use the autograd loop instead
    run = EventDrivenPass(network, events, pseudo)          # forward; run.outputs (B, C)
    run.backward(grad_outputs)                              # fills .grad

The result is that of the plain autograd loop with the same spike derivative, up to rounding: sums
are added in another order. (If rounding flips a spike whose |u| is about 1e-7, that spike's share
of the gradient differs. Weights that are multiples of 2⁻¹⁶ have exact sums, and then the spikes
are equal to the bit.)
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib import kernels
from course_lib.network import SpikingNetwork

#: The batch is cut into so many groups, however many threads there are, and the groups' gradients
#: are added in order: the number of threads changes no bit.
GROUPS = 8


class Draws(NamedTuple):
    """LocalZO's G: entry i of stream ``key`` picks a threshold δ|z| and a weight c|z|^α/(2δ)."""

    key: int
    samples: int
    thresholds: np.ndarray
    weights: np.ndarray


class Cutoff(NamedTuple):
    """A surrogate that is zero where |u| ≥ bound; bound = inf for one that is zero nowhere."""

    bound: float
    derivative: Callable[[Tensor], Tensor]


class Events(NamedTuple):
    """Who spiked when: per sample b, indices of step t at [starts[b, t], starts[b, t + 1])."""

    indices: np.ndarray
    starts: np.ndarray


class Active(NamedTuple):
    """Where G ≠ 0, and its values: per sample and step, as in ``Events``."""

    neurons: np.ndarray
    values: np.ndarray
    starts: np.ndarray


def input_events(network: SpikingNetwork, frames: Tensor) -> Events | None:
    """The events in frames (T, B, D); None where the kernel does not apply.

    It needs frames of zeros and ones, and frames and parameters in float32 on the CPU. It covers
    both resets, delayed or not, both readouts and any number of layers.
    """
    tensors = [frames, *network.parameters()]
    if any(t.dtype != torch.float32 or t.device.type != "cpu" for t in tensors):
        return None
    if frames.dim() != 3 or frames.shape[-1] != network.sizes[0] or 0 in frames.shape:
        return None
    steps, batch, inputs = frames.shape
    events = Events(*_lists(batch, steps, inputs, np.int32))
    bits = frames.detach().contiguous().numpy().view(np.uint32)
    return events if all(_in_groups(kernels.find_events, batch, bits, *events)) else None


class EventDrivenPass:
    """A forward pass that remembers its events, and the backward pass through them.

    events: from ``input_events``;  pseudo: the derivative of the spike.

    ``outputs`` (B, C) are the network's; ``active_fraction`` is the share of (t, b, neuron)
    entries with G ≠ 0 in the spiking layers.
    """

    def __init__(self, network: SpikingNetwork, events: Events, pseudo: Draws | Cutoff):
        self.network, self.layers = network, []
        self.batch, self.steps = len(events.starts), events.starts.shape[1] - 1
        self.outputs = torch.empty(self.batch, network.sizes[-1])
        inputs, position = events, 0
        for layer in network.layers:
            columns = layer.weight.detach().T.contiguous().numpy()  # an event adds a whole row
            if layer is network.layers[-1] and network.readout == "membrane":
                spikes, active = self._leaky(layer, columns, inputs)
            else:
                spikes, active = self._spiking(layer, columns, inputs, pseudo, position)
                position += self.steps * self.batch * layer.out_features
            self.layers.append((layer, columns, inputs, spikes, active))
            inputs = spikes
        if network.readout == "rate":
            _in_groups(kernels.mean_rates, self.batch, *spikes, self.outputs.numpy())
        found = sum(int(active.starts[:, -1].sum()) for *_, active in self.layers)
        if network.readout == "membrane":
            found -= int(active.starts[:, -1].sum())
        self.active_fraction = found / max(position, 1)

    def _spiking(self, layer, columns, inputs, pseudo, position):
        neuron, drawn = self.network.neuron, isinstance(pseudo, Draws)
        sizes = self.batch, self.steps, layer.out_features
        spikes = Events(*_lists(*sizes, np.int32))
        active = Active(*_lists(*sizes, np.int32, np.float32))
        none = np.empty(0, np.float32)
        draws = pseudo if drawn else Draws(0, 0, none, none)
        _in_groups(
            kernels.run_layer, self.batch, *inputs, columns, layer.bias.detach().numpy(),
            np.float32(neuron.beta), np.float32(neuron.threshold),
            0 if neuron.reset == "zero" else 2 if neuron.reset_delay else 1,
            np.float32(pseudo.thresholds[-1] if drawn else pseudo.bound),
            np.uint64(draws.key), position, draws.samples, draws.thresholds, draws.weights,
            *spikes, *active,
        )  # fmt: skip
        if not drawn:  # the kernel has left u there
            values = torch.from_numpy(active.values[:, : int(active.starts[:, -1].max())])
            values.copy_(pseudo.derivative(values))
        return spikes, active

    def _leaky(self, layer, columns, inputs):
        """A leaky readout is a layer in which every entry is active, with derivative 1."""
        size, beta = layer.out_features, np.float32(self.network.neuron.beta)
        _in_groups(
            kernels.leaky_mean, self.batch, *inputs, columns, layer.bias.detach().numpy(), beta,
            self.outputs.numpy(),
        )  # fmt: skip
        starts = np.tile(np.arange(self.steps + 1, dtype=np.int32) * size, (self.batch, 1))
        silent = Events(np.empty((self.batch, 0), np.int32), np.zeros_like(starts))
        every = np.tile(np.arange(size, dtype=np.int32), (self.batch, self.steps))
        return silent, Active(every, np.ones(every.shape, np.float32), starts)

    def backward(self, grad_outputs: Tensor) -> None:
        """Set every parameter's ``.grad``, given ∂L/∂outputs (B, C)."""
        neuron = self.network.neuron
        # Seen as one step that holds for all: each output's own error, at every time step.
        adjoint = (grad_outputs.detach() / self.steps).unsqueeze(1).contiguous().numpy()
        columns_above = np.eye(adjoint.shape[-1], dtype=np.float32)
        for index, (layer, columns, inputs, spikes, active) in reversed([*enumerate(self.layers)]):
            rows, size = layer.weight.shape
            own = np.empty((self.batch if index else GROUPS, self.steps, rows), np.float32)
            by_trace = np.zeros((GROUPS, rows, size), np.float32)
            by_event = np.zeros((GROUPS, size, rows), np.float32)
            bias = np.zeros((GROUPS, rows), np.float32)
            _in_groups(
                kernels.backpropagate, self.batch, *inputs, *spikes, *active, adjoint,
                columns_above, neuron.reset == "zero", np.float32(neuron.beta), index > 0,
                own, by_trace, by_event, bias, numbered=True,
            )  # fmt: skip
            layer.weight.grad = torch.from_numpy(by_trace.sum(axis=0) + by_event.sum(axis=0).T)
            layer.bias.grad = torch.from_numpy(bias.sum(axis=0))
            adjoint, columns_above = own, columns


def _lists(batch, steps, size, *types):
    """Room for a list per sample, one array for each type, and where its steps start.

    Pages of an empty array that nobody touches cost nothing, so there is room for the worst case.
    """
    lists = [np.empty((batch, steps * size), dtype) for dtype in types]
    return *lists, np.zeros((batch, steps + 1), np.int32)


def _in_groups(function, batch: int, *arguments, numbered: bool = False) -> list:
    """function(first, last, …) for every group of samples, in as many threads as torch uses.

    numbered: function(first, last, group, …) instead. Returns the groups' results in order.
    """
    _announce()
    edges = np.linspace(0, batch, GROUPS + 1).astype(int).tolist()

    def one(group):
        number = (group,) if numbered else ()
        return function(edges[group], edges[group + 1], *number, *arguments)

    if torch.get_num_threads() == 1:
        return [one(group) for group in range(GROUPS)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(one, range(GROUPS)))


@cache
def _announce() -> None:
    """Say so on a terminal, once, if the kernels must be compiled first."""
    folder = Path(kernels.backpropagate.stats.cache_path)
    if sys.stderr.isatty() and not any(folder.glob("layers.backpropagate-*.nbi")):
        print("compiling the event-driven kernel, once (half a minute) …", file=sys.stderr)
