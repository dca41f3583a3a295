"""The pixels of the simulated event camera, compiled. Integers only (see saccades.py)."""

import numpy as np

from course_lib.compiling import compiled

# Units of the tables. They stand in this file, not in optics.py, because Numba's cache of these
# kernels is renewed when this file changes.
PAD = 8  # pixels around the 34 x 34 sensor from which the moving image can enter
POSITION_BITS, GAIN_BITS = 8, 16
POSITION = 1 << POSITION_BITS  # units of gaze per pixel
WEIGHT = 1024  # units of optical weight
LEVELS = 4096  # units of intensity
LOG = 1 << 20  # units of log intensity
GAIN = 1 << GAIN_BITS  # units of the photoreceptor's low-pass coefficient
SIDE = 34
STEP_US = 1000
BELL = 37_837  # standard deviation of bell(): 65536 / sqrt(3)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX1 = np.uint64(0xBF58476D1CE4E5B9)
MIX2 = np.uint64(0x94D049BB133111EB)


@compiled
def mix(key, counter):
    """splitmix64 (Steele, Lea, Flood 2014): 64 random bits of a 64-bit key and a counter."""
    z = key + (np.uint64(counter) + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * MIX1
    z = (z ^ (z >> np.uint64(27))) * MIX2
    return z ^ (z >> np.uint64(31))


@compiled
def recording_key(image, seed):
    """A 64-bit key of the digit's pixels and the seed."""
    key = mix(np.uint64(seed), 0)
    for value in image.ravel():
        key = mix(key, value)
    return key


@compiled
def bell(bits):
    """Nearly normal integer of mean 0 and standard deviation BELL: a sum of 4 uniforms."""
    total = np.int64(0)
    for k in range(4):
        total += np.int64((bits >> np.uint64(16 * k)) & np.uint64(0xFFFF))
    return total - 2 * 65535


@compiled
def project(image, screen, columns, rows):
    """Blurred digit on the padded sensor, in units of intensity 0 to LEVELS."""
    size = SIDE + 2 * PAD
    half = np.zeros((28, size), np.int64)
    for i in range(28):
        for j in range(28):
            value = screen[image[i, j]]
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
            retina[y, x] = min(LEVELS, retina[y, x] // (WEIGHT * WEIGHT))
    return retina


@compiled
def reach(retina, path, axis):
    """First sensor column (axis 0) or row (axis 1) that ever sees the digit, and their number."""
    low, high = SIDE, 0
    for y in range(retina.shape[0]):
        for x in range(retina.shape[1]):
            if retina[y, x] > 0:
                low = min(low, y if axis else x)
                high = max(high, y if axis else x)
    first = max(low - PAD + path[:, axis].min() // POSITION - 1, 0)
    last = min(high - PAD + path[:, axis].max() // POSITION + 2, SIDE - 1)
    return first, max(last + 1 - first, 0)


@compiled
def record(image, seed, screen, columns, rows, path, logs, gains, camera, out):
    """Simulate one recording into ``out`` and return the number of events.

    An event is one integer, ``((t * 34 + y) * 34 + x) * 2 + p``, so that sorting the integers
    sorts the events by time. Events beyond len(out) are counted but not stored.
    """
    brighter_threshold, darker_threshold, mismatch = camera[0], camera[1], camera[2]
    gain2, refractory, background, leak = camera[3], camera[4], camera[5], camera[6]
    key = recording_key(image, seed)
    retina = project(image, screen, columns, rows)
    left, width = reach(retina, path, 0)
    top, height = reach(retina, path, 1)
    light = np.empty((height, width), np.int64)
    gain = np.empty((height, width), np.int64)
    first = np.empty((height, width), np.int64)
    voltage = np.empty((height, width), np.int64)
    before = np.empty(width, np.int64)
    reference = np.empty((height, width), np.int64)
    up = np.empty((height, width), np.int64)
    down = np.empty((height, width), np.int64)
    ready = np.zeros((height, width), np.int64)
    count = 0
    for step in range(path.shape[0]):
        px, py = path[step, 0], path[step, 1]
        moved = step == 0 or px != path[step - 1, 0] or py != path[step - 1, 1]
        # The sensor pixel (x, y) sees the retina at (x - px, y - py).
        cell_x, fx = left + PAD + (-px >> POSITION_BITS), -px & (POSITION - 1)
        cell_y, fy = top + PAD + (-py >> POSITION_BITS), -py & (POSITION - 1)
        for y in range(height):
            if moved:
                upper = retina[cell_y + y, cell_x : cell_x + width + 1]
                lower = retina[cell_y + y + 1, cell_x : cell_x + width + 1]
                for x in range(width):
                    above = upper[x] * (POSITION - fx) + upper[x + 1] * fx
                    below = lower[x] * (POSITION - fx) + lower[x + 1] * fx
                    level = (above * (POSITION - fy) + below * fy) >> 2 * POSITION_BITS
                    light[y, x] = logs[level]
                    gain[y, x] = gains[level]
            if step == 0:
                for x in range(width):
                    pixel = (top + y) * SIDE + left + x
                    factor = max(GAIN // 4, GAIN + mismatch * bell(mix(key, pixel)) // BELL)
                    up[y, x] = brighter_threshold * factor >> GAIN_BITS
                    down[y, x] = darker_threshold * factor >> GAIN_BITS
                    first[y, x] = light[y, x]
                    voltage[y, x] = light[y, x]
                    # The pixel last fired long ago: its reference is anywhere in between.
                    share = np.int64(mix(key, 10_000 + pixel) >> np.uint64(48))
                    span = up[y, x] + down[y, x] - 2
                    reference[y, x] = light[y, x] - up[y, x] + 1 + (span * share >> 16)
                continue
            for x in range(width):
                before[x] = voltage[y, x]
                first[y, x] += (light[y, x] - first[y, x]) * gain[y, x] >> GAIN_BITS
                voltage[y, x] += (first[y, x] - voltage[y, x]) * gain2 >> GAIN_BITS
            start = (step - 1) * STEP_US
            for x in range(width):
                change = voltage[y, x] - reference[y, x]
                if -down[y, x] < change < up[y, x]:
                    continue
                jump = up[y, x] if change > 0 else -down[y, x]
                swing = voltage[y, x] - before[x]
                while abs(change) >= abs(jump):
                    part = reference[y, x] + jump - before[x]
                    late = STEP_US * part // swing if swing != 0 else 0
                    t = max(start + min(max(late, 0), STEP_US - 1), ready[y, x])
                    if t >= start + STEP_US:
                        break
                    ready[y, x] = t + refractory
                    reference[y, x] += jump
                    change -= jump
                    if count < out.shape[0]:
                        pixel = (t * SIDE + top + y) * SIDE + left + x
                        out[count] = 2 * pixel + (0 if jump > 0 else 1)
                    count += 1
    # Background: each pixel draws twice, so that their number is close to Poisson.
    duration = (path.shape[0] - 1) * STEP_US
    for draw in range(2 * SIDE * SIDE):
        bits = mix(key, 20_000 + draw)
        if np.int64(bits >> np.uint64(40)) < background:
            bits = mix(key, 30_000 + draw)
            t = np.int64(bits >> np.uint64(33)) * duration >> 31
            if count < out.shape[0]:
                darker = np.int64(bits & np.uint64(0xFFFF)) < leak
                out[count] = (t * SIDE * SIDE + draw // 2) * 2 + (1 if darker else 0)
            count += 1
    return count


@compiled
def pack_keys(keys, bins, out):
    """Set the bits of one recording, given by the integers of ``record``, as ``frames.pack``."""
    if len(keys) == 0:
        return
    inputs = 2 * SIDE * SIDE
    first = keys.min() // inputs
    width = (keys.max() // inputs - first) // bins
    if width == 0:
        return
    for key in keys:
        index = (key // inputs - first) // width
        if index < bins:
            place = key % inputs
            bit = index * inputs + (place & 1) * SIDE * SIDE + (place >> 1)
            out[bit >> 3] |= np.uint8(128 >> (bit & 7))
