"""Where recordings come from: simulated, real, latency-coded, spoken; to add one, see CONTRIBUTING.

A name such as "fashion" is in SOURCES; "fashion:PATH" says where its files are. Any other name is
the path of a folder of recordings, or of all of MNIST as an .npz file.
"""

import hashlib
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from course_lib.events import digits, frames, saccades
from course_lib.events.files import cache_folder, cached, progress_bar
from course_lib.events.frames import bytes_of_bin, pack
from course_lib.events.frameset import CLOTHES, DIGITS, FrameSet
from course_lib.events.own import NMNIST, Camera
from course_lib.events.recordings import (
    EAR,
    MOST_BYTES,
    PICTURE,
    SENSOR_SIZE,
    ordinary_file,
)


class How(NamedTuple):
    """The arguments of ``load_splits`` that a source may need."""

    bins: int
    seed: int = 0
    hold_out: str | os.PathLike | None = None
    cache_dir: str | os.PathLike | None = None
    on_bad: str = "error"
    progress: bool = True
    camera: Camera = NMNIST
    classes: tuple[str, ...] | None = None


class Data(NamedTuple):
    """What a source gives. To add a data set, write one function that returns this, and name it
    in SOURCES.

    ``parts``: which recordings are for training, validation and the test; ``rule``: in words.
    """

    name: str
    frames: FrameSet
    parts: list[np.ndarray]
    rule: str


class Source(NamedTuple):
    """A data set: (its name or path, ``How``) -> ``Data``; of its frames the ``sensor`` (width,
    height, polarities), and its ``classes``; none where only the recordings themselves say."""

    read: Callable[[str, How], Data]
    sensor: tuple[int, int, int] = SENSOR_SIZE
    classes: tuple[str, ...] = ()


def find_source(name: str | os.PathLike) -> tuple[Source, str]:
    """What a name stands for, and what follows its colon, else the name."""
    known, _, path = str(name).partition(":")
    if known in SOURCES:
        return SOURCES[known], path or known
    if str(name).endswith(".npz"):
        return Source(mnist_digits, classes=DIGITS), str(name)
    return Source(recordings), str(name)


