"""Full-rank ES and EGGROLL against closed forms: bias, variance, moments, limits, cost."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.estimators import EGGROLL, ES, SurrogateBPTT
from course_lib.memory import PeakMemory
from course_lib.network import SpikingNetwork

RANKS = (1, 2, 4, 8)


def perturbation(estimator, network, step, draw):
    """The noise of one draw, E written out: a flat list E_1, e_1, E_2, e_2, …"""
    if isinstance(estimator, ES):
        return [tensor for layer in estimator.noise(network, step, draw) for tensor in layer]
    layers = estimator.factors(network, step, range(draw, draw + 1))
    rank = estimator.rank
    return [t for a, b, bias in layers for t in (a[0] @ b[0].T / math.sqrt(rank), bias[0])]


def on_function(method, function, **options):
    """``method`` with its forward passes replaced by a function of the perturbation σE."""

    class OnFunction(method):
        def evaluate(self, network, frames, labels, step, draws):
            sigmas = [s for s in self.sigma for _ in range(2)]
            rows = []
            for draw in range(self.draws):
                noise = perturbation(self, network, step, draw)
                moved = [s * e for s, e in zip(sigmas, noise, strict=True)]
                rows.append([function([sign * x for x in moved]) for sign in self.signs])
            return torch.tensor(rows, dtype=torch.float64)

    return OnFunction(shaping="none", **options)


def estimate(estimator, network, step=0):
    """The fitness gradient (−.grad) as one vector, in double precision."""
    batch = torch.zeros(1, 1, network.sizes[0]), torch.zeros(1, dtype=torch.int64)
    estimator.fill_grads(network.double(), batch[0].double(), batch[1], step)
    return -torch.cat([p.grad.flatten() for p in network.parameters()])


def linear(seed, network):
    """A random linear fitness: (its gradient, flat; the function of the perturbations)."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(p.shape, generator=generator).double() for p in network.parameters()]
    return parts, lambda moved: sum((g * x).sum() for g, x in zip(parts, moved, strict=True)).item()


METHODS = [(ES, {}), *((EGGROLL, {"rank": r}) for r in RANKS)]
NAMES = ["ES", *(f"EGGROLL-{r}" for r in RANKS)]


@pytest.mark.parametrize("method, options", METHODS, ids=NAMES)
def test_unbiased_on_a_linear_function_with_a_sigma_per_layer(method, options):
    """Mean of 500 draws, entry by entry and along the gradient of each parameter (to some 10 %),
    within 5 standard errors measured on the draws; over 67 numbers in 5 methods the chance of one
    outside is below 2e-4. Seed 11."""
    network = SpikingNetwork((5, 6, 3))
    parts, function = linear(0, network)
    estimator = on_function(method, function, population=2, sigma=(0.1, 3.0), seed=11, **options)
    samples = torch.stack([estimate(estimator, network, k) for k in range(500)])
    truth = torch.cat([g.flatten() for g in parts])
    lengths = [g.numel() for g in parts]
    along = [some @ g.flatten() for some, g in zip(samples.split(lengths, 1), parts, strict=True)]
    samples = torch.cat([samples, torch.stack(along, 1)], 1)
    truth = torch.cat([truth, torch.stack([g.square().sum() for g in parts])])
    error = samples.mean(dim=0) - truth
    assert (error.abs() < 5 * samples.std(dim=0) / len(samples) ** 0.5).all()


@pytest.mark.parametrize("method, options", METHODS, ids=NAMES)
def test_variance_equals_the_exact_formula(method, options):
    """One draw on f = ⟨G, W⟩, W (m, n), σ = 1: g = ⟨G, E⟩ E has

        E‖g − G‖² = ‖G‖² (mn + 1 + 2(m + n + 1)/r),   without the last term for full rank.

    m = 12, n = 9: 153, 131, 120, … The first draws' g are compared with what ``fill_grads``
    writes; the mean over 40,000 draws lies within 4 standard errors (about 6 %). Seed 5."""
    network, (m, n), draws = SpikingNetwork((9, 12)).double(), (12, 9), 40_000
    (matrix, _), _ = linear(1, network)
    arguments = {"sigma": (1.0,), "seed": 5, **options}
    estimator = method(**arguments)
    if method is ES:
        noise = estimator.rows(network, 0, range(draws)).double()[:, : m * n].view(-1, m, n)
    else:
        ((a, b, _),) = estimator.factors(network, 0, range(draws))
        noise = torch.einsum("dor,dir->doi", a, b) / math.sqrt(estimator.rank)
    estimates = (matrix * noise).sum(dim=(1, 2)).view(-1, 1, 1) * noise

    on_linear = on_function(
        method, lambda moved: (matrix * moved[0]).sum().item(), population=6, **arguments
    )
    written = estimate(on_linear, network)[: m * n]
    assert torch.allclose(written, estimates[:3].mean(dim=0).flatten(), atol=1e-9)

    squared = (estimates - matrix).square().sum(dim=(1, 2)) / matrix.square().sum()
    expected = m * n + 1 + (2 * (m + n + 1) / options["rank"] if options else 0)
    standard_error = squared.std().item() / draws**0.5
    assert standard_error < 0.02 * expected
    assert abs(squared.mean().item() - expected) < 4 * standard_error


