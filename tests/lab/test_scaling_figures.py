"""Figures of shared populations show the numbers they are given."""

import copy

import matplotlib.pyplot as plt
import pytest

from course_lab.scaling_figures import received, speed_up
from course_lib.run.scaling_model import NETWORKS, Compute
from studies.bench.model import predictions

ROWS = predictions(Compute(0.01, 2e-5, 2e-4), NETWORKS, 594698)
NETWORK = next(iter(NETWORKS))


@pytest.mark.parametrize("draw, column, lines", [(speed_up, "speed_up", 4),
                                                 (received, "received_bytes", 4)])  # fmt: skip
def test_lines_hold_the_predictions_and_change_nothing(draw, column, lines):
    before = copy.deepcopy(ROWS)
    figure, ax = plt.subplots()
    assert draw(ax, ROWS, NETWORK) is ax
    assert len(ax.get_lines()) == lines and ax.get_xscale() == ax.get_yscale() == "log"
    (line,) = [line for line in ax.get_lines() if line.get_label().endswith("N = 32,768")]
    some = [row for row in ROWS if row["network"] == NETWORK and row["population"] == 32768]
    some = [row for row in some if draw is speed_up or row["processes"] > 1]
    assert list(line.get_xdata()) == [row["processes"] for row in some]
    assert list(line.get_ydata()) == [row[column] for row in some]
    styles = {(line.get_linestyle(), line.get_marker()) for line in ax.get_lines()}
    assert len(styles) == lines, "told apart without colour"
    assert before == ROWS
    plt.close(figure)


def test_an_unknown_network_is_named():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="network is 'string'; expected one of Ethernet"):
        speed_up(ax, ROWS, "string")
    plt.close()
