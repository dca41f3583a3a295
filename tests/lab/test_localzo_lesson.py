"""What the widget and the figures of lesson 05 show is what the library computes."""

import json
import math
import re

import numpy as np
import pytest
import torch

from course_lab import dice, localzo_figures
from course_lab.lines import running_mean
from course_lab.picture import new_figure
from course_lab.widgets import bands, localzo
from course_lib.estimators.localzo import LocalZO
from course_lib.network import SpikingNetwork

GRID = np.linspace(0, 1, 21)
DRAWINGS = {
    "derivatives": [GRID, {"a": GRID, "b": GRID**2}, GRID**3, 5],
    "averages": [{"a": GRID, "b": GRID**2}],
    "sampled": [np.random.default_rng(0).random(50), GRID, np.ones(21)],
    "losses": [{"a": GRID, "b": GRID}, {"a": "#0072B2", "b": "#D55E00"}],
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_figures_draw_on_their_axes_and_label_them(name):
    ax = new_figure()[1]
    assert getattr(localzo_figures, name)(ax, *DRAWINGS[name]) is ax
    assert ax.get_xlabel() and ax.get_ylabel() and ax.has_data()
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.get_legend().get_lines()]
    assert len(set(looks)) == len(looks)


def test_histogram_of_draws_has_area_one():
    draws = np.random.default_rng(1).random(10_000) * 2
    ax = localzo_figures.sampled(new_figure()[1], draws, np.linspace(0, 2, 50), np.full(50, 0.5))
    values, edges, _ = ax.patches[0].get_data()
    assert np.dot(values, np.diff(edges)) == pytest.approx(1)


def test_dots_have_the_colour_of_their_curve():
    dots = ([0.2, 0.4], {"a": [0.1, 0.3], "b": [0.2, 0.5]})
    ax = localzo_figures.derivatives(new_figure()[1], GRID, {"a": GRID, "b": GRID**2}, dots=dots)
    curve_a, curve_b, dots_a, dots_b = ax.get_lines()
    assert curve_a.get_color() == dots_a.get_color() != dots_b.get_color() == curve_b.get_color()
    assert list(dots_b.get_ydata()) == [0.2, 0.5]


def test_the_mean_of_n_throws_stands_over_n():
    """2,000 places of 5,000 are drawn, the first and the last among them."""
    ax = localzo_figures.averages(new_figure()[1], {"a": np.arange(1, 5001), "b": np.ones(5000)})
    x, y = ax.get_lines()[0].get_data()
    assert (x == y).all() and x[0] == 1 and x[-1] == 5000


def test_participants_are_the_entries_that_are_not_zero():
    spikes, part = np.zeros((10, 4)), np.zeros((10, 4))
    spikes[3, 1], part[2, 0], part[9, 3] = 1, 0.7, 2.0
    axes = new_figure(1, 2)[1]
    localzo_figures.participants(axes, spikes, {"m = 1": part})
    fields = [ax.collections[0].get_array().reshape(4, 10) for ax in axes]
    assert np.argwhere(fields[0]).tolist() == [[1, 3]]
    assert np.argwhere(fields[1]).tolist() == [[0, 2], [3, 9]]


def test_the_replaced_link_is_shown_within_reach_and_beyond():
    ax = localzo_figures.replaced_link(new_figure()[1])
    words = [text.get_text().strip() for text in ax.texts]
    assert "$|z|/2δ$" in words and "$0$" in words


def test_throws_carry_their_neurons_words_and_a_still():
    shown = dice.throw()._repr_mimebundle_()
    call = r'dice\(document.getElementById\("[\w-]+"\), (\{.*\})\); \}\)'
    data = json.loads(re.search(call, shown["text/html"])[1])
    assert (len(data["distances"]), len(data["throws"])) == (dice.NEURONS, dice.THROWS)
    assert np.abs(data["distances"]).max() < dice.SIDE
    assert "data:image/png;base64," in shown["text/html"] and dice.ALT in shown["text/plain"]
    assert dice.throw().page == dice.throw().page


def test_pooling_merges_squares_and_keeps_polarity_and_time():
    frames = torch.zeros(3, 2, 2312)
    pictures = frames.view(3, 2, 2, 34, 34)
    pictures[1, 0, 1, 4, 7] = pictures[1, 0, 1, 5, 6] = pictures[2, 1, 0, 33, 33] = 1
    small = localzo.pooled(frames).view(3, 2, 2, 17, 17)
    assert small.sum() == 2
    assert small[1, 0, 1, 2, 3] == 1 and small[2, 1, 0, 16, 16] == 1


@pytest.mark.parametrize("samples", [1, 5])
def test_active_share_is_that_of_the_formula(samples):
    """P(G ≠ 0 | u) = 1 − erf(|u|/(δ√2))^m for the normal λ, averaged over the entries; within 4
    standard errors of at most 0.5/√n, n = 10 · 200 · 30. Seed 0."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(10, 200, 40, generator=generator) < 0.3).double()
    network = SpikingNetwork((40, 30, 5), readout="membrane", weight_sd=0.2).double()
    seen = []

    def spy(distance):
        seen.append(distance.detach())
        return (distance > 0).to(distance.dtype)

    network.logits(frames, spike=spy)
    short = torch.erf(torch.stack(seen).abs() / (0.5 * math.sqrt(2))) ** samples
    entries = localzo.taking_part(network, frames, LocalZO(delta=0.5, samples=samples))
    assert entries.shape == (10, 200, 30)
    share = entries.double().mean().item()
    assert abs(share - (1 - short).mean().item()) < 4 * 0.5 / math.sqrt(short.numel())


def test_the_band_is_of_five_seeds_at_every_setting():
    stored = bands.load("localzo")
    assert {row: [point["x"] for point in points] for row, points in stored.items()} == {
        row: [x for x, _ in points] for row, points in localzo.BAND.items()
    }
    assert all(len(point["accuracies"]) == 5 for points in stored.values() for point in points)


def test_the_band_is_what_the_widget_measures():
    """To five of 500 digits: in double precision rounding hardly ever flips a spike."""
    (point,) = (p for p in bands.load("localzo")["δ = 0.5"] if p["x"] == 1)
    reached = localzo.measure({"samples": 1, "delta": 0.5}, seed=3)
    assert reached == pytest.approx(point["accuracies"][3], abs=0.01)


def test_running_mean_and_threads():
    assert running_mean([4.0, 2.0, 0.0, 0.0], 2).tolist() == [4, 3, 1, 0]
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), localzo.one_thread():
        assert torch.get_num_threads() == 1
        raise RuntimeError
    assert torch.get_num_threads() == before
