"""Tables of benchmarks, and what pages show of them."""

import json
from pathlib import Path

from studies.bench import store, timing
from studies.bench.benchmarks import main
from studies.bench.device import on_device, work
from studies.bench.generation import Setting
from studies.bench.timing import Table, Times, meets, row

ROOT = Path(__file__).resolve().parents[1]


def table():
    return Table({"ours": 0.1}).show([
        "2312-256-10", row("ours", 100, "ms"), row("against theirs", 3.14159, "×", 5),
        "2312-64-10", row("noise", 4.5, "%", 5, at_most=True),
    ])  # fmt: skip


def test_a_brief_contestant_follows_upon_itself(monkeypatch):
    """Contestants of 1 and 0.125 seconds: all run once before, then in turn."""
    monkeypatch.setattr(timing, "seconds_of", lambda run: run())
    ran = []
    contestants = {1.0: lambda: ran.append("long") or 1.0, 0.125: lambda: ran.append("b") or 0.125}
    times = Times(contestants, 2)
    assert ran == ["long", "b"] + 2 * ["long", "b", "b"]
    assert times.medians() == {1.0: 1.0, 0.125: 0.125} and times.ratio(1.0, 0.125) == 8


def test_a_table_keeps_its_figures_and_their_headings():
    time, ratio, noise = table().figures
    assert time == {"setting": "2312-256-10", "what": "ours", "value": 100, "unit": "ms",
                    "bar": None, "at_most": False}  # fmt: skip
    assert ratio["value"] == 3.14159 and noise["setting"] == "2312-64-10" and noise["at_most"]
    lines = table().text.splitlines()
    assert lines[2].endswith("3.14 ×   (bar: ≥ 5, missed)") and lines[4].endswith("(bar: ≤ 5)")
    assert meets(5, 5, True) and meets(5, 5, False) and not meets(6, 5, True)


def test_pages_show_the_figures_that_have_a_bar():
    here = {"processor": "P", "vectors": "AVX2", "cores": 2, "torch": "2", "threads": 1}
    record = {"figures": table().figures, "machine": here, "date": "2026-01-02T03:04:05"}
    text = "a\n<!-- bench ours none -->\nold\n<!-- end of bench -->\nb\n"
    filled = store.fill(text, {"ours": record, "others": record})
    assert filled.startswith("a\n<!-- bench ours none -->\n| `bench` |") and "old" not in filled
    assert filled.endswith("<!-- end of bench -->\nb\n")
    assert "| | against theirs | 3.14 × | ≥ 5 | missed |" in filled
    assert "| | noise | 4.5 % | ≤ 5 |  |" in filled and "ms" not in filled
    ratio = {**table().figures[1], "bar": None}
    for names, shown in [(["ours"], False), (["all", "ours"], True)]:
        text = store.table({"ours": {**record, "figures": [ratio]}}, names)
        assert ("against theirs | 3.14 × |  |  |" in text) == shown
    assert "`ours` on P (AVX2), 2 cores, torch 2 with 1 threads, 2026-01-02." in filled
    assert "others" not in filled and store.fill(filled, {"ours": record}) == filled
    assert store.number(1234.5) == "1,234" and store.number(0.123456) == "0.123"


def test_the_page_is_what_the_stored_benchmarks_say():
    text = (ROOT / "data/results/README.md").read_text(encoding="utf-8")
    assert "<!-- bench " in text
    assert store.fill(text, store.stored(ROOT / "data" / "results")) == text


def test_storing_a_benchmark_fills_the_folders_page(tmp_path, capsys):
    page = tmp_path / "README.md"
    page.write_text("<!-- bench gpu live -->\n<!-- end of bench -->\n", encoding="utf-8")
    assert main(["live"], 1, quick=True, folder=tmp_path) == 0
    record = json.loads((tmp_path / "bench-live.json").read_text(encoding="utf-8"))
    assert [figure["what"] for figure in record["figures"]][0] == "rank 1"
    assert "Measured by `live` on" in page.read_text(encoding="utf-8")


def test_the_gpu_benchmark_counts_and_times_the_same_torch_code():
    """By hand, N = 4, 2 neurons, B = 3, T = 1, D = 5, r = 1: two draws."""
    first = 3 * 5 * (2 + 2) + 3 * 2 * 2
    second = 3 * 4 * (2 * 11 + 10)
    assert work(Setting(2, 4, 3), steps=1, inputs=5) == 2 * (first + second + 2 * (5 * 2 + 20))
    found = on_device("cpu", "this processor", (4,), repeats=1, batch=4)
    assert found["population 4"] > 0 and found.text.startswith("this processor\n")
    assert len(found.figures) == 8 and found["population 4, plain"] > 0
