"""Clothes: the embedded file and how it is made, latencies against the equation, splits."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.events import fashion, load_splits, pack, simulate
from course_lib.events.frameset import CLOTHES
from course_lib.run import cli
from course_lib.run.runs import RunConfig

STORED = Path(fashion.__file__).resolve().parents[2] / "data" / "fashion.npz"
PUBLISHED = Path("/usr/share/datasets/fashion-mnist")  # of Debian's dataset-fashion-mnist


@pytest.fixture(scope="module")
def clothes():
    return fashion.load_fashion()


def test_file_is_small_and_stated_in_the_readme_with_its_licence():
    data, text = STORED.read_bytes(), (STORED.parent / "README.md").read_text(encoding="utf-8")
    assert len(data) < 3_000_000 and f"{len(data):,} bytes" in text and "Zalando" in text
    assert hashlib.sha256(data).hexdigest() in text


def test_500_and_100_of_each_class_in_class_order(clothes):
    assert clothes.images.shape == (6000, 28, 28) and clothes.images.dtype == np.uint8
    assert np.array_equal(clothes.labels[:5000], np.repeat(np.arange(10), 500))
    assert np.array_equal(clothes.labels[5000:], np.repeat(np.arange(10), 100))


def test_a_damaged_file_is_named(tmp_path, monkeypatch, clothes):
    np.savez(tmp_path / "fashion.npz", images=clothes.images, labels=clothes.labels[::-1])
    monkeypatch.setattr(
        "course_lib.events.digits.data_file", lambda name, otherwise: tmp_path / name
    )
    with pytest.raises(ValueError, match="fashion.npz is damaged: the sha256"):
        fashion.load_fashion()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder in the published layout with 40 training and 20 test pictures."""
    monkeypatch.setattr(fashion, "FULL", {"train": 40, "t10k": 20})
    rng = np.random.default_rng(0)
    for part, count in fashion.FULL.items():
        for kind, axes, shape in (("images", 3, (count, 28, 28)), ("labels", 1, (count,))):
            array = rng.integers(0, 256, shape, np.uint8)
            if kind == "labels":
                array = rng.permutation(np.arange(count, dtype=np.uint8) % 10)
            head = bytes([0, 0, 8, axes]) + b"".join(n.to_bytes(4, "big") for n in shape)
            with gzip.open(tmp_path / f"{part}-{kind}-idx{axes}-ubyte.gz", "wb") as stream:
                stream.write(head + array.tobytes())
    return tmp_path


def test_the_command_packs_the_first_of_every_class(small, tmp_path, monkeypatch):
    monkeypatch.setattr(fashion, "PER_CLASS", (2, 1))
    images, labels = fashion.read_fashion(small)
    assert cli.main(["data", "fashion", str(small), str(tmp_path / "few.npz")]) == 0
    with np.load(tmp_path / "few.npz") as few:
        assert few["labels"].tolist() == [*np.repeat(np.arange(10), 2), *range(10)]
        for label in range(10):
            train, test = (np.flatnonzero(labels[part] == label) for part in
                           (slice(40), slice(40, None)))  # fmt: skip
            assert np.array_equal(few["images"][2 * label : 2 * label + 2], images[train[:2]])
            assert np.array_equal(few["images"][20 + label], images[40 + test[0]])


def test_the_embedded_file_is_what_the_command_makes(tmp_path, clothes):
    if not PUBLISHED.is_dir():
        pytest.skip("install Debian's dataset-fashion-mnist")
    fashion.write_fashion(PUBLISHED, tmp_path / "made.npz")
    with np.load(tmp_path / "made.npz") as made:
        assert all(np.array_equal(made[name], getattr(clothes, name)) for name in made.files)


@pytest.mark.parametrize("data, message", [
    (b"", "damaged|expected"), (b"\x1f\x8b\x08", "damaged"), (gzip.compress(b"1234"), "IDX"),
], ids=["empty", "cut", "not IDX"])  # fmt: skip
def test_published_files_that_are_damaged_or_missing_are_named(small, data, message):
    path = small / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"{path.name}.*({message})"):
        fashion.read_fashion(small)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="four files"):
        load_splits(f"fashion:{small}")


def test_all_of_a_folder_is_split_as_published(small, tmp_path):
    images, labels = fashion.read_fashion(small)
    for name in ("fashion", "fashion-latency"):
        got = load_splits(f"{name}:{small}", 5, cache_dir=tmp_path / "c", progress=False)
        assert [len(part) for part in got[:3]] == [36, 4, 20]
        assert got.test.labels.tolist() == labels[40:].tolist()
        assert got.test.classes == CLOTHES


