"""The four-digit task of lessons 06 and 07, and the pictures of populations."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_lab import evolution_figures, four_digits
from course_lib.estimators import ES
from course_lib.fitness import cross_entropy


def axes():
    return Figure().subplots()


def test_coarse_pixels_are_one_where_any_of_four_is():
    frames = torch.zeros(3, 2, 2312)
    frames[1, 0, 34 * 34 + 34 * 5 + 7] = 1  # polarity 1, row 5, column 7
    coarse = four_digits.coarse(frames)
    assert coarse.shape == (3, 2, 578) and coarse.sum() == 1
    assert coarse[1, 0, 17 * 17 + 17 * 2 + 3] == 1


def test_the_task_is_balanced_and_binary():
    data = four_digits.four_digits()
    assert data.frames.shape == (5, 160, 289) and data.unseen_frames.shape == (5, 200, 289)
    assert set(data.frames.unique().tolist()) == {0.0, 1.0}
    assert torch.bincount(data.labels).tolist() == [40] * 4
    assert torch.bincount(data.unseen_labels).tolist() == [50] * 4


def test_along_measures_fitness_on_the_line_and_leaves_the_network_alone():
    network, data = four_digits.small_network(), four_digits.four_digits()
    before = [p.detach().clone() for p in network.parameters()]
    noise = ES(seed=3).noise(network, step=0, draw=0)
    direction = [tensor for layer in noise for tensor in layer]
    got = four_digits.along(network, direction, torch.tensor([0.0, 0.1], dtype=torch.float64))
    assert all(torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True))
    with torch.no_grad():
        for place, distance in enumerate((0.0, 0.1)):
            for p, b, e in zip(network.parameters(), before, direction, strict=True):
                p.copy_(b + distance * e)
            loss = cross_entropy(network.logits(data.frames), data.labels)
            assert got[place].item() == pytest.approx(-loss.item(), abs=1e-12)


def test_smoothing_a_parabola_lowers_it_by_sigma_squared_and_keeps_its_slope():
    grid = torch.linspace(-3, 3, 601).double()
    bell = four_digits.smoothed(grid, -grid.square() + 2 * grid, 0.2)
    inside = grid.abs() < 1
    assert torch.allclose(bell[inside], (-grid.square() + 2 * grid - 0.2**2)[inside], atol=1e-6)


def test_runs_are_drawn_against_forward_passes_with_a_running_mean():
    ax = evolution_figures.runs(axes(), {"a": [4.0, 2.0, 0.0]}, {"a": 10}, window=2)
    (line,) = ax.get_lines()
    assert line.get_xdata().tolist() == [20, 30] and line.get_ydata().tolist() == [3.0, 1.0]


def test_densities_integrate_to_one_and_leave_their_samples_alone():
    values = np.random.default_rng(0).standard_normal(50_000)
    before = values.copy()
    ax = evolution_figures.densities(axes(), {"Gaussian sample": values})
    curve = next(line for line in ax.get_lines() if line.get_label() == "Gaussian sample")
    width = np.diff(curve.get_xdata())[0]
    assert np.nansum(curve.get_ydata()) * width == pytest.approx(1, abs=1e-3)
    assert np.array_equal(values, before)


@pytest.mark.parametrize("mirrored", [True, False])
def test_es_at_once_is_es(mirrored):
    network, data = four_digits.small_network(), four_digits.four_digits()
    grads = []
    for method in (ES, four_digits.ESAtOnce):
        estimator = method(population=6, sigma=0.05, mirrored=mirrored, seed=2)
        estimator.fill_grads(network, data.frames, data.labels, step=1)
        loss = estimator.fill_grads(network, data.frames, data.labels, step=4)
        grads.append([torch.tensor(loss), *(p.grad.clone() for p in network.parameters())])
    assert all(torch.allclose(a, b, rtol=0, atol=1e-10) for a, b in zip(*grads, strict=True))
