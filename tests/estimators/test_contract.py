"""What every training method keeps to, those of today and any new one.

Each check takes ``make``, options → estimator, and raises AssertionError if the estimator breaks
its part of the contract. Five estimators with a fault each prove that the checks can fail.
"""

import copy
import io
import math
import random
from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np
import pytest
import torch

from course_lib.estimators import METHODS, SurrogateBPTT
from course_lib.estimators.surrogate import SURROGATES, surrogate_spike
from course_lib.events import FrameSet
from course_lib.fitness import cross_entropy
from course_lib.layers import Dense
from course_lib.lif import LIFParameters, leaky_run, lif_run
from course_lib.network import LayerActivity, SpikingNetwork
from course_lib.schedule import draw_batch

#: inputs are two square maps, as methods that know of pixels need
SIZES = (50, 12, 5)
STEPS, BATCH = 6, 8
#: whose seed is that of fixed feedback
DRAWN_ONCE = {"DFA"}


def setup(sizes=SIZES, kind=SpikingNetwork, seed=0):
    """A network, frames and labels, the same at every call."""
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(STEPS, BATCH, sizes[0], generator=generator) < 0.3).float()
    labels = torch.randint(sizes[-1], (BATCH,), generator=generator)
    return kind(sizes, readout="membrane", logit_scale=5.0, seed=seed), frames, labels


def gradient(network):
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def step_of(estimator, network, frames, labels, step=0):
    """(loss, gradient) of a step, with nothing left in ``.grad`` from before."""
    network.zero_grad(set_to_none=True)
    return estimator.fill_grads(network, frames, labels, step), gradient(network).clone()


def same(a, b):
    return a[0] == b[0] and torch.equal(a[1], b[1])


# ------------------------------------------------------------------------------------- the contract


def same_seed_and_step_same_bits(make):
    batch = setup()
    first = step_of(make(), *batch, step=3)
    assert same(first, step_of(make(), *batch, step=3))
    used = make()
    step_of(used, *batch, step=0)
    if not used.state_dict() or used.state_dict() == make().state_dict():
        assert same(first, step_of(used, *batch, step=3)), "a step depends on the one before"
    assert math.isfinite(first[0]) and torch.isfinite(first[1]).all() and first[1].any()


def another_step_is_drawn_anew(make):
    """Unless nothing at all is drawn (SparseGrad has a seed and no use for it), or once for all."""
    batch, options = setup(), type(make()).options()
    one, other = (step_of(make(), *batch, step=step)[1] for step in (0, 1))
    if "seed" in options and torch.equal(one, other) and type(make()).__name__ not in DRAWN_ONCE:
        assert torch.equal(one, step_of(make(seed=1), *batch)[1]), "all steps have the same noise"
    if not torch.equal(one, other):
        assert "seed" in options, "something is drawn, and no seed says what"


def global_random_state_is_untouched(make):
    batch, estimator = setup(), make()
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    step_of(estimator, *batch)
    assert torch.equal(before[0], torch.get_rng_state()), "torch's global generator was used"
    assert (before[1] == np.random.get_state()[1]).all(), "NumPy's global generator was used"
    assert before[2] == random.getstate(), "Python's global generator was used"


def stale_gradients_are_replaced(make):
    network, frames, labels = setup()
    fresh = step_of(make(), network, frames, labels)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 1e3)
    loss = make().fill_grads(network, frames, labels, 0)
    assert same(fresh, (loss, gradient(network)))


def weights_and_batch_stay(make):
    network, frames, labels = setup()
    before = copy.deepcopy((network.state_dict(), frames, labels))
    step_of(make(), network, frames, labels)
    assert all(torch.equal(before[0][name], now) for name, now in network.state_dict().items())
    assert torch.equal(before[1], frames) and torch.equal(before[2], labels)


