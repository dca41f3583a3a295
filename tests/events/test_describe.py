"""Recordings in a few figures, those of the real ones, and saccade digits beside real ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from course_lib.events import (
    EVENT_DTYPE,
    find_recordings,
    matching_digits,
    simulate,
    write_recording,
)
from studies.__main__ import main
from studies.recordings import compare, correlation, describe, fitted, measure, report

STORED = Path(__file__).parents[2] / "data/results/recordings.json"


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
    assert main(["measure", str(tmp_path), "--json", str(file)]) == 0
    expected = describe(simulate(digits.images[500 * k], k) for k in range(1, 4))
    assert json.loads(file.read_text(encoding="utf-8")) == expected
    assert "figures.json" in capsys.readouterr().out


def test_the_stored_figures_are_those_of_the_real_recordings(nmnist):
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    if len(find_recordings(nmnist).train) != stored["recordings"]:
        pytest.skip(f"NMNIST_DIR does not hold the {stored['recordings']} recordings measured")
    assert measure(nmnist) == stored


def test_the_course_comes_with_figures_of_real_recordings():
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert stored["recordings"] >= 1000
    assert sum(stored["tenths"]) == pytest.approx(stored["events"]["mean"], abs=0.01)


@pytest.mark.filterwarnings("ignore:.*no recording of")
def test_which_recordings_the_simulator_was_fitted_to(tmp_path, digits):
    for part, number in (("Train", 3), ("Train", 4), ("Train", 1001), ("Train", 999), ("Test", 4)):
        path = tmp_path / f"{part}/{number % 10}/{number:05}.bin"
        write_recording(path, simulate(digits.images[0], 0))
    order = [int(recording.path.stem) for recording in find_recordings(tmp_path).train]
    assert sorted(order) == [3, 4, 999, 1001]
    assert fitted(tmp_path).tolist() == [*(number == 4 for number in order), False]


def test_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 3, 4))
    each = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)]
    assert np.isclose(correlation(a, b), np.mean(each))
    assert correlation(a, np.zeros_like(b)) == 0


def test_recordings_that_are_saccade_digits_agree_fully(tmp_path, digits, capsys):
    """Saccade digits written as if they were real: numbers 1 to 40, classes in turn."""
    for k in range(1, 41):
        index = 500 * (k % 10) + (k - 1) // 10
        path = tmp_path / "Train" / str(k % 10) / f"{k:05}.bin"
        write_recording(path, simulate(digits.images[index], index))
    assert len(matching_digits(tmp_path)) == 40
    result = compare(tmp_path)
    assert list(result["correlations"].values()) == pytest.approx([1, 1, 1])
    assert result["simulated"] == result["real"] and result["real"]["recordings"] == 20
    assert "20 real recordings" in report(result) and "1.00 1.00" in report(result)
    assert main(["compare", str(tmp_path)]) == 0
    assert report(result) in capsys.readouterr().out


def test_no_recording_of_the_reporting_half(tmp_path, recording):
    write_recording(tmp_path / "Train" / "0" / "00001.bin", recording)
    with pytest.raises(ValueError, match="reporting half"):
        compare(tmp_path)


def test_saccade_digits_meet_the_bars_on_real_recordings(nmnist):
    """Correlations, events and events per tenth on the half that the fit did not see."""
    result = compare(nmnist)
    assert result["correlations"]["count images"] >= 0.93
    assert result["correlations"]["frames"] >= 0.78
    simulated, real = result["simulated"], result["real"]
    assert abs(simulated["events"]["mean"] / real["events"]["mean"] - 1) <= 0.05
    assert np.abs(np.divide(simulated["tenths"], real["tenths"]) - 1).max() <= 0.15
