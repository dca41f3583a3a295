"""Accuracy against costs: the formulas by hand, and the page in step with the studies."""

from pathlib import Path

import numpy as np
import pytest

from course_lib.results import load
from course_lib.run import costs
from studies import costs as pages
from studies import files

FOLDER = Path(__file__).parents[2] / "data" / "results"


def row(method, accuracies, seconds, steps, passes):
    runs = [{"test_accuracy": a, "cpu_seconds": seconds, "machine": 0} for a in accuracies]
    return {
        "method": method, "options": {}, "steps": steps, "sizes": [9, 4, 3], "runs": runs,
        "summary": {"forward_passes": {"mean": passes}, "spikes": [5.0, 0.0]},
    }  # fmt: skip


def test_joules_are_those_of_the_formula():
    """20 events reach 4 neurons, 5 spikes reach 3: 95 synapses, in batches of 2."""
    rows = [row("bptt", [0.9, 0.8], 3.0, 10, 10), row("opzo", [0.9], 3.0, 10, 10),
            row("eggroll", [0.7], 3.0, 10, 640)]  # fmt: skip
    result = {"rows": rows, "settings": {"batch_size": 2}}
    found = [costs.point(each, result, "name", 20) for each in rows]
    per_pass = 2 * 95
    for point, (passes, macs) in zip(found, ((10, 2), (10, 1), (640, 0)), strict=True):
        expected = per_pass * (passes * 0.9e-12 + macs * 10 * 4.6e-12)
        assert point.joules == pytest.approx(expected) and point.seconds == 3
    assert found[0].accuracy == pytest.approx(0.85)
    usual = costs.point(row("opzo", [0.9], 3.0, 10, 10), {"rows": rows, "settings": {}}, "n", 20)
    assert usual.joules == pytest.approx(32 * found[1].joules), "OPZO's own batches hold 64"


def test_the_sentence_names_the_nearest_and_who_meets_the_aim():
    def point(name, method, accuracy, seconds):
        made = row(method, [accuracy], seconds, 10, 10)
        return costs.point(made, {"rows": [made], "settings": {}}, name, 20)

    first = point("BPTT", "bptt", 0.9, 2.0)
    slow, far = point("slow", "projected", 0.895, 21.0), point("far", "smooth", 0.8, 2.0)
    (told,) = costs.told({"tests": [first, point("OPZO", "opzo", 0.99, 1.0), slow, far]})
    assert "slow comes nearest to BPTT" in told and "89.5 against 90.0 %, 0.5 points" in told
    assert "for 10 times its processor seconds" in told and told.endswith("the seconds: none.")
    quick = point("quick", "eggroll", 0.892, 19.0)
    assert costs.told({"tests": [first, slow, quick]})[0].endswith("the seconds: quick.")
    assert [costs.number(value) for value in (1.44, 37.2, 410.3, 81234)] == [
        "1.4", "37", "410", "81,000",
    ]  # fmt: skip


def test_every_point_is_a_row_and_the_page_is_in_step():
    found = costs.points(load)
    assert all(len(row) >= 5 for row in found.values())
    assert (FOLDER / "costs.md").read_text(encoding="utf-8") == pages.page(found, costs.curves()), (
        "study headline --tables-only renews it"
    )
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert files.fill(text, "costs", lambda: pages.sentences(found)) == text
    for name in ("costs.png", "costs.svg", "ranks.png", "ranks.svg"):
        assert (FOLDER / name).stat().st_size > 5000


def test_a_level_is_reached_on_a_straight_line():
    seconds, accuracies = np.array([2.0, 4.0, 6.0]), np.array([0.5, 0.7, 0.6])
    assert costs.until(seconds, accuracies, 0.6) == pytest.approx(3)
    assert costs.until(seconds, accuracies, 0.4) == 2, "there at its first point"
    assert np.isnan(costs.until(seconds, accuracies, 0.8))


def test_a_folder_without_its_studies_gets_no_page(tmp_path):
    assert pages.renew(tmp_path, "headline") == [] == pages.renew(FOLDER, "opzo")
    assert not list(tmp_path.iterdir())
