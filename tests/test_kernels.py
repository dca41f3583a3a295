"""The event-driven passes against the plain autograd loop, and their parts against matrix products.

Weights here are multiples of 2⁻¹², so that currents are exact in any order of summation and both
sides see the same spikes.
"""

import math

import numpy as np
import pytest
import torch

from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.smoothing import DISTRIBUTIONS
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.fast import PseudoDerivative
from course_lib.fast.event_driven import EventDrivenPass
from course_lib.fast.event_lists import input_events
from course_lib.fast.kernels import gradients as sums
from course_lib.fitness import cross_entropy
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork


def batch(steps=30, size=13, inputs=50, classes=5, density=0.15, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(steps, size, inputs, generator=generator) < density).float()
    return frames, torch.randint(classes, (size,), generator=generator)


def spiking(sizes=(50, 30, 20, 5), readout="membrane", **neuron):
    network = SpikingNetwork(sizes, LIFParameters(**neuron), readout, weight_sd=0.35)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in network.layers:
            layer.bias.normal_(0, 0.05, generator=generator)
        for parameter in network.parameters():
            parameter.copy_((parameter * 2**12).round() / 2**12)
    return network


def gradients(estimator, network, frames, labels):
    loss = estimator.fill_grads(network, frames, labels, step=2)
    return loss, [parameter.grad.clone() for parameter in network.parameters()]


def assert_close(grads, expected, tolerance=1e-5):
    """Entrywise, relative to the largest entry of each parameter."""
    for grad, truth in zip(grads, expected, strict=True):
        assert grad.shape == truth.shape and grad.is_contiguous()
        assert (grad - truth).abs().max() <= tolerance * truth.abs().max()


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("delay", [False, True])
@pytest.mark.parametrize("readout", ["rate", "membrane"])
@pytest.mark.parametrize("method", [LocalZO, SparseGrad])
@pytest.mark.parametrize("delta, samples", [(0.05, 1), (0.5, 5)])
def test_gradients_equal_the_loop_with_the_same_z(method, delta, samples, readout, delay, reset):
    frames, labels = batch()
    network = spiking(readout=readout, beta=0.9, reset=reset, reset_delay=delay)
    fast = method(delta=delta, samples=samples, seed=3)
    loop = method(delta=delta, samples=samples, seed=3, kernel="readable")
    loss, grads = gradients(fast, network, frames, labels)
    expected_loss, expected = gradients(loop, network, frames, labels)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert_close(grads, expected)
    assert 0 < fast.active_fraction == pytest.approx(loop.active_fraction)
    assert expected[0].abs().max() > 0


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("method", [LocalZO, SparseGrad])
def test_gradients_equal_the_loop_for_every_distribution(method, name):
    frames, labels = batch()
    network = spiking(beta=0.9)
    options = {"delta": 0.2, "samples": 3, "distribution": name}
    _, grads = gradients(method(**options), network, frames, labels)
    assert_close(grads, gradients(method(kernel="readable", **options), network, frames, labels)[1])


@pytest.mark.parametrize("alpha", [-1.0, 2.0])
@pytest.mark.parametrize("method", [LocalZO, SparseGrad])
def test_gradients_equal_the_loop_for_other_exponents_and_a_surrogate_of_ones_own(method, alpha):
    """Eq. 7 with |z|^α; at α = 2 the given g needs g′(u)/u² to be integrable."""

    def own(u):
        return torch.exp(-(u**4))

    frames, labels = batch()
    network = spiking(beta=0.9)
    options = {"delta": 0.3, "samples": 3, "distribution": own, "alpha": alpha}
    _, grads = gradients(method(**options), network, frames, labels)
    assert_close(grads, gradients(method(kernel="readable", **options), network, frames, labels)[1])


@pytest.mark.parametrize("beta", [0.0, 0.5, math.exp(-0.1), 1.0])
@pytest.mark.parametrize("sizes", [(50, 5), (50, 40, 5), (50, 20, 15, 10, 5), (33, 17, 3)])
def test_any_leak_and_any_number_of_layers(sizes, beta):
    """300 steps, so that β^t underflows float32 at β = 0.5 and the traces must be rescaled."""
    frames, labels = batch(300, 6, sizes[0], sizes[-1], density=0.03)
    network = spiking(sizes, "rate", beta=beta, reset="subtract", reset_delay=True)
    _, grads = gradients(LocalZO(delta=0.2, samples=1), network, frames, labels)
    loop = LocalZO(delta=0.2, samples=1, kernel="readable")
    assert_close(grads, gradients(loop, network, frames, labels)[1])


