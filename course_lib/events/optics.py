"""Tables of the simulated camera: where the gaze is, what the optics blur, how pixels respond.

Every table is rounded to integers, far coarser than the last bit in which two mathematical
libraries may differ, so that all machines hold the same tables.
"""

import math

import numpy as np

PAD = 8  # pixels around the 34 x 34 sensor from which the moving image can enter
POSITION = 256  # units of gaze per pixel
WEIGHT = 1024  # units of optical weight
LEVELS = 4096  # units of intensity
LOG = 1 << 20  # units of log intensity


def blur_weights(offset: float, scale: float, blur: float) -> np.ndarray:
    """(34 + 2 PAD, 28) integer weights of the digit's pixels in each sensor position.

    Digit pixel i covers [offset + scale (i - 1/2), offset + scale (i + 1/2)] on the sensor, and a
    sensor pixel sees it through a Gaussian of standard deviation ``blur``.
    """
    edges = offset + scale * (np.arange(29) - 0.5)
    centres = np.arange(34 + 2 * PAD) - PAD
    z = (edges[None, :] - centres[:, None]) / (blur * math.sqrt(2))
    cumulative = 0.5 * (1 + np.vectorize(math.erf)(z))
    return np.rint(np.diff(cumulative, axis=1) * WEIGHT).astype(np.int64)


def gaze_path(parameters, steps: int, step_ms: float) -> np.ndarray:
    """(steps + 1, 2) position of the image (x, y) in units of 1/POSITION pixel."""
    corners = parameters.amplitude * np.array([[0, 0], [3.5, 7], [7, 0], [0, 0]])
    times = (np.arange(steps + 1) * step_ms - parameters.start) / parameters.period
    saccade = np.clip(np.floor(times), 0, 2).astype(int)
    u = (times - saccade - 0.5) / parameters.moving + 0.5
    u = np.clip(u, 0, 1)
    done = u - np.sin(2 * np.pi * u) / (2 * np.pi)  # speed: a raised cosine
    path = corners[saccade] + (corners[saccade + 1] - corners[saccade]) * done[:, None]
    return np.rint(path * POSITION).astype(np.int64)


def log_table(dark: float) -> np.ndarray:
    """(LEVELS + 1,) log intensity in units of 1/LOG."""
    return np.array([round(math.log(i / LEVELS + dark) * LOG) for i in range(LEVELS + 1)])
