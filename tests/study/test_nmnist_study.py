"""The study of all of N-MNIST, whole on few recordings; its price; another test set; other data."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from course_lib.events import find_recordings, load_digits, load_splits, simulate, write_recording
from course_lib.results import read
from studies import __main__ as cli
from studies import nmnist, plan, price, runner
from studies.declared import STUDIES
from studies.kinds import KINDS
from studies.plan import Row, Study

ROWS = len(nmnist.NMNIST.rows)
TINY = Study(
    name="tiny", title="Tiny", question="?", settings={"hidden": (8,), "batch_size": 8, "steps": 2},
    rows=(Row("BPTT", {"method": "bptt"}),), search=({"lr": 0.001}, {"lr": 0.01}), seeds=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    """The saccade digits, of the user's cache; treat as read-only."""
    return load_splits(progress=False)


@pytest.fixture(autouse=True)
def short(plain, undrawn, tmp_path, monkeypatch):
    """The declared rows with two steps, few members and neurons, and a short search."""

    def less(row):
        options = dict(row.settings["options"])
        options |= {"population": 8} if "population" in options else {}
        return replace(row, settings=row.settings | {"steps": 2, "batch_size": 8,
                                                     "options": options})  # fmt: skip

    study = replace(nmnist.NMNIST, rows=tuple(map(less, nmnist.NMNIST.rows)), seeds=2,
                    settings=nmnist.NMNIST.settings | {"hidden": (8,), "steps": 2})  # fmt: skip
    monkeypatch.setitem(STUDIES, "nmnist", study)
    monkeypatch.setitem(STUDIES, "tiny", TINY)
    monkeypatch.setattr(plan, "MORE", 1)
    monkeypatch.setattr(plan, "SEARCH_SEEDS", (0,))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def made(monkeypatch):
    """The keys of the runs that were made."""
    keys, plain = [], KINDS["training"].measure

    def counting(job, splits, folder):
        keys.append(job.key)
        return plain(job, splits, folder)

    monkeypatch.setitem(KINDS, "training", KINDS["training"]._replace(measure=counting))
    return keys


@pytest.fixture
def folder(tmp_path):
    """Simulated recordings as N-MNIST is published: 40 for training, 10 for the test."""
    images = load_digits().images
    for number in range(50):
        part = "Train" if number < 40 else "Test"
        path = tmp_path / f"all/{part}/{number % 10}/{number + 1:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_recording(path, simulate(images[500 * (number % 10) + number // 10], number))
    return tmp_path / "all"


def study(*arguments):
    return cli.main(["study", *map(str, arguments), "--quiet"])


def whole(folder, made, sizes):
    """Every row, with the paper's table beside it; the same command goes on."""
    assert study("nmnist", "--data", folder) == 0
    result = read("nmnist", "data/results")
    assert len(result["rows"]) == ROWS and result["data"]["recordings"] == sizes
    searched = sum(row["like"] is None for row in result["rows"])
    assert len(set(made)) == len(made) == searched * (3 + plan.MORE) + 2 * ROWS
    page = Path("data/results/nmnist.md").read_text(encoding="utf-8")
    for group, label in nmnist.PUBLISHED:
        assert any((row["group"], row["label"]) == (group, label) for row in result["rows"])
    assert "| 78.75 ± 0.58 |" in page and "| 76.17 ± 6.07 |" in page
    assert "`python -m studies study nmnist --data PATH`" in page
    made.clear()
    assert study("nmnist", "--data", folder) == 0 and not made


def test_the_study_runs_whole_on_the_published_layout(folder, made, capsys):
    whole(folder, made, "36 / 4 / 10")
    write_recording(folder / "Test/0/00041.bin", simulate(load_digits().images[9], 0))
    assert study("nmnist", "--data", folder) == 2
    assert "holds results on other data (real N-MNIST recordings, 36 / 4 / 10)" in (
        capsys.readouterr().err
    )
    assert study("nmnist", "--data", folder, "--out", "other", "--rows", "OPZO") == 0
    assert len(made) == 3 + plan.MORE + 2, "runs on other recordings are no runs on these"
    assert study("nmnist") == 2 and "needs --data PATH: all of N-MNIST" in capsys.readouterr().err


@pytest.mark.slow
def test_the_study_runs_whole_on_real_recordings(recordings_dir, tmp_path, made):
    for number, recording in enumerate(find_recordings(recordings_dir).train):
        part = "Test" if number % 8 == 7 else "Train"
        path = tmp_path / f"real/{part}/{recording.label}/{recording.path.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(recording.path.resolve())
    whole(tmp_path / "real", made, "788 / 87 / 125")


