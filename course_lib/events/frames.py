"""Events to frames, kept packed to bits.

A recording becomes T frames of equal time bins between its first and its last event, as
``tonic.transforms.ToFrame(sensor_size=(34, 34, 2), n_time_bins=T)`` cuts it:

    width = (t_last - t_first) // T          bin = (t - t_first) // width

Events with bin >= T are left out: the rest of the integer division, and always the last event
when T divides the length. Counts are clamped to [0, 1]: a bit says whether a pixel had an event
of this polarity.
"""

import numpy as np

from course_lib.events.recordings import SIDE, check_events

PIXELS = SIDE * SIDE
INPUTS = 2 * PIXELS
BIN_BYTES = INPUTS // 8  # 289, exactly
VERSION = 1


def check_bins(bins: int) -> int:
    """``bins`` as an int. Raises ValueError unless it is a whole number from 1 to 10,000."""
    if isinstance(bins, bool) or int(bins) != bins or not 1 <= bins <= 10_000:
        raise ValueError(f"bins is {bins!r}; expected a whole number of time bins, 1 to 10,000")
    return int(bins)


def count_frames(events: np.ndarray, bins: int) -> np.ndarray:
    """(T, 2, 34, 34) events per bin of equal time, not clamped. Raises ValueError: as ``pack``."""
    counts = np.bincount(_places(events, check_bins(bins)), minlength=bins * INPUTS)
    return counts.reshape(bins, 2, SIDE, SIDE)


def pack(events: np.ndarray, bins: int, name: str = "") -> np.ndarray:
    """(bins * 289,) uint8 bits of one recording in the order time bin, polarity, y, x.

    Args:
        events: fields x, y, t in microseconds and p, of any integer type; see ``check_events``.
        name: of the recording, for messages.

    Raises:
        ValueError: there is no event, an event lies outside the sensor, times decrease or are not
            whole; or a tenth of the events or more fall into no bin, as when t is in milliseconds.
    """
    bits = np.zeros(check_bins(bins) * INPUTS, np.uint8)
    bits[_places(events, bins, name)] = 1
    return np.packbits(bits)


def _places(events, bins: int, name: str = "") -> np.ndarray:
    """Where each event falls in (T, 2, 34, 34), flattened; those in no bin left out."""
    events = check_events(events, name)
    name = f"{name}: " if name else ""
    if len(events) == 0:
        raise ValueError(f"{name}no event, so the frames would be empty")
    t = events["t"] - events["t"][0]
    width = t[-1] // bins
    kept = events[: np.searchsorted(t, width * bins)]  # the rest would be in bin T and beyond
    if len(kept) < 0.9 * (len(events) - 1) or len(kept) == 0:
        raise ValueError(
            f"{name}{len(events) - len(kept)} of {len(events)} events fall into none of {bins} "
            f"time bins, since the first and the last are {t[-1]} us apart. If t is in "
            "milliseconds or seconds, multiply it by 1e3 or 1e6; if not, take fewer bins"
        )
    index = t[: len(kept)] // width
    return index * INPUTS + kept["p"] * PIXELS + kept["y"] * SIDE + kept["x"]
