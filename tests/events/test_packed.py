"""Frames that stay bits: to torch and to the kernels they are the same frames."""

import copy
import pickle

import numpy as np
import pytest
import torch

from course_lib.estimators import EGGROLL, ES
from course_lib.estimators.beyond.projected import ProjectedEGGROLL
from course_lib.estimators.beyond.spatial import SmoothEGGROLL
from course_lib.estimators.localzo import LocalZO
from course_lib.events import FrameSet
from course_lib.fast.event_lists import frame_events, input_events
from course_lib.network import SpikingNetwork
from course_lib.schedule import Schedule, draw_batch
from course_lib.training import fit


def recordings(n=30, bins=4, density=0.1, seed=0):
    generator = np.random.default_rng(seed)
    bits = generator.random((n, bins * 289 * 8)) < density
    return FrameSet(np.packbits(bits, axis=1), torch.arange(n) % 10, bins)


ROWS = np.array([3, 0, 7, 7])


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1, lambda x: x[1:, 2], lambda x: torch.stack([x, x]), lambda x: x.double(),
        lambda x: x.detach().contiguous(), lambda x: torch.from_numpy(x.numpy()), torch.clone,
        lambda x: torch.tensor(x.tolist()), lambda x: torch.as_tensor(np.asarray(x)),
        copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x)), lambda x: next(iter(x)),
        lambda x: torch.einsum("tbi,tbi->tb", x, x), lambda x: x.transpose(0, 1).reshape(4, -1),
    ],
)  # fmt: skip
def test_every_use_gives_what_the_numbers_give(use):
    data = recordings()
    packed, plain = data.packed_frames(ROWS), data.frames(ROWS)
    assert (packed.shape, packed.dtype, packed.device) == (plain.shape, plain.dtype, plain.device)
    assert packed.to("cpu") is packed and len(packed) == 4 and packed.unread
    result = use(packed)
    assert torch.equal(result, use(plain)) and type(result) is torch.Tensor
    assert not packed.unread and packed.unpacked() is packed.unpacked()


def test_gradients_flow_through_layers_that_read_them():
    data, layer = recordings(), torch.nn.Linear(2312, 3)
    grads = [
        torch.autograd.grad(layer(frames).square().sum(), layer.parameters())
        for frames in (data.packed_frames(ROWS), data.frames(ROWS))
    ]
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("bins", [1, 3])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.6, 1.0])
def test_bits_have_the_events_of_the_numbers(bins, density):
    data = recordings(bins=bins, density=density)
    packed, plain = data.packed_frames(ROWS), data.frames(ROWS)
    (indices, starts, values), expected = frame_events(packed), frame_events(plain)
    assert packed.unread and values.size == 0 and np.array_equal(starts, expected.starts)
    for b in range(len(ROWS)):
        place = slice(starts[b, -1])
        assert np.array_equal(indices[b, place], expected.indices[b, place])
    events = input_events(packed)
    assert packed.unread and np.array_equal(events.starts, starts)


def test_numbers_that_were_changed_in_place_count():
    packed = recordings().packed_frames(ROWS)
    packed.zero_()
    assert frame_events(packed).starts.max() == 0
    packed[0, 0, 5] = 3.0
    events = frame_events(packed)
    assert events.indices[0, 0] == 5 and events.values[0, 0] == 3


def test_numbers_go_into_the_room_that_is_given():
    data = recordings()
    room = data.room(4)
    assert data.packed_frames(ROWS, room).unpacked() is room
    with pytest.raises(ValueError, match="index 30 is out of bounds"):
        data.packed_frames([30])


@pytest.mark.parametrize(
    "make",
    [
        lambda: EGGROLL(population=4), lambda: SmoothEGGROLL(population=4, width=1.0), LocalZO,
        lambda: ProjectedEGGROLL(population=4), lambda: ES(population=4, kernel="fused"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shift", [0, 1])
def test_training_takes_the_same_steps_from_bits_and_from_numbers(make, shift):
    weights = []
    for packed in (True, False):
        estimator, network = make(), SpikingNetwork((2312, 20, 10), readout="membrane")
        assert estimator.reads_events
        if not packed:
            kind = type(estimator)
            estimator.__class__ = type(kind.__name__, (kind,), {"reads_events": False})
        optimizer = torch.optim.Adam(network.parameters())
        fit(network, estimator, optimizer, recordings(),
            Schedule(steps=3, batch_size=10, shift=shift), progress=False)  # fmt: skip
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    "make",
    [lambda: EGGROLL(population=4), LocalZO, lambda: ES(population=4, kernel="fused")],
)
def test_a_step_of_training_never_writes_the_numbers(make):
    estimator, network, seen = make(), SpikingNetwork((2312, 20, 10), readout="membrane"), []
    fill = estimator.fill_grads

    def fill_grads(network, frames, labels, step):
        loss = fill(network, frames, labels, step)
        seen.append(frames.unread)
        return loss

    estimator.fill_grads = fill_grads
    optimizer = torch.optim.Adam(network.parameters())
    schedule = Schedule(steps=2, batch_size=10)
    fit(network, estimator, optimizer, recordings(), schedule, progress=False)
    assert seen == [True, True]


def test_what_the_kernels_do_not_take_is_unpacked():
    frames, labels = draw_batch(recordings(), 0, 10, seed=0, packed=True)
    network = SpikingNetwork((2312, 20, 10)).double()
    for estimator in (EGGROLL(population=4), LocalZO()):
        with pytest.raises(RuntimeError, match="dtype"):  # as with numbers: frames are float32
            estimator.fill_grads(network, frames, labels)
    assert not frames.unread
    readable = EGGROLL(population=4, kernel="readable"), LocalZO(kernel="readable")
    assert not any(estimator.reads_events for estimator in readable)
