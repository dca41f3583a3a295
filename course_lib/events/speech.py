"""Spoken digits as events: a small model of the inner ear, and folders of recordings.

Each of 64 channels hears a band of tones, the lower the smaller its number; its spikes are events
with x = the channel, and no y. A sound s becomes spikes in four steps:

    band       y_c = s * g_c,   g_c(t) = t³ exp(−2π b t) cos(2π f_c t)       a gammatone filter
               b = 1.019 ERB(f_c),   ERB(f) = 24.7 + 0.108 f Hz
    hair cell  r_c = log(1 + max(y_c, 0) / quiet)                rectified; loudness is compressed
    neuron     v ← β v + r_c · dt / τ;   spike, and v ← v − θ, when v > θ           a leaky neuron

Filters: Patterson et al. 1987 (APU report 2341), ERB: Glasberg and Moore 1990. The Spiking
Heidelberg Digits (Cramer et al. 2020) come from a far finer model of the same kind; for them,
``load_recordings(tonic.datasets.SHD("data"), bins=100, fit="keep")`` gives such frames.
"""

import hashlib
import io
import math
import re
import wave
from functools import lru_cache
from pathlib import Path

import numpy as np

from course_lib.events.recordings import EAR, EVENT_DTYPE, ordinary_file

VERSION = 1
CHANNELS = EAR[0]
#: centre of the lowest and of the highest band, Hz
BANDS = (100.0, 3600.0)
#: of a filter's response, seconds; softest sound that is heard, of the whole sound's mean power;
#: charging time, seconds, and threshold of a neuron
LENGTH, QUIET, TAU, THRESHOLD = 0.064, 0.1, 0.010, 0.35
#: a neuron's steps in a second; a hair cell's report is averaged over each
STEPS = 2000
#: of one recording
MOST_SECONDS = 60
NAME = re.compile(r"([0-9])_(.+)_([0-9]+)\.wav", re.IGNORECASE)


def erb(frequency):
    """Width in Hz of the band that the ear hears as one, around a frequency in Hz."""
    return 24.7 + 0.108 * frequency


def centres() -> np.ndarray:
    """(64,) frequencies, Hz: in equal steps of ERBs between BANDS."""
    low, high = (math.log(erb(edge)) for edge in BANDS)
    return (np.exp(np.linspace(low, high, CHANNELS)) - 24.7) / 0.108


@lru_cache(maxsize=4)
def gammatones(rate: int) -> np.ndarray:
    """(64, length) responses of the filters; a tone of its frequency passes at gain 1."""
    t = np.arange(1, round(LENGTH * rate)) / rate
    f = centres()[:, None]
    shape = t**3 * np.exp(-2 * np.pi * 1.019 * erb(f) * t)
    return shape * np.cos(2 * np.pi * f * t) * 2 / shape.sum(1, keepdims=True)


def cochlea(sound: np.ndarray, rate: int) -> np.ndarray:
    """(64, n) what the hair cells report of a sound (n,), whose loudness is taken out."""
    sound = sound - sound.mean()
    sound = sound / max(math.sqrt((sound**2).mean()), 1e-9)
    filters = gammatones(rate)
    size = 1 << (len(sound) + filters.shape[1]).bit_length()
    bands = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(filters, size), size)
    return np.log1p(np.maximum(bands[:, : len(sound)], 0) / QUIET)


def hear(sound: np.ndarray, rate: int) -> np.ndarray:
    """The events of a sound: x = channel, y = 0, t in microseconds, p = 0.

    sound: (n,) samples of any scale; rate: of them a second, at least twice the highest band.

    Raises ValueError if the sound is silent, not finite, too long, or sampled too slowly.
    """
    sound, rate = np.asarray(sound, np.float64), int(rate)
    if rate < 2 * BANDS[1]:
        raise ValueError(f"rate is {rate} a second; expected at least {2 * BANDS[1]:.0f}")
    if sound.ndim != 1 or not 0 < len(sound) <= MOST_SECONDS * rate:
        raise ValueError(f"sound has shape {sound.shape}; expected (n,), up to {MOST_SECONDS} s")
    if not np.isfinite(sound).all() or np.ptp(sound) == 0:
        raise ValueError("the sound is silent, or its samples are not finite")
    starts = np.arange(0, len(sound), rate / STEPS).astype(int)
    reports = np.add.reduceat(cochlea(sound, rate), starts, axis=1)
    charge = reports.T / (TAU * rate)
    beta, voltage = math.exp(-1 / (TAU * STEPS)), np.zeros(CHANNELS)
    spikes = np.empty(charge.shape, bool)
    for step, more in enumerate(charge):
        voltage = beta * voltage + more
        spikes[step] = voltage > THRESHOLD
        voltage -= THRESHOLD * spikes[step]
    steps, x = np.nonzero(spikes)
    events = np.zeros(len(x), EVENT_DTYPE)
    events["x"], events["t"] = x, steps * 1_000_000 // STEPS
    return events


def read_wave(data: bytes) -> tuple[np.ndarray, int]:
    """Samples (n,) and rate of a .wav file's bytes: PCM of 8 or 16 bits, channels averaged."""
    try:
        with wave.open(io.BytesIO(data)) as sound:
            width, tracks, rate = sound.getsampwidth(), sound.getnchannels(), sound.getframerate()
            samples = np.frombuffer(sound.readframes(sound.getnframes()), f"<i{width}")
            samples = samples.astype(np.float64) if width > 1 else samples.view(np.uint8) - 128.0
            return samples.reshape(-1, tracks).mean(1), rate
    except (wave.Error, EOFError, TypeError, ValueError) as error:
        raise ValueError(f"no .wav file of 8 or 16 bits ({error})") from error


def hear_file(data: bytes, name: str) -> np.ndarray:
    """The events of a .wav file's bytes. Raises ValueError, with the file's name."""
    try:
        return hear(*read_wave(data))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def find_speech(folder) -> tuple[list[Path], list[int], list[str]]:
    """Paths, digits and speakers of the files <digit>_<speaker>_<n>.wav in a folder, by name.

    Raises FileNotFoundError if there is none, or no folder.
    """
    folder = Path(folder).expanduser()
    files = [path for path in sorted(folder.rglob("*.wav")) if NAME.fullmatch(path.name)]
    if not files:
        raise FileNotFoundError(f"{folder} holds no recording <digit>_<speaker>_<n>.wav")
    names = [NAME.fullmatch(path.name) for path in files]
    return files, [int(name[1]) for name in names], [name[2] for name in names]


def read_speech(files: list[Path]) -> tuple[list[bytes], str]:
    """The files' bytes, and what names their spikes: a hash of all that shapes them."""
    sounds = [ordinary_file(path).read_bytes() for path in files]
    settings = (VERSION, CHANNELS, BANDS, LENGTH, QUIET, TAU, THRESHOLD, STEPS)
    digest = hashlib.sha256(repr(settings).encode())
    for path, sound in zip(files, sounds, strict=True):
        digest.update(hashlib.sha256(sound).digest() + path.name.encode())
    return sounds, digest.hexdigest()
