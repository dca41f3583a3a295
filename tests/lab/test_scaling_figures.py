"""Figures of shared populations show the numbers they are given."""

import copy
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from course_lab.scaling_figures import (
    FITNESS_BYTES,
    GRADIENT_BYTES,
    messages,
    speed_up,
    together,
)
from studies.bench.model import NETWORKS, Compute, predictions

ROOT = Path(__file__).parents[2]
ROWS = predictions(Compute(0.01, 2e-5, 2e-4), NETWORKS, 594698)
NETWORK = next(iter(NETWORKS))


def test_lines_hold_the_predictions_and_change_nothing():
    before = copy.deepcopy(ROWS)
    figure, ax = plt.subplots()
    assert speed_up(ax, ROWS, NETWORK) is ax
    assert len(ax.get_lines()) == 4 and ax.get_xscale() == ax.get_yscale() == "log"
    (line,) = [line for line in ax.get_lines() if line.get_label().endswith("N = 32,768")]
    some = [row for row in ROWS if row["network"] == NETWORK and row["population"] == 32768]
    assert list(line.get_xdata()) == [row["processes"] for row in some]
    assert list(line.get_ydata()) == [row["speed_up"] for row in some]
    styles = {(line.get_linestyle(), line.get_marker()) for line in ax.get_lines()}
    assert len(styles) == 4, "told apart without colour"
    assert before == ROWS
    plt.close(figure)


def test_what_workers_did_together():
    figure, ax = plt.subplots()
    together(ax, {"a": [0, 1], "b": [2, 3]}, "distance")
    assert [list(line.get_ydata()) for line in ax.get_lines()] == [[0, 1], [2, 3]]
    assert ax.get_ylabel() == "distance"
    plt.close(figure)


def test_messages_have_the_bytes_of_the_stored_predictions():
    """Those of four workers with 1,024 members; areas on the page are as the bytes."""
    stored = json.loads((ROOT / "data" / "results" / "scaling.json").read_text(encoding="utf-8"))
    (row,) = [row for row in stored["predictions"] if row["network"] == NETWORK
              and row["population"] == 1024 and row["processes"] == 4]  # fmt: skip
    assert (row["received_bytes"], row["gradient_bytes"]) == (FITNESS_BYTES, GRADIENT_BYTES)
    page = messages().page
    data = json.loads(re.search(r'getElementById\("messages-\w+"\), (.*)\); }\)', page)[1])
    few, many = data["panels"]
    assert (many["size"] / few["size"]) ** 2 == pytest.approx(
        many["bytes"] / few["bytes"], rel=0.02
    )
    assert len(data["weights"]) == len(data["fitness"]) + 1 == data["generations"] + 1


def test_an_unknown_network_is_named():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="network is 'string'; expected one of Ethernet"):
        speed_up(ax, ROWS, "string")
    plt.close()
