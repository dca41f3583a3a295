"""Lesson 10's pictures show the numbers they are given; its widget counts as the library does."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lab import energy_figures
from course_lab.widgets import sparsity
from course_lib.energy import count_operations
from course_lib.estimators import SurrogateBPTT


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


def test_dots_of_every_recording(ax):
    counts = np.array([[300.0, 3.0], [100.0, 1.0], [200.0, 2.0]])
    energy_figures.recordings(ax, counts)
    assert [list(line.get_ydata()) for line in ax.get_lines()] == [[100, 200, 300], [1, 2, 3]]
    assert counts[0, 0] == 300, "sorting left the input alone"


def test_paths_to_an_accuracy(ax):
    runs = {"a": (np.array([0.1, 0.5]), np.array([40.0, 90.0])), "b": (np.ones(1), np.ones(1))}
    energy_figures.paths(ax, runs, 0.4)
    first, second, target = ax.get_lines()
    assert list(first.get_xdata()) == [10, 50] and list(first.get_ydata()) == [40, 90]
    assert list(target.get_xdata()) == [40, 40]
    assert first.get_marker() != second.get_marker()


def test_ratios_with_intervals(ax):
    energy_figures.ratios(ax, {"a": (1.5, 1.2, 1.9), "b": (0.4, 0.1, 3.0)}, "x")
    _, interval, mean, *_ = ax.get_lines()
    assert list(interval.get_xdata()) == [1.2, 1.9] and list(mean.get_xdata()) == [1.5]
    low, high = ax.get_xlim()
    assert low < 0.1 and high > 3 and ax.get_xscale() == "log"


def test_the_widget_counts_as_the_library_does(monkeypatch):
    """Its last place is that of a network trained in the same way, counted by ``energy``."""
    kept, plain = [], SurrogateBPTT.fill_grads
    monkeypatch.setattr(
        SurrogateBPTT, "fill_grads", lambda self, network, *batch: kept.append(network)
        or plain(self, network, *batch),
    )  # fmt: skip
    sparsity.path.cache_clear()
    run = sparsity.path("bptt", 16)
    sparsity.path.cache_clear()
    counts = count_operations(kept[-1], sparsity.recordings()[1])
    assert run.synops[-1] == pytest.approx(counts.synops.mean(dim=0).tolist())
    assert run.spikes[-1] == pytest.approx(counts.spikes[:, 0].mean().item())
    assert list(run.updates) == list(range(0, 61, 3))
    assert run.at(1.01) is None


def test_networks_are_compared_on_the_line_between_two_looks():
    two = np.array([[600.0, 400.0], [600.0, 800.0], [600.0, 900.0], [600.0, 1000.0]])
    run = sparsity.Path(
        np.arange(0, 12, 3), np.array([0.1, 0.5, 0.4, 0.7]), two[:, 1] / 10, two
    )  # fmt: skip
    there = run.at(0.3)
    assert (there.updates, there.spikes) == pytest.approx((1.5, 60.0))
    assert list(there.synops) == pytest.approx([600.0, 600.0])
    assert run.at(0.6).updates == pytest.approx(6 + 3 * 2 / 3)
    assert run.at(0.05).updates == 0  # there from the start


def test_an_accuracy_that_is_not_reached_is_told():
    numbers = sparsity.render_sparsity({"method": "eggroll", "percent": 80, "hidden": 16})[1]
    assert "EGGROLL does not come to 80 % in 60 updates" in numbers
