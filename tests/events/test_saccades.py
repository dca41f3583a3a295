"""The simulated event camera: reproducible on any machine, and it sees what it should."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from course_lib.events import DEFAULT, EVENT_DTYPE, Parameters, simulate, simulate_frames
from course_lib.events.optics import gaze_path, scaled_tables
from course_lib.events.pixels import BELL, bell, mix

GOLDEN = "5a1d9131d46d2c994df27daf56285366a61ed8b781b266bc8ce89fab574561ce"


def test_golden_recordings(digits):
    """Twenty recordings, bit for bit what they are on every other machine."""
    digest = hashlib.sha256()
    for index in range(0, 5000, 250):
        events = simulate(digits.images[index], index)
        for name in EVENT_DTYPE.names:
            digest.update(events[name].astype("<i8").tobytes())
    assert digest.hexdigest() == GOLDEN


def test_no_table_entry_is_near_a_rounding_boundary():
    """Another machine's exp, log, pow or erf, off by some last bits, cannot change a table."""
    for name, table in scaled_tables(DEFAULT, 308, 1.0).items():
        distance = np.abs(np.abs(table - np.floor(table)) - 0.5)
        assert distance.min() > 1e-12 * max(1, np.abs(table).max()), name


@pytest.mark.slow
def test_interpreter_gives_what_the_compiled_kernel_gives(digits):
    """Python's own integers as an oracle for the compiled arithmetic."""
    program = (
        "import hashlib, numpy as np\n"
        "np.seterr(over='ignore')\n"
        "from course_lib.events import load_digits, simulate\n"
        "print(hashlib.sha256(simulate(load_digits().images[2600], 5).tobytes()).hexdigest())"
    )
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    expected = hashlib.sha256(simulate(digits.images[2600], 5).tobytes()).hexdigest()
    assert done.stdout.strip() == expected, done.stderr


def test_same_seed_same_recording_whatever_the_order_and_thread(digits):
    images, seeds = digits.images[::500], list(range(10))
    alone = [simulate(image, seed) for image, seed in zip(images, seeds, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(simulate, images[::-1], seeds[::-1]))[::-1]
    for a, b in zip(alone, threads, strict=True):
        assert np.array_equal(a, b)
    packed = simulate_frames(images, seeds, 10)
    assert np.array_equal(simulate_frames(images[::-1], seeds[::-1], 10)[::-1], packed)


def test_seed_and_digit_both_shape_the_noise(digits, recording):
    assert not np.array_equal(simulate(digits.images[1234], 8), recording)
    blank = np.zeros((28, 28), np.uint8)
    dot = blank.copy()
    dot[0, 0] = 1  # too dark to be seen, but another digit
    first, second = simulate(blank, 0), simulate(dot, 0)
    assert not np.array_equal(first, second)


def test_events_are_sorted_and_on_the_sensor(recording):
    assert recording.dtype == EVENT_DTYPE and (np.diff(recording["t"]) >= 0).all()
    for name, limit in (("x", 34), ("y", 34), ("p", 2), ("t", 308_000)):
        assert recording[name].min() >= 0 and recording[name].max() < limit
    assert set(recording["p"]) == {0, 1}


def test_blank_image_gives_background_alone():
    """Binomial, 2,312 draws a recording: mean within 5 standard errors, seeds 0 to 199."""
    recordings = [simulate(np.zeros((28, 28), np.uint8), seed) for seed in range(200)]
    counts = [len(events) for events in recordings]
    error = np.sqrt(DEFAULT.background / 200)
    assert abs(np.mean(counts) - DEFAULT.background) < 5 * error
    share, total = sum(e["p"].sum() for e in recordings) / sum(counts), sum(counts)
    expected = DEFAULT.background_p1
    assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / total)
    assert 0.7 < np.var(counts) / DEFAULT.background < 1.35


def test_a_pixel_that_darkens_gives_p_1():
    """A bright bar moves down in the first saccade: darker above it, brighter below."""
    bar = np.zeros((28, 28), np.uint8)
    bar[12:16] = 255
    events = simulate(bar, 0)
    first = events[(events["t"] > 20_000) & (events["t"] < 70_000)]
    assert first["y"][first["p"] == 1].mean() + 2 < first["y"][first["p"] == 0].mean()


def test_three_saccades_and_quiet_turns(digits):
    times = np.concatenate([simulate(digits.images[i], i)["t"] for i in range(0, 5000, 100)])
    rate = np.histogram(times, 31, (0, 310_000))[0]
    for saccade, turn in ((slice(3, 9), 10), (slice(11, 18), 21), (slice(23, 29), 30)):
        assert rate[saccade].mean() > 3 * rate[turn]


def test_gaze_goes_through_its_knots():
    path = gaze_path((0, 1, 3, 2), (0, 2, 2, 0), 10.0, 50, 1.0)
    assert np.allclose(path[[0, 10, 20, 30, 50]], [[0, 0], [1, 2], [3, 2], [2, 0], [2, 0]])
    assert np.abs(np.diff(path, axis=0)).max() < 0.4


def test_parameters_have_the_effect_that_their_names_say(digits):
    image = digits.images[1600]
    base = len(simulate(image, 0))
    assert len(simulate(image, 0, replace(DEFAULT, threshold_darker=0.6))) < base
    assert len(simulate(image, 0, replace(DEFAULT, refractory=30.0))) < base
    assert len(simulate(image, 0, replace(DEFAULT, tau=40.0))) < base
    quiet = replace(DEFAULT, background=0.0, gaze_x=(0, 0), gaze_y=(0, 0))
    assert len(simulate(image, 0, quiet)) == 0
    busy = replace(DEFAULT, threshold_brighter=0.01, threshold_darker=0.01)
    assert len(simulate(image, 0, busy)) > 16_384  # more than the first buffer holds


def test_random_numbers():
    """4 uniforms: mean 0 and variance 1 within 5 standard errors of 100,000 draws, one key."""
    bits = [np.uint64(mix(np.uint64(1), k)) for k in range(100_000)]
    draws = np.array([bell(b) for b in bits]) / BELL
    assert abs(draws.mean()) < 5 / np.sqrt(1e5) and abs(draws.var() - 1) < 5 * np.sqrt(2 / 1e5)
    assert int(mix(np.uint64(0), 0)) == 0xE220A8397B1DCDAF  # splitmix64's first output, seed 0


@pytest.mark.parametrize(
    "change",
    [
        {"blur": 0.0},
        {"tau": float("nan")},
        {"background": -1.0},
        {"background_p1": 1.5},
        {"gaze_x": (0, 1)},
        {"dark": 0},
    ],
)
def test_bad_parameters_are_named(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Parameters(**change)


def test_bad_arguments(digits):
    with pytest.raises(ValueError, match="28 x 28"):
        simulate(np.zeros((27, 28), np.uint8), 0)
    with pytest.raises(ValueError, match="uint8"):
        simulate(digits.images[0] / 255, 0)
    with pytest.raises(ValueError, match="seed"):
        simulate(digits.images[0], -1)
    with pytest.raises(ValueError, match="one seed"):
        simulate_frames(digits.images[:3], [0, 1], 10)
