"""The model of a generation's time: its closed form, its fit, and the command that measures it."""

import json

import pytest

from course_lib.run.scaling import message_bytes, received_bytes, share
from studies import __main__ as cli
from studies.bench import model, scaling
from studies.bench.model import (
    NETWORKS,
    Compute,
    Network,
    fit_compute,
    fit_network,
    generation,
    predictions,
)

COMPUTE, NETWORK = Compute(0.01, 2e-5, 2e-4), Network(1e-4, 1e8)


def test_a_generation_by_hand():
    """N = 1000, K = 3: the largest share has 2 ⌈500 / 3⌉ = 334 members, a message 1344 bytes."""
    assert share(1000, 3) == 334 and message_bytes(1000, 3) == 1344
    assert received_bytes(1000, 3) == 2688
    expected = 0.01 + 1000 * 2e-5 + 334 * 2e-4 + 2 * (1e-4 + 1344 / 1e8)
    assert generation(1000, 3, COMPUTE, NETWORK) == pytest.approx(expected)
    assert generation(1000, 1, COMPUTE, NETWORK) == pytest.approx(0.01 + 0.02 + 0.2)
    for processes in (0, 501):
        with pytest.raises(ValueError, match=f"processes is {processes}; expected 1 to 500"):
            generation(1000, processes, COMPUTE, NETWORK)


def test_more_processes_than_pay_off_meet_the_price_of_rebuilding():
    """With a network that costs nothing, t → fixed + N · rebuild + 2 · member."""
    free = Network(0.0, float("inf"))
    assert generation(2000, 1000, COMPUTE, free) == pytest.approx(0.01 + 2000 * 2e-5 + 2 * 2e-4)


def test_the_fit_finds_the_constants_it_was_made_from():
    parts = [(n, part, COMPUTE.seconds(n, part)) for n in (64, 256, 1024) for part in (n, n / 4)]
    found = fit_compute(parts)
    assert [found.fixed, found.rebuild, found.member] == pytest.approx([0.01, 2e-5, 2e-4])
    gathers = [(k, size, NETWORK.gather(size, k)) for k in (2, 3, 4) for size in (8, 10**4, 10**6)]
    found = fit_network(gathers)
    assert [found.latency, found.bandwidth] == pytest.approx([1e-4, 1e8])


def test_no_constant_is_negative():
    """Seconds that fall with the population would need a rebuild below 0: it is left out."""
    found = fit_compute([(n, part, 0.01 - 1e-6 * n + 2e-4 * part)
                         for n in (64, 256, 1024) for part in (n, n / 4)])  # fmt: skip
    assert found.rebuild == 0 and found.fixed > 0 and found.member == pytest.approx(2e-4, rel=0.1)
    assert fit_network([(2, 8, 1e-4), (2, 10**6, 0.9e-4)]).bandwidth == float("inf")


def test_predictions_reach_a_thousand_processes():
    rows = predictions(COMPUTE, NETWORKS, 594698)
    last = [row for row in rows if row["processes"] == 1000]
    assert {row["population"] for row in last} == {32768, 1048576}, "1024 are 512 pairs"
    for row in rows:
        assert row["speed_up"] <= row["processes"] + 1e-9
        if row["processes"] > 1 and row["population"] == 1024:
            assert 100 * row["received_bytes"] < row["gradient_bytes"]


def test_the_page_and_the_stored_results_agree(tmp_path):
    record = json.loads(model.RESULTS.read_text(encoding="utf-8"))
    assert model.tables(record) in model.PAGE.read_text(encoding="utf-8")
    again = model.fitted(record)
    for part, constants in again["model"].items():
        assert record["model"][part] == pytest.approx(constants), "fitted to what is stored"
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- scaling -->\nold\n<!-- end of scaling -->\nafter\n", encoding="utf-8"
    )
    model.update(record, page)
    assert page.read_text(encoding="utf-8").startswith("before\n") and page.read_text(
        encoding="utf-8"
    ).endswith("after\n")
    assert "old" not in page.read_text(encoding="utf-8") and model.tables(
        record
    ) in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_command_measures_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scaling, "POPULATIONS", (64,))
    monkeypatch.setattr(scaling, "GATHERING", (2,))
    assert cli.main(["scaling", "--repeats", "1", "--json", str(tmp_path / "s.json")]) == 0
    printed = capsys.readouterr().out
    assert "t = fixed + N · rebuild" in printed and "Ethernet" in printed
    record = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert {"date", "machine", "revision", "parts", "gathers", "pairs", "model"} <= set(record)
    pair = record["pairs"][0]
    assert pair["received_bytes"] == received_bytes(pair["population"], 2)
    assert cli.main(["scaling", "--repeats", "0"]) == 2
