"""Outputs of a whole population at once: the host side of ``kernels/population.py``.

    run = PopulationPass(network, frames, rank, sigma, signs)    # events, base currents: once
    outputs = run.outputs(noise)                                 # of any draws: (signs, M, B, C)

The result is that of running every member through the network with weights W ± σE, up to rounding:
sums are added in another order, so a spike may differ where a voltage is within rounding of the
threshold, and nowhere else.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from course_lib.compiling import is_kept
from course_lib.fast import trust
from course_lib.fast.event_lists import FrameEvents, frame_events, multiply
from course_lib.fast.kernels import losses, packing, population, products
from course_lib.fast.kernels.events import STRIP
from course_lib.fast.kernels.first_layer import MEMBRANE, RATE
from course_lib.fast.kernels.only_layer import roll_out_one
from course_lib.fast.kernels.plan import BIAS, NARROW, WEIGHTS, WIDTH, lanes_of, make_plan
from course_lib.fast.kernels.threads import in_threads, ranges
from course_lib.fast.kernels.workspace import Workspace, lines, zeros
from course_lib.network import SpikingNetwork, per_layer

#: the noise of a generation is kept from the forward passes to the gradient up to so many bytes
KEPT_BYTES = 2**28
#: bytes that the columns of a group of draws and their products with the frames may take
GROUP_BYTES = 2**26
#: bytes of factor rows that one job reads for every sample: they should stay in the second cache
ROWS_BYTES = 2**18
#: samples of one job
SAMPLES = 8


def why_not(network: SpikingNetwork, *frames: Tensor) -> str:
    """What keeps the kernel from this network and frames; empty if nothing does."""
    if trust.why_not():
        return trust.why_not()
    for name, tensor in [*network.named_parameters(), *(("frames", f) for f in frames)]:
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            return f"it needs float32 on the CPU, and {name} is {tensor.dtype} on {tensor.device}"
    return ""


class PopulationPass:
    """What the members of a population share, and their outputs.

    frames: (T, B, D); events: of the frames, if they are known already.
    rank:   0 for a population without perturbations; sigma: as in ``EvolutionStrategy``.
    layers: weights and bias of each layer, in place of the network's own.
    run:    ``in_threads``, or ``in_turn`` within a thread.
    workspace: where arrays are kept from one pass to the next: a pass is over when it is next used.
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
        workspace: Workspace | None = None,
    ):
        network.check_frames(frames)
        steps, self.batch, _ = frames.shape
        self.network, self.rank, self.signs, self.run = network, rank, signs, run
        self.room = workspace or Workspace()
        layers = weights_of(network) if layers is None else layers
        self.events = frame_events(frames, self.room) if events is None else events
        sigmas = np.array(per_layer("sigma", sigma, len(network.layers)))
        self.deviations = sigmas.astype(np.float32)
        self.scales = (sigmas / math.sqrt(max(rank, 1))).astype(np.float32)
        self.sizes = np.array(network.sizes)
        self.plan, self.row_length, length = make_plan(network.sizes, rank)
        self.weights = self.room.array("weights", (length,))
        self.weights.fill(0)
        for (weight, bias), place in zip(layers[1:], self.plan[1:], strict=True):
            self._pack_layer(weight, bias, place)
        weight, bias = layers[0]
        width = self.plan[0, WIDTH]
        columns = self.room.array("columns", (width // STRIP, self.sizes[0], STRIP))
        packing.fill_tiles(columns, weight)
        begin = zeros(width)
        begin[: len(bias)] = bias
        self.base = self.room.array("base", (self.batch, steps, width))
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

    def outputs(self, noise: np.ndarray | Tensor) -> Tensor:
        """(signs, M, B, C) of the members of M draws.

        noise: (M, P) float32, an array or a tensor; a row holds, layer after layer, A (out, r),
        B (in, r) and the bias noise (out,).
        """
        noise = np.asarray(noise)
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


def weights_of(network: SpikingNetwork) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and bias of each layer."""
    return [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in network.layers
    ]


def fitness(network: SpikingNetwork, outputs: Tensor, labels: Tensor) -> Tensor:
    """Minus the mean cross-entropy in nats of outputs (signs, M, B, C): (M, signs)."""
    signs, draws, batch, classes = outputs.shape
    found, members = torch.empty(signs * draws), outputs.view(-1, batch, classes).numpy()
    in_threads(
        losses.mean_losses, ranges(len(members), 16), members,
        np.float32(network.logit_scale), labels.numpy(), found.numpy(),
    )  # fmt: skip
    return -found.view(signs, draws).T


def add_products(
    network: SpikingNetwork, noise: Tensor, weights: Tensor, rank: int, sigmas: Sequence[float]
) -> None:
    """Add −Σ weight · E/σ of some draws to every ``.grad``, draw after draw.

    noise: (M, P) as in ``PopulationPass.outputs``;  weights: (M,).
    """
    start, draws, numbers = 0, len(noise), noise.contiguous().numpy()
    for layer, sigma in zip(network.layers, sigmas, strict=True):
        outputs, inputs = layer.weight.shape
        blocks, tiles = -(-outputs // products.BLOCK), -(-inputs // products.TILE)
        left = lines((blocks, draws * rank, products.BLOCK))
        right = lines((tiles, draws * rank, products.TILE))
        factors, end = weights / (-sigma * math.sqrt(rank)), start + (outputs + inputs) * rank
        in_threads(
            products.pack_draws, ranges(draws, 16), numbers, start, rank, factors.numpy(),
            outputs, inputs, left, right,
        )  # fmt: skip
        jobs = [(tile, 0, blocks) for tile in range(tiles)]
        gradient = layer.weight.grad.view(-1).numpy()
        in_threads(products.add_products, jobs, left, right, outputs, inputs, gradient)
        start = end
        products.add_rows(numbers, start, (weights / -sigma).numpy(), layer.bias.grad.numpy())
        start += outputs
