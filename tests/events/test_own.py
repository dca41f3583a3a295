"""Recordings of other cameras: any names, types, units and formats, on any sensor."""

import importlib.util
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.events import fit_sensor, load_recordings, pack, write_recording
from course_lib.events.own import table
from course_lib.events.readers import read_events
from course_lib.events.recordings import looks_like


def at(events, width=34, height=34, kind=np.int64):
    """The same recording as a larger sensor sees it, the pixels spread over all of it."""
    side = max(width, height)
    large = {name: events[name] for name in "tp"}
    for name, length in (("x", width), ("y", height)):
        large[name] = ((events[name] * side + side // 2) // 34 - (side - length) // 2).astype(kind)
    return large


@pytest.mark.parametrize(
    "size, kind",
    [((34, 34), "u1"), ((128, 128), "u1"), ((128, 128), "i1"), ((240, 240), "u1"),
     ((1280, 1280), ">i2"), ((30_000, 30_000), "i2"), ((60_000, 60_000), "u2")],
)  # fmt: skip
def test_a_larger_sensor_is_scaled_without_overflow(recording, size, kind):
    fitted = fit_sensor(at(recording, *size, kind), size)
    assert all(np.array_equal(fitted[name], recording[name]) for name in "xytp")


def test_proportions_are_kept_and_crop_takes_the_middle(recording):
    corners = {"x": np.array([0, 1279, 640]), "y": np.array([0, 719, 360]),
               "t": np.array([0, 1, 2]), "p": np.array([0, 1, 1])}  # fmt: skip
    fitted = fit_sensor(corners, (1280, 720))
    assert fitted["x"].tolist() == [0, 33, 17] and fitted["y"].tolist() == [7, 26, 17]
    inside = recording[(recording["y"] > 2) & (recording["y"] < 31)]
    shifted = {name: inside[name] + {"x": 47, "y": 43}.get(name, 0) for name in "xytp"}
    assert np.array_equal(fit_sensor(shifted, (128, 120), "crop"), inside)
    assert len(fit_sensor(corners, (1280, 720), "crop")) == 1
    for arguments in (((10, 10),), ((0, 720),), ((1280, 720), "stretch")):
        with pytest.raises(ValueError, match="expected"):
            fit_sensor(corners, *arguments)


def test_names_order_types_and_units_do_not_matter(recording):
    expected = pack(recording, 10)
    x, y, t, p = (recording[name] for name in "xytp")
    shuffled = np.random.default_rng(0).permutation(len(t))
    forms = [
        (dict(ts=t, pol=p > 0, X=x.astype(np.uint8), y=y), {}),
        (dict(timestamp=t / 1e6, polarity=2 * p - 1, x=x, y=y), {"unit": "s"}),
        (dict(t=t / 1e3, p=p, x=x.astype(">u2"), y=y), {"unit": "ms"}),
        (np.stack([t * 1000, x, y, p], 1), {"order": "txyp", "unit": "ns"}),
        (np.stack([t / 1e6, x, y, p], 1), {"order": "txyp", "unit": "s"}),
        (np.rec.fromarrays([p, t, x, y], names="p,t,x,y"), {}),
    ]
    for events, options in forms:
        assert np.array_equal(load_recordings([(events, 4)], **options).packed[0], expected)
    mixed = load_recordings([(recording[shuffled], 1)]).frames()  # ties: same frames in any order
    assert torch.equal(mixed, load_recordings([(recording, 1)]).frames())


def test_a_folder_of_any_of_the_formats(recording, tmp_path):
    large = at(recording, 128, 128, np.uint8)
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".hidden.npy").write_bytes(b"x")
    columns = np.stack([large["t"] / 1e6, large["x"], large["y"], large["p"]], 1)
    np.save(tmp_path / "left/a.npy", columns)
    np.savez(tmp_path / "left/b.npz", **large | {"t": large["t"] / 1e6})
    np.savez_compressed(tmp_path / "left/c.npz", columns)
    np.savetxt(tmp_path / "right/d.txt", columns, header="t x y p")
    np.savetxt(tmp_path / "right/e.csv", columns, header="t,x,y,p", comments="", delimiter=",")
    got = load_recordings(tmp_path, sensor=(128, 128), unit="s", order="txyp")
    assert got.labels.tolist() == [0, 0, 0, 1, 1]
    assert all(np.array_equal(row, pack(recording, 10)) for row in got.packed)
    other = load_recordings(
        tmp_path, sensor=(128, 128), unit="s", order="txyp", classes=["right", "left"]
    )
    assert other.labels.tolist() == [1, 1, 1, 0, 0]
    for label in (3, 7):
        write_recording(tmp_path / "own" / str(label) / "1.bin", recording)
    assert load_recordings(tmp_path / "own").labels.tolist() == [3, 7]


def random_events(seed, width, height, count=3000, span=300_000):
    """Columns of a camera's recording, as ``table`` gives them."""
    rng = np.random.default_rng(seed)
    x, y, p = (rng.integers(0, most, count) for most in (width, height, 2))
    return {"x": x, "y": y, "t": np.sort(rng.integers(0, span, count)), "p": p}


def tonics(monkeypatch, name, folder, **options):
    """tonic's own data set ``name`` on files that a test wrote: nothing is fetched or verified."""
    kind = getattr(pytest.importorskip("tonic").datasets, name)
    monkeypatch.setattr(kind, "_check_exists", lambda self: True)
    data = kind(str(folder), **options)
    return data


def same(got, recordings, sensor, bins=10, fit="scale"):
    """Whether frames are those of the columns, fitted and packed one by one."""
    fitted = [fit_sensor(columns, sensor, fit) for columns in recordings]
    pixels = sensor if fit == "keep" else (34, 34, 2)
    return all(
        np.array_equal(row, pack(events, bins, sensor=pixels))
        for row, events in zip(got.packed, fitted, strict=True)
    )


def test_dvs_gesture(tmp_path, monkeypatch):
    """One .npy a gesture, columns x, y, p and t in ms, named by the label."""
    folder = tmp_path / "DVSGesture/ibmGestureTrain/user01_natural"
    folder.mkdir(parents=True)
    recordings = [random_events(k, 128, 128, span=300) for k in range(3)]
    for label, columns in zip((0, 4, 10), recordings, strict=True):
        array = np.stack([columns[name] for name in "xypt"], 1)
        np.save(folder / f"{label}.npy", array.astype(np.float64))
        columns["t"] = columns["t"] * 1000
    data = tonics(monkeypatch, "DVSGesture", tmp_path)
    by_tonic = load_recordings(data)
    order = np.argsort(by_tonic.labels)
    assert len(by_tonic.classes) == 11 and by_tonic.classes[4] == "Right arm ccw"
    pairs = [(path, path.stem) for path in tmp_path.rglob("*.npy")]
    got = load_recordings(pairs, sensor=(128, 128), order="xypt", unit="ms")
    assert sorted(got.labels.tolist()) == [0, 4, 10] == by_tonic.labels[order].tolist()
    assert same(by_tonic.subset(order), recordings, (128, 128))
    assert same(got.subset(np.argsort(got.labels)), recordings, (128, 128))
    kept = load_recordings(data, fit="keep")
    assert kept.sensor == (128, 128, 2) and kept.frames().shape == (10, 3, 32_768)
    assert same(kept.subset(order), recordings, (128, 128, 2), fit="keep")


def test_the_readmes_lines_train_a_network(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).resolve().parents[2] / "data/README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[-1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    rng = np.random.default_rng(0)
    for part in ("Train", "Test"):
        for label in (0, 10):
            for user in range(3):
                columns = random_events(user, 128, 64, span=300)
                columns["y"] = columns["y"] + 6 * label  # each gesture in a place of its own
                folder = tmp_path / f"data/DVSGesture/ibmGesture{part}/user{user:02}_lab"
                folder.mkdir(parents=True, exist_ok=True)
                array = np.stack([columns[name] for name in "xypt"], 1).astype(float)
                np.save(folder / f"{label}.npy", array[rng.random(len(array)) < 0.9])
    monkeypatch.chdir(tmp_path)
    kind = pytest.importorskip("tonic").datasets.DVSGesture
    monkeypatch.setattr(kind, "_check_exists", lambda self: True)
    exec(code.replace("steps=600", "steps=20"), {})  # the course's own page
    assert float(capsys.readouterr().out) == 1


def nmnist_bytes(columns):
    raw = np.empty((len(columns["t"]), 5), np.uint8)
    t = columns["t"]
    raw[:, 0], raw[:, 1], raw[:, 2] = columns["x"], columns["y"], columns["p"] << 7 | t >> 16
    raw[:, 3], raw[:, 4] = t >> 8 & 255, t & 255
    return raw.tobytes()


def test_n_caltech101(tmp_path, monkeypatch):
    """N-MNIST's .bin of a sensor of 240 x 180, classes by name; tonic moves each to its corner."""
    recordings = {name: random_events(k, 240, 180) for k, name in enumerate(("ant", "yin_yang"))}
    for name, columns in recordings.items():
        columns["x"][0] = columns["y"][0] = 0  # so that tonic moves nothing
        path = tmp_path / "NCALTECH101/Caltech101" / name / "image_0001.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(nmnist_bytes(columns))
    by_tonic = load_recordings(tonics(monkeypatch, "NCALTECH101", tmp_path), sensor=(240, 180))
    got = load_recordings(tmp_path / "NCALTECH101/Caltech101", sensor=(240, 180))
    assert got.classes == by_tonic.classes == ("ant", "yin_yang")
    assert got.labels.tolist() == [0, 1] and same(got, recordings.values(), (240, 180))
    assert same(by_tonic.subset(np.argsort(by_tonic.labels)), recordings.values(), (240, 180))


class StandIn:
    """What the package aedat shows of a recording, where it need not be installed."""

    def __init__(self, path):
        self.path = path

    def id_to_stream(self):
        return {0: {"type": "events"}, 1: {"type": "imus"}}

    def __iter__(self):
        with open(self.path, "rb") as stream:
            events = np.load(stream)
        yield {"stream_id": 1, "imus": None}
        for part in np.array_split(events, 3):
            yield {"stream_id": 0, "events": part}


def test_cifar10_dvs(tmp_path, monkeypatch):
    """One .aedat4 a recording, in folders by class; times since 1970."""
    monkeypatch.setitem(sys.modules, "aedat", types.SimpleNamespace(Decoder=StandIn))
    recordings = [random_events(k, 128, 128) for k in range(2)]
    kind = [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")]
    for name, columns in zip(("cat", "truck"), recordings, strict=True):
        columns["t"] = columns["t"] + 1_500_000_000_000_000
        events = np.empty(len(columns["t"]), kind)
        for field in "xytp":
            events[field] = columns[field]
        path = tmp_path / f"CIFAR10DVS/{name}/cifar10_{name}_0.aedat4"
        path.parent.mkdir(parents=True)
        with path.open("wb") as stream:
            np.save(stream, events)
    by_tonic = load_recordings(tonics(monkeypatch, "CIFAR10DVS", tmp_path))
    assert len(by_tonic.classes) == 10 and by_tonic.labels.tolist() == [3, 9]
    got = load_recordings(tmp_path / "CIFAR10DVS", sensor=(128, 128))
    assert got.classes == ("cat", "truck")
    assert same(got, recordings, (128, 128)) and same(by_tonic, recordings, (128, 128))


def test_n_cars(tmp_path):
    """Prophesee's .dat, at most 120 x 100 pixels; Train and test apart, two classes."""
    recordings = {name: random_events(k, 120, 100) for k, name in enumerate(("background", "cars"))}
    for name, columns in recordings.items():
        raw = np.empty((len(columns["t"]), 2), "<u4")
        raw[:, 0] = columns["t"]
        raw[:, 1] = columns["x"] | columns["y"] << 14 | columns["p"] << 28
        path = tmp_path / f"n-cars_train/{name}/obj_000001_td.dat"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"% Data file\n% Version 2\n\x00\x08" + raw.tobytes())
    got = load_recordings(tmp_path / "n-cars_train", sensor=(120, 100))
    assert got.classes == ("background", "cars") and same(got, recordings.values(), (120, 100))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="obj_000001_td.dat cannot be read.*Prophesee"):
        load_recordings(tmp_path / "n-cars_train", sensor=(120, 100))
    path.write_bytes(b"% Version 2\n\x0e\x08" + bytes(8))
    with pytest.raises(ValueError, match="events of kind 14"):
        read_events(path)


