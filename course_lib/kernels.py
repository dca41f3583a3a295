"""Event-driven forward and backward passes, compiled by Numba: BPTT at the price of its events.

Forward, a layer's current is a sum of weight columns over the inputs that spiked. Backward, with
∂s/∂u ≈ G ≠ 0 at few (active) entries (t, n) of a layer, and its adjoint a[t] = ∂L/∂I[t],

    w[t] = G[t] · (Wᵀ_next a_next[t])           only where G ≠ 0
    a[t] = w[t] + β k[t] a[t+1]                  k = 1 − s for a reset to zero, else 1

the weights' gradient is Σ_t a[t] x[t]ᵀ. Summed by parts, over the inputs' traces instead,

    ∂L/∂W = Σ_t b[t] x̂[t]ᵀ,    b[t] = a[t] − β a[t+1],    x̂[t] = β x̂[t−1] + x[t]

where b is zero but for active entries and for spikes whose reset cuts off a ≠ 0. This is the
"input trace" form of Perez-Nieves and Goodman (NeurIPS 2021; LocalZO eq. 25, 26), carried over to
every reset. Per sample the cheaper of the two sums is taken: entries of b × inputs, or
input events × neurons. Nothing is approximated: the gradient is that of the plain autograd loop.

Samples are computed in parallel, in eight groups whose sums are added in a fixed order, so the
number of threads changes no bit. The first call compiles for about half a minute, once a machine.
"""

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from course_lib.network import SpikingNetwork

GROUPS = 8
COMPILED = {"parallel": True, "cache": True, "nogil": True}


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


class Active(NamedTuple):
    """Active entries, per sample b: those of step t stand at [starts[b, t], starts[b, t + 1])."""

    neurons: np.ndarray
    values: np.ndarray
    starts: np.ndarray


class Events(NamedTuple):
    """Who spiked when: per sample b, indices of step t at [starts[b, t], starts[b, t + 1])."""

    indices: np.ndarray
    starts: np.ndarray


def input_events(network: SpikingNetwork, frames: Tensor) -> Events | None:
    """The events in frames (T, B, D); None where the kernel does not apply.

    It needs frames of zeros and ones, and frames and parameters in float32 on the CPU. It covers
    both resets, delayed or not, both readouts and any number of layers.
    """
    tensors = [frames, *network.parameters()]
    if any(t.dtype != torch.float32 or t.device.type != "cpu" for t in tensors):
        return None
    steps, batch, inputs = frames.shape
    # Untouched pages of an empty array cost nothing, so room is made for the worst case.
    events = Events(
        np.empty((batch, steps * inputs), np.int32), np.zeros((batch, steps + 1), np.int32)
    )
    with _Threads():
        binary = _find_events(frames.detach().contiguous().numpy(), *events)
    return events if binary else None


