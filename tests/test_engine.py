"""The door to speed: it opens for networks and algorithms that it knows, and for no others."""

import dataclasses
import functools
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from course_lib.estimators.beyond.hybrid import Hybrid
from course_lib.estimators.beyond.projected import ProjectedEGGROLL
from course_lib.estimators.beyond.spatial import SmoothEGGROLL
from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.es import ES
from course_lib.fast import engine, knows
from course_lib.layers import Dense
from course_lib.lif import LIFParameters, lif_run
from course_lib.network import LayerActivity, SpikingNetwork

SIZES = (32, 15, 4)
OPTIONS = {"population": 12, "sigma": 0.1}
HYBRID = functools.partial(Hybrid, below="localzo")  # OPZO refuses other dynamics


class BetaPerLayer(SpikingNetwork):
    """Other dynamics than SpikingNetwork's, in the place where they belong."""

    def _run(self, frames, spike, currents=None, keep=True):
        currents = currents or (lambda index, inputs: self.layers[index](inputs))
        inputs = frames
        for index, beta in enumerate((0.2, 0.95)):
            drive = currents(index, inputs)
            neuron = dataclasses.replace(self.neuron, beta=beta)
            inputs, voltages = lif_run(drive, neuron, spike, keep_voltages=keep)
            yield LayerActivity(drive, voltages, inputs)


class Adds(SpikingNetwork):
    def parameters_counted(self):
        return sum(p.numel() for p in self.parameters())


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(6, 10, SIZES[0], generator=generator) < 0.3).float()
    return frames, torch.arange(10) % SIZES[-1]


def step(estimator, network):
    loss = estimator.fill_grads(network, *batch(), step=2)
    return [torch.tensor(loss), *(p.grad.clone() for p in network.parameters())]


@pytest.mark.parametrize("method", [EGGROLL, ES, SmoothEGGROLL, ProjectedEGGROLL, HYBRID])
def test_a_network_with_other_dynamics_is_trained_as_it_is(method):
    """To the bit as the readable way does, and not as the plain network would be."""
    own, plain = (kind(SIZES, weight_sd=0.5) for kind in (BetaPerLayer, SpikingNetwork))
    auto, readable = (step(method(kernel=k, **OPTIONS), own) for k in ("auto", "readable"))
    assert all(torch.equal(a, b) for a, b in zip(auto, readable, strict=True))
    other = step(method(**OPTIONS), plain)
    assert not torch.allclose(auto[-2], other[-2], rtol=0.1)
    with pytest.raises(ValueError, match='"fused" does not work here: .* of its own; use kernel'):
        step(method(kernel="fused", **OPTIONS), own)


def test_the_hybrids_readout_of_other_dynamics_is_the_last_layer_of_the_whole():
    """As EGGROLL on the whole network, with noise at the readout alone, to single precision."""
    network = BetaPerLayer(SIZES, weight_sd=0.5)
    found = step(HYBRID(**OPTIONS), network)

    class AtReadout(EGGROLL):
        def rows(self, whole, step, draws, *gaussians):
            rows = super().rows(SpikingNetwork(SIZES[-2:]), step, draws)
            silent = sum(self.lengths(whole)) - rows.shape[1]
            return torch.cat([torch.zeros(len(draws), silent), rows], dim=1)

    wanted = step(AtReadout(kernel="readable", **OPTIONS), network)
    assert wanted[-2].norm() > 0
    assert torch.allclose(found[-2], wanted[-2], rtol=1e-4, atol=1e-6)


def broken(change):
    network = SpikingNetwork(SIZES)
    change(network)
    return network


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda n: setattr(n, "read", lambda output: output.voltages.mean(0)), "a read of its own"),
        (lambda n: setattr(n, "neuron", object()), "its neuron is a object"),
        (lambda n: setattr(n.layers, "0", Dense(32, 15, bias=False)), "not a plain dense layer"),
        (lambda n: setattr(n.layers, "0", Dense(32, 16)), "do not have the sizes"),
        (lambda n: nn.utils.parametrizations.weight_norm(n.layers[1]), "not a plain dense layer"),
        (lambda n: n.layers[1].register_forward_hook(lambda *a: None), "a forward hook stands"),
        (lambda n: n.register_forward_pre_hook(lambda *a: None), "a forward hook stands"),
    ],
)
def test_what_keeps_the_door_shut_is_said(change, why):
    network = broken(change)
    assert why in knows(network)
    assert engine(EGGROLL(**OPTIONS), network, batch()[0]) is None


def test_the_door_opens_for_a_subclass_that_only_adds():
    network, frames = Adds(SIZES, LIFParameters(0.5)), batch()[0]
    assert knows(network) == knows(SpikingNetwork(SIZES)) == ""
    for method in (EGGROLL, ES, SmoothEGGROLL, ProjectedEGGROLL):
        assert engine(method(**OPTIONS), network, frames) is not None


