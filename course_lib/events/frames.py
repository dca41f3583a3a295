"""Events to frames, kept packed to bits.

A recording becomes T frames of equal time bins between its first and its last event, as
``tonic.transforms.ToFrame(sensor_size=(34, 34, 2), n_time_bins=T)`` cuts it:

    width = (t_last - t_first) // T          bin = (t - t_first) // width

Events with bin >= T are left out: the rest of the integer division, and always the last event
when T divides the length. Counts are clamped to [0, 1]: a bit says whether a pixel had an event
of this polarity.
"""

import math

import numpy as np

from course_lib.events.recordings import SENSOR_SIZE, SIDE, check_events, check_sensor

INPUTS = 2 * SIDE * SIDE
BIN_BYTES = INPUTS // 8  # 289, exactly
VERSION = 1
#: of one recording; more are not asked for
MOST_BITS = 1 << 30


def check_bins(bins: int) -> int:
    """``bins`` as an int. Raises ValueError unless it is a whole number from 1 to 10,000."""
    if isinstance(bins, bool) or int(bins) != bins or not 1 <= bins <= 10_000:
        raise ValueError(f"bins is {bins!r}; expected a whole number of time bins, 1 to 10,000")
    return int(bins)


def bytes_of_bin(sensor: tuple[int, int, int]) -> int:
    """Of one time bin: 289 for 34 x 34 x 2. The kernels read eight at a time, so at least eight."""
    return max(8, -(-math.prod(sensor) // 8))


def count_frames(events: np.ndarray, bins: int) -> np.ndarray:
    """(T, 2, 34, 34) events per bin of equal time, not clamped. Raises ValueError: as ``pack``."""
    places = _places(events, check_bins(bins), INPUTS)
    return np.bincount(places, minlength=bins * INPUTS).reshape(bins, 2, SIDE, SIDE)


def pack(
    events: np.ndarray, bins: int, name: str = "", sensor: tuple[int, ...] = SENSOR_SIZE
) -> np.ndarray:
    """(bins * 289,) uint8 bits of one recording in the order time bin, polarity, y, x.

    Args:
        events: fields x, y, t in microseconds and p, of any integer type; see ``check_events``.
        name: of the recording, for messages.
        sensor: (width, height, polarities); a bin has ``bytes_of_bin(sensor)`` bytes.

    Raises:
        ValueError: there is no event, an event lies outside the sensor, times decrease or are not
            whole; or a tenth of the events or more fall into no bin, as when t is in milliseconds.
    """
    sensor = check_sensor(sensor)
    size = 8 * bytes_of_bin(sensor)
    if check_bins(bins) * size > MOST_BITS:
        raise ValueError(f"{bins} time bins of a sensor {sensor} are {bins * size:,} bits; at most "
                         f"{MOST_BITS:,} are possible here. Scale it down")  # fmt: skip
    bits = np.zeros(bins * size, np.uint8)
    bits[_places(events, bins, size, name, sensor)] = 1
    return np.packbits(bits)


def _places(events, bins: int, size: int, name: str = "", sensor=SENSOR_SIZE) -> np.ndarray:
    """Where each event falls in T bins of ``size``; those in no bin left out."""
    width, height, _ = sensor
    events = check_events(events, name, sensor)
    name = f"{name}: " if name else ""
    if len(events) == 0:
        raise ValueError(f"{name}no event, so the frames would be empty")
    t = events["t"] - events["t"][0]
    step = t[-1] // bins
    kept = events[: np.searchsorted(t, step * bins)]  # the rest would be in bin T and beyond
    if len(kept) < 0.9 * (len(events) - 1) or len(kept) == 0:
        raise ValueError(
            f"{name}{len(events) - len(kept)} of {len(events)} events fall into none of {bins} "
            f"time bins, since the first and the last are {t[-1]} us apart. If t is in "
            "milliseconds or seconds, multiply it by 1e3 or 1e6; if not, take fewer bins"
        )
    index = t[: len(kept)] // step
    return index * size + (kept["p"] * height + kept["y"]) * width + kept["x"]
