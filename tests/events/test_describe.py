"""What recordings look like in a few figures, and the stored figures of the real ones."""

import json

import numpy as np
import pytest

from course_lib.events import EVENT_DTYPE, find_recordings, simulate, write_recording
from course_lib.events.describe import describe, measure, measured
from course_lib.run import cli


def recording_of(times, polarities):
    events = np.zeros(len(times), EVENT_DTYPE)
    events["t"], events["p"] = times, polarities
    return events


def test_describe_by_hand():
    few = recording_of([1_000, 40_000, 101_000], [1, 0, 0])
    many = recording_of([0, 1, 2, 31_000, 320_000], [1, 1, 1, 1, 0])
    result = describe([few, many])
    assert result["recordings"] == 2
    assert result["events"] == {"mean": 4, "sd": 1, "min": 3, "max": 5}
    assert result["length_ms"] == {"mean": 210, "sd": 110, "min": 100, "max": 320}
    assert result["p1_share"] == pytest.approx((1 / 3 + 4 / 5) / 2, abs=0.0005)
    assert result["tenths"] == [2, 1, 0, 0.5, 0, 0, 0, 0, 0, 0.5]  # what is later is in the last


def test_the_command_writes_what_the_training_recordings_are(tmp_path, digits, capsys):
    for k in range(1, 4):
        write_recording(tmp_path / f"Train/{k}/{k:05}.bin", simulate(digits.images[500 * k], k))
    write_recording(tmp_path / "Test/0/00001.bin", simulate(digits.images[0], 0))
    file = tmp_path / "figures.json"
    assert cli.main(["data", "measure", str(tmp_path), "--json", str(file)]) == 0
    expected = describe(simulate(digits.images[500 * k], k) for k in range(1, 4))
    assert json.loads(file.read_text(encoding="utf-8")) == expected
    assert "figures.json" in capsys.readouterr().out


def test_the_stored_figures_are_those_of_the_real_recordings(nmnist):
    stored = measured()
    if len(find_recordings(nmnist).train) != stored["recordings"]:
        pytest.skip(f"NMNIST_DIR does not hold the {stored['recordings']} recordings measured")
    assert measure(nmnist) == stored


def test_the_course_comes_with_figures_of_real_recordings():
    stored = measured()
    assert stored["recordings"] >= 1000
    assert sum(stored["tenths"]) == pytest.approx(stored["events"]["mean"], abs=0.01)
