"""Outputs of a whole population at once: the host side of ``kernels/population.py``.

    run = start(network, frames, members, arrays)    # events, base currents: once
    outputs = run.outputs(noise)                     # of any draws: (signs, M, B, C)

The result is that of running every member through the network with weights W ± σE, up to rounding:
sums are added in another order, so a spike may differ where a voltage is within rounding of the
threshold, and nowhere else.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib.compiling import is_kept
from course_lib.fast.event_lists import FrameEvents, frame_events, multiply
from course_lib.fast.kernels import losses, packing, population, products
from course_lib.fast.kernels.events import STRIP
from course_lib.fast.kernels.first_layer import MEMBRANE, RATE
from course_lib.fast.kernels.only_layer import roll_out_one
from course_lib.fast.kernels.plan import BIAS, NARROW, WEIGHTS, WIDTH, lanes_of, make_plan
from course_lib.fast.kernels.threads import in_threads, ranges
from course_lib.fast.kernels.workspace import Workspace, lines, zeros
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork

#: the noise of a generation is kept from the forward passes to the gradient up to so many bytes
KEPT_BYTES = 2**28
#: bytes that the columns of a group of draws and their products with the frames may take
GROUP_BYTES = 2**26
#: bytes of factor rows that one job reads for every sample: they should stay in the second cache
ROWS_BYTES = 2**18
#: samples of one job
SAMPLES = 8


class Members(NamedTuple):
    """How the members of a population differ from the network.

    rank: of their perturbations, or None: full.  sigmas: σ, one a layer.  signs: (1,) or (1, −1).
    """

    rank: int | None
    sigmas: tuple[float, ...]
    signs: tuple[int, ...]


class Arrays(NamedTuple):
    """A network as compiled loops read it. layers: (weight (out, in), bias (out,)) of each."""

    sizes: tuple[int, ...]
    neuron: LIFParameters
    readout: str
    layers: list[tuple[np.ndarray, np.ndarray]]


def arrays_of(network: SpikingNetwork) -> Arrays:
    """The network's own numbers, not a copy."""
    layers = [(layer.weight.detach().numpy(), layer.bias.detach().numpy())
              for layer in network.layers]  # fmt: skip
    return Arrays(network.sizes, network.neuron, network.readout, layers)


def start(
    network: SpikingNetwork, frames: Tensor, members: Members, arrays: Workspace | None = None
) -> "PopulationPass":
    """A population on frames (T, B, D). arrays: where arrays are kept from one pass to the next."""
    arrays = arrays or Workspace()
    return PopulationPass(arrays_of(network), frame_events(frames, arrays), members, arrays)


