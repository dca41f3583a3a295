"""The 5,000 handwritten digits that the course carries.

They are the first 500 of each class of the MNIST training set, in the order of that set, sorted
by class: index ``500 * c + j`` is the j-th digit of class c. data/README.md says where they come
from.
"""

import hashlib
import os
from typing import NamedTuple

import numpy as np

from course_lib.events.files import data_file, load_npz
from course_lib.events.recordings import MOST_BYTES

PER_CLASS = 500
#: digits of MNIST's test set
MNIST_TEST = 10_000
SHA256 = (
    "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"  # of images, then labels
)


class Digits(NamedTuple):
    """``images`` (5000, 28, 28) uint8, 0 = black; ``labels`` (5000,) uint8, 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


def load_digits() -> Digits:
    """Read the embedded digits and check them.

    Raises FileNotFoundError if there is no digits.npz, ValueError if it is not the one that belongs
    to this version.
    """
    return embedded("digits.npz", SHA256)


def embedded(name: str, sha256: str) -> Digits:
    """The pictures of a file in data/, checked: ``sha256`` of the images' bytes, then the labels'.

    Raises as ``load_digits``.
    """
    path = data_file(name, f"{name} was not found; it comes with the repository")
    try:
        digits = Digits(**load_npz(path, MOST_BYTES))
        found = hashlib.sha256(digits.images.tobytes() + digits.labels.tobytes()).hexdigest()
    except (ValueError, TypeError) as error:
        found = f"not to be had ({error})"
    if found != sha256:
        raise ValueError(
            f"{path} is damaged: the sha256 of its arrays is {found}, expected {sha256}. Restore "
            "it from the repository"
        )
    return digits


def load_mnist(path: str | os.PathLike) -> Digits:
    """All 70,000 digits of MNIST from ``x_train``, ``y_train``, ``x_test``, ``y_test`` of an .npz
    file; the last MNIST_TEST of them are the test set.

    Raises FileNotFoundError, or ValueError if the file does not hold them.
    """
    arrays = load_npz(path, MOST_BYTES)
    names = [f"{name}_{part}" for name in "xy" for part in ("train", "test")]
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(f"{path} does not hold MNIST: it has no {', '.join(missing)}")
    x_train, x_test, y_train, y_test = (arrays[name] for name in names)
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        if images.dtype != np.uint8 or images.shape != (*labels.shape, 28, 28):
            raise ValueError(
                f"{path} does not hold MNIST: images are {images.dtype} {images.shape} for labels "
                f"{labels.shape}; expected uint8 (n, 28, 28) for (n,)"
            )
        if labels.dtype.kind not in "iu" or not np.isin(labels, range(10)).all():
            raise ValueError(f"{path} does not hold MNIST: labels are not whole numbers 0 to 9")
    if len(y_test) != MNIST_TEST:
        raise ValueError(f"{path} has {len(y_test)} test digits; MNIST has {MNIST_TEST:,}")
    labels = np.concatenate([y_train, y_test]).astype(np.uint8)
    return Digits(np.concatenate([x_train, x_test]), labels)
