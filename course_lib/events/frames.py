"""Events to frames, kept packed to bits.

A recording becomes T frames of equal time bins between its first and its last event, as
``tonic.transforms.ToFrame(sensor_size=(34, 34, 2), n_time_bins=T)`` cuts it:

    width = (t_last - t_first) // T          bin = (t - t_first) // width

Events with bin >= T are left out (the rest of the integer division, and always the last event
when T divides the length); a recording shorter than T microseconds has width 0 and gives empty
frames. Counts are clamped to [0, 1]: a bit says whether a pixel had an event of this polarity.
"""

import numba
import numpy as np

EVENT_DTYPE = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])
SENSOR_SIZE = (34, 34, 2)
PIXELS = 34 * 34
INPUTS = 2 * PIXELS
BIN_BYTES = INPUTS // 8  # 289, exactly
VERSION = 1


def check_bins(bins: int) -> int:
    """``bins`` as an int. Raises ValueError unless it is a whole number from 1 to 10,000."""
    if isinstance(bins, bool) or int(bins) != bins or not 1 <= bins <= 10_000:
        raise ValueError(f"bins is {bins!r}; expected a whole number of time bins, 1 to 10,000")
    return int(bins)


@numba.njit(cache=True, nogil=True)
def pack_events(x, y, t, p, bins, out):
    """Set the bits of one recording in ``out`` (bins * 289,) uint8, all zero before.

    Returns the index of the first event that lies outside the sensor or goes back in time, and
    sets nothing then; -1 when all is well.
    """
    for i in range(len(t)):
        inside = 0 <= x[i] < 34 and 0 <= y[i] < 34 and 0 <= p[i] < 2
        if not inside or (i > 0 and t[i] < t[i - 1]):
            return i
    first = t[0]
    width = (t[-1] - first) // bins
    if width == 0:
        return -1
    index, end = 0, first + width
    for i in range(len(t)):
        while t[i] >= end:
            index += 1
            end += width
        if index >= bins:
            break
        bit = index * INPUTS + p[i] * PIXELS + y[i] * 34 + x[i]
        out[bit >> 3] |= np.uint8(128 >> (bit & 7))
    return -1


@numba.njit(cache=True, nogil=True)
def pack_keys(keys, bins, out):
    """pack_events for unsorted integers ``((t * 34 + y) * 34 + x) * 2 + p`` (see pixels.py)."""
    if len(keys) == 0:
        return
    first = keys.min() // INPUTS
    width = (keys.max() // INPUTS - first) // bins
    if width == 0:
        return
    for key in keys:
        index = (key // INPUTS - first) // width
        if index < bins:
            place = key % INPUTS
            bit = index * INPUTS + (place & 1) * PIXELS + (place >> 1)
            out[bit >> 3] |= np.uint8(128 >> (bit & 7))


def pack(events: np.ndarray, bins: int) -> np.ndarray:
    """(bins * 289,) uint8 bits of one recording in the order time bin, polarity, y, x.

    Raises ValueError when an event lies outside the sensor or times decrease.
    """
    bins = check_bins(bins)
    out = np.zeros(bins * BIN_BYTES, np.uint8)
    if len(events) == 0:
        return out
    columns = [events[name].astype(np.int64, copy=False) for name in "xytp"]
    bad = pack_events(*columns, bins, out)
    if bad >= 0:
        raise ValueError(
            f"event {bad} is {events[bad]} (x, y, t, p); expected x, y in 0 to 33, p in 0 to 1, "
            "and times that never decrease"
        )
    return out
