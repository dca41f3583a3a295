"""What the tests of events share."""

import os
from pathlib import Path

import numpy as np
import pytest

from course_lib.events import EVENT_DTYPE, load_digits, simulate


@pytest.fixture(scope="session")
def digits():
    return load_digits()


@pytest.fixture(scope="session")
def nmnist() -> Path:
    """Folder of real recordings, from the variable NMNIST_DIR."""
    if not os.environ.get("NMNIST_DIR"):
        pytest.skip("set NMNIST_DIR to a folder with Train/<label>/<k>.bin (N-MNIST, CC BY-SA 4.0)")
    return Path(os.environ["NMNIST_DIR"])


@pytest.fixture(scope="session")
def recording(digits):
    """One simulated recording; treat as read-only."""
    return simulate(digits.images[1234], 7)


@pytest.fixture
def make_events():
    """Events sorted by time from a seed: (generator, number, longest time) -> array."""

    def make(rng, n, span):
        events = np.empty(n, EVENT_DTYPE)
        events["x"], events["y"] = rng.integers(0, 34, n), rng.integers(0, 34, n)
        events["t"], events["p"] = np.sort(rng.integers(0, span + 1, n)), rng.integers(0, 2, n)
        return events

    return make
