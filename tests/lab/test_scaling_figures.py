"""Figures of shared populations show the numbers they are given."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from course_lab.scaling_figures import FITNESS_BYTES, GRADIENT_BYTES, messages, together
from studies.bench.model import NETWORKS

ROOT = Path(__file__).parents[2]
NETWORK = next(iter(NETWORKS))


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
