#!/usr/bin/env python3
"""Start the course. Needs nothing but Python 3.11 or newer.

    python3 course.py lab [--no-browser] [--port N]   open the first lesson in JupyterLab
    python3 course.py train [...]                     train a spiking network (also: evaluate,
                                                      data, bench; `train --help` explains)
    python3 course.py test [--fast]                   run every check (--fast: about 3 minutes)
    python3 course.py setup [--with EXTRA ...]        only install (EXTRA: instructor, test, ...)

The first call makes the folder .venv and installs the pinned packages there: about 2 to 5 minutes
and 2 GB of disk (8 GB on Linux where pip picks PyTorch's build for NVIDIA GPUs). Later calls start
at once. Every call is safe to repeat, also after an interruption.
"""
# This file has to be readable by older Pythons, which it tells to make way for a newer one: no
# syntax beyond Python 3.6, and imports that are newer than that only inside functions.

import argparse
import contextlib
import csv
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "course.json"
LOG = VENV / "install.log"
FIRST_LESSON = "notebooks/01_events.ipynb"

MINIMUM_PYTHON = (3, 11)
WINDOWS = os.name == "nt"
PYTHON = "py" if WINDOWS else "python3"
TEST_EXTRAS = {"test", "peers", "data", "instructor"}
GPU_BUILD_GB = 12  # free disk below which a Linux user should choose PyTorch's CPU build
SMALLEST_GB = 3


class SetupError(Exception):
    """Something the user can act on; its text says how."""


def say(text):
    """Tell about the set-up; standard output belongs to the command that was asked for."""
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- which Python runs this file


def newer_pythons():
    """Names of new enough Pythons on this machine that do start."""
    probe = f"import sys; sys.exit(sys.version_info < {MINIMUM_PYTHON!r})"
    return [
        name
        for name in ("python3.11", "python3.12", "python3.13", "python3.14")
        if shutil.which(name)
        and subprocess.call([name, "-c", probe], stderr=subprocess.DEVNULL) == 0
    ]


def python_problem(version, others=()):
    """What to tell the user of Python `version`, or None if it is new enough."""
    if tuple(version[:2]) >= MINIMUM_PYTHON:
        return None
    text = "The course needs Python 3.11 or newer; this is Python {}.{}.\n".format(*version[:2])
    if others:
        return text + f"You have a newer one. Use it: {others[0]} course.py lab"
    return text + (
        "Install a newer one (python.org, your package manager, or conda), then repeat with it,\n"
        "for example: {} course.py lab".format("py -3.12" if WINDOWS else "python3.12")
    )


# ---------------------------------------------------------------- what is installed in .venv


def venv_python():
    return VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")


def venv_version():
    """The version of .venv's Python, such as "3.11", or None if it does not start."""
    probe = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [str(venv_python()), "-I", "-S", "-c", probe],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def site_packages(version):
    return VENV / ("Lib/site-packages" if WINDOWS else f"lib/python{version}/site-packages")


def installed_version(name, version):
    """The version of package `name` in .venv, without a local tag such as +cpu, or None."""
    found = sorted(site_packages(version).glob(name + "-*.dist-info"))
    return found[0].name[len(name) + 1 : -len(".dist-info")].split("+")[0] if found else None


def pinned_version(name):
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pin = re.search(rf"(?m)^{re.escape(name)}==(\S+)", pins)
    return pin.group(1)


def read_stamp():
    """What an earlier run recorded, or None where creating .venv was never finished."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return stamp if stamp.keys() == {"root", "python", "extras", "key"} else None
    except (OSError, ValueError, AttributeError):
        return None


def write_stamp(version, extras, key):
    stamp = {"root": str(ROOT), "python": version, "extras": sorted(extras), "key": key}
    draft = STAMP.with_suffix(".tmp")
    draft.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    os.replace(str(draft), str(STAMP))


def install_key(version, extras):
    """A hash of everything that decides what is installed."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    parts += [version.encode(), " ".join(sorted(extras)).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def venv_problem(stamp, version):
    """Why .venv has to be made anew, or None if it can be used or mended."""
    if stamp is None:
        return "its creation was not finished"
    if stamp["root"] != str(ROOT):
        return "the project was moved here from " + stamp["root"]
    if version is None:
        return "its Python does not start any more"
    if version != stamp["python"]:
        return "its Python changed from {} to {}".format(stamp["python"], version)
    return None


