"""The sparse backward pass in plain torch against the autograd loop with the same draws."""

import itertools

import pytest
import torch

from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.spike_derivative import draw_indices, draw_indices_on
from course_lib.fitness import cross_entropy
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from course_lib.sparse_backward import SparsePass


def gradients(network):
    found = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad(set_to_none=True)
    return found


def sparse_gradients(network, frames, labels, derivative):
    run = SparsePass(network, frames, derivative)
    logits = (network.logit_scale * run.outputs).requires_grad_()
    cross_entropy(logits, labels).backward()
    run.backward(network.logit_scale * logits.grad)
    return gradients(network), run


def setting(sizes, reset, delay, readout, steps=12, batch=6, device="cpu"):
    neuron = LIFParameters(beta=0.85, reset=reset, reset_delay=delay)
    spread = [2.5 / size**0.5 for size in sizes[:-1]]
    network = SpikingNetwork(sizes, neuron, readout, weight_sd=spread).double().to(device)
    generator = torch.Generator().manual_seed(1)
    frames = (torch.rand(steps, batch, sizes[0], generator=generator) < 0.2).double().to(device)
    return network, frames, (torch.arange(batch) % sizes[-1]).to(device)


@pytest.mark.parametrize(
    "sizes, reset, delay, readout",
    [
        (sizes, *options)
        for sizes in ((30, 9, 4), (30, 9, 7, 4))
        for options in itertools.product(
            ("zero", "subtract"), (False, True), ("membrane", "rate")
        )
    ],
)  # fmt: skip
def test_gradients_are_the_loops(sizes, reset, delay, readout):
    network, frames, labels = setting(sizes, reset, delay, readout)
    method = LocalZO(delta=0.3, samples=2, fast=False, seed=3)
    method.fill_grads(network, frames, labels, step=1)
    expected, spike = gradients(network), method.spike(1)
    found, run = sparse_gradients(
        network, frames, labels, lambda u: method.smoothing.derivative(u, spike.draw(u))
    )
    assert torch.allclose(run.outputs, network(frames), atol=1e-12)
    assert 0 < run.active_fraction < 1
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.abs().max() > 0 and torch.allclose(ours, theirs, atol=1e-12)


def test_draws_made_on_a_device_are_the_same():
    for key, position in ((0, 0), (2**62 - 1, 12_345), (987_654_321, 2**33)):
        expected = torch.from_numpy(draw_indices(key, position, 1000))
        found = draw_indices_on(torch.device("cpu"), key, position, 1000)
        assert torch.equal(found, expected)


def test_sparsegrad_and_a_network_that_never_comes_close():
    network, frames, labels = setting((30, 9, 7, 4), "zero", False, "membrane")
    method = SparseGrad(delta=0.3, samples=1, fast=False)
    method.fill_grads(network, frames, labels)
    expected = gradients(network)
    derivative = lambda u: method.smoothing.surrogate(u) * (u.abs() < method.threshold)  # noqa: E731
    found, _ = sparse_gradients(network, frames, labels, derivative)
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, expected, strict=True))
    with torch.no_grad():
        network.layers[0].bias.fill_(-100)
    found, run = sparse_gradients(network, frames, labels, derivative)
    assert not found[0].any() and not found[1].any() and found[-1].any()


def test_on_a_gpu_the_gradients_are_the_cpus(gpu):
    method = LocalZO(delta=0.3, samples=2, fast=False, seed=3)
    found = []
    for device in ("cpu", gpu):
        network, frames, labels = setting(
            (30, 9, 7, 4), "subtract", True, "membrane", device=device
        )
        spike = method.spike(1)
        found.append(sparse_gradients(
            network, frames, labels, lambda u, s=spike: method.smoothing.derivative(u, s.draw(u))
        )[0])  # fmt: skip
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs.cpu(), atol=1e-10)