def a_tenth_apart(count: int, seed: int) -> list[np.ndarray]:
    """Indices of a random permutation, cut into nine tenths and one."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    cut = count - count // 10
    return [order[:cut], order[cut:]]


def stratified(labels: np.ndarray, fractions: tuple, seed: int) -> list[np.ndarray]:
    """Split indices so that each part has its fraction of the whole and of every class.

    Sizes of a class are rounded down; the parts' totals are then filled up, classes with the
    largest remainders first, so that the totals are the rounded fractions of the whole.
    """
    generator = torch.Generator().manual_seed(seed)
    classes, sizes = np.unique(labels, return_counts=True)
    left = [np.flatnonzero(labels == c) for c in classes]
    left = [rows[torch.randperm(len(rows), generator=generator).numpy()] for rows in left]
    parts = []
    for fraction in fractions[1:]:
        exact = fraction * sizes
        take = (exact + 1e-9).astype(int)
        missing = round(fraction * len(labels)) - take.sum()
        take[np.argsort(take - exact, kind="stable")[:missing]] += 1
        parts.append(np.concatenate([rows[:n] for rows, n in zip(left, take, strict=True)]))
        left = [rows[n:] for rows, n in zip(left, take, strict=True)]
    return [np.concatenate(left), *parts]


def saccade_digits(source, how: How) -> Data:
    """The 5,000 embedded digits, simulated."""
    images, labels = digits.load_digits()
    parts = stratified(labels, (0.8, 0.1, 0.1), how.seed)
    rule = f"simulated; stratified by class, seed {how.seed}"
    if how.hold_out is not None:
        from course_lib.events.folders import matching_digits

        out = [index for _, index in matching_digits(how.hold_out)]
        parts = [part[~np.isin(part, out)] for part in parts]
        rule += f"; {len(out)} digits left out that {how.hold_out} holds recordings of"
    return Data("saccade digits", _simulated(images, labels, how), parts, rule)


def mnist_digits(source, how: How) -> Data:
    """All of MNIST, simulated; its test digits follow the training digits."""
    images, labels = digits.load_mnist(source)
    train = len(images) - digits.MNIST_TEST
    parts = [*a_tenth_apart(train, how.seed), np.arange(train, len(images))]
    rule = f"MNIST's test set, a tenth of its training set for validation, seed {how.seed}"
    return Data("saccade MNIST", _simulated(images, labels, how), parts, f"simulated; {rule}")


def clothes(source, how: How) -> Data:
    """Fashion-MNIST, simulated: the embedded 6,000, or all of a folder."""
    images, labels, parts, rule = _clothes(source, how)
    frames = _simulated(images, labels, how, CLOTHES)
    return Data("saccade Fashion-MNIST", frames, parts, f"simulated; {rule}")


def latencies(source, how: How) -> Data:
    """Fashion-MNIST, one spike for each pixel that is not dark: see ``fashion.latency``."""
    from course_lib.events.fashion import latency_frames  # which few lessons need

    images, labels, parts, rule = _clothes(source, how)
    frames = FrameSet(latency_frames(images, how.bins), labels, how.bins, PICTURE, CLOTHES)
    return Data("latency-coded Fashion-MNIST", frames, parts, rule)


def _clothes(source: str, how: How) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], str]:
    """Images, labels, parts, rule; the last 1,000 (of all: 10,000) pictures are the test set."""
    from course_lib.events import fashion

    if source in SOURCES:
        (images, labels), train = fashion.load_fashion(), 5000
    else:
        (images, labels), train = fashion.read_fashion(source), fashion.FULL["train"]
    parts = [*stratified(labels[:train], (0.9, 0.1), how.seed), np.arange(train, len(images))]
    rule = "pictures of its test set, a tenth of the others for validation, stratified by class"
    return images, labels, parts, f"{rule}, seed {how.seed}"


def spoken_digits(source: str, how: How) -> Data:
    """Spoken digits through a model of the inner ear; the test speaker was never heard before."""
    if source in SOURCES:
        raise ValueError(f'{source} needs a folder of recordings; expected "{source}:PATH"')
    from course_lib.events import speech

    files, labels, spoken = speech.find_speech(source)
    sounds, name = speech.read_speech(files)

    def build():
        packed = []
        for sound, file in zip(progress_bar(sounds, "sounds", how.progress), files, strict=True):
            packed.append(pack(speech.hear_file(sound, str(file)), how.bins, str(file), EAR))
        return {"packed": np.stack(packed)}

    key = {"speech": name, "frames": frames.VERSION, "bins": how.bins}
    packed = cached("speech", key, build, how.cache_dir)["packed"]
    speakers = sorted(set(spoken))
    if len(speakers) < 3:
        raise ValueError(f"{source} has {len(speakers)} speakers; expected at least 3, since those "
                         "of training, validation and the test differ")  # fmt: skip
    order = torch.randperm(len(speakers), generator=torch.Generator().manual_seed(how.seed))
    *trained, validated, tested = (speakers[i] for i in order)
    parts = [np.flatnonzero(np.isin(spoken, who)) for who in (trained, validated, tested)]
    rule = f"speakers {', '.join(sorted(trained))} / {validated} / {tested}, seed {how.seed}"
    return Data("spoken digits", FrameSet(packed, labels, how.bins, EAR), parts, rule)


def _simulated(images: np.ndarray, labels: np.ndarray, how: How, classes=DIGITS) -> FrameSet:
    """Recordings of n pictures; picture i has the seed n · seed + i."""
    key = {
        "digits": hashlib.sha256(images.tobytes()).hexdigest(),
        "camera": [saccades.VERSION, asdict(saccades.DEFAULT)],
        "frames": frames.VERSION,
        "bins": how.bins,
        "seed": how.seed,
    }
    seeds = range(len(images) * how.seed, len(images) * (how.seed + 1))

    def build():
        return {"packed": saccades.simulate_frames(images, seeds, how.bins, progress=how.progress)}

    packed = cached("saccades", key, build, how.cache_dir)["packed"]
    return FrameSet(packed, torch.from_numpy(labels), how.bins, classes=classes)


def find(source, how: How):
    """The ``folders.Recordings`` of a folder; of "nmnist": NMNIST_DIR, else a download.

    A folder that is not in N-MNIST's layout may hold another camera's.
    """
    from course_lib.events.folders import find_of_any_camera, find_recordings

    if str(source) == "nmnist":
        if folder := os.environ.get("NMNIST_DIR"):
            return find_recordings(folder)
        from course_lib.events.fetching import download

        return download(cache_folder(how.cache_dir))
    if how.camera != NMNIST:
        return find_of_any_camera(source, how.classes)
    try:
        return find_recordings(source)
    except (FileNotFoundError, ValueError):
        with suppress(FileNotFoundError):
            return find_of_any_camera(source, how.classes)
        raise


def recordings(source, how: How) -> Data:
    """A folder of recordings, its Test/ the test set if it has one."""
    found = find(source, how)
    if not found.train:
        raise ValueError(
            f"{found.folder} holds no Train/, so nothing to train on; load_all reads Test/ alone"
        )
    everything, good, notes = read_all(found, how)
    count = len(found.train)
    if found.test:
        parts = [*a_tenth_apart(count, how.seed), np.arange(count, len(good))]
        rule = f"Test/ is the test set, a tenth of Train/ the validation set, seed {how.seed}"
    else:
        parts = stratified(everything.labels.numpy(), (0.72, 0.08, 0.2), how.seed)
        rule = f"Train/ alone: stratified 72 % / 8 % / 20 %, seed {how.seed}"
    if found.classes is not DIGITS:
        rule += f"; {len(found.classes)} classes: {', '.join(found.classes)}"
    return Data(str(found.folder), everything, [part[good[part]] for part in parts], rule + notes)


def read_all(found, how: How) -> tuple[FrameSet, np.ndarray, str]:
    """Frames of all files that ``find`` found, Train/ then Test/, empty where a file is bad; which
    are good; a note. The cache knows files by what they hold: all are hashed at every start."""
    if how.on_bad not in ("error", "skip"):
        raise ValueError(f"on_bad is {how.on_bad!r}; expected 'error' or 'skip'")
    files = found.train + found.test
    pixels = how.camera.pixels

    def content(path: Path) -> bytes:
        """A file's bytes; none where a bad file is to be skipped."""
        try:
            return ordinary_file(path, MOST_BYTES).read_bytes()
        except (OSError, ValueError):
            if how.on_bad == "error":
                raise
            return b""

    known = progress_bar(files, "checking recordings", how.progress)
    digests = [hashlib.sha256(content(recording.path)).digest() for recording in known]
    key = {
        "recordings": hashlib.sha256(b"".join(digests)).hexdigest(),
        "frames": frames.VERSION,
        "bins": how.bins,
        "on_bad": how.on_bad,
    } | ({"camera": asdict(how.camera)} if how.camera != NMNIST else {})

    def build():
        packed = np.zeros((len(files), how.bins * bytes_of_bin(pixels)), np.uint8)
        bad = []
        for i, (path, _) in enumerate(progress_bar(files, "recordings", how.progress)):
            try:
                if hashlib.sha256(content(path)).digest() != digests[i]:
                    raise ValueError(f"{path} was changed while it was read; start again")
                packed[i] = how.camera.pack(path, how.bins, str(path))
            except (OSError, ValueError):
                if how.on_bad == "error":
                    raise
                bad.append(i)
        return {"packed": packed, "bad": np.array(bad, np.int64)}

    arrays = cached("recordings", key, build, how.cache_dir)
    good = np.ones(len(files), bool)
    good[arrays["bad"]] = False
    notes = [found.left_out] if found.left_out else []
    if how.on_bad == "skip":
        names = [files[i].path.name for i in arrays["bad"]]
        some = f" ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})" if names else ""
        notes.append(f"{len(names)} bad recordings skipped{some}")
    if found.left_out or not good.all():
        warnings.warn(f"{found.folder}: {'; '.join(notes)}", stacklevel=2)
    labels = torch.tensor([recording.label for recording in files])
    return (
        FrameSet(arrays["packed"], labels, how.bins, pixels, found.classes),
        good,
        "".join(f"; {note}" for note in notes),
    )


SOURCES = {
    "saccade-digits": Source(saccade_digits, classes=DIGITS),
    "fashion": Source(clothes, classes=CLOTHES),
    "fashion-latency": Source(latencies, PICTURE, CLOTHES),
    "speech": Source(spoken_digits, EAR, DIGITS),
    "nmnist": Source(recordings, classes=DIGITS),
}