class EventDrivenPass:
    """A forward pass that remembers its events, and the backward pass through them.

    events: from ``input_events``;  pseudo: the derivative of the spike.
    ``outputs`` is the network's (B, C); ``active`` the fraction of (t, b, neuron) entries of the
    spiking layers with G ≠ 0.
    """

    def __init__(self, network: SpikingNetwork, events: Events, pseudo: Draws | Cutoff):
        self.network, self.layers, inputs, position = network, [], events, 0
        entries = found = 0
        with _Threads(), torch.no_grad():
            for layer in network.layers:
                columns = layer.weight.T.contiguous().numpy()
                batch, steps = len(inputs.starts), inputs.starts.shape[1] - 1
                if layer is network.layers[-1] and network.readout == "membrane":
                    outputs, spikes, active = self._leaky(layer, columns, inputs)
                else:
                    spikes, active = self._spiking(layer, columns, inputs, pseudo, position)
                    position += steps * batch * layer.out_features * getattr(pseudo, "samples", 0)
                    outputs = None
                    entries += steps * batch * layer.out_features
                    found += int(active.starts[:, -1].sum())
                self.layers.append((layer, columns, inputs, spikes, active))
                inputs = spikes
            if outputs is None:
                outputs = np.zeros((batch, network.sizes[-1]), np.float32)
                _count(*spikes, outputs)
                outputs /= np.float32(steps)
        self.outputs, self.active = torch.from_numpy(outputs), found / max(entries, 1)

    def _spiking(self, layer, columns, inputs, pseudo, position):
        neuron, size = self.network.neuron, layer.out_features
        batch, steps = len(inputs.starts), inputs.starts.shape[1] - 1
        spikes = Events(
            np.empty((batch, steps * size), np.int32), np.zeros((batch, steps + 1), np.int32)
        )
        active = Active(
            np.empty((batch, steps * size), np.int32),
            np.empty((batch, steps * size), np.float32),
            np.zeros((batch, steps + 1), np.int32),
        )
        drawn = isinstance(pseudo, Draws)
        table = np.empty(0, np.float32)
        mode = 0 if neuron.reset == "zero" else 2 if neuron.reset_delay else 1
        _forward(
            *inputs, columns, layer.bias.numpy(), np.float32(neuron.beta),
            np.float32(neuron.threshold), mode,
            np.float32(pseudo.thresholds[-1] if drawn else pseudo.bound),
            np.uint64(pseudo.key if drawn else 0), position, pseudo.samples if drawn else 0,
            pseudo.thresholds if drawn else table, pseudo.weights if drawn else table,
            *spikes, *active,
        )  # fmt: skip
        if not drawn:
            values = torch.from_numpy(active.values[:, : int(active.starts[:, -1].max())])
            values.copy_(pseudo.derivative(values))
        return spikes, active

    def _leaky(self, layer, columns, inputs):
        batch, steps, size = len(inputs.starts), inputs.starts.shape[1] - 1, layer.out_features
        outputs = np.zeros((batch, size), np.float32)
        _leaky_mean(*inputs, columns, layer.bias.numpy(),
                    np.float32(self.network.neuron.beta), outputs)  # fmt: skip
        every = np.tile(np.arange(size, dtype=np.int32), (batch, steps))
        starts = np.tile(np.arange(steps + 1, dtype=np.int32) * size, (batch, 1))
        silent = Events(np.empty((batch, 0), np.int32), np.zeros_like(starts))
        return outputs, silent, Active(every, np.ones(every.shape, np.float32), starts)

    def backward(self, grad_outputs: Tensor) -> None:
        """Set every parameter's ``.grad``, given ∂L/∂outputs (B, C)."""
        steps = self.layers[0][2].starts.shape[1] - 1
        adjoint = (grad_outputs.detach() / steps).unsqueeze(1).contiguous().numpy()
        columns = np.eye(adjoint.shape[-1], dtype=np.float32)  # the readout's own error, each step
        cut, beta = self.network.neuron.reset == "zero", np.float32(self.network.neuron.beta)
        for index in reversed(range(len(self.layers))):
            layer, own_columns, inputs, spikes, active = self.layers[index]
            shape = (GROUPS, *layer.weight.shape)
            by_trace, by_event = np.zeros(shape, np.float32), np.zeros(
                (GROUPS, shape[2], shape[1]), np.float32
            )
            bias = np.zeros(shape[:2], np.float32)
            with _Threads():
                adjoint = _backward(
                    *inputs, *spikes, *active, adjoint, columns, cut, beta, index > 0,
                    by_trace, by_event, bias,
                )  # fmt: skip
            grad = torch.from_numpy(by_trace).sum(dim=0)
            layer.weight.grad = grad + torch.from_numpy(by_event).sum(dim=0).T
            layer.bias.grad = torch.from_numpy(bias).sum(dim=0)
            columns = own_columns


class _Threads:
    """Numba takes as many threads as torch, and forgets about it afterwards."""

    def __enter__(self):
        self.before = numba.get_num_threads()
        numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))

    def __exit__(self, *_):
        numba.set_num_threads(self.before)


