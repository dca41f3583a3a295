"""Training, validation and test sets of saccade digits or of real recordings."""

import hashlib
import os
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import torch

from course_lib.events import digits as digit_file
from course_lib.events import folders, frames, saccades
from course_lib.events.files import cache_folder, cached
from course_lib.events.frames import BIN_BYTES, check_bins, pack
from course_lib.events.frameset import FrameSet
from course_lib.events.recordings import read_recording

SOURCE = "saccade-digits"


class Splits(NamedTuple):
    """``train``, ``validation``, ``test`` FrameSets; ``name``; ``note``: rule, sizes, skipped."""

    train: FrameSet
    validation: FrameSet
    test: FrameSet
    name: str
    note: str


def load_splits(
    source: str | os.PathLike = SOURCE,
    bins: int = 10,
    *,
    hold_out: str | os.PathLike | None = None,
    cache_dir: str | os.PathLike | None = None,
    on_bad: str = "error",
    seed: int = 0,
    progress: bool = True,
) -> Splits:
    """Frames of a data source, split by a stated rule.

    Rules, with permutations from ``torch.Generator().manual_seed(seed)``:

    - ``"saccade-digits"``: 5,000 simulated recordings, split 4,000 / 500 / 500, stratified by
      class. ``hold_out=PATH`` then leaves out of each part every digit of which PATH/Train holds
      a real recording.
    - real recordings with Train/ and Test/ (``"nmnist"``, or the path of a folder): Test/ is
      the test set; one tenth of Train/ is the validation set, the first nine tenths of a random
      permutation are the training set (54,000 / 6,000 / 10,000 for the full set, as in the paper
      EGGROLL-SNN).
    - the path of a file ``….npz`` with all of MNIST (``x_train``, ``y_train``, ``x_test``,
      ``y_test``, as Keras and many others pack it): SIMULATED recordings of its 70,000 digits,
      split as the full N-MNIST is.
    - Train/ alone: stratified by class, 20 % test, 80 % for training, of which one tenth is
      the validation set; 1,000 recordings give 720 + 80 and 200. To train on all 800, join
      train and validation with ``concatenate``.

    Args:
        source: "saccade-digits"; "nmnist" (the folder in the variable NMNIST_DIR, else a
            download kept in the cache); or the path of a folder of recordings, or of MNIST.
        bins: T, the number of time bins.
        cache_dir: where frames are kept; default: COURSE_CACHE, else the user's cache folder.
        on_bad: "error" stops at the first bad file; "skip" leaves it out and counts it in note.
        seed: of the split, and of the simulator (digit i has the seed 5000 * seed + i).
        progress: show a bar for long steps.

    Raises:
        FileNotFoundError, ValueError: see ``folders``, ``recordings`` and the messages.
    """
    bins, seed = check_bins(bins), _check_seed(seed)
    if str(source) == SOURCE:
        return _saccade_splits(bins, hold_out, cache_dir, seed, progress)
    if hold_out is not None:
        raise ValueError(f"hold_out is for the source {SOURCE!r}, not for {str(source)!r}")
    if str(source).endswith(".npz"):
        return _mnist_splits(source, bins, cache_dir, seed, progress)
    found = _find(source, cache_dir)
    if not found.train:
        raise ValueError(
            f"{found.folder} holds no Train/, so nothing to train on; load_all reads Test/ alone"
        )
    train, skipped = _frames(found.folder, found.train, bins, cache_dir, on_bad, progress)
    labels = np.array([r.label for r in found.train])
    if found.test:
        parts = a_tenth_apart(len(labels), seed)
        rule = f"Test/ is the test set, a tenth of Train/ the validation set, seed {seed}"
    else:
        parts = stratified(labels, (0.72, 0.08, 0.2), seed)
        rule = f"Train/ alone: stratified 72 % / 8 % / 20 %, seed {seed}"
    sets = [train.select(part) for part in parts]
    if found.test:
        test, more = _frames(found.folder, found.test, bins, cache_dir, on_bad, progress)
        skipped += more
        sets.append(test.select(np.arange(len(found.test))))
    for part, kept in zip(("training", "validation", "test"), sets, strict=True):
        if len(kept) == 0:
            raise ValueError(
                f"{found.folder}: the {part} set would be empty; {len(found.train)} recordings in "
                "Train/ are too few"
            )
    return Splits(*sets, name=str(found.folder), note=_note(rule, sets, skipped, on_bad))


