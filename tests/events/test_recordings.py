"""Reading and writing .bin files, and the folders they lie in."""

import os

import numpy as np
import pytest

from course_lib.events import (
    find_recordings,
    load_splits,
    matching_digits,
    read_recording,
    write_recording,
)

EVENT = bytes([3, 4, 128, 0, 9])


@pytest.fixture
def folder(tmp_path, recording):
    """A small Train/ of 20 recordings, two of each class, numbers 1 to 20."""
    for k in range(1, 21):
        path = tmp_path / "Train" / str(k % 10) / f"{k:05}.bin"
        write_recording(path, recording[: 100 + k])
    return tmp_path


def test_written_recording_is_read_back_identical(tmp_path, digits, recording, make_events):
    rng = np.random.default_rng(0)
    cases = [recording] + [make_events(rng, int(rng.integers(1, 50)), 2**23 - 1) for _ in range(50)]
    for events in cases:
        write_recording(tmp_path / "r.bin", events)
        again = read_recording(str(tmp_path / "r.bin"))
        assert again.dtype == events.dtype and np.array_equal(again, events)
        assert (tmp_path / "r.bin").stat().st_size == 5 * len(events)
    assert os.listdir(tmp_path) == ["r.bin"]


def test_bytes_of_an_event(tmp_path):
    (tmp_path / "r.bin").write_bytes(bytes([33, 7, 0x80 | 0x12, 0x34, 0x56]))
    (event,) = read_recording(tmp_path / "r.bin")
    assert event.tolist() == (33, 7, 0x123456, 1)


def test_real_recordings_are_read_as_tonic_does_and_written_to_the_same_bytes(nmnist, tmp_path):
    from tonic.io import read_mnist_file

    for path, _ in find_recordings(nmnist).train[::25]:
        events = read_recording(path)
        assert np.array_equal(events, read_mnist_file(str(path), events.dtype))
        write_recording(tmp_path / "copy.bin", events)
        assert (tmp_path / "copy.bin").read_bytes() == path.read_bytes()


def test_time_overflow_markers_are_dropped_and_move_later_times(tmp_path):
    (tmp_path / "r.bin").write_bytes(EVENT + bytes([99, 240, 0, 0, 0]) + EVENT)
    assert read_recording(tmp_path / "r.bin")["t"].tolist() == [9, 9 + 8192]


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "empty"),
        (EVENT * 3 + EVENT[:2], "truncated at byte offset 15"),
        (EVENT + bytes([34, 4, 0, 0, 9]), "x is 34 at byte offset 5;"),
        (EVENT * 2 + bytes([3, 255, 0, 0, 9]), "y is 255 at byte offset 11;"),
        (EVENT + bytes([3, 4, 0, 0, 8]), "from 9 to 8 us at byte offset 7;"),
        (bytes([0, 240, 0, 0, 0]), "only time-overflow markers"),
        (EVENT + bytes([0, 240, 0, 0, 0]) * 1025, "overflow markers .* byte offset 5126;"),
    ],
)
def test_bad_bytes_are_named_with_file_and_offset(tmp_path, data, message):
    path = tmp_path / "bad.bin"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        read_recording(path)
    assert str(path) in str(error.value)


def test_missing_recording(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such recording"):
        read_recording(tmp_path / "none.bin")
    with pytest.raises(FileNotFoundError, match="no such recording, this is a folder"):
        read_recording(tmp_path)
    (tmp_path / "link.bin").symlink_to(tmp_path / "none.bin")
    with pytest.raises(FileNotFoundError, match="a link to nothing"):
        read_recording(tmp_path / "link.bin")
    os.mkfifo(tmp_path / "pipe.bin")  # opening it would wait for ever
    with pytest.raises(FileNotFoundError, match="no ordinary file"):
        read_recording(tmp_path / "pipe.bin")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "zeros.bin", "wb") as stream:
        stream.truncate(2_000_000_000)  # takes no place on the disk
    with pytest.raises(ValueError, match="zeros.bin: 2,000,000,000 bytes"):
        read_recording(tmp_path / "zeros.bin")


@pytest.mark.parametrize(
    "field, value", [("x", 34), ("x", -1), ("y", 34), ("p", 2), ("t", 1 << 23), ("t", -1)]
)
def test_events_that_do_not_fit_are_not_written(tmp_path, recording, field, value):
    events = recording.copy()
    events[field][-1] = value
    with pytest.raises(ValueError, match=f"{field} is {value} at event {len(events) - 1};"):
        write_recording(tmp_path / "r.bin", events)
    assert not list(tmp_path.iterdir())


