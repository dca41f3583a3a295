"""Pictures of lesson 08 that move, and its widget."""

import json
import re

import numpy as np

from course_lab import feedback_figures
from course_lab.widgets import bands, feedback
from course_lib.run.figures import new_figure


def handed(shown, name: str) -> dict:
    page = shown._repr_mimebundle_()["text/html"]
    call = name + r'\(document.getElementById\("[\w-]+"\), (\{.*\})\); \}\)'
    return json.loads(re.search(call, page)[1])


def test_the_trace_jumps_by_one_at_a_spike_and_fades_by_a_tenth():
    data = handed(feedback_figures.unrolled(), "unrolled")
    spikes, trace = np.array(data["spikes"]), np.array(data["trace"])
    np.testing.assert_allclose(trace[1:], 0.9 * trace[:-1] + spikes[1:], atol=1e-3)  # rounded


def test_noise_turns_the_feedback_towards_the_weights_faster_than_single_point():
    """Seed 0. The error of a mean of n draws falls as n^-1/2: by 45 from 10 to 20,000 draws."""
    data = handed(feedback_figures.turning(), "turning")
    truth, last = np.array(data["truth"]), np.array(data["learned"][-1])
    assert np.corrcoef(truth.flatten(), last.flatten())[0, 1] > 0.99
    learned, single = np.array(data["angles"]["feedback"]), np.array(data["angles"]["single"])
    assert data["draws"][0] == 10 and data["draws"][-1] == 20_000
    assert learned[-1] < learned[0] / 10 and (learned < single).all()
    assert feedback_figures.turning().page == feedback_figures.turning().page


def test_labels_of_the_bill_do_not_lie_on_each_other():
    same = dict.fromkeys(("ottt", "opzo", "dfa"), 80.0)
    ax = feedback_figures.bill(new_figure()[1], same, dict.fromkeys(same, 2.0))
    heights = sorted(text.get_position()[1] for text in ax.texts)
    assert np.diff(heights).min() >= 7


def test_the_band_has_five_seeds_at_every_scale_and_momentum():
    stored = bands.load("feedback")
    assert list(stored) == list(feedback.BAND)
    for row, points in feedback.BAND.items():
        np.testing.assert_allclose([p["x"] for p in stored[row]], [x for x, _ in points])
        assert all(len(p["accuracies"]) == len(bands.SEEDS) for p in stored[row])


def test_a_run_of_the_widget_is_one_of_the_band_s():
    values = {"alpha": 10**-0.5, "momentum": 0.99}
    stored = {round(p["x"], 6): p["accuracies"] for p in bands.load("feedback")["λ = 0.99"]}
    assert round(feedback.measure(values, 0), 4) == stored[round(10**-0.5, 6)][0]
