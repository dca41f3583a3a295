"""Studies: equal search, resumable runs, and results from which all else is made."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from course_lib import results as statistics
from course_lib.estimators import DFA
from course_lib.events import load_splits
from course_lib.results import load, read
from studies import __main__ as cli
from studies import inference, measure, pages, plan, results, runner, training
from studies.declared import STUDIES
from studies.kinds import KINDS
from studies.plan import Row, Study
from studies.results import Store

ROOT = Path(__file__).resolve().parents[2]
DELTAS = ({"lr": 0.001, "delta": 0.5}, {"lr": 0.01, "delta": 0.5})
TINY = Study(
    name="tiny",
    title="A tiny study",
    question="Does it run?",
    rows=(
        Row("BPTT", {"method": "bptt"}, "net"),
        Row("DFA", {"method": "dfa"}, "net"),
        Row("LocalZO", {"method": "localzo"}, "net", search=DELTAS),
    ),
    settings={"hidden": (8,), "batch_size": 8, "steps": 3},
    search=({"lr": 0.001}, {"lr": 0.01}),
    seeds=2,
    columns=("chosen", "n", "accuracy", "difference", "cpu", "wall", "memory", "forward", "spikes",
             "active", "speedup"),
)  # fmt: skip
MORE = 1  # choices that follow the best, in these tests
RUNS = 3 * (2 + MORE + 2)


@pytest.fixture(scope="module")
def few():
    splits = load_splits(progress=False)
    return splits._replace(
        train=splits.train.subset(range(0, 4000, 100)),
        validation=splits.validation.subset(range(0, 500, 25)),
        test=splits.test.subset(range(0, 500, 16)),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch, few, undrawn):
    """An empty folder, the tiny study, and few recordings."""
    monkeypatch.setattr(runner, "load_splits", lambda *arguments, **options: few)
    monkeypatch.setitem(STUDIES, "tiny", TINY)
    monkeypatch.setattr(plan, "MORE", MORE)
    monkeypatch.setattr(plan, "SEARCH_SEEDS", (0,))
    monkeypatch.chdir(tmp_path)
    return few


@pytest.fixture
def made(monkeypatch):
    """The jobs that were measured, in order."""
    jobs, plain = [], measure.train

    def counting(job, splits, folder):
        jobs.append(job)
        return plain(job, splits, folder)

    monkeypatch.setitem(KINDS, "training", KINDS["training"]._replace(measure=counting))
    return jobs


def study(*arguments):
    return cli.main(["study", *map(str, arguments), "--quiet"])


def stored(folder="data/results"):
    return read("tiny", folder)


def numbers(result):
    """What must be the same whenever a study is run."""
    noisy = ("seconds", "cpu_seconds", "load", "speedup")
    return [
        {key: value for key, value in run.items() if key not in noisy}
        for row in result["rows"] for run in row["trials"] + row["runs"]
    ]  # fmt: skip


def test_a_study_from_start_to_figures(made, tmp_path, capsys, drawn):
    assert study("tiny") == 0
    assert "data/results/tiny.json" in capsys.readouterr().out
    folder = tmp_path / "data" / "results"
    assert sorted(path.name for path in folder.iterdir()) == [
        "tiny.json", "tiny.md", "tiny.png", "tiny.svg",
    ]  # fmt: skip
    result = stored()
    assert len(made) == RUNS == len(list((tmp_path / "runs" / "study").glob("*.json")))
    assert not any((tmp_path / "runs" / "study").glob("unfinished/*"))
    for row in result["rows"]:
        assert [trial["seed"] for trial in row["trials"]] == [0] * (2 + MORE)
        assert len(row["tried"]) == 2 + MORE and row["chosen"] in row["tried"]
        assert [run["seed"] for run in row["runs"]] == [4, 5]
        assert all("test_accuracy" not in trial for trial in row["trials"])
        for run in row["runs"]:
            assert run["lr"] == row["chosen"]["lr"] and run["threads"] == 1 and run["revision"]
            assert run["forward_passes"] == 3 and run["peak_memory"] > 8 * 2312 * 4
            assert run["cpu_seconds"] > 0 and run["seconds"] > 0 and len(run["spikes"]) == 2
            assert run["curve"][-1] == [3, run["validation_accuracy"]]
            assert inference.unpacked(run["right"], 32).mean() == run["test_accuracy"]
    for row in result["rows"]:
        own = row["method"] == "localzo"
        for run in row["runs"]:
            assert (run["active"] is not None) == own == (run["speedup"] is not None)
    assert result["machines"][0]["cores"] > 0
    page = (folder / "tiny.md").read_text(encoding="utf-8")
    for words in (
        "| DFA | 2 |",
        "Does it run?",
        "3 trials a row, whole runs with seed 0",
        "(tiny.png)",
    ):
        assert words in page
    assert "<svg" in (folder / "tiny.svg").read_text(encoding="utf-8")


def test_a_row_may_take_the_choice_of_another_one(made, monkeypatch):
    first, *_, last = TINY.rows
    likes = replace(last, label="again", like=last.name, settings={"method": "dfa"}, search=None)
    monkeypatch.setitem(STUDIES, "tiny", replace(TINY, rows=(first, last, likes)))
    choice = DELTAS[0]
    assert [job.key for job in plan.trials(STUDIES["tiny"], likes, choice)] == [
        job.key for job in plan.trials(STUDIES["tiny"], last, choice)
    ]
    with pytest.raises(ValueError, match="like net · lost, which is no row"):
        replace(TINY, rows=(first, replace(last, like="net · lost")))


def test_the_test_set_is_read_once_by_each_final_run_and_never_by_the_search(monkeypatch, small):
    seen, plain = [], measure.evaluate
    monkeypatch.setattr(
        measure, "evaluate", lambda net, data: seen.append(data is small.test) or plain(net, data)
    )
    assert study("tiny") == 0
    finals = 3 * 2  # each reads the training set, too
    assert sum(seen) == finals and len(seen) == RUNS + 2 * finals


def test_an_interrupted_study_goes_on_to_the_same_end(made, monkeypatch, capsys):
    """Ctrl-C between two runs, then inside one; what was done is not done again."""
    assert study("tiny", "--out", "whole", "--runs", "whole") == 0
    made.clear()
    counting, plain = KINDS["training"].measure, DFA.fill_grads

    def tired(job, splits, folder):
        if len(made) == RUNS // 3 + 1:
            raise KeyboardInterrupt
        return counting(job, splits, folder)

    monkeypatch.setitem(KINDS, "training", KINDS["training"]._replace(measure=tired))
    assert study("tiny") == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert [row["label"] for row in stored()["rows"]] == ["BPTT"], "what there is, is written"

    def cut(self, network, frames, labels, step=0):
        if step == 1:
            signal.raise_signal(signal.SIGINT)
        return plain(self, network, frames, labels, step)

    monkeypatch.setitem(KINDS, "training", KINDS["training"]._replace(measure=counting))
    monkeypatch.setattr(DFA, "fill_grads", cut)
    assert study("tiny") == 130
    monkeypatch.setattr(DFA, "fill_grads", plain)
    assert study("tiny") == 0
    assert len(made) == RUNS + 1, "only the run that was cut in two is counted twice"
    assert numbers(stored()) == numbers(stored("whole"))


def test_results_alone_are_enough(made, tmp_path, drawn):
    """Tables and figures to the byte, and runs that are not repeated."""
    assert study("tiny") == 0
    folder = tmp_path / "data" / "results"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(tmp_path / "runs")
    for name in ("tiny.md", "tiny.png", "tiny.svg"):
        (folder / name).unlink()
    assert study("tiny", "--tables-only") == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    made.clear()
    assert study("tiny") == 0 and not made
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_single_row_can_be_made_again(made):
    assert study("tiny") == 0
    first = stored()
    made.clear()
    assert study("tiny", "--rows", "dfa", "--again") == 0
    assert {job.row.label for job in made} == {"DFA"} and len(made) == RUNS / 3
    assert numbers(stored()) == numbers(first)
    loads = [[run["seconds"] for run in row["runs"]] for row in stored()["rows"]]
    assert loads[0] == [run["seconds"] for run in first["rows"][0]["runs"]]
    made.clear()
    assert study("tiny", "--rows", "net · BPTT", "--seeds", 3) == 0
    assert [job.config.seed for job in made] == [6]
    assert [row["summary"]["n"] for row in stored()["rows"]] == [3, 2, 2]


def test_a_search_that_has_grown_keeps_the_rows_that_it_has_not_reached(made, monkeypatch):
    """Results of an earlier search stay, row by row, until the new one is over."""
    assert study("tiny") == 0
    first = stored()
    monkeypatch.setattr(plan, "MORE", MORE + 1)
    made.clear()
    assert study("tiny", "--rows", "DFA") == 0
    assert {job.row.label for job in made if job.role == "trial"} == {"DFA"}
    tried = {row["label"]: len(row["tried"]) for row in stored()["rows"]}
    assert tried == {"BPTT": 2 + MORE, "DFA": 3 + MORE, "LocalZO": 2 + MORE}
    assert [row["runs"] for row in stored()["rows"] if row["label"] != "DFA"] == [
        row["runs"] for row in first["rows"] if row["label"] != "DFA"
    ]


def test_final_runs_that_do_not_say_what_they_got_right_are_made_again(made, tmp_path):
    assert study("tiny") == 0
    first = numbers(stored())
    for path in (tmp_path / "runs" / "study").glob("dfa-final-*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["right"]
        path.write_text(json.dumps(record), encoding="utf-8")
    made.clear()
    assert study("tiny") == 0
    assert [(job.row.label, job.role) for job in made] == [("DFA", "final")] * 2
    assert numbers(stored()) == first


def test_the_budget_ends_a_study_between_runs(made, capsys):
    assert study("tiny", "--budget", 1e-9) == 0
    assert not made and f"{RUNS} runs are left" in capsys.readouterr().out


def test_a_run_that_cannot_go_on_is_told_of(monkeypatch):
    silent = {**TINY.settings, "weight_sd": (1e-9, 1e-9)}
    dead = replace(TINY, settings=silent, search=({"lr": 1e-9}, {"lr": 1e-8}))
    monkeypatch.setitem(STUDIES, "tiny", dead)
    assert study("tiny", "--rows", "DFA", "--seeds", 1) == 0
    (run,) = stored()["rows"][0]["runs"]
    assert "is dead" in run["stopped"] and 0 <= run["test_accuracy"] < 0.5
    assert "(1 stopped early)" in (results.Path("data/results/tiny.md")).read_text(encoding="utf-8")


KEY = "dfa-final-" + 16 * "0"


def test_records_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    store = Store(tmp_path / "runs")
    store.put(KEY, {"value": 1})
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        store.put(KEY, {"value": 2})
    assert store.get(KEY) == {"value": 1, "key": KEY}
    assert [path.name for path in store.folder.iterdir()] == [f"{KEY}.json"]
    other = KEY.replace("final", "trial")
    (store.folder / f"{other}.json").write_text('{"value": ', encoding="utf-8")
    with pytest.raises(ValueError, match=f"{other}.json is damaged"):
        store.get(other)


def test_results_from_elsewhere_name_no_paths(made, tmp_path, capsys):
    """Keys become files and folders that are deleted: what is no key touches nothing."""
    assert study("tiny") == 0
    page, victim = tmp_path / "data/results/tiny.json", tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").touch()
    text = page.read_text(encoding="utf-8")
    key = stored()["rows"][0]["runs"][0]["key"]
    for bad in (str(victim), "../../victim", f"../{key}", f"{key}/..", f"{key}\n", "", None, 7):
        page.write_text(text.replace(json.dumps(key), json.dumps(bad)), encoding="utf-8")
        assert study("tiny") == 2 and "is no key of a run" in capsys.readouterr().err, bad
        for change in ("get", "work", "drop"):
            with pytest.raises(ValueError, match="is no key of a run"):
                getattr(Store(tmp_path / "runs"), change)(bad)
    page.write_text(text.replace('"study": "tiny"', '"study": "../victim"'), encoding="utf-8")
    for arguments in ([], ["--tables-only"]):
        assert study("tiny", *arguments) == 2
        assert "holds a study '../victim'; expected 'tiny'" in capsys.readouterr().err
    assert study("../results/tiny", "--tables-only") == 2, "nor does the command take one"
    assert [path.name for path in victim.iterdir()] == ["thesis.txt"]
    assert not list(tmp_path.glob("victim*.*"))


def test_results_of_an_unknown_kind_are_told_of(made, tmp_path, capsys):
    assert study("tiny") == 0
    page = tmp_path / "data/results/tiny.json"
    text = page.read_text(encoding="utf-8").replace('"kind": "training"', '"kind": "other"')
    page.write_text(text, encoding="utf-8")
    assert study("tiny", "--tables-only") == 2
    assert "is of kind 'other'; there are training" in capsys.readouterr().err


def test_what_left_the_library_is_still_shown(made, tmp_path, monkeypatch, capsys):
    """Departures that did not pay: their results stay, with the revision that has their code."""
    assert study("tiny") == 0
    before = (tmp_path / "data" / "results" / "tiny.md").read_text(encoding="utf-8")
    monkeypatch.delitem(STUDIES, "tiny")
    assert study("tiny") == 2 and "cannot be run any more" in capsys.readouterr().err
    assert study("tiny", "--tables-only") == 0
    assert (tmp_path / "data" / "results" / "tiny.md").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nothing"], "no study 'nothing'; there are methods"),
        (["tiny", "--rows", "BPTT", "EGGROLL"], "has no row 'EGGROLL'; it has net · BPTT"),
        (["tiny", "--seeds", 0], "seeds is 0"),
        (["tiny", "--budget", 0], "budget is 0.0"),
        (["tiny", "--data", "there"], "takes no --data; for real recordings"),
        (["tiny", "--tables-only"], "tiny.json is not there yet"),
    ],
)
def test_user_errors_are_one_clear_line(arguments, message, capsys, tmp_path):
    assert study(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_without_a_name_the_studies_are_listed(capsys):
    assert study() == 0
    assert all(name in capsys.readouterr().out for name in ["tiny"])


def test_the_search_is_equal_for_all():
    for declared in STUDIES.values():
        assert len({len(declared.choices(row)) for row in declared.rows}) == 1
    with pytest.raises(ValueError, match="the search is not equal"):
        replace(TINY, rows=(TINY.rows[0], Row("x", {"method": "dfa"}, search=({"lr": 0.1},))))
    with pytest.raises(ValueError, match="two rows have the same name"):
        replace(TINY, rows=(TINY.rows[0], TINY.rows[0]))


def test_the_choice_is_the_best_accuracy_of_two_seeds_then_the_lowest_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "SEARCH_SEEDS", (0, 1))
    store, row, found = Store(tmp_path), TINY.rows[0], {
        1.0: ((0.95, 0.1), (0.65, 0.1)), 2.0: ((0.9, 0.4), (0.9, None)),
        3.0: ((0.92, 0.4), (0.88, 0.4)),
    }  # fmt: skip
    for lr, records in found.items():
        for job, (accuracy, loss) in zip(plan.trials(TINY, row, {"lr": lr}), records, strict=True):
            store.put(job.key, {"validation_accuracy": accuracy, "validation_loss": loss})
    assert results.best(TINY, row, [{"lr": lr} for lr in found], store) == {"lr": 3.0}


RATES = [{"lr": lr, "slope": 2.5} for lr in (0.001, 0.003, 0.01)]


@pytest.mark.parametrize(
    "best, steps",
    [
        # beyond the smallest rate, and once more; the slope was never varied
        (RATES[0], [{"lr": 0.000333, "slope": 2.5}, {"lr": 0.000577, "slope": 2.5}]),
        (RATES[2], [{"lr": 0.0333, "slope": 2.5}]),
        # not at an end: halfway to both neighbours
        (RATES[1], [{"lr": 0.00548, "slope": 2.5}, {"lr": 0.00173, "slope": 2.5}]),
    ],
)
def test_the_search_goes_on_beyond_an_end_and_between_otherwise(best, steps):
    tried = list(RATES)
    for step in steps:
        assert plan.further(tried, best) == step
        tried.append(step)


def test_the_search_varies_every_number_and_scales_those_of_layers_together():
    tried = [{"lr": (0.01, 0.03)}, {"lr": (0.02, 0.06)}]
    assert plan.further(tried, tried[0]) == {"lr": (0.005, 0.015)}
    tried = [{"lr": lr, "slope": s} for lr, s in ((1.0, 4.0), (3.0, 4.0), (9.0, 4.0), (3.0, 2.0))]
    assert plan.further(tried, tried[1]) == {"lr": 3.0, "slope": 8.0}
    assert plan.at_an_end(tried, tried[1]) == ["slope"]
    assert plan.at_an_end(tried, tried[2]) == ["lr", "slope"]
    shapes = [{"lr": 0.1, "shape": name} for name in ("normal", "laplace")]
    assert plan.further(shapes, shapes[1]) == {"lr": 0.05, "shape": "laplace"}


def test_a_key_names_what_shapes_a_run():
    """Runs that two studies have in common are made once."""
    row, choice = TINY.rows[0], {"lr": 0.001}
    key = plan.final(TINY, row, choice, 1).key
    other = replace(TINY, name="other", title="Other", rows=(replace(row, group="g", label="l"),))
    assert plan.final(other, other.rows[0], choice, 1).key == key
    explicit = replace(row, settings={"method": "bptt", "options": {"slope": 10.0}})
    assert plan.final(TINY, explicit, choice, 1).key == key, "a default, said aloud"
    changed = [
        plan.final(TINY, row, choice, 2), plan.final(TINY, row, {"lr": 0.01}, 1),
        plan.final(TINY, replace(row, settings={"method": "bptt", "shift": 0}), choice, 1),
        plan.final(TINY, replace(row, settings={"method": "bptt", "options": {"slope": 5.0}}),
                   choice, 1),
        plan.final(replace(TINY, source="nmnist"), row, choice, 1),
        plan.final(TINY, replace(row, settings=row.settings | {"data": "fashion"}), choice, 1),
        plan.trials(TINY, row, choice)[0],
    ]  # fmt: skip
    assert len({key, *(job.key for job in changed)}) == 8


def test_paired_interval_is_that_of_the_t_test():
    a, b = {1: 0.94, 2: 0.95, 3: 0.93, 5: 0.9}, {1: 0.93, 2: 0.92, 3: 0.93, 4: 0.1}
    mean, half = statistics.paired(a, b)
    test = ttest_rel([0.94, 0.95, 0.93], [0.93, 0.92, 0.93])
    low, high = test.confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert statistics.paired({1: 0.5}, {1: 0.4}) is None
    assert [inference.signed(x) for x in (1.25, -0.5, -0.04)] == ["+1.2", "−0.5", "0.0"]


def test_pages_hold_the_tables_between_their_marks(tmp_path):
    assert study("tiny", "--seeds", 1) == 0
    page = tmp_path / "data" / "results" / "README.md"
    text = "a\n<!-- study tiny -->\nold\n<!-- end of study -->\nb\n<!-- study other -->\nstays\n"
    text += "<!-- end of study -->\n<!-- findings tiny -->\nstale\n<!-- end of findings -->\n"
    page.write_text(text, encoding="utf-8")
    assert study("tiny", "--tables-only") == 0
    expected = text.replace("old", training.summary(stored()))
    expected = expected.replace("stale", pages.findings(stored()))
    assert page.read_text(encoding="utf-8") == expected


def test_findings_say_who_is_ahead_and_who_is_behind():
    def row(label, *accuracies):
        runs = [{"seed": s, "test_accuracy": a} for s, a in enumerate(accuracies, 4)]
        summary = results.summarise(runs)
        return {"group": "net", "label": label, "runs": runs, "summary": summary}

    rows = [
        row("first", 0.50, 0.52, 0.54),
        row("better", 0.60, 0.62, 0.641),
        row("alike", 0.51, 0.50, 0.55),
        row("worse", 0.40, 0.42, 0.441),
        row("once", 0.1),
    ]
    result = {"rows": rows, "data": {"recordings": "9 / 9 / 100,000"}, "columns": []}
    (told,) = training.answers(result)
    assert told.startswith("**net.** first reaches 52.0 ± 2.0 % (n = 3); ahead: better +10.0 (")
    assert "; no difference shown: alike 0.0 (−" in told and "; behind: worse −10.0 (−" in told
    assert told.endswith("; one run only: once 10.0 %.")


def test_missing_results_name_the_command_that_makes_them():
    with pytest.raises(FileNotFoundError, match="`python3 course.py study tiny` makes them"):
        load("tiny")


def test_a_line_of_the_json_is_a_run(tmp_path):
    assert study("tiny", "--seeds", 1) == 0
    text = (tmp_path / "data" / "results" / "tiny.json").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if '"test_accuracy": 0' in line]
    assert [json.loads(line.rstrip(","))["seed"] for line in lines if '"seed"' in line] == [4, 4, 4]
    assert pages.page(json.loads(text)) == (tmp_path / "data/results/tiny.md").read_text(
        encoding="utf-8"
    )


def test_a_console_without_greek_letters_lists_the_studies_too():
    """Windows consoles encode with cp1252, others may know ASCII alone: no question fails there."""
    done = subprocess.run(
        [sys.executable, "-m", "studies", "study"], capture_output=True, cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0 and rb"\u03c3" in done.stdout, done.stderr.decode()
