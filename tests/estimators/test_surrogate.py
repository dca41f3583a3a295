"""Surrogate derivatives against the slopes they stand for, BPTT against the chain rule by hand."""

import math

import pytest
import torch

from course_lib.estimators.surrogate import SURROGATES, SurrogateBPTT, surrogate_spike
from course_lib.fitness import cross_entropy
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork

# what each surrogate is the derivative of
PRIMITIVES = {
    "fast_sigmoid": lambda u, k: u / (1 + k * u.abs()),
    "sigmoid": lambda u, k: torch.sigmoid(k * u),
    "arctan": lambda u, k: torch.atan(math.pi / 2 * k * u) / math.pi,
}
PEAKS = {"fast_sigmoid": lambda k: 1.0, "sigmoid": lambda k: k / 4, "arctan": lambda k: k / 2}


@pytest.mark.parametrize("slope", [1.0, 10.0, 25.0])
@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates_are_the_derivatives_they_claim(name, slope):
    u = torch.linspace(-2, 2, 4001, dtype=torch.float64, requires_grad=True)
    PRIMITIVES[name](u, slope).sum().backward()
    assert torch.allclose(SURROGATES[name](u.detach(), slope), u.grad, atol=1e-12)
    peak = SURROGATES[name](torch.zeros(1, dtype=torch.float64), slope).item()
    assert peak == pytest.approx(PEAKS[name](slope))


def test_forward_is_the_spike_and_backward_the_surrogate():
    u = torch.tensor([-0.3, 0.0, 0.2], requires_grad=True)
    spikes = surrogate_spike(lambda u: SURROGATES["sigmoid"](u, 3.0))(u)
    assert spikes.tolist() == [0, 0, 1]
    (spikes * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    expected = torch.tensor([1.0, 2.0, 3.0]) * SURROGATES["sigmoid"](u.detach(), 3.0)
    assert torch.allclose(u.grad, expected)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_bptt_equals_the_chain_rule_by_hand(reset):
    """One LIF layer, rate readout: ∂L/∂W = Σ_t δ[t] x[t]ᵀ with the adjoint run backwards,

    a[t] = g(u[t]) ∂L/∂s[t] + β a[t+1] · keep[t],   keep = 1 − s for the zero reset, else 1
    """
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(7, 4, 6, generator=generator)
    labels = torch.randint(3, (4,), generator=generator)
    network = SpikingNetwork((6, 3), LIFParameters(0.8, reset=reset), weight_sd=0.8)
    estimator = SurrogateBPTT("fast_sigmoid", slope=2.0)
    loss = estimator.fill_grads(network, frames, labels)

    (layer,) = network.record(frames)
    rates = layer.spikes.mean(dim=0)
    assert loss == pytest.approx(cross_entropy(10 * rates, labels).item())
    before_reset = layer.voltages + layer.spikes  # subtract: v + θ s
    if reset == "zero":
        v, before = torch.zeros(4, 3), []
        for t in range(7):
            before.append(0.8 * v + layer.currents[t])
            v = layer.voltages[t]
        before_reset = torch.stack(before)
    one_hot = torch.nn.functional.one_hot(labels, 3)
    to_spike = 10 * (torch.softmax(10 * rates, 1) - one_hot) / 4 / 7
    adjoint, weight, bias = torch.zeros(4, 3), torch.zeros(3, 6), torch.zeros(3)
    for t in reversed(range(7)):
        keep = 1 - layer.spikes[t] if reset == "zero" else 1.0
        carried = 0.8 * adjoint * keep
        adjoint = SURROGATES["fast_sigmoid"](before_reset[t] - 1, 2.0) * to_spike + carried
        weight += adjoint.T @ frames[t]
        bias += adjoint.sum(dim=0)
    assert torch.allclose(network.layers[0].weight.grad, weight, atol=1e-6)
    assert torch.allclose(network.layers[0].bias.grad, bias, atol=1e-6)
    assert weight.norm() > 0.1


def test_gradients_are_replaced_not_added():
    generator = torch.Generator().manual_seed(1)
    frames, labels = torch.rand(5, 4, 6, generator=generator), torch.tensor([0, 1, 2, 0])
    network, estimator = SpikingNetwork((6, 3), weight_sd=0.8), SurrogateBPTT()
    estimator.fill_grads(network, frames, labels)
    once = network.layers[0].weight.grad.clone()
    estimator.fill_grads(network, frames, labels)
    assert torch.equal(network.layers[0].weight.grad, once)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"surrogate": "relu"}, "choose one of fast_sigmoid, sigmoid, arctan"),
        ({"slope": 0.0}, "must be a positive number"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SurrogateBPTT(**arguments)


def test_bad_batches_say_what_to_do():
    network, frames = SpikingNetwork((6, 3)), torch.zeros(5, 4, 6)
    for labels, message in [
        (torch.zeros(3, dtype=torch.int64), r"expected torch.int64 of shape \(4,\)"),
        (torch.zeros(4), "expected torch.int64"),
        (torch.tensor([0, 1, 2, 3]), r"must lie in 0 … 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            SurrogateBPTT().fill_grads(network, frames, labels)
    with pytest.raises(ValueError, match=r"shape \(5, 0, 6\).*none of them empty"):
        SurrogateBPTT().fill_grads(network, frames[:, :0], torch.zeros(0, dtype=torch.int64))
