#!/usr/bin/env python3
"""Start the course. Needs nothing but Python 3.11 to 3.14.

    python3 course.py lab       opens the first lesson in JupyterLab
    python3 course.py train     trains a spiking network and shows what it learned

Commands ("python3 course.py COMMAND --help" says more):
{commands}

The first call makes the folder .venv and installs the pinned packages there: {size}.
Later calls start at once. Every call is safe to repeat, also after an interruption.
"""
# This file has to be readable by older Pythons, which it tells to make way for a newer one: no
# syntax beyond Python 3.6, and imports that are newer than that only inside functions.

import argparse
import contextlib
import csv
import difflib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "course.json"
LOG = VENV / "install.log"

MINIMUM_PYTHON, MAXIMUM_PYTHON = (3, 11), (3, 14)  # what the pinned packages have files for
WINDOWS = os.name == "nt"
PYTHON = "py" if WINDOWS else "python3"
TEST_EXTRAS = {"test", "peers", "instructor"}
TEACHING_EXTRAS = {"instructor"}
#: where PyTorch keeps builds without the 4 GB of libraries for NVIDIA GPUs
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

#: what .venv's Python runs for a command, and what the command does
COMMANDS = {
    "lab": (["-m", "jupyterlab"], "open the lessons in JupyterLab"),
    "train": (["-m", "course_lib", "train"], "train a spiking network"),
    "evaluate": (["-m", "course_lib", "evaluate"], "test a trained network"),
    "export": (["-m", "course_lib", "export"], "write a trained network as NIR, for chips"),
    "data": (["-m", "course_lib", "data"], "look at recordings, or fetch N-MNIST"),
    "study": (["-m", "studies", "study"], "compare methods over seeds; writes the result pages"),
    "bench": (["-m", "studies", "bench"], "measure speed, ours and its rivals in turn"),
    "scaling": (["-m", "studies", "scaling"], "how a population scales over processes"),
    "lessons": (["-m", "course_lab.authoring", "lessons"], "run and store lessons"),
    "bands": (["-m", "course_lab.authoring", "bands"], "measure the band of seeds of a widget"),
    "build": (["-m", "course_lab.authoring", "build"], "make exercises/ from solutions/"),
    "verify": (["-m", "course_lab.authoring", "verify"], "prove that exercises/ is up to date"),
    "address": (["-m", "course_lab.authoring", "address"], "change the repository's address"),
    "colab": (["-m", "course_lab.authoring", "colab"], "make an archive to use in Colab"),
    "rates": (["-m", "course_lab.authoring", "rates"], "how well checks name what is wrong"),
    "grade": (["-m", "course_lab.grading"], "grade a class: see solutions/README.md"),
    "test": (["tests/everything.py"], "run every check (--fast: the quick ones)"),
    "setup": ([], "only install (--with EXTRA ..., --gpu)"),
    "doctor": (["-m", "course_lib.run.doctor"], "what is installed and what is wrong, to report"),
}


class SetupError(Exception):
    """Something the user can act on; its text says how."""


def say(text):
    """Tell about the set-up; standard output belongs to the command that was asked for."""
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- which Python runs this file


def fitting_pythons():
    """Names of Pythons on this machine that fit and do start."""
    names = ("python3.11", "python3.12", "python3.13", "python3.14")
    return [n for n in names if shutil.which(n) and subprocess.call([n, "-c", "pass"]) == 0]


def python_problem(version, others=()):
    """What to tell the user of Python `version`, or None if the course runs there."""
    if MINIMUM_PYTHON <= tuple(version[:2]) <= MAXIMUM_PYTHON:
        return None
    text = "The course needs Python 3.11 to 3.14; this is Python {}.{}.\n".format(*version[:2])
    if others:
        return text + f"You have one of them. Use it: {others[0]} course.py lab"
    return text + (
        "Install one of them (python.org, your package manager, or conda), then repeat with it,\n"
        "for example: {} course.py lab".format("py -3.12" if WINDOWS else "python3.12")
    )


# ---------------------------------------------------------------- what is installed in .venv


def venv_python():
    return VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")


