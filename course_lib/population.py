"""Outputs of a whole population at once: the host side of ``kernels/population.py``.

    run = PopulationPass(network, frames, rank, sigma, signs)    # events, base currents: once
    outputs = run.outputs(noise)                                 # of any draws: (signs, M, B, C)

The result is that of running every member through the network with weights W ± σE, up to rounding:
sums are added in another order, so a spike may differ where a voltage is within rounding of the
threshold, and nowhere else.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib.kernels import packing, population
from course_lib.kernels.threads import in_threads
from course_lib.network import SpikingNetwork, per_layer

#: bytes that the columns of a group of draws and their products with the frames may take
GROUP_BYTES = 2**26
#: bytes of factor rows that one job reads for every sample: they should stay in the second cache
ROWS_BYTES = 2**18
#: samples of one job
SAMPLES = 32


class FrameEvents(NamedTuple):
    """Entries of frames that are not zero: per sample b, those of step t stand at places
    [starts[b, t], starts[b, t + 1]) of indices[b]; values is empty where all of them are 1."""

    indices: np.ndarray
    starts: np.ndarray
    values: np.ndarray


def why_not(network: SpikingNetwork, *frames: Tensor) -> str:
    """What keeps the kernel from this network and frames; empty if nothing does."""
    for name, tensor in [*network.named_parameters(), *(("frames", f) for f in frames)]:
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            return f"it needs float32 on the CPU, and {name} is {tensor.dtype} on {tensor.device}"
    return ""


def frame_events(frames: Tensor) -> FrameEvents:
    """The events of frames (T, B, D)."""
    steps, batch, inputs = frames.shape
    values = frames.detach().contiguous().numpy()
    # Pages of an empty array that nobody touches cost nothing, so there is room for the worst case.
    indices = np.empty((batch, steps * inputs + population.SPARE), np.int32)
    starts = np.zeros((batch, steps + 1), np.int32)
    jobs = ranges(batch, SAMPLES)
    if all(in_threads(population.list_events, jobs, values, indices, starts)):
        return FrameEvents(indices, starts, np.empty((0, 0), np.float32))
    counts = np.empty(indices.shape, np.float32)
    in_threads(packing.list_values, jobs, values, indices, starts, counts)
    return FrameEvents(indices, starts, counts)


class PopulationPass:
    """What the members of a population share, and their outputs.

    frames: (T, B, D); events: of the frames, if they are known already.
    rank: 0 for a population without perturbations; sigma: as in ``EvolutionStrategy``.
    """

    def __init__(
        self,
        network: SpikingNetwork,
        frames: Tensor,
        rank: int = 0,
        sigma: float | Sequence[float] = 1.0,
        signs: int = 1,
        events: FrameEvents | None = None,
    ):
        network.check_frames(frames)
        steps, self.batch, _ = frames.shape
        self.network, self.rank, self.signs = network, rank, signs
        self.events = frame_events(frames) if events is None else events
        sigmas = np.array(per_layer("sigma", sigma, len(network.layers)))
        self.deviations = sigmas.astype(np.float32)
        self.scales = (sigmas / math.sqrt(max(rank, 1))).astype(np.float32)
        self.sizes = np.array(network.sizes)
        self.plan, self.row_length, length = make_plan(network.sizes, rank)
        self.weights = np.zeros(length, np.float32)
        for layer, place in zip(network.layers[1:], self.plan[1:], strict=True):
            self._pack_layer(layer, place)
        first = network.layers[0]
        width = self.plan[0, population.WIDTH]
        columns = np.empty((width // 64, first.in_features, 64), np.float32)
        in_threads(
            packing.pack_weights, ranges(len(columns), 1), first.weight.detach().numpy(), columns
        )
        bias = np.zeros(width, np.float32)
        bias[: first.out_features] = first.bias.detach().numpy()
        self.base = np.empty((self.batch, steps, width), np.float32)
        self._multiply(columns, bias, self.base)

    def _pack_layer(self, layer, place):
        lanes = 16 if place[population.WIDTH] == 16 else 64
        groups, inputs = place[population.WIDTH] // lanes, layer.in_features
        begin, bias = place[population.WEIGHTS], place[population.BIAS]
        table = self.weights[begin : begin + groups * (inputs + 1) * lanes]
        packing.pack_weights(
            0, groups, layer.weight.detach().numpy(), table.reshape(groups, inputs + 1, lanes)
        )
        self.weights[bias : bias + layer.out_features] = layer.bias.detach().numpy()

    def _multiply(self, columns, begin, out):
        samples = ranges(self.batch, 2 * SAMPLES)
        jobs = [(tile, *some) for tile in range(len(columns)) for some in samples]
        in_threads(population.multiply_events, jobs, *self.events, columns, begin, out)

    def outputs(self, noise: np.ndarray) -> Tensor:
        """(signs, M, B, C) of the members of M draws.

        noise: (M, P) float32; a row holds, layer after layer, A (out, r), B (in, r) and the bias
        noise (out,).
        """
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
        rows = np.empty((draws, self.row_length), np.float32)
        in_threads(
            packing.pack_rows, ranges(draws, 16), noise, rank, self.sizes, self.scales,
            self.deviations, self.plan, rows,
        )  # fmt: skip
        tiles = (draws * rank + 63) // 64
        columns = np.empty((tiles, self.sizes[0], 64), np.float32)
        start = int(self.sizes[1]) * rank
        in_threads(packing.pack_columns, ranges(tiles, 1), noise, start, rank, columns)
        projected = np.empty((*self.base.shape[:2], tiles * 64), np.float32)
        self._multiply(columns, np.zeros(tiles * 64, np.float32), projected)
        few = max(1, ROWS_BYTES // (4 * self.row_length))
        jobs = [
            (*samples, *some) for samples in ranges(self.batch, SAMPLES)
            for some in ranges(draws, few)
        ]  # fmt: skip
        in_threads(
            population.roll_out, jobs, self.base, projected, self.weights, rows, self.plan,
            rank, self.signs, np.float32(neuron.beta), np.float32(neuron.threshold),
            0 if neuron.reset == "zero" else 2 if neuron.reset_delay else 1,
            population.RATE if self.network.readout == "rate" else population.MEMBRANE,
            done, outputs.numpy(),
        )  # fmt: skip


def fitness(network: SpikingNetwork, outputs: Tensor, labels: Tensor) -> Tensor:
    """Minus the mean cross-entropy in nats of outputs (signs, M, B, C): (M, signs)."""
    signs, draws, batch, classes = outputs.shape
    losses, members = torch.empty(signs * draws), outputs.view(-1, batch, classes).numpy()
    in_threads(
        population.mean_losses, ranges(len(members), 16), members,
        np.float32(network.logit_scale), labels.numpy(), losses.numpy(),
    )  # fmt: skip
    return -losses.view(signs, draws).T


def add_products(
    network: SpikingNetwork, noise: Tensor, weights: Tensor, rank: int, sigmas: Sequence[float]
) -> None:
    """Add −Σ weight · E/σ of some draws to every ``.grad``: one matrix product a layer.

    noise: (M, P) as in ``PopulationPass.outputs``;  weights: (M,).
    """
    start, draws = 0, len(noise)
    for layer, sigma in zip(network.layers, sigmas, strict=True):
        outputs, inputs = layer.weight.shape
        left, right = torch.empty(draws * rank, outputs), torch.empty(draws * rank, inputs)
        in_threads(
            packing.pack_products, ranges(draws, 8), noise.numpy(), rank, outputs, inputs, start,
            weights.numpy(), left.numpy(), right.numpy(),
        )  # fmt: skip
        layer.weight.grad.addmm_(left.T, right, alpha=-1 / (sigma * math.sqrt(rank)))
        start += (outputs + inputs) * rank
        layer.bias.grad.addmv_(noise[:, start : start + outputs].T, weights, alpha=-1 / sigma)
        start += outputs


def make_plan(sizes: Sequence[int], rank: int) -> tuple[np.ndarray, int, int]:
    """(plan, length of a row of factors, length of ``weights``) for ``kernels/population.py``.

    Hidden neurons are padded to 64, a narrow last layer to 16. 64 numbers at the end of each may be
    read, never used.
    """
    plan, row, weights = np.zeros((len(sizes) - 1, 7), np.int64), 0, 0
    for i, place in enumerate(plan):
        inputs, outputs = sizes[i], sizes[i + 1]
        lanes = 16 if 0 < i == len(plan) - 1 and outputs <= 16 else 64
        width = (outputs + lanes - 1) // lanes * lanes
        place[population.INPUTS], place[population.WIDTH] = inputs, width
        place[population.A], place[population.NOISE] = row, row + rank * width
        place[population.B] = row = row + (rank + 1) * width
        if i:
            row += ((inputs + 1) * rank + 63) // 64 * 64
            place[population.WEIGHTS] = weights
            place[population.BIAS] = weights + width * (inputs + 1)
            weights += width * (inputs + 2)
    return plan, row + 64, weights + 64


def ranges(length: int, size: int) -> list[tuple[int, int]]:
    """(first, last) of pieces of so many."""
    return [(start, min(start + size, length)) for start in range(0, length, size)]