def missing_from(stamp, version, extras):
    """Why pip has to run, or None if everything asked for is there."""
    if stamp["key"] is None:
        return "the last installation was not finished"
    if stamp["key"] != install_key(version, stamp["extras"]):
        return "pyproject.toml or constraints.txt changed"
    if not set(extras) <= set(stamp["extras"]):
        return "more packages are needed: " + ", ".join(sorted(set(extras) - set(stamp["extras"])))
    torch, pin = installed_version("torch", version), pinned_version("torch")
    if torch != pin:
        return f"torch is {torch} instead of the pinned {pin}; something replaced it"
    return None


# ---------------------------------------------------------------- installing


# The first pattern found in pip's output decides; {0} is its first group.
ADVICE = [
    (r"No space left on device|Errno 28|not enough space on the disk|Disk quota exceeded",
     f"The disk is full. Free at least {SMALLEST_GB} GB. (If only the folder for temporary files\n"
     "is small, let TMPDIR name another one.)"),
    (r"ensurepip is not available|No module named '?(?:venv|ensurepip)",
     "This Python lacks its module venv. On Debian and Ubuntu: sudo apt install python3-venv\n"
     "Elsewhere install the complete Python from python.org or conda."),
    (r"WinError 206|Filename too long|[Ll]ong [Pp]ath",
     "The paths are too long for Windows. Move the project to a short one such as C:\\spikes, or\n"
     "enable long paths in Windows."),
    (r"Permission denied|Access is denied|WinError (?:5|32)\b|being used by another process"
     r"|Directory not empty",
     "A file could not be written. Close JupyterLab and other programs that use .venv, and check\n"
     "that this folder is yours."),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
     "The package index's certificate was not accepted. Behind a company's proxy, tell pip its\n"
     "certificate: pip config set global.cert FILE"),
    (r"ProxyError|Tunnel connection failed",
     "The proxy refused the connection. Check the variables HTTPS_PROXY and NO_PROXY."),
    (r"NewConnectionError|NameResolutionError|name resolution|getaddrinfo failed|nodename nor"
     r"|Failed to establish a new connection|Max retries exceeded|ConnectTimeout|ReadTimeout"
     r"|Connection(?:Reset|Aborted)Error|IncompleteRead|incomplete-download|Network is unreachable",
     "The package index was not reached. The first set-up needs a network connection, later\n"
     "starts do not. On a slow line, set PIP_DEFAULT_TIMEOUT=100."),
    (r"requires a different Python|Ignored the following versions that require a different python",
     "A package does not support this Python ({python}). Python 3.11 to 3.13 are safe choices."),
    (r"No matching distribution found for ([^\s;]+)",
     "There is no file of {0} for this computer (Python {python}, {system}).\n"
     "64-bit Python 3.11 to 3.13 has them all. PyTorch has none for Macs with an Intel processor:\n"
     "run the course on a hosted notebook service (Binder reads environment.yml) instead."),
    (r"[Ff]ailed building wheel for (\S+)|Microsoft Visual C\+\+ .{0,20}is required|Python\.h",
     "A package had to be compiled and could not be. Python 3.11 to 3.13 find ready-made files of\n"
     "all of them."),
    (r"ResolutionImpossible|conflicting dependencies",
     "The pinned versions contradict each other. If you changed constraints.txt or\n"
     "pyproject.toml, undo that; otherwise look for a constraint of yours in `pip config list`."),
    (r"MemoryError|\bKilled\b",
     "There was too little memory. Close other programs, and set PIP_NO_CACHE_DIR=1."),
    (r"DLL load failed|WinError 126",
     "Windows lacks a library of PyTorch's: install the Microsoft Visual C++ Redistributable."),
]


def advice(output):
    """What to do about a failure, judged from its output."""
    for pattern, text in ADVICE:
        found = re.search(pattern, output)
        if found:
            return text.format(
                *(group or "it" for group in found.groups()),
                python=platform.python_version(),
                system=platform.platform(terse=True) + " " + platform.machine()
            )
    return "The end of the log says why."


