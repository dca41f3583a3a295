"""The study of gradients beside BPTT's over training."""

import math

import pytest
import torch

from course_lib.estimators import OPZO, OTTT, LocalZO, SurrogateBPTT
from course_lib.events import load_splits
from course_lib.network import SpikingNetwork
from course_lib.results import read
from studies import __main__ as cli
from studies.alignment import look_on, mean_over_seeds
from studies.declared import SLOPE, STUDIES
from studies.measure import step_memory
from studies.plan import Row, Study


@pytest.fixture(scope="module")
def data():
    return load_splits(progress=False).train


def network():
    return SpikingNetwork((2312, 16, 10), readout="membrane", weight_sd=(0.025, 0.01))


BPTT = SurrogateBPTT(slope=SLOPE)


def layers(network, method, data, *arguments, **options):
    """Of all looks at one method, the layers in order."""
    looks = look_on(network, method, data, *arguments, batch_size=8, repeats=2, **options)
    return [layer for _, own in looks for layer in own]


def test_bptt_agrees_with_itself_along_either_path(data):
    for path in ("bptt", "own"):
        found = layers(network(), BPTT, data, 3, (0, 3), path=path)
        assert len(found) == 4
        for layer in found:
            assert layer.cosine == pytest.approx(1, abs=1e-5) and layer.variance < 1e-12


def test_the_method_goes_along_though_another_trains(data):
    """OPZO's feedback starts at zero: no gradient at step 0, one later. Weights are BPTT's."""
    opzo, bptt = network(), network()
    found = layers(opzo, OPZO(), data, 3, (0, 3), path="bptt")
    layers(bptt, BPTT, data, 3, (0, 3), path="own")
    assert math.isnan(found[0].cosine) and not math.isnan(found[2].cosine)
    for a, b in zip(opzo.parameters(), bptt.parameters(), strict=True):
        assert a.equal(b)
    own = network()
    layers(own, OPZO(), data, 3, (0, 3), path="own")
    assert not own.layers[0].weight.equal(bptt.layers[0].weight)


def test_ottt_points_where_bptt_does(data):
    """Online traces leave out little at T = 10: cosines above 0.7 in both layers."""
    found = layers(network(), OTTT(slope=SLOPE), data, 5, (5,), path="own")
    assert all(layer.cosine > 0.7 for layer in found)


def test_memory_grows_with_t_only_where_time_is_unrolled():
    """From T = 10 on, the block of time steps whose products online methods take together."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(40, 4, 2312, generator=generator) < 0.1).float()
    labels = torch.zeros(4, dtype=torch.int64)
    grows = {}
    for method in (SurrogateBPTT(), LocalZO(), OTTT(), OPZO()):
        short, long = (step_memory(network(), method, frames[:t], labels) for t in (10, 40))
        grows[type(method).__name__] = long > short
    assert grows == {"SurrogateBPTT": True, "LocalZO": True, "OTTT": False, "OPZO": False}


def test_an_unknown_path_is_told(data):
    with pytest.raises(ValueError, match="path is 'mine'; choose 'bptt' or 'own'"):
        layers(network(), OTTT(), data, path="mine")


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