@numba.njit(**COMPILED)
def _find_events(frames, indices, starts):
    steps, batch, size = frames.shape
    bad = np.zeros(batch, np.int64)
    for b in numba.prange(batch):
        found = 0
        for t in range(steps):
            for start in range(0, size, 16):
                stop = min(start + 16, size)
                total = np.float32(0)
                for j in range(start, stop):
                    total += abs(frames[t, b, j])
                if total != 0:
                    for j in range(start, stop):
                        if frames[t, b, j] != 0:
                            bad[b] += frames[t, b, j] != 1
                            indices[b, found] = j
                            found += 1
            starts[b, t + 1] = found
    return bad.sum() == 0


@numba.njit(cache=True, nogil=True)
def _add_columns(total, columns, indices, start, stop):
    e = start
    while e + 4 <= stop:
        p, q, r, s = indices[e], indices[e + 1], indices[e + 2], indices[e + 3]
        for n in range(len(total)):
            total[n] += (columns[p, n] + columns[q, n]) + (columns[r, n] + columns[s, n])
        e += 4
    while e < stop:
        p = indices[e]
        for n in range(len(total)):
            total[n] += columns[p, n]
        e += 1


@numba.njit(**COMPILED)
def _forward(
    indices, starts, columns, bias, beta, theta, mode, bound, key, position, samples, thresholds,
    weights, out_indices, out_starts, neurons, values, active_starts,
):  # fmt: skip
    batch, steps, size = starts.shape[0], starts.shape[1] - 1, len(bias)
    lowest = theta - bound
    for b in numba.prange(batch):
        voltage, current = np.zeros(size, np.float32), np.empty(size, np.float32)
        spikes = active = 0
        for t in range(steps):
            current[:] = bias
            _add_columns(current, columns, indices[b], starts[b, t], starts[b, t + 1])
            for n in range(size):
                voltage[n] = beta * voltage[n] + current[n]
            if mode == 2:  # subtraction, one step late
                for e in range(out_starts[b, max(t - 1, 0)], spikes):
                    voltage[out_indices[b, e]] -= theta
            for n in range(size):
                if voltage[n] > lowest:
                    u = voltage[n] - theta
                    distance = abs(u)
                    if distance < bound:
                        if samples == 0:
                            neurons[b, active], values[b, active] = n, u
                            active += 1
                        else:
                            entry = position + ((t * batch + np.int64(b)) * size + n) * samples
                            g = _average(
                                distance, key, np.uint64(entry), samples, thresholds, weights
                            )
                            if g != 0:
                                neurons[b, active], values[b, active] = n, g
                                active += 1
                    if u > 0:
                        out_indices[b, spikes] = n
                        spikes += 1
                        if mode == 0:
                            voltage[n] = np.float32(0)
                        elif mode == 1:
                            voltage[n] -= theta
            out_starts[b, t + 1], active_starts[b, t + 1] = spikes, active