@pytest.mark.parametrize("rank", RANKS)
def test_entries_have_unit_variance_and_kurtosis_3_plus_6_over_r(rank):
    """40,000 draws of a 4 × 3 matrix; standard errors of the moments from the sample. Seed 2."""
    network, estimator = SpikingNetwork((3, 4)), EGGROLL(rank=rank, seed=2)
    ((a, b, bias),) = estimator.factors(network, 0, range(40_000))
    entries = (torch.einsum("mor,mir->moi", a, b) / math.sqrt(rank)).double()
    for values, expected in [(entries.square(), 1.0), (entries**4, 3 + 6 / rank)]:
        per_draw = values.flatten(1).mean(dim=1)  # entries of a draw share factors
        assert abs(per_draw.mean() - expected) < 4 * per_draw.std() / len(per_draw) ** 0.5
    assert abs(bias.double().var() - 1) < 4 * (2 / bias.numel()) ** 0.5


def test_large_rank_tends_to_full_rank_at_the_exact_rate():
    """f(W) = ⟨G, W⟩³ has E[⟨G, g⟩] = E⟨G, E⟩⁴ = 3‖G‖⁴ + (6/r) tr((GᵀG)²) at σ = 1, and 3‖G‖⁴ for
    Gaussian E: the distance to full-rank ES falls as 1/r. 4 standard errors, seed 3."""
    network, draws = SpikingNetwork((3, 4)), 20_000
    (matrix, _), _ = linear(4, network)
    matrix = matrix / matrix.norm()
    gram = (matrix.T @ matrix @ matrix.T @ matrix).trace().item()
    for rank in (1, 2, 8, 64):
        ((a, b, _),) = EGGROLL(rank=rank, seed=3).factors(network.double(), 0, range(draws))
        projections = torch.einsum("mor,oi,mir->m", a, matrix, b) / math.sqrt(rank)
        fourth = projections**4
        error = fourth.mean().item() - (3 + 6 / rank * gram)
        assert abs(error) < 4 * fourth.std().item() / draws**0.5
    noise = ES(seed=3).rows(network, 0, range(draws)).double()[:, : matrix.numel()]
    fourth = (noise @ matrix.flatten()) ** 4
    assert abs(fourth.mean() - 3) < 4 * fourth.std() / draws**0.5


# ------------------------------------------------------------------------------ on spiking networks


def batch(inputs=20, classes=4, steps=6, size=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(steps, size, inputs, generator=generator) < 0.3).double()
    return frames, torch.randint(classes, (size,), generator=generator)


def spiking(readout="rate", **options):
    return SpikingNetwork((20, 15, 4), readout=readout, weight_sd=0.5, **options).double()


