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
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course_lib.alignment import LayerAlignment, alignment
from course_lib.estimators import METHODS
from course_lib.estimators.base import Estimator
from course_lib.estimators.opzo import OPZO
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.events import FrameSet, load_splits
from course_lib.memory import PeakMemory
from course_lib.network import SpikingNetwork
from course_lib.run.machine import machine, revision
from course_lib.run.runs import RunConfig
from course_lib.training import draw_batch
from studies.alignment import FIRST_STEP
from studies.bench.store import save
from studies.bench.timing import row
from studies.declared import SLOPE

#: what methods that have such options are given: see the study's search; others have their defaults
OPTIONS = {"slope": SLOPE, "population": 32}
#: T of the memory's columns
STEPS = (10, 100)


def options_of(name: str) -> dict[str, Any]:
    return {key: value for key, value in OPTIONS.items() if key in METHODS[name].options()}


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


def main(options) -> int:
    """Train, compare, print two tables and the two figures that have bars."""
    names = options.methods or list(METHODS)
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise ValueError(
            f"no method {', '.join(unknown)} to look on; choose from {', '.join(METHODS)}"
        )
    if options.steps < 1:
        raise ValueError(f"steps is {options.steps}; it must be at least 1")
    shared = {"hidden": tuple(options.hidden), "readout": options.readout, "seed": options.seed}
    network = RunConfig(method="bptt", **shared).network()
    methods = {
        name: RunConfig(method=name, options=options_of(name), **shared).estimator()
        for name in names
    }
    data = load_splits(progress=False)
    at = sorted({0, options.steps // 2, options.steps})
    start = time.process_time()
    looks, feedback = look_on(network, methods, data.train, at, options.repeats, seed=options.seed)
    # what the compiled kernels of a population allocate is not torch's, and cannot be seen here
    seen = [name for name in names if "population" not in METHODS[name].options()]
    memory = {name: _memory(network, methods[name]) for name in seen}
    seconds = time.process_time() - start
    sizes = "-".join(map(str, network.sizes))
    print(f"{data.name}, {sizes}, {options.readout} readout, T = 10, batch 64; BPTT trains, "
          f"the others look on.\n\n{cosines(looks, at)}\n\n{spreads(looks, memory)}\n")  # fmt: skip
    for line in figures(looks, feedback, at, options.readout):
        print(line)
    print(f"{seconds:.1f} s of processor time")
    if options.json:
        found = {"memory": memory, "steps": at, "feedback_cosine": plain(feedback)}
        shared |= {"repeats": options.repeats, "machine": machine(), "revision": revision()}
        save(options.json, shared | found | {"looks": [plain(look) for look in looks]})
    return 0


def plain(value):
    """Figures as JSON has them: a named tuple as a dictionary, nan as null."""
    if hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return None if value != value else value


def _memory(network, method) -> list[int]:
    """Of one step at T = 10 and 100: four samples of random frames of the usual density."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(STEPS[-1], 4, network.sizes[0], generator=generator) < 0.1).float()
    labels = torch.randint(network.sizes[-1], (4,), generator=generator)
    return [step_memory(network, method, frames[:steps], labels) for steps in STEPS]


def cosines(looks: list[Look], at: list[int]) -> str:
    """A line a method: cosine with BPTT by layer and step."""
    layers = _layers(looks)
    head = "".join(f"{name:>{7 * len(at)}s}" for name in layers)
    lines = [
        f"{'cosine with BPTT':18s}{head}",
        f"{'step':18s}" + "".join(f"{step:7d}" for step in at) * len(layers),
    ]
    for name in dict.fromkeys(look.method for look in looks):
        own = [look for look in looks if look.method == name]
        cells = [look.layers[layer].cosine for layer in range(len(layers)) for look in own]
        lines.append(f"{METHODS[name].label:18s}" + "".join(map(_cosine, cells)))
    return "\n".join(lines)


def spreads(looks: list[Look], memory: dict[str, list[int]]) -> str:
    """A line a method: variance by layer at the last step, memory of a step."""
    layers = _layers(looks)
    lines = [
        f"{'at the last step':18s}{'variance relative to |BPTT|²':>{11 * len(layers)}s}"
        f"{'memory, batch 4, MB':>24s}",
        f"{'':18s}" + "".join(f"{name:>11s}" for name in layers)
        + "".join(f"{f'T = {steps}':>12s}" for steps in STEPS),
    ]  # fmt: skip
    for look in [look for look in looks if look.step == looks[-1].step]:
        cells = "".join(f"{layer.relative_variance:11.1e}" for layer in look.layers)
        sizes = "".join(f"{size / 1e6:12.1f}" for size in memory.get(look.method, ()))
        lines.append(f"{METHODS[look.method].label:18s}{cells}{sizes}")
    return "\n".join(lines)


def figures(looks: list[Look], feedback: list[float], at: list[int], readout: str) -> list[str]:
    """What OPZO is for: a feedback that finds the Jacobian, and a variance far below ZO's."""
    last = {look.method: look.layers for look in looks if look.step == at[-1]}
    lines = []
    if "opzo" in last and readout == "membrane":
        found = ", ".join(f"{cosine:.2f}" for cosine in feedback[1:-1])
        text = f"cosine of OPZO's M with the Jacobian ({found} on the way)"
        lines.append(row(text, feedback[-1], "", 0.95))
    if {"opzo", "zo"} <= set(last):
        for layer, (zo, opzo) in enumerate(zip(last["zo"][:-1], last["opzo"], strict=False), 1):
            ratio = zo.variance / opzo.variance
            lines.append(
                f"  variance, single-point ZO against OPZO, layer {layer}: {ratio:.1e} "
                f"(bar: ≥ 1e4{'' if ratio >= 1e4 else ', missed'}); "
                f"{ratio * opzo.scale**2:.1e} with OPZO's gradient brought to BPTT's length"
            )
    return lines


def _layers(looks: list[Look]) -> list[str]:
    return [f"layer {number}" for number in range(1, len(looks[0].layers))] + ["readout"]


def _cosine(value: float) -> str:
    return f"{'–':>7s}" if value != value else f"{value:7.2f}"
