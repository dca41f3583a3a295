"""Splits: sizes, stated rules, bad files, hold-out, cache."""

import os

import numpy as np
import pytest
import torch

from course_lib.events import (
    FrameSet,
    concatenate,
    find_recordings,
    load_all,
    load_splits,
    pack,
    read_recording,
    saccades,
    simulate,
    sources,
    write_recording,
)
from course_lib.events.digits import load_digits


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def saccade_splits():
    """Of the user's cache: if ``simulate`` has changed since, but not its VERSION, they differ."""
    return load_splits(progress=False)


@pytest.fixture
def folder(tmp_path, recording):
    """100 recordings in Train/, 30 in Test/, each of its own length."""
    for part, n in (("Train", 100), ("Test", 30)):
        for k in range(1, n + 1):
            path = tmp_path / part / str(k % 10) / f"{k:05}.bin"
            write_recording(path, recording[k : 1000 + (part == "Test")])
    return tmp_path


def rows(frame_set):
    return {row.tobytes() for row in frame_set.packed}


def test_saccade_digits_are_split_4000_500_500_stratified(saccade_splits):
    train, validation, test, name, note = saccade_splits
    assert [len(s) for s in (train, validation, test)] == [4000, 500, 500]
    for part, each in ((train, 400), (validation, 50), (test, 50)):
        assert torch.bincount(part.labels).tolist() == [each] * 10
    assert len(rows(train) | rows(validation) | rows(test)) == 5000
    assert name == "saccade digits" and "4,000 / 500 / 500" in note and "seed 0" in note


def test_saccade_digits_are_what_simulate_gives(saccade_splits, digits):
    for index in (0, 777, 4999):
        events = pack(simulate(digits.images[index], index), 10)
        assert events.tobytes() in rows(saccade_splits.train) | rows(
            saccade_splits.validation
        ) | rows(saccade_splits.test)


def test_second_load_reads_the_cache(saccade_splits, monkeypatch):
    monkeypatch.setattr(sources.saccades, "simulate_frames", None)
    again = load_splits(progress=False)
    assert np.array_equal(again.train.packed, saccade_splits.train.packed)
    assert torch.equal(again.train.labels, saccade_splits.train.labels)


def test_cache_of_60000_recordings_takes_at_most_200_megabytes(
    tmp_path, saccade_splits, monkeypatch
):
    packed = concatenate(*saccade_splits[:3]).packed
    monkeypatch.setattr(sources.saccades, "simulate_frames", lambda *_, **__: packed)
    load_splits(cache_dir=tmp_path, progress=False)
    (path,) = tmp_path.glob("saccades-*.npz")
    assert path.stat().st_size * 60_000 / 5000 <= 200e6


def test_hold_out_leaves_out_the_digits_of_real_recordings(folder, cache, saccade_splits):
    kept = load_splits(hold_out=folder, progress=False)
    gone = [pack(simulate(image, i), 10) for i, image in held_digits()]
    assert sum(len(s) for s in kept[:3]) == 5000 - 100
    for mine, standard in zip(kept[:3], saccade_splits[:3], strict=True):
        left_out = rows(standard) - rows(mine)
        assert rows(mine) <= rows(standard) and left_out <= {g.tobytes() for g in gone}
    assert "100 digits left out" in kept.note


def held_digits():
    """Folder's Train/ has ten recordings of each class: the first ten digits of each."""
    from course_lib.events import load_digits

    images = load_digits().images
    return [(500 * c + j, images[500 * c + j]) for c in range(10) for j in range(10)]


def test_hold_out_needs_numbers_without_gaps(folder, cache):
    os.remove(folder / "Train" / "1" / "00001.bin")
    with pytest.raises(ValueError, match="not 1 to 99"):
        load_splits(cache_dir=cache, hold_out=folder, progress=False)
    with pytest.raises(ValueError, match="hold_out is for"):
        load_splits(folder, cache_dir=cache, hold_out=folder, progress=False)


def test_folder_with_test_takes_a_tenth_of_train_for_validation(folder, cache):
    got = load_splits(folder, 5, cache_dir=cache, progress=False)
    assert [len(s) for s in got[:3]] == [90, 10, 30] and got.train.bins == 5
    found = find_recordings(folder)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    for part, files in ((got.train, order[:90]), (got.validation, order[90:])):
        for packed, label, file in zip(part.packed, part.labels, files, strict=True):
            recording = found.train[file]
            assert label == recording.label
            assert np.array_equal(packed, pack(read_recording(recording.path), 5))
    assert got.test.labels.tolist() == [r.label for r in found.test]