@pytest.mark.parametrize("readout", ["rate", "membrane"])
@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_forward_equals_perturbed_weights(rank, mirrored, readout):
    """Every member's fitness against an ordinary network whose weights are W + σE, and the
    currents of both layers to 1e-5 in single precision."""
    frames, labels = batch()
    network = spiking(readout)
    estimator = EGGROLL(
        population=12, rank=rank, sigma=(0.1, 0.3), mirrored=mirrored, seed=7
    )
    estimator.chunk = 5
    fitness = estimator.evaluate(network, frames, labels, 2, range(estimator.draws))
    for draw in range(estimator.draws):
        noise = perturbation(estimator, network, 2, draw)
        for column, sign in enumerate(estimator.signs):
            member = spiking(readout)
            for p, e, s in zip(member.parameters(), noise, (0.1, 0.1, 0.3, 0.3), strict=True):
                p.data += sign * s * e
            alone = ES(population=2, sigma=1e-300).evaluate(
                member, frames, labels, 0, range(1)
            )[0, 0]
            assert fitness[draw, column].item() == pytest.approx(alone.item(), abs=1e-9)

    single = network.float()
    factors = estimator.factors(single, 2, range(4))
    currents = estimator.population_currents(single, factors, single.layers[0](frames.float()))
    spikes = (torch.rand(6, len(estimator.signs), 4, 10, 15,
                         generator=torch.Generator().manual_seed(1)) < 0.3).float()  # fmt: skip
    for index, inputs in [(0, frames.float()), (1, spikes)]:
        got, layer = currents(index, inputs), single.layers[index]
        for draw in range(4):
            weight, bias = perturbation(estimator, single, 2, draw)[2 * index : 2 * index + 2]
            for column, sign in enumerate(estimator.signs):
                x = inputs if index == 0 else inputs[:, column, draw]
                scale = sign * estimator.sigma[index]
                expected = x @ (layer.weight + scale * weight).T + layer.bias + scale * bias
                assert (got[:, column, draw] - expected).abs().max() < 1e-5


@pytest.mark.parametrize("method, options", [(ES, {}), (EGGROLL, {"rank": 2})])
def test_cosine_with_the_true_gradient_grows_with_the_population(method, options):
    """A leaky readout alone has no spikes, so BPTT's gradient is exact. The estimate's error is
    V/draws · ‖∇‖², V ≈ mn + 1 + 2(m + n + 1)/r plus the bias's share, hence

        cosine ≈ 1 / √(1 + V / draws)

    and four times the population doubles a small cosine. Seeds 0–19; 10 % covers the curvature of
    the loss at σ = 0.01 and 4 standard errors of the mean over seeds are added."""
    network = SpikingNetwork((20, 8), readout="membrane", weight_sd=0.1).double()
    frames, labels = batch(classes=8)
    SurrogateBPTT().fill_grads(network, frames, labels)
    truth = torch.cat([p.grad.flatten() for p in network.parameters()])
    means = []
    for population in (8, 32, 128):
        cosines = []
        for seed in range(20):
            estimator = method(
                population=population, sigma=0.01, shaping="none", seed=seed, **options
            )
            estimator.fill_grads(network, frames, labels)
            grad = torch.cat([p.grad.flatten() for p in network.parameters()])
            cosines.append(torch.cosine_similarity(grad, truth, dim=0))
        cosines = torch.stack(cosines)
        variance = 8 * 20 + 8 + 1 + (2 * (8 + 20 + 1) / options["rank"] if options else 0)
        expected = 1 / math.sqrt(1 + variance / (population / 2))
        tolerance = 0.1 * expected + 4 * cosines.std().item() / len(cosines) ** 0.5
        assert cosines.mean().item() == pytest.approx(expected, abs=tolerance)
        means.append(cosines.mean().item())
    assert means[0] < means[1] < means[2]


def test_spiking_estimates_point_along_the_surrogate_gradient():
    """With spikes the two differ in bias, but more members must still align them better."""
    frames, labels = batch(size=40)
    network = spiking("membrane")
    SurrogateBPTT("sigmoid", slope=5.0).fill_grads(network, frames, labels)
    truth = torch.cat([p.grad.flatten() for p in network.parameters()])
    cosines = []
    for population in (32, 256, 1024):
        EGGROLL(population=population, sigma=0.1, rank=1, seed=1).fill_grads(
            network, frames, labels
        )
        grad = torch.cat([p.grad.flatten() for p in network.parameters()])
        cosines.append(torch.cosine_similarity(grad, truth, dim=0).item())
    assert cosines[0] < cosines[1] < cosines[2] and cosines[2] > 0.6