def venv_version():
    """The version of .venv's Python, such as "3.11", or None if it does not start."""
    command = [venv_python(), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def site_packages(version):
    return VENV / ("Lib/site-packages" if WINDOWS else f"lib/python{version}/site-packages")


def installed_torch(version):
    """torch's version in .venv, with its build, such as "2.13.0+cpu", or None."""
    found = sorted(site_packages(version).glob("torch-*.dist-info"))
    return found[0].name[len("torch-") : -len(".dist-info")] if found else None


def pinned_torch():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return re.search(r"(?m)^torch==(\S+)", text).group(1)


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
    os.replace(draft, STAMP)


def install_key(version, extras):
    """A hash of everything that decides what is installed."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    parts += [version.encode(), " ".join(sorted(extras)).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def venv_problem(stamp, version, extras=()):
    """Why .venv has to be made anew, or None if it can be used or mended."""
    if stamp is None:
        return "its creation was not finished"
    if stamp["root"] != str(ROOT):
        return "the project was moved here from " + stamp["root"]
    if version is None:
        return "its Python does not start any more"
    if version != stamp["python"]:
        return "its Python changed from {} to {}".format(stamp["python"], version)
    if "gpu" in set(extras) - set(stamp["extras"]) and "+cpu" in (installed_torch(version) or ""):
        return "it holds PyTorch's CPU build"
    return None


def missing_from(stamp, version, extras):
    """Why pip has to run, or None if everything asked for is there."""
    if stamp["key"] is None:
        return "the last installation was not finished"
    if stamp["key"] != install_key(version, stamp["extras"]):
        return "pyproject.toml or constraints.txt changed"
    if not set(extras) <= set(stamp["extras"]):
        return "more packages are needed: " + ", ".join(sorted(set(extras) - set(stamp["extras"])))
    torch, pin = (installed_torch(version) or "nothing").split("+")[0], pinned_torch()
    if torch != pin:
        return f"torch is {torch} instead of the pinned {pin}; something replaced it"
    return None


# ---------------------------------------------------------------- when installing fails


# The first pattern found in pip's output decides; {0} is its first group. Where the network fails,
# pip goes on to blame packages, so the network comes before these.
ADVICE = [
    (r"No space left on device|Errno 28|not enough space on the disk|Disk quota exceeded",
     "The disk is full. The course takes {size}. (If only the folder\n"
     "for temporary files is small, let TMPDIR name another one.)"),
    (r"ensurepip is not available|No module named '?(?:venv|ensurepip)",
     "This Python lacks its module venv. On Debian and Ubuntu: sudo apt install python3-venv\n"
     "Elsewhere install the complete Python from python.org or conda."),
    (r"WinError 206|Filename too long|[Ll]ong [Pp]ath",
     "The paths are too long for Windows. Move the project to a short one such as C:\\spikes."),
    (r"Permission denied|Access is denied|Read-only file system|WinError (?:5|32)\b"
     r"|being used by another process|Directory not empty",
     "A file could not be written. Close JupyterLab and other programs that use .venv, and check\n"
     "that this folder is yours."),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
     "The package index's certificate was not accepted. Behind a company's proxy, tell pip its\n"
     "certificate: pip config set global.cert FILE"),
    (r"ProxyError|Tunnel connection failed|403 Client Error|407 Proxy",
     "A proxy refused the connection. Check the variables HTTPS_PROXY and NO_PROXY."),
    (r"NewConnectionError|NameResolutionError|name resolution|getaddrinfo failed|nodename nor"
     r"|Failed to establish a new connection|Max retries exceeded|ConnectTimeout|ReadTimeout"
     r"|Connection(?:Reset|Aborted)Error|IncompleteRead|incomplete-download|Network is unreachable",
     "There is no network connection to the package index. The first set-up needs one, later\n"
     "starts do not. On a slow line, set PIP_DEFAULT_TIMEOUT=100."),
    (r"from versions: none\)[\s\S]*?No matching distribution found for ([^\s;]+)",
     "The package index offers no file of {0}. Either a proxy refuses it (error 403: see\n"
     "`pip config list` and HTTPS_PROXY), or there is none for this computer (Python {python},\n"
     "{system}); 64-bit Python 3.11 to 3.14 has all of them, but PyTorch has none\n"
     "for Macs with an Intel processor."),
    (r"requires a different Python|[Ff]ailed building wheel|No matching distribution found"
     r"|Microsoft Visual C\+\+ .{0,20}is required|Python\.h",
     "A package has no ready-made file for this computer (Python {python}, {system}).\n"
     "64-bit Python 3.11 to 3.14 are safe choices."),
    (r"ResolutionImpossible|conflicting dependencies",
     "The pinned versions contradict each other. If you changed constraints.txt or\n"
     "pyproject.toml, undo that; otherwise look for a constraint of yours in `pip config list`."),
    (r"MemoryError|\bKilled\b",
     "There was too little memory. Close other programs, and set PIP_NO_CACHE_DIR=1."),
    (r"DLL load failed|WinError 126",
     "Windows lacks a library of PyTorch's: install the Microsoft Visual C++ Redistributable."),
]


def failure(step, output):
    """The error that tells what to do, what failed, and that repeating is enough."""
    advice, blamed = "The end of the log says why.", "(?i)error|fatal"
    for pattern, text in ADVICE:
        found = re.search(pattern, output)
        if found:
            here = platform.platform(terse=True) + " " + platform.machine()
            advice = text.format(*found.groups(), size=size(gpu_build(())), system=here,
                                 python=platform.python_version())
            blamed = pattern
            break
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(blamed, line)] or lines
    said = "\n".join("  | " + line[:150] for line in telling[-3:])
    return SetupError(
        f"{step} failed. {advice}\n\n{said}\n\n"
        "Then repeat the same command; it goes on where it stopped. If nothing helps, delete the\n"
        "folder .venv first." + (f"\nThe whole log: {LOG}" if LOG.is_file() else "")
    )


# ---------------------------------------------------------------- installing


def gpu_build(extras):
    """Whether pip's usual PyTorch is wanted, which on Linux brings libraries for NVIDIA GPUs."""
    gpu = shutil.which("nvidia-smi") or any(Path("/dev").glob("nvidia[0-9]*"))
    return platform.system() == "Linux" and bool(gpu or "gpu" in extras)


def size(gpu):
    return "about 15 minutes and 6 GB of disk" if gpu else "2 to 5 minutes and 2 GB of disk"


@contextlib.contextmanager
def only_one_installer():
    """Let one course.py at a time install; the lock ends with its process, however that ends."""
    try:
        lock = (ROOT / ".venv.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise failure("Set-up", str(error)) from error
    with lock:
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


def stage(line):
    """pip's line in a few words, or None if it is no news."""
    found = re.match(r"\s*(Downloading|Collecting|Processing) (\S+)(.*)", line)
    if found:
        name = re.split(r"[-=<>!~\[;]", found.group(2).rstrip("/").split("/")[-1])[0]
        weight = re.search(r"\([\d.]+ [kMG]B\)", found.group(3))
        verb = {"Downloading": "downloading", "Collecting": "looking for", "Processing": "reading"}
        return " ".join(filter(None, [verb[found.group(1)], name, weight and weight.group()]))
    if line.startswith("WARNING: Retrying"):
        return "trying to reach the package index again: is there a network connection?"
    if line.startswith("Installing collected packages:"):
        return "installing {} packages".format(line.count(",") + 1)
    return None


def run_logged(step, command, lock):
    """Run `command`, its output going to the log. Returns the output if it failed, else None.

    On a terminal one line lives: time, what pip does, and how many packages there are, since pip
    says nothing while it unpacks them. Elsewhere a line is printed now and then.
    """
    start = told = time.monotonic()
    settings = dict(os.environ, PYTHONUNBUFFERED="1", PIP_USER="0")
    settings.pop("PYTHONHOME", None)
    news, shown, packages = step, "", site_packages(venv_version())
    with LOG.open("ab") as out, LOG.open("rb") as log:
        out.write("\n== {} {}\n".format(time.ctime(), " ".join(command)).encode())
        out.flush()
        begin = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=settings,
            # Killing only this process must not let a second installer in.
            pass_fds=() if WINDOWS else (lock.fileno(),),
        )
        try:
            while process.poll() is None:
                for line in log.read().decode("utf-8", "replace").splitlines():
                    news = stage(line) or news
                now = time.monotonic()
                shown = "  {:d}:{:02d}  {}".format(*divmod(int(now - start), 60), news)
                if news.startswith("installing"):
                    shown += ", {} are there".format(len(list(packages.glob("*.dist-info"))))
                if sys.stderr.isatty():
                    print("\r" + shown[:78].ljust(78), end="\r", file=sys.stderr, flush=True)
                elif now - told > 20:
                    say(shown)
                    told = now
                time.sleep(0.2)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        log.seek(begin)
        output = log.read().decode("utf-8", "replace")
    if sys.stderr.isatty():
        print("\r" + " " * 78, end="\r", file=sys.stderr)
    return output if process.returncode else None


def create_venv(lock):
    say("  Creating .venv with Python " + platform.python_version())
    try:
        if VENV.is_symlink() or VENV.is_file():
            VENV.unlink()
        elif VENV.exists():
            shutil.rmtree(VENV)
    except OSError as error:
        raise failure("Removing the old .venv", str(error)) from error
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        pass_fds=() if WINDOWS else (lock.fileno(),),
    )
    if made.returncode != 0:
        raise failure("Creating .venv", made.stdout)
    write_stamp(venv_version(), [], None)