def test_sizes_of_the_full_set(monkeypatch, tmp_path):
    """54,000 / 6,000 / 10,000, by permutation with seed 0, without reading 70,000 files."""
    from pathlib import Path

    from course_lib.events import FrameSet
    from course_lib.events.folders import Recording, Recordings

    def part(n):
        return [Recording(Path(f"{k}"), k % 10) for k in range(n)]

    def no_reading(found, how):
        labels = torch.tensor([r.label for r in found.train + found.test])
        tags = np.zeros((len(labels), 289), np.uint8)
        tags[:, :4] = np.arange(len(labels), dtype="<u4").view(np.uint8).reshape(-1, 4)
        return FrameSet(tags, labels, 1), np.ones(len(labels), bool), ""

    full = Recordings(tmp_path, part(60_000), part(10_000))
    monkeypatch.setattr("course_lib.events.folders.find_recordings", lambda _: full)
    monkeypatch.setattr(sources, "read_all", no_reading)
    got = load_splits("somewhere", 1)
    assert [len(s) for s in got[:3]] == [54_000, 6_000, 10_000]
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(0)).numpy()
    tags = np.concatenate([s.packed[:, :4].copy().view("<u4")[:, 0] for s in got[:2]])
    assert np.array_equal(tags, order)


def test_train_alone_gives_80_percent_for_training_stratified(folder, cache):
    import shutil

    shutil.rmtree(folder / "Test")
    got = load_splits(folder, cache_dir=cache, progress=False)
    assert [len(s) for s in got[:3]] == [72, 8, 20] and "72 % / 8 % / 20 %" in got.note
    assert torch.bincount(got.test.labels).tolist() == [2] * 10
    joined = concatenate(got.train, got.validation)
    assert len(joined) == 80 and torch.bincount(joined.labels).tolist() == [8] * 10
    other = load_splits(folder, cache_dir=cache, progress=False, seed=1)
    assert rows(other.test) != rows(got.test)


def test_stratified_totals_are_exact_for_unequal_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 1000)
    parts = sources.stratified(labels, (0.72, 0.08, 0.2), 0)
    assert [len(p) for p in parts] == [720, 80, 200]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
    for part, fraction in zip(parts, (0.72, 0.08, 0.2), strict=True):
        share = np.bincount(labels[part], minlength=10) / np.bincount(labels)
        assert np.abs(share * np.bincount(labels) - fraction * np.bincount(labels)).max() < 2


def test_partial_folder_of_1000_real_recordings(nmnist, cache):
    if len(find_recordings(nmnist).train) != 1000 or find_recordings(nmnist).test:
        pytest.skip("NMNIST_DIR holds other recordings than the first 1,000 of Train/")
    got = load_splits(nmnist, cache_dir=cache, progress=False)
    assert [len(s) for s in got[:3]] == [720, 80, 200]
    assert len(load_all(nmnist, cache_dir=cache, progress=False)) == 1000
    kept = load_splits(hold_out=nmnist, cache_dir=cache, progress=False)
    assert sum(len(s) for s in kept[:3]) == 4000


def test_bad_files_stop_or_are_skipped_with_a_count(folder, cache):
    bad = folder / "Train" / "3" / "00013.bin"
    bad.write_bytes(b"12345678")
    with pytest.raises(ValueError, match="00013.bin.*offset 5"):
        load_splits(folder, cache_dir=cache, progress=False)
    for _ in range(2):  # built, then from the cache
        got = load_splits(folder, cache_dir=cache, on_bad="skip", progress=False)
        assert len(got.train) + len(got.validation) == 99
        assert "1 bad recordings skipped (00013.bin)" in got.note
    assert len(load_all(folder, cache_dir=cache, on_bad="skip", progress=False)) == 129
    with pytest.raises(ValueError, match="'error' or 'skip'"):
        load_splits(folder, cache_dir=cache, on_bad="ignore", progress=False)


def test_changed_file_is_noticed(folder, tmp_path, recording):
    cache = tmp_path / "c"
    first = load_all(folder, cache_dir=cache, progress=False)
    write_recording(folder / "Test" / "0" / "00010.bin", recording[:500])
    second = load_all(folder, cache_dir=cache, progress=False)
    assert not np.array_equal(first.packed, second.packed)


