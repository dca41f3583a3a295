"""Every method's gradient beside backpropagation's, in seconds: ``python -m studies align``.

One network is trained by BPTT. All other methods look on: at some of its steps each fills in the
gradient that it would have taken, several times with fresh noise, on one fixed batch, and
``alignment.py`` compares them. A method that learns something itself, as OPZO does its feedback,
goes along at every step.

The study "alignment" asks the same at full size, over seeds, and in the methods' own training.
"""

import copy
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course_lib.alignment import LayerAlignment, alignment
from course_lib.estimators.base import Estimator
from course_lib.estimators.opzo import OPZO
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.events import FrameSet
from course_lib.memory import PeakMemory
from course_lib.network import SpikingNetwork
from course_lib.training import draw_batch

#: slope of the surrogate and of ψ, wherever there is one: see the study's search
SLOPE = 2.5
#: noise of these steps is used nowhere else
FIRST_STEP = 1_000_000
#: who looks on, with what beside the defaults of ``methods.py``
OPTIONS: dict[str, dict[str, Any]] = {
    "bptt": {"slope": SLOPE},
    "localzo": {"delta": 0.5, "samples": 5},
    "sparsegrad": {"delta": 0.5, "samples": 5},
    **{name: {"slope": SLOPE} for name in ("ottt", "opzo", "dfa", "zo")},
    "hybrid": {"population": 32},
    **{name: {"population": 32, "kernel": "fused"} for name in ("eggroll", "projected", "es")},
}


class Look(NamedTuple):
    """One method at one step of the training: figures of each layer, the readout last."""

    method: str
    step: int
    layers: list[LayerAlignment]


def look_on(
    network: SpikingNetwork,
    methods: dict[str, Estimator],
    data: FrameSet,
    at: Sequence[int] = (0, 30, 60),
    repeats: int = 4,
    batch_size: int = 64,
    lr: float = 0.003,
    seed: int = 0,
) -> tuple[list[Look], list[float]]:
    """Train ``network`` by BPTT, in place; what the methods would have done at the steps ``at``.

    Returns too, for each of these steps, ``feedback_cosine`` of the OPZO among them, nan if there
    is none.
    """
    reference = SurrogateBPTT(slope=SLOPE)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    fixed = data.frames(range(batch_size)), data.labels[:batch_size]
    looks, cosines = [], []
    opzo = next((method for method in methods.values() if isinstance(method, OPZO)), None)
    learning = [method for method in methods.values() if method.state_dict()]
    for step in range(max(at) + 1):
        if step in at:
            cosines.append(feedback_cosine(network, opzo) if opzo else math.nan)
            for name, method in methods.items():
                layers = alignment(network, method, *fixed, repeats, reference, FIRST_STEP)
                looks.append(Look(name, step, layers))
        if step < max(at):
            frames, labels = draw_batch(data, step, batch_size, seed)
            for method in [*learning, reference]:  # the last one's gradient is taken
                method.fill_grads(network, frames, labels, step)
            optimizer.step()
    return looks, cosines


def feedback_cosine(network: SpikingNetwork, opzo: OPZO) -> float:
    """Cosine of M at the highest hidden layer with the Jacobian of what that layer's spikes add to
    a leaky output, which is the readout's weights; nan while M is zero."""
    if not opzo.feedback or not opzo.feedback[-1].any():
        return math.nan
    weight = network.layers[-1].weight.detach().T.flatten()
    return torch.cosine_similarity(opzo.feedback[-1].flatten(), weight, dim=0).item()


def step_memory(network: SpikingNetwork, method: Estimator, frames: Tensor, labels: Tensor) -> int:
    """Bytes of all tensors of one step at its peak; LocalZO and SparseGrad in readable form."""
    fast = hasattr(method, "fast")
    method = dataclasses.replace(method, fast=False) if fast else copy.deepcopy(method)
    with PeakMemory() as memory:
        method.fill_grads(network, frames, labels)
    return memory.peak
