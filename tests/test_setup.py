"""The starter, the pinned versions, and the rule for skips."""

import ast
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COURSE = PROJECT["tool"]["course"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def load(path):
    """A script of the repository as a module."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def load_course():
    return load(ROOT / "course.py")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """course.py, its project moved to an empty folder with the same metadata."""
    module = load_course()
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv/course.json")
    monkeypatch.setattr(module, "LOG", tmp_path / ".venv/install.log")
    return module


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return [(canonicalize_name(name), version) for name, version in pairs]


def all_requirements():
    extras = PROJECT["project"]["optional-dependencies"].values()
    listed = PROJECT["project"]["dependencies"] + COURSE["instead"] + sum(extras, [])
    listed += COURSE["without-dependencies"] + COURSE["peers-without-dependencies"]
    return [Requirement(line) for line in listed]


# ---------------------------------------------------------------- versions


def test_every_dependency_is_pinned_within_its_range():
    pinned = dict(pins())
    for need in all_requirements():
        assert canonicalize_name(need.name) in pinned, f"{need.name} is not in constraints.txt"
        assert need.specifier.contains(pinned[canonicalize_name(need.name)]), str(need)


def test_constraints_are_plain_and_unique():
    names = [name for name, _ in pins()]
    assert len(names) == len(set(names))
    for name, version in pins():
        assert Version(version).local is None, f"{name}: a local tag fits one index only"


def test_pinned_packages_are_for_every_python_that_the_starter_takes():
    """From 3.11.0 on: Debian 12 has 3.11.2."""
    course = load_course()
    (major, low), (_, high) = course.MINIMUM_PYTHON, course.MAXIMUM_PYTHON
    for name, version in pins():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found = importlib.metadata.metadata(name)
            if found["Version"].split("+")[0] == version:  # else this environment is older
                wanted = SpecifierSet(found["Requires-Python"] or "")
                for minor in range(low, high + 1):
                    assert wanted.contains(f"{major}.{minor}.0"), f"{name} is for {wanted}"


def test_environment_yml_agrees_with_constraints_and_pyproject():
    *conda, pip = ENVIRONMENT["dependencies"]
    assert {"-c constraints.txt", "-e ."} <= set(pip["pip"])
    pinned = dict(pins())
    versions = dict(line.split("==") for line in pip["pip"] if not line.startswith("-"))
    versions |= dict(line.split("=") for line in conda if "=" in line)
    python = versions.pop("python")
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(python)
    for name, version in versions.items():
        assert pinned[canonicalize_name(name)] == version, f"{name} in environment.yml"


def test_binder_takes_the_cpu_build_and_compiles_nothing(monkeypatch):
    calls, script = [], ROOT / ".binder/postBuild"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command[1:]))
    runpy.run_path(str(script))
    *installs, copies = calls
    assert copies == ["-m", "course_lab.my"] and os.access(script, os.X_OK)
    for call in installs:
        assert {"--only-binary=:all:", "constraints.txt"} <= set(call)
    assert installs[0][-1] == f"torch=={dict(pins())['torch']}+cpu"
    assert "jupyterlab" in " ".join(installs[1]) and installs[2][-1] == "tonic"
    python = (script.parent / "runtime.txt").read_text(encoding="utf-8").strip()
    assert python.replace("-", "=") in ENVIRONMENT["dependencies"]


def test_public_ci_uses_the_python_of_environment_yml():
    python = next(d for d in ENVIRONMENT["dependencies"] if str(d).startswith("python="))
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["everything"]["steps"]
    used = next(s["with"]["python-version"] for s in steps if "python-version" in s.get("with", {}))
    assert python == f"python={used}"


@pytest.mark.parametrize(
    ("package", "never_imported"),
    [
        ("tonic", {"expelliarmus"}),
        ("neurobench", {"torchaudio"}),
        ("norse", {"torchvision"}),
        ("spikingjelly", {"torchvision", "torchaudio", "scienceplots"}),
    ],
)
def test_what_bare_packages_need_is_installed_otherwise(package, never_imported):
    needs = [Requirement(line) for line in importlib.metadata.requires(package) or []]
    names = {canonicalize_name(n.name) for n in needs if not n.marker or n.marker.evaluate()}
    given = {name for name, _ in pins()}
    assert names - never_imported <= given


def test_the_installed_torch_is_the_pinned_one():
    if sys.prefix == sys.base_prefix or Path(sys.prefix) != ROOT / ".venv":
        return  # another environment than course.py's, where the range of pyproject.toml holds
    assert Version(importlib.metadata.version("torch")).public == dict(pins())["torch"]


# ---------------------------------------------------------------- the starter


def test_parses_on_old_pythons_and_imports_nothing_newer_at_the_top():
    tree = ast.parse((ROOT / "course.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top for alias in node.names} - {"Path"}
    assert names < sys.stdlib_module_names
    assert not names & {"tomllib", "zoneinfo", "graphlib", "dataclasses", "annotations"}


def test_old_python_is_told_what_to_do():
    course = load_course()
    assert course.python_problem((3, 11, 0)) is None
    assert course.python_problem((3, 14, 2)) is None
    assert "3.11 to 3.14; this is Python 3.9" in course.python_problem((3, 9, 1))
    assert "this is Python 3.15" in course.python_problem((3, 15))
    assert "Use it: python3.12 course.py" in course.python_problem((3, 10), ["python3.12"])


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_help(arguments):
    run = subprocess.run(
        [sys.executable, ROOT / "course.py", *arguments], capture_output=True, text=True
    )
    assert run.returncode == 0
    for command in load_course().COMMANDS:
        assert re.search(rf"^    {command} +\w", run.stdout, re.MULTILINE), command
    assert "{" not in run.stdout


def test_unknown_command_is_refused_before_any_installation(course, capsys):
    assert course.main(["trian"]) == 2
    assert "Unknown command 'trian'. Did you mean train?" in capsys.readouterr().err
    assert course.main(["--train"]) == 2
    assert not course.VENV.exists()


def test_other_commands_pass_through_with_their_arguments(course, monkeypatch):
    handed = []
    monkeypatch.setattr(course, "ensure_environment", lambda extras=(): handed.append("ready"))
    monkeypatch.setattr(course, "hand_over", lambda arguments: handed.append(arguments) or 7)
    assert course.main(["train", "--rank", "4", "--help"]) == 7
    assert handed == ["ready", ["-m", "course_lib", "train", "--rank", "4", "--help"]]


def test_every_command_leads_to_a_module_or_script(course):
    for name, (arguments, _) in course.COMMANDS.items():
        if arguments[:1] == ["-m"] and name != "lab":
            assert importlib.util.find_spec(arguments[1]), name
        elif arguments and name != "lab":
            assert (ROOT / arguments[0]).is_file(), name


def test_lab_opens_the_first_lesson(course):
    folder, options = course.lab_options(["--no-browser", "--port", "9999"])
    assert folder is None
    assert "--LabApp.default_url=/lab" in options and "--port=9999" in options
    assert "--no-browser" in options
    (course.ROOT / "notebooks").mkdir()
    for name in ("02_spikes.ipynb", "01_events.ipynb"):
        (course.ROOT / "notebooks" / name).touch()
    _, options = course.lab_options(["--ServerApp.ip=::1"])
    assert "--LabApp.default_url=/lab/tree/my/01_events.ipynb" in options
    assert "--ServerApp.ip=::1" in options and "--no-browser" not in options


def test_lab_opens_the_formgrader_of_a_class(course, monkeypatch, tmp_path):
    needs, handed = [], []
    monkeypatch.setattr(course, "ensure_environment", needs.append)
    monkeypatch.setattr(course, "hand_over", handed.extend)
    monkeypatch.setattr(course.subprocess, "call", lambda command: pytest.fail("copies my/"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(course.SetupError, match="course.py grade"):
        course.main(["lab", "--class", str(tmp_path)])
    (tmp_path / "nbgrader_config.py").touch()
    course.main(["lab", "--class", str(tmp_path)])
    assert needs == [{"instructor"}] and Path.cwd() == tmp_path
    assert "--LabApp.default_url=/formgrader" in handed


@pytest.mark.parametrize("command", ["lab", "test", "bench"])
def test_commands_run_in_the_project_with_what_they_need(course, monkeypatch, command):
    needs, handed, copied = [], [], []
    monkeypatch.setattr(course, "ensure_environment", needs.append)
    monkeypatch.setattr(course, "hand_over", handed.extend)
    monkeypatch.setattr(course.subprocess, "call", lambda command: copied.append(command[1:]))
    monkeypatch.chdir(course.ROOT.parent)
    course.main([command, "--x"])
    assert needs == [course.TEST_EXTRAS if command == "test" else ()]
    assert handed[: len(course.COMMANDS[command][0])] == course.COMMANDS[command][0]
    assert "--x" in handed
    assert copied == ([["-m", "course_lab.my"]] if command == "lab" else [])
    assert (Path.cwd() == course.ROOT) == (command != "bench")
    overrides = course.VENV / "share/jupyter/lab/settings/overrides.json"
    assert overrides.is_file() == (command == "lab")  # a browser showed that it is heeded


def test_test_runs_every_step_and_fails_if_one_does(course, monkeypatch):
    everything, calls = load(ROOT / "tests/everything.py"), []

    def call(arguments):
        calls.append(arguments)
        return arguments[0] == "ruff"

    (course.ROOT / "notebooks").mkdir()
    for name in ("01_events.ipynb", "09_long.ipynb"):
        (course.ROOT / "notebooks" / name).touch()
    metadata = course.ROOT / "pyproject.toml"
    text = metadata.read_text(encoding="utf-8")
    found = re.compile(r"slow-notebooks = \[.*?\]", re.S)
    slow = found.sub('slow-notebooks = ["09_long.ipynb"]', text)
    metadata.write_text(slow, encoding="utf-8")
    monkeypatch.setattr(everything, "call", call)

    assert everything.main(["--fast"], course.ROOT) == 1
    ruff, tests = calls
    assert ruff[0] == "ruff"
    assert "not slow and not browser" in tests and "--nbval" in tests
    assert [Path(name).name for name in tests[-2:]] == ["tests", "01_events.ipynb"]

    calls.clear()
    everything.main([], course.ROOT)
    assert calls[1][-1].endswith("09_long.ipynb") and "-m" not in calls[1]


# ---------------------------------------------------------------- what is installed already


def ready_stamp(course, extras=("test",), torch=None):
    """A .venv that looks finished, and its stamp."""
    packages = course.site_packages("3.11")
    packages.mkdir(parents=True)
    (packages / f"torch-{torch or course.pinned_torch()}+cpu.dist-info").mkdir()
    course.write_stamp("3.11", extras, course.install_key("3.11", extras))
    return course.read_stamp()


def test_finished_environment_is_left_alone(course):
    stamp = ready_stamp(course)
    assert course.venv_problem(stamp, "3.11") is None
    assert course.missing_from(stamp, "3.11", []) is None
    assert course.missing_from(stamp, "3.11", ["test"]) is None


def test_pip_runs_again_when_something_is_missing(course):
    stamp = ready_stamp(course)
    assert "more packages are needed: peers" in course.missing_from(stamp, "3.11", ["peers"])
    assert "holds PyTorch's CPU build" in course.venv_problem(stamp, "3.11", ["gpu"])
    assert course.venv_problem({**stamp, "extras": ["gpu"]}, "3.11", ["gpu"]) is None
    course.write_stamp("3.11", ["test"], None)
    assert "not finished" in course.missing_from(course.read_stamp(), "3.11", [])
    with (course.ROOT / "constraints.txt").open("a", encoding="utf-8") as constraints:
        constraints.write("another==1.0\n")
    assert "constraints.txt changed" in course.missing_from(stamp, "3.11", [])


def test_replaced_torch_is_noticed(course):
    stamp = ready_stamp(course, torch="2.4.0")
    assert "torch is 2.4.0 instead of the pinned" in course.missing_from(stamp, "3.11", [])


def test_unusable_environment_is_made_anew(course):
    assert "not finished" in course.venv_problem(course.read_stamp(), None)
    stamp = ready_stamp(course)
    assert "does not start" in course.venv_problem(stamp, None)
    assert "from 3.11 to 3.13" in course.venv_problem(stamp, "3.13")
    assert "moved here from /old" in course.venv_problem({**stamp, "root": "/old"}, "3.11")
    assert course.venv_version() is None  # there is no Python in this .venv


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"key": 1}'])
def test_damaged_stamp_counts_as_none(course, content):
    course.VENV.mkdir()
    course.STAMP.write_text(content, encoding="utf-8")
    assert course.read_stamp() is None


def test_stamp_is_written_whole_or_not_at_all(course, monkeypatch):
    ready_stamp(course)
    before = course.STAMP.read_text(encoding="utf-8")

    def fail(*_):
        raise OSError("power cut")

    monkeypatch.setattr(course.os, "replace", fail)
    with pytest.raises(OSError, match="power cut"):
        course.write_stamp("3.11", [], None)
    assert course.STAMP.read_text(encoding="utf-8") == before
    assert json.loads(before)["extras"] == ["test"]


def make_package(folder, name, installer=True, size=None):
    (folder / f"{name}.py").write_text("x = 1\n", encoding="utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    rows = [f"{name}.py,sha256=abc,{size or 6}", f"{name}-1.0.dist-info/RECORD,,"]
    if installer:
        (info / "INSTALLER").write_text("pip\n", encoding="utf-8")
        rows.append(f"{name}-1.0.dist-info/INSTALLER,sha256=abc,4")
    (info / "RECORD").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return info


def test_half_installed_packages_are_taken_again(course):
    folder = course.site_packages("3.11")
    folder.mkdir(parents=True)
    whole = make_package(folder, "whole")
    unfinished = make_package(folder, "unfinished", installer=False)
    truncated = make_package(folder, "truncated", size=60)
    lost = make_package(folder, "lost")
    (folder / "lost.py").unlink()
    (folder / "~orch").mkdir()
    course.remove_half_installed("3.11")
    assert whole.is_dir() and not (folder / "~orch").exists()
    assert not any(info.exists() for info in (unfinished, truncated, lost))


def test_requirements_keep_the_bare_packages_apart(course):
    full, bare = course.requirements({"test", "peers"})
    assert set(bare) == {"tonic", "neurobench", "norse", "spikingjelly"}
    assert not any(need.startswith(tuple(bare)) for need in full)
    assert any(need.startswith("torch") for need in full)
    assert any(need.startswith("snntorch") for need in full)
    with pytest.raises(course.SetupError, match="Unknown extra tests; there are: test"):
        course.requirements({"tests"})


# ---------------------------------------------------------------- when installing fails


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
        ("The virtual environment was not created: ensurepip is not available", "python3-venv"),
        ("No module named venv", "python3-venv"),
        ("[WinError 206] The filename or extension is too long", "short one"),
        ("PermissionError: [WinError 32] used by another process", "Close JupyterLab"),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "certificate"),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError': Temporary failure "
            "in name resolution\nERROR: No matching distribution found for torch",
            "no network connection",
        ),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError'\n"
            "ERROR: ResolutionImpossible: for help",
            "no network connection",
        ),
        ("OSError('Tunnel connection failed: 403 Forbidden')", "proxy refused"),
        (
            "ERROR: Could not find a version that satisfies the requirement torch>=2.4 "
            "(from versions: none)\nERROR: No matching distribution found for torch>=2.4",
            "offers no file of torch>=2.4",
        ),
        ("ERROR: Failed building wheel for soxr", "no ready-made file"),
        ("ERROR: ResolutionImpossible: for help", "contradict each other"),
        ("ImportError: DLL load failed while importing _C", "Visual C++ Redistributable"),
        ("something new", "end of the log"),
    ],
)
def test_failures_come_with_advice(course, output, expected):
    message = str(course.failure("Installing", output))
    first, *_ = message.split("\n\n")
    assert first.startswith("Installing failed. ") and expected in first, message
    assert "repeat the same command" in message and "{" not in first


def test_pip_without_a_network_is_recognised(course):
    run = subprocess.run(
        [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--retries", "1"]
        + ["--target", "nowhere", "--index-url", "http://127.0.0.1:9/simple", "absent-package"],
        capture_output=True, text=True, cwd=course.ROOT,
    )
    assert run.returncode != 0
    assert "no network connection" in str(course.failure("Installing", run.stdout + run.stderr))


def test_pip_refused_by_a_proxy_or_an_index_is_recognised(course):
    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(403)

        do_CONNECT = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}"
        through = ["--index-url", "https://a.invalid", "--proxy", here]
        for options in (["--index-url", here], through):
            run = subprocess.run(
                [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", *options]
                + ["--retries", "0", "--target", "nowhere", "absent-package"],
                capture_output=True, text=True, cwd=course.ROOT,
            )
            assert run.returncode != 0
            first = str(course.failure("Installing", run.stdout + run.stderr)).split("\n\n")[0]
            assert "proxy refuse" in first, run.stdout + run.stderr
        server.shutdown()


@pytest.mark.parametrize(
    ("system", "driver", "extras", "gpu"),
    [
        ("Linux", None, (), False), ("Linux", "/usr/bin/nvidia-smi", (), True),
        ("Linux", None, {"gpu"}, True), ("Darwin", None, {"gpu"}, False),
        ("Windows", "nvidia-smi.exe", (), False),
    ],
)  # fmt: skip
def test_only_linux_has_two_builds_and_each_states_its_size(
    course, monkeypatch, system, driver, extras, gpu
):
    monkeypatch.setattr(course.platform, "system", lambda: system)
    monkeypatch.setattr(course.shutil, "which", lambda name: driver)
    monkeypatch.setattr(course.Path, "glob", lambda *_: [])
    assert course.gpu_build(extras) is gpu
    assert ("6 GB" if gpu else "2 GB") in course.size(course.gpu_build(extras))


@pytest.mark.parametrize("reached", ["--no-index", "--index-url", None])
def test_without_a_gpu_the_cpu_build_is_taken_or_its_absence_told(
    course, monkeypatch, capsys, reached
):
    tried = []

    def run_logged(step, command, lock):
        tried.append(command[1])
        assert command[-2:] == ["--no-deps", f"torch=={course.pinned_torch()}+cpu"]
        return None if command[1] == reached else "ERROR: No matching distribution"

    monkeypatch.setattr(course, "run_logged", run_logged)
    course.install_cpu_torch(["pip"], None)
    told = capsys.readouterr().err
    assert tried == (["--no-index"] if reached == "--no-index" else ["--no-index", "--index-url"])
    assert ("does not answer" in told) == (reached is None) and "--gpu" in told


@pytest.mark.parametrize(
    ("system", "gpu", "there", "taken"),
    [("Linux", False, None, True), ("Linux", False, "2.13.0+cpu", False),
     ("Linux", True, None, False), ("Darwin", False, None, False)],
)  # fmt: skip
def test_when_the_cpu_build_is_asked_for(course, monkeypatch, system, gpu, there, taken):
    steps = []
    monkeypatch.setattr(course.platform, "system", lambda: system)
    monkeypatch.setattr(course, "gpu_build", lambda extras: gpu)
    monkeypatch.setattr(course, "installed_torch", lambda version: there)
    monkeypatch.setattr(course, "install_cpu_torch", lambda *_: steps.append("CPU build"))
    monkeypatch.setattr(course, "run_logged", lambda step, *_: steps.append(step))
    course.install((), "3.11", None)
    assert (steps[0] == "CPU build") == taken and len(steps) == 4 + taken


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Collecting torch==2.13.0 (from -r x)", "looking for torch"),
        ("  Downloading scipy-1.17.1-cp311-cp311-x.whl (35.3 MB)", "downloading scipy (35.3 MB)"),
        ("Processing /wheels/torch-2.13.0-cp311.whl", "reading torch"),
        ("Installing collected packages: a, b, c", "installing 3 packages"),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken",
            "trying to reach the package index again: is there a network connection?",
        ),
        ("Requirement already satisfied: torch", None),
    ],
)
def test_pip_lines_are_condensed(line, expected):
    assert load_course().stage(line) == expected


def test_a_failing_step_is_logged_and_returned(course, capsys):
    course.VENV.mkdir()
    code = "print('No space left on device'); raise SystemExit(1)"
    with course.only_one_installer() as lock:
        output = course.run_logged("Packages", [sys.executable, "-c", code], lock)
        assert course.run_logged("Packages", [sys.executable, "-c", ""], lock) is None
    assert "No space left" in output and "No space left" in course.LOG.read_text(encoding="utf-8")
    assert not capsys.readouterr().out
    assert "disk is full" in str(course.failure("Packages", output))


def test_a_second_installer_waits_and_says_so(course, monkeypatch, capsys):
    with course.only_one_installer() as lock:
        monkeypatch.setattr(course.time, "sleep", lambda seconds: lock.close())
        with course.only_one_installer() as second:
            assert not second.closed
    assert "Another course.py" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(course, monkeypatch):
    (course.ROOT / ".venv.lock").mkdir()
    with pytest.raises(course.SetupError, match="Set-up failed"), course.only_one_installer():
        pass


# ---------------------------------------------------------------- the repository


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name]
    hidden = re.compile(r"(?:^|/)(?:\.venv|\.git|runs|__pycache__)(?:/|$)")
    names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
    return [ROOT / name for name in names if not hidden.search(name)]


def test_no_index_hosts_and_no_paths_of_one_machine_in_the_repository():
    # But the one constant for PyTorch's CPU builds, which no default of pip's leads to.
    constant = f'CPU_INDEX = "{load_course().CPU_INDEX}"'.encode()
    words = ("py" + "pi.org", "python" + "hosted.org", "download." + "pytorch.org")
    words += ("/opt/" + "wheels", "/opt/" + "pypi")
    machine = re.compile(rb"(?<![\w.-])/" + rb"work/")
    found = []
    for path in filter(Path.is_file, tracked_files()):
        content = path.read_bytes().replace(constant if path.name == "course.py" else b"", b"")
        found += [f"{path}: {word}" for word in words if word.encode() in content]
        if machine.search(content):
            found.append(f"{path}: a path of one machine")
    assert not found


# ---------------------------------------------------------------- skips in CI


def run_with_skips(folder, **variables):
    """pytest in `folder` on one test that passes, one that fails as expected and four skipped."""
    shutil.copy(ROOT / "tests/conftest.py", folder)
    (folder / "test_skips.py").write_text(
        "import pytest\n"
        "REASONS = ['no GPU here', 'set NMNIST_DIR to a folder', 'no Chromium here', 'no mood']\n"
        "@pytest.mark.parametrize('reason', REASONS)\n"
        "def test_skipped(reason):\n    pytest.skip(reason)\n"
        "@pytest.mark.xfail\ndef test_expected():\n    raise ValueError\n"
        "def test_passes():\n    pass\n"
    , encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}"],
        env={**os.environ, **variables, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=folder, capture_output=True, text=True,
    )


def test_ci_fails_on_a_skip_that_is_not_allowed(tmp_path):
    run = run_with_skips(tmp_path, CI="true", COURSE_ALLOW_SKIPS="gpu,recordings")
    refused = run.stdout.split("CI may skip only: gpu, recordings")[1]
    assert run.returncode == 1
    assert "no Chromium" in refused and "no mood" in refused
    assert "GPU" not in refused and "NMNIST_DIR" not in refused


@pytest.mark.parametrize(
    "variables", [{"CI": ""}, {"CI": "true", "COURSE_ALLOW_SKIPS": "gpu,recordings,browser,other"}]
)
def test_skips_are_fine_elsewhere_or_where_allowed(tmp_path, variables):
    run = run_with_skips(tmp_path, **variables)
    assert run.returncode == 0, run.stdout
