"""Atomic writing and the cache."""

import os

import numpy as np
import pytest

from course_lib.events.files import cache_folder, cached, write_atomic


class Counter:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"packed": np.arange(1000, dtype=np.uint8), "n": np.array(3)}


def test_second_call_reads_the_file_and_another_key_builds_anew(tmp_path):
    build = Counter()
    first = cached("kind", {"a": 1}, build, tmp_path)
    again = cached("kind", {"a": 1}, build, tmp_path)
    assert build.calls == 1 and np.array_equal(first["packed"], again["packed"]) and again["n"] == 3
    cached("kind", {"a": 2}, build, tmp_path)
    assert build.calls == 2 and len(os.listdir(tmp_path)) == 2


def test_damaged_cache_is_rebuilt(tmp_path):
    """Every kind of damage: cut at any length, any byte flipped, other files in its place."""
    build = Counter()
    expected = cached("kind", {}, build, tmp_path)["packed"]
    (path,) = tmp_path.iterdir()
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [sound[:n] for n in rng.integers(0, len(sound), 40)]
    for place in rng.integers(0, len(sound), 300):
        damaged.append(sound[:place] + bytes([sound[place] ^ 255]) + sound[place + 1 :])
    damaged += [b"", b"PK", b"\x93NUMPY", b"hello" * 100]
    for data in damaged:
        path.write_bytes(data)
        assert np.array_equal(cached("kind", {}, build, tmp_path)["packed"], expected)
        assert path.stat().st_size == len(sound) or data == path.read_bytes()
    assert build.calls > 200


def test_wrong_content_with_a_sound_zip_is_rebuilt(tmp_path):
    build = Counter()
    cached("kind", {}, build, tmp_path)
    (path,) = tmp_path.iterdir()
    for arrays in ({"packed": np.zeros(3)}, {"packed": np.zeros(3), "checksum": np.array("0")}):
        np.savez(path, **arrays)
        assert cached("kind", {}, build, tmp_path)["n"] == 3
    np.savez(path, packed=np.array([{}], object))  # a pickle is never loaded
    assert cached("kind", {}, build, tmp_path)["n"] == 3
    assert build.calls == 4


def test_failed_build_or_write_leaves_nothing_behind(tmp_path):
    def fail(*_):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cached("kind", {}, fail, tmp_path)
    with pytest.raises(RuntimeError):
        write_atomic(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written_warns(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.warns(UserWarning, match="COURSE_CACHE"):
        assert cached("kind", {}, Counter(), tmp_path / "file")["n"] == 3


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a" and cache_folder(tmp_path) == tmp_path
    monkeypatch.delenv("COURSE_CACHE")
    assert "spikes-without-backprop" in str(cache_folder())
