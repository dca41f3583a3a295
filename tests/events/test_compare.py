"""Saccade digits beside real recordings of the same digits."""

import numpy as np
import pytest
import torch

from course_lib.events import matching_digits, simulate, write_recording
from course_lib.events.compare import compare, correlation, count_frames, report


def test_count_frames_are_tonics(recording):
    from tonic.transforms import ToFrame

    for bins in (1, 7, 10):
        expected = ToFrame(sensor_size=(34, 34, 2), n_time_bins=bins)(recording)
        assert np.array_equal(count_frames(recording, bins), expected)
    assert count_frames(recording[:1], 10).sum() == 0


def test_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 3, 4))
    each = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)]
    assert np.isclose(correlation(a, b)["mean"], np.mean(each))
    assert np.isclose(correlation(a, b)["pooled"], np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert correlation(a, np.zeros_like(b)) == {"mean": 0.0, "pooled": 0.0}


@pytest.fixture
def folder(tmp_path, digits):
    """Saccade digits written as if they were real: numbers 1 to 40, classes in turn."""
    for k in range(1, 41):
        index = 500 * (k % 10) + (k - 1) // 10
        path = tmp_path / "Train" / str(k % 10) / f"{k:05}.bin"
        write_recording(path, simulate(digits.images[index], index))
    return tmp_path


def test_recordings_that_are_saccade_digits_agree_fully(folder):
    assert len(matching_digits(folder)) == 40
    result = compare(folder)
    assert result["recordings"] == 20  # the reporting half
    for name in ("count_images", "frames", "clamped_frames"):
        assert result[name]["mean"] == pytest.approx(1) == result[name]["pooled"]
    assert result["events"][0] == result["events"][1]
    assert np.array_equal(result["tenths"][0], result["tenths"][1])
    text = report(result)
    assert "20 real recordings" in text and "ratio" in text


def test_no_recording_of_the_reporting_half(tmp_path, recording):
    write_recording(tmp_path / "Train" / "5" / "00001.bin", recording)
    with pytest.raises(ValueError, match="reporting half"):
        compare(tmp_path)


def test_saccade_digits_meet_the_bars_on_real_recordings(nmnist):
    """Correlations, events and events per tenth on the half that the fit did not see."""
    result = compare(nmnist)
    print(report(result))
    assert result["count_images"]["mean"] >= 0.93
    assert result["frames"]["mean"] >= 0.78
    simulated, real = result["events"]
    assert abs(simulated / real - 1) <= 0.05
    ratio = result["tenths"][0] / result["tenths"][1]
    assert np.abs(ratio - 1).max() <= 0.15


def test_comparison_does_not_touch_torchs_generator(folder):
    before = torch.get_rng_state()
    compare(folder)
    assert torch.equal(torch.get_rng_state(), before)
