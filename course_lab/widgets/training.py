"""Lesson 09: one network, any method, one of the method's own knobs; trained on the spot.

Every visited setting leaves a dot over what five stored seeds reached (``bands.py``):

    python3 course.py bands training
"""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import ipywidgets as ipw
import torch

from course_lab.picture import new_figure, png
from course_lab.race import source
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, look, methods_menu, one_thread
from course_lib import estimators
from course_lib.events import load_splits
from course_lib.run.figures import COLOURS, METHOD_COLOURS, style
from course_lib.run.runs import RunConfig
from course_lib.schedule import DECAYS, draw_batch

STEPS, BATCH = 40, 64
SIMULATED, REAL = "saccade-digits", "nmnist"
OWN_SEED = 5  # none of the band's


class Knob(NamedTuple):
    """An option of a method: what people call it, its values, and value -> options."""

    label: str
    values: tuple[float, ...]
    start: float
    options: Callable[[float], dict]
    log: bool = True


def option(name: str, label: str, values, start, kind=float, log=True) -> Knob:
    """The option ``name``, as it is."""
    return Knob(label, values, start, lambda value: {name: kind(value)}, log)


def scaled(first: float, last: float, values) -> Knob:
    """σ of both layers, as a multiple of what suits the method."""
    return Knob("σ, times its default", values, 1,
                lambda value: {"sigma": (first * value, last * value)})  # fmt: skip


def members(values, start) -> Knob:
    """The size of the population."""
    return option("population", "members N", values, start, int)


SLOPE = option("slope", "slope k of the surrogate", (2.5, 10, 25), 10)
#: the menu of methods, and each method's knobs
KNOBS = {
    "eggroll": {
        "sigma": scaled(0.014, 0.03, (1 / 1024, 1 / 64, 1 / 8, 1, 4, 16)),
        "rank": option("rank", "rank r", (1, 2, 4, 8), 1, int),
        "population": members((16, 64, 128, 256), 128),
    },
    "projected": {
        "sigma": scaled(0.014, 0.005, (1 / 64, 1 / 8, 1, 8)),
        "population": members((16, 64, 256), 64),
        "ridge": option("ridge", "ridge", (0.01, 1, 100), 1),
    },
    "smooth": {"width": option("width", "smoothing, in pixels", (0.7, 1.4, 4), 1.4)},
    "es": {"sigma": scaled(0.014, 0.03, (1 / 8, 1, 4))},
    "bptt": {"slope": option("slope", "slope k of the surrogate", (1, 2.5, 10, 25), 10)},
    "localzo": {
        "samples": option("samples", "draws m", (1, 5, 20), 5, int),
        "delta": option("delta", "reach δ", (0.05, 0.2, 0.5, 2), 0.5),
    },
    "opzo": {
        "alpha": option("alpha", "noise α on spikes", (0.05, 0.2, 1, 4), 0.2),
        "momentum": option("momentum", "momentum λ", (0, 0.9, 0.99), 0.99, log=False),
    },
    "ottt": {"slope": SLOPE},
    "dfa": {"slope": SLOPE},
    "zo": {"alpha": option("alpha", "noise α on spikes", (0.05, 0.2, 1), 0.2)},
}
#: so few members and updates that no setting takes more than about two seconds
FIXED = {
    "eggroll": {"population": 128}, "smooth": {"population": 128}, "projected": {"population": 64},
    "es": {"population": 32}, "opzo": {"momentum": 0.99, "mirrored": True},
}  # fmt: skip


@functools.cache
def recordings(data: str):
    """Training recordings, and frames and labels of the test set; never changed."""
    splits = load_splits(data, progress=False)
    return splits.train, splits.test.frames(), splits.test.labels


def chosen(values: dict) -> tuple[Knob, float, str]:
    """The knob, its value, and the name of its row; a knob of another method means the first."""
    knobs = KNOBS[values["method"]]
    name = values["knob"] if values["knob"] in knobs else next(iter(knobs))
    knob = knobs[name]
    value = values["value"] if values["value"] in knob.values else knob.start
    return knob, value, f"{values['method']}, {name}"


@functools.lru_cache(maxsize=256)
def train(method: str, row: str, value: float, data: str, seed: int) -> tuple[float, int]:
    """Test accuracy in [0, 1] of 64 hidden neurons after STEPS updates, and the forward passes."""
    knob = KNOBS[method][row.split(", ")[1]]
    options = FIXED.get(method, {}) | knob.options(value)
    config = RunConfig(
        method=method, data=data, hidden=(64,), readout="membrane", options=options, seed=seed
    )
    network, estimator = config.network(), config.estimator()
    optimizer = config.optimizer(network)
    rates = [group["lr"] for group in optimizer.param_groups]
    inputs, frames, labels = recordings(data)
    with one_thread():
        for step in range(STEPS):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * DECAYS["cosine"](step / STEPS)
            batch, targets = draw_batch(inputs, step, BATCH, seed, packed=estimator.reads_events)
            estimator.fill_grads(network, batch, targets, step)
            optimizer.step()
        with torch.no_grad():
            right = network.logits(frames).argmax(dim=1) == labels
    return right.float().mean().item(), STEPS * estimator.forward_passes