@pytest.mark.parametrize("bins", [1, 10, 100, 300])
def test_a_pixel_spikes_when_a_leaky_neuron_would(bins):
    """v of dv/dt = (x − v)/τ is x (1 − exp(−t/τ)): below θ when the bin begins, θ by its end."""
    times, grey = fashion.latency(bins), np.arange(256) / 255
    spikes = times < bins
    assert np.array_equal(spikes, (grey > 0.2) & (times < bins)) and spikes[255]
    assert (np.diff(times[spikes]) <= 0).all(), "the brighter, the earlier"
    if bins >= 10:
        assert spikes[52:].all()  # all of them within the recording
    for edge, reached in ((times[spikes], False), (times[spikes] + 1, True)):
        voltage = grey[spikes] * (1 - np.exp(-edge / (0.2 * bins)))
        assert ((voltage > 0.2 - 1e-12) == reached).all()
    exact = 0.2 * bins * np.log(grey[52:] / (grey[52:] - 0.2))
    assert np.abs(exact - exact.round()).min() > 1e-9, "no machine may round it otherwise"


@pytest.mark.parametrize("bins", [1, 10, 100, 300])
def test_frames_hold_each_pixels_one_spike(clothes, bins):
    got = load_splits("fashion-latency", bins, progress=False)
    assert got.test.sensor == (28, 28, 1) and got.name == "latency-coded Fashion-MNIST"
    some = [0, 999, 123]
    frames = got.test.frames(some)
    assert frames.shape == (bins, 3, 784)
    expected = torch.zeros_like(frames)
    for column, row in enumerate(some):
        for place, grey in enumerate(clothes.images[5000 + row].ravel()):
            if (when := fashion.latency(bins)[grey]) < bins:
                expected[when, column, place] = 1
    assert torch.equal(frames, expected)


def test_splits_hold_all_and_the_test_pictures_are_those_of_the_test_set(tmp_path, clothes):
    got = load_splits("fashion-latency", 10, progress=False)
    assert [len(part) for part in got[:3]] == [4500, 500, 1000]
    assert "4,500 / 500 / 1,000" in got.note and got.train.classes[9] == "ankle boot"
    for part, each in zip(got[:3], (450, 50, 100), strict=True):
        assert torch.bincount(part.labels).tolist() == [each] * 10
    known = {row.tobytes() for part in got[:2] for row in part.packed}
    every = fashion.latency_frames(clothes.images[:5000], 10)
    assert known == {row.tobytes() for row in every}
    assert np.array_equal(got.test.packed, fashion.latency_frames(clothes.images[5000:], 10))


@pytest.mark.slow
def test_clothes_before_the_simulated_camera(tmp_path, clothes, monkeypatch):
    got = load_splits("fashion", cache_dir=tmp_path, progress=False)
    assert np.array_equal(got.test.packed[7], pack(simulate(clothes.images[5007], 5007), 10))
    monkeypatch.setattr("course_lib.events.saccades.simulate_frames", None)
    again = load_splits("fashion", cache_dir=tmp_path, progress=False)
    assert np.array_equal(again.train.packed, got.train.packed)


def test_a_run_knows_pixels_and_classes_before_it_reads():
    config = RunConfig(data="fashion-latency", method="bptt", bins=100, hidden=(20,))
    assert config.sizes == (784, 20, 10) and config.names == CLOTHES
    assert RunConfig(data="fashion", method="bptt").sizes == (2312, 256, 10)
    small = RunConfig(data="fashion-latency", method="bptt", layers=("c4k5", "p4", "10"))
    assert small.network().layers[0].inputs == 784


def test_a_run_on_latencies_from_training_to_the_confusion(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = "train --data fashion-latency --bins 12 --method localzo --hidden 16 --steps 12 --quiet"
    assert cli.main([*train.split(), "--out", "r"]) == 0
    printed = capsys.readouterr().out
    assert "784-16-10" in printed and "of 1000 recordings" in printed
    assert any(f"hardest class       {name}" in printed for name in CLOTHES)
    for split, count in (("validation", 500), ("all", 6000)):
        assert cli.main(["evaluate", "r", "--split", split]) == 0
        printed = capsys.readouterr().out
        assert f"of {count} recordings" in printed and "answers T-shirt … ankle boot" in printed
    assert cli.main(["evaluate", "r", "--data", "fashion-latency", "--split", "all"]) == 0
    assert "of 6000 recordings" in capsys.readouterr().out
    assert cli.main(["evaluate", "r", "--data", "fashion"]) == 2  # another sensor
    assert "2312 inputs" in capsys.readouterr().err
