"""Counter-based noise: the same counters, the same numbers; different ones, independent numbers."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from course_lib.noise import gaussian, normal, torch_generator


def draw(n=8, seed=0, generation=0, member=0):
    return gaussian([n], seed=seed, generation=generation, member=member)


def test_known_values():
    """The stream is NumPy's, stable across machines; a change of it would change every result."""
    expected = [-1.7939296, -0.1474562, 2.2511950, 0.5132566]
    assert draw(4, seed=1, generation=2, member=3).tolist() == pytest.approx(expected, abs=1e-6)


def test_order_does_not_matter():
    members = list(range(20))
    forward = [draw(member=m) for m in members]
    backward = [draw(member=m) for m in reversed(members)][::-1]
    assert torch.equal(torch.stack(forward), torch.stack(backward))


def test_nothing_global_is_touched():
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    draw(), torch_generator(1, 2)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_every_counter_matters():
    base = draw()
    for other in (draw(seed=1), draw(generation=1), draw(member=1)):
        assert not torch.equal(base, other)
    assert torch.equal(draw(4), draw(8)[:4])


def test_moments_and_independence():
    """10⁶ numbers from 1,000 members: 4 standard errors of mean, variance, kurtosis, and of the
    correlation between neighbouring members, generations and seeds."""
    n = 1000
    table = torch.stack([draw(n, member=m) for m in range(n)]).double()
    size = table.numel()
    assert abs(table.mean()) < 4 * size**-0.5
    assert abs(table.var() - 1) < 4 * (2 / size) ** 0.5
    assert abs((table**4).mean() - 3) < 4 * (96 / size) ** 0.5
    generations = torch.stack([draw(n, generation=g) for g in range(n)]).double()
    seeds = torch.stack([draw(n, seed=s) for s in range(n)]).double()
    for a, b in ((table[1:], table[:-1]), (generations[1:], generations[:-1]),
                 (seeds[1:], seeds[:-1]), (table[1:], generations[1:])):  # fmt: skip
        assert abs((a * b).mean()) < 4 * a.numel() ** -0.5


@pytest.mark.parametrize("bad", [{"seed": -1}, {"generation": -2}, {"member": 2**64}])
def test_bad_counters(bad):
    with pytest.raises(ValueError, match="noise counters are whole numbers"):
        draw(**bad)


def test_torch_generators_differ_by_every_number():
    triples = [(s, p, i) for s in (0, 1, 3) for p in (0, 1, 4) for i in (0, 1, 3, 4)]
    values = {torch.rand(1, generator=torch_generator(*t), dtype=torch.float64).item()
              for t in triples}  # fmt: skip
    assert len(values) == len(triples)
    a, b = torch_generator(3, 4), torch_generator(3, 4, 0)
    assert torch.equal(torch.rand(5, generator=a), torch.rand(5, generator=b))
    for bad in [(-1,), (2**32,), (0, 0, 2**32)]:
        with pytest.raises(ValueError, match="expected a whole number"):
            torch_generator(*bad)


@pytest.mark.parametrize("shape", [(), (3,), (15,), (16,), (17,), (250, 10), (256, 2312), (0, 4)])
def test_normal_is_torchs_but_for_rounding(shape):
    """Tolerance: float32's Box and Muller is off by a few units in the last place of √(−2 ln u)."""
    ours, theirs = (torch.Generator().manual_seed(3) for _ in range(2))
    values, expected = normal(shape, ours), torch.randn(shape, generator=theirs)
    assert values.shape == expected.shape and values.dtype == torch.float32
    assert torch.allclose(values, expected, rtol=0, atol=4e-6)
    assert torch.equal(ours.get_state(), theirs.get_state())


HASH = """
import hashlib
from course_lib.network import SpikingNetwork
weights = [layer.weight.detach().numpy().tobytes() for layer in SpikingNetwork(seed=1).layers]
print(hashlib.sha256(b"".join(weights)).hexdigest())
"""


def test_networks_start_alike_on_every_processor(capsys):
    """torch's own normals differ in a third of the weights between this one and the simplest."""
    exec(HASH, {})
    simplest = subprocess.run(
        [sys.executable, "-c", HASH], env=os.environ | {"ATEN_CPU_CAPABILITY": "default"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert simplest.stdout == capsys.readouterr().out