def test_an_algorithm_of_ones_own_is_run_as_it_is():
    class Doubled(EGGROLL):
        def add_gradient(self, network, weights, rows):
            super().add_gradient(network, 2 * weights, rows)

    class Scored(EGGROLL):
        @staticmethod
        def loss(logits, labels):
            return -(logits.argmax(dim=-1) == labels).float().mean(dim=-1)

    network = SpikingNetwork(SIZES, readout="membrane", weight_sd=0.5)
    plain, doubled = step(EGGROLL(**OPTIONS), network), step(Doubled(**OPTIONS), network)
    assert torch.allclose(doubled[1], 2 * plain[1], rtol=1e-3, atol=1e-4)
    assert engine(Doubled(**OPTIONS), network, batch()[0]) is None
    fused, readable = (step(Scored(kernel=k, **OPTIONS), network) for k in ("fused", "readable"))
    assert -1 <= fused[0] <= 0 and torch.allclose(fused[0], readable[0], atol=0.02)


@pytest.mark.parametrize("kernel", ["auto", "readable"])
@pytest.mark.parametrize("method", [EGGROLL, ES, SmoothEGGROLL, ProjectedEGGROLL])
def test_numbers_that_are_not_finite_are_named(method, kernel):
    """At a readout of rates nothing else tells: a voltage that is not a number never fires."""
    estimator, (frames, labels) = method(kernel=kernel, **OPTIONS), batch()
    for strange in (math.nan, math.inf):
        network = SpikingNetwork(SIZES)
        with pytest.raises(ValueError, match="frames hold nan or infinity"):
            changed = frames.clone()
            changed[2, 3, 4] = strange
            estimator.fill_grads(network, changed, labels)
        with torch.no_grad():
            network.layers[0].weight[1, 2] = strange
        with pytest.raises(FloatingPointError, match="weights that are not finite"):
            estimator.fill_grads(network, frames, labels)
    huge = dataclasses.replace(estimator, sigma=1e300)
    with pytest.raises(ValueError, match="sigma is 1e.300; in float32 it must lie between"):
        huge.fill_grads(SpikingNetwork(SIZES), frames, labels)
    with pytest.raises(ValueError, match="frames has shape"):
        estimator.fill_grads(SpikingNetwork(SIZES), frames[:, :0], labels[:0])


def test_finite_weights_whose_sum_is_not_are_taken():
    network = SpikingNetwork(SIZES)
    with torch.no_grad():
        network.layers[0].weight[0, :2] = 3e38
    EGGROLL(**OPTIONS).check(network, *batch())


def test_a_share_is_evaluated_alone_and_kept_noise_is_that_of_the_same_step():
    """Some draws' noise is kept from their evaluation; the gradient takes those of all draws."""
    network, (frames, labels) = SpikingNetwork(SIZES, weight_sd=0.5), batch()
    weights, grads = torch.linspace(-1, 1, 6), []
    for shares in ([range(6)], [range(2), range(2, 6)], [range(4, 6)], [range(1, 3)], []):
        estimator = EGGROLL(rank=2, **OPTIONS)
        with torch.no_grad():
            estimator.evaluate(network, frames, labels, 1, range(6))  # of another step
            for share in shares:
                assert len(estimator.evaluate(network, frames, labels, 2, share)) == len(share)
            estimator.write_gradient(network, frames, weights, 2)
        grads.append(network.layers[0].weight.grad.clone())
    assert all(torch.equal(grads[0], grad) for grad in grads[1:])


@pytest.mark.parametrize("kernel", ["fused", "readable"])
def test_no_draws_have_no_fitness(kernel):
    network, (frames, labels) = SpikingNetwork(SIZES), batch()
    for method, shape in ((EGGROLL, (0, 2)), (ES, (0, 2)), (ProjectedEGGROLL, (0, 2, 10))):
        estimator = method(kernel=kernel, **OPTIONS)
        with torch.no_grad():
            assert estimator.evaluate(network, frames, labels, 0, range(0)).shape == shape


LIGHT = """
import sys
import course_lib.estimators.eggroll, course_lib.estimators.es
import course_lib.estimators.beyond.projected, course_lib.estimators.beyond.spatial
from course_lib.estimators.eggroll import EGGROLL
from course_lib.network import SpikingNetwork
import torch
network, frames, labels = SpikingNetwork((8, 5, 3)), torch.ones(3, 2, 8), torch.arange(2)
EGGROLL(population=4, kernel="readable").fill_grads(network, frames, labels)
EGGROLL(population=4).fill_grads(network.double(), frames.double(), labels)
print([name for name in ("numba", "scipy", "tonic") if name in sys.modules])
"""


def test_the_readable_way_loads_nothing_compiled():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
