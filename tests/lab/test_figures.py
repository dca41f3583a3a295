"""Figures draw what they are given, on the axes they are given, and change nothing."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from course_lab import (
    event_figures,
    feedback_figures,
    gradient_figures,
    neuron_figures,
    zeroth_order_figures,
)
from course_lab.picture import Caption, Picture, new_figure, png, show
from course_lib.events import load_digits, simulate
from course_lib.history import History
from course_lib.run import figures

RANDOM = np.random.default_rng(0)
SPIKES = (RANDOM.random((20, 30)) < 0.2).astype(float)
EVENTS = simulate(load_digits().images[1503], seed=0)
FRAMES = (RANDOM.random((4, 2, 34, 34)) < 0.1).astype(float)
HISTORY = [
    {
        "step": k,
        "seconds": k / 10,
        "loss": 2 / k,
        **({"validation_accuracy": 0.5} if k % 4 == 0 else {}),
    }
    for k in range(1, 60)
]
DRAWINGS = {
    "raster": (figures.raster, [SPIKES]),
    "learning_curve": (figures.learning_curve, [History(HISTORY)]),
    "confusion": (figures.confusion, [RANDOM.integers(0, 50, (10, 10))]),
    "decay": (neuron_figures.decay, [{"a": SPIKES[:, 0], "b": SPIKES[:, 1]}]),
    "voltage": (neuron_figures.voltage, [SPIKES[:, 0] - 0.2, SPIKES[:, 0], 1.0]),
    "fi_curve": (neuron_figures.fi_curve, [SPIKES[:, 0], SPIKES[:, 1], SPIKES[:, 2]]),
    "cloud": (zeroth_order_figures.cloud, [RANDOM.random((30, 2)), np.ones(2), 3.0]),
    "measured": (
        zeroth_order_figures.measured,
        [
            np.arange(1, 9),
            {"a": (1 + RANDOM.random(8), RANDOM.random(8) / 9)},
            {"b": 1 + RANDOM.random(8)},
        ],
    ),
    "price": (zeroth_order_figures.price, [np.arange(1, 21), 1 + RANDOM.random(20)]),
    "window": (zeroth_order_figures.window, [np.arange(1, 21), *SPIKES[:, :3].T]),
    "secant": (zeroth_order_figures.secant, [np.arange(20) - 10, RANDOM.random(20), 4.0]),
    "staircase": (gradient_figures.staircase, [np.arange(20), SPIKES[:, 0]]),
    "curves": (gradient_figures.curves, [np.arange(20), {"a": SPIKES[:, 0], "b": SPIKES[:, 1]}]),
    "surrogate": (gradient_figures.surrogate, [np.arange(20) - 10, SPIKES[:, 0], SPIKES[:, 1] - 1]),
    "credit": (gradient_figures.credit, [SPIKES[:, 1] / 3, SPIKES[:, 0]]),
    "losses": (gradient_figures.losses, [{"a": RANDOM.random(30), "b": RANDOM.random(30)}]),
    "memory": (
        feedback_figures.memory,
        [np.arange(1, 21), {"bptt": RANDOM.random(20) * 1e6, "ottt": np.full(20, 5e5)}],
    ),
    "losses of methods": (
        feedback_figures.losses,
        [{"opzo": RANDOM.random(30), "dfa": RANDOM.random(30)}],
    ),
    "bill": (feedback_figures.bill, [{"bptt": 90.0, "opzo": 89.0}, {"bptt": 8.0, "opzo": 2.0}]),
    "cosines": (feedback_figures.cosines, [np.arange(20), {"a": SPIKES[:, 0], "b": SPIKES[:, 1]}]),
    "accuracies": (feedback_figures.accuracies, [np.arange(20), {"a": SPIKES[:, 0]}]),
    "levels": (event_figures.levels, [SPIKES[:, 0], SPIKES[:, 1], [3], [4, 5]]),
    "stream": (event_figures.stream, [EVENTS]),
    "rate": (event_figures.rate, [{"one": SPIKES[0], "other": SPIKES[1]}, 5]),
    "frame": (event_figures.frame, [FRAMES[0], "a frame"]),
    "counts": (event_figures.counts, [FRAMES[0, 0], "counts"]),
    "mosaic": (event_figures.mosaic, [RANDOM.random((4, 34, 34, 4)), ["a", "b", "c", "d"], 3]),
    "stroke_diagram": (event_figures.stroke_diagram, []),
    "numbering": (event_figures.numbering, []),
}


def copy(value):
    if isinstance(value, dict):
        return {key: copy(part) for key, part in value.items()}
    return [copy(part) for part in value] if isinstance(value, list) else np.copy(value)


def assert_same(value, before):
    if isinstance(value, dict):
        assert value.keys() == before.keys()
        for key in value:
            assert_same(value[key], before[key])
    elif isinstance(value, list):
        for one, other in zip(value, before, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(value, before)


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_on_its_axes_and_changes_no_input(name):
    draw, arguments = DRAWINGS[name]
    before = copy(arguments)
    figure, ax = new_figure()
    assert draw(ax, *arguments) is ax
    assert ax.has_data()
    assert len(png(figure)) > 2000
    assert_same(arguments, before)


@pytest.mark.parametrize("name", DRAWINGS)
def test_equal_data_give_equal_pictures(name):
    draw, arguments = DRAWINGS[name]
    pictures = []
    for _ in range(2):
        figure, ax = new_figure()
        draw(ax, *arguments)
        pictures.append(png(figure))
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("name", DRAWINGS)
def test_nothing_is_cut_off(name):
    draw, arguments = DRAWINGS[name]
    figure, ax = new_figure(height=3.4)
    draw(ax, *arguments)
    png(figure)  # lays it out
    drawn = figure.get_tightbbox()
    assert drawn.x0 > -0.02 and drawn.y0 > -0.02  # inches
    assert drawn.x1 < figure.get_figwidth() + 0.02 and drawn.y1 < figure.get_figheight() + 0.02


DIAGRAMS = (neuron_figures.diagram, gradient_figures.broken_chain,
            gradient_figures.network_in_time, feedback_figures.paths)  # fmt: skip


@pytest.mark.parametrize("draw", DIAGRAMS)
def test_nothing_of_a_diagram_is_cut_off(draw):
    figure, ax = new_figure(width=9, height=3)
    assert draw(ax) is ax
    assert len(png(figure)) > 2000
    drawn = figure.get_tightbbox()  # inches
    assert drawn.x0 > -0.02 and drawn.x1 < figure.get_figwidth() + 0.02
    assert drawn.y0 > -0.02 and drawn.y1 < figure.get_figheight() + 0.02


def test_strip_leaves_unused_axes_empty_and_refuses_too_many_frames():
    figure, axes = new_figure(1, 5)
    event_figures.strip(axes, FRAMES, ["a", "b", "c", "d"])
    assert [bool(ax.images) for ax in axes] == [True] * 4 + [False]
    with pytest.raises(ValueError, match="4 frames need as many axes; there are 2"):
        event_figures.strip(new_figure(1, 2)[1], FRAMES)


def test_both_polarities_are_told_apart():
    frame = np.zeros((2, 34, 34))
    frame[0, 0, 0] = frame[1, 0, 1] = frame[0, 0, 2] = frame[1, 0, 2] = 1
    colours = {tuple(colour) for colour in event_figures.colours_of(frame)[0, :4]}
    assert len(colours) == 4


def test_the_pixel_diagram_is_not_cut_off():
    figure, ax = new_figure(height=2.2)
    assert event_figures.pixel_diagram(ax) is ax and len(png(figure)) > 2000
    drawn = figure.get_tightbbox()
    assert drawn.x0 > -0.02 and drawn.x1 < figure.get_figwidth() + 0.02


def test_a_blend_shows_the_polarity_that_is_ahead():
    counts = event_figures.polarity_counts(EVENTS)
    assert counts.sum() == len(EVENTS) and counts[1].sum() == EVENTS["p"].sum()
    image = event_figures.blend(counts)
    assert image.shape == (34, 34, 4) and (image[counts.sum(axis=0) == 0, 3] == 0).all()
    darker = counts[1] > counts[0]
    assert (image[darker][:, :3] == to_rgb(event_figures.DARKER)).all()
    assert image[..., 3].max() == 1


def test_one_legend_for_all_axes_and_arrows_that_point_where_they_should():
    figure, axes = new_figure(1, 2)
    for ax in axes:
        event_figures.frame(ax, FRAMES[0])
        event_figures.arrows(ax, {"true": 90, "read": 180})
        ax.legend()
    event_figures.shared_legend(axes)
    assert [ax.get_legend() for ax in axes] == [None, None]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["true", "read"]
    up, left = (np.subtract(arrow.xy, arrow.xyann) for arrow in axes[0].texts)
    assert np.allclose(up, (0, -13)) and np.allclose(left, (-13, 0))


def test_raster_marks_every_spike_at_its_place():
    ax = figures.raster(new_figure()[1], torch.tensor(SPIKES))
    line = ax.get_lines()[0]
    marked = set(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))
    assert marked == {(int(t), int(n)) for t, n in np.argwhere(SPIKES)}


def test_learning_curve_takes_records_with_gaps():
    ax = figures.learning_curve(new_figure()[1], History(HISTORY))
    right = ax.figure.axes[1].get_lines()[0]
    assert right.get_xdata().tolist() == list(range(4, 60, 4))
    assert set(right.get_ydata()) == {50}
    mean = ax.get_lines()[1]
    assert mean.get_ydata()[-1] == pytest.approx((2 / 58 + 2 / 59) / 2)
    figures.learning_curve(new_figure()[1], History())


def test_losses_are_means_of_the_last_steps():
    ax = gradient_figures.losses(new_figure()[1], {"a": [4.0, 2.0, 0.0, 0.0]}, window=2)
    assert ax.get_lines()[0].get_ydata().tolist() == [4, 3, 1, 0]
    assert ax.get_lines()[0].get_xdata().tolist() == [1, 2, 3, 4]


def test_error_bars_are_two_standard_errors():
    ax = zeroth_order_figures.measured(
        new_figure()[1], [1, 10], {"a": (np.array([2.0, 4.0]), np.array([0.1, 0.2]))}, {}
    )
    segments = ax.containers[0].lines[2][0].get_segments()
    assert [np.ptp(segment[:, 1]) for segment in segments] == pytest.approx([0.4, 0.8])


def test_the_chord_joins_the_losses_at_minus_and_plus_sigma():
    positions = np.linspace(-3, 3, 61)
    ax = zeroth_order_figures.secant(new_figure()[1], positions, positions**2 + positions, 1.0)
    chord = ax.get_lines()[1]
    assert chord.get_xdata().tolist() == [-1, 1]
    assert chord.get_ydata() == pytest.approx([0, 2])


def test_confusion_shows_counts_and_refuses_what_is_not_square():
    matrix = np.diag(np.arange(1, 11))
    ax = figures.confusion(new_figure(width=5, height=5)[1], matrix)
    assert [text.get_text() for text in ax.texts] == [str(k) for k in range(1, 11)]
    with pytest.raises(ValueError, match="as many rows as columns"):
        figures.confusion(ax, np.zeros((2, 3)))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"spikes has shape \(3,\); expected 2 axes"):
        figures.raster(new_figure()[1], np.zeros(3))


def test_series_differ_in_more_than_colour():
    looks = [figures.series(k) for k in range(7)]
    assert len({look["marker"] for look in looks}) == 7
    assert len({look["color"] for look in looks}) == 7


def test_style_does_not_leak():
    import matplotlib

    before = matplotlib.rcParams["axes.grid"]
    with figures.style():
        assert matplotlib.rcParams["axes.grid"]
    assert matplotlib.rcParams["axes.grid"] == before


def test_a_picture_carries_its_words(capsys):
    bundle, metadata = Picture(b"png", "what it shows")._repr_mimebundle_()
    assert bundle["image/png"] == b"png" and metadata["image/png"]["alt"] == "what it shows"
    page = Caption("Figure 1. a < b", "words & more")._repr_mimebundle_()["text/html"]
    assert "a &lt; b" in page and "words &amp; more" in page and "<details>" in page
    with pytest.raises(ValueError, match="description in words"):
        show(new_figure()[0], "Figure 1.", " ")