def is_complete(info):
    """Whether pip finished the package of this .dist-info folder and all its files are there."""
    try:
        with (info / "RECORD").open(newline="", encoding="utf-8") as record:
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
            shutil.rmtree(path)
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
    known = project["optional-dependencies"]
    unknown = set(extras) - set(known) - {"gpu"}
    if unknown:
        raise SetupError("Unknown extra {}; there are: {}.".format(
            ", ".join(sorted(unknown)), ", ".join(known)))
    bare = list(course["without-dependencies"])
    full = project["dependencies"] + course["instead"]
    for extra in sorted(extras):
        full = full + known.get(extra, [])
        bare += course.get(extra + "-without-dependencies", [])
    return [need for need in full if re.split(r"[^\w-]", need)[0] not in bare], bare


def ensure_environment(extras=()):
    """Make .venv hold the pinned packages and the course; at once where it already does."""
    stamp, version = read_stamp(), venv_version()
    if not venv_problem(stamp, version, extras) and not missing_from(stamp, version, extras):
        return
    requirements(extras)  # an unknown extra is told before anything is touched
    with only_one_installer() as lock:
        start, stamp, version = time.monotonic(), read_stamp(), venv_version()
        problem = venv_problem(stamp, version, extras)
        if problem:
            if VENV.exists():
                say(f"Making .venv anew: {problem}.")
            wanted = set(extras) | set(stamp["extras"] if stamp else ())
            say(f"First set-up: {size(gpu_build(wanted))}. Later starts take no time.")
            create_venv(lock)
            stamp, version = read_stamp(), venv_version()
        else:
            reason = missing_from(stamp, version, extras)
            if not reason:
                return  # the other course.py did it
            wanted = set(extras) | set(stamp["extras"])
            say(f"Updating .venv: {reason}.")
        write_stamp(version, stamp["extras"], None)
        remove_half_installed(version)
        install(wanted, version, lock)
        torch, pin = installed_torch(version) or "missing", pinned_torch()
        if torch.split("+")[0] != pin:
            raise SetupError(
                f"torch is {torch} instead of the pinned {pin}: a package replaced it (often\n"
                "torchvision). Delete the folder .venv and repeat."
            )
        write_stamp(version, wanted, install_key(version, wanted))
        say("Ready after {:d}:{:02d}.\n".format(*divmod(int(time.monotonic() - start), 60)))


