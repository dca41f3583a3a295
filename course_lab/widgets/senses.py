"""Lesson 11: one small convolutional network, any of four methods, one knob of each.

Every visited setting leaves a dot over what five stored seeds reached (``bands.py``):

    python3 course.py bands senses
"""

import functools
from typing import NamedTuple

import ipywidgets as ipw
import numpy as np
import torch

from course_lab.picture import new_figure, png
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, look, methods_menu, one_thread, slider
from course_lib import estimators
from course_lib.events import coarse, load_splits
from course_lib.layers import stack
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from course_lib.run.figures import COLOURS, METHOD_COLOURS, style

LAYERS, STEPS = "p2 c8k3 10", 100
DATA = {"digits": "saccade-digits", "clothes": "fashion"}


class Knob(NamedTuple):
    """A method's option, what people call it, its values, the first of them, and what is fixed."""

    option: str
    label: str
    values: tuple[float, ...]
    start: float
    rate: float
    batch: int
    fixed: dict


KNOBS = {
    "eggroll": Knob("rank", "rank r of the noise", (1, 2, 4, 8), 1, 0.02, 32,
                    {"population": 64, "sigma": 0.04}),
    "localzo": Knob("samples", "draws m a neuron and step", (1, 2, 5, 10), 1, 0.01, 64, {}),
    "opzo": Knob("alpha", "scale α of the noise on spikes", (0.05, 0.2, 1, 4), 0.2, 0.01, 64, {}),
    "bptt": Knob("slope", "slope k of the surrogate", (1, 2.5, 10, 25), 2.5, 0.01, 64, {}),
}  # fmt: skip
BAND = {
    f"{data}, {method}": [(x, {"data": data, "method": method, "value": x}) for x in knob.values]
    for data in DATA
    for method, knob in KNOBS.items()
}


def small(frames: torch.Tensor) -> torch.Tensor:
    """(5, B, 578) of frames (10, B, 2312): coarser pixels, and two time bins in one."""
    return coarse(frames).view(5, 2, -1, 578).amax(1)


@functools.cache
def recordings(data: str) -> tuple[torch.Tensor, ...]:
    """Frames (5, B, 578) and labels of the training set, then of the test set. Never changed."""
    splits = load_splits(DATA[data], progress=False)
    parts = (splits.train, splits.test)
    return tuple(x for part in parts for x in (small(part.frames()), part.labels))


@functools.lru_cache(maxsize=256)
def reached(data: str, method: str, value: float, seed: int) -> float:
    """Test accuracy in [0, 1] after STEPS updates.

    seed: of the first weights, the batches and, where a method draws some, of its noise.
    """
    knob, kind = KNOBS[method], estimators.METHODS[method]
    seeded = {"seed": seed} if hasattr(kind, "seed") else {}
    estimator = kind(**{knob.option: value}, **knob.fixed, **seeded)
    network = SpikingNetwork(
        layers=stack(LAYERS, (2, 17, 17)), neuron=LIFParameters(beta=0.9), readout="membrane",
        logit_scale=2.0, seed=seed,
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=knob.rate)
    inputs, targets, unseen, labels = recordings(data)
    with one_thread():
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = knob.rate * (1 - step / STEPS)
            generator = np.random.default_rng((seed, step))
            rows = generator.choice(len(targets), knob.batch, replace=False)
            estimator.fill_grads(network, inputs[:, rows], targets[rows], step)
            optimizer.step()
        with torch.no_grad():
            right = network(unseen).argmax(dim=1) == labels
    return right.double().mean().item()


def value_of(values: dict) -> float:
    """The knob's value; its start where the value is another method's."""
    knob = KNOBS[values["method"]]
    return values["value"] if values["value"] in knob.values else knob.start


def measure(values: dict, seed: int) -> float:
    """One run of the band. values: "data", "method", "value" of its knob."""
    return reached(values["data"], values["method"], value_of(values), seed)


def dot(values: dict) -> tuple[str, float, float]:
    """The row of the band, the knob's value and the accuracy of one run."""
    row = f"{values['data']}, {values['method']}"
    return row, value_of(values), measure(values, values["seed"])


def render_senses(values: dict, visited=()) -> tuple[bytes, str, str]:
    """Accuracy against the method's knob. values: "data", "method", "value", "seed"."""
    visited = list(visited) or [dot(values)]
    row, value, accuracy = visited[-1]
    knob, method = KNOBS[values["method"]], estimators.METHODS[values["method"]]
    stored = bands.load("senses")[row]
    figure, ax = new_figure(width=7.2, height=3.4)
    with style():
        bands.draw(ax, {row: stored}, row, [dot for dot in visited if dot[0] == row])
        for drawn in (*ax.collections, ax.get_lines()[0]):  # the band and its mean
            drawn.set_color(METHOD_COLOURS[method.name])
        newest = COLOURS["black" if method.name == "eggroll" else "vermilion"]
        ax.get_lines()[-1].set(color=newest, markeredgewidth=0)
        ax.axhline(10, linestyle=":", linewidth=1, color=COLOURS["black"])
        ax.text(0.01, 11.5, "guessing", color=COLOURS["black"], fontsize=9,
                transform=ax.get_yaxis_transform())  # fmt: skip
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
        ax.set_xscale("log")
        ax.set_xticks(knob.values, [f"{x:g}" for x in knob.values])
        ax.minorticks_off()
        ax.set(xlabel=knob.label, ylim=(0, 100))
        ax.set_title(f"{method.label} on {values['data']}, {STEPS} updates", fontsize=11)
    ends = next(point["accuracies"] for point in stored if point["x"] == value)
    numbers = (
        f"{method.label}, {knob.label} = {value:g}, seed {values['seed']}: test accuracy ≈ "
        f"{100 * accuracy:.1f} %; five stored seeds from ≈ {100 * min(ends):.1f} % to ≈ "
        f"{100 * max(ends):.1f} %"
    )
    alt = (
        f"Test accuracy on {values['data']} against {knob.label}: a band from the lowest to the "
        "highest of five stored seeds with their mean, and a dot for every run so far. "
    )
    return png(figure), numbers, alt + numbers


class AnySense(Sweep):
    """A Sweep whose slider is the knob of the chosen method."""

    _fitting = False

    def _update(self, change=None) -> None:
        if self._fitting:
            return
        if change is not None and change["owner"] is self.controls["method"]:
            self._fitting = True
            knob, value = KNOBS[change["new"]], self.controls["value"]
            value.options = [(f"{x:g}", x) for x in knob.values]
            value.description, value.value = knob.label, knob.start
            self._fitting = False
        super()._update(change)


def any_sense() -> Sweep:
    """Lesson 11: data, method, its knob and the seed; every run leaves a dot."""
    first = KNOBS["eggroll"]
    return AnySense(
        render_senses,
        {
            "data": choice("recordings", [(name, name) for name in DATA]),
            "method": choice("method", methods_menu(KNOBS)),
            "value": ipw.SelectionSlider(
                options=[(f"{x:g}", x) for x in first.values], value=first.start,
                continuous_update=False, **look(first.label),
            ),
            "seed": slider(ipw.IntSlider, "seed of your run", 5, 5, 14, 1),
        },
        measure=dot,
        seconds=2,
    )  # fmt: skip
