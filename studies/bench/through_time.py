"""Recursions over time of whole layers, on whatever device the tensors are.

A loop in torch starts several small operations a step, and on a GPU starting them takes longer than
doing them. So ``kernels/lif_gpu.py`` takes all steps at once where it can, in float32 on a GPU with
Triton; elsewhere the loops below do the same, and are its oracle.
"""

import importlib.util
import os

import torch
from torch import Tensor

from course_lib.lif import LIFParameters, heaviside, lif_run

#: (sample, neuron) pairs of a program
BLOCK = 128


def fused(tensor: Tensor) -> bool:
    """Whether the kernels take this tensor."""
    there = tensor.is_cuda or os.environ.get("TRITON_INTERPRET") == "1"  # Triton's own, for tests
    there = there and tensor.dtype == torch.float32
    return there and importlib.util.find_spec("triton") is not None


def distances(currents: Tensor, neuron: LIFParameters) -> Tensor:
    """u = v − θ of LIF neurons as they may fire, (T, ...), given their currents; see ``lif_run``.

    The kernel rounds as the loop does, so that both find the same spikes.
    """
    if not fused(currents):
        found = []

        def fire(distance):
            found.append(distance)
            return heaviside(distance)

        lif_run(currents, neuron, fire, keep_voltages=False)
        return torch.stack(found)
    from course_lib.fast.kernels import gpu
    from studies.bench import lif_gpu

    later = gpu.SUBTRACT_LATER if neuron.reset_delay else gpu.SUBTRACT
    currents = currents.contiguous()
    outputs, size = torch.empty_like(currents), currents[0].numel()
    lif_gpu.charge[(-(-size // BLOCK),)](
        currents, outputs, size, neuron.beta, neuron.threshold, len(currents),
        reset=gpu.ZERO if neuron.reset == "zero" else later, block=BLOCK,
        enable_fp_fusion=False,  # a fused multiply-add would round once where the loop does twice
    )  # fmt: skip
    return outputs


def leaky(
    inputs: Tensor, beta: float, spikes: Tensor | None = None, backwards: bool = False
) -> Tensor:
    """a[t] = inputs[t] + β (1 − spikes[t]) a[t − 1], or a[t + 1] if ``backwards``; (T, ...).

    spikes: as ``inputs``, what cuts the path to the step before; nothing does if not given.
    """
    if not fused(inputs):
        state, outputs = torch.zeros_like(inputs[0]), torch.empty_like(inputs)
        for t in reversed(range(len(inputs))) if backwards else range(len(inputs)):
            if spikes is not None:
                state = (1 - spikes[t]) * state
            state = inputs[t] + beta * state
            outputs[t] = state
        return outputs
    from studies.bench import lif_gpu

    inputs, spikes = inputs.contiguous(), None if spikes is None else spikes.contiguous()
    outputs, size, first = torch.empty_like(inputs), inputs[0].numel(), -1 if backwards else 0
    lif_gpu.leak[(-(-size // BLOCK),)](
        inputs[first], (inputs if spikes is None else spikes)[first], outputs[first],
        size, -size if backwards else size, beta, len(inputs),
        cuts=spikes is not None, block=BLOCK,
    )  # fmt: skip
    return outputs