class PopulationPass:
    """What the members of a population share, and their outputs.

    room: where arrays are kept: a pass is over when the next one begins there.
    run:  ``in_threads``, or ``in_turn`` within a thread.
    """

    def __init__(
        self,
        network: Arrays,
        events: FrameEvents,
        members: Members,
        room: Workspace,
        run: Callable = in_threads,
    ):
        self.network, self.events, self.room, self.run = network, events, room, run
        self.rank, self.signs = members.rank or 0, len(members.signs)
        self.batch, steps = len(events.starts), events.starts.shape[1] - 1
        sigmas = np.array(members.sigmas)
        self.deviations = sigmas.astype(np.float32)
        self.scales = (sigmas / math.sqrt(max(self.rank, 1))).astype(np.float32)
        self.sizes = np.array(network.sizes)
        self.plan, self.row_length, length = make_plan(network.sizes, self.rank)
        self.weights = room.array("weights", (length,))
        self.weights.fill(0)
        for (weight, bias), place in zip(network.layers[1:], self.plan[1:], strict=True):
            self._pack_layer(weight, bias, place)
        weight, bias = network.layers[0]
        width = self.plan[0, WIDTH]
        columns = room.array("columns", (width // STRIP, self.sizes[0], STRIP))
        packing.fill_tiles(columns, weight)
        begin = zeros(width)
        begin[: len(bias)] = bias
        self.base = room.array("base", (self.batch, steps, width))
        self._multiply(columns, begin, self.base)

    def _pack_layer(self, weight, bias, place):
        lanes = lanes_of(place[WIDTH])
        groups, rows = place[WIDTH] // lanes, weight.shape[1] + 1
        begin, end = place[WEIGHTS], place[BIAS]
        table = self.weights[begin:end].reshape(groups, rows, lanes)
        packing.fill_tiles(table, weight)
        self.weights[end : end + len(bias)] = bias

    def _multiply(self, columns, begin, out):
        multiply(self.events, columns, begin, out, self.run)

    def outputs(self, noise: Tensor) -> Tensor:
        """(signs, M, B, C) of the members of M draws.

        noise: (M, P) float32; a row holds, layer after layer, A (out, r), B (in, r) and the bias
        noise (out,).
        """
        noise = noise.numpy()
        outputs = torch.empty(self.signs, len(noise), self.batch, self.network.sizes[-1])
        for begin, end in ranges(len(noise), self.draws_at_once):
            self._outputs(noise[begin:end], begin, outputs)
        return outputs

    @property
    def draws_at_once(self) -> int:
        """How many draws' columns and products are kept at the same time."""
        numbers = self.base.shape[0] * self.base.shape[1] + self.sizes[0]
        draws = GROUP_BYTES // (4 * max(self.rank, 1) * int(numbers))
        return max(64, draws // 64 * 64)

    def _outputs(self, noise, done, outputs):
        draws, rank, neuron = len(noise), self.rank, self.network.neuron
        rows = self.room.array("rows", (draws, self.row_length))
        packing.in_rows(noise, rank, self.sizes, self.scales, self.deviations, self.plan, rows)
        strips = (draws * rank + STRIP - 1) // STRIP
        columns = self.room.array("columns", (strips, self.sizes[0], STRIP))
        start = int(self.sizes[1]) * rank
        self.run(packing.pack_columns, ranges(strips, 1), noise, start, rank, columns)
        projected = self.room.array("projected", (*self.base.shape[:2], strips * STRIP))
        self._multiply(columns, zeros(strips * STRIP), projected)
        few = max(1, ROWS_BYTES // (4 * self.row_length))
        jobs = [
            (*samples, *some) for some in ranges(draws, few)
            for samples in ranges(self.batch, SAMPLES)
        ]  # fmt: skip
        (_, steps, _), stride = self.base.shape, projected.shape[2]
        shared = steps, self.base.reshape(-1), projected.reshape(-1), stride
        numbers = (
            rows, self.plan, rank, self.signs, np.float32(neuron.beta),
            np.float32(neuron.threshold),
        )  # fmt: skip
        mode = None if neuron.reset == "zero" else 2 if neuron.reset_delay else 1
        rest = RATE if self.network.readout == "rate" else MEMBRANE, done, outputs.numpy()
        if len(self.plan) > 1:
            wide = None if (self.plan[1:, WIDTH] == NARROW).all() else 1
            self.run(
                population.roll_out, jobs, *shared, self.weights, *numbers, mode, wide, *rest
            )
        else:
            self.run(roll_out_one, jobs, *shared, *numbers, mode or 0, *rest)


def compiled() -> bool:
    """Whether the kernels have been compiled on this machine; the first use takes some seconds."""
    return is_kept(population.roll_out)


def fitness(network: SpikingNetwork, outputs: Tensor, labels: Tensor) -> Tensor:
    """Minus the mean cross-entropy in nats of outputs (signs, M, B, C): (M, signs)."""
    signs, draws, batch, classes = outputs.shape
    found, members = torch.empty(signs * draws), outputs.view(-1, batch, classes).numpy()
    in_threads(
        losses.mean_losses, ranges(len(members), 16), members,
        np.float32(network.logit_scale), labels.numpy(), found.numpy(),
    )  # fmt: skip
    return -found.view(signs, draws).T


def add_gradient(network: SpikingNetwork, weights: Tensor, noise: Tensor, members: Members) -> None:
    """Add −Σ weight · E/σ of some draws to every ``.grad``, draw after draw.

    weights: (M,);  noise: (M, P) as in ``PopulationPass.outputs``.
    """
    rank = members.rank
    begin, draws, numbers = 0, len(noise), noise.contiguous().numpy()
    for layer, sigma in zip(network.layers, members.sigmas, strict=True):
        outputs, inputs = layer.weight.shape
        blocks, tiles = -(-outputs // products.BLOCK), -(-inputs // products.TILE)
        left = lines((blocks, draws * rank, products.BLOCK))
        right = lines((tiles, draws * rank, products.TILE))
        factors, end = weights / (-sigma * math.sqrt(rank)), begin + (outputs + inputs) * rank
        in_threads(
            products.pack_draws, ranges(draws, 16), numbers, begin, rank, factors.numpy(),
            outputs, inputs, left, right,
        )  # fmt: skip
        jobs = [(tile, 0, blocks) for tile in range(tiles)]
        gradient = layer.weight.grad.view(-1).numpy()
        in_threads(products.add_products, jobs, left, right, outputs, inputs, gradient)
        begin = end
        products.add_rows(numbers, begin, (weights / -sigma).numpy(), layer.bias.grad.numpy())
        begin += outputs
