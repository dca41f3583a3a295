"""The moving picture: what it shows is what the network does, and it is the same every time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lab import moving
from course_lab.player import watch
from course_lib.events import FrameSet, load_digits, pack, simulate
from course_lib.network import SpikingNetwork

STORED = Path(__file__).parents[2] / "data/results/moving.webp"


@pytest.fixture(scope="module")
def events():
    return simulate(load_digits().images[700], 700)


@pytest.mark.parametrize("readout", ["rate", "membrane"])
def test_the_last_votes_are_the_networks_answer(events, readout):
    network = SpikingNetwork((2312, 16, 10), readout=readout, seed=3)
    frames = FrameSet(pack(events, 10)[None], torch.tensor([1]), 10).frames()
    hidden, votes = watch(network, frames)
    assert hidden.shape == (10, 16) and votes.shape == (10, 10)
    expected = network.logits(frames)[0].softmax(0).detach().numpy()
    assert votes[-1] == pytest.approx(expected, abs=1e-6)


def test_a_picture_for_every_step_and_the_same_each_time(events):
    network = SpikingNetwork((2312, 16, 10), readout="membrane", seed=3)
    first, second = (moving.moving_picture(network, events, 1, "untrained") for _ in range(2))
    length = int(events["t"][-1] - events["t"][0])
    assert len(first) == length // moving.STEP_US + 1
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    assert len({picture.tobytes() for picture in first}) == len(first)


def test_every_neuron_stands_in_the_row_of_its_largest_weight():
    readout = np.zeros((10, 3))
    readout[4, 0] = readout[4, 2] = readout[9, 1] = 1
    (a, row_a, size), (_, row_b, _), (c, row_c, _) = moving.neuron_places(readout)
    assert row_a == row_c == row_b - 5 * moving.ROW and c == a + size


def test_a_network_that_cannot_be_drawn_is_refused(events):
    with pytest.raises(ValueError, match="expected a hidden layer"):
        moving.moving_picture(SpikingNetwork((2312, 10)), events, 1, "")


def test_the_stored_one_moves_and_is_small():
    with Image.open(STORED) as picture:
        assert picture.n_frames > 200 and picture.info["loop"] == 0
    assert STORED.stat().st_size <= 400_000
