"""Orthogonal factors and a σ that learns: what they are, by their closed forms."""

import math

import pytest
import torch

from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.orthogonal import BLOCK, orthogonalise, whole_blocks
from course_lib.estimators.stepsize import StepSizeEGGROLL
from course_lib.network import SpikingNetwork

OUT, IN = 8, 3


def block_of(draws, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(draws, OUT + IN, generator=generator)


def test_groups_are_orthogonal_and_keep_their_lengths():
    values, before = block_of(BLOCK), block_of(BLOCK)
    orthogonalise(values, 0, OUT, 1)
    assert torch.equal(values[:, OUT:], before[:, OUT:])
    for group in values[:, :OUT].split(OUT):
        gram = group.double() @ group.double().T
        assert (gram - torch.diag(gram.diag())).abs().max() < 1e-5
    lengths = [part[:, :OUT].norm(dim=1) for part in (values, before)]
    assert torch.allclose(*lengths, rtol=1e-6)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_error_of_a_linear_fitness(orthogonal):
    """M = 8 draws of rank 1, f = ⟨G, E⟩: ‖G‖² ((out + 2)(in + 2) − 1)/M, and ‖G‖² (M − 1)/M less
    with orthogonal A. 16,000 blocks of one group, 4 standard errors; the mean is G's."""
    generator, groups = torch.Generator().manual_seed(1), 16_000
    g = torch.randn(OUT, IN, generator=generator, dtype=torch.float64)
    values = torch.randn(groups * OUT, OUT + IN, generator=generator)
    if orthogonal:
        for block in values.split(OUT):
            orthogonalise(block, 0, OUT, 1)
    a, b = values.double().split([OUT, IN], dim=1)
    f = torch.einsum("mo,oi,mi->m", a, g, b).view(groups, OUT)
    estimates = torch.einsum("gm,gmo,gmi->goi", f, a.view(groups, OUT, -1),
                             b.view(groups, OUT, -1)) / OUT  # fmt: skip
    errors = (estimates - g).square().sum(dim=(1, 2))
    expected = g.square().sum() * ((OUT + 2) * (IN + 2) - 1 - (OUT - 1) * orthogonal) / OUT
    assert abs(errors.mean() - expected) < 4 * errors.std() / math.sqrt(groups)
    spread = estimates.std(dim=0) / math.sqrt(groups)
    assert ((estimates.mean(dim=0) - g).abs() < 4.5 * spread).all()


def test_any_part_of_a_population_sees_the_same_noise():
    network = SpikingNetwork((20, 6, 4))
    method = EGGROLL(population=600, orthogonal=True)
    whole = method.noise(network, 3, range(300))
    assert whole_blocks(range(130, 140)) == range(128, 256)
    assert torch.equal(method.noise(network, 3, range(130, 140)), whole[130:140])


def test_sigma_follows_its_own_gradient():
    """f = −c ‖A‖²: longer is worse, and σ shrinks as the natural gradient says, of the ranks."""
    network, labels = SpikingNetwork((20, 6, 4)), torch.zeros(5, dtype=torch.int64)
    frames = torch.ones(3, 5, 20)
    method = StepSizeEGGROLL(population=64, sigma=(0.02, 0.05), sigma_rate=1.0)
    method.evaluate(network, frames, labels, 0, range(method.draws))
    long = torch.stack([layer.a.square().sum(dim=(1, 2))
                        for layer in method.factors(network, 0, range(32))])  # fmt: skip
    weights = method.draw_weights(-long.sum(dim=0)[:, None].expand(-1, 2))
    method.write_gradient(network, weights, 0)
    assert all(scale < 0 for scale in method.log_scale)
    other = StepSizeEGGROLL(population=64, sigma=(0.02, 0.05), sigma_rate=1.0)
    other.load_state_dict(method.state_dict())
    other.evaluate(network, frames, labels, 1, range(1))
    assert other.sigma == pytest.approx([0.02 * math.exp(method.log_scale[0]),
                                         0.05 * math.exp(method.log_scale[1])])  # fmt: skip
    with pytest.raises(ValueError, match="sigma_rate is -1"):
        StepSizeEGGROLL(sigma_rate=-1.0)
