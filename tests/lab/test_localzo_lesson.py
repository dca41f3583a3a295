"""What the widget and the figures of lesson 05 show is what the library computes."""

import math

import numpy as np
import pytest
import torch

from course_lab import localzo_figures
from course_lab.picture import new_figure
from course_lab.widgets import localzo
from course_lib.estimators.localzo import LocalZO
from course_lib.network import SpikingNetwork

GRID = np.linspace(0, 1, 21)
DRAWINGS = {
    "derivatives": [GRID, {"a": GRID, "b": GRID**2}, GRID**3, 5],
    "reach": [GRID, {"m = 1": GRID, "m = 5": GRID}, {"m = 1": 0.8, "m = 5": 1.57}],
    "sampled": [np.random.default_rng(0).random(50), GRID, np.ones(21)],
    "against_samples": [[1, 2, 5], {"a": GRID[:3], "b": GRID[:3]}, "cosine"],
    "training": [[0, 10], {"a": np.ones((3, 2)), "b": np.zeros((3, 2))}],
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_figures_draw_on_their_axes_and_label_them(name):
    ax = new_figure()[1]
    assert getattr(localzo_figures, name)(ax, *DRAWINGS[name]) is ax
    assert ax.get_xlabel() and ax.get_ylabel() and ax.has_data()
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.get_legend().get_lines()]
    assert len(set(looks)) == len(looks)


def test_histogram_of_draws_has_area_one():
    draws = np.random.default_rng(1).random(10_000) * 2
    ax = localzo_figures.sampled(new_figure()[1], draws, np.linspace(0, 2, 50), np.full(50, 0.5))
    values, edges, _ = ax.patches[0].get_data()
    assert np.dot(values, np.diff(edges)) == pytest.approx(1)


def test_pooling_merges_squares_and_keeps_polarity_and_time():
    frames = torch.zeros(3, 2, 2312)
    pictures = frames.view(3, 2, 2, 34, 34)
    pictures[1, 0, 1, 4, 7] = pictures[1, 0, 1, 5, 6] = pictures[2, 1, 0, 33, 33] = 1
    small = localzo.pooled(frames).view(3, 2, 2, 17, 17)
    assert small.sum() == 2
    assert small[1, 0, 1, 2, 3] == 1 and small[2, 1, 0, 16, 16] == 1


@pytest.mark.parametrize("samples", [1, 5])
def test_active_share_is_that_of_the_formula(samples):
    """P(G ≠ 0 | u) = 1 − erf(|u|/(δ√2))^m for the normal λ, averaged over the entries; within 4
    standard errors of at most 0.5/√n, n = 10 · 200 · 30. Seed 0."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(10, 200, 40, generator=generator) < 0.3).double()
    network = SpikingNetwork((40, 30, 5), readout="membrane", weight_sd=0.2).double()
    seen = []

    def spy(distance):
        seen.append(distance.detach())
        return (distance > 0).to(distance.dtype)

    network.logits(frames, spike=spy)
    short = torch.erf(torch.stack(seen).abs() / (0.5 * math.sqrt(2))) ** samples
    share = localzo.active_share(network, frames, LocalZO(delta=0.5, samples=samples))
    assert abs(share - (1 - short).mean().item()) < 4 * 0.5 / math.sqrt(short.numel())


def test_running_mean_and_threads():
    assert localzo.running_mean([4.0, 2.0, 0.0, 0.0], 2).tolist() == [4, 3, 1, 0]
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), localzo.one_thread():
        assert torch.get_num_threads() == 1
        raise RuntimeError
    assert torch.get_num_threads() == before
