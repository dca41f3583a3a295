"""Projected EGGROLL against closed forms: what it estimates, with which variance, at what cost."""

import math

import pytest
import torch

from course_lib.estimators import EGGROLL, ProjectedEGGROLL, SurrogateBPTT
from course_lib.estimators.beyond.projected import whitened
from course_lib.network import SpikingNetwork

OUT, IN, STEPS = 6, 20, 3


def linear(samples, seed=0):
    """Frames (T, B, in), and gradients D (B, T, out) of fitness f_s = Σ_t D_st · (W x_st)."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(STEPS, samples, IN, generator=generator).double()
    return frames, torch.randn(samples, STEPS, OUT, generator=generator).double()


def truth(frames, slopes):
    """The gradient of the mean fitness, (out, in)."""
    return torch.einsum("bto,tbi->oi", slopes, frames) / len(slopes)


def on_linear(frames, slopes, **options):
    """The estimator, with its forward passes replaced by the linear fitness of each sample."""

    class Linear(ProjectedEGGROLL):
        def evaluate(self, network, frames, labels, step, draws):
            a, b, _ = self.factors(network, step, draws)[0]
            noise = torch.einsum("mor,mir->moi", a, b) * self.sigma / math.sqrt(self.rank)
            values = torch.einsum("bto,moi,tbi->mb", slopes, noise, frames)
            return torch.stack([values, -values], dim=1)

    estimator, network = Linear(**options), SpikingNetwork((IN, OUT)).double()

    def estimate(step):
        estimator.fill_grads(network, frames, torch.zeros(len(slopes), dtype=torch.int64), step)
        return -network.layers[0].weight.grad

    return estimate


@pytest.mark.parametrize("rank", [1, 4])
def test_one_sample_is_unbiased_with_the_stated_variance(rank):
    """300 estimates of 40 draws: the mean within 5 standard errors in each of 120 entries (one
    outside: chance 7e-5 a rank), 40 times the squared error within 4 standard errors, a sixth, of
    ‖G‖²(out·d + 1 + 2(out + d + 1)/r), d = 3 steps; EGGROLL's has 20 inputs for d. Seed 1."""
    frames, slopes = linear(samples=1)
    gradient = truth(frames, slopes)
    estimate = on_linear(frames, slopes, rank=rank, population=80, sigma=0.3, ridge=0.0, seed=1)
    found = torch.stack([estimate(step) for step in range(300)])
    error = (found.mean(dim=0) - gradient).abs()
    assert (error < 5 * found.std(dim=0) / len(found) ** 0.5).all()
    squared = 40 * (found - gradient).square().sum(dim=(1, 2)) / gradient.square().sum()
    expected = OUT * STEPS + 1 + 2 * (OUT + STEPS + 1) / rank
    standard_error = squared.std().item() / len(found) ** 0.5
    assert abs(squared.mean().item() - expected) < 4 * standard_error
    assert 4 * standard_error < 0.2 * expected


def test_estimate_equals_its_definition_sample_by_sample():
    """Each draw's A (P_s B)ᵀ written out, with P_s from the singular vectors of X_s."""
    frames, slopes = linear(samples=4)
    options = {"rank": 2, "population": 10, "sigma": 0.3, "ridge": 0.0, "seed": 5}
    got = on_linear(frames, slopes, **options)(7)
    network = SpikingNetwork((IN, OUT)).double()
    a, b, _ = EGGROLL(rank=2, seed=5).factors(network, 7, range(5))[0]
    expected = torch.zeros(OUT, IN).double()
    for s in range(4):
        span = torch.linalg.svd(frames[:, s], full_matrices=False).Vh
        projection = span.T @ span
        for i in range(5):
            felt = 0.3 * a[i] @ b[i].T / math.sqrt(2)
            fitness = (slopes[s] * (frames[:, s] @ felt.T)).sum()
            expected += 2 * fitness * a[i] @ (projection @ b[i]).T / (10 * 0.3 * math.sqrt(2)) / 4
    assert torch.allclose(got, expected, atol=1e-9)


def test_ridge_shrinks_weak_directions_as_stated():
    """The expectation with λ is D K (K + λ k̄ I)⁻¹ X, K = X Xᵀ; the mean of 300 estimates within
    5 standard errors of it in each entry. Seed 2."""
    frames, slopes = linear(samples=1, seed=3)
    estimate = on_linear(frames, slopes, population=80, sigma=0.3, ridge=2.0, seed=2)
    draws = torch.stack([estimate(step) for step in range(300)])
    x, gram = frames[:, 0], frames[:, 0] @ frames[:, 0].T
    shrunk = gram @ torch.linalg.inv(gram + 2 * gram.diagonal().mean() * torch.eye(STEPS))
    error = (draws.mean(dim=0) - slopes[0].T @ shrunk @ x).abs()
    assert (error < 5 * draws.std(dim=0) / len(draws) ** 0.5).all()
    assert (slopes[0].T @ shrunk @ x).norm() < 0.5 * truth(frames, slopes).norm()


