"""Fitness shaping against its definition, and the loss against torch's."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from course_lib.fitness import SHAPINGS, centred_ranks, cross_entropy, z_score


def test_cross_entropy_is_torchs_for_each_member_of_a_population():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 5, 10, generator=generator)
    labels = torch.randint(10, (5,), generator=generator)
    losses = cross_entropy(logits, labels)
    assert losses.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            assert torch.allclose(losses[i, j], F.cross_entropy(logits[i, j], labels), atol=1e-6)


def test_ranks_without_ties():
    assert centred_ranks(torch.tensor([3.0, -1.0, 10.0])).tolist() == [0.0, -0.5, 0.5]


def test_ties_share_their_average_rank():
    assert centred_ranks(torch.tensor([1.0, 2.0, 2.0, 5.0, 2.0])).tolist() == pytest.approx(
        [-0.5, 0.0, 0.0, 0.5, 0.0]
    )
    assert centred_ranks(torch.full((7,), 2.5)).tolist() == [0.0] * 7


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=40))
def test_ranks_equal_their_definition(values):
    """Rank = members below + half of the other ties, which any order of the list leaves alone."""
    shaped = centred_ranks(torch.tensor(values, dtype=torch.float64))
    for value, got in zip(values, shaped.tolist(), strict=True):
        below, ties = sum(v < value for v in values), values.count(value)
        assert got == pytest.approx((below + (ties - 1) / 2) / (len(values) - 1) - 0.5)
    assert shaped.sum().item() == pytest.approx(0, abs=1e-9)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20), st.floats(0.1, 10))
def test_ranks_ignore_the_scale_and_offset_of_fitness(values, scale):
    fitness = torch.tensor(values, dtype=torch.float64)
    moved = torch.tensor([scale * v for v in values], dtype=torch.float64)
    if len(set(values)) == len(set(moved.tolist())):
        assert torch.equal(centred_ranks(fitness), centred_ranks(moved))


def test_z_score():
    shaped = z_score(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert shaped.mean().item() == pytest.approx(0, abs=1e-6)
    assert shaped.square().mean().item() == pytest.approx(1, abs=1e-5)
    for n in (3, 100, 256, 300):
        assert z_score(torch.full((n,), -2.302585)).abs().max() == 0


@pytest.mark.parametrize("shaping", SHAPINGS.values())
def test_bad_fitness_says_what_to_do(shaping):
    with pytest.raises(ValueError, match="at least two members"):
        shaping(torch.zeros(1))
    with pytest.raises(FloatingPointError, match="2 of 3 members is not finite.*learning rate"):
        shaping(torch.tensor([0.0, torch.nan, torch.inf]))
