"""Frames against tonic's ToFrame, and the FrameSet."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.events import (
    EVENT_DTYPE,
    FrameSet,
    concatenate,
    count_frames,
    find_recordings,
    pack,
    read_recording,
    shift_frames,
    simulate,
    simulate_frames,
)


def tonic_frames(events, bins):
    from tonic.transforms import ToFrame

    frames = ToFrame(sensor_size=(34, 34, 2), n_time_bins=bins)(events)
    return torch.from_numpy(frames.clip(0, 1).reshape(bins, -1).astype(np.float32))


def our_frames(events, bins):
    packed = pack(events, bins)[None]
    return FrameSet(packed, torch.zeros(1, dtype=torch.int64), bins).frames()[:, 0]


def test_event_dtype_is_tonics():
    from tonic.datasets import NMNIST

    assert NMNIST.dtype == EVENT_DTYPE


@pytest.mark.parametrize("bins", [1, 3, 10, 100])
def test_equal_to_tonic_on_simulated_recordings(digits, bins):
    for index in range(0, 5000, 499):
        events = simulate(digits.images[index], index)
        assert torch.equal(our_frames(events, bins), tonic_frames(events, bins))


def test_equal_to_tonic_on_real_recordings(nmnist):
    found = find_recordings(nmnist)
    for recording in (found.train + found.test)[::20]:
        events = read_recording(recording.path)
        assert torch.equal(our_frames(events, 10), tonic_frames(events, 10))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data(), st.integers(1, 40), st.integers(1, 24), st.integers(0, 60))
def test_equal_to_tonic_on_odd_recordings(data, n, bins, span):
    """Few events, ties, ends that T divides or not; refused where a tenth of the events is lost."""
    start = data.draw(st.sampled_from([0, 5, 1 << 22]))
    draw = lambda top: data.draw(st.lists(st.integers(0, top), min_size=n, max_size=n))  # noqa: E731
    events = np.empty(n, EVENT_DTYPE)
    events["x"], events["y"], events["p"] = draw(33), draw(33), draw(1)
    events["t"] = start + np.sort(draw(span))
    width = np.ptp(events["t"]) // bins
    kept = (events["t"] - events["t"][0] < width * bins).sum()
    if kept >= max(0.9 * (n - 1), 1):
        assert torch.equal(our_frames(events, bins), tonic_frames(events, bins))
    else:
        with pytest.raises(ValueError, match=f"^{n - kept} of {n} events.*milliseconds"):
            pack(events, bins)


def test_count_frames_are_tonics(recording):
    from tonic.transforms import ToFrame

    for bins in (1, 7, 10):
        expected = ToFrame(sensor_size=(34, 34, 2), n_time_bins=bins)(recording)
        assert np.array_equal(count_frames(recording, bins), expected)


@pytest.mark.parametrize("bins", [0, -3, 2.5, True, 10_001])
def test_bad_bins(recording, bins):
    with pytest.raises(ValueError, match="bins"):
        pack(recording, bins)


@pytest.fixture(scope="module")
def frame_set(digits):
    images = digits.images[::100]
    labels = torch.from_numpy(digits.labels[::100].astype(np.int64))
    return FrameSet(simulate_frames(images, range(50), 10), labels, 10)


def test_simulated_frames_are_the_frames_of_the_recordings(digits, frame_set):
    expected = np.stack([pack(simulate(digits.images[100 * i], i), 10) for i in range(50)])
    assert np.array_equal(frame_set.packed, expected)


def test_frame_set_shapes_and_order(frame_set):
    frames = frame_set.frames()
    assert frames.shape == (10, 50, 2312) and frames.dtype == torch.float32
    assert frames.is_contiguous() and set(frames.unique().tolist()) == {0.0, 1.0}
    bits = np.unpackbits(frame_set.packed, axis=1).reshape(50, 10, 2312)
    assert np.array_equal(frames.numpy(), bits.transpose(1, 0, 2))
    some = frame_set.frames(torch.tensor([7, 3, -1]))
    assert torch.equal(some, frames[:, [7, 3, 49]])
    out = torch.empty(10, 3, 2312)
    assert frame_set.frames([7, 3, 49], out=out) is out and torch.equal(out, some)


def test_room_is_filled_again_and_again(frame_set):
    room = frame_set.room(3)
    for rows in ([7, 3, 49], [0, 1, 2]):
        assert frame_set.frames(rows, out=room) is room
        assert torch.equal(room, frame_set.frames(rows))  # and nothing is left of those before


def test_subset(frame_set):
    part = frame_set.subset(torch.tensor([4, 40, 4]))
    assert len(part) == 3 and part.bins == 10
    assert torch.equal(part.labels, frame_set.labels[[4, 40, 4]])
    assert torch.equal(part.frames(), frame_set.frames([4, 40, 4]))
    mask = np.arange(50) < 5
    assert torch.equal(frame_set.subset(mask).frames(), frame_set.frames(range(5)))
    assert len(frame_set.subset([])) == 0 and frame_set.frames([]).shape == (10, 0, 2312)


def test_frame_set_errors(frame_set):
    with pytest.raises(ValueError, match="the 50 recordings.*index 50 is out of bounds"):
        frame_set.frames([50])
    with pytest.raises(ValueError, match="whole numbers"):
        frame_set.frames([0.5])
    with pytest.raises(ValueError, match="mask.*corresponding boolean axis is 49"):
        frame_set.frames(np.ones(49, bool))
    with pytest.raises(ValueError, match="out is"):
        frame_set.frames([0], out=torch.empty(10, 2, 2312))
    with pytest.raises(ValueError, match="packed is"):
        FrameSet(frame_set.packed, frame_set.labels, 9)
    for labels in (frame_set.labels / 2, frame_set.labels - 1, frame_set.labels[:, None], [True]):
        with pytest.raises(ValueError, match="whole numbers from 0"):
            FrameSet(frame_set.packed, labels, 10)
    assert (
        FrameSet(frame_set.packed, frame_set.labels.short().tolist(), 10).labels.dtype
        == torch.int64
    )


def test_shift_frames_moves_pixels_and_fills_with_zero(frame_set):
    frames = frame_set.frames(range(8))
    shifts = torch.tensor([[0, 0], [1, 0], [0, 1], [-1, 2], [3, -3], [33, -33], [34, 0], [-40, 99]])
    moved = shift_frames(frames, shifts).view(10, 8, 2, 34, 34)
    image = frames.view(10, 8, 2, 34, 34)
    for b, (dy, dx) in enumerate(shifts.tolist()):
        for y in range(34):
            for x in range(34):
                inside = 0 <= y - dy < 34 and 0 <= x - dx < 34
                expected = image[:, b, :, y - dy, x - dx] if inside else torch.zeros(10, 2)
                assert torch.equal(moved[:, b, :, y, x], expected)
    with pytest.raises(ValueError, match="shifts"):
        shift_frames(frames, shifts[:3])
    with pytest.raises(ValueError, match="frames have shape"):
        shift_frames(frames[..., :-1], shifts)


@pytest.mark.parametrize("sensor", [(5, 3, 2), (20, 1, 1), (9, 9, 1), (40, 30, 2)])
def test_frames_of_other_sensors(sensor):
    """Sizes that fill no whole bytes too: from bits, from a tensor, moved, joined and chosen."""
    width, height, polarities = sensor
    rng, recordings = np.random.default_rng(0), []
    for _ in range(4):
        x, y, p = (rng.integers(0, most, 400) for most in sensor)
        recordings.append({"x": x, "y": y, "t": np.sort(rng.integers(0, 999, 400)), "p": p})
    packed = np.stack([pack(events, 7, sensor=sensor) for events in recordings])
    data = FrameSet(packed, [0, 1, 2, 1], 7, sensor, ("a", "b", "c"))
    expected = np.zeros((7, 4, polarities, height, width))
    for k, events in enumerate(recordings):
        t = events["t"] - events["t"][0]
        index = t // (t[-1] // 7)
        kept = index < 7
        place = (index[kept], k, *(events[name][kept] for name in "pyx"))
        expected[place] = 1
    expected = torch.from_numpy(expected.reshape(7, 4, -1)).float()
    assert data.inputs == width * height * polarities == expected.shape[-1]
    assert torch.equal(data.frames(), expected)
    assert torch.equal(data.packed_frames(range(4)) + 0, expected)
    tensor = FrameSet(torch.from_numpy(packed), data.labels, 7, sensor)  # as on a GPU
    assert torch.equal(tensor.frames(), expected)
    part = concatenate(data.subset([3, 0]), data.subset([1]))
    assert torch.equal(part.frames(), expected[:, [3, 0, 1]])
    assert part.labels.tolist() == [1, 0, 1] and part.classes == ("a", "b", "c")
    moved = shift_frames(expected, torch.tensor([[0, 2]] * 4), sensor).view(7, 4, -1, height, width)
    image = expected.view(moved.shape)
    assert torch.equal(moved[..., 2:], image[..., :-2]) and not moved[..., :2].any()
    with pytest.raises(ValueError, match="no name"):
        FrameSet(packed, [0, 1, 2, 3], 7, sensor, ("a", "b", "c"))
    with pytest.raises(ValueError, match="sensor"):
        FrameSet(packed, [0, 1, 2, 1], 7, (5, 0, 2))
    with pytest.raises(ValueError, match="expected the same"):
        concatenate(data, FrameSet(packed, [0, 1, 2, 1], 7, sensor))


def test_a_sensor_of_any_size_is_bounded():
    events = {name: np.arange(2) for name in "xyt"} | {"p": np.zeros(2, int)}
    with pytest.raises(ValueError, match="Scale it down"):
        pack(events, 10_000, sensor=(10_000, 10_000))
