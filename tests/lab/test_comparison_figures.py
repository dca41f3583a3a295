"""Pictures that compare methods show what they were given, and leave it alone."""

import numpy as np
import pytest

from course_lab import comparison_figures, race
from course_lab.picture import new_figure
from course_lab.widgets import training
from course_lib.run.figures import METHOD_COLOURS


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


def test_the_widget_s_knobs_reach_their_method_and_others_are_ignored():
    values = {"method": "eggroll", "knob": "rank", "value": 4, "data": "saccade-digits"}
    knob, value, row = training.chosen(values)
    assert row == "eggroll, rank" and knob.options(value) == {"rank": 4}
    knob, value, row = training.chosen({**values, "method": "dfa"})
    assert row == "dfa, slope" and knob.options(value) == {"slope": 10}
    knob, value, _ = training.chosen({**values, "knob": "sigma"})
    assert knob.options(value)["sigma"] == pytest.approx((4 * 0.014, 4 * 0.03))


def test_the_widget_trains_the_same_run_again(monkeypatch):
    monkeypatch.setattr(training, "STEPS", 4)
    setting = ("eggroll", "eggroll, population", 16, "saccade-digits", 0)
    first, again = (training.train.__wrapped__(*setting) for _ in range(2))
    assert first == again and first[1] == 64


def test_race_gives_methods_their_colours(ax):
    runs = {"bptt": ([1, 2], [0.2, 0.9]), "es": ([1, 4], [0.1, 0.2])}
    comparison_figures.race(ax, runs, {"bptt": "BPTT", "es": "full-rank ES"}, "cost")
    first, second = ax.get_lines()[:2]
    assert first.get_color() == METHOD_COLOURS["bptt"] and second.get_label() == "full-rank ES"
    assert np.allclose(first.get_ydata(), [20, 90]) and ax.get_xscale() == "log"


def test_confusion_shows_every_count_but_zeros(ax):
    comparison_figures.confusion(ax, np.array([[3, 0], [1, 2]]), "#E69F00")
    assert [text.get_text() for text in ax.texts] == ["3", "1", "2"]
    assert np.allclose(ax.images[0].get_array()[..., 3], [[1, 0], [0.4, 0.8]])


def test_long_runs_have_the_best_forms_without_gradients():
    rows = {row["name"]: row for row in race.long_runs()}
    best = rows["projected EGGROLL, 3,000 steps"]
    stored, _ = race.find("headline", "some minutes", "projected factors")
    assert best["simulated"] == race.accuracy(stored) and best["passes"] == 771_000
    real, _ = race.find("real-headline", "about a minute", "projected factors")
    assert rows["projected EGGROLL, 1,000 steps"]["real"] == race.accuracy(real)
    assert rows["full-rank ES"]["real"] and not best["real"]
    means = [row["mean"] for row in rows.values()]
    assert means == sorted(means, reverse=True)
    assert race.as_table(list(rows.values())).count("\n") == len(rows) + 1


@pytest.mark.parametrize(
    ("reached", "words"),
    [(0.99, "place 1 of 14; nothing is ahead"),
     (0.1, "place 14 of 14; just ahead of it single-point ZO, and nothing behind")],
)  # fmt: skip
def test_a_run_gets_its_place(reached, words):
    assert words in race.place(reached, "saccade-digits")


def test_a_run_between_two_others_is_told_both():
    ahead, behind = race.long_runs()[5:7]
    told = race.place((ahead["mean"] + behind["mean"]) / 2, "saccade-digits")
    assert f"place 7 of 14; just ahead of it {ahead['name']}, just behind it" in told
    assert told.endswith(behind["name"])


def test_the_switch_follows_the_recordings_that_are_there(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.delenv("NMNIST_DIR", raising=False)
    assert race.source() == "saccade-digits"
    (tmp_path / "NMNIST/Train").mkdir(parents=True)
    assert race.source() == "saccade-digits", "a download that broke off"
    (tmp_path / "NMNIST/Test").mkdir()
    assert race.source() == "nmnist"
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("NMNIST_DIR", str(tmp_path))
    assert race.source() == "nmnist"


def test_front_joins_the_best_by_steps(ax):
    costs, accuracy = np.array([4.0, 1.0, 2.0]), np.array([0.9, 0.5, 0.4])
    comparison_figures.front(ax, costs, accuracy, [True, True, False], "ABC", "cost")
    others, best = ax.get_lines()
    assert np.allclose(others.get_xydata(), [(2, 40)])
    assert np.allclose(best.get_xydata(), [(1, 50), (4, 90)])
    assert best.get_drawstyle() == "steps-post"
    assert [text.get_text() for text in ax.texts] == ["A", "B", "C"]
