"""The check that every table of events passes: data that means something else is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.events import check_events, load_all, load_splits, pack, write_recording

N = 3000


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    x, y, p = rng.integers(0, 34, N), rng.integers(0, 34, N), rng.integers(0, 2, N)
    return {"x": x, "y": y, "t": np.sort(rng.integers(0, 300_000, N)), "p": p}


def structured(columns):
    table = np.empty(len(columns["t"]), [(name, c.dtype) for name, c in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


@pytest.mark.parametrize(
    "kind", ["i1", "u1", "<i2", ">i2", "<u2", ">i4", ">u8", "<i8", "f4", ">f8", "O"]
)
def test_whole_numbers_of_any_type_give_the_same_frames(columns, kind):
    expected = pack(columns, 10)
    small = {name: columns[name].astype(kind) for name in "xyp"} | {"t": columns["t"]}
    if kind == "O":
        with pytest.raises(ValueError, match="x is object"):
            pack(small, 10)
        return
    late = columns["t"] + (1 << 33 if kind[-1] == "8" else 0)
    small["t"] = late.astype(kind) if kind[-1] in "48" else late
    for table in (small, structured(small), structured(small).view(np.recarray)):
        assert np.array_equal(pack(table, 10), expected)
    assert np.array_equal(pack(small | {"p": columns["p"] > 0}, 10), expected)


FAULTS = {
    "seconds": (lambda c: {"t": c["t"] / 1e6}, "Times look like seconds: multiply them by 1e6"),
    "milliseconds": (lambda c: {"t": c["t"] / 1e3}, "look like milliseconds.* by 1e3"),
    "halves": (lambda c: {"t": c["t"] + 0.5 + 1e6}, "Round the times"),
    "shares": (lambda c: {"x": c["x"] / 34}, "x is .* look like fractions of the sensor"),
    "p": (lambda c: {"p": c["p"] / 2}, "p is 0.5 at event .*; expected a whole number from 0 to 1"),
    "signs": (lambda c: {"p": 2 * c["p"] - 1}, "p is -1 at event .*take p > 0"),
    "short": (lambda c: {"x": c["x"][:5]}, r"columns have shapes .*\(5,\)"),
    "pairs": (lambda c: {"y": np.stack([c["y"]] * 2, 1)}, "columns have shapes"),
    "nan": (lambda c: {"t": np.where(c["t"] > 9e4, np.nan, c["t"])}, "t is nan at event .*finite"),
    "infinite": (lambda c: {"y": np.where(c["y"] == 7, np.inf, c["y"])}, "y is inf at event"),
    "large": (lambda c: {"x": (c["x"] * 5).astype(np.uint8)}, "a larger sensor.*fit_sensor"),
    "negative": (lambda c: {"y": (c["y"] - 1).astype(np.int8)}, "y is -1 at event"),
    "backwards": (
        lambda c: {"t": c["t"][::-1]},
        "time goes back from .* at event 1; .*sorted by t",
    ),
    "far": (lambda c: {"t": c["t"].astype(np.uint64) + (1 << 63)}, "t is 9223.* at event 0"),
    "tenths": (lambda c: {"t": c["t"] // 100_000}, "3000 of 3000 events .* 10 time bins, .* 2 us"),
    "text": (lambda c: {"x": c["x"].astype(str)}, "x is <U"),
    "complex": (lambda c: {"x": c["x"] + 0j}, "x is complex"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_means_something_else_is_refused_with_the_cause(columns, fault):
    change, message = FAULTS[fault]
    with pytest.raises(ValueError, match=message):
        pack(columns | change(columns), 10)
    with pytest.raises(ValueError, match="^mine.bin: "):
        pack(columns | change(columns), 10, "mine.bin")


def test_a_missing_field_and_no_event_are_named(columns):
    without = {name: columns[name] for name in "xyt"}
    for table in (without, structured(without), np.zeros((9, 4))):
        with pytest.raises(ValueError, match="fields x, y, t and p"):
            pack(table, 10)
    with pytest.raises(ValueError, match="no event"):
        pack(structured(columns)[:0], 10)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_random_tables_are_refused_or_come_through_unchanged(data):
    """Against Python's own integers: columns of random types and values, some out of range."""
    n = data.draw(st.integers(1, 6))
    kinds = st.sampled_from(["i1", "u1", ">i2", "<u4", ">i8", "u8", "f2", ">f4", "f8", "?"])
    table, values = {}, {}
    for field, top in (("x", 33), ("y", 33), ("t", 40), ("p", 1)):
        kind = data.draw(kinds)
        odd = st.sampled_from([-1, top + 1, 0.5, float("nan"), float("inf"), 1e30])
        entry = (
            st.integers(0, top) | odd if data.draw(st.integers(0, 4)) == 0 else st.integers(0, top)
        )
        numbers = data.draw(st.lists(entry, min_size=n, max_size=n))
        with np.errstate(all="ignore"):
            table[field] = np.array(numbers).astype(kind)
        values[field] = table[field].tolist()
    limits = {"x": 34, "y": 34, "t": 1 << 61, "p": 2}
    sound = (
        all(
            v == v
            and abs(v) < 1 << 61
            and v == int(v)
            and (v >= 0 or field == "t")
            and v < limits[field]
            for field in values
            for v in values[field]
        )
        and sorted(values["t"]) == values["t"]
    )
    if sound:
        assert check_events(table).tolist() == list(zip(*(values[f] for f in "xytp"), strict=True))
    else:
        with pytest.raises(ValueError):
            check_events(table)