def failure(step, output):
    """The error that tells what failed, what to do, and that repeating is enough."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search("(?i)error|fatal|retrying", line)] or lines
    return SetupError(
        f"{step}: failed.\n\n"
        + "\n".join("  | " + line[:150] for line in telling[-4:])
        + f"\n\n{advice(output)}\n\n"
        "Then repeat the same command; it goes on where it stopped. If nothing helps, delete the\n"
        "folder .venv first."
        + (f"\nThe whole log: {LOG}" if LOG.is_file() else "")
    )


def cpu_build_hint(free_gb, system):
    """A line for those whose disk may be too small for the packages, or None."""
    if system == "Linux" and free_gb < GPU_BUILD_GB:
        return (
            f"Only {free_gb:.0f} GB of disk are free. On Linux the usual PyTorch brings 5 GB of\n"
            "libraries for NVIDIA GPUs. For the CPU build (under 1 GB) see the selector on\n"
            "PyTorch's 'Get started' page, set PIP_EXTRA_INDEX_URL to the CPU index\n"
            "it shows, and repeat."
        )
    if free_gb < SMALLEST_GB:
        return f"Only {free_gb:.1f} GB of disk are free; about {SMALLEST_GB} are needed."
    return None


@contextlib.contextmanager
def only_one_installer():
    """Let one course.py at a time install; the lock ends with its process, however that ends."""
    name = "spikes-course-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:16] + ".lock"
    with open(os.path.join(tempfile.gettempdir(), name), "a+", encoding="utf-8") as lock:
        told = False
        while not try_lock(lock):
            if not told:
                say("Another course.py (or the rest of an interrupted one) is installing; waiting.")
                told = True
            time.sleep(0.5)
        yield lock


def try_lock(lock):
    try:
        if WINDOWS:
            import msvcrt

            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def held_by_child(lock):
    """For Popen's pass_fds: killing only this process must not let a second installer in."""
    return () if WINDOWS else (lock.fileno(),)


def stage(line):
    """pip's line in a few words, or None if it is no news."""
    found = re.match(r"\s*(Downloading|Collecting|Processing) (\S+)(.*)", line)
    if found:
        name = re.split(r"[-=<>!~\[;]", found.group(2).rstrip("/").split("/")[-1])[0]
        size = re.search(r"\([\d.]+ [kMG]B\)", found.group(3))
        verb = {"Downloading": "downloading", "Collecting": "looking for", "Processing": "reading"}
        return " ".join(filter(None, [verb[found.group(1)], name, size and size.group()]))
    if line.startswith("WARNING: Retrying"):
        return "trying to reach the package index again: is there a network connection?"
    if line.startswith("Installing collected packages:"):
        count = line.count(",") + 1
        return f"installing {count} packages" + (" (the longest step)" if count > 20 else "")
    found = re.match(r"\s*Building (?:editable|wheel) for (\S+)", line)
    return "building " + found.group(1) if found else None


class Ticker:
    """Elapsed time and the present stage: one live line on a terminal, a few lines in a log."""

    def __init__(self):
        self.start = self.told = time.monotonic()
        self.live = sys.stderr.isatty()
        self.news = None

    def show(self, news):
        now = time.monotonic()
        if self.live:
            self.rewrite(self.line(news))
        elif now - self.told > 20 and (news != self.news or now - self.told > 60):
            say(self.line(news))
            self.told, self.news = now, news

    def rewrite(self, text):
        width = shutil.get_terminal_size().columns - 1
        print("\r" + text[:width].ljust(width), end="\r", file=sys.stderr, flush=True)

    def line(self, news):
        return "  {:d}:{:02d}  {}".format(*divmod(int(time.monotonic() - self.start), 60), news)

    def close(self, news):
        if self.live:
            self.rewrite("")
        say(self.line(news))


def run_logged(step, command, lock):
    """Run `command`, its output going to the log and, in few words, to the screen."""
    ticker, news = Ticker(), step
    settings = dict(os.environ, PYTHONUNBUFFERED="1", PIP_USER="0")
    settings.pop("PYTHONHOME", None)
    with open(str(LOG), "ab") as out, open(str(LOG), "rb") as log:
        out.write(("\n== {} {}\n".format(time.ctime(), " ".join(command))).encode())
        out.flush()
        start = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command, cwd=str(ROOT), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env=settings, pass_fds=held_by_child(lock),
        )
        try:
            while process.poll() is None:
                for line in log.read().decode("utf-8", "replace").splitlines():
                    news = stage(line) or news
                ticker.show(news)
                time.sleep(0.2)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        log.seek(start)
        output = log.read().decode("utf-8", "replace")
    ticker.close(step + (": done" if process.returncode == 0 else ": failed"))
    if process.returncode != 0:
        raise failure(step, output)


def create_venv(lock):
    say("  Creating .venv with Python " + platform.python_version())
    try:
        if VENV.is_symlink() or VENV.is_file():
            VENV.unlink()
        elif VENV.exists():
            shutil.rmtree(str(VENV))
    except OSError as error:
        raise failure("Removing the old .venv", str(error)) from error
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        pass_fds=held_by_child(lock),
    )
    if made.returncode != 0:
        raise failure("Creating .venv", made.stdout)
    write_stamp(venv_version(), [], None)