def test_a_dense_surrogate_through_the_kernel_is_surrogate_bptt():
    frames, labels = batch()
    network = spiking()

    def surrogate(distance):
        return 1 / (1 + 5 * distance.abs()) ** 2

    run = EventDrivenPass(network, input_events(frames), PseudoDerivative(math.inf, surrogate))
    logits = (network.logit_scale * run.outputs).requires_grad_()
    cross_entropy(logits, labels).backward()
    run.backward(network.logit_scale * logits.grad)
    grads = [parameter.grad.clone() for parameter in network.parameters()]
    assert run.active_fraction == 1
    assert torch.allclose(run.outputs, network(frames), atol=1e-5)
    network.zero_grad()
    cross_entropy(network.logits(frames, spike=surrogate_spike(surrogate)), labels).backward()
    assert_close(grads, [parameter.grad for parameter in network.parameters()])


@pytest.mark.parametrize("readout", ["rate", "membrane"])
def test_active_fraction_counts_the_entries_whose_derivative_is_not_zero(readout):
    frames, labels = batch()
    network = spiking(readout=readout, reset_delay=True)  # delayed: recorded v is v before reset
    estimator = SparseGrad(delta=0.1, samples=1)
    estimator.fill_grads(network, frames, labels)
    layers = network.record(frames)[: 3 if readout == "rate" else 2]
    near = [((layer.voltages - 1).abs() < estimator.threshold).flatten() for layer in layers]
    assert estimator.active_fraction == pytest.approx(torch.cat(near).double().mean().item())


def test_the_number_of_threads_changes_no_bit():
    frames, labels = batch(size=37)
    network, threads, results = spiking(), torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(gradients(LocalZO(seed=5), network, frames, labels)[1])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("inputs", [1, 15, 16, 17, 40])
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_events_are_the_ones_of_the_frames(inputs, density):
    frames, _ = batch(7, 5, inputs, density=density)
    events = input_events(frames)
    for b in range(5):
        for t in range(7):
            found = events.indices[b, events.starts[b, t] : events.starts[b, t + 1]]
            assert found.tolist() == frames[t, b].nonzero().flatten().tolist()


@pytest.mark.parametrize(
    "change", [lambda f: 2 * f, lambda f: 0.5 * f, lambda f: -f, lambda f: f.double()]
)
def test_other_frames_are_left_to_the_loop(change):
    frames, labels = batch()
    network, fused = spiking(), LocalZO(kernel="fused")
    for net, inputs in [(network, change(frames)), (spiking().double(), frames)]:
        with pytest.raises(ValueError, match='kernel="fused" does not work here: .*float|0 or 1'):
            fused.fill_grads(net, inputs, labels)
    with pytest.raises(ValueError, match=r"expected \(T, B, 50\)"):
        LocalZO().fill_grads(network, frames[:, :, :7], labels)


@pytest.mark.parametrize("inputs", [21, 300])
def test_both_sums_equal_the_matrix_product(inputs):
    """Σ a[t] x[t]ᵀ three ways, for a[t] = β a[t+1] + b[t] with b sparse; 300 inputs: more than are
    summed at a time. Seed 4."""
    generator, beta = np.random.default_rng(4), np.float32(0.8)
    x = (generator.random((40, inputs)) < 0.2).astype(np.float32)
    jumps = np.where(generator.random((40, 9)) < 0.1, generator.normal(size=(40, 9)), 0)
    path = np.zeros((41, 9), np.float32)
    for t in reversed(range(40)):
        path[t] = beta * path[t + 1] + jumps[t]

    def listed(entries):
        return np.concatenate([[0], (entries != 0).sum(axis=1).cumsum()]).astype(np.int32)

    events = np.nonzero(x)[1].astype(np.int32), listed(x)
    entries = (
        np.nonzero(jumps)[1].astype(np.int32), jumps[np.nonzero(jumps)].astype(np.float32),
        listed(jumps),
    )  # fmt: skip
    by_trace, room = np.zeros((9, inputs), np.float32), np.empty(sums.NEURONS, np.float32)
    by_event = np.zeros(inputs * sums.NEURONS, np.float32)
    ends = events[1][:-1].copy()
    for left in range(0, inputs, sums.TILE):
        sums.add_by_trace(by_trace, left, *entries, *events, ends, beta)
    sums.add_by_event(by_event, room, 0, *entries, *events, beta)
    by_event = by_event.reshape(inputs, sums.NEURONS)[:, :9]
    assert np.allclose(by_trace, path[:40].T @ x, atol=1e-5)
    assert np.allclose(by_event.T, path[:40].T @ x, atol=1e-5)
