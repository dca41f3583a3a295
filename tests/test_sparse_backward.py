"""The sparse backward pass in torch against the autograd loop with the same draws."""

import pytest
import torch

from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.fitness import cross_entropy
from course_lib.lif import LIFParameters, heaviside, leaky_run, lif_run
from course_lib.network import SpikingNetwork
from studies.bench.sparse_backward import SparsePass
from studies.bench.through_time import distances, fused, leaky

RESETS = [("zero", False), ("zero", True), ("subtract", False), ("subtract", True)]


def gradients(network):
    found = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad(set_to_none=True)
    return found


def sparse_gradients(network, frames, labels, derivative, dense=False):
    run = SparsePass(network, frames, derivative, dense)
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


def the_loops_and_ours(network, frames, labels, dense=False):
    """Gradients by the autograd loop and by the sparse pass, with the same z; the sparse pass."""
    method = LocalZO(delta=0.3, samples=2, fast=False, seed=3)
    method.fill_grads(network, frames, labels, step=1)
    expected, spike = gradients(network), method.spike(1)
    found, run = sparse_gradients(
        network, frames, labels, lambda u: method.smoothing.derivative(u, spike.draw(u)), dense
    )
    return expected, found, run


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("sizes", [(30, 9, 4), (30, 9, 7, 4)])
@pytest.mark.parametrize("readout", ["membrane", "rate"])
@pytest.mark.parametrize("reset, delay", RESETS)
def test_gradients_are_the_loops(sizes, reset, delay, readout, dense):
    network, frames, labels = setting(sizes, reset, delay, readout)
    expected, found, run = the_loops_and_ours(network, frames, labels, dense)
    assert torch.allclose(run.outputs, network(frames), atol=1e-12)
    assert run.active_fraction == 1 if dense else 0 < run.active_fraction < 1
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.abs().max() > 0 and torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("readout", ["membrane", "rate"])
@pytest.mark.parametrize("reset, delay", RESETS)
@pytest.mark.parametrize("steps", [1, 2, 40])
def test_gradients_with_tritons_kernels_are_the_loops(triton_device, steps, reset, delay, readout,
                                                      dense):  # fmt: skip
    """Single precision; 6 · 9 pairs do not fill a program and 6 · 30 take two. The weights are
    multiples of 2⁻¹⁰: currents are exact in any order, so that all find the same spikes."""
    network, frames, labels = setting((30, 9, 30, 4), reset, delay, readout, steps)
    network, frames = network.float().to(triton_device), frames.float().to(triton_device)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter * 2**10).round() / 2**10)
    assert fused(frames)
    expected, found, run = the_loops_and_ours(network, frames, labels.to(triton_device), dense)
    assert run.active_fraction > 0 and torch.allclose(run.outputs, network(frames), atol=1e-5)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("reset, delay", RESETS)
def test_tritons_recursions_are_the_loops(triton_device, reset, delay):
    """Distances to the bit, or a spike could differ; the loops are taken in double precision."""
    neuron = LIFParameters(0.85, 0.9, reset, delay)
    generator = torch.Generator().manual_seed(0)
    currents = torch.randn(17, 5, 31, generator=generator).to(triton_device)
    apart, loop = distances(currents, neuron), []
    lif_run(currents, neuron, lambda u: loop.append(u) or heaviside(u))
    assert torch.equal(apart, torch.stack(loop)) and 0.1 < (apart > 0).float().mean() < 0.4
    strided = currents.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(distances(strided, neuron), apart)
    for spikes in (None, heaviside(apart)):
        for backwards in (False, True):
            double = None if spikes is None else spikes.double()
            wanted = leaky(currents.double(), 0.85, double, backwards)
            found = leaky(currents, 0.85, spikes, backwards)
            assert torch.allclose(found.double(), wanted, atol=1e-5)
    assert torch.allclose(leaky(currents, 0.85), leaky_run(currents, 0.85), atol=1e-5)


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
