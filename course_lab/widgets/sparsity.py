"""Lesson 10: spikes and synaptic operations of a network trained by any method, at an accuracy."""

import functools
from typing import NamedTuple

import ipywidgets as ipw
import numpy as np
import torch

from course_lab import energy_figures
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, methods_menu, one_thread, slider
from course_lib import estimators
from course_lib.energy import JOULES_PER_AC, count_operations
from course_lib.events import load_splits
from course_lib.run.figures import style
from course_lib.run.runs import RunConfig
from course_lib.training import draw_batch

STEPS, BATCH, EVERY = 60, 64, 3
#: one start for all methods; its spikes are the same whoever trains
START = {"readout": "membrane", "beta": 0.9, "logit_scale": 2.0, "weight_sd": (0.025, 0.06)}
OPTIONS = {
    "eggroll": {"population": 128}, "bptt": {}, "localzo": {}, "dfa": {"slope": 2.5},
    "opzo": {"slope": 2.5, "momentum": 0.99},
    "hybrid": {"slope": 2.5, "momentum": 0.99, "population": 32},
}  # fmt: skip


class Path(NamedTuple):
    """From the start on, every EVERY updates: accuracy (0 to 1), hidden spikes a recording, SynOps
    by layer."""

    updates: np.ndarray
    accuracy: np.ndarray
    spikes: np.ndarray
    synops: np.ndarray

    def at(self, target: float) -> "Path | None":
        """Where the accuracy first comes to ``target``, on the line between two looks; or None."""
        places = np.flatnonzero(self.accuracy >= target)
        if not len(places):
            return None
        after = int(places[0])
        before = max(after - 1, 0)
        step = self.accuracy[after] - self.accuracy[before]
        share = (target - self.accuracy[before]) / step if step else 0.0
        return Path(*(column[before] + share * (column[after] - column[before]) for column in self))


@functools.cache
def recordings():
    """Training recordings; frames and labels of 125 validation recordings. Never changed."""
    splits = load_splits(progress=False)
    some = splits.validation.subset(range(0, 500, 4))
    return splits.train, some.frames(), some.labels


@functools.cache
def path(method: str, hidden: int, seed: int = 0) -> Path:
    """Train 2312-hidden-10 for STEPS updates from the shared start, and look on."""
    data, frames, labels = recordings()
    config = RunConfig(
        method=method, options=OPTIONS[method], hidden=(hidden,), shift=0, seed=seed, **START
    )
    network, estimator = config.network(), config.estimator()
    optimizer = config.optimizer(network)
    rows = []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            with torch.no_grad():
                hidden_layer, output = network.record(frames)
            right = network.read(output).argmax(dim=1) == labels
            spikes = hidden_layer.spikes.sum().item() / len(labels)
            rows.append((step, right.double().mean().item(), spikes))
        if step < STEPS:
            estimator.fill_grads(network, *draw_batch(data, step, BATCH, seed), step)
            optimizer.step()
    updates, accuracy, spikes = (np.array(column) for column in zip(*rows, strict=True))
    # No weight is zero: layer 1 hears the same events whoever trains, ten outputs each spike.
    first = count_operations(network, frames).synops[:, 0].mean().item()
    synops = np.stack([np.full(len(spikes), first), network.sizes[-1] * spikes], axis=1)
    return Path(updates, accuracy, spikes, synops)


def about(value: float, unit: int) -> str:
    """The nearest multiple of ``unit``: further digits are chance."""
    return f"{unit * round(value / unit):,}"


def told(label: str, run: Path, target: float) -> str:
    """One clause on a network at the target, or on why it is not there."""
    there = run.at(target)
    if there is None:
        return f"{label} does not come to {100 * target:.0f} % in {STEPS} updates"
    first, second = there.synops
    joules = JOULES_PER_AC * (first + second)
    return (
        f"{label} is at {100 * target:.0f} % after about {there.updates:.0f} updates, with about "
        f"{about(there.spikes, 10)} hidden spikes a recording; SynOps {first:,.0f} in "
        f"layer 1, about {about(second, 100)} in layer 2; estimate {1e6 * joules:.2g} µJ"
    )


def render_sparsity(values: dict) -> tuple[bytes, str, str]:
    """values: "method"; "percent", validation accuracy to compare at; "hidden", neurons."""
    method, target, hidden = values["method"], values["percent"] / 100, values["hidden"]
    with one_thread():
        runs = {estimators.METHODS[name].label: path(name, hidden) for name in ("bptt", method)}
    figure, (left, right) = new_figure(1, 2, width=9, height=3.4, width_ratios=(1.3, 1))
    with style():
        lines = {label: (run.accuracy, run.spikes) for label, run in runs.items()}
        energy_figures.paths(left, lines, target)
        left.set_title(f"2312-{hidden}-10 while it trains")
        left.legend(loc="upper left")
        there = {label: run.at(target).synops for label, run in runs.items()
                 if run.at(target) is not None}  # fmt: skip
        if there:
            energy_figures.by_layer(right, there)
            right.set_ylim(10, 1e6)
            right.legend(loc="upper right")
        else:
            right.set_axis_off()
        right.set_title(f"SynOps at {values['percent']} %")
    numbers = "; ".join(told(label, run, target) for label, run in reversed(runs.items())) + "."
    alt = (
        "Left: hidden spikes a recording against validation accuracy while networks train, with a "
        "line at the accuracy of the comparison. Right: synaptic operations of each layer there, "
        "on a logarithmic axis: layer 1 has far more than layer 2. "
    )
    return png(figure), numbers, alt + numbers


def spikes_at_accuracy() -> Sweep:
    """Lesson 10: method, the accuracy of the comparison, the network's width."""
    return Sweep(
        render_sparsity,
        {
            "method": choice("method", methods_menu(OPTIONS)),
            "percent": slider(ipw.IntSlider, "compare at accuracy (%)", 50, 20, 80, 5),
            "hidden": slider(ipw.IntSlider, "hidden neurons N", 64, 16, 64, 16),
        },
    )
