"""An event camera that looks at a digit while its gaze makes three saccades.

N-MNIST was recorded by an event camera on a motor in front of a screen: three saccades of about
100 ms along a triangle (Orchard et al. 2015, Frontiers in Neuroscience 9:437). This simulator
makes recordings of that kind from a digit, "saccade digits". Each pixel follows

    L(t) = log(I(t) + dark)                    photoreceptor, I in [0, 1]
    tau dV/dt = L - V                          its limited bandwidth
    event when V - V_ref reaches +theta or -theta, then V_ref moves by theta

where I(t) is the blurred digit moved along the path of the gaze. Pixels differ a little in
theta, and background events are added. A pixel that darkens gives p = 1, as in N-MNIST.

The same (digit, seed) gives the same recording on any machine: after the tables below are
rounded, everything is integer arithmetic, and random numbers are a hash of a counter.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np

from course_lib.events.frames import BIN_BYTES, EVENT_DTYPE, check_bins, pack_keys
from course_lib.events.optics import (
    GAIN,
    LOG,
    blur_weights,
    gain_table,
    gaze_path,
    log_table,
    screen_table,
)
from course_lib.events.pixels import STEP_US, record

VERSION = 1


@dataclass(frozen=True)
class Parameters:
    """Parameters of the simulated camera; the defaults are fitted to N-MNIST (see compare.py).

    Lengths are in sensor pixels, times in ms, contrasts in log intensity.
    """

    gaze_x: tuple = (
        0.0,
        0.02,
        0.16,
        0.51,
        1.05,
        1.64,
        2.12,
        2.4,
        2.48,
        2.48,
        2.48,
        2.49,
        2.52,
        2.7,
        3.1,
        3.66,
        4.24,
        4.68,
        4.92,
        4.97,
        4.97,
        4.97,
        4.97,
        4.86,
        4.4,
        3.51,
        2.35,
        1.23,
        0.43,
        0.06,
        0.0,
        0.0,
    )
    gaze_y: tuple = (
        0.0,
        0.03,
        0.31,
        1.02,
        2.09,
        3.27,
        4.24,
        4.8,
        4.96,
        4.97,
        4.97,
        4.97,
        4.91,
        4.54,
        3.74,
        2.62,
        1.46,
        0.57,
        0.11,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    )
    knot_ms: float = 10.0
    gamma: float = 1.0  # of the screen
    blur: float = 0.41  # standard deviation of the optics
    scale_x: float = 0.933  # size of a digit's pixel
    scale_y: float = 0.933
    offset_x: float = 1.15  # centre of the digit's first pixel
    offset_y: float = 2.34
    dark: float = 0.164  # intensity of the black screen
    tau: float = 2.78  # of the photoreceptor in bright light
    tau_dark: float = 0.0  # added in the dark
    tau_second: float = 0.1  # of the second stage
    threshold_brighter: float = 0.288
    threshold_darker: float = 0.288
    mismatch: float = 0.07  # standard deviation of theta over pixels, relative to theta
    refractory: float = 0.0
    background: float = 122.0  # background events per recording
    duration: float = 308.0


DEFAULT = Parameters()


@lru_cache(maxsize=8)
def _tables(parameters: Parameters) -> tuple:
    """The arguments of ``pixels.record`` that do not depend on the digit."""
    steps = round(parameters.duration * 1000 / STEP_US)
    step_ms = STEP_US / 1000
    camera = (
        round(parameters.threshold_brighter * LOG),
        round(parameters.threshold_darker * LOG),
        round(parameters.mismatch * GAIN),
        round((1 - math.exp(-step_ms / parameters.tau_second)) * GAIN),
        round(parameters.refractory * 1000),
        round(parameters.background / (2 * 34 * 34) * (1 << 24)),
    )
    return (
        screen_table(parameters.gamma),
        blur_weights(parameters.offset_x, parameters.scale_x, parameters.blur),
        blur_weights(parameters.offset_y, parameters.scale_y, parameters.blur),
        gaze_path(parameters, steps, step_ms),
        log_table(parameters.dark),
        gain_table(parameters.tau, parameters.tau_dark, parameters.dark, step_ms),
        camera,
    )


def _check(images: np.ndarray, seeds) -> tuple[np.ndarray, np.ndarray]:
    images = np.asarray(images)
    if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
        raise ValueError(
            f"images are {images.dtype} {images.shape}; expected uint8 digits of 28 x 28 pixels"
        )
    seeds = [int(seed) for seed in seeds]
    if len(seeds) != len(images) or any(not 0 <= seed < 1 << 63 for seed in seeds):
        raise ValueError(f"expected one seed in 0 to 2**63 - 1 for each of {len(images)} digits")
    return np.ascontiguousarray(images), np.array(seeds, dtype=np.uint64)


def _keys(image, seed, parameters, buffer) -> np.ndarray:
    """Unsorted events of one recording as integers (see pixels.record)."""
    tables = _tables(parameters)
    count = record(image, seed, *tables, buffer)
    if count > len(buffer):
        buffer = np.empty(count, np.int64)
        record(image, seed, *tables, buffer)
    return buffer[:count]


def simulate(image: np.ndarray, seed: int, parameters: Parameters = DEFAULT) -> np.ndarray:
    """The recording of one digit, events sorted by time.

    Args:
        image: (28, 28) uint8, 0 = black.
        seed: 0 to 2**63 - 1; draws pixel mismatch and background.

    Returns:
        structured array as ``tonic.datasets.NMNIST`` gives: x, y, t in microseconds, p.
    """
    image = np.asarray(image)
    images, seeds = _check(image[None] if image.ndim == 2 else image, [seed])
    keys = np.sort(_keys(images[0], seeds[0], parameters, np.empty(16384, np.int64)))
    events = np.empty(len(keys), EVENT_DTYPE)
    events["p"] = keys % 2
    events["x"] = keys // 2 % 34
    events["y"] = keys // 68 % 34
    events["t"] = keys // (68 * 34)
    return events


def simulate_frames(
    images: np.ndarray, seeds, bins: int, parameters: Parameters = DEFAULT, progress: bool = False
) -> np.ndarray:
    """(n, bins * 289) uint8: the recordings of n digits as packed frames (see frames.py)."""
    from tqdm.auto import tqdm

    images, seeds = _check(images, seeds)
    bins = check_bins(bins)
    packed = np.zeros((len(images), bins * BIN_BYTES), np.uint8)

    def work(chunk):
        buffer = np.empty(16384, np.int64)
        for i in chunk:
            pack_keys(_keys(images[i], seeds[i], parameters, buffer), bins, packed[i])
        return len(chunk)

    chunks = [range(i, min(i + 50, len(images))) for i in range(0, len(images), 50)]
    with (
        ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS) as pool,
        tqdm(total=len(images), desc="saccade digits", unit="rec", disable=not progress) as bar,
    ):
        for done in pool.map(work, chunks):
            bar.update(done)
    return packed