def install(extras, version, lock):
    full, bare = requirements(extras)
    pip = [
        str(venv_python()), "-m", "pip", "install", "--progress-bar", "off", "--no-input",
        "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt"),
    ]
    if platform.system() == "Linux" and not gpu_build(extras) and not installed_torch(version):
        install_cpu_torch(pip, lock)
    check = "import torch, tonic, numba, matplotlib, ipywidgets, jupyterlab"
    for step, command in (
        ("Installing the packages", pip + full),
        ("Installing the course itself", pip + ["--no-deps"] + bare + ["-e", "."]),
        ("Trying the packages", [str(venv_python()), "-c", check]),
    ):
        say(f"  {step}")
        output = run_logged(step, command, lock)
        if output is not None:
            raise failure(step, output)
    say("  Compiling what is compiled, once")
    compiling = [str(venv_python()), "-m", "course_lib.run.trial"]
    if run_logged("compiling", compiling, lock) is not None:
        say("  It did not work; what would use it tries again, or does without and says so")


def install_cpu_torch(pip, lock):
    """PyTorch's CPU build: from a folder that pip is configured to look in, else from its index."""
    say("  No NVIDIA GPU: taking PyTorch's CPU build (--gpu takes the other)")
    wanted = ["--no-deps", f"torch=={pinned_torch()}+cpu"]
    for source in (["--no-index"], ["--index-url", CPU_INDEX, "--retries=1", "--timeout=15"]):
        if run_logged("PyTorch's CPU build", pip + source + wanted, lock) is None:
            return
    say("  Its index does not answer; the usual build works as well, but takes 4 GB more")


