"""Means that a machine may lack, and the rule that CI skips no check but for the lack of them.

With CI=true, a skip fails the run unless its kind stands in COURSE_ALLOW_SKIPS (a list with commas;
"gpu" by default). The kind is read off the reason given.
"""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

#: what the tests solve is not the student's own progress
os.environ["COURSE_PROGRESS"] = "off"
#: files that take a minute and more: begun first, and then the notebooks, so that no worker is left
#: with one at the end
LONG = (
    "test_browser.py", "test_exercises.py", "test_scaling.py", "test_nbgrader.py",
    "test_training.py", "test_notebooks.py",
)  # fmt: skip
KINDS = {
    "gpu": r"\bGPU\b", "recordings": r"\bNMNIST_DIR\b", "samples": r"\bEVENT_SAMPLES\b",
    "browser": r"(?i)\bchromium\b",
}  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def recordings_dir() -> Path:
    """The folder of real N-MNIST recordings that NMNIST_DIR names."""
    folder = os.environ.get("NMNIST_DIR")
    if not folder:
        pytest.skip(
            "set NMNIST_DIR to a folder of real N-MNIST recordings (Train/<label>/<number>.bin); "
            "README.md tells how to get them"
        )
    if not (Path(folder) / "Train").is_dir():
        pytest.fail(f"NMNIST_DIR is {folder!r}, which holds no folder Train/; correct or unset it")
    return Path(folder)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium browser, for Playwright's ``executable_path``."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip(
            "no Chromium here: install it (on Debian: apt-get install chromium) or set CHROMIUM to "
            "the path of one"
        )
    return found


@pytest.fixture(scope="session")
def gpu() -> str:
    """The name of a device that PyTorch computes on: "cuda"."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here: needs one of NVIDIA's and PyTorch's CUDA build")
    return "cuda"


@pytest.fixture(scope="session")
def triton_device() -> str:
    """Where Triton's kernels run: on a GPU, or on the CPU by Triton's interpreter."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if os.environ.get("TRITON_INTERPRET") == "1" and importlib.util.find_spec("triton"):
        return "cpu"
    pytest.skip("no GPU here; without one this needs triton and TRITON_INTERPRET=1")


@pytest.fixture
def loaded_anew():
    """Within a test our modules are loaded once more, as in a new kernel; after it, those of before
    stand there. Called, it tells which are loaded."""
    import torch

    def ours() -> dict:
        parts = ("course_lib", "course_lab", "studies")
        return {n: m for n, m in sys.modules.items() if n.partition(".")[0] in parts}

    before, threads = ours(), torch.get_num_threads()
    for name in before:
        del sys.modules[name]
    yield ours
    for name in ours():
        del sys.modules[name]
    sys.modules.update(before)
    torch.set_num_threads(threads)


def pytest_collection_modifyitems(items):
    """The long files first, then notebooks; else the order stays."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(
        key=lambda item: places.get(item.path.name, len(LONG) + (item.path.suffix == ".py"))
    )


def skip_kind(reason: str) -> str:
    """The kind of means that a skip's reason names, or "other"."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, reason)), "other")


class SkipRule:
    """Collects skips and fails the run for those that are not allowed."""

    def __init__(self, allowed: set[str]):
        self.allowed = allowed
        self.refused: list[str] = []

    def _note(self, report):
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if skip_kind(reason) not in self.allowed:
            self.refused.append(f"{report.nodeid}: {reason}")

    pytest_runtest_logreport = _note
    pytest_collectreport = _note

    def pytest_sessionfinish(self, session):
        if self.refused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self.refused:
            allowed = ", ".join(sorted(self.allowed))
            terminalreporter.section(f"skipped, though CI may skip only: {allowed}", red=True)
            for line in self.refused:
                terminalreporter.write_line(line)


def pytest_configure(config):
    if os.environ.get("CI") == "true" and not hasattr(config, "workerinput"):
        allowed = os.environ.get("COURSE_ALLOW_SKIPS", "gpu").split(",")
        config.pluginmanager.register(SkipRule({kind.strip() for kind in allowed}), "skip-rule")
