"""Outputs of a whole population on a GPU: the host side of ``kernels/gpu.py``, as ``population.py``
is that of the compiled loops on the CPU. Losses and the gradient are torch's there.

Frames times weights and frames times B are two dense products for the whole population; a Triton
kernel does the rest. The noise is the CPU's, number for
number, so a run on a GPU follows the CPU's up to rounding: where a voltage is within rounding of
the threshold a spike may differ, and nowhere else. Triton comes with PyTorch's CUDA builds.
"""

import importlib.util
import math

from torch import Tensor

from course_lib.fast.population import Members
from course_lib.network import SpikingNetwork

#: bytes that products, noise and outputs of a group of draws may take, and most draws of a group:
#: the next one's noise is made meanwhile
GROUP_BYTES, GROUP = 2**31, 2048
#: the noise of a generation is kept from the forward passes to the gradient up to so many bytes
KEPT_BYTES = 2**33
#: samples of a program, and its threads in groups of 32, for up to 256 hidden neurons and for more;
#: the fastest without spilled registers
SAMPLES, WARPS, WIDEST = (32, 16), (4, 8), 1024


def why_not(network: SpikingNetwork) -> str:
    """What keeps the kernel from this network; empty if nothing does."""
    if len(network.layers) != 2 or network.sizes[1] > WIDEST or network.sizes[2] > 64:
        return f"it takes one hidden layer of up to {WIDEST} neurons and 64 classes"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    return ""


class PopulationPass:
    """What the members of a population share on frames (T, B, D), and their outputs; see
    ``population``. torch keeps a GPU's memory from one pass to the next: ``arrays`` is not used."""

    def __init__(
        self, network: SpikingNetwork, frames: Tensor, members: Members, arrays: object = None
    ):
        self.network, self.frames, self.sigmas = network, frames, members.sigmas
        self.rank, self.signs = members.rank, len(members.signs)
        self.base = network.layers[0](frames).contiguous()

    @property
    def draws_at_once(self) -> int:
        """How many draws' products, noise and outputs are kept at the same time."""
        steps, batch, inputs = self.frames.shape
        _, hidden, classes = self.network.sizes
        numbers = steps * batch * self.rank + 2 * self.signs * batch * classes
        numbers += 2 * self.rank * (inputs + 2 * hidden + classes)
        return min(GROUP, max(64, GROUP_BYTES // (4 * numbers)))

    def outputs(self, noise: Tensor) -> Tensor:
        """(signs, M, B, C) of the members of M draws. noise: (M, P), see ``population``."""
        from course_lib.fast.kernels import gpu

        (steps, batch, _), draws = self.frames.shape, len(noise)
        inputs, hidden, classes = self.network.sizes
        noise, rank = noise.to(self.frames).contiguous(), self.rank
        last, neuron = self.network.layers[1], self.network.neuron
        at_bias, (first, second) = (hidden + inputs) * rank, self.sigmas
        a, b = noise[:, :at_bias].split((hidden * rank, inputs * rank), dim=1)
        a_rows = a.view(draws, hidden, rank).transpose(1, 2).contiguous()
        b_rows = b.view(draws, inputs, rank).transpose(1, 2).reshape(-1, inputs)
        projected = b_rows @ self.frames.flatten(0, 1).T
        outputs = self.frames.new_empty(self.signs, draws, batch, classes)
        reset = gpu.SUBTRACT_LATER if neuron.reset_delay else gpu.SUBTRACT
        width = max(16, 1 << (hidden - 1).bit_length())
        wide = int(width > 256)
        gpu.roll_out[draws * self.signs, -(-batch // SAMPLES[wide])](
            self.base, projected, a_rows, noise, last.weight.detach(), last.bias.detach(), outputs,
            batch, hidden, classes, draws, noise.shape[1], at_bias, at_bias + hidden,
            first / math.sqrt(rank), first, second / math.sqrt(rank), second,
            neuron.beta, neuron.threshold, steps=steps, rank=rank, signs=self.signs,
            reset=gpu.ZERO if neuron.reset == "zero" else reset,
            rate=self.network.readout == "rate", samples=SAMPLES[wide], width=width,
            columns=max(16, 1 << (classes - 1).bit_length()),
            num_warps=WARPS[wide], num_stages=1,
        )  # fmt: skip
        return outputs


start = PopulationPass