def load_all(
    path: str | os.PathLike,
    bins: int = 10,
    *,
    cache_dir: str | os.PathLike | None = None,
    on_bad: str = "error",
    progress: bool = True,
) -> FrameSet:
    """The frames of every recording of a folder, Train/ then Test/, by label, then by name."""
    found = _find(path, cache_dir)
    everything = found.train + found.test
    kept, _ = _frames(found.folder, everything, check_bins(bins), cache_dir, on_bad, progress)
    return kept.select(np.arange(len(everything)))


def concatenate(*sets: FrameSet) -> FrameSet:
    """One FrameSet of the recordings of several, in order. Raises ValueError if bins differ."""
    if len({part.bins for part in sets}) != 1:
        raise ValueError(f"the sets have {[p.bins for p in sets]} bins; expected the same")
    packed = np.concatenate([part.packed for part in sets])
    return FrameSet(packed, torch.cat([part.labels for part in sets]), sets[0].bins)


def a_tenth_apart(count: int, seed: int) -> list[np.ndarray]:
    """Indices of a random permutation, cut into nine tenths and one."""
    order = torch.randperm(count, generator=_generator(seed)).numpy()
    cut = count - count // 10
    return [order[:cut], order[cut:]]


def stratified(labels: np.ndarray, fractions: tuple, seed: int) -> list[np.ndarray]:
    """Split indices so that each part has its fraction of the whole and of every class.

    Sizes of a class are rounded down; the parts' totals are then filled up, classes with the
    largest remainders first, so that the totals are the rounded fractions of the whole.
    """
    generator = _generator(seed)
    classes = np.unique(labels)
    left = {c: _permute(np.flatnonzero(labels == c), generator) for c in classes}
    sizes = {c: len(left[c]) for c in classes}
    parts = []
    for fraction in fractions[1:]:
        wanted = round(fraction * len(labels))
        exact = {c: fraction * sizes[c] for c in classes}
        take = {c: int(exact[c] + 1e-9) for c in classes}
        for c in sorted(classes, key=lambda c: take[c] - exact[c])[: wanted - sum(take.values())]:
            take[c] += 1
        parts.append(np.concatenate([left[c][: take[c]] for c in classes]))
        left = {c: left[c][take[c] :] for c in classes}
    return [np.concatenate(list(left.values())), *parts]


def _saccade_splits(bins, hold_out, cache_dir, seed, progress) -> Splits:
    images, labels = digit_file.load_digits()
    out = set()
    if hold_out is not None:
        out = {index for _, index in folders.matching_digits(hold_out)}
    key = {
        "digits": digit_file.SHA256,
        "camera": [saccades.VERSION, asdict(saccades.DEFAULT)],
        "frames": frames.VERSION,
        "bins": bins,
        "seed": seed,
    }
    seeds = range(5000 * seed, 5000 * seed + len(images))

    def build():
        return {"packed": saccades.simulate_frames(images, seeds, bins, progress=progress)}

    packed = cached("saccade-digits", key, build, cache_dir)["packed"]
    everything = FrameSet(packed, torch.from_numpy(labels.astype(np.int64)), bins)
    parts = stratified(labels, (0.8, 0.1, 0.1), seed)
    parts = [np.array([i for i in part if i not in out], np.int64) for part in parts]
    rule = f"simulated; stratified by class, seed {seed}"
    if out:
        rule += f"; {len(out)} digits left out that {hold_out} holds recordings of"
    sets = [everything.subset(part) for part in parts]
    if min(len(part) for part in sets) == 0:
        raise ValueError(f"hold_out={hold_out} leaves no digits: {len(out)} of 5,000 are left out")
    return Splits(*sets, name="saccade digits", note=_note(rule, sets, [], "error"))


