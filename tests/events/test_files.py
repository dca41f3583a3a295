"""Atomic writing and the cache."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from course_lib.events import load_splits
from course_lib.events.files import cache_folder, cached, load_npz, try_lock, write_atomic


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


def test_what_killed_writers_left_is_removed_and_what_others_write_is_not(tmp_path):
    old, new, other = (tmp_path / name for name in (".file.a", ".file.b", ".another.a"))
    for path in (old, new, other):
        path.touch()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    write_atomic(tmp_path / "file", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".another.a", ".file.b", "file"]


def test_a_lock_is_held_by_one_and_ends_with_it(tmp_path):
    with open(tmp_path / "lock", "w", encoding="utf-8") as first:
        assert try_lock(first)
        with open(tmp_path / "lock", "w", encoding="utf-8") as second:
            assert not try_lock(second)
    with open(tmp_path / "lock", "w", encoding="utf-8") as third:
        assert try_lock(third)


def test_folder_that_cannot_be_written_warns(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.warns(UserWarning, match="COURSE_CACHE"):
        assert cached("kind", {}, Counter(), tmp_path / "file")["n"] == 3


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a" and cache_folder(tmp_path) == tmp_path
    monkeypatch.delenv("COURSE_CACHE")
    assert "spikes-without-backprop" in str(cache_folder())


def test_without_a_home_folder_nothing_is_written_to_one_named_tilde(tmp_path):
    code = (
        "import os; os.path.expanduser = lambda path: path\n"  # as for a user id without a name
        "import course_lib, platformdirs; print(os.environ['HOME'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == os.path.join(os.sep, "no-home") and not list(tmp_path.iterdir())


def claiming(path, shape, name="x_train", compressed=False):
    """An .npz file whose array says that it has this shape, with no data behind the header."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive, archive.open(f"{name}.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, header)


def test_an_archive_that_claims_terabytes_is_refused_by_its_header(tmp_path, monkeypatch):
    path = tmp_path / "mnist.npz"
    claiming(path, (2_000_000_000, 28, 28))
    monkeypatch.setattr(np, "load", None)  # it is not even opened for its data
    with pytest.raises(ValueError, match="mnist.npz claims to hold 1,568,000,000,000 bytes"):
        load_npz(path, 1 << 28)
    with pytest.raises(ValueError, match="mnist.npz claims to hold 1,568,000,000,000 bytes"):
        load_splits(path)


def test_a_cache_that_claims_terabytes_is_made_anew(tmp_path):
    build = Counter()
    cached("kind", {}, build, tmp_path)
    (path,) = tmp_path.iterdir()
    claiming(path, (1 << 40,), "packed")
    assert cached("kind", {}, build, tmp_path)["n"] == 3 and build.calls == 2


def test_archives_of_every_shape_are_read_or_named(tmp_path):
    path = tmp_path / "any.npz"
    np.savez_compressed(path, a=np.arange(3), b=np.float32(2))
    assert load_npz(path, 100)["a"].tolist() == [0, 1, 2] and load_npz(path, 28)["b"] == 2
    with pytest.raises(ValueError, match="any.npz claims to hold 28 bytes; at most 27"):
        load_npz(path, 27)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"no array")
    objects = tmp_path / "objects.npz"
    np.savez(objects, a=np.array([{}], object))
    for file in (path, objects):
        with pytest.raises(ValueError, match=f"{file.name} is damaged, or no .npz file"):
            load_npz(file, 1000)
    with pytest.raises(FileNotFoundError, match="expected an .npz file"):
        load_npz(tmp_path, 1000)
