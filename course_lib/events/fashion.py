"""Pictures of clothes: the 6,000 that the course carries, all 70,000, and clothes as latencies.

Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747) has MNIST's sizes and MNIST's file
format. data/README.md says where the 6,000 come from.
"""

import gzip
import os
from pathlib import Path

import numpy as np

from course_lib.events.digits import Digits, embedded
from course_lib.events.files import write_atomic
from course_lib.events.frames import check_bins

#: of each class, of the training and of the test set; the test pictures stand last
PER_CLASS = (500, 100)
SHA256 = (
    "4f7f22d23a90521139e8a049c9a576c70743d925b9aa235033be5c6309085d30"  # of images, then labels
)
#: of the full set
FULL = {"train": 60_000, "t10k": 10_000}
#: grey level below which a pixel is silent, of [0, 1]; charging time of a pixel in recordings
DARK, TAU = 0.2, 0.2


def load_fashion() -> Digits:
    """``images`` (6000, 28, 28), ``labels`` (6000,) uint8; the last 1,000 are of the test set.

    Raises FileNotFoundError if there is no fashion.npz, ValueError if it is damaged.
    """
    return embedded("fashion.npz", SHA256)


def read_fashion(folder: str | os.PathLike) -> Digits:
    """All 70,000, the last 10,000 of the test set, from the four files ``….gz`` as published.

    Raises FileNotFoundError, or ValueError with the name of a file that is not what it should be.
    """
    images, labels = zip(*(
        (_read(folder, f"{part}-images-idx3-ubyte.gz", (count, 28, 28)),
         _read(folder, f"{part}-labels-idx1-ubyte.gz", (count,)))
        for part, count in FULL.items()
    ), strict=True)  # fmt: skip
    return Digits(np.concatenate(images), np.concatenate(labels))


def _read(folder, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of an IDX file: two bytes 0, the kind (8: bytes), the axes, their lengths."""
    path = Path(folder).expanduser() / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; expected the four files of Fashion-MNIST")
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    size = len(head) + int(np.prod(shape))
    try:
        with gzip.open(path) as stream:
            data = stream.read(size + 1)
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is damaged, or no gzip file ({error})") from error
    array = np.frombuffer(data, np.uint8)[len(head) :]
    if not data.startswith(head) or len(data) != size or len(shape) == 1 and array.max() > 9:
        raise ValueError(f"{path} is not of Fashion-MNIST; expected {shape} bytes in IDX format")
    return array.reshape(shape)


def write_fashion(folder: str | os.PathLike, path: str | os.PathLike) -> None:
    """Pack the first PER_CLASS pictures of every class, by class, as data/fashion.npz has them."""
    images, labels = read_fashion(folder)
    train, test = PER_CLASS
    places = [np.flatnonzero(labels == label) for label in range(10)]
    first = [of_class[of_class < FULL["train"]][:train] for of_class in places]
    last = [of_class[of_class >= FULL["train"]][:test] for of_class in places]
    rows = np.concatenate(first + last)
    kept = {"images": images[rows], "labels": labels[rows]}
    write_atomic(Path(path), lambda stream: np.savez_compressed(stream, **kept))


def latency(bins: int) -> np.ndarray:
    """(256,) time bins in which a pixel of each grey level spikes; ``bins`` where it does not.

    A constant current x = grey / 255 charges a leaky neuron to the threshold θ = 0.2 at

        t = τ · log(x / (x − θ)),   x > θ,

    the brighter, the earlier. τ is a fifth of the recording (20 ms of 100 ms), whatever T cuts it
    into. Source: F. Zenke's tutorial to Neftci, Mostafa, Zenke 2019 (arXiv 1901.09948).
    """
    bright = np.arange(256) / 255
    bright = bright[bright > DARK]
    times = np.full(256, bins)
    charged = TAU * bins * np.log(bright / (bright - DARK))
    times[-len(bright) :] = np.minimum(charged, bins)
    return times


def latency_frames(images: np.ndarray, bins: int) -> np.ndarray:
    """(n, bins · 98) uint8: pictures (n, 28, 28) as packed frames, at most one spike a pixel."""
    times, each_bin = latency(check_bins(bins)), np.arange(bins)[:, None]
    return np.stack([np.packbits(times[image.ravel()] == each_bin) for image in images])
