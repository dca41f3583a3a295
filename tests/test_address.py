"""The address of the repository is one constant; badges, links and set-up cells follow it."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from course_lab.authoring import opening
from course_lab.authoring.opening import ROOT, addressed, badge, make_archive, readdress, repository


@pytest.fixture
def copy(tmp_path) -> Path:
    """The files of the repository that may hold its address."""
    for path in addressed(ROOT):
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def test_every_badge_link_and_set_up_is_of_the_address(copy):
    assert readdress(root=copy) == [], "write them anew: python3 course.py address"


def test_a_new_address_is_written_everywhere_and_back(copy):
    before = {path: path.read_bytes() for path in addressed(copy)}
    slug = repository(copy).removeprefix("https://github.com/")
    changed = readdress("https://github.com/jane-doe/spikes.git", copy)
    assert repository(copy) == "https://github.com/jane-doe/spikes"
    names = {path.relative_to(copy).as_posix() for path in changed}
    assert {"pyproject.toml", "CITATION.cff", "notebooks/02_spikes.ipynb"} <= names
    assert {f"{kind}/02_spikes/02_spikes.ipynb" for kind in ("solutions", "exercises")} <= names
    for path in addressed(copy):
        assert not re.search(rf"{opening.HOSTS}{slug}", path.read_text(encoding="utf-8")), path
    lesson = nbformat.read(copy / "notebooks" / "02_spikes.ipynb", as_version=4)
    assert badge(ROOT / "notebooks/02_spikes.ipynb", repository(copy)) in lesson.cells[0].source
    readdress(f"https://github.com/{slug}", copy)
    assert {path: path.read_bytes() for path in addressed(copy)} == before


@pytest.mark.parametrize(
    "address", ["jane/spikes", "https://gitlab.com/a/b", "https://github.com/a"]
)
def test_an_address_that_colab_cannot_open_is_refused(copy, address):
    with pytest.raises(ValueError, match="expected https://github.com/OWNER/NAME"):
        readdress(address, copy)


@pytest.mark.slow
def test_the_archive_for_colab_is_installed_by_pip(tmp_path):
    archive = tmp_path / "spikes-without-backprop.zip"
    make_archive(archive)
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
    assert {name.split("/")[0] for name in names} == {"spikes-without-backprop"}
    assert not [name for name in names if "__pycache__" in name]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*pip, tmp_path / "there", archive], check=True)
    code = "from course_lib.events import load_digits; print(load_digits().images.shape)"
    code = f"import sys; sys.path.insert(0, 'there'); {code}"
    run = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout == "(5000, 28, 28)\n"
