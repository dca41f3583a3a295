"""The benchmark of LocalZO's sparse passes at a tiny size, and half its bars at the full one."""

import json
from pathlib import Path

import pytest
import torch

from course_lib.estimators.localzo import LocalZO
from course_lib.estimators.surrogate import surrogate_spike
from studies.bench.benchmarks import main
from studies.bench.localzo import (
    BARS,
    DELTA,
    DENSE,
    LOOP,
    SPARSE,
    compare,
    comparison,
    setting,
)
from studies.bench.passes import autograd, kernel, phases, ratios
from studies.bench.store import page


@pytest.fixture
def one_thread():
    """On a busy machine, one thread says more about the code than two do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_tiny_comparison(one_thread):
    found = compare(1, steps=10, batch=8)
    assert found["difference"] < 1e-5, "the kernel's gradients are the loop's"
    assert 0.05 < found["inputs"] < 0.3 and all(0.01 < rate < 0.2 for rate in found["hidden"])
    assert list(found["times"])[0] == LOOP and {DENSE, SPARSE} < set(found["times"])
    for times in found["times"].values():
        assert times["both"] == pytest.approx(times["forward"] + times["backward"])
    active = {name: times["active"] for name, times in found["times"].items()}
    assert active[DENSE] == active[LOOP] == 1 and active[SPARSE] < 0.05


def test_the_table_says_what_misses_its_bar():
    def times(forward, backward, active):
        return dict(forward=forward, backward=backward, both=forward + backward, active=active)

    found = {
        "inputs": 0.03, "hidden": [0.04, 0.06], "difference": 5e-7,
        "times": {LOOP: times(2, 8, 1), DENSE: times(1, 4, 1), SPARSE: times(2, 0.5, 0.01)},
    }  # fmt: skip
    assert ratios(found["times"], LOOP, SPARSE) == (16, 4)
    lines = comparison(300, found, bars=True).splitlines()
    met, missed, sparse, _ = lines[-4:]
    assert "16.00 ×" in met and met.endswith("(bar: ≥ 15)")
    assert missed.endswith("(bar: ≥ 6, missed)") and "8.00 ×" in sparse
    assert "bar" not in comparison(300, found, bars=False) + comparison(10, found, bars=True)


def test_the_command_keeps_figures_and_table(tmp_path, capsys):
    assert main(["localzo"], 1, quick=True, folder=tmp_path) == 0
    record = json.loads((tmp_path / "bench-localzo.json").read_text(encoding="utf-8"))
    assert record["quick"] and record["median_seconds"]["T = 10"]["times"][SPARSE]["both"] > 0
    page = (tmp_path / "bench-localzo.md").read_text(encoding="utf-8")
    assert record["text"] in page and record["text"] in capsys.readouterr().out
    assert record["machine"]["processor"] in page and "see that it works" in page


def test_the_stored_page_is_made_from_the_stored_figures():
    path = Path(__file__).parents[1] / "data" / "results" / "bench-localzo.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path.with_suffix(".md").read_text(encoding="utf-8") == page("localzo", record)
    assert not record["quick"] and "missed" not in record["text"]
    for steps, wanted in BARS.items():
        found = record["median_seconds"][f"T = {steps}"]
        assert comparison(steps, found, bars=True) in record["text"]
        assert all(r >= bar for r, bar in zip(ratios(found["times"], LOOP, SPARSE), wanted,
                                              strict=True))  # fmt: skip


@pytest.mark.slow
def test_localzo_stays_above_half_its_bars(one_thread):
    """T = 100 at full size, medians of three; when written: 20 and 8.5 times, bars 10 and 4."""
    network, frames, labels = setting(100)
    method = LocalZO(delta=DELTA, samples=1)
    contestants = {
        LOOP: autograd(lambda: surrogate_spike(method.smoothing.surrogate)),
        SPARSE: kernel(method.pseudo_derivative(0)),
    }
    times = phases(contestants, 3, network, frames, labels)
    for ratio, bar in zip(ratios(times, LOOP, SPARSE), BARS[100], strict=True):
        assert ratio > bar / 2