def test_empty_steps_and_empty_samples_do_no_harm():
    frames, slopes = linear(samples=3)
    frames[1], frames[:, 2] = 0, 0  # a step without events, and a sample without any
    gradient = on_linear(frames, slopes, population=400, sigma=0.3, ridge=0.0)(0)
    assert torch.isfinite(gradient).all()
    assert torch.cosine_similarity(gradient.flatten(), truth(frames, slopes).flatten(), dim=0) > 0.8
    assert not whitened(torch.zeros(1, 2, 5), 1.0).any()


def spiking(sizes=(IN, 15, 4), **options):
    return SpikingNetwork(sizes, readout="membrane", weight_sd=0.5, **options)


def batch(size=40, steps=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(steps, size, IN, generator=generator) < 0.3).float()
    return frames, torch.randint(4, (size,), generator=generator)


def gradients(estimator, network, frames, labels, step=0):
    estimator.fill_grads(network, frames, labels, step)
    return [p.grad.clone() for p in network.parameters()]


def test_points_closer_to_the_true_gradient_at_equal_forward_passes():
    """A leaky readout alone has no spikes: BPTT is exact. Mean cosines over 10 seeds."""
    network, (frames, labels) = spiking((IN, 4)), batch()
    true = gradients(SurrogateBPTT(), network, frames, labels)[0]
    cosines = {}
    for method, options in ((EGGROLL, {"shaping": "none"}), (ProjectedEGGROLL, {"ridge": 0.0})):
        found = [gradients(method(population=16, sigma=0.01, seed=seed, **options), network, frames,
                           labels)[0] for seed in range(10)]  # fmt: skip
        cosines[method] = [torch.cosine_similarity(g.flatten(), true.flatten(), dim=0).item()
                           for g in found]  # fmt: skip
    plain, projected = (sum(cosines[m]) / 10 for m in (EGGROLL, ProjectedEGGROLL))
    assert projected > 1.8 * plain > 0.2


def test_two_estimates_of_spiking_layers_agree_more_than_eggrolls():
    """Cosine of two estimates with other noise: the share of signal. Mean over 6 pairs."""
    network, (frames, labels) = spiking(), batch()
    shares = []
    for method in (EGGROLL, ProjectedEGGROLL):
        estimator, found = method(population=128, sigma=(0.1, 0.1), seed=3), []
        for pair in range(6):
            one, two = (gradients(estimator, network, frames, labels, 2 * pair + k) for k in (0, 1))
            found.append([torch.cosine_similarity(one[k].flatten(), two[k].flatten(), dim=0)
                          for k in (0, 2)])  # fmt: skip
        shares.append(torch.tensor(found).mean(dim=0))
    assert (shares[1] > 1.3 * shares[0]).all(), shares


def test_compiled_and_readable_agree_and_a_step_repeats_to_the_bit():
    network, (frames, labels) = spiking(), batch(size=9)
    fused, again, readable = (
        gradients(ProjectedEGGROLL(population=20, rank=2, sigma=0.05, kernel=kernel), network,
                  frames, labels, 3) for kernel in ("fused", "fused", "readable")
    )  # fmt: skip
    assert all(torch.equal(x, y) for x, y in zip(fused, again, strict=True))
    for x, y in zip(fused, readable, strict=True):
        assert (x - y).abs().max() < 1e-3 * y.abs().max()


def test_the_bias_gets_the_mean_fitness_of_the_batch():
    network, (frames, labels) = spiking(), batch(size=9)
    options = {"population": 20, "sigma": 0.05, "kernel": "readable"}
    plain = gradients(EGGROLL(shaping="none", **options), network, frames, labels)
    own = gradients(ProjectedEGGROLL(**options), network, frames, labels)
    for k in (1, 3):
        assert torch.allclose(plain[k], own[k], atol=1e-4 * plain[k].abs().max().item())


def test_errors_name_what_to_do():
    with pytest.raises(ValueError, match="ridge is -1; expected a number of 0 or more"):
        ProjectedEGGROLL(ridge=-1)
    assert ProjectedEGGROLL(population=8).forward_passes == 9