@pytest.mark.parametrize("population, chunk", [(64, 8), (60, 7)])
def test_same_seed_same_bits_in_any_order_and_with_any_number_of_workers(population, chunk):
    frames, labels = batch()
    frames, network = frames.float(), spiking().float()
    estimator = EGGROLL(
        population=population, sigma=0.1, seed=3, kernel="readable"
    )
    estimator.chunk = chunk
    fitness = estimator.evaluate(network, frames, labels, 4, range(estimator.draws))

    def one(draws):
        with torch.no_grad():
            return estimator.evaluate(network, frames, labels, 4, draws)

    chunks = estimator.chunks(range(estimator.draws))
    backward = [one(draws) for draws in reversed(chunks)][::-1]
    assert torch.equal(torch.cat(backward), fitness)
    for workers in (2, 3):
        with ThreadPoolExecutor(workers) as pool:
            assert torch.equal(torch.cat(list(pool.map(one, chunks))), fitness)

    grads = []
    for _ in range(2):
        estimator.fill_grads(network, frames, labels, step=4)
        grads.append([p.grad.clone() for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    estimator.fill_grads(network, frames, labels, step=5)
    assert not torch.equal(network.layers[0].weight.grad, grads[0][0])


def test_weights_are_left_alone_and_grads_replaced():
    frames, labels = batch()
    for estimator in (ES(population=4), EGGROLL(population=4)):
        network = spiking()
        before = [p.clone() for p in network.parameters()]
        estimator.fill_grads(network, frames, labels)
        once = [p.grad.clone() for p in network.parameters()]
        estimator.fill_grads(network, frames, labels)
        assert all(torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True))
        assert all(torch.equal(p.grad, g) for p, g in zip(network.parameters(), once, strict=True))


# -------------------------------------------------------------------------------------------- cost


def test_base_product_is_computed_once_and_no_perturbation_is_built():
    """Multiply-adds of a generation, counted exactly: x Wᵀ once, everything else low rank."""
    steps, size, n, h, c, rank, draws, signs = 3, 2, 500, 300, 10, 2, 16, 2
    network = SpikingNetwork((n, h, c))
    frames, labels = torch.ones(steps, size, n), torch.zeros(size, dtype=torch.int64)
    estimator = EGGROLL(population=draws * signs, rank=rank, kernel="readable")
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        estimator.evaluate(network, frames, labels, 0, range(estimator.draws))
    rows = 2 * steps * size  # a multiply-add counts 2
    expected = rows * (
        n * h + draws * rank * (n + h) + draws * signs * (h * c + rank * (h + c))
    )
    assert flops.get_total_flops() == expected

    with PeakMemory() as memory:
        estimator.fill_grads(network, frames, labels)
    assert memory.largest == n * h, "no tensor beyond the gradient itself"


@pytest.mark.parametrize("rank", RANKS)
def test_memory_of_the_noise_is_r_times_m_plus_n(rank):
    network, draws, (n, h, c) = SpikingNetwork((500, 300, 10)), 8, (500, 300, 10)
    with PeakMemory() as memory:
        factors = EGGROLL(rank=rank).factors(network, 0, range(draws))
    numbers = draws * (rank * (n + h + h + c) + h + c)
    assert sum(t.numel() for layer in factors for t in layer) == numbers
    assert memory.peak <= 2 * 4 * numbers + 1000  # the draws, and their stack


def test_memory_of_a_generation_does_not_grow_with_the_population():
    """Factors are made again, not kept: beyond the chunk, a member costs its fitness value."""
    frames, labels = torch.ones(3, 2, 500), torch.zeros(2, dtype=torch.int64)
    peaks = []
    for population in (32, 1024):
        with PeakMemory() as memory:
            network = SpikingNetwork((500, 300, 10))
            EGGROLL(population=population, kernel="readable").fill_grads(network, frames, labels)
        peaks.append(memory.peak)
    assert peaks[1] - peaks[0] < 100 * (1024 - 32)


@pytest.mark.parametrize(
    "method, arguments, message",
    [
        (ES, {"population": 7}, "mirrored members come in pairs"),
        (EGGROLL, {"population": 0}, "expected at least 2"),
        (EGGROLL, {"rank": 0}, "must be ≥ 1"),
        (ES, {"shaping": "ranks"}, "choose one of centred_ranks"),
    ],
)
def test_bad_arguments(method, arguments, message):
    with pytest.raises(ValueError, match=message):
        method(**arguments)


def test_bad_sigma_and_odd_population_without_mirroring():
    frames, labels = batch()
    with pytest.raises(ValueError, match="sigma has 3 values"):
        EGGROLL(population=4, sigma=(0.1, 0.1, 0.1)).fill_grads(spiking(), frames, labels)
    with pytest.raises(ValueError, match="positive number"):
        ES(population=4, sigma=0.0).fill_grads(spiking(), frames, labels)
    for method in (ES, EGGROLL):
        assert method(population=7, mirrored=False).fill_grads(spiking(), frames, labels) > 0