def bad_batches_are_refused(make):
    network, frames, labels = setup()
    bad_number = frames.clone()
    bad_number[2, 3, 4] = torch.nan
    infinite = frames.clone()
    infinite[0, 0, 0] = torch.inf
    batches = {
        "labels of float": (frames, labels.float()),
        "labels of int32": (frames, labels.int()),
        "too few labels": (frames, labels[:-1]),
        "labels of two axes": (frames, labels[:, None]),
        "a label too high": (frames, labels.clone().fill_(SIZES[-1])),
        "a label below 0": (frames, labels.clone().fill_(-1)),
        "an empty batch": (frames[:, :0], labels[:0]),
        "no time steps": (frames[:0], labels),
        "other inputs": (frames[:, :, :-1], labels),
        "nan": (bad_number, labels),
        "infinity": (infinite, labels),
    }
    for what, batch in batches.items():
        try:
            make().fill_grads(network, *batch, 0)
        except ValueError:
            continue
        raise AssertionError(f"{what}: no ValueError")


def passes_are_counted(make):
    """On the readable path: passes of the whole network, each member's, and those that an online
    method makes layer by layer, time step after time step.

    Counted on the classes, for a network with a method of its own or a hook is not the plain one.
    """
    network, frames, labels = setup()
    counted, inside = [], []

    def count(function, whole, passes):
        def run(self, *arguments, **options):
            mine = self is whole
            inside.extend([None] * mine)
            result = function(self, *arguments, **options)
            del inside[len(inside) - mine :]
            if mine:
                counted.append(passes(result))
            return result

        return run

    def linear(layer, inputs):
        if layer is network.layers[-1] and not inside and inputs.shape == (BATCH, SIZES[-2]):
            counted.append(1 / STEPS)
        return whole_linear(layer, inputs)

    whole_linear = Dense.forward
    forward = count(
        SpikingNetwork.forward, network, lambda out: out.numel() / (BATCH * SIZES[-1])
    )
    record = count(SpikingNetwork.record, network, lambda layers: 1)
    estimator = make(**readable(type(make())))
    with (
        patch.object(SpikingNetwork, "forward", forward),
        patch.object(SpikingNetwork, "record", record),
        patch.object(Dense, "forward", linear),
    ):
        estimator.fill_grads(network, frames, labels, 0)
    assert sum(counted) == pytest.approx(estimator.forward_passes)


def points_where_backpropagation_points(make):
    """The mean cosine of 24 steps at fixed weights is above 0 by four standard errors."""
    network, frames, labels = setup()
    estimator = make(**({"population": 64} if "population" in type(make()).options() else {}))
    truth = step_of(SurrogateBPTT(slope=2.5), network, frames, labels)[1]
    cosines = torch.stack([
        torch.cosine_similarity(step_of(estimator, network, frames, labels, step)[1], truth, dim=0)
        for step in range(24)
    ]).double()  # fmt: skip
    error = cosines.std() / len(cosines) ** 0.5
    assert cosines.mean() > 4 * error, f"mean cosine {cosines.mean():.3f} ± {error:.3f}"


def a_saved_state_gives_the_same_next_step(make):
    batch, first = setup(), make()
    for step in range(2):
        step_of(first, *batch, step)
    kept = io.BytesIO()
    torch.save(first.state_dict(), kept)
    kept.seek(0)
    second = make()
    second.load_state_dict(torch.load(kept, weights_only=True))
    assert same(step_of(first, *batch, step=2), step_of(second, *batch, step=2))


def frames_may_stay_bits_if_it_says_so(make):
    if not make().reads_events:
        return
    generator = np.random.default_rng(0)
    bits = generator.random((BATCH, STEPS, 2312)) < 0.05
    labels = torch.arange(BATCH) % 10
    data = FrameSet(np.packbits(bits.reshape(BATCH, -1), axis=1), labels, STEPS)
    network = SpikingNetwork((2312, 12, 10), readout="membrane")
    both = [
        step_of(make(), network, *draw_batch(data, 0, BATCH, 0, packed=packed))
        for packed in (True, False)
    ]
    assert same(*both)


class BetaPerLayer(SpikingNetwork):
    """Other dynamics than the plain network's: each layer forgets at a rate of its own."""

    def _run(self, frames, spike, currents=None, keep=True):
        self.check_frames(frames)
        currents = currents or (lambda index, inputs: self.layers[index](inputs))
        inputs = frames
        for index, beta in enumerate((0.5, 0.99)):
            drive = currents(index, inputs)
            if index == 1:
                inputs, voltages = torch.zeros_like(drive), leaky_run(drive, beta)
            else:
                inputs, voltages = lif_run(drive, LIFParameters(beta), spike, keep_voltages=keep)
            yield LayerActivity(drive, voltages, inputs)


