"""Widgets answer at every extreme of their controls, in place, and only when they must."""

import importlib
import inspect
import itertools
import math
import pkgutil
from functools import cache

import ipywidgets as ipw
import numpy as np
import pytest
import torch

from course_lab import widgets
from course_lab.widgets import bands, events, neurons, sweep, training
from course_lab.widgets.sweep import Sweep
from course_lib.events import pack
from course_lib.lif import LIFParameters, lif_run

MODULES = [importlib.import_module(f"{widgets.__name__}.{name}")
           for _, name, _ in pkgutil.iter_modules(widgets.__path__)]  # fmt: skip
#: every widget of a lesson: what a module of the folder defines to make a Sweep
WIDGETS = {
    name: make
    for module in MODULES
    for name, make in vars(module).items()
    if inspect.isfunction(make) and make.__annotations__.get("return") is Sweep
}


def extremes(control) -> tuple:
    """Minimum, default and maximum of a slider; every choice of another control."""
    if isinstance(control, ipw.Checkbox):
        return False, control.value, True
    if isinstance(control, ipw.Dropdown | ipw.SelectionSlider):
        choices = [value for _, value in control.options]
        return choices[0], control.value, choices[-1]
    if isinstance(control, ipw.FloatLogSlider):
        return control.base**control.min, control.value, control.base**control.max
    return control.min, control.value, control.max


@cache
def made(name: str) -> Sweep:
    """The widget as it is first shown; to draw that takes some of them seconds."""
    return WIDGETS[name]()


def settings(sweep: Sweep) -> list[dict]:
    """The defaults, each control at its extremes, and two corners."""
    default = sweep.values()
    found = [default]
    for name, control in sweep.controls.items():
        found += [{**default, name: value} for value in extremes(control)]
    for end in (0, 2):
        found.append({name: extremes(c)[end] for name, c in sweep.controls.items()})
    return [dict(items) for items in dict.fromkeys(tuple(s.items()) for s in found)]


@pytest.mark.slow  # all together
@pytest.mark.parametrize("name", WIDGETS)
def test_render_at_extremes_and_corners(name):
    sweep = made(name)
    for values in settings(sweep):
        before = dict(values)
        drawn = png, numbers, words = sweep.render(values)
        assert values == before
        assert png.startswith(b"\x89PNG") and len(png) > 2000, values
        assert numbers and words and "nan" not in numbers, values
    assert sweep.render(values) == drawn, f"the second time {values} gives another answer"


LIVE = {"event_bins"}  # cheap enough to follow the slider while it is dragged


@pytest.mark.parametrize("name", WIDGETS)
def test_controls_are_labelled_and_wait_for_release_if_they_take_long(name):
    for control in made(name).controls.values():
        assert control.description
        if isinstance(control, ipw.IntSlider | ipw.FloatSlider):
            assert control.continuous_update is (name in LIVE)
            assert control.min <= control.value <= control.max


def test_same_widgets_new_values():
    sweep = neurons.lif_neuron()
    picture, numbers, words = sweep.picture, sweep.numbers, sweep.words
    first = picture.value, numbers.value, words.value
    sweep.controls["current"].value = 1.2
    assert sweep.picture is picture and sweep.numbers is numbers
    assert all(
        a != b for a, b in zip(first, (picture.value, numbers.value, words.value), strict=True)
    )
    sweep.controls["current"].value = 0.15
    assert (picture.value, numbers.value, words.value) == first


def test_every_setting_is_rendered_once_and_the_memory_is_bounded(monkeypatch):
    calls = []

    def render(values):
        calls.append(values["k"])
        return b"png", f"k = {values['k']}", "words"

    monkeypatch.setattr(sweep, "KEPT", 3)
    made = Sweep(render, {"k": ipw.IntSlider(value=0, min=0, max=9)})
    for k in (1, 0, 1, 2, 1):
        made.controls["k"].value = k
    assert calls == [0, 1, 2]
    for k in (3, 4, 0):
        made.controls["k"].value = k
    assert calls == [0, 1, 2, 3, 4, 0]
    assert len(made._kept) <= 3


def test_errors_are_let_through():
    def render(values):
        if values["k"]:
            raise RuntimeError("cannot draw")
        return b"png", "fine", "words"

    made = Sweep(render, {"k": ipw.IntSlider(value=0, min=0, max=9)})
    with pytest.raises(RuntimeError, match="cannot draw"):
        made.controls["k"].value = 1