def test_empty_or_unsorted_events_are_not_written(tmp_path, recording):
    with pytest.raises(ValueError, match="at least one"):
        write_recording(tmp_path / "r.bin", recording[:0])
    with pytest.raises(ValueError, match="sort"):
        write_recording(tmp_path / "r.bin", recording[::-1])


def test_find_recordings_in_label_then_name_order(folder):
    found = find_recordings(folder)
    assert [r.label for r in found.train] == [c for c in range(10) for _ in range(2)]
    assert [r.path.name for r in found.train[:4]] == [
        "00010.bin",
        "00020.bin",
        "00001.bin",
        "00011.bin",
    ]
    assert found.test == [] and found.folder == folder


def test_folder_above_nmnist_and_hidden_files(folder, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    (folder / "Train" / ".DS_Store").write_text("x", encoding="utf-8")
    (folder / "Train" / "3" / "._00003.bin").write_text("x", encoding="utf-8")
    os.rename(folder, above / "NMNIST")
    found = find_recordings(above)
    assert len(found.train) == 20 and found.left_out == ""


def test_what_is_left_out_is_said(folder, tmp_path_factory):
    for name in ("3/notes.txt", "4/00004.bin.gz", "4/00005.npy", "stray.bin"):
        (folder / "Train" / name).write_text("x", encoding="utf-8")
    (folder / "Train/7/00007.bin").rename(folder / "Train/7/00007.BIN")
    for path in (folder / "Train/2").iterdir():
        path.unlink()
    found = find_recordings(folder)
    assert len(found.train) == 18 and [r.label for r in found.train].count(7) == 2
    expected = "left out, since only .bin is read: 4 (Train/3/notes.txt, Train/4/00004.bin.gz, "
    assert expected in found.left_out and "no recording of 2 in Train/" in found.left_out
    with pytest.warns(UserWarning, match="00004.bin.gz.*no recording of 2"):
        got = load_splits(folder, cache_dir=tmp_path_factory.mktemp("c"), progress=False)
    assert found.left_out in got.note


def test_same_files_as_tonics_own_data_set(folder):
    """The order is tonic's, so that a split with a seed means the same recordings."""
    expected = []
    for path, dirs, files in os.walk(folder / "Train"):
        dirs.sort()
        expected += [os.path.join(path, name) for name in sorted(files)]
    assert [str(r.path) for r in find_recordings(folder).train] == expected


def test_wrong_folders(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_recordings(empty / "none")
    with pytest.raises(FileNotFoundError, match="neither Train"):
        find_recordings(empty)
    with pytest.raises(FileNotFoundError, match="neither Train"):
        find_recordings(folder / "Train")
    (empty / "Train" / "3").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no recording"):
        find_recordings(empty)
    for name in ("ten", "10", "٣"):
        (folder / "Train" / name).mkdir()
        with pytest.raises(ValueError, match="no digit"):
            find_recordings(folder)
        (folder / "Train" / name).rmdir()


def test_matching_digits(folder):
    pairs = matching_digits(folder)
    assert [int(r.path.stem) for r, _ in pairs] == list(range(1, 21))
    assert [i for _, i in pairs] == [
        500 * (k % 10) + (k > 10 if k % 10 else k > 10) for k in range(1, 21)
    ]
    os.remove(folder / "Train" / "5" / "00005.bin")
    with pytest.raises(ValueError, match="not 1 to 19"):
        matching_digits(folder)
    (folder / "Train" / "5" / "five.bin").write_bytes(EVENT)
    with pytest.raises(ValueError, match="no number"):
        matching_digits(folder)


def test_matching_digits_are_the_digits_that_were_recorded(nmnist, digits):
    """A recording's events lie where its digit has ink, more than for its neighbours in class."""
    pairs = [p for p in matching_digits(nmnist) if int(p[0].path.stem) <= 1000]
    right = 0
    for recording, index in pairs[::10]:
        events = read_recording(recording.path)
        seen = np.zeros((34, 34))
        np.add.at(seen, (events["y"], events["x"]), 1)
        others = [index + k for k in (-2, -1, 0, 1, 2) if 0 <= index + k < 5000]
        match = [
            np.corrcoef(seen[4:32, 3:31].ravel(), digits.images[i].astype(float).ravel())[0, 1]
            for i in others
        ]
        right += others[int(np.argmax(match))] == index
    assert right >= 0.8 * len(pairs[::10])