def another_network_is_not_trained_as_the_plain_one(make):
    """Its own numbers, those of the readable path; or a ValueError."""
    plain, *batch = setup()
    other, *_ = setup(kind=BetaPerLayer)
    try:
        loss, found = step_of(make(), other, *batch)
    except ValueError:
        return
    assert not torch.equal(found, step_of(make(), plain, *batch)[1]), "trained as the plain network"
    own = step_of(make(**readable(type(make()))), other, *batch)
    assert loss == pytest.approx(own[0], rel=1e-5)
    torch.testing.assert_close(found, own[1], rtol=1e-4, atol=1e-6)


def readable(method) -> dict:
    """Options that keep a method off its compiled path."""
    known = {"kernel": "readable"}
    return {name: value for name, value in known.items() if name in method.options()}


CHECKS = (
    same_seed_and_step_same_bits, another_step_is_drawn_anew, global_random_state_is_untouched,
    stale_gradients_are_replaced, weights_and_batch_stay, bad_batches_are_refused,
    passes_are_counted, points_where_backpropagation_points, a_saved_state_gives_the_same_next_step,
    frames_may_stay_bits_if_it_says_so, another_network_is_not_trained_as_the_plain_one,
)  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_method_keeps_the_contract(name, check):
    small = {"population": 16} if "population" in METHODS[name].options() else {}
    check(lambda **options: METHODS[name].build(small | options))


# -------------------------------------------------------------------------- estimators with a fault


@dataclass
class WrongSign(SurrogateBPTT):
    def fill_grads(self, network, frames, labels, step=0):
        loss = super().fill_grads(network, frames, labels, step)
        for parameter in network.parameters():
            parameter.grad.neg_()
        return loss


@dataclass
class GlobalNoise(SurrogateBPTT):
    def fill_grads(self, network, frames, labels, step=0):
        loss = super().fill_grads(network, frames, labels, step)
        for parameter in network.parameters():
            parameter.grad *= 1 + 0.1 * torch.randn(parameter.shape)
        return loss


@dataclass
class AddsToStale(SurrogateBPTT):
    def fill_grads(self, network, frames, labels, step=0):
        stale = [parameter.grad for parameter in network.parameters()]
        loss = super().fill_grads(network, frames, labels, step)
        for parameter, old in zip(network.parameters(), stale, strict=True):
            if old is not None:
                parameter.grad += old
        return loss


@dataclass
class TakesAnyLabels(SurrogateBPTT):
    def fill_grads(self, network, frames, labels, step=0):
        derivative = SURROGATES[self.surrogate]
        spike = surrogate_spike(lambda distance: derivative(distance, self.slope))
        network.zero_grad(set_to_none=True)
        labels = labels.flatten().long().clamp(0, network.sizes[-1] - 1)
        loss = cross_entropy(network.logits(frames, spike=spike), labels)
        loss.backward()
        return loss.item()


@dataclass
class MiscountsPasses(SurrogateBPTT):
    extra: int = field(default=1, init=False)

    def fill_grads(self, network, frames, labels, step=0):
        with torch.no_grad():
            network(frames)
        return super().fill_grads(network, frames, labels, step)


@pytest.mark.parametrize(
    "estimator, failing",
    [
        (WrongSign, {points_where_backpropagation_points}),
        (GlobalNoise, {
            same_seed_and_step_same_bits, another_step_is_drawn_anew,
            global_random_state_is_untouched, stale_gradients_are_replaced,
            a_saved_state_gives_the_same_next_step,
            another_network_is_not_trained_as_the_plain_one,
        }),
        (AddsToStale, {stale_gradients_are_replaced}),
        (TakesAnyLabels, {bad_batches_are_refused}),
        (MiscountsPasses, {passes_are_counted}),
    ],
)  # fmt: skip
def test_a_fault_breaks_its_part_of_the_contract(estimator, failing):
    failed = set()
    for check in CHECKS:
        try:
            check(estimator)
        except AssertionError:
            failed.add(check)
    assert failed == failing