@pytest.mark.parametrize("name", WIDGETS)
def test_stored_output_has_picture_words_and_numbers(name):
    bundle, metadata = made(name)._repr_mimebundle_()
    assert made(name)._ipython_display_ is None, "ipywidgets 7 would show itself by it"
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "children" not in bundle["text/plain"]


def test_a_notebook_stores_the_plain_text_where_one_is_given():
    def render(values):
        return b"png", f"loss {values['k'] / 3}", "words"

    def bounds(values):
        return f"loss below {values['k'] + 1}: True"

    made = Sweep(render, {"k": ipw.IntSlider(value=1, min=0, max=9)}, plain=bounds)
    assert made._repr_mimebundle_()[0]["text/plain"] == "loss below 2: True"
    assert "0.333" in made.numbers.value  # a student sees the numbers all the same
    made.controls["k"].value = 4
    assert made._repr_mimebundle_()[0]["text/plain"] == "loss below 5: True"
    made.plain = None
    assert made._repr_mimebundle_()[0]["text/plain"] == "loss 1.3333333333333333"


def test_any_method_has_the_knobs_of_the_method_and_no_others(monkeypatch):
    monkeypatch.setattr(training, "train", lambda *setting: (0.5, 40))
    made = training.any_method(training.SIMULATED)
    for method, knobs in training.KNOBS.items():
        made.controls["method"].value = method
        assert [name for _, name in made.controls["knob"].options] == list(knobs)
        for name, knob in knobs.items():
            made.controls["knob"].value = name
            slider = made.controls["value"]
            assert slider.description == knob.label and slider.value == knob.start
            assert [value for _, value in slider.options] == list(knob.values)
    assert all(row.startswith("saccade-digits: ") for row, _, _ in made.visited)
    assert {row.split(": ")[1] for row, _, _ in made.visited} == set(training.BAND)


def test_any_method_leaves_a_dot_for_every_setting(monkeypatch):
    monkeypatch.setattr(training, "train", lambda *setting: (0.5, 40))
    made = training.any_method(training.SIMULATED)
    for value in (1 / 64, 4, 1):
        made.controls["value"].value = value
    assert [x for _, x, _ in made.visited] == [1 / 64, 4, 1]
    assert "σ, times its default = 1:" in made.numbers.value


def test_bands_are_stored_for_every_knob():
    stored = bands.load("training")
    assert stored.keys() == training.BAND.keys()
    for row, points in training.BAND.items():
        assert [point["x"] for point in stored[row]] == [x for x, _ in points]
        assert all(len(point["accuracies"]) == 5 for point in stored[row])


@pytest.mark.parametrize("bins", [1, 10, 50])
def test_numbers_are_those_of_the_frames(bins):
    recorded = events.recording(3)
    bits = np.unpackbits(pack(recorded, bins))
    numbers = events.render_events({"digit": 3, "bins": bins, "clamp": True})[1]
    assert f"{100 * bits.sum() / len(recorded):.0f} % of {len(recorded):,} events" in numbers
    assert f"average {bits.sum() / bins:.0f} of 2,312 inputs" in numbers


@pytest.mark.parametrize("digit", range(10))
def test_recordings_are_read_only(digit):
    with pytest.raises(ValueError, match="read-only"):
        events.recording(digit)["t"][0] = 1


def test_first_spike_equals_simulation():
    currents = (0.013, 0.117, 0.61, 1.9)
    drive = torch.tensor(currents, dtype=torch.float64).expand(2000, -1)
    for beta, threshold in itertools.product((0.0, 0.5, 0.9, 0.97, 1.0), (0.35, 1.0, 1.7)):
        spikes = lif_run(drive, LIFParameters(beta, threshold))[0]
        for current, fired in zip(currents, spikes.bool().T, strict=True):
            expected = int(fired.nonzero()[0]) + 1 if fired.any() else math.inf
            assert neurons.first_spike(beta, threshold, current) == expected, (beta, threshold)


def test_regimes_have_their_names():
    assert [neurons.regime(rate) for rate in (0, 0.2, 1)] == [
        "silence",
        "regular firing",
        "saturation",
    ]
