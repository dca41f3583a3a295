"""Lesson 04: the network that its widget trains, and its two walkers."""

import numpy as np
import pytest
import torch

from course_lab import walker
from course_lab.four_digits import four_digits, small_network
from course_lab.widgets.zeroth_order import BAND, logits, measure, weights_of
from course_lib.fitness import cross_entropy


def test_members_in_one_pass_equal_networks_one_by_one():
    network, data = small_network(), four_digits(250, 50)
    frames, weights = data.frames[:, :10], weights_of(network)
    members = torch.stack([weights, 1.1 * weights, weights.flip(0)])
    together = logits(network, members, frames)
    for member, answer in zip(members, together, strict=True):
        torch.nn.utils.vector_to_parameters(member, network.parameters())
        torch.testing.assert_close(answer, network.logits(frames).detach(), rtol=0, atol=1e-12)


def test_many_directions_find_the_slope_of_the_readout():
    """Seed 0. The loss is smooth in the output weights: a small σ must give their true slope.

    Each of n estimates has the squared error (d + 1) ‖∇f‖², so each entry of the mean has about
    the standard error ‖∇f‖/√n; 5 of them for 36 entries. σ = 10⁻⁷: a stair is crossed by none.
    """
    network, data = small_network(), four_digits(250, 50)
    frames, labels = data.frames[:, ::100], data.labels[::100]
    cross_entropy(network.logits(frames), labels).backward()
    truth = torch.cat([p.grad.flatten() for p in network.layers[1].parameters()])
    weights, count = weights_of(network), 2000
    z = torch.randn(
        count, len(weights), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    tried = cross_entropy(
        logits(network, torch.cat([weights + 1e-7 * z, weights - 1e-7 * z]), frames), labels
    ).view(2, count)
    estimate = ((tried[0] - tried[1]) / 2e-7 @ z / count)[-len(truth) :]
    assert (estimate - truth).abs().max() < 5 * truth.norm() / count**0.5


def test_training_learns_and_repeats():
    values = {"sigma": 0.03, "directions": 5}
    assert measure(values) == measure(values) > 0.4  # guessing: 0.25 ± 0.03
    assert list(BAND) == ["n = 1", "n = 5", "n = 25"]


def test_walkers_share_their_directions_and_two_runs_see_the_slope():
    one, two = walker.walks()
    np.testing.assert_array_equal(one["directions"], two["directions"])
    slope = walker.CURVATURE * two["places"][0]
    z = two["directions"][0]
    # on a bowl the two-point guess is (g·z) z to rounding, whatever σ is
    np.testing.assert_allclose(two["arrows"][0], -(z @ slope)[:, None] * z, rtol=1e-9, atol=1e-9)
    ends = [np.linalg.norm(walk["places"][-1]) for walk in (one, two)]
    assert ends[1] < walker.STEP < ends[0]
    assert walker.walk().page == walker.walk().page


@pytest.mark.browser
def test_a_browser_plays_pauses_and_scrubs_the_walk(browsing):
    with browsing(walker.walk().page) as tab:
        tab.wait_for_function("Number(document.querySelector('input').value) > 3")
        tab.get_by_role("button", name="Pause").click()
        tab.get_by_role("slider", name="progress of the walk").fill("17")
        assert tab.locator("span").last.inner_text() == "stop 2, guess 2"