def test_the_published_numbers_are_those_of_declared_rows():
    declared = {(row.group, row.label) for row in nmnist.NMNIST.rows}
    assert set(nmnist.PUBLISHED) <= declared
    ranks = [row for row in STUDIES["paper-scale"].rows if row.group == nmnist.PAPER]
    assert [row.settings["options"]["rank"] for row in ranks] == [1, 2, 4, 8]
    assert all(row in nmnist.NMNIST.rows for row in ranks), "and they are searched as there"


def test_the_price_counts_runs_and_multiplies_steps(folder, made, capsys, tmp_path):
    (tmp_path / "data/results").mkdir(parents=True)
    readme = tmp_path / "data/results/README.md"
    readme.write_text("a\n<!-- price nmnist -->\n<!-- end of price -->\n", encoding="utf-8")
    assert study("nmnist", "--data", folder, "--price", "--threads", 2) == 0
    assert not made and "hours" in capsys.readouterr().out
    record = json.loads((tmp_path / "data/results/nmnist-price.json").read_text(encoding="utf-8"))
    assert len(record["rows"]) == ROWS and record["threads"] == 2
    assert record["recordings_bytes"] == 50 * 2890 < record["memory_bytes"]
    for row, declared in zip(record["rows"], STUDIES["nmnist"].rows, strict=True):
        assert row["trials"] == (0 if declared.like else 3 + plan.MORE) and row["finals"] == 2
        assert row["run_seconds"] >= round(2 * row["step_seconds"], 1) >= 0
    assert price.shown(record) in readme.read_text(encoding="utf-8")


def test_the_stored_price_is_of_the_declared_rows_and_stands_in_the_readme():
    folder = Path(__file__).parents[2] / "data/results"
    record = json.loads((folder / "nmnist-price.json").read_text(encoding="utf-8"))
    declared = [(row.group, row.label) for row in nmnist.NMNIST.rows]
    assert [(row["group"], row["label"]) for row in record["rows"]] == declared
    assert record["data"]["recordings"] == "54,000 / 6,000 / 10,000"
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert price.fill(text, folder) == text and "| hours |" in text


def test_another_test_set_has_results_and_keys_of_its_own(
    made, monkeypatch, tmp_path, capsys, plain
):
    few = plain._replace(test=plain.test.subset(range(0, 500, 50)))
    mnist = plain._replace(test=plain.test.subset(range(1, 500, 25)), name="saccade MNIST")
    monkeypatch.setattr(
        runner, "load_splits", lambda source="", *_, **__: mnist if source == "mnist.npz" else few
    )
    assert study("tiny") == 0
    before = set(made)
    assert study("tiny", "--test-digits", "mnist.npz") == 0
    again = made[len(before) :]
    assert len(again) == 2 and not before & set(again), "finals anew, and no trial"
    result = read("tiny-test-digits", "data/results")
    assert result["data"]["recordings"] == "4,000 / 500 / 20"
    assert (
        "for the test recordings simulated from MNIST's own test digits" in (result["data"]["name"])
    )
    page = (tmp_path / "data/results/tiny-test-digits.md").read_text(encoding="utf-8")
    assert "`python -m studies study tiny --test-digits PATH`" in page
    assert read("tiny", "data/results")["data"]["recordings"] == "4,000 / 500 / 10"
    assert study("tiny-test-digits") == 2
    assert "is made by `python -m studies study tiny --test-digits" in capsys.readouterr().err
    assert study("tiny-test-digits", "--tables-only") == 0
    (tmp_path / "data/results/figures.json").write_text("{}", encoding="utf-8")
    assert study("figures") == 2 and "cannot be run any more" in capsys.readouterr().err
    assert study("tiny", "--test-digits", "folder") == 2
    assert "expected MNIST as an .npz" in capsys.readouterr().err
    assert study("nmnist", "--test-digits", "mnist.npz", "--data", "x") == 2
    assert "is for studies of saccade digits" in capsys.readouterr().err


def test_a_row_of_one_choice_has_no_trials(plain):
    sets = plain._replace(validation=plain.validation.subset(np.arange(10)),
                          test=plain.test.subset(np.arange(10)))  # fmt: skip
    one = replace(TINY, search=())
    (row,) = price.price(one, list(one.rows), sets, 3)["rows"]
    assert (row["trials"], row["finals"], row["steps"]) == (0, 3, 2)
