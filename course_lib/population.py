"""Outputs of a whole population at once: the host side of ``kernels/population.py``.

    run = PopulationPass(network, frames, rank, sigma, signs)    # events, base currents: once
    outputs = run.outputs(noise)                                 # of any draws: (signs, M, B, C)

The result is that of running every member through the network with weights W ± σE, up to rounding:
sums are added in another order, so a spike may differ where a voltage is within rounding of the
threshold, and nowhere else.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib.kernels import packing, population
from course_lib.kernels.events import SPARE, list_events, multiply_events
from course_lib.kernels.threads import in_threads, in_turn
from course_lib.network import SpikingNetwork, per_layer

#: bytes that the columns of a group of draws and their products with the frames may take
GROUP_BYTES = 2**26
#: bytes of factor rows that one job reads for every sample: they should stay in the second cache
ROWS_BYTES = 2**18
#: samples of one job
SAMPLES = 8


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
    indices = np.empty((batch, steps * inputs + SPARE), np.int32)
    starts = np.zeros((batch, steps + 1), np.int32)
    jobs = ranges(batch, 2 * SAMPLES)
    if all(in_threads(list_events, jobs, values, indices, starts)):
        return FrameEvents(indices, starts, np.empty((0, 0), np.float32))
    counts = np.empty(indices.shape, np.float32)
    in_threads(packing.list_values, jobs, values, indices, starts, counts)
    return FrameEvents(indices, starts, counts)


def multiply(
    events: FrameEvents, columns: np.ndarray, begin: np.ndarray, out: np.ndarray, run=in_threads
) -> None:
    """Frames, given by their events, times columns (tiles, D, 64): see ``multiply_events``."""
    samples = ranges(len(out), 8 * SAMPLES)
    jobs = [(tile, *some) for tile in range(len(columns)) for some in samples]
    run(multiply_events, jobs, *events, columns, begin, out)


class PopulationPass:
    """What the members of a population share, and their outputs.

    frames: (T, B, D); events: of the frames, if they are known already.
    rank:   0 for a population without perturbations; sigma: as in ``EvolutionStrategy``.
    layers: weights and bias of each layer, in place of the network's own.
    run:    ``in_threads``, or ``in_turn`` within a thread.
    """

    def __init__(
        self,
        network: SpikingNetwork,
        frames: Tensor,
        rank: int = 0,
        sigma: float | Sequence[float] = 1.0,
        signs: int = 1,
        events: FrameEvents | None = None,
        layers: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
        run: Callable = in_threads,
    ):
        network.check_frames(frames)
        steps, self.batch, _ = frames.shape
        self.network, self.rank, self.signs, self.run = network, rank, signs, run
        layers = weights_of(network) if layers is None else layers
        self.events = frame_events(frames) if events is None else events
        sigmas = np.array(per_layer("sigma", sigma, len(network.layers)))
        self.deviations = sigmas.astype(np.float32)
        self.scales = (sigmas / math.sqrt(max(rank, 1))).astype(np.float32)
        self.sizes = np.array(network.sizes)
        self.plan, self.row_length, length = make_plan(network.sizes, rank)
        self.weights = np.zeros(length, np.float32)
        for (weight, bias), place in zip(layers[1:], self.plan[1:], strict=True):
            self._pack_layer(weight, bias, place)
        weight, bias = layers[0]
        width = self.plan[0, population.WIDTH]
        columns = np.empty((width // 64, self.sizes[0], 64), np.float32)
        run(packing.pack_weights, ranges(len(columns), 1), weight, columns)
        begin = np.zeros(width, np.float32)
        begin[: len(bias)] = bias
        self.base = np.empty((self.batch, steps, width), np.float32)
        self._multiply(columns, begin, self.base)

    def _pack_layer(self, weight, bias, place):
        lanes = 16 if place[population.WIDTH] == 16 else 64
        groups, rows = place[population.WIDTH] // lanes, weight.shape[1] + 1
        begin, end = place[population.WEIGHTS], place[population.BIAS]
        table = self.weights[begin:end].reshape(groups, rows, lanes)
        self.run(packing.pack_weights, ranges(groups, 1), weight, table)
        self.weights[end : end + len(bias)] = bias

    def _multiply(self, columns, begin, out):
        multiply(self.events, columns, begin, out, self.run)

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
        self.run(
            packing.pack_rows, ranges(draws, 16), noise, rank, self.sizes, self.scales,
            self.deviations, self.plan, rows,
        )  # fmt: skip
        tiles = (draws * rank + 63) // 64
        columns = np.empty((tiles, self.sizes[0], 64), np.float32)
        start = int(self.sizes[1]) * rank
        self.run(packing.pack_columns, ranges(tiles, 1), noise, start, rank, columns)
        projected = np.empty((*self.base.shape[:2], tiles * 64), np.float32)
        self._multiply(columns, np.zeros(tiles * 64, np.float32), projected)
        few = max(1, ROWS_BYTES // (4 * self.row_length))
        jobs = [
            (*samples, *some) for some in ranges(draws, few)
            for samples in ranges(self.batch, SAMPLES)
        ]  # fmt: skip
        self.run(
            population.roll_out, jobs, self.base, projected, self.weights, rows, self.plan,
            rank, self.signs, np.float32(neuron.beta), np.float32(neuron.threshold),
            0 if neuron.reset == "zero" else 2 if neuron.reset_delay else 1,
            population.RATE if self.network.readout == "rate" else population.MEMBRANE,
            done, outputs.numpy(),
        )  # fmt: skip


def compiled() -> bool:
    """Whether the kernels have been compiled on this machine; the first use takes some seconds."""
    folder = Path(population.roll_out.stats.cache_path)
    return any(folder.glob("population.roll_out-*.nbi"))


def weights_of(network: SpikingNetwork) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and bias of each layer."""
    return [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in network.layers
    ]