def measure(values: dict, seed: int = OWN_SEED) -> float:
    """The test accuracy that one run reaches."""
    _, value, row = chosen(values)
    return train(values["method"], row, value, values["data"], seed)[0]


def dot(values: dict) -> tuple[str, float, float]:
    """What a visited setting leaves in the picture."""
    _, value, row = chosen(values)
    return f"{values['data']}: {row}", value, measure(values)


BAND = {
    f"{method}, {name}": [
        (x, {"method": method, "knob": name, "value": x, "data": SIMULATED}) for x in knob.values
    ]
    for method, knobs in KNOBS.items()
    for name, knob in knobs.items()
}


def render_method(values: dict, visited=None) -> tuple[bytes, str, str]:
    """Dots of this method and knob, over the stored band if the recordings are simulated."""
    visited = [dot(values)] if visited is None else visited
    knob, value, row = chosen(values)
    here = [place for place in visited if place[0] == f"{values['data']}: {row}"]
    stored = bands.load("training").get(row, []) if values["data"] == SIMULATED else []
    figure, ax = new_figure(width=8, height=3.2)
    method = estimators.METHODS[values["method"]]
    with style():
        bands.draw(ax, {row: stored}, row, [(row, x, y) for _, x, y in here])
        for drawn in (*ax.collections, ax.get_lines()[0]):  # the band and its mean
            drawn.set_color(METHOD_COLOURS[method.name])
        if here:  # the newest dot stands out of any band
            ink = COLOURS["vermilion" if method.name == "bptt" else "black"]
            ax.get_lines()[-1].set(color=ink, markeredgewidth=0)
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))  # in these colours
        guessing = 100 / len(recordings(values["data"])[0].classes)
        ax.axhline(guessing, linestyle=":", linewidth=1, color=COLOURS["black"])
        if knob.log:
            ax.set_xscale("log", base=2)
        ax.set_xticks(knob.values, [shown(x) for x in knob.values])
        ax.minorticks_off()
        ax.set(xlabel=knob.label, ylim=(0, 100))
        ax.set_title(f"{method.label}, {STEPS} updates", fontsize=11)
    accuracy = 100 * here[-1][2]
    passes = train(method.name, row, value, values["data"], OWN_SEED)[1]
    numbers = (
        f"{method.label}, {knob.label} = {shown(value)}: test accuracy ≈ {accuracy:.1f} % after "
        f"{STEPS} updates, {passes:,} forward passes, {method.backward}"
    )
    means = [sum(point["accuracies"]) / len(point["accuracies"]) for point in stored]
    band = "".join(
        f" {shown(point['x'])}: {100 * mean:.0f} percent;"
        for point, mean in zip(stored, means, strict=True)
    )
    alt = f"Test accuracy against {knob.label}. {numbers}. " + (
        f"Means of five stored seeds:{band[:-1]}." if band else "No stored seeds for these data."
    )
    return png(figure), numbers, alt


def shown(value: float) -> str:
    """ "1/64" for a power of two below a quarter; "0.05", "128"."""
    return f"1/{round(1 / value)}" if value in (1 / 8, 1 / 64, 1 / 1024) else f"{value:g}"


class AnyMethod(Sweep):
    """A Sweep whose knobs are those of the chosen method, and no others."""

    _fitting = False

    def _update(self, change=None) -> None:
        if self._fitting:
            return
        if change is not None and change["owner"] is not self.controls["value"]:
            self._fitting = True
            try:
                self._fit(change["owner"])
            finally:
                self._fitting = False
        super()._update(change)

    def _fit(self, owner) -> None:
        """Give the menus and the slider what the method has."""
        method, knob, value = (self.controls[name] for name in ("method", "knob", "value"))
        if owner is method:
            knob.options = [(k.label, name) for name, k in KNOBS[method.value].items()]
            knob.value = knob.options[0][1]
        if owner is method or owner is knob:
            found = KNOBS[method.value][knob.value]
            value.options = [(shown(x), x) for x in found.values]
            value.description, value.value = found.label, found.start


def any_method(data: str | None = None) -> Sweep:
    """Lesson 09: any method and its knobs; the recordings too, where real ones are present.

    data: "saccade-digits" or "nmnist", to begin with; real recordings if there are any.
    """
    begin = data or source()
    first = KNOBS["eggroll"]["sigma"]
    menu = [("saccade digits (simulated)", SIMULATED)]
    if os.environ.get("NMNIST_DIR") or begin == REAL:
        menu.append(("N-MNIST (real)", REAL))
    return AnyMethod(
        render_method,
        {
            "data": choice("recordings", menu, begin),
            "method": choice("method", methods_menu(KNOBS)),
            "knob": choice("knob", [(k.label, name) for name, k in KNOBS["eggroll"].items()]),
            "value": ipw.SelectionSlider(
                options=[(shown(x), x) for x in first.values],
                value=first.start,
                continuous_update=False,
                **look(first.label),
            ),
        },
        measure=dot,
        seconds=1,
    )