# ---------------------------------------------------------------- commands


def hand_over(arguments):
    """Become .venv's Python, so that signals and the exit status are its own."""
    sys.stdout.flush()
    # .venv is the active environment, also in JupyterLab's terminals.
    settings = dict(os.environ, VIRTUAL_ENV=str(VENV))
    settings["PATH"] = str(venv_python().parent) + os.pathsep + settings.get("PATH", "")
    settings.pop("PYTHONHOME", None)
    # Idle threads of torch's sleep instead of spinning: see course_lib/__init__.py.
    settings.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    command = [str(venv_python())] + arguments
    if not WINDOWS:
        os.execve(command[0], command, settings)
    process = subprocess.Popen(command, env=settings)  # exec would return to the prompt at once
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # is the command's to handle
            continue


def lab_options(arguments):
    """The folder of a class, or None for the lessons, and what JupyterLab is started with."""
    parser = argparse.ArgumentParser(prog="course.py lab", description=COMMANDS["lab"][1])
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, default=8888, help="default: 8888 or the next free")
    parser.add_argument("--class", dest="folder", type=Path, metavar="FOLDER",
                        help="open nbgrader's formgrader on the folder of a class")
    options, more = parser.parse_known_args(arguments)
    if options.folder and not (options.folder / "nbgrader_config.py").is_file():
        raise SetupError(f"{options.folder} has no nbgrader_config.py. Grade the class first:\n"
                         f"{PYTHON} course.py grade {options.folder}")
    lessons = sorted((ROOT / "notebooks").glob("*.ipynb"))
    page = "/lab/tree/my/" + lessons[0].name if lessons else "/lab"
    page = "/formgrader" if options.folder else page
    more += ["--no-browser"] if options.no_browser else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        more += ["--allow-root"]  # containers run as root; the token still guards
    return options.folder, [
        f"--port={options.port}", "--LabApp.default_url=" + page,
        "--Application.log_level=WARN",  # leaves the address, and what goes wrong
    ] + more


def ask_nothing_about_news():
    """JupyterLab's question hides the page, and no option of its command line takes it away."""
    settings = VENV / "share/jupyter/lab/settings/overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    values = {"fetchNews": "false", "checkForUpdates": False}
    text = json.dumps({"@jupyterlab/apputils-extension:notification": values})
    settings.write_text(text, encoding="utf-8")


def setup(arguments):
    """Only install."""
    parser = argparse.ArgumentParser(prog="course.py setup", description=setup.__doc__)
    parser.add_argument("--with", dest="extras", nargs="+", action="extend", default=[],
                        metavar="EXTRA", help="extras of pyproject.toml, such as instructor")
    parser.add_argument("--gpu", dest="extras", action="append_const", const="gpu",
                        help="on Linux: PyTorch's build for NVIDIA GPUs, although none is seen")
    ensure_environment(set(parser.parse_args(arguments).extras))
    say("Everything is installed.")
    return 0


def main(arguments):
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        listed = "\n".join(f"    {name:9} {what}" for name, (_, what) in COMMANDS.items())
        print(__doc__.strip().format(commands=listed, size=size(gpu_build(()))))
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        say(f"Unknown command {name!r}." + (f" Did you mean {near[0]}?" if near else "")
            + f" All commands: {PYTHON} course.py --help")
        return 2
    if name == "setup":
        return setup(rest)
    folder, rest = lab_options(rest) if name == "lab" else (None, rest)
    extras = {"test": TEST_EXTRAS, "grade": TEACHING_EXTRAS}.get(name, ())
    ensure_environment(TEACHING_EXTRAS if folder else extras)
    if name in ("lab", "test"):
        os.chdir(folder or ROOT)
    if name == "lab":
        ask_nothing_about_news()
        if not folder:  # lessons and exercises are worked on in my/, as copies
            subprocess.call([str(venv_python()), "-m", "course_lab.my"])
        say("JupyterLab starts. To end it, press Ctrl-C twice here.")
    return hand_over(COMMANDS[name][0] + rest)


if __name__ == "__main__":
    if python_problem(sys.version_info):
        sys.exit(python_problem(sys.version_info, fitting_pythons()))
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Repeat the same command to go on.")
