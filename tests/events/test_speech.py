"""Sounds through the model ear: tones reach their channel, loudness does not matter; folders."""

import wave

import numpy as np
import pytest
import torch

from course_lib.events import load_recordings, load_splits, speech
from course_lib.run.runs import RunConfig

RATE = 8000


def tone(frequency, seconds=0.4, rate=RATE):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def sweep(first, last, seconds=0.6, rate=RATE):
    """A tone that rises by equal ratios."""
    t = np.arange(round(seconds * rate)) / rate
    ratio = np.log(last / first) / seconds
    return np.sin(2 * np.pi * first * np.expm1(ratio * t) / ratio)


def busiest(events, channels=64):
    return int(np.bincount(events["x"], minlength=channels).argmax())


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("channel", [5, 20, 35, 50, 60])
def test_a_tone_is_loudest_where_its_frequency_is_the_centre(channel, rate):
    frequency = speech.centres()[channel]
    events = speech.hear(tone(frequency, rate=rate), rate)
    assert abs(busiest(events) - channel) <= 1
    counts = np.bincount(events["x"], minlength=64)
    assert counts[abs(np.arange(64) - channel) > 12].sum() < 0.02 * counts.sum()


def test_filters_pass_a_tone_of_their_own_at_gain_one():
    filters = speech.gammatones(RATE)
    for channel in (10, 30, 50):
        t = np.arange(filters.shape[1]) / RATE
        gain = abs(filters[channel] @ np.exp(-2j * np.pi * speech.centres()[channel] * t))
        assert gain == pytest.approx(1, abs=0.03)


def test_a_rising_tone_climbs_the_channels_in_time():
    events = speech.hear(sweep(200, 3000), RATE)
    assert (np.diff(events["t"]) >= 0).all() and events["t"].max() < 600_000
    assert not events["y"].any() and not events["p"].any()
    middles = [np.median(events["x"][(events["t"] >= t) & (events["t"] < t + 100_000)])
               for t in range(0, 600_000, 100_000)]  # fmt: skip
    assert (np.diff(middles) > 3).all()
    centre = speech.centres()
    expected = [200 * 15 ** ((t + 0.05) / 0.6) for t in np.arange(6) / 10]
    found = centre[np.array(middles).round().astype(int)]
    assert np.abs(np.log2(found / expected)).max() < 0.4  # of an octave


def test_neither_loudness_nor_an_offset_matters():
    sound = sweep(300, 900)
    events = speech.hear(sound, RATE)
    for other in (1000 * sound, 0.01 * sound + 5, (20_000 * sound).round().astype(np.int16)):
        again = speech.hear(other, RATE)
        assert len(again) == pytest.approx(len(events), rel=0.01)
        assert abs(busiest(again) - busiest(events)) <= 1


@pytest.mark.parametrize("sound, rate, message", [
    (np.zeros(4000), RATE, "silent"), (np.full(4000, np.nan), RATE, "finite"),
    (np.zeros((2, 400)), RATE, "shape"), (np.zeros(0), RATE, "shape"),
    (np.ones(RATE * 61), RATE, "60 s"), (tone(100), 4000, "at least 7200"),
])  # fmt: skip
def test_sounds_that_cannot_be_heard(sound, rate, message):
    with pytest.raises(ValueError, match=message):
        speech.hear(sound, rate)


def write(path, sound, rate=RATE, width=2, tracks=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (sound * (100 if width == 1 else 20_000)).round().astype(np.int64)
    data = (samples + 128).astype(np.uint8) if width == 1 else samples.astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(tracks)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.repeat(data, tracks).tobytes())


def test_files_of_8_and_16_bits_and_two_tracks_sound_alike(tmp_path):
    sound, path = tone(500), tmp_path / "a.wav"
    counts = []
    for width, tracks in ((2, 1), (1, 1), (2, 2)):
        write(path, sound, width=width, tracks=tracks)
        samples, rate = speech.read_wave(path.read_bytes())
        assert rate == RATE and len(samples) == len(sound)
        counts.append(len(speech.hear(samples, rate)))
    assert max(counts) < 1.03 * min(counts)
    for data in (b"", b"RIFF", path.read_bytes()[:30], b"0.1 0.2\n" * 9):
        with pytest.raises(ValueError, match=r"a.wav: no \.wav"):
            speech.hear_file(data, "a.wav")


