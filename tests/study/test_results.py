"""The results in the repository: whole, of the declared settings, and shown as they are."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from course_lib.results import load
from studies import pages, plan, results, tables
from studies.declared import STUDIES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "data" / "results"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem in STUDIES)


@pytest.fixture(params=NAMES)
def result(request):
    return load(request.param)


@pytest.fixture(params=[*NAMES, "declined"])
def kept(request):
    """With the study whose options have left the library."""
    return load(request.param)


def test_there_are_results():
    assert "methods" in NAMES


def test_they_say_where_they_come_from(result):
    assert result["data"]["recordings"].count("/") == 2 and result["machines"]
    for row in result["rows"]:
        seeds = plan.seeds(STUDIES[result["study"]], row["summary"]["n"])
        seeds_searched = len(result["search"].get("seeds", [0]))
        assert len(row["trials"]) in (0, result["search"]["trials"] * seeds_searched)
        assert [run["seed"] for run in row["runs"]] == list(seeds)
        for run in row["trials"] + row["runs"]:
            assert re.fullmatch(r"[0-9a-f]{12}\+?", run["revision"]) and run["threads"] >= 1
            assert set(result["machines"][run["machine"]]) >= {"processor", "cores", "torch"}


def test_they_are_of_the_declared_settings(result):
    """Each run has the key that its row has today; if not, the study must be run again."""
    study = STUDIES[result["study"]]
    declared = {(row.group, row.label): row for row in study.rows}
    seeds = len(result["search"].get("seeds", [0]))  # there was one before 2026-12
    assert (result["title"], result["question"]) == (study.title, study.question)
    for row in result["rows"]:
        today = declared[row["group"], row["label"]]
        jobs = [plan.final(study, today, row["chosen"], run["seed"]) for run in row["runs"]]
        for choice in row["tried"] if row["trials"] else ():
            jobs += plan.trials(study, today, choice)[: seeds]
        assert [run["key"] for run in row["runs"] + row["trials"]] == [job.key for job in jobs]


def test_summaries_are_those_of_the_runs(kept):
    for row in kept["rows"]:
        assert row["summary"] == results.summarise(row["runs"])


def test_tables_and_figures_show_them(kept):
    name = kept["study"]
    assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == pages.page(kept)
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == results.dump(kept) + "\n"
    for form in ("png", "svg"):
        assert (FOLDER / f"{name}.{form}").stat().st_size > 5000


def test_the_page_holds_the_tables_as_generated():
    page = "data/results/README.md"
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"<!-- (?:study|findings) (\S+) -->", text)
    assert found, "no table between <!-- study NAME --> and <!-- end of study -->"
    for name in found:
        assert pages.fill(text, load(name)) == text, f"study {name} --tables-only renews {page}"


def test_nothing_in_them_is_of_one_place_only():
    for path in FOLDER.iterdir():
        if path.suffix in (".json", ".md", ".svg"):
            assert not re.search(
                r"(/home/|/tmp/|/root/|/Users/)", path.read_text(encoding="utf-8")
            ), path.name


def test_they_are_shipped():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    assert "results/*.json" in settings["package-data"]["course_lib._data"]
    assert all(
        json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["study"] == name
        for name in NAMES
    )


def made(*runs):
    """A row of runs: (machine, processor seconds, bytes)."""
    names = ("machine", "cpu_seconds", "peak_memory")
    return {"runs": [dict(zip(names, run, strict=True)) for run in runs]}


def test_processor_seconds_of_a_table_are_of_one_machine():
    slow, both = made((0, 30.0, 2e6), (0, 32.0, 2e6)), made((0, 20.0, 2e6), (1, 12.0, 5e6))
    fast = made((1, 10.0, None), (1, 11.0, None))
    shown = [tables.cpu(row, {"rows": [slow, both, fast]}) for row in (slow, both, fast)]
    assert shown == ["31.0", "20.0", "10.5*"]  # three runs on either: the first machine
    shown = [tables.cpu(row, {"rows": [slow, both, fast, fast]}) for row in (slow, both, fast)]
    assert shown == ["31.0*", "12.0", "10.5"]
    assert [tables.peak(row) for row in (slow, both, fast)] == ["2.0", "5.0", "–"]
