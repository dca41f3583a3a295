"""Gradients beside BPTT's over training: the function that lessons call, and the study."""

import math

import pytest

from course_lib.estimators import OPZO, OTTT, SurrogateBPTT
from course_lib.events import load_splits
from course_lib.network import SpikingNetwork
from course_lib.results import read
from studies import __main__ as cli
from studies.alignment import along, mean_over_seeds
from studies.declared import STUDIES
from studies.plan import Row, Study


@pytest.fixture(scope="module")
def data():
    return load_splits(progress=False).train


def network():
    return SpikingNetwork((2312, 16, 10), readout="membrane", weight_sd=(0.025, 0.01))


def test_bptt_agrees_with_itself_along_either_path(data):
    for path in ("bptt", "own"):
        records = along(network(), SurrogateBPTT(), data, 3, (0, 3), path, batch_size=8, repeats=2)
        assert [(r["step"], r["layer"]) for r in records] == [(0, 1), (0, 2), (3, 1), (3, 2)]
        for record in records:
            assert record["cosine"] == pytest.approx(1, abs=1e-5) and record["variance"] < 1e-12


def test_the_method_goes_along_though_another_trains(data):
    """OPZO's feedback starts at zero: no gradient at step 0, one later. Weights are BPTT's."""
    options = {"steps": 3, "at": (0, 3), "batch_size": 8, "repeats": 2}
    opzo, bptt = network(), network()
    records = along(opzo, OPZO(), data, path="bptt", **options)
    along(bptt, SurrogateBPTT(), data, path="own", **options)
    assert math.isnan(records[0]["cosine"]) and not math.isnan(records[2]["cosine"])
    for a, b in zip(opzo.parameters(), bptt.parameters(), strict=True):
        assert a.equal(b)
    own = network()
    along(own, OPZO(), data, path="own", **options)
    assert not own.layers[0].weight.equal(bptt.layers[0].weight)


def test_ottt_points_where_bptt_does(data):
    """Online traces leave out little at T = 10: cosines above 0.7 in both layers."""
    records = along(network(), OTTT(), data, 5, (5,), path="own", batch_size=16, repeats=2)
    assert all(record["cosine"] > 0.7 for record in records)


def test_an_unknown_path_is_told(data):
    with pytest.raises(ValueError, match="path is 'mine'; choose 'bptt' or 'own'"):
        along(network(), OTTT(), data, path="mine")


def test_the_study_of_alignment(monkeypatch, tmp_path):
    rows = tuple(
        Row(label, {"method": method}, group, path=path)
        for group, path in (("BPTT trains", "bptt"), ("own training", "own"))
        for label, method in (("OTTT", "ottt"), ("OPZO", "opzo"))
    )
    tiny = Study(
        "tiny", "Tiny", "Which way?", rows, kind="alignment",
        settings={"hidden": (8,), "batch_size": 8, "steps": 10, "lr": 0.003, "readout": "membrane"},
    )  # fmt: skip
    monkeypatch.setitem(STUDIES, "tiny", tiny)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["study", "tiny", "--seeds", "2", "--quiet"]) == 0
    result = read("tiny", "data/results")
    assert [(row["label"], len(row["runs"])) for row in result["rows"]] == [
        ("OTTT", 2), ("OPZO", 2), ("OTTT", 2), ("OPZO", 2),
    ]  # fmt: skip
    runs = result["rows"][0]["runs"]
    assert sorted({r["step"] for r in runs[0]["alignment"]}) == [0, 1, 2, 5, 10]
    both = [
        r["cosine"] for run in runs for r in run["alignment"] if (r["step"], r["layer"]) == (5, 1)
    ]
    assert mean_over_seeds(result["rows"][0], 5, 1, "cosine") == pytest.approx(sum(both) / 2)
    assert result["rows"][1]["runs"][0]["alignment"][0]["cosine"] is None, "no NaN in JSON"
    folder = tmp_path / "data" / "results"
    page = (folder / "tiny.md").read_text(encoding="utf-8")
    assert "## own training" in page and "cosine, layer 1, step 10" in page
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert cli.main(["study", "tiny", "--tables-only"]) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
