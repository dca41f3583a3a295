"""What the studies of evolution strategies declare, and the columns that they add."""

import pytest
import torch

from course_lib.run.report import interval
from studies import collapse, plan
from studies.declared import STUDIES
from studies.inference import difference
from studies.measure import lost
from studies.tables import COLUMNS


def test_only_the_rank_differs_between_the_rows_of_eggroll():
    study = STUDIES["eggroll"]
    rows = [row for row in study.rows if row.group == "1,200 generations"]
    configs = [plan.final(study, row, study.choices(row)[0], 4).config for row in rows]
    assert [config.options["rank"] for config in configs] == [1, 2, 4, 8] and study.seeds == 20
    shared = {(c.hidden, c.readout, c.steps, c.lr, c.weight_sd) for c in configs}
    assert len(shared) == 1 and configs[0].readout == "rate"


def test_rows_of_equal_passes_spend_equal_passes():
    study = STUDIES["beyond"]
    for row in study.rows:
        config = plan.final(study, row, {}, 4).config
        samples = config.steps * config.options.get("population", 256) * config.batch_size
        assert samples == 400 * 256 * 64, row.label


def test_the_longer_rows_of_the_headline_are_not_searched_again():
    study = STUDIES["headline"]
    for row in study.rows:
        assert (row.like is None) == (row.group == "about a minute")
        assert row.settings["method"] in ("bptt", "eggroll", "smooth", "projected")


def test_lost_classes_are_counted():
    confusion = torch.tensor([[96, 4, 0], [50, 50, 0], [99, 0, 1]])
    assert lost(confusion) == 1


def test_columns_of_the_worst_seed_and_of_the_gain_on_validation():
    runs = [{"seed": s, "test_accuracy": 0.8 + s / 100, "validation_accuracy": 0.7 + s / 50,
             "lost_classes": 3 - s} for s in (1, 2, 3)]  # fmt: skip
    better = [run | {"validation_accuracy": run["validation_accuracy"] + 0.05} for run in runs]
    rows = [
        {"label": name, "group": "", "runs": found, "summary": {"validation_accuracy":
         {"mean": 0.7, "sd": 0.1}}} for name, found in (("first", runs), ("second", better))
    ]  # fmt: skip
    result = {"rows": rows, "data": {"recordings": "9 / 1,000,000 / 1,000,000"}}
    assert COLUMNS["worst"][1](rows[0], result) == "81.0"
    assert COLUMNS["lost"][1](rows[0], result) == "0, 1, 2"
    assert COLUMNS["gain"][1](rows[1], result) == "+5.0 (+4.9 to +5.1)"
    assert difference(rows[1], result) == "0.0 (−0.1 to +0.1)"
    assert COLUMNS["validation"][1](rows[0], result) == "70.0 ± 10.0"
    del runs[0]["lost_classes"]
    assert COLUMNS["lost"][1](rows[0], result) == "–"


def run(accuracy, lost_classes=0, spikes=(9.0, 1.0)):
    return {"test_accuracy": accuracy, "lost_classes": lost_classes, "spikes": list(spikes)}


def test_a_collapse_is_a_dead_layer_or_a_lost_class_and_a_low_run_is_neither():
    runs = [run(0.1, 9, (0.0, 1.0)), run(0.1, 9, (9.0, 0.0)), run(0.7, 1), run(0.65),
            *[run(0.8)] * 4]  # fmt: skip
    row = {"label": "a", "group": "", "readout": "rate", "runs": runs}
    assert collapse.share(row) == "3 of 8 (14 to 69 %; dead layer 2; lost class 1; low 1)"
    leaky = row | {"readout": "membrane"}
    assert collapse.counts(leaky)["lost class"] == 2, "leaky outputs send no spikes, and live"
    good, few = (row | {"label": name, "runs": [run(0.8)] * n} for name, n in (("b", 30), ("c", 3)))
    (told,) = collapse.answers({"rows": [row | {"runs": runs[:3] * 3}, good, few]})
    assert told.startswith("Collapsed runs: a 9 of 9 (70 to 100 %; ")
    assert told.endswith("Shown to differ from a: b, c.") and "c 0 of 3 (0 to 56 %)" in told


def test_the_interval_of_a_share_is_wilsons():
    """It holds exactly the p from which k/n is not more than 1.96 standard errors away."""
    for k, n in ((0, 20), (1, 20), (7, 24), (24, 24)):
        for p in interval(k / n, n):
            if 0 < p < 1:
                assert abs(k / n - p) == pytest.approx(1.96 * (p * (1 - p) / n) ** 0.5)
    assert interval(0, 20)[0] == pytest.approx(0) and interval(1, 24)[1] == pytest.approx(1)


def test_transfer_needs_real_recordings():
    from studies.runner import load

    with pytest.raises(ValueError, match="needs --data PATH"):
        load(STUDIES["transfer"], None)
