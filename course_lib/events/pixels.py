"""The pixels of the simulated event camera, compiled. Integers only (see saccades.py)."""

import numba
import numpy as np

from course_lib.events.optics import LEVELS, PAD, POSITION, WEIGHT

SIDE = 34
STEP_US = 1000
GAIN = 1 << 16  # units of the low-pass coefficient
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX1 = np.uint64(0xBF58476D1CE4E5B9)
MIX2 = np.uint64(0x94D049BB133111EB)


@numba.njit(cache=True, nogil=True)
def mix(key, counter):
    """splitmix64 (Steele, Lea, Flood 2014): 64 random bits of a 64-bit key and a counter."""
    z = key + (np.uint64(counter) + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * MIX1
    z = (z ^ (z >> np.uint64(27))) * MIX2
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def recording_key(image, seed):
    """A 64-bit key of the digit's pixels and the seed."""
    key = mix(np.uint64(seed), 0)
    for value in image.ravel():
        key = mix(key, value)
    return key


@numba.njit(cache=True, nogil=True)
def bell(bits):
    """Nearly normal integer of mean 0 and standard deviation 37,837: a sum of 4 uniforms."""
    total = np.int64(0)
    for k in range(4):
        total += np.int64((bits >> np.uint64(16 * k)) & np.uint64(0xFFFF))
    return total - 2 * 65535


@numba.njit(cache=True, nogil=True)
def project(image, columns, rows):
    """Blurred digit on the padded sensor, in units of intensity 0 to LEVELS."""
    size = SIDE + 2 * PAD
    half = np.zeros((28, size), np.int64)
    for i in range(28):
        for j in range(28):
            value = np.int64(image[i, j])
            if value:
                for x in range(size):
                    half[i, x] += value * columns[x, j]
    retina = np.zeros((size, size), np.int64)
    for y in range(size):
        for i in range(28):
            weight = rows[y, i]
            if weight:
                for x in range(size):
                    retina[y, x] += weight * half[i, x]
        for x in range(size):
            retina[y, x] = min(LEVELS, retina[y, x] * LEVELS // (255 * WEIGHT * WEIGHT))
    return retina


@numba.njit(cache=True, nogil=True)
def record(image, seed, columns, rows, path, logs, threshold, mismatch, gain, background, out):
    """Simulate one recording into ``out`` and return the number of events.

    An event is one integer, ``(((t * 34 + y) * 34 + x) * 2 + p``, so that sorting the integers
    sorts the events by time. Events beyond len(out) are counted but not stored.
    """
    key = recording_key(image, seed)
    retina = project(image, columns, rows)
    steps = path.shape[0] - 1
    light = np.empty((SIDE, SIDE), np.int64)
    voltage = np.empty((SIDE, SIDE), np.int64)
    before = np.empty(SIDE, np.int64)
    reference = np.empty((SIDE, SIDE), np.int64)
    theta = np.empty((SIDE, SIDE), np.int64)
    count = 0
    for step in range(steps + 1):
        px, py = path[step, 0], path[step, 1]
        moved = step == 0 or px != path[step - 1, 0] or py != path[step - 1, 1]
        # The sensor pixel (x, y) sees the retina at (x - px, y - py).
        cell_x, fx = (-px) // POSITION, (-px) % POSITION
        cell_y, fy = (-py) // POSITION, (-py) % POSITION
        for y in range(SIDE):
            if moved:
                upper, lower = retina[y + PAD + cell_y], retina[y + PAD + cell_y + 1]
                for x in range(SIDE):
                    c = x + PAD + cell_x
                    top = upper[c] * (POSITION - fx) + upper[c + 1] * fx
                    bottom = lower[c] * (POSITION - fx) + lower[c + 1] * fx
                    mean = top * (POSITION - fy) + bottom * fy
                    light[y, x] = logs[mean // (POSITION * POSITION)]
            if step == 0:
                for x in range(SIDE):
                    noise = bell(mix(key, y * SIDE + x))
                    start = bell(mix(key, 10_000 + y * SIDE + x))
                    voltage[y, x] = light[y, x]
                    theta[y, x] = max(threshold // 4, threshold + mismatch * noise // 37837)
                    reference[y, x] = light[y, x] + theta[y, x] * start // 131072
                continue
            for x in range(SIDE):
                before[x] = voltage[y, x]
                voltage[y, x] += (light[y, x] - voltage[y, x]) * gain // GAIN
            for x in range(SIDE):
                change = voltage[y, x] - reference[y, x]
                while abs(change) >= theta[y, x]:
                    brighter = change > 0
                    reference[y, x] += theta[y, x] if brighter else -theta[y, x]
                    swing = voltage[y, x] - before[x]
                    part = reference[y, x] - before[x]
                    late = STEP_US * part // swing if swing != 0 else 0
                    t = (step - 1) * STEP_US + min(max(late, 0), STEP_US - 1)
                    if count < out.shape[0]:
                        out[count] = ((t * SIDE + y) * SIDE + x) * 2 + (0 if brighter else 1)
                    count += 1
                    change = voltage[y, x] - reference[y, x]
    # Background: each pixel draws twice, so that their number is close to Poisson.
    duration = steps * STEP_US
    for draw in range(2 * SIDE * SIDE):
        bits = mix(key, 20_000 + draw)
        if np.int64(bits >> np.uint64(40)) < background:
            bits = mix(key, 30_000 + draw)
            t = np.int64(bits >> np.uint64(33)) * duration >> 31
            if count < out.shape[0]:
                out[count] = (t * SIDE * SIDE + draw // 2) * 2 + np.int64(bits & np.uint64(1))
            count += 1
    return count
