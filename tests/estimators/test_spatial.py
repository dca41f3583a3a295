"""Smooth input factors: their covariance, what they estimate and with which variance."""

import math

import pytest
import torch

from course_lib.estimators import EGGROLL, SmoothEGGROLL
from course_lib.estimators.beyond.spatial import bumps
from course_lib.network import SpikingNetwork
from course_lib.run import cli
from course_lib.run.runs import RunConfig

SIDE, INPUTS, WIDTH = 4, 32, 0.8


def covariance(width=WIDTH, side=SIDE):
    """C (inputs, inputs) from the bumps, written out: no polarity varies with the other."""
    one = bumps(width, side).double()
    one = one @ one.T
    return torch.block_diag(*2 * [torch.kron(one, one)])


def first_layer(estimator, network, draws):
    return estimator.factors(network, 0, range(draws))[0]


@pytest.mark.parametrize(("rank", "polarities"), [(1, 2), (3, 2), (1, 1)])
def test_b_is_the_plain_one_between_two_tables_and_nothing_else_changes(rank, polarities):
    inputs = polarities * SIDE * SIDE
    network = SpikingNetwork((inputs, 5, 3))
    options = {"rank": rank, "seed": 4}
    plain = EGGROLL(**options).factors(network, 2, range(9))
    smooth = SmoothEGGROLL(width=WIDTH, **options).factors(network, 2, range(9))
    table = bumps(WIDTH, SIDE)
    maps = plain[0].b.view(9, polarities, SIDE, SIDE, rank)
    expected = torch.einsum("yu,mpuvk,xv->mpyxk", table, maps, table).reshape(9, inputs, rank)
    assert (smooth[0].b - expected).abs().max() < 1e-5
    assert (smooth[0].b - plain[0].b).abs().max() > 0.1
    assert torch.equal(smooth[0].a, plain[0].a) and torch.equal(smooth[0].bias, plain[0].bias)
    assert all(torch.equal(x, y) for x, y in zip(smooth[1], plain[1], strict=True))


@pytest.mark.parametrize("width", [0.3, 2.0, 50.0])
def test_every_entry_keeps_unit_variance_also_at_the_borders(width):
    assert torch.allclose(covariance(width, 34).diagonal(), torch.ones(()).double(), atol=1e-6)


def test_entries_vary_together_as_stated():
    """30,000 draws against C, entry by entry; the standard error of a product of two unit Gaussians
    is √((1 + C²)/n). 5 of them for 528 different entries: the chance of one outside is 3e-4. Seed
    1."""
    b = first_layer(SmoothEGGROLL(width=WIDTH, seed=1), SpikingNetwork((INPUTS, 2)), 30_000).b
    measured, expected = (b[..., 0].T @ b[..., 0]).double() / len(b), covariance()
    error = ((1 + expected.square()) / len(b)).sqrt()
    assert ((measured - expected).abs() < 5 * error).all()
    assert expected.max() == pytest.approx(1) and expected[0, 1] > 0.3


