"""Sparse shares, layer by layer, over training; losses and speed-ups over updates."""

import pytest
import torch

from course_lib.estimators.surrogate import Watched
from course_lib.events import load_splits
from course_lib.layers import stack
from course_lib.network import SpikingNetwork
from course_lib.results import read
from studies import __main__ as cli
from studies import layers, runner, updates
from studies.declared import STUDIES
from studies.plan import Row, Study, final

LAYERS = {"layers": ("p4", "c2k3n", "p2", "c3k2", "10")}
TINY = Study(
    "tiny", "Tiny", "Sparser?",
    (
        Row("LocalZO", {"method": "localzo", "options": {"delta": 0.2, "samples": 1}, **LAYERS}),
        Row("BPTT", {"method": "bptt", **LAYERS}),
    ),
    settings={"batch_size": 8, "steps": 4}, seeds=2, kind="layers",
)  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A study → its results and its page, from 25 test recordings."""

    def whole(study):
        splits = load_splits(progress=False)
        few = splits._replace(test=splits.test.subset(range(0, 500, 20)))
        monkeypatch.setattr(runner, "load_splits", lambda *arguments, **options: few)
        monkeypatch.setitem(STUDIES, "tiny", study)
        monkeypatch.chdir(tmp_path)
        assert cli.main(["study", "tiny", "--quiet"]) == 0
        page = (tmp_path / "data/results/tiny.md").read_text(encoding="utf-8")
        return read("tiny", "data/results"), page

    return whole


def test_a_study_of_layers(run):
    result, page = run(TINY)
    for row in result["rows"]:
        assert layers.axes_of(row) == ([0, 1, 2, 4], [1, 2]) and len(row["runs"]) == 2
        for look in row["runs"][0]["layers"]:
            assert 0 <= look["fired"] <= 1
            assert look["sparse"] == 0 if row["label"] == "BPTT" else 0.5 < look["sparse"] < 1
    assert layers.answers(result)[0].startswith("**Step 4.** Derivatives that are zero")
    assert "sparse, layer 2, step 4" in page and "BPTT 0 % and 0 %" in page


def test_looking_changes_nothing_but_statistics_of_a_copy():
    """Shares are those of the step's own draws, counted from voltages."""
    job = final(TINY, TINY.rows[0], {}, 1)
    network = SpikingNetwork(layers=stack("p4 c2k3 p2 c3k2 10", (2, 34, 34)), readout="membrane")
    frames = (torch.rand(5, 6, 2312) < 0.3).float()
    estimator = job.config.estimator()
    looks = layers.fired(network, estimator, frames, None, 3, None)
    watched = Watched(estimator.spike(3))
    activity = network.record(frames, spike=watched)
    for look, done, share in zip(looks, activity, watched.shares(2), strict=False):
        assert look["sparse"] == pytest.approx(1 - share, abs=1e-5)
        assert look["fired"] == pytest.approx(done.spikes.mean().item(), abs=1e-5)


UPDATES = Study(
    "tiny", "Tiny", "Faster?",
    tuple(Row(name, {"method": name, "options": {"delta": 0.05, "samples": 1}, "hidden": (8,)})
          for name in ("localzo", "sparsegrad")),
    settings={"batch_size": 8, "steps": 4, "readout": "membrane"}, seeds=2, kind="updates",
)  # fmt: skip


def test_a_study_of_updates(run):
    result, page = run(UPDATES)
    for row in result["rows"]:
        looks = [run["layers"] for run in row["runs"]]
        steps, losses = updates.curve(row, "loss")
        assert steps == [0, 1, 2, 3, 4] and losses[0] == pytest.approx(
            sum(each[0]["loss"] for each in looks) / 2
        )
        assert 1.5 < losses[0] < 4, "an untrained network guesses: ln 10 = 2.3 nats"
        assert all(0 < look["active"] < 20 for look in looks[0]), "δ is 0.05: few take part"
        assert all(look["backward"] > 0 and look["overall"] > 0 for look in looks[0])
    assert "backward speed-up" in page
    assert updates.answers(result)[0].startswith("**After 4 updates.** localzo: loss")