def test_user_errors(folder, cache, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="bins"):
        load_splits(bins=0)
    with pytest.raises(ValueError, match="seed"):
        load_splits(seed=-1)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_splits(tmp_path / "none")
    monkeypatch.setenv("NMNIST_DIR", str(folder))
    assert len(load_splits("nmnist", cache_dir=cache, progress=False).test) == 30
    assert len(load_all("nmnist", cache_dir=cache, progress=False)) == 130
    import shutil

    shutil.rmtree(folder / "Train")
    with pytest.raises(ValueError, match="no Train/"):
        load_splits(folder, cache_dir=cache, progress=False)
    assert len(load_all(folder, cache_dir=cache, progress=False)) == 30
    one = load_all(folder, 3, cache_dir=cache, progress=False)
    with pytest.raises(ValueError, match="bins"):
        concatenate(one, load_all(folder, cache_dir=cache, progress=False))
    for path in sorted((folder / "Test").rglob("*.bin"))[1:]:
        path.unlink()
    os.rename(folder / "Test", folder / "Train")
    with pytest.raises(ValueError, match="too few"):
        load_splits(folder, cache_dir=cache, progress=False)


def test_all_of_mnist_is_split_as_the_paper_splits_nmnist(tmp_path, monkeypatch):
    """A small stand-in: 40 digits of our own for training, 10 for the test."""
    monkeypatch.setattr("course_lib.events.digits.MNIST_TEST", 10)
    images, labels = load_digits()
    images, labels = images[::100], labels[::100]
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:])
    splits = load_splits(path, cache_dir=tmp_path, progress=False)
    assert [len(part) for part in splits[:3]] == [36, 4, 10]
    assert splits.name == "saccade MNIST" and "simulated" in splits.note
    assert sources.find_source(path)[0].classes == splits.test.classes, "known before it is read"
    assert splits.test.labels.tolist() == labels[40:].tolist()
    seen = sorted(torch.cat([splits.train.labels, splits.validation.labels]).tolist())
    assert seen == sorted(labels[:40].tolist())
    packed = saccades.simulate_frames(images[40:], range(40, 50), 10)
    assert (splits.test.packed == packed).all(), "test digits follow the training digits"


def test_a_file_that_is_not_mnist_says_what_it_lacks(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="does not hold MNIST.*x_train"):
        load_splits(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError, match="expected an .npz file"):
        load_splits(tmp_path / "none.npz")


@pytest.mark.parametrize("name, value, message", [
    ("y_train", np.full(40, 300), "not whole numbers 0 to 9"),
    ("y_test", np.zeros(10), "not whole numbers 0 to 9"),
    ("x_test", np.zeros((10, 28, 28)), "float64"),
    ("x_train", np.zeros((39, 28, 28), np.uint8), "expected uint8"),
    ("x_train", np.uint8(0), "expected uint8"),
    ("y_test", np.zeros((10, 1), int), "expected uint8"),
])  # fmt: skip
def test_mnist_of_another_kind_is_named(tmp_path, monkeypatch, name, value, message):
    monkeypatch.setattr("course_lib.events.digits.MNIST_TEST", 10)
    arrays = {"x_train": np.zeros((40, 28, 28), np.uint8), "y_train": np.zeros(40, int),
              "x_test": np.zeros((10, 28, 28), np.uint8), "y_test": np.zeros(10, int)}  # fmt: skip
    np.savez(tmp_path / "mnist.npz", **arrays | {name: value})
    with pytest.raises(ValueError, match=f"mnist.npz does not hold MNIST.*{message}"):
        load_splits(tmp_path / "mnist.npz")


def test_a_data_set_is_added_by_one_function(monkeypatch, tmp_path):
    def two_digits(source, how):
        frames = FrameSet(np.zeros((20, how.bins * 289), np.uint8), np.arange(20) % 2, how.bins)
        return sources.Data("two digits", frames, sources.stratified(
            frames.labels.numpy(), (0.5, 0.25, 0.25), how.seed), "by class")  # fmt: skip

    monkeypatch.setitem(sources.SOURCES, "two", sources.Source(two_digits))
    got = load_splits("two", 3, cache_dir=tmp_path)
    assert [len(part) for part in got[:3]] == [10, 5, 5]
    assert got.name == "two digits" and got.note.endswith("by class")