def _mnist_splits(path, bins, cache_dir, seed, progress) -> Splits:
    """Simulated recordings of all of MNIST; training digit i has the seed 70,000 · seed + i, and
    test digits follow."""
    images, labels = digit_file.load_mnist(path)
    seeds = range(len(images) * seed, len(images) * (seed + 1))
    key = {
        "digits": hashlib.sha256(images.tobytes()).hexdigest(),
        "camera": [saccades.VERSION, asdict(saccades.DEFAULT)],
        "frames": frames.VERSION,
        "bins": bins,
        "seed": seed,
    }

    def build():
        return {"packed": saccades.simulate_frames(images, seeds, bins, progress=progress)}

    packed = cached("saccade-mnist", key, build, cache_dir)["packed"]
    everything = FrameSet(packed, torch.from_numpy(labels.astype(np.int64)), bins)
    train = len(images) - digit_file.MNIST_TEST
    parts = [*a_tenth_apart(train, seed), np.arange(train, len(images))]
    sets = [everything.subset(part) for part in parts]
    rule = f"simulated; MNIST's test set, a tenth of its training set for validation, seed {seed}"
    return Splits(*sets, name="saccade MNIST", note=_note(rule, sets, [], "error"))


class _Kept(NamedTuple):
    """Frames of the good files among a list of files."""

    frames: FrameSet
    row: np.ndarray  # of each file in frames, -1 where the file was bad

    def select(self, files: np.ndarray) -> FrameSet:
        rows = self.row[files]
        return self.frames.subset(rows[rows >= 0])


def _frames(folder, found, bins, cache_dir, on_bad, progress) -> tuple[_Kept, list[str]]:
    if on_bad not in ("error", "skip"):
        raise ValueError(f"on_bad is {on_bad!r}; expected 'error' or 'skip'")
    stats = [r.path.stat() for r in found]
    key = {
        "files": [
            [r.path.relative_to(folder).as_posix(), s.st_size, s.st_mtime_ns]
            for r, s in zip(found, stats, strict=True)
        ],
        "frames": frames.VERSION,
        "bins": bins,
        "on_bad": on_bad,
    }

    def build():
        from tqdm.auto import tqdm

        packed = np.zeros((len(found), bins * BIN_BYTES), np.uint8)
        bad = []
        bar = tqdm(found, desc="recordings", unit="rec", disable=not progress)
        for i, recording in enumerate(bar):
            try:
                packed[i] = pack(read_recording(recording.path), bins)
            except ValueError:
                if on_bad == "error":
                    raise
                bad.append(i)
        return {"packed": np.delete(packed, bad, axis=0), "bad": np.array(bad, np.int64)}

    arrays = cached("recordings", key, build, cache_dir)
    good = np.ones(len(found), bool)
    good[arrays["bad"]] = False
    row = np.where(good, np.cumsum(good) - 1, -1)
    labels = torch.tensor([r.label for r, ok in zip(found, good, strict=True) if ok])
    skipped = [found[i].path.name for i in arrays["bad"]]
    return _Kept(FrameSet(arrays["packed"], labels.long(), bins), row), skipped


def _find(source, cache_dir) -> folders.Recordings:
    if str(source) != "nmnist":
        return folders.find_recordings(source)
    folder = os.environ.get("NMNIST_DIR")
    return folders.find_recordings(folder) if folder else folders.download(cache_folder(cache_dir))


def _note(rule, sets, skipped, on_bad) -> str:
    sizes = " / ".join(f"{len(part):,}" for part in sets)
    note = f"{sizes} (train / validation / test); {rule}"
    if on_bad == "skip":
        note += f"; {len(skipped)} bad recordings skipped"
        if skipped:
            note += f" ({', '.join(skipped[:5])}{', …' if len(skipped) > 5 else ''})"
    return note


def _check_seed(seed: int) -> int:
    if isinstance(seed, bool) or int(seed) != seed or not 0 <= seed < 1 << 48:
        raise ValueError(f"seed is {seed!r}; expected a whole number from 0 to 2**48 - 1")
    return int(seed)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _permute(indices: np.ndarray, generator: torch.Generator) -> np.ndarray:
    return indices[torch.randperm(len(indices), generator=generator).numpy()]
