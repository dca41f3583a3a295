"""Alignment and variance of estimators against gradients that are known."""

import pytest
import torch

from course_lib.alignment import alignment
from course_lib.estimators import ES, SurrogateBPTT
from course_lib.estimators.base import Estimator
from course_lib.estimators.opzo import OPZO
from course_lib.network import SpikingNetwork


def setup():
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(5, 8, 20, generator=generator) < 0.3).float()
    labels = torch.randint(4, (8,), generator=generator)
    return SpikingNetwork((20, 12, 4), readout="membrane", weight_sd=0.5), frames, labels


class Noisy(Estimator):
    """c · BPTT's gradient + noise of standard deviation s in every entry."""

    def __init__(self, factor=1.0, deviation=0.0):
        self.factor, self.deviation = factor, deviation

    def fill_grads(self, network, frames, labels, step=0):
        loss = SurrogateBPTT().fill_grads(network, frames, labels, step)
        generator = torch.Generator().manual_seed(step)
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.grad.mul_(self.factor).add_(noise, alpha=self.deviation)
        return loss


def test_bptt_agrees_with_itself_and_does_not_vary():
    for layer in alignment(*_with(SurrogateBPTT()), repeats=3):
        assert layer.cosine == pytest.approx(1, abs=1e-6) == layer.mean_cosine
        assert layer.variance == layer.relative_variance == 0
        assert layer.scale == pytest.approx(1)


def test_scale_and_sign_are_seen():
    for layer in alignment(*_with(Noisy(-3.0)), repeats=2):
        assert layer.cosine == pytest.approx(-1, abs=1e-6) and layer.scale == pytest.approx(3)


def test_variance_is_that_of_the_noise():
    """d entries of deviation s: variance d s², with standard error s² d √(2 / d(R − 1)).
    R = 200; 4 standard errors; the mean of R gradients lies closer to the truth than one."""
    network, frames, labels = setup()
    layers = alignment(network, Noisy(1.0, 0.1), frames, labels, repeats=200)
    for layer, linear in zip(layers, network.layers, strict=True):
        entries = linear.weight.numel() + linear.bias.numel()
        expected = entries * 0.01
        error = expected * (2 / (entries * 199)) ** 0.5
        assert abs(layer.variance - expected) < 4 * error
        assert layer.cosine < layer.mean_cosine


def test_nothing_is_changed():
    network, frames, labels = setup()
    estimator = OPZO(momentum=0.5)
    estimator.fill_grads(network, frames, labels)
    feedback = estimator.feedback[0].clone()
    weights = [p.clone() for p in network.parameters()]
    grads = [p.grad.clone() for p in network.parameters()]
    first = alignment(network, estimator, frames, labels, repeats=4)
    assert torch.equal(estimator.feedback[0], feedback)
    for parameter, weight, grad in zip(network.parameters(), weights, grads, strict=True):
        assert torch.equal(parameter, weight) and torch.equal(parameter.grad, grad)
    assert first == alignment(network, estimator, frames, labels, repeats=4)
    network.zero_grad(set_to_none=True)
    alignment(network, ES(population=4), frames, labels, repeats=2)
    assert all(p.grad is None for p in network.parameters())


def test_bad_repeats():
    with pytest.raises(ValueError, match="a variance needs at least 2"):
        alignment(*_with(SurrogateBPTT()), repeats=1)


def _with(estimator):
    network, frames, labels = setup()
    return network, estimator, frames, labels
