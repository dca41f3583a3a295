"""A population of convolutional networks: as ``population.py``, for feature maps.

    run = start(network, frames, members, arrays)    # base currents of the first layer: once
    outputs = run.outputs(noise)                     # of any draws: (signs, M, B, C)

Members share the first layer's input: x Wᵀ + b is made once and x B in one convolution for several
draws; what a draw adds to the currents is made where its neurons use it. Above, every member has
an input of its own, mostly zeros, and kernels that are small beside it. So there the few numbers of
W ± σE are built, and every input that is not zero adds its rows of them. The result is that of
plain torch, up to rounding: sums are added in another order.

A leaky readout is linear, so its inputs are added up over time, each by how long it will be felt,
before they meet the weights.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.fast import population
from course_lib.fast.kernels.maps import fire_own, fire_shared
from course_lib.fast.kernels.threads import in_threads, ranges
from course_lib.fast.kernels.workspace import Workspace
from course_lib.fast.population import Members
from course_lib.layers import Conv
from course_lib.network import SpikingNetwork

KEPT_BYTES, fitness = population.KEPT_BYTES, population.fitness
add_gradient = population.add_gradient
#: bytes of what the first layer sends on of some samples, for some draws
PIECE_BYTES = 2**24


class MapsPass:
    """What the members of a population share on frames (T, B, D), and their outputs.

    room: where arrays are kept from one pass to the next.
    """

    draws_at_once = 8

    def __init__(self, network: SpikingNetwork, frames: Tensor, members: Members, room: Workspace):
        self.network, self.members, self.room = network, members, room
        first, (steps, batch, _) = network.layers[0], frames.shape
        self.maps = first.maps(frames).view(steps, batch, *first.pooled)
        base = first.connect(self.maps.flatten(2), first.weight, first.bias)
        self.base = base.view(steps, batch, len(first.bias), -1).transpose(2, 3).contiguous()
        shapes = [getattr(layer, "out_shape", (layer.outputs, 1, 1)) for layer in network.layers]
        self.columns = [width for _, _, width in shapes]
        #: of each layer's spikes, (C, h, w) of what is read, and the sides of averaged squares
        self.reads = [
            (above.pooled, above.pool) if isinstance(above, Conv) else (shape, (1, 1))
            for shape, above in zip(shapes, [*network.layers[1:], None], strict=True)
        ]
        self.felt = torch.ones(steps)  # for how long a step's input is felt at the outputs
        if network.readout == "membrane":
            for t in range(steps - 2, -1, -1):
                self.felt[t] += network.neuron.beta * self.felt[t + 1]
        self.felt /= steps

    def outputs(self, noise: Tensor) -> Tensor:
        """(signs, M, B, C) of the members of M draws. noise: (M, P), see ``population``."""
        batch, signs = self.base.shape[1], len(self.members.signs)
        outputs = torch.empty(signs, len(noise), batch, self.network.sizes[-1])
        for begin, end in ranges(len(noise), self.draws_at_once):
            first, *above = self._weights(noise[begin:end])
            numbers = len(self.base) * signs * (end - begin) * math.prod(self.reads[0][0])
            for samples in ranges(batch, max(1, PIECE_BYTES // (4 * numbers))):
                found = self._members(slice(*samples), first, above).unflatten(1, (signs, -1))
                outputs[:, begin:end, slice(*samples)] = found.permute(1, 2, 0, 3)
        return outputs

    def _weights(self, noise):
        """Of the first layer A σ/√r, B and σ e; of the others W ± σE and b ± σ e, (G, …)."""
        rank, made = self.members.rank, []
        shapes = [layer.weight.shape for layer in self.network.layers]
        parts = iter(noise.split([k for m, n in shapes for k in (m * rank, n * rank, m)], dim=1))
        for layer, sigma in zip(self.network.layers, self.members.sigmas, strict=True):
            a, b, e = (next(parts) for _ in range(3))
            a = a.unflatten(1, (-1, rank)) * (sigma / math.sqrt(rank))
            b, e = b.unflatten(1, (-1, rank)), sigma * e
            if made:
                pairs = (layer.weight, torch.bmm(a, b.mT)), (layer.bias, e)
                made.append([torch.cat([own + sign * part for sign in self.members.signs])
                             for own, part in pairs])  # fmt: skip
            else:
                made.append((a, b, e))
        return made

    def _members(self, samples, first, above):
        """Outputs (B, G, C) of members on some samples."""
        a, b, e = first
        filters = self.network.layers[0].filters(b.mT.flatten(0, 1))
        maps, base = self.maps[:, samples], self.base[:, samples].contiguous()
        found = F.conv2d(maps.flatten(0, 1), filters).view(*base.shape[:2], *a.shape[::2], -1)
        signs = len(self.members.signs)
        x = self._fire(0, fire_shared, signs * len(a), base, found, a.mT.flatten(1), e, signs)
        for index, (weight, bias) in enumerate(above, start=1):
            (channels, *sides), (members, m, _) = self.reads[index - 1][0], weight.shape
            kernel = getattr(self.network.layers[index], "kernel", sides)  # dense: all of the maps
            weight = weight.view(members, m, channels, *kernel)
            if index == len(above) and self.network.readout == "membrane":
                total = torch.einsum("t,tbgqc->bgcq", self.felt, x).reshape(len(x[0]), -1, *sides)
                bias = bias.flatten() * self.felt.sum()
                found = F.conv2d(total, weight.flatten(0, 1), bias, groups=members)
                return found.view(len(total), members, -1)
            rows = weight.flip(4).permute(0, 2, 3, 4, 1).flatten(1)
            x = self._fire(index, fire_own, members, x, rows, bias, (channels, *sides, *kernel))
        return torch.einsum("t,tbgqc->bgcq", self.felt, x).flatten(2)

    def _fire(self, index, kernel, members, currents, *rest):
        """What is read of a layer's spikes, (T, B, G, places, maps)."""
        neuron, ((maps, *sides), pool) = self.network.neuron, self.reads[index]
        shape = *currents.shape[:2], members, math.prod(sides), maps
        out = self.room.array(f"maps {index}", shape)
        arrays = [part.contiguous().numpy() if isinstance(part, Tensor) else part for part in rest]
        mode = 0 if neuron.reset == "zero" else 2 if neuron.reset_delay else 1
        in_threads(
            kernel, ranges(shape[1], 1), currents.numpy(), *arrays, np.float32(neuron.beta),
            np.float32(neuron.threshold), mode, self.columns[index], pool, out,
        )  # fmt: skip
        return torch.from_numpy(out)


start = MapsPass