@numba.njit(cache=True, nogil=True)
def _average(distance, key, entry, samples, thresholds, weights):
    """LocalZO's G with draws ``entry`` … of the stream: see localzo.draw_indices."""
    total = np.float32(0)
    for k in range(samples):
        x = key + (entry + np.uint64(k + 1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        i = (x ^ (x >> np.uint64(31))) >> np.uint64(48)
        if distance < thresholds[i]:
            total += weights[i]
    return total / np.float32(samples)


@numba.njit(**COMPILED)
def _leaky_mean(indices, starts, columns, bias, beta, outputs):
    batch, steps = starts.shape[0], starts.shape[1] - 1
    for b in numba.prange(batch):
        voltage = np.zeros(len(bias), np.float32)
        for t in range(steps):
            for n in range(len(bias)):
                voltage[n] = beta * voltage[n] + bias[n]
            _add_columns(voltage, columns, indices[b], starts[b, t], starts[b, t + 1])
            for n in range(len(bias)):
                outputs[b, n] += voltage[n]
        for n in range(len(bias)):
            outputs[b, n] /= np.float32(steps)


@numba.njit(**COMPILED)
def _count(indices, starts, outputs):
    for b in numba.prange(len(starts)):
        for e in range(starts[b, -1]):
            outputs[b, indices[b, e]] += np.float32(1)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def _dot(x, y):
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@numba.njit(**COMPILED)
def _backward(
    indices, starts, spikes, spike_starts, neurons, values, active_starts, upper, columns, cut,
    beta, keep, by_trace, by_event, bias,
):  # fmt: skip
    groups, size, inputs = by_trace.shape
    batch, steps = starts.shape[0], starts.shape[1] - 1
    adjoint = np.empty((batch if keep else groups, steps, size), np.float32)
    for unsigned in numba.prange(groups):
        group = np.int64(unsigned)  # Numba counts in uint64, whose sums with int64 are floats
        for b in range(group, batch, groups):
            path = adjoint[b if keep else group]
            room = active_starts[b, steps] + (spike_starts[b, steps] if cut else 0)
            who, what = np.empty(room, np.int32), np.empty(room, np.float32)
            first = np.empty(steps + 1, np.int32)
            found = _adjoints(
                path, who, what, first, spikes[b], spike_starts[b], neurons[b], values[b],
                active_starts[b], upper[b], columns, cut, beta, bias[group],
            )  # fmt: skip
            if found * inputs < starts[b, steps] * size:
                _by_trace(by_trace[group], who, what, first, indices[b], starts[b], beta)
            else:
                _by_event(by_event[group], path, indices[b], starts[b])
    return adjoint


@numba.njit(cache=True, nogil=True)
def _adjoints(
    path, who, what, first, spikes, spike_starts, neurons, values, active_starts, upper, columns,
    cut, beta, bias,
):  # fmt: skip
    """Fill in a[t] of one sample, and list b[t] ≠ 0 backwards in time; returns their number."""
    steps, size = path.shape
    a, found = np.zeros(size, np.float32), 0
    first[steps] = 0
    for t in range(steps - 1, -1, -1):
        for n in range(size):
            a[n] *= beta
        if cut:
            for e in range(spike_starts[t], spike_starts[t + 1]):
                n = spikes[e]
                if a[n] != 0:
                    who[found], what[found] = n, -a[n]
                    a[n] = np.float32(0)
                    found += 1
        error = upper[min(t, len(upper) - 1)]
        for e in range(active_starts[t], active_starts[t + 1]):
            n = neurons[e]
            w = values[e] * _dot(columns[n], error)
            who[found], what[found] = n, w
            a[n] += w
            found += 1
        for n in range(size):
            bias[n] += a[n]
            path[t, n] = a[n]
        first[t] = found
    return found


@numba.njit(cache=True, nogil=True)
def _by_trace(grad, who, what, first, indices, starts, beta):
    """grad (out, in) += Σ_t b[t] x̂[t]ᵀ; the trace is kept as x̂[t] / decay, decay = β^t."""
    steps, size = len(starts) - 1, grad.shape[1]
    trace, decay = np.zeros(size, np.float32), np.float32(1)
    for t in range(steps):
        decay *= beta
        if decay < np.float32(1e-15):
            for j in range(size):
                trace[j] *= decay
            decay = np.float32(1)
        one = np.float32(1) / decay
        for e in range(starts[t], starts[t + 1]):
            trace[indices[e]] += one
        for e in range(first[t + 1], first[t]):
            n, share = who[e], what[e] * decay
            for j in range(size):
                grad[n, j] += share * trace[j]


@numba.njit(cache=True, nogil=True)
def _by_event(grad, path, indices, starts):
    """grad (in, out) += Σ_t x[t] a[t]ᵀ."""
    for t in range(len(starts) - 1):
        for e in range(starts[t], starts[t + 1]):
            j = indices[e]
            for n in range(path.shape[1]):
                grad[j, n] += path[t, n]