@pytest.fixture
def folder(tmp_path):
    """Three speakers of their own pitch; digit d sweeps up (even) or down (odd) from a place."""
    for k, speaker in enumerate(("ann", "bo", "cy", "di")):
        for digit in range(10):
            first, last = (300 + 40 * k, 900)[:: 1 - 2 * (digit % 2)]
            for number in range(2):
                sound = sweep(first + 200 * (digit // 2), last + 200 * (digit // 2), 0.3)
                write(tmp_path / "recordings" / f"{digit}_{speaker}_{number}.wav", sound)
    (tmp_path / "recordings" / "notes.wav").write_bytes(b"of another name, so left alone")
    return tmp_path


def test_speakers_of_the_test_were_never_heard(folder, monkeypatch):
    cache = folder / "cache"
    got = load_splits(f"speech:{folder}", 20, cache_dir=cache, progress=False)
    assert [len(part) for part in got[:3]] == [40, 20, 20]
    assert got.train.sensor == (64, 1, 1) and got.train.frames([0]).shape == (20, 1, 64)
    assert "speakers" in got.note and got.test.labels.tolist() == np.repeat(range(10), 2).tolist()
    sounds = []
    monkeypatch.setattr(speech, "hear", lambda *sound: sounds.append(sound))
    other = load_splits(f"speech:{folder}", 20, cache_dir=cache, progress=False, seed=1)
    assert not sounds, "the cache has them"
    assert other.note != got.note
    path = folder / "recordings/3_bo_1.wav"
    write(path, tone(800))
    with pytest.raises(ValueError):  # heard anew, by what no longer hears
        load_splits(f"speech:{folder}", 20, cache_dir=cache, progress=False)
    assert sounds


def test_what_is_wrong_with_a_folder_is_said(folder, tmp_path):
    with pytest.raises(ValueError, match='expected "speech:PATH"'):
        load_splits("speech")
    with pytest.raises(FileNotFoundError, match="<digit>_<speaker>_<n>.wav"):
        load_splits(f"speech:{tmp_path / 'none'}")
    for path in (folder / "recordings").glob("*_[cd]?_*.wav"):
        path.unlink()
    with pytest.raises(ValueError, match="2 speakers; expected at least 3"):
        load_splits(f"speech:{folder}", cache_dir=tmp_path / "c", progress=False)
    write(folder / "recordings/4_bo_7.wav", np.zeros(4000))
    with pytest.raises(ValueError, match="4_bo_7.wav: the sound is silent"):
        load_splits(f"speech:{folder}", cache_dir=tmp_path / "c", progress=False)
    (folder / "recordings/4_bo_7.wav").write_bytes(b"")
    with pytest.raises(ValueError, match="4_bo_7.wav: no .wav"):
        load_splits(f"speech:{folder}", cache_dir=tmp_path / "c", progress=False)


def test_own_sounds_are_pairs_like_any_recording():
    sounds = {"up": sweep(300, 900), "down": sweep(900, 300)}
    pairs = [(speech.hear(sound, RATE), name) for name, sound in sounds.items()]
    frames = load_recordings(pairs, 50, sensor=(speech.CHANNELS, 1, 1), fit="keep")
    assert frames.classes == ("down", "up") and frames.frames().shape == (50, 2, 64)
    up, down = frames.frames().transpose(0, 1)
    late, early = up[25:].sum(0), up[:25].sum(0)
    place = torch.arange(64.0)
    assert (late @ place) / late.sum() > (early @ place) / early.sum() + 5
    assert not torch.equal(up, down)


def test_a_run_knows_the_channels_before_it_reads():
    config = RunConfig(data="speech:nowhere", method="localzo", bins=100, hidden=(128,))
    assert config.sizes == (64, 128, 10)