def is_complete(info):
    """Whether pip finished the package of this .dist-info folder and all its files are there."""
    try:
        with open(str(info / "RECORD"), newline="", encoding="utf-8") as record:
            rows = [row for row in csv.reader(record) if row]
        return any(row[0].endswith(".dist-info/INSTALLER") for row in rows) and all(
            (info.parent / path).stat().st_size == int(size) for path, _, size in rows if size
        )
    except (OSError, ValueError):
        return False


def remove_half_installed(version):
    """Forget packages that an interrupted pip left in pieces, so that it installs them again."""
    folder = site_packages(version)
    broken = [info for info in folder.glob("*.dist-info") if not is_complete(info)]
    for path in broken + list(folder.glob("~*")):
        if path.is_dir():
            shutil.rmtree(str(path))
        else:
            path.unlink()
    if broken:
        names = sorted(path.name.split("-")[0] for path in broken)
        say("  Half-installed, taken again: " + ", ".join(names))


def requirements(extras):
    """(what to install with its dependencies, what to install without them)."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, course = settings["project"], settings["tool"]["course"]
    unknown = set(extras) - set(project["optional-dependencies"])
    if unknown:
        raise SetupError(
            "Unknown extra {}; there are: {}.".format(
                ", ".join(sorted(unknown)), ", ".join(project["optional-dependencies"]))
        )
    bare = list(course["without-dependencies"])
    full = project["dependencies"] + course["instead"]
    for extra in sorted(extras):
        full = full + project["optional-dependencies"][extra]
        bare += course.get(extra + "-without-dependencies", [])
    return [need for need in full if re.split(r"[^\w-]", need)[0] not in bare], bare


def ensure_environment(extras=()):
    """Make .venv hold the pinned packages and the course; at once where it already does."""
    stamp, version = read_stamp(), venv_version()
    if not venv_problem(stamp, version) and not missing_from(stamp, version, extras):
        return
    requirements(extras)  # an unknown extra is told before anything is touched
    with only_one_installer() as lock:
        start, stamp, version = time.monotonic(), read_stamp(), venv_version()
        problem = venv_problem(stamp, version)
        if problem:
            if VENV.exists():
                say(f"Making .venv anew: {problem}.")
            say("First set-up: about 2 to 5 minutes and 2 GB of disk. Later starts take no time.")
            hint = cpu_build_hint(shutil.disk_usage(str(ROOT)).free / 1e9, platform.system())
            if hint:
                say(hint)
            create_venv(lock)
            stamp, version = read_stamp(), venv_version()
        else:
            reason = missing_from(stamp, version, extras)
            if not reason:
                return  # the other course.py did it
            say(f"Updating .venv: {reason}.")
        wanted = set(stamp["extras"]) | set(extras)
        write_stamp(version, stamp["extras"], None)
        remove_half_installed(version)
        install(wanted, lock)
        torch, pin = installed_version("torch", version), pinned_version("torch")
        if torch != pin:
            raise SetupError(
                f"torch is {torch} instead of the pinned {pin}: a package replaced it (often\n"
                "torchvision). Delete the folder .venv and repeat."
            )
        write_stamp(version, wanted, install_key(version, wanted))
        say("Ready after {:d}:{:02d}.\n".format(*divmod(int(time.monotonic() - start), 60)))


def install(extras, lock):
    full, bare = requirements(extras)
    pip = [
        str(venv_python()), "-m", "pip", "install", "--progress-bar", "off", "--no-input",
        "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt"),
    ]
    run_logged("Packages", pip + full, lock)
    run_logged("The course itself", pip + ["--no-deps"] + bare + ["-e", "."], lock)
    check = "import torch, tonic, numba, matplotlib, ipywidgets, jupyterlab"
    run_logged("Trying the packages", [str(venv_python()), "-c", check], lock)


# ---------------------------------------------------------------- commands


def venv_environment():
    """Environment variables under which .venv is the active one, also in JupyterLab's terminals."""
    settings = dict(os.environ, VIRTUAL_ENV=str(VENV))
    settings["PATH"] = str(venv_python().parent) + os.pathsep + settings.get("PATH", "")
    settings.pop("PYTHONHOME", None)
    # Idle threads of torch's sleep instead of spinning: see course_lib/__init__.py.
    settings.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return settings


