"""Pictures that compare methods show what they were given, and leave it alone."""

import numpy as np
import pytest

from course_lab import comparison_figures
from course_lab.picture import new_figure
from course_lab.widgets import training


@pytest.fixture
def ax():
    return new_figure()[1]


def test_curves_keep_a_method_s_look(ax):
    runs = {"B": (np.array([1, 2, 3]), np.array([0.1, 0.5, 0.9]))}
    comparison_figures.curves(ax, runs, names=["A", "B"], log=True)
    line = ax.get_lines()[0]
    assert line.get_label() == "B" and line.get_marker() == "s"
    assert np.allclose(line.get_ydata(), [10, 50, 90])
    assert ax.get_xscale() == "log"


def test_spread_shows_every_seed_and_the_mean(ax):
    rows = {"A": np.array([0.8, 0.9]), "B": np.array([0.5, 0.6])}
    comparison_figures.spread(ax, rows, marked="B")
    dots, mean = ax.get_lines()[:2]
    assert np.allclose(dots.get_xdata(), [80, 90]) and np.allclose(mean.get_xdata(), 85)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["A", "B"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row on top


def test_against_shows_means_and_runs(ax):
    values = np.array([[0.5, 0.7], [0.6, 0.6]])
    comparison_figures.against(ax, [1, 4], {"x": values}, "rank r")
    assert np.allclose(ax.get_lines()[0].get_ydata(), 60)
    assert len(ax.get_lines()) == 3
    assert ax.get_xlabel() == "rank r"


def test_the_widget_s_knobs_reach_their_method_only():
    values = {"method": "eggroll", "rank": 4, "log_scale": 1.0, "samples": 7}
    options = training.options_of(values)
    assert options["rank"] == 4 and options["sigma"] == pytest.approx((0.028, 0.06))
    assert training.options_of({**values, "method": "localzo"}) == {"delta": 0.5, "samples": 7}
    assert training.options_of({**values, "method": "dfa"}) == {}


def test_the_widget_trains_the_same_run_again():
    first, again = (training.train("eggroll", steps=6, population=16)[1] for _ in range(2))
    assert first == again


def test_front_joins_the_best_by_steps(ax):
    costs, accuracy = np.array([4.0, 1.0, 2.0]), np.array([0.9, 0.5, 0.4])
    comparison_figures.front(ax, costs, accuracy, [True, True, False], "ABC", "cost")
    others, best = ax.get_lines()
    assert np.allclose(others.get_xydata(), [(2, 40)])
    assert np.allclose(best.get_xydata(), [(1, 50), (4, 90)])
    assert best.get_drawstyle() == "steps-post"
    assert [text.get_text() for text in ax.texts] == ["A", "B", "C"]
