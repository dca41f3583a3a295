"""What `python3 course.py doctor` says, and that it says so where something fails."""

import pytest

from course_lib.run import doctor


def test_every_part_has_a_line_and_what_fails_is_listed(monkeypatch, tmp_path):
    def broken():
        raise ImportError(f"no kernel in {tmp_path}/cache")

    monkeypatch.setattr(doctor.Path, "home", lambda: tmp_path)
    lines, wrong = doctor.examine({"fine": lambda: "3 cores", "broken": broken})
    assert lines[0].split() == ["fine", "3", "cores"]
    assert wrong == ["broken: ImportError: no kernel in ~/cache"]


def test_a_missing_package_is_wrong(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "absent-package"))
    _, wrong = doctor.examine({"packages": doctor.versions})
    assert "absent-package MISSING" in wrong[0]


def test_data_and_cache_say_what_is_there(monkeypatch, tmp_path):
    monkeypatch.delenv("NMNIST_DIR", raising=False)
    assert doctor.data().startswith("5,000 embedded digits; NMNIST_DIR is not set")
    monkeypatch.setenv("NMNIST_DIR", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError):
        doctor.data()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    (tmp_path / "frames.npz").write_bytes(bytes(2_000_000))
    assert doctor.caches() == "1 files, 2 MB, can be written"


def test_a_generation_is_timed_beside_the_stored_one(monkeypatch):
    monkeypatch.setattr(doctor, "SLOW", float("inf"))
    assert "stored" in doctor.generation() and "ms" in doctor.generation()
    monkeypatch.setattr(doctor, "SLOW", 0)
    with pytest.raises(RuntimeError, match="slow"):
        doctor.generation()


def test_the_report_can_be_pasted(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "SLOW", float("inf"))
    doctor.main()
    said = capsys.readouterr().out
    assert said.startswith("```\ncourse") and said.endswith("```\n")
    for name in doctor.PARTS:
        assert f"\n{name}" in said
