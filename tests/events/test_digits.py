import hashlib
from pathlib import Path

import numpy as np
import pytest

from course_lib.events import digits as module
from course_lib.events import files, load_digits

STORED = Path(module.__file__).resolve().parents[2] / "data" / "digits.npz"


def test_digits_are_500_of_each_class_in_class_order(digits):
    assert digits.images.shape == (5000, 28, 28) and digits.images.dtype == np.uint8
    assert digits.labels.dtype == np.uint8
    assert np.array_equal(digits.labels, np.repeat(np.arange(10), 500))
    assert digits.images.min() == 0 and digits.images.max() == 255


def test_file_is_small_and_its_hash_is_stated_in_the_readme():
    assert STORED.stat().st_size < 1_000_000
    found = hashlib.sha256(STORED.read_bytes()).hexdigest()
    assert found in (STORED.parent / "README.md").read_text(encoding="utf-8")


def test_damaged_or_missing_file_is_named(tmp_path, monkeypatch):
    damaged = tmp_path / "digits.npz"
    monkeypatch.setattr(module, "data_file", lambda name, otherwise: damaged)
    sound = STORED.read_bytes()
    for data in (sound[:-1], sound[:100_000], b"", sound[:5000] + b"\0\0" + sound[5002:]):
        damaged.write_bytes(data)
        with pytest.raises(ValueError, match="sha256"):
            load_digits()
    with np.load(STORED) as data:
        np.savez(damaged, images=data["images"][::-1], labels=data["labels"])
    with pytest.raises(ValueError, match="sha256"):
        load_digits()
    with pytest.raises(FileNotFoundError, match="comes with the repository"):
        files.data_file("none.npz", "it comes with the repository")
