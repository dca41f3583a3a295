"""The hybrid's gradients, layer by layer, are those of its two parts with the same noise."""

import math

import pytest
import torch

from course_lib.estimators import EGGROLL, OPZO, Hybrid, LocalZO
from course_lib.fitness import cross_entropy
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork

RULES = {
    "opzo": (OPZO, {"slope": 2.5, "alpha": 0.3, "momentum": 0.5}),
    "localzo": (LocalZO, {"delta": 0.4, "samples": 2, "distribution": "uniform"}),
}


def setup(readout="membrane", sizes=(40, 16, 12, 5)):
    generator = torch.Generator().manual_seed(3)
    frames = (torch.rand(6, 20, sizes[0], generator=generator) < 0.3).float()
    labels = torch.randint(sizes[-1], (20,), generator=generator)
    network = SpikingNetwork(sizes, LIFParameters(0.9), readout, 2.0, weight_sd=0.4)
    return network, frames, labels


def gradients(network):
    return [(layer.weight.grad.clone(), layer.bias.grad.clone()) for layer in network.layers]


@pytest.mark.parametrize("readout", ["rate", "membrane"])
@pytest.mark.parametrize("below", RULES)
def test_hidden_layers_have_the_local_rules_gradient(below, readout):
    """Over three steps, so that OPZO's feedback, which it keeps, takes part."""
    make, options = RULES[below]
    network, frames, labels = setup(readout)
    hybrid = Hybrid(below, population=8, sigma=0.05, seed=4, **options)
    pure = make(seed=4, **options)
    for step in range(3):
        loss = hybrid.fill_grads(network, frames, labels, step)
        mixed = gradients(network)
        assert loss == pure.fill_grads(network, frames, labels, step)
        expected = gradients(network)
    for found, wanted in zip(mixed[:-1], expected[:-1], strict=True):
        assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
        assert found[0].norm() > 0
    assert not torch.allclose(mixed[-1][0], expected[-1][0], rtol=0.1)


@pytest.mark.parametrize("kernel", ["readable", "fused"])
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("readout", ["rate", "membrane"])
def test_the_readout_has_eggrolls_gradient(readout, rank, kernel, monkeypatch):
    """Pure EGGROLL on the whole network, given the same noise at the readout and none below."""
    network, frames, labels = setup(readout)
    options = {"population": 16, "rank": rank, "sigma": 0.2, "seed": 9}
    hybrid = Hybrid(kernel=kernel, **options)
    hybrid.fill_grads(network, frames, labels, step=5)
    mixed = gradients(network)

    pure, last = EGGROLL(kernel="readable", **options), SpikingNetwork((12, 5))
    silent = sum(pure.lengths(SpikingNetwork(network.sizes[:-1])))

    def rows(net, step, draws):
        own = hybrid.eggroll.rows(last, step, draws)
        return torch.cat([torch.zeros(len(draws), silent), own], dim=1)

    monkeypatch.setattr(pure, "rows", rows)
    pure.fill_grads(network, frames, labels, step=5)
    expected = gradients(network)
    for found, wanted in zip(mixed[-1], expected[-1], strict=True):
        assert wanted.norm() > 0
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_the_readout_against_perturbed_networks_one_at_a_time():
    """The formula itself: W ± σ A Bᵀ/√r in the last layer, whole forward passes, −Σ f̃ E/(Nσ)."""
    network, frames, labels = setup("rate")
    rank, sigma, population = 2, 0.2, 12
    hybrid = Hybrid(population=population, rank=rank, sigma=sigma, seed=1, shaping="none")
    hybrid.fill_grads(network, frames, labels, step=2)
    found, layer = network.layers[-1].weight.grad.clone(), network.layers[-1]
    factors = hybrid.eggroll.factors(SpikingNetwork((12, 5)), 2, range(population // 2))[0]
    weight, bias, total = layer.weight.detach().clone(), layer.bias.detach().clone(), 0
    with torch.no_grad():
        for a, b, noise in zip(*factors, strict=True):
            perturbation = a @ b.T / math.sqrt(rank)
            for sign in (1, -1):
                layer.weight.copy_(weight + sign * sigma * perturbation)
                layer.bias.copy_(bias + sign * sigma * noise)
                fitness = -cross_entropy(network.logits(frames), labels)
                total = total - fitness * sign * perturbation / (population * sigma)
    assert torch.allclose(found, total, rtol=1e-4, atol=1e-5)


def test_an_interrupted_hybrid_goes_on_to_the_same_numbers():
    network, frames, labels = setup()
    first, second = Hybrid(population=4), Hybrid(population=4)
    for step in range(2):
        first.fill_grads(network, frames, labels, step)
    second.load_state_dict(first.state_dict())
    first.fill_grads(network, frames, labels, 2)
    expected = gradients(network)
    second.fill_grads(network, frames, labels, 2)
    assert all(torch.equal(a, b) for pair in zip(gradients(network), expected, strict=True)
               for a, b in zip(*pair, strict=True))  # fmt: skip


@pytest.mark.parametrize(
    "options, message",
    [
        ({"below": "dfa"}, "below is 'dfa'; choose one of opzo, localzo"),
        ({"delta": 0.5}, "delta is no option of 'opzo'"),
        ({"below": "localzo", "alpha": 0.2}, "alpha is no option of 'localzo'"),
        ({"sigma": (0.01, 0.03)}, "perturbs the readout alone"),
        ({"population": 3}, "population is 3"),
        ({"momentum": 1.0}, "momentum is 1.0"),
    ],
)
def test_bad_values_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        Hybrid(**options)


def test_a_network_without_hidden_layers_is_told():
    network = SpikingNetwork((6, 3))
    with pytest.raises(ValueError, match="without a hidden layer: Hybrid is about"):
        Hybrid(population=4).fill_grads(network, torch.ones(2, 1, 6), torch.zeros(1).long())
