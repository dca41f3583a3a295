"""Lesson 10's pictures show the numbers they are given; its widget's members pay for spikes."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lab import energy_figures
from course_lab.widgets import sparsity
from course_lib.network import SpikingNetwork


@pytest.fixture
def ax():
    _, ax = plt.subplots()
    yield ax
    plt.close()


def test_bars_of_each_layer(ax):
    rows = {"a": np.array([100.0, 10.0]), "b": np.array([50.0, 20.0])}
    before = copy.deepcopy(rows)
    assert energy_figures.by_layer(ax, rows) is ax
    assert [bar.get_height() for bar in ax.patches] == [100, 10, 50, 20]
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches}) == 2
    assert len({bar.get_hatch() for bar in ax.patches}) == 2, "told apart without colour"
    assert ax.get_yscale() == "log" and all((rows[k] == before[k]).all() for k in rows)
    with pytest.raises(ValueError, match=r"rows have \[2, 3\] layers"):
        energy_figures.by_layer(ax, {"a": np.ones(2), "b": np.ones(3)})


def test_paths_to_an_accuracy(ax):
    runs = {"a": (np.array([0.1, 0.5]), np.array([40.0, 90.0])), "b": (np.ones(1), np.ones(1))}
    energy_figures.paths(ax, runs, 0.4)
    first, second, target = ax.get_lines()
    assert list(first.get_xdata()) == [10, 50] and list(first.get_ydata()) == [40, 90]
    assert list(target.get_xdata()) == [40, 40]
    assert first.get_marker() != second.get_marker()


def test_fan_out_says_who_is_called_how_often(ax):
    energy_figures.fan_out(ax, (2312, 64, 10), (1847.3, 153))
    words = [text.get_text() for text in ax.texts]
    assert words == ["1,847 active inputs\n× 64 synapses each",
                     "153 hidden spikes\n× 10 synapses each", "2,312", "64", "10"]  # fmt: skip


def test_pruned_networks_are_labelled_by_what_is_kept(ax):
    energy_figures.pruned(ax, [1000, 300], [0.8, 0.5], [1.0, 0.3])
    (line,) = ax.get_lines()
    assert list(line.get_xdata()) == [1000, 300] and list(line.get_ydata()) == [80, 50]
    assert [text.get_text() for text in ax.texts] == ["100%", "30%"]


def test_a_member_of_the_widget_pays_for_its_own_spikes():
    """At a price, its fitness lacks the price times the spikes of the network with its weights."""
    network = SpikingNetwork((6, 5, 3), readout="membrane", weight_sd=(0.9, 0.5), seed=1).double()
    frames = (torch.rand(4, 7, 6, generator=torch.Generator().manual_seed(0)) < 0.5).double()
    labels = torch.arange(7) % 3
    free, thrifty = sparsity.Thrifty(population=4, sigma=0.1), sparsity.Thrifty(4, sigma=0.1)
    thrifty.price = 0.25
    with torch.no_grad():
        paid = [e.evaluate(network, frames, labels, 3, range(2)) for e in (free, thrifty)]
        for draw in range(2):
            for index, sign in enumerate((1, -1)):
                member = copy.deepcopy(network)
                for layer, (a, b, bias) in zip(
                    member.layers, free.factors(network, 3, range(2)), strict=True
                ):
                    layer.weight += sign * 0.1 * a[draw] @ b[draw].T
                    layer.bias += sign * 0.1 * bias[draw]
                spikes = member.record(frames)[0].spikes.sum(dim=(0, 2))
                assert spikes.sum() > 0
                lost = (paid[0] - paid[1])[draw, index]
                assert torch.allclose(lost, 0.25 * spikes)
