"""Every method's gradient beside backpropagation's, in seconds: ``python -m studies align``.

One network is trained by BPTT. All methods look on: at some of its steps each fills in the gradient
that it would have taken. The study "alignment" asks the same at full size, over seeds, and in the
methods' own training.
"""

import time
from typing import Any

import torch

from course_lib.estimators import METHODS
from course_lib.events import load_splits
from course_lib.run.runs import RunConfig
from studies.alignment import Look, look_on
from studies.bench.store import here, save
from studies.declared import SLOPE
from studies.measure import step_memory
from studies.tables import grid

#: what methods that have such options are given: see the study's search; others have their defaults
OPTIONS = {"slope": SLOPE, "population": 32}
#: T of the memory's columns; online methods take products over blocks of up to 10 steps
STEPS = (20, 100)


def options_of(name: str) -> dict[str, Any]:
    return {key: value for key, value in OPTIONS.items() if key in METHODS[name].options()}


def main(options) -> int:
    """Train, compare, print two tables."""
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
    looks = list(look_on(network, methods, data.train, options.steps, at,
                         repeats=options.repeats, seed=options.seed))  # fmt: skip
    # what the compiled kernels of a population allocate is not torch's, and cannot be seen here
    seen = [name for name in names if "population" not in METHODS[name].options()]
    memory = {name: _memory(network, methods[name]) for name in seen}
    seconds = time.process_time() - start
    sizes = "-".join(map(str, network.sizes))
    print(f"{data.name}, {sizes}, {options.readout} readout, T = 10, batch 64; BPTT trains, "
          f"the others look on.\n\n{cosines(looks, at)}\n\n{spreads(looks, memory)}\n")  # fmt: skip
    print(f"{seconds:.1f} s of processor time")
    if options.json:
        found = {"memory": memory, "steps": at, "looks": [plain(look) for look in looks]}
        save(options.json, here() | shared | {"repeats": options.repeats} | found)
    return 0


def plain(value):
    """Figures as JSON has them: a named tuple as a dictionary, nan as null."""
    if hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return None if value != value else value


def _memory(network, method) -> list[int]:
    """Of one step at T = 20 and 100: four samples of random frames of the usual density."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(STEPS[-1], 4, network.sizes[0], generator=generator) < 0.1).float()
    labels = torch.randint(network.sizes[-1], (4,), generator=generator)
    return [step_memory(network, method, frames[:steps], labels) for steps in STEPS]


def cosines(looks: list[Look], at: list[int]) -> str:
    """A line a method: cosine with BPTT by layer and step."""
    by_method: dict[str, list[Look]] = {}
    for look in looks:
        by_method.setdefault(look.method, []).append(look)
    headings = [f"{layer}, step {step}" for layer in _layers(looks) for step in at]
    lines = []
    for name, own in by_method.items():
        found = [look.layers[layer].cosine for layer in range(len(own[0].layers)) for look in own]
        lines.append([METHODS[name].label, *("–" if c != c else f"{c:.2f}" for c in found)])
    return grid(["cosine with BPTT", *headings], lines)


def spreads(looks: list[Look], memory: dict[str, list[int]]) -> str:
    """A line a method: variance by layer at the last step, memory of a step."""
    headings = [f"variance / |BPTT|², {layer}" for layer in _layers(looks)]
    headings += [f"memory, batch 4, T = {steps}" for steps in STEPS]
    lines = []
    for look in looks:
        if look.step == looks[-1].step:
            sizes = [f"{size / 1e6:.1f} MB" for size in memory.get(look.method, ())] or ["–", "–"]
            found = [f"{layer.relative_variance:.1e}" for layer in look.layers]
            lines.append([METHODS[look.method].label, *found, *sizes])
    return grid(["at the last step", *headings], lines)


def _layers(looks: list[Look]) -> list[str]:
    return [f"layer {number}" for number in range(1, len(looks[0].layers))] + ["readout"]
