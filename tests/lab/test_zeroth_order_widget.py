"""The network that lesson 04's widget trains: many members in one pass, estimates of the slope."""

import torch

from course_lab.widgets.zeroth_order import digits, logits, small_network, train, weights_of
from course_lib.fitness import cross_entropy


def test_members_in_one_pass_equal_networks_one_by_one():
    network, data = small_network(4), digits(4)
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
    network, data = small_network(4), digits(4)
    frames, labels = data.frames[:, :10], data.labels[:10]
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
    run = train(4, 0.1, 8)
    assert run == train(4, 0.1, 8)
    assert sum(run.losses[-5:]) < 0.75 * sum(run.losses[:5])
    assert run.accuracy > 0.45  # guessing: 0.25 ± 0.03
