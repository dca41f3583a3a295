"""Training, validation and test sets of saccade digits or of real recordings."""

import os
from typing import NamedTuple

from course_lib.events import sources
from course_lib.events.frames import check_bins
from course_lib.events.frameset import FrameSet
from course_lib.events.own import NMNIST, Camera
from course_lib.events.sources import How

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
    camera: Camera = NMNIST,
    classes: tuple[str, ...] | None = None,
) -> Splits:
    """Frames of a data source, split by a stated rule.

    Rules, with permutations from ``torch.Generator().manual_seed(seed)``:

    - ``"saccade-digits"``: 5,000 simulated recordings, split 4,000 / 500 / 500, stratified by
      class. ``hold_out=PATH`` then leaves out of each part every digit of which PATH/Train holds
      a real recording.
    - ``"fashion"``: 6,000 simulated recordings of clothes, ``"fashion-latency"``: the same pictures
      as latencies; 4,500 / 500 / 1,000, the test pictures those of Fashion-MNIST's test set.
      ``"fashion:PATH"`` and ``"fashion-latency:PATH"``: all 70,000, of a folder with the four
      files as published; 54,000 / 6,000 / 10,000.
    - ``"speech:PATH"``: a folder of spoken digits, ``<digit>_<speaker>_<n>.wav``, through a model
      of the inner ear; one speaker is the test set, one the validation set, drawn by ``seed``, and
      the others are for training.
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
    - any other folder with ``<class>/<file>``, below Train/ and Test/ or without: recordings of
      another ``camera``, split likewise.

    Args:
        source: one of these names or paths; "nmnist" is the folder in the variable NMNIST_DIR, else
            a download kept in the cache.
        bins: T, the number of time bins.
        cache_dir: where frames are kept; default: COURSE_CACHE, else the user's cache folder.
        on_bad: "error" stops at the first bad file; "skip" leaves it out and counts it in note.
        seed: of the split, and of the simulator (digit i has the seed 5000 * seed + i).
        progress: show a bar for long steps.
        camera, classes: how recordings are to be read and the order of their labels; see
            ``own.load_recordings``.

    Raises:
        FileNotFoundError, ValueError: see ``folders``, ``recordings`` and the messages.
    """
    if isinstance(seed, bool) or int(seed) != seed or not 0 <= seed < 1 << 48:
        raise ValueError(f"seed is {seed!r}; expected a whole number from 0 to 2**48 - 1")
    how = How(check_bins(bins), int(seed), hold_out, cache_dir, on_bad, progress, camera, classes)
    name = str(source)
    if hold_out is not None and name != SOURCE:
        raise ValueError(f"hold_out is for the source {SOURCE!r}, not for {name!r}")
    found, path = sources.find_source(source)
    data = found.read(path, how)
    sets = [data.frames.subset(part) for part in data.parts]
    for part, kept in zip(("training", "validation", "test"), sets, strict=True):
        if len(kept) == 0:
            raise ValueError(
                f"{data.name}: the {part} set would be empty, {len(data.frames)} recordings are "
                f"too few; {data.rule}"
            )
    sizes = " / ".join(f"{len(part):,}" for part in sets)
    note = f"{sizes} (train / validation / test); {data.rule}"
    return Splits(*sets, name=data.name, note=note)


def load_all(
    path: str | os.PathLike,
    bins: int = 10,
    *,
    cache_dir: str | os.PathLike | None = None,
    on_bad: str = "error",
    progress: bool = True,
    camera: Camera = NMNIST,
    classes: tuple[str, ...] | None = None,
) -> FrameSet:
    """The frames of every recording of a folder, Train/ then Test/, by label, then by name.

    Options as in ``load_splits``; nothing is split, so that there is no seed.
    """
    how = How(check_bins(bins), 0, None, cache_dir, on_bad, progress, camera, classes)
    everything, good, _ = sources.read_all(sources.find(path, how), how)
    return everything.subset(good)
