"""The compiled population against the readable one, its parts against NumPy, its benchmark's bars.

Two correct roll-outs add in another order, so a voltage may differ by rounding, and a spike with it
where the voltage lies at the threshold. Members of which a voltage comes within 1e-5 of it are
counted and left out; all the others must agree.
"""

import copy
import dataclasses
import json
import math
import os
import pickle
import subprocess
import sys

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.estimators import EGGROLL, ES
from course_lib.fast import engine, full_rank, population
from course_lib.fast.event_lists import frame_events
from course_lib.fast.kernels import losses, renew
from course_lib.fast.kernels import noise as compiled
from course_lib.fast.kernels import plan as plans
from course_lib.fast.kernels.vectors import LANES
from course_lib.fast.kernels.workspace import Workspace, lines
from course_lib.fitness import cross_entropy
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from course_lib.noise import gaussians
from studies.bench.benchmarks import main

NEAR = 1e-5


def batch(inputs, classes, steps=6, size=10, density=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(steps, size, inputs, generator=generator) < density).float()
    return frames, torch.randint(classes, (size,), generator=generator)


def spiking(sizes, neuron=None, readout="rate", seed=0):
    network = SpikingNetwork(sizes, neuron or LIFParameters(), readout, weight_sd=0.4, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for layer in network.layers:
            layer.bias.normal_(0, 0.1, generator=generator)
    return network


def outputs_of(estimator, network, frames, step, draws):
    close = []

    def spike(distance):
        close.append((distance.abs() < NEAR).any(dim=-1))
        return (distance > 0).to(distance.dtype)

    with torch.no_grad():
        factors = estimator.factors(network, step, draws)
        currents = estimator.population_currents(network, factors, network.layers[0](frames))
        outputs = network(frames, spike=spike, currents=currents)
    shape = outputs.shape[:3]
    return outputs, torch.stack([c.expand(shape) for c in close]).any(dim=0) if close else (
        torch.zeros(shape, dtype=torch.bool)
    )


def compare(estimator, network, frames, step=3):
    """Asserts equality; returns (members × samples, how many were left out)."""
    draws = range(estimator.draws)
    expected, close = outputs_of(estimator, network, frames, step, draws)
    members = population.Members(estimator.rank, estimator.sigmas(network), estimator.signs)
    run = population.start(network, frames, members)
    got = run.outputs(estimator.rows(network, step, draws))
    assert got.shape == expected.shape
    assert torch.allclose(got[~close], expected[~close], atol=2e-5)
    return close.numel(), int(close.sum())


neurons = st.builds(
    LIFParameters, beta=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    threshold=st.sampled_from([0.5, 1.0]), reset=st.sampled_from(["zero", "subtract"]),
    reset_delay=st.booleans(),
)  # fmt: skip
sizes = st.lists(st.sampled_from([1, 3, 16, 17, 63, 64, 65, 130]), min_size=2, max_size=4)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    sizes=sizes, neuron=neurons, readout=st.sampled_from(["rate", "membrane"]),
    rank=st.sampled_from([1, 2, 5, 16, 17]), draws=st.integers(1, 7), mirrored=st.booleans(),
    steps=st.sampled_from([1, 5, 33]), samples=st.sampled_from([1, 9, 17]), counts=st.booleans(),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_outputs_and_gradients_equal_the_readable_ones(
    sizes, neuron, readout, rank, draws, mirrored, steps, samples, counts, seed
):
    """Any shape, rank, reset, delay, readout, odd populations, frames of counts."""
    network = spiking(sizes, neuron, readout, seed)
    frames, labels = batch(sizes[0], sizes[-1], steps, samples, seed=seed)
    if counts:
        frames = frames * (1 + torch.arange(sizes[0]) % 3)
    options = {
        "population": 2 * draws if mirrored else draws + 1, "rank": rank, "mirrored": mirrored,
        "sigma": 0.2, "seed": seed,
    }  # fmt: skip
    fused, readable = EGGROLL(kernel="fused", **options), EGGROLL(kernel="readable", **options)
    _, close = compare(readable, network, frames)
    weights = torch.linspace(-1, 1, fused.draws)
    grads = []
    for estimator in (fused, readable):
        with torch.no_grad():
            estimator.write_gradient(network, frames, weights, 3)
        grads.append([p.grad.clone() for p in network.parameters()])
    for got, expected in zip(*grads, strict=True):
        assert (got - expected).abs().max() <= 1e-4 * expected.abs().max() + 1e-7
    fitness = [
        e.evaluate(network, frames, labels, 3, range(e.draws)).detach() for e in (fused, readable)
    ]
    if not close:
        assert torch.allclose(*fitness, atol=1e-4)


@pytest.mark.parametrize("firing", [[0, 255, 256, 65_535, 65_536, 69_999], [], None])
def test_a_very_wide_hidden_layer(firing):
    """Lists of spikes hold every neuron's number; nobody fires, or everybody."""
    network = spiking((3, 70_000, 2), readout="membrane")
    first, second = network.layers
    with torch.no_grad():
        first.weight.zero_()
        first.bias.fill_(0.0 if firing is not None else 2.0)
        first.bias[firing or []] = 2.0
        second.weight *= 100
    frames, _ = batch(3, 2, steps=3, size=2)
    estimator = EGGROLL(population=2, rank=2, sigma=1e-4)
    _, close = compare(estimator, network, frames)
    assert close == 0


@pytest.mark.parametrize("readout", ["rate", "membrane"])
@pytest.mark.parametrize("rank", [1, 8])
def test_hardly_any_member_lies_at_the_threshold(rank, readout, capsys):
    """512 members × 64 samples on a network like the lessons'; what was left out is printed."""
    network = spiking((200, 100, 10), readout=readout)
    frames, _ = batch(200, 10, 10, 64, density=0.07)
    estimator = EGGROLL(population=512, rank=rank, sigma=0.05, kernel="readable")
    total, close = compare(estimator, network, frames)
    with capsys.disabled():
        print(f"\nrank {rank}, {readout}: {close} of {total} left out", end=" ")
    # 1,000 neuron-steps a sample, voltages of density < 1 about the threshold: 2e-5 each
    assert close < 4 * 2 * NEAR * 1100 * total


def test_threads_ranges_and_groups_change_no_bit(monkeypatch):
    network, (frames, labels) = spiking((90, 70, 30, 10)), batch(90, 10, size=37)
    estimator = EGGROLL(population=60, rank=3, sigma=0.1, seed=3)
    threads, results = torch.get_num_threads(), []

    def outcome(*ranges):
        found = {r.start: estimator.evaluate(network, frames, labels, 4, r) for r in ranges}
        fitness = torch.cat([found[start] for start in sorted(found)])
        with torch.no_grad():
            estimator.write_gradient(network, frames, estimator.draw_weights(fitness.detach()), 4)
        return [fitness.detach(), *(p.grad.clone() for p in network.parameters())]

    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(outcome(range(30)))
            results.append(outcome(range(7), range(7, 8), range(8, 30)))
            with monkeypatch.context() as patch:
                patch.setattr(population, "GROUP_BYTES", 1)  # 64 columns at a time
                patch.setattr(population, "ROWS_BYTES", 1)
                patch.setattr(population, "SAMPLES", 5)
                patch.setattr("course_lib.fast.PRODUCT_ROWS", 12)
                results.append(outcome(range(7), range(20, 30), range(7, 20)))
                patch.setattr("course_lib.fast.population.KEPT_BYTES", 0)
                results.append(outcome(range(30)))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_step_repeats_to_the_bit_and_steps_differ():
    network, (frames, labels) = spiking((50, 20, 5)), batch(50, 5)
    estimator = EGGROLL(population=20, sigma=0.1)
    grads = []
    for step in (1, 2, 1):
        loss = estimator.fill_grads(network, frames, labels, step)
        grads.append((loss, network.layers[0].weight.grad.clone()))
    assert grads[0][0] == grads[2][0] and torch.equal(grads[0][1], grads[2][1])
    assert not torch.equal(grads[0][1], grads[1][1])


def test_fitness_has_a_row_for_each_draw_even_if_there_is_none():
    network, (frames, labels) = spiking((50, 20, 5), readout="membrane"), batch(50, 5)
    for kernel in ("fused", "readable"):
        fitness = EGGROLL(population=6, kernel=kernel).evaluate(
            network, frames, labels, 0, range(3)
        )
        assert fitness.shape == (3, 2) and (fitness < 0).all()


@pytest.mark.parametrize("size, classes", [(1, 1), (7, 3), (900, 40)])
def test_losses_are_the_mean_cross_entropies(size, classes):
    """900 samples of 40 classes: the product of their sums leaves the range of a number."""
    generator = torch.Generator().manual_seed(0)
    outputs = 3 * torch.randn(2, 5, size, classes, generator=generator)
    labels = torch.randint(classes, (size,), generator=generator)
    network = SpikingNetwork((4, classes), logit_scale=10.0)
    expected = -cross_entropy(10 * outputs.double(), labels).T
    found = population.fitness(network, outputs, labels).double()
    assert torch.allclose(found, expected, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("strange", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_outputs_that_are_not_finite_have_no_finite_loss(strange, place):
    outputs = torch.zeros(1, 1, 1, 3)
    outputs[..., place] = strange
    fitness = population.fitness(SpikingNetwork((4, 3)), outputs, torch.tensor([1]))
    assert not torch.isfinite(fitness).any()


def test_exponentials_are_right_to_the_last_bit_but_one():
    numbers = np.linspace(-100, 0, 2**17, dtype=np.float32)
    found = numbers.copy()
    numba.njit(lambda x: losses.exponentials(x))(found)
    expected = np.exp(np.maximum(numbers, -87).astype(np.float64))
    assert np.abs(found / expected - 1).max() < 2**-23 and found[-1] == 1


def test_arrays_begin_with_a_line_of_the_cache():
    assert all(lines((n, 3)).ctypes.data % 64 == 0 for n in range(1, 40))
    room = Workspace()
    kept = room.array("a", (5, 4))
    assert room.array("a", (2, 3)).ctypes.data == kept.ctypes.data
    for other in (copy.deepcopy(room), pickle.loads(pickle.dumps(room))):
        assert other.array("a", (5, 4)).ctypes.data != kept.ctypes.data


def test_what_a_larger_network_left_behind_changes_no_bit():
    """Arrays are kept from one generation to the next, and padding in them must be cleared."""
    used = EGGROLL(population=8, rank=2, sigma=0.1)
    big, small = spiking((130, 150, 90, 20)), spiking((50, 30, 7))
    used.fill_grads(big, *batch(130, 20, steps=9, size=30))
    frames, labels = batch(50, 7)
    used.fill_grads(small, frames, labels, step=1)
    grads = [parameter.grad for parameter in small.parameters()]
    dataclasses.replace(used).fill_grads(small, frames, labels, step=1)
    for grad, parameter in zip(grads, small.parameters(), strict=True):
        assert torch.equal(grad, parameter.grad)


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("sizes", [(40, 70, 30, 5), (40, 5)])
def test_full_rank_kernels_agree(sizes, mirrored):
    network, (frames, labels) = spiking(sizes), batch(40, 5)
    options = {"population": 10, "sigma": 0.1, "mirrored": mirrored}
    results = []
    for kernel in ("readable", "fused"):
        estimator = ES(kernel=kernel, **options)
        with torch.no_grad():
            fitness = estimator.evaluate(network, frames, labels, 2, range(estimator.draws))
            estimator.write_gradient(network, frames, torch.linspace(-1, 1, estimator.draws), 2)
        results.append((fitness, network.layers[0].weight.grad.clone()))
    (fitness, grad), (readable, expected) = results
    assert torch.allclose(fitness, readable, atol=1e-4)
    assert torch.allclose(grad, expected, rtol=1e-5, atol=1e-6)


# ----------------------------------------------------------------------------------------- choices


def test_auto_takes_the_kernel_where_it_works_and_torch_elsewhere():
    network, (frames, labels) = spiking((20, 15, 4)), batch(20, 4)
    assert engine(EGGROLL(), network, frames).kernels is population
    assert engine(ES(), network, frames).kernels is full_rank
    assert engine(EGGROLL(kernel="readable"), network, frames) is None
    double = spiking((20, 15, 4)).double()
    assert engine(EGGROLL(), double, frames.double()) is None
    assert EGGROLL(population=4).fill_grads(double, frames.double(), labels) > 0
    for method in (EGGROLL, ES):
        with pytest.raises(ValueError, match=r"does not work here: it needs float32 on cpu"):
            method(population=4, kernel="fused").fill_grads(double, frames.double(), labels)
        with pytest.raises(ValueError, match="choose one of auto, fused, readable"):
            method(kernel="quick")


def test_the_kernel_takes_no_part_in_a_checkpoint_settings():
    """A run may go on with another kernel, or on a machine that has none."""
    assert repr(EGGROLL(kernel="fused")) == repr(EGGROLL(kernel="readable"))
    assert repr(ES(kernel="fused")) == repr(ES(kernel="readable"))


@pytest.mark.parametrize("shape", [(0, 3, 20), (5, 0, 20), (5, 3, 21)])
@pytest.mark.parametrize("method", [EGGROLL(population=4), ES(population=4)])
def test_empty_and_wrong_batches_are_named(method, shape):
    labels = torch.zeros(shape[1], dtype=torch.int64)
    with pytest.raises(ValueError, match="frames has shape"):
        method.fill_grads(spiking((20, 4)), torch.zeros(shape), labels)


# ------------------------------------------------------------------------------------------- parts


def test_compiled_noise_is_numpys_to_the_bit():
    """Long enough for the ziggurat's edges (1.2 %) and tail (0.03 %) to come up many times."""
    cases = [(0, 0, range(9), 3100), (5, 2**40, range(7, 300, 40), 5001), (1, 2, range(3), 10**6),
             (2**63 + 5, 2**64 - 1, range(2**63, 2**63 + 3), 777), (1, 1, range(0), 5)]  # fmt: skip
    for seed, generation, members, length in cases:
        names = {"seed": seed, "generation": generation, "members": members}
        assert torch.equal(compiled.gaussians(length, **names), gaussians(length, **names))


@pytest.mark.parametrize("inputs", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.6, 1.0])
def test_events_are_the_entries_of_the_frames(inputs, density):
    frames, _ = batch(inputs, 2, steps=7, size=40, density=density)
    for scale in (1, 2):
        events = frame_events(scale * frames)
        assert (events.values.size == 0) == (scale == 1 or density == 0)
        for b in range(40):
            for t in range(7):
                place = slice(*events.starts[b, t : t + 2])
                assert (
                    events.indices[b, place].tolist() == frames[t, b].nonzero().flatten().tolist()
                )
                if events.values.size:
                    assert (events.values[b, place] == scale).all()


DIGEST = """
import hashlib, torch
from course_lib.estimators import EGGROLL
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
frames = (torch.rand(6, 9, 90, generator=torch.Generator().manual_seed(0)) < 0.3).float()
labels, digest = torch.arange(9) % 3, hashlib.sha256()
for sizes, reset in [((90, 70, 130, 3), "zero"), ((90, 70, 40), "subtract"), ((90, 5), "zero")]:
    network = SpikingNetwork(sizes, LIFParameters(reset=reset), weight_sd=0.4)
    EGGROLL(population=12, rank=9, sigma=0.1).fill_grads(network, frames, labels)
    for parameter in network.parameters():
        digest.update(parameter.grad.numpy().data)
"""
OTHER = f"""
import gc
from course_lib.fast.kernels import vectors
vectors.LANES, vectors.HALF = {80 - LANES}, {80 - LANES} // 2
{DIGEST}
import numba
ours = [f for f in gc.get_objects() if type(f) is numba.core.registry.CPUDispatcher
        and f.py_func.__module__.startswith("course_lib")]
print(digest.hexdigest(), sum(sum(f.stats.cache_misses.values()) for f in ours))
"""


@pytest.mark.slow
def test_vectors_of_other_machines_give_the_same_bits_and_are_compiled_once(tmp_path):
    """A processor without AVX-512 works 16 numbers at a time, one with it 64."""
    here = {}
    exec(DIGEST, here)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    for first in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", OTHER], capture_output=True, text=True, env=environment
        )
        assert not done.stderr
        bits, compiled = done.stdout.split()
        assert bits == here["digest"].hexdigest()
        assert int(compiled) > 10 if first else int(compiled) == 0


# ------------------------------------------------------------------------------------ time and room


def test_no_array_of_a_member_is_written():
    """Rows of factors, columns and products are all that grows with the population."""
    plan, row, weights = plans.make_plan((2312, 256, 10), 2)
    assert row < 1.3 * (2 * (256 + 256 + 10) + 256 + 10) + 200
    assert weights < 1.1 * 16 * 260
    assert plan[-1, plans.WIDTH] == 16


def test_stored_compilations_are_dropped_when_any_source_changes(tmp_path):
    sources, cache = tmp_path / "kernels", tmp_path / "cache"
    sources.mkdir()
    (sources / "parts.py").write_text("old", encoding="utf-8")
    assert not renew(sources, cache)
    (cache / "whole.run-3.nbi").write_text("compiled", encoding="utf-8")
    assert not renew(sources, cache) and (cache / "whole.run-3.nbi").exists()
    (sources / "parts.py").write_text("new", encoding="utf-8")
    assert renew(sources, cache) and not (cache / "whole.run-3.nbi").exists()
    assert not renew(sources, cache)


def test_small_benchmarks_run_and_write_their_figures(tmp_path, capsys):
    assert main(["noise", "frames"], 1, quick=True, folder=tmp_path) == 0
    record = json.loads((tmp_path / "bench-frames.json").read_text(encoding="utf-8"))
    assert record["quick"] and record["median_seconds"]["ours, packed bits"] > 0
    assert "ours against tonic" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no benchmark nothing; there are frames, generation"):
        main(["nothing"], 1)