def full_rank_outputs(
    network: SpikingNetwork,
    frames: Tensor,
    noise: np.ndarray,
    sigmas: Sequence[float],
    signs: Sequence[int],
    events: FrameEvents,
) -> Tensor:
    """Outputs (signs, M, B, C) of members that have weights of their own, W ± σE.

    noise: (M, P) float32; a row holds, layer after layer, E (out, in) and e (out,). One thread
    builds and runs one member at a time.
    """
    layers = weights_of(network)
    outputs = torch.empty(len(signs), len(noise), frames.shape[1], network.sizes[-1])
    still = np.zeros((1, sum(network.sizes[1:])), np.float32)

    def one(draw: int, column: int) -> None:
        member, start = [], 0
        for (weight, bias), sigma in zip(layers, sigmas, strict=True):
            scale, middle = np.float32(signs[column] * sigma), start + weight.size
            end = middle + bias.size
            own = noise[draw, start:middle].reshape(weight.shape) * scale
            own += weight
            member.append((own, bias + scale * noise[draw, middle:end]))
            start = end
        run = PopulationPass(network, frames, events=events, layers=member, run=in_turn)
        outputs[column, draw] = run.outputs(still)[0, 0]

    members = [(draw, column) for draw in range(len(noise)) for column in range(len(signs))]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(lambda member: one(*member), members))
    return outputs


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
        fours, tiles, rows = -(-outputs // 4), -(-inputs // 64), draws * rank
        left = np.empty((fours, rows, 4), np.float32)
        right = np.empty((tiles, rows, 64), np.float32)
        in_threads(
            packing.pack_products, ranges(draws, 8), noise.numpy(), rank, outputs, inputs, start,
            weights.numpy(), left, right,
        )  # fmt: skip
        jobs = [(tile, *some) for tile in range(tiles) for some in ranges(fours, 16)]
        scale = np.float32(-1 / (sigma * math.sqrt(rank)))
        in_threads(packing.add_products, jobs, left, right, scale, layer.weight.grad.numpy())
        start += (outputs + inputs) * rank
        packing.add_rows(
            noise.numpy(), start, weights.numpy(), np.float32(-1 / sigma), layer.bias.grad.numpy()
        )
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