def test_heidelberg_digits(tmp_path, monkeypatch):
    """SHD: one .h5 with times in seconds (16 bits) and channels of 700; no y, no polarity."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    units = [rng.integers(0, 700, 500).astype(np.uint16) for _ in range(3)]
    times = [np.sort(rng.random(500)).astype(np.float16) for _ in range(3)]
    (tmp_path / "SHD").mkdir()
    with h5py.File(tmp_path / "SHD/shd_train.h5", "w") as file:
        for name, values in (("units", units), ("times", times)):
            kind = h5py.vlen_dtype(values[0].dtype)
            file.create_dataset(f"spikes/{name}", 3, kind)[:] = np.array(values, object)
        file["labels"] = np.array([0, 11, 19], np.uint8)
        file["extra/keys"] = [b"zero", *[b"number %d" % k for k in range(1, 20)]]
        file["extra/speaker"] = np.arange(3)
    got = load_recordings(tonics(monkeypatch, "SHD", tmp_path), fit="keep")
    assert got.labels.tolist() == [0, 11, 19] and got.classes[19] == "number 19"
    assert got.sensor == (700, 1, 1) and got.inputs == 700
    pairs = [({"x": u, "t": t}, k) for u, t, k in zip(units, times, (0, 11, 19), strict=True)]
    again = load_recordings(pairs, sensor=(700, 1, 1), unit="s", fit="keep")
    frames = again.frames()
    assert frames.shape == (10, 3, 700) and torch.equal(frames, got.frames())
    first = (times[0].astype(float) * 1e6).round().astype(int)
    index = (first - first[0]) // ((first[-1] - first[0]) // 10)
    expected = np.zeros((10, 700))
    expected[index[index < 10], units[0][index < 10]] = 1
    assert np.array_equal(frames[:, 0], expected)


def test_columns_of_matlab_and_hdf5(recording, tmp_path):
    scipy_io, h5py = pytest.importorskip("scipy.io"), pytest.importorskip("h5py")
    columns = {"x": recording["x"], "y": recording["y"], "ts": recording["t"]}
    table = np.stack([recording[name] for name in "xytp"], 1)
    folder = tmp_path / "0"
    folder.mkdir()
    columns |= {"pol": recording["p"]}
    scipy_io.savemat(folder / "a.mat", {name: column[:, None] for name, column in columns.items()})
    scipy_io.savemat(folder / "b.mat", {"TD": columns})
    scipy_io.savemat(folder / "c.mat", {"events": table})
    train = np.zeros((101, len(table)))  # ST-MNIST's: 10 x 10 sensors, then times
    place = recording["y"] % 10 * 10 + recording["x"] % 10
    train[place, np.arange(len(table))] = 2 * recording["p"] - 1
    train[100] = recording["t"] / 1e6
    scipy_io.savemat(tmp_path / "st.mat", {"spiketrain": train})
    with h5py.File(folder / "d.h5", "w") as file:
        file["davis/frames"] = np.zeros((2, 3, 4))
        for name, column in columns.items():
            file[f"events/{name.replace('ts', 't')}"] = column
        file["events/ms_to_idx"] = np.arange(3)
    with h5py.File(folder / "e.hdf5", "w") as file:
        file["davis/left/events"] = table.astype(float)
    got = load_recordings(tmp_path)
    assert all(np.array_equal(row, pack(recording, 10)) for row in got.packed) and len(got) == 5
    small = {"x": place % 10, "y": place // 10, "t": recording["t"], "p": recording["p"]}
    touched = load_recordings([(tmp_path / "st.mat", 0)], sensor=(10, 10), unit="s", fit="keep")
    assert same(touched, [small], (10, 10, 2), fit="keep")
    with h5py.File(folder / "f.h5", "w") as file:
        file["labels"] = np.arange(3)
    with pytest.raises(ValueError, match="no table of events.*HDF5"):
        read_events(folder / "f.h5")


#: of the sample files of tonic's tests: width, height, unit; events, the first one (x, y, t, p)
#: and the sums of x and of p, as tonic and the package expelliarmus read them
SAMPLES = {
    "sample_nmnist.bin": (34, 34, "us", (4325, (7, 15, 654, 1), 74457, 2145)),
    "sample_ncars.dat": (120, 100, "us", (2009, (25, 8, 0, 0), 93457, 1350)),
    "sample_stmnist.mat": (10, 10, "s", (2346, (5, 4, 196626, 0), 14238, 1601)),
    "sample.aedat4": (320, 240, "us", (111954, (154, 204, 1605537493718345, 0), 18342405, 55023)),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_public_sample_files(name):
    if not os.environ.get("EVENT_SAMPLES"):
        pytest.skip("set EVENT_SAMPLES to a folder with the sample files of tonic's tests")
    path = Path(os.environ["EVENT_SAMPLES"]) / name
    width, height, unit, figures = SAMPLES[name]
    if path.suffix == ".aedat4" and not importlib.util.find_spec("aedat"):
        with pytest.raises(ValueError, match="pip install aedat"):
            read_events(path)
        return
    columns = table(read_events(path), unit, sensor=(width, height))
    first = tuple(int(columns[field][0]) for field in "xytp")
    assert (len(columns["t"]), first, columns["x"].sum(), columns["p"].sum()) == figures
    for fit, size in (("scale", 34), ("crop", 34), ("keep", width)):
        frames = load_recordings([(path, 0)], sensor=(width, height), unit=unit, fit=fit)
        assert frames.sensor[0] == size and 0 < frames.frames().sum() < len(columns["t"])


def test_files_of_other_kinds_are_told_what_they_are(recording, tmp_path):
    folder = tmp_path / "1"
    folder.mkdir()
    for data, kind in (
        (b"#!AER-DAT3.1\r\n", "jAER or DV"), (b"PK\3\4abcd", "zip"), (b"\x89HDF\r\n", "HDF5"),
        (b"% Data file\n", "Prophesee"), (b"<!DOCTYPE html>", "web page"),
        (b"0.1 3 4 1\n" * 9, "text"), (b"\x93NUMPY\1\0", "NumPy"), (b"\x1f\x8b\x08", "gzip"),
        (b"MATLAB 5.0 MAT", "MATLAB"), (b"version https://git-lfs.github.com", "LFS pointer"),
    ):  # fmt: skip
        for name in ("a.bin", "a.what"):
            (folder / name).write_bytes(data)
            with pytest.raises(
                ValueError, match=f"{name}: not an N-MNIST file.*looks like.*{kind}"
            ):
                load_recordings(tmp_path)
            (folder / name).unlink()
    assert looks_like(nmnist_bytes(recording)) == looks_like(b"") == ""


def test_what_is_wrong_is_said_with_the_name(recording, tmp_path, monkeypatch):
    folder = tmp_path / "1"
    folder.mkdir()
    for name, data, message in (
        ("a.raw", b"% evt 3.0\n", r"a.raw: not an N-MNIST file.*Prophesee.*pairs"),
        ("a", b"x", "without an ending"),
        ("a.npy", b"\x93NUMPY\x01\0" + b"x" * 99, "a.npy cannot be read as .npy"),
        ("a.npz", b"PK", "a.npz is damaged"),
        ("a.txt", b"1 2 three 4\n", "a.txt"),
        ("a.txt", b"", "a.txt"),
        ("a.bin", b"12345678", "a.bin: 8 bytes"),
    ):
        (folder / name).write_bytes(data)
        with pytest.raises(ValueError, match=message):
            load_recordings(tmp_path)
        (folder / name).unlink()
    for ending, package in ((".aedat4", "aedat"), (".mat", "scipy"), (".h5", "h5py")):
        monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
        (folder / f"a{ending}").write_bytes(b"x")
        with pytest.raises(ValueError, match=f"a{ending}.*pip install {package}"):
            load_recordings(tmp_path)
        (folder / f"a{ending}").unlink()
    header = np.lib.format.header_data_from_array_1_0(np.zeros(1)) | {"shape": (200_000_000_000,)}
    with open(folder / "a.npy", "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(ValueError, match="a.npy cannot be read"):
        load_recordings(tmp_path)
    (folder / "a.npy").unlink()
    with pytest.raises(ValueError, match="no recording"):
        load_recordings(tmp_path)
    pairs = [(recording, 1), (dict(x=[1], y=[2], t=[3]), 1)]
    with pytest.raises(ValueError, match="recording 1: fields"):
        load_recordings(pairs)
    with pytest.raises(ValueError, match="recording 0: x is .*fit_sensor"):
        load_recordings([(at(recording, 128, 128), 0)])
    with pytest.raises(ValueError, match="label 'cat'"):
        load_recordings([(recording, "cat")], classes=["dog"])
    with pytest.raises(ValueError, match="unit 'hours'"):
        load_recordings([(recording, 0)], unit="hours")
    with pytest.raises(ValueError, match="seconds"):
        load_recordings(
            [
                (
                    dict(
                        x=recording["x"], y=recording["y"], t=recording["t"] / 1e6, p=recording["p"]
                    ),
                    0,
                )
            ]
        )
