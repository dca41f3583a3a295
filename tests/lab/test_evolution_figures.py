"""The four-digit task of lessons 06 and 07, and the pictures of populations, still and moving."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch.nn.utils import parameters_to_vector

from course_lab import evolution_figures, four_digits, walk
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


@pytest.mark.parametrize("readout", ["membrane", "rate"])
def test_many_networks_at_once_answer_like_one_after_the_other(readout):
    network, data = four_digits.small_network(readout), four_digits.four_digits()
    start = parameters_to_vector(network.parameters()).detach()
    other = parameters_to_vector(four_digits.small_network(readout, seed=1).parameters()).detach()
    found = four_digits.fitness_of(network, torch.stack([other, start]), data.frames, data.labels)
    with torch.no_grad():
        logits = network.logits(data.frames)
    assert found[1].item() == pytest.approx(-cross_entropy(logits, data.labels).item(), abs=1e-12)
    right = (logits.argmax(dim=1) == data.labels).double().mean().item()
    assert four_digits.accuracy_of(network, start, data.frames, data.labels) == right
    assert found[0] != found[1]


def test_a_population_walks_uphill_and_one_that_huddles_stays():
    huddled, walks = (walk.wander(sigma, members=8, generations=12) for sigma in (1e-6, 0.2))
    assert huddled.ties == 1 and (huddled.means == 0).all()  # all stand on one terrace
    assert walks.fitness[-1] > walks.fitness[0] and walks.means.shape == (13, 2)
    assert walks.members.shape == (12, 8, 2) and walks.better.any(axis=1).all()
    middle = walks.members.mean(axis=1)  # mirrored: the mean of a generation is where it was drawn
    assert np.allclose(middle, walks.means[:-1], atol=1e-12)


def test_a_walk_plays_with_its_points_in_the_page_and_needs_one():
    one = walk.wander(0.2, members=4, generations=2)
    player = walk.play({"σ < 1": one})
    page = player._repr_mimebundle_()["text/html"]
    assert "σ < 1: from fitness -1.40" in player.text and "σ &lt; 1: from" in page
    assert page.count("<script>") == 1 and "data:image/png;base64," in page
    with pytest.raises(ValueError, match="at least one walk"):
        walk.play({})


def test_repairs_are_drawn_in_the_order_of_their_coming_the_newest_boldly():
    ax = evolution_figures.repairs(axes(), {"plain": [1.8, 1.7], "+ pairs": [1.8, 0.9]})
    plain, pairs, guessing = ax.get_lines()
    assert pairs.get_linewidth() > plain.get_linewidth() and pairs.get_alpha() == 1
    assert guessing.get_ydata()[0] == pytest.approx(np.log(4))
