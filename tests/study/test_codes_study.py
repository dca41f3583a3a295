"""Studies of other codes: a row's own data and time bins, a study's, and what their runs are."""

import numpy as np
import pytest

from course_lib.events import FrameSet, Splits
from studies import __main__ as cli
from studies import plan, runner
from studies.codes import LATENCY, VOICES
from studies.declared import STUDIES
from studies.kinds import KINDS
from studies.plan import Row, Study


def test_rows_may_name_their_data_and_time_bins(tmp_path, monkeypatch):
    row = {"method": "bptt", "hidden": (4,), "steps": 1}
    tiny = Study("tiny", "Tiny", "?", (
        Row("digits", row), Row("finer", row | {"bins": 20}),
        Row("clothes", row | {"data": "fashion-latency"}),
        Row("finer clothes", row | {"data": "fashion-latency", "bins": 20}),
    ))  # fmt: skip
    monkeypatch.setitem(STUDIES, "tiny", tiny)
    asked, seen = [], []

    def load(source="saccade-digits", bins=10, **options):
        asked.append((source, bins))
        few = FrameSet(np.zeros((40, 8 * bins), np.uint8), np.zeros(40, int), bins, (8, 8, 1))
        return Splits(few, few, few, source, "")

    def measure(job, splits, folder):
        seen.append((job.source, job.config.bins, splits.train.bins, job.config.sizes[0]))
        return {"machine": {}, "stopped": None, "seed": 1, "test_accuracy": 0.5, "right": "0",
                "key": job.key}  # fmt: skip

    monkeypatch.setattr(runner, "load_splits", load)
    monkeypatch.setattr(runner, "write", lambda *arguments: None)
    monkeypatch.setitem(KINDS, "training", KINDS["training"]._replace(measure=measure))
    assert cli.main(["study", "tiny", "--seeds", "2", "--out", str(tmp_path), "--runs",
                     str(tmp_path / "r"), "--quiet"]) == 0  # fmt: skip
    digits, clothes = "saccade-digits", "fashion-latency"
    assert seen == [(digits, 10, 10, 2312)] * 2 + [(digits, 20, 20, 2312)] * 2 + [
        (clothes, 10, 10, 784)] * 2 + [(clothes, 20, 20, 784)] * 2  # fmt: skip
    assert asked == [(digits, 10), (digits, 20), (clothes, 10), (clothes, 20)], "each once"


def test_both_forget_as_fast_whatever_t_cuts_the_recording_into():
    for study in (LATENCY, VOICES):
        for row in study.rows:
            config = plan.final(study, row, {}, 1).config
            assert config.beta**config.bins == pytest.approx(0.97**100, rel=0.01)
            times = 3 if "three times" in row.label else 1
            assert config.steps == times * study.settings["steps"] and config.sizes[-1] == 10
    sizes = {plan.final(LATENCY, row, {}, 1).config.sizes for row in LATENCY.rows}
    assert sizes == {(784, 200, 200, 10)}
    assert plan.final(VOICES, VOICES.rows[0], {}, 1).config.sizes[0] == 64


def test_voices_need_a_folder_and_clothes_take_none():
    with pytest.raises(ValueError, match="voices needs --data PATH: recordings of spoken digits"):
        runner.load(VOICES, None)
    with pytest.raises(ValueError, match="latency is about latency-coded Fashion-MNIST"):
        runner.load(LATENCY, "somewhere")
