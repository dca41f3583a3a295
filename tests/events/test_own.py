"""Recordings of other cameras: any names, types, units and formats, on any sensor."""

import numpy as np
import pytest
import torch

from course_lib.events import fit_sensor, load_recordings, pack, write_recording


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


def test_a_tonic_data_set(recording):
    class OneOfTonics:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            if index > 1:
                raise IndexError
            return recording, 5 * index

    assert load_recordings(OneOfTonics(), bins=3).labels.tolist() == [0, 5]


def test_what_is_wrong_is_said_with_the_name(recording, tmp_path):
    folder = tmp_path / "1"
    folder.mkdir()
    for name, data, message in (
        ("a.aedat4", b"x", r"a.aedat4: files .aedat4 are not read here.*aedat.*pairs"),
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
        load_recordings([(recording, "cat")])
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