def call(arguments, settings=None):
    """Run .venv's Python and return its exit status, leaving Ctrl-C to it."""
    process = subprocess.Popen([str(venv_python())] + arguments, env=settings or venv_environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def hand_over(arguments):
    """Become .venv's Python, so that signals and the exit status are its own."""
    sys.stdout.flush()
    if WINDOWS:  # exec would return to the prompt at once there
        return call(arguments)
    os.execve(str(venv_python()), [str(venv_python())] + arguments, venv_environment())


def lab(arguments):
    """Open the first lesson in JupyterLab."""
    parser = argparse.ArgumentParser(prog="course.py lab", description=lab.__doc__)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, default=8888, help="default: 8888 or the next free")
    options, more = parser.parse_known_args(arguments)
    ensure_environment()
    os.chdir(str(ROOT))
    page = "/lab/tree/" + FIRST_LESSON if (ROOT / FIRST_LESSON).is_file() else "/lab"
    say("JupyterLab starts. To end it, press Ctrl-C twice here.")
    command = [
        "-m", "jupyterlab", f"--port={options.port}", "--LabApp.default_url=" + page,
        "--Application.log_level=WARN",  # leaves the address, and what goes wrong
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if options.no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # containers run as root; the token still guards
    return hand_over(command + more)


def setup(arguments):
    """Only install."""
    parser = argparse.ArgumentParser(prog="course.py setup", description=setup.__doc__)
    parser.add_argument("--with", dest="extras", nargs="+", action="extend",
                        default=[], metavar="EXTRA",
                        help="extras of pyproject.toml, such as instructor")
    ensure_environment(set(parser.parse_args(arguments).extras))
    say("Everything is installed.")
    return 0


def test(arguments):
    """Run every check: ruff, pytest and the lessons' stored outputs."""
    import tomllib

    parser = argparse.ArgumentParser(prog="course.py test", description=test.__doc__)
    parser.add_argument("--fast", action="store_true", help="the quick ones: about 3 minutes")
    fast = parser.parse_args(arguments).fast
    ensure_environment(TEST_EXTRAS)
    os.chdir(str(ROOT))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    slow = set(settings["tool"]["course"]["slow-notebooks"]) if fast else set()
    lessons = [str(path) for path in sorted(Path("notebooks").glob("*.ipynb"))
               if path.name not in slow]
    if not fast:
        lessons += [str(path) for path in sorted(Path("solutions").glob("*/*.ipynb"))]

    steps = [("ruff", ["ruff", "check", "."])]
    selected = ["-m", "not slow and not browser"] if fast else []
    # Files of tests and notebooks go to two workers, each of which computes on one thread. The
    # order is that of tests/conftest.py.
    workers = ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder"]
    steps.append(("tests", ["pytest", "--durations=15"] + workers + selected))
    if lessons:
        steps.append(("lessons", ["pytest", "--nbval", "--nbval-current-env",
                                  "--nbval-cell-timeout=600"] + workers + lessons))
    results = []
    for name, command in steps:
        print("\n===== {}: {}".format(name, " ".join(command)), flush=True)
        start = time.monotonic()
        # Stored outputs are those of a computer without the real recordings.
        variables = venv_environment()
        variables["OMP_NUM_THREADS"] = "1"
        if name == "lessons":
            variables.pop("NMNIST_DIR", None)
        results.append((name, call(["-m"] + command, variables), time.monotonic() - start))
    print()
    for name, status, seconds in results:
        print("{:8} {} in {:.0f} s".format(name, "FAILED" if status else "passed", seconds))
    return int(any(status for _, status, _ in results))


#: which package's command line knows a command
COMMANDS = {
    "course_lib": ("train", "evaluate", "data"),
    "studies": ("study", "align", "bench", "scaling"),
    "course_lab.authoring": ("lessons", "build", "verify"),
}


def main(arguments):
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(__doc__.strip())
        return 0
    name, rest = arguments[0], arguments[1:]
    own = {"lab": lab, "setup": setup, "test": test}
    if name in own:
        return own[name](rest)
    for module, commands in COMMANDS.items():
        if name in commands:
            ensure_environment()
            return hand_over(["-m", module, name] + rest)
    say(f"Unknown command {name!r}. See: {PYTHON} course.py --help")
    return 2


if __name__ == "__main__":
    problem = python_problem(sys.version_info)
    if problem:
        sys.exit(python_problem(sys.version_info, newer_pythons()))
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Repeat the same command to go on.")