@pytest.mark.parametrize("rank", [1, 4])
def test_estimates_the_smoothed_gradient_with_the_stated_variance(rank):
    """f = ⟨G, W⟩, σ = 1, one draw: g = ⟨G, E⟩ E. Its mean over 40,000 draws is GC within 5 standard
    errors of each of 6 · 32 entries (chance of one outside 1e-4), and E‖g − GC‖² is the docstring's
    formula within 4. What ``fill_grads`` writes equals the first draws' mean. Seed 6."""
    (m, n), draws = (6, INPUTS), 40_000
    network = SpikingNetwork((n, m)).double()
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(m, n, generator=generator).double() / math.sqrt(m * n)
    options = {"rank": rank, "width": WIDTH, "sigma": 1.0, "shaping": "none", "seed": 6}
    a, b, _ = first_layer(SmoothEGGROLL(**options), network, draws)
    noise = torch.einsum("dor,dir->doi", a, b) / math.sqrt(rank)
    estimates = (matrix * noise).sum(dim=(1, 2)).view(-1, 1, 1) * noise

    class Linear(SmoothEGGROLL):
        def evaluate(self, network, frames, labels, step, draws):
            values = (matrix * noise[: len(draws)]).sum(dim=(1, 2))
            return torch.stack([values, -values], dim=1)

    batch = torch.zeros(1, 1, n).double(), torch.zeros(1, dtype=torch.int64)
    Linear(population=6, kernel="readable", **options).fill_grads(network, *batch)
    assert torch.allclose(-network.layers[0].weight.grad, estimates[:3].mean(dim=0), atol=1e-9)

    smoothed = matrix @ covariance()
    error = (estimates.mean(dim=0) - smoothed).abs()
    assert (error < 5 * estimates.std(dim=0) / draws**0.5).all()
    assert (smoothed - matrix).norm() > 0.5 * matrix.norm(), "the two gradients differ"
    squared = (estimates - smoothed).square().sum(dim=(1, 2))
    t1, t2 = (matrix * smoothed).sum(), smoothed.square().sum()
    expected = m * n * t1 + t2 + 2 / rank * (n * t1 + (m + 1) * t2)
    assert abs(squared.mean() - expected) < 4 * squared.std() / draws**0.5
    assert squared.std() / draws**0.5 < 0.02 * expected


def test_compiled_and_readable_populations_agree_and_chunks_change_no_bit():
    network = SpikingNetwork((INPUTS, 70, 10), weight_sd=0.4)
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(6, 9, INPUTS, generator=generator) < 0.3).float()
    labels = torch.randint(10, (9,), generator=generator)
    results = []
    for kernel in ("fused", "readable"):
        estimator = SmoothEGGROLL(population=40, rank=2, sigma=0.1, width=WIDTH, kernel=kernel)
        with torch.no_grad():
            fitness = estimator.evaluate(network, frames, labels, 1, range(20))
            parts = [estimator.evaluate(network, frames, labels, 1, part)
                     for part in (range(8), range(8, 16), range(16, 20))]  # fmt: skip
            assert torch.equal(torch.cat(parts), fitness)
            estimator.write_gradient(network, frames, torch.linspace(-1, 1, 20), 1)
        results.append((fitness, network.layers[0].weight.grad.clone()))
    (fitness, gradient), (other, readable) = results
    assert torch.allclose(fitness, other, atol=1e-4)
    assert (gradient - readable).abs().max() < 1e-4 * readable.abs().max()


def test_errors_name_what_to_do():
    with pytest.raises(ValueError, match="width is -1.0; expected a number of pixels above 0"):
        SmoothEGGROLL(width=-1.0)
    with pytest.raises(ValueError, match="this network has 20: use EGGROLL"):
        SmoothEGGROLL(width=1.0).factors(SpikingNetwork((20, 4)), 0, range(2))


@pytest.mark.parametrize(
    ("data", "maps"),
    [
        ("speech:nowhere", "1 × 1 × 64"),
        ("nowhere --sensor 64 48 --fit keep", "2 × 48 × 64"),
    ],
)
def test_a_sensor_that_is_not_square_is_refused_before_anything_is_made(
    data, maps, tmp_path, capsys
):
    out = tmp_path / "run"
    arguments = ["--method", "smooth", "--data", *data.split(), "--out", str(out)]
    assert cli.main(["train", *arguments]) == 2
    assert f"these frames are {maps}: use EGGROLL" in capsys.readouterr().err
    assert not out.exists()


def test_pictures_of_one_polarity_train():
    config = RunConfig(method="smooth", data="fashion-latency", options={"population": 2}, steps=1)
    network = config.network()
    assert network.sizes[0] == 28 * 28
    frames = torch.zeros(2, 3, 28 * 28).bernoulli_(0.3, generator=torch.Generator().manual_seed(0))
    config.estimator().fill_grads(network, frames, torch.arange(3), 0)
    assert network.layers[0].weight.grad.abs().max() > 0
