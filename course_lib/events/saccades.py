"""An event camera that looks at a digit while its gaze makes three saccades.

N-MNIST was recorded by an event camera on a motor in front of a screen: three saccades of about
100 ms along a triangle (Orchard et al. 2015, Frontiers in Neuroscience 9:437). This simulator
makes recordings of that kind from a digit, "saccade digits". Each pixel follows

    L(t) = log(I(t) + dark)                    photoreceptor, I in [0, 1]
    tau(I) dU/dt = L - U,  tau2 dV/dt = U - V  its limited bandwidth, slower in the dark
    event when V - V_ref reaches +theta_brighter or -theta_darker, then V_ref moves by theta

where I(t) is the digit on the screen, blurred and moved along the path of the gaze. Pixels
differ a little in theta, may rest after an event, and background events are added. A pixel that
darkens gives p = 1, as in N-MNIST.

The same (digit, seed) gives the same recording on any machine: after the tables below are
rounded, everything is integer arithmetic, and random numbers are a hash of a counter.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from course_lib.events.files import progress_bar
from course_lib.events.frames import BIN_BYTES, check_bins
from course_lib.events.recordings import EVENT_DTYPE, SIDE

VERSION = 3


# Fitted: three saccades along a triangle, (0, 0) -> (2, 5) -> (5, 0) -> (0, 0) pixels.
# fmt: off
GAZE_X = (
    0.00, 0.20, -0.01, 0.27, 0.23, 0.43, 1.43, 1.85, 2.10, 2.16, 2.15,
    2.14, 2.59, 3.10, 3.76, 4.14, 4.44, 4.95, 4.79, 5.65, 5.35, 5.47,
    5.39, 5.09, 4.18, 3.30, 2.11, 1.35, 0.63, 0.23, 0.29, 0.26,
)
GAZE_Y = (
    0.00, -0.07, 0.50, 1.02, 2.19, 3.46, 4.29, 4.91, 4.90, 4.89, 5.11,
    4.82, 4.89, 4.54, 3.56, 2.35, 1.03, -0.29, 0.10, -0.16, 0.05, -0.12,
    0.13, -0.13, -0.01, -0.12, -0.10, -0.33, -0.11, -0.15, -0.19, 0.16,
)
# fmt: on


@dataclass(frozen=True)
class Parameters:
    """Parameters of the simulated camera; fitted to N-MNIST (studies/recordings.py).

    Lengths are in sensor pixels, times in ms, contrasts in log intensity.
    """

    gaze_x: tuple = GAZE_X  # position of the image, one knot every knot_ms
    gaze_y: tuple = GAZE_Y
    knot_ms: float = 10.0
    gamma: float = 4.882  # contrast of the screen: light = value ** gamma
    blur: float = 0.39  # standard deviation of the optics
    scale_x: float = 0.949  # size of a digit's pixel
    scale_y: float = 0.973
    offset_x: float = 0.902  # centre of the digit's first pixel
    offset_y: float = 1.953
    dark: float = 0.17  # intensity of the black screen
    tau: float = 2.933  # of the photoreceptor in bright light
    tau_dark: float = 0.93  # added in the dark
    tau_second: float = 0.348  # of the second stage
    threshold_brighter: float = 0.265
    threshold_darker: float = 0.287
    mismatch: float = 0.05  # standard deviation of theta over pixels, relative to theta
    refractory: float = 0.0  # rest of a pixel after an event
    background: float = 130.0  # background events per recording
    background_p1: float = 0.93  # share of them with p = 1, as leaking pixels give
    duration: float = 308.0

    def __post_init__(self):
        for name in ("gaze_x", "gaze_y"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        if len(self.gaze_x) != len(self.gaze_y) or len(self.gaze_x) < 2:
            raise ValueError(
                f"gaze_x and gaze_y have {len(self.gaze_x)} and {len(self.gaze_y)} knots; expected "
                "the same number, at least 2"
            )
        for name, value in vars(self).items():
            if name.startswith(("gaze", "offset")):
                sound, expected = np.isfinite(value).all(), "finite"
            elif name == "background_p1":
                sound, expected = 0 <= value <= 1, "a share from 0 to 1"
            elif name in ("tau_dark", "mismatch", "refractory", "background"):
                sound, expected = 0 <= value < math.inf, "a number of at least 0"
            else:
                sound, expected = 0 < value < math.inf, "a number above 0"
            if not sound:
                raise ValueError(f"{name} is {value!r}; expected {expected}")


DEFAULT = Parameters()


@lru_cache(maxsize=8)
def _tables(parameters: Parameters) -> tuple:
    """The arguments of ``pixels.record`` that do not depend on the digit."""
    from course_lib.events.optics import scaled_tables
    from course_lib.events.pixels import STEP_US

    steps = round(parameters.duration * 1000 / STEP_US)
    tables = scaled_tables(parameters, steps, STEP_US / 1000)
    return tuple(np.rint(table).astype(np.int64) for table in tables.values())


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


def _keys(image, seed, parameters) -> np.ndarray:
    """Unsorted events of one recording as integers (see pixels.record)."""
    from course_lib.events.pixels import record  # compiled loops: only who simulates needs them

    tables, buffer = _tables(parameters), np.empty(16384, np.int64)
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
    images, seeds = _check(np.asarray(image)[None], [seed])
    keys = np.sort(_keys(images[0], seeds[0], parameters))
    events = np.empty(len(keys), EVENT_DTYPE)
    events["p"] = keys % 2
    events["x"] = keys // 2 % SIDE
    events["y"] = keys // (2 * SIDE) % SIDE
    events["t"] = keys // (2 * SIDE * SIDE)
    return events


def simulate_frames(images: np.ndarray, seeds, bins: int, progress: bool = False) -> np.ndarray:
    """(n, bins * 289) uint8: the recordings of n digits as packed frames (see frames.py)."""
    import numba

    from course_lib.events.pixels import pack_keys

    images, seeds = _check(images, seeds)
    bins = check_bins(bins)
    packed = np.zeros((len(images), bins * BIN_BYTES), np.uint8)

    def work(i):
        pack_keys(_keys(images[i], seeds[i], DEFAULT), bins, packed[i])

    with ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS) as pool:
        done = pool.map(work, range(len(images)))
        for _ in progress_bar(done, "simulated recordings", progress, len(images)):
            pass
    return packed