def write(folder, number, t, seed, part="Train"):
    rng = np.random.default_rng(seed)
    events = {name: rng.integers(0, 34, len(t)) for name in "xy"} | {"t": t, "p": 0 * t}
    for label in range(10):
        write_recording(folder / part / str(label) / f"{number}.bin", events)


def test_a_folder_with_other_units_is_named_not_read_as_empty(tmp_path):
    write(tmp_path, 1, np.arange(2000) // 667, seed=0)  # tenths of a second
    with pytest.raises(ValueError, match="Train/0/1.bin: 2000 of 2000 .*milliseconds or seconds"):
        load_all(tmp_path, cache_dir=tmp_path / "c", progress=False)
    write(tmp_path, 2, np.arange(2000) * 150, seed=0)
    with pytest.warns(UserWarning, match="10 bad recordings skipped"):
        good = load_all(tmp_path, cache_dir=tmp_path / "c", progress=False, on_bad="skip")
    assert len(good) == 10


def test_the_cache_knows_recordings_by_what_they_hold(tmp_path):
    """Same names, sizes and times in another folder, or in the same one: other frames."""
    import os

    got, t = [], np.arange(2000) * 150
    for folder, seed in (("a", 0), ("b", 1), ("a", 2), ("c", 2)):
        write(tmp_path / folder, 1, t, seed)
        for path in (tmp_path / folder).rglob("*.bin"):
            os.utime(path, (1_700_000_000,) * 2)
        got.append(load_all(tmp_path / folder, progress=False, cache_dir=tmp_path / "cache").packed)
    assert len({packed.tobytes() for packed in got}) == 3
    assert np.array_equal(got[2], got[3]), "the same recordings in another place are the same"
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_folders_links_and_pipes_named_bin_are_skipped_or_named(tmp_path):
    import os

    for number in (1, 2, 3):
        write(tmp_path, number, np.arange(2000) * 150, seed=number)
    os.mkdir(tmp_path / "Train/3/folder.bin")
    os.symlink(tmp_path / "nowhere", tmp_path / "Train/4/link.bin")
    os.mkfifo(tmp_path / "Train/5/pipe.bin")
    with open(tmp_path / "Train/6/zeros.bin", "wb") as stream:
        stream.truncate(2_000_000_000)
    with pytest.raises(FileNotFoundError, match="folder.bin: no such recording, this is a folder"):
        load_splits(tmp_path, cache_dir=tmp_path / "c", progress=False)
    with pytest.warns(UserWarning, match="4 bad recordings skipped"):
        got = load_splits(tmp_path, cache_dir=tmp_path / "c", progress=False, on_bad="skip")
    assert sum(len(part) for part in got[:3]) == 30
    assert "4 bad recordings skipped (folder.bin, link.bin, pipe.bin, zeros.bin)" in got.note
