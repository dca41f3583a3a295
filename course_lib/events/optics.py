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
GAIN = 1 << 16  # units of the photoreceptor's low-pass coefficient


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
    """(steps + 1, 2) position of the image (x, y) in units of 1/POSITION pixel.

    The curve through the knots, one every ``knot_ms``, is a Catmull-Rom spline: between knots k
    and k + 1 a cubic with slopes (p[k+1] - p[k-1]) / 2 and (p[k+2] - p[k]) / 2.
    """
    knots = np.array([parameters.gaze_x, parameters.gaze_y])
    knots = np.concatenate([knots[:, :1], knots, knots[:, -1:], knots[:, -1:]], axis=1)
    times = np.minimum(np.arange(steps + 1) * step_ms / parameters.knot_ms, knots.shape[1] - 4)
    k = times.astype(int)
    u = times - k
    p0, p1, p2, p3 = (knots[:, k + i] for i in range(4))
    slope1, slope2 = (p2 - p0) / 2, (p3 - p1) / 2
    curve = p1 + u * (
        slope1 + u * (3 * (p2 - p1) - 2 * slope1 - slope2 + u * (2 * (p1 - p2) + slope1 + slope2))
    )
    return np.clip(np.rint(curve.T * POSITION), -PAD * POSITION, PAD * POSITION).astype(np.int64)


def screen_table(gamma: float) -> np.ndarray:
    """(256,) light of the screen's pixel values, 0 to LEVELS: (value / 255) ** gamma."""
    return np.array([round((i / 255) ** gamma * LEVELS) for i in range(256)])


def log_table(dark: float) -> np.ndarray:
    """(LEVELS + 1,) log intensity in units of 1/LOG."""
    return np.array([round(math.log(i / LEVELS + dark) * LOG) for i in range(LEVELS + 1)])


def gain_table(tau: float, tau_dark: float, dark: float, step_ms: float) -> np.ndarray:
    """(LEVELS + 1,) share of L - V that V covers in one step, in units of 1/GAIN.

    A photoreceptor is the slower the less light it gets: its time constant is
    ``tau + tau_dark * dark / (I + dark)``.
    """
    taus = [tau + tau_dark * dark / (i / LEVELS + dark) for i in range(LEVELS + 1)]
    return np.array([round((1 - math.exp(-step_ms / t)) * GAIN) for t in taus])
