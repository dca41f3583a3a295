"""Tables of the simulated camera: where the gaze is, what the optics blur, how pixels respond.

``saccades.py`` rounds them to integers, far coarser than the last bit in which two mathematical
libraries may differ, so that all machines hold the same tables.
"""

import math

import numpy as np

from course_lib.events.pixels import GAIN, LEVELS, LOG, PAD, POSITION, WEIGHT


def blur_weights(offset: float, scale: float, blur: float) -> np.ndarray:
    """(34 + 2 PAD, 28) weights of the digit's pixels in each sensor position.

    Digit pixel i covers [offset + scale (i - 1/2), offset + scale (i + 1/2)] on the sensor, and a
    sensor pixel sees it through a Gaussian of standard deviation ``blur``.
    """
    edges = offset + scale * (np.arange(29) - 0.5)
    centres = np.arange(34 + 2 * PAD) - PAD
    z = (edges[None, :] - centres[:, None]) / (blur * math.sqrt(2))
    cumulative = 0.5 * (1 + np.vectorize(math.erf)(z))
    return np.diff(cumulative, axis=1)


def gaze_path(gaze_x: tuple, gaze_y: tuple, knot_ms: float, steps: int, step_ms: float):
    """(steps + 1, 2) position of the image (x, y) in pixels, at most PAD - 1 from the origin.

    The curve through the knots, one every ``knot_ms``, is a Catmull-Rom spline: between knots k
    and k + 1 a cubic with slopes (p[k+1] - p[k-1]) / 2 and (p[k+2] - p[k]) / 2.
    """
    knots = np.array([gaze_x, gaze_y], dtype=float)
    last = knots.shape[1] - 1
    knots = np.concatenate([knots[:, :1], knots, knots[:, -1:], knots[:, -1:]], axis=1)
    times = np.minimum(np.arange(steps + 1) * step_ms / knot_ms, last)
    k = times.astype(int)
    u = times - k
    p0, p1, p2, p3 = (knots[:, k + i] for i in range(4))
    slope1, slope2 = (p2 - p0) / 2, (p3 - p1) / 2
    curve = p1 + u * (
        slope1 + u * (3 * (p2 - p1) - 2 * slope1 - slope2 + u * (2 * (p1 - p2) + slope1 + slope2))
    )
    return np.clip(curve.T, 1 - PAD, PAD - 1)


def low_pass_gain(tau: float, step_ms: float) -> float:
    """Share of L - V that V covers in one step of tau dV/dt = L - V."""
    return 1 - math.exp(-step_ms / tau)


def scaled_tables(p, steps: int, step_ms: float) -> dict[str, np.ndarray]:
    """The tables of the camera with ``saccades.Parameters`` p, in their units, not yet rounded.

    In the order in which ``pixels.record`` takes them.

    A photoreceptor is the slower the less light it gets: its time constant is
    ``tau + tau_dark * dark / (I + dark)``.
    """
    light = np.arange(LEVELS + 1) / LEVELS
    taus = p.tau + p.tau_dark * p.dark / (light + p.dark)
    return {
        "screen": np.array([(i / 255) ** p.gamma for i in range(256)]) * LEVELS,
        "columns": blur_weights(p.offset_x, p.scale_x, p.blur) * WEIGHT,
        "rows": blur_weights(p.offset_y, p.scale_y, p.blur) * WEIGHT,
        "path": gaze_path(p.gaze_x, p.gaze_y, p.knot_ms, steps, step_ms) * POSITION,
        "logs": np.array([math.log(i / LEVELS + p.dark) for i in range(LEVELS + 1)]) * LOG,
        "gains": np.array([low_pass_gain(tau, step_ms) for tau in taus]) * GAIN,
        "camera": np.array(
            [
                p.threshold_brighter * LOG,
                p.threshold_darker * LOG,
                p.mismatch * GAIN,
                low_pass_gain(p.tau_second, step_ms) * GAIN,
                p.refractory * 1000,
                p.background / (2 * 34 * 34) * (1 << 24),
                p.background_p1 * (1 << 16),
            ]
        ),
    }
