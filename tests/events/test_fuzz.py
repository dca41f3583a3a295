"""Malformed recordings against an independent parser: an error, or exactly the right events."""

import numpy as np
import pytest

from course_lib.events import read_recording

INPUTS = 12_000


def parse(data: bytes) -> list[tuple] | None:
    """The events of a .bin file, one by one; None where the file is malformed."""
    if len(data) % 5:
        return None
    events, ahead, markers = [], 0, 0
    for start in range(0, len(data), 5):
        x, y, high, middle, low = data[start : start + 5]
        if y == 240:
            ahead += 8192
            markers += 1
            continue
        t = (high % 128) * 65536 + middle * 256 + low + ahead
        if x >= 34 or y >= 34 or (events and t < events[-1][2]):
            return None
        events.append((x, y, t, high // 128))
    return events if events and markers <= 1024 else None


def a_recording(rng) -> bytes:
    n = int(rng.integers(1, 40))
    t = np.sort(rng.integers(0, [50, 300_000, 1 << 23][rng.integers(3)], n))
    fields = [rng.integers(0, 34, n), rng.integers(0, 34, n)]
    fields += [(rng.integers(0, 2, n) << 7) | (t >> 16), (t >> 8) & 255, t & 255]
    return np.stack(fields, 1).astype(np.uint8).tobytes()


def mutate(data: bytes, rng) -> bytes:
    cut = int(rng.integers(0, len(data) + 1))
    event = cut // 5 * 5
    other = int(rng.integers(0, len(data) + 1)) // 5 * 5
    kind = int(rng.integers(0, 10))
    if kind == 0:
        return data[:cut]
    if kind == 1:
        return data[:event]
    if kind == 2:
        flipped = bytearray(data or b"\0")
        flipped[cut % len(flipped)] ^= 1 << int(rng.integers(0, 8))
        return bytes(flipped)
    if kind == 3:
        return data[:cut] + rng.bytes(int(rng.integers(1, 11))) + data[cut:]
    if kind == 4:
        return data[:event] + data[event + 5 :]
    if kind == 5:
        return data[:cut] + data[cut + 1 :]
    if kind == 6:
        return data[:event] + data[other : other + 5] + data[event:]
    if kind == 7:
        marker = bytes([int(rng.integers(256)), 240]) + rng.bytes(3)
        return (
            data[:event]
            + marker * int(rng.choice([1, 1, 1, 2, 2, 2, 3, 1024, 1025]))
            + data[event:]
        )
    if kind == 8:
        return rng.bytes(int(rng.integers(0, 60)))
    return data + data


@pytest.mark.slow
def test_malformed_recordings_give_an_error_or_the_right_events(tmp_path):
    rng = np.random.default_rng(2024)
    path = tmp_path / "fuzz.bin"
    good = bad = 0
    for _ in range(INPUTS):
        data = a_recording(rng)
        for _ in range(int(rng.integers(1, 4))):
            data = mutate(data, rng)
        path.write_bytes(data)
        expected = parse(data)
        if expected is None:
            bad += 1
            with pytest.raises(ValueError) as error:
                read_recording(path)
            assert str(path) in str(error.value)
            assert not data or "offset" in str(error.value)
        else:
            good += 1
            events = read_recording(path)
            assert events.tolist() == expected
    assert good > INPUTS / 20 and bad > INPUTS / 3
