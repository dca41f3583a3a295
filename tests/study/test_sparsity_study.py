"""Networks at equal accuracy: runs that stop there, their counts, and the plain answer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from course_lib.energy import operations
from course_lib.events import load_splits
from course_lib.results import read
from studies import __main__ as cli
from studies import plan, runner, sparsity
from studies.declared import STUDIES
from studies.plan import Row, Study

START = {"hidden": (16,), "readout": "membrane", "beta": 0.9, "logit_scale": 2.0,
         "weight_sd": (0.025, 0.06), "validate_every": 2, "until": 0.2}  # fmt: skip
TINY = Study(
    "tiny", "Tiny", "Sparser?",
    (
        Row("BPTT", {"method": "bptt", "steps": 40, **START}, "at 20 %"),
        Row("EGGROLL", {"method": "eggroll", "steps": 2, "options": {"population": 4}, **START},
            "at 20 %"),
    ),
    settings={"shift": 0, "batch_size": 16}, search=({"lr": 0.003}, {"lr": 0.01}), seeds=2,
    kind="sparsity",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the study TINY finds, the folder that it writes to, and its test set."""
    splits = load_splits(progress=False)
    few = splits._replace(
        validation=splits.validation.subset(range(0, 500, 5)),
        test=splits.test.subset(range(0, 500, 20)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "load_splits", lambda *arguments, **options: few)
        patch.setitem(STUDIES, "tiny", TINY)
        patch.chdir(tmp_path_factory.mktemp("sparsity"))
        assert cli.main(["study", "tiny", "--quiet"]) == 0
        yield read("tiny", "data/results"), Path.cwd() / "data/results", few.test


def test_runs_stop_at_the_target_and_are_counted(made):
    result, folder, _ = made
    bptt, eggroll = result["rows"]
    for row in result["rows"]:
        assert {trial["forward_passes"] for trial in row["trials"]} in ({40}, {2 * 4})
        for run in row["runs"]:
            assert len(run["synops"]) == len(run["dense"]) == len(run["start_spikes"]) == 2
            assert run["dense"] == [10 * 2312 * 16, 10 * 16 * 10] and run["macs"] == 0
            assert run["synops"][1] == pytest.approx(10 * run["spikes"][0], abs=0.1)
            assert run["start_spikes"][1] == 0 < run["start_spikes"][0]
    for run in bptt["runs"]:
        assert run["reached"] and run["steps"] < 40
        *before, (step, accuracy, spikes) = run["spike_curve"]
        assert step == run["steps"] and accuracy == run["validation_accuracy"] >= 0.2
        assert all(earlier[1] < 0.2 for earlier in before) and spikes > 0
    assert [run["reached"] for run in eggroll["runs"]] == [False, False]
    page = (folder / "tiny.md").read_text(encoding="utf-8")
    assert "| BPTT | 2 |" in page and "| EGGROLL | 0 of 2 |" in page
    assert "- at 20 %: Not known yet." in page
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert cli.main(["study", "tiny", "--tables-only"]) == 0
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after == before and len(before) == 4


def test_counts_are_those_of_the_network_that_was_kept(made):
    """The start of the first seed, counted again."""
    result, _, test = made
    first = result["rows"][0]["runs"][0]["seed"]
    config = plan.final(TINY, TINY.rows[0], result["rows"][0]["chosen"], first).config
    start = operations(config.network(), test).spikes.mean(dim=0)
    assert result["rows"][0]["runs"][0]["start_spikes"] == [round(x, 2) for x in start.tolist()]


def test_trials_are_whole_runs_and_targets_name_only_finals():
    row = TINY.rows[0]
    other = replace(row, settings={**row.settings, "until": 0.3})
    assert all(job.config.until is None for job in plan.trials(TINY, row, {}))
    keys = [[job.key for job in plan.trials(TINY, each, {})] for each in (row, other)]
    assert keys[0] == keys[1]
    assert plan.final(TINY, row, {}, 1).key != plan.final(TINY, other, {}, 1).key


def made_up(eggroll, bptt=(100.0, 110.0, 90.0, 100.0)):
    """Results with these hidden spikes by seed."""
    def row(label, method, counts):
        runs = [
            {"seed": seed, "spikes": [count, 0.0], "synops": [1000.0, 10 * count], "reached": True,
             "macs": 0.0, "test_accuracy": 0.7, "steps": 10, "start_spikes": [50.0, 0.0]}
            for seed, count in enumerate(counts, 1)
        ]  # fmt: skip
        return {"label": label, "method": method, "group": "g", "runs": runs, "chosen": {}}

    return {"kind": "sparsity", "rows": [row("BPTT", "bptt", bptt), row("E", "eggroll", eggroll)]}


@pytest.mark.parametrize(
    "counts, words",
    [
        ((50.0, 56.0, 44.0, 51.0), "g: Yes, sparser: E's networks send 0.50 times the hidden"),
        ((205.0, 216.0, 180.0, 200.0), "g: No, denser: E's networks send 2.00 times"),
        ((80.0, 120.0, 80.0, 125.0), "g: No difference shown: "),
    ],
)
def test_the_answer_is_plain(counts, words):
    (told,) = sparsity.answers(made_up(counts))
    assert told.startswith(words) and "95 % interval" in told and "n = 4" in told


def test_only_runs_that_reached_the_target_are_compared():
    result = made_up((50.0, 55.0, 45.0, 50.0))
    result["rows"][1]["runs"][3] |= {"reached": False, "spikes": [1e6, 0.0]}
    (told,) = sparsity.answers(result)
    assert "0.50 times" in told and "n = 3" in told
    assert sparsity.ratio(result["rows"][0], result) is None


def test_energy_is_that_of_the_operations():
    run = {"synops": [1000.0, 200.0], "macs": 0.0}
    assert sparsity.nanojoules(run) == pytest.approx(1200 * 0.9e-3)
    assert sparsity.nanojoules(run | {"macs": 1000.0}) == pytest.approx(4.6 + 0.18)


def test_the_ratios_interval_is_that_of_the_t_test_on_logarithms():
    import math

    a, b = {1: 3.0, 2: 5.0, 3: 4.0, 4: 9.0}, {1: 2.0, 2: 2.5, 3: 2.5}
    mean, low, high = sparsity.paired_ratio(a, b)
    logs = [[math.log(d[seed]) for seed in (1, 2, 3)] for d in (a, b)]
    assert [math.log(low), math.log(high)] == pytest.approx(
        list(ttest_rel(*logs).confidence_interval(0.95))
    )
    assert math.log(mean) == pytest.approx((math.log(1.5) + math.log(2) + math.log(1.6)) / 3)
    assert sparsity.paired_ratio({1: 1.0}, {1: 2.0}) is None
    assert sparsity.paired_ratio({1: 0.0, 2: 1.0}, {1: 2.0, 2: 2.0}) is None


def test_the_declared_rows_share_network_and_start():
    for group in dict.fromkeys(row.group for row in STUDIES["sparsity"].rows):
        rows = [row for row in STUDIES["sparsity"].rows if row.group == group]
        shared = [json.dumps([plan.final(STUDIES["sparsity"], row, {}, 1).config.network().sizes,
                              {k: row.settings[k] for k in ("readout", "until", "weight_sd",
                                                            "beta", "logit_scale")}])
                  for row in rows]  # fmt: skip
        assert len(set(shared)) == 1 and {"bptt", "eggroll"} <= {r.settings["method"] for r in rows}


def test_the_hybrid_stands_first_before_its_pure_forms_and_a_control():
    study = STUDIES["hybrid"]
    for group in dict.fromkeys(row.group for row in study.rows):
        first, *pure, control = [row for row in study.rows if row.group == group]
        assert control.settings == pure[0].settings
        assert all(trial["lr"][-1] == 0 < min(trial["lr"][:-1]) for trial in control.search)
        assert first.settings["method"] == "hybrid" and len(pure) == 2
        assert {row.settings["method"] for row in pure} == {
            first.settings["options"]["below"], "eggroll"
        }  # fmt: skip
    keys = {plan.final(study, row, {"lr": 0.01}, 1).key for row in study.rows}
    assert len(keys) == 10, "controls share their settings with the pure rule"
