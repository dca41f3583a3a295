"""Everything that writes, killed at random moments and on a disk that takes no more.

    python tests/kills.py [--kills 50] [--seed 0]

Every phase is run in a child process that is killed, again and again, and goes on where it stopped;
then with a random limit to what a file may hold, as on a full disk. What it comes to in the end has
to be, to the bit, what an undisturbed run comes to. It takes minutes and needs `os.fork`.
"""

import argparse
import contextlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_lab.my import copy_lessons
from course_lib.checkpoints import load_checkpoint
from course_lib.events import load_all, simulate, write_recording
from course_lib.events.fetching import unpack
from course_lib.run import cli, commands  # noqa: F401 - loaded once, not by every child

ROOT = Path(__file__).resolve().parents[1]
STEPS = 12


class Phase(NamedTuple):
    """``work`` writes into a folder and returns a status; ``result``: the bytes it came to."""

    name: str
    work: Callable[[Path], int]
    result: Callable[[Path], bytes]


def train(folder: Path) -> int:
    where = ["--resume" if (folder / "config.json").exists() else "--out", str(folder)]
    new = ["--method", "bptt", "--hidden", "8", "--batch-size", "8", "--steps", str(STEPS),
           "--validate-every", "4", "--checkpoint-every", "1", "--threads", "1"]  # fmt: skip
    return cli.main(["train", *where, "--quiet", *(new if where[0] == "--out" else [])])


def weights(folder: Path) -> bytes:
    saved = load_checkpoint(folder / "checkpoint.pt")
    losses = [row["loss"] for row in saved["history"]]
    tensors = b"".join(tensor.numpy().tobytes() for tensor in saved["network"].values())
    return tensors + repr((saved["step"], losses)).encode()


def cache(folder: Path) -> int:
    load_all(Path(os.environ["KILLS_DATA"]), cache_dir=folder, progress=False)
    return 0


def cached(folder: Path) -> bytes:
    data = Path(os.environ["KILLS_DATA"])
    return load_all(data, cache_dir=folder, progress=False).packed.tobytes()


def lessons(folder: Path) -> int:
    copy_lessons(ROOT, folder)
    return 0


def unpacked(folder: Path) -> int:
    if not (folder / "Train").exists():
        unpack(Path(os.environ["KILLS_DATA"]) / "train.zip", folder, "Train", 400)
    return 0


def files(folder: Path) -> bytes:
    """Names and contents of all files but hidden ones."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return b"".join(str(p.relative_to(folder)).encode() + p.read_bytes() for p in paths)


PHASES = (
    Phase("training", train, weights),
    Phase("frames for the cache", cache, cached),
    Phase("copies of lessons", lessons, files),
    Phase("unpacking a download", unpacked, files),
)


#: process → where what it prints comes out: a pipe, which no limit of files stops
SAID: dict[int, int] = {}


def child(phase: Phase, folder: Path, limit: int | None = None) -> int:
    """Start the work in a process of its own; returns its id."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        SAID[pid] = reader
        return pid
    status = 70
    try:
        sys.stdout = sys.stderr = os.fdopen(writer, "w", 1, "utf-8")
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        status = cli.run(parser_of(phase, folder), [])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def parser_of(phase: Phase, folder: Path) -> cli.Parser:
    parser = cli.Parser()
    parser.set_defaults(run=lambda _: phase.work(folder))
    return parser


def status_of(pid: int, log: list[str]) -> int:
    """Of a process, when it has ended; what it printed is added to the log."""
    with open(SAID.pop(pid), encoding="utf-8", errors="replace") as said:
        log.append(said.read())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed(phase: Phase, top: Path, log: list, whole: bytes, seconds: float, kills: int) -> int:
    """Kill the work so often; returns how many runs came to something else in the end."""
    done = wrong = begun = 0
    while done < kills:
        folder = top / f"killed-{begun}"
        folder.mkdir()
        begun += 1
        while done < kills:
            pid = child(phase, folder)
            time.sleep(random.uniform(0, 1.2 * seconds))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if status_of(pid, log) != -signal.SIGKILL:
                break  # it had ended already
            done += 1
        wrong += status_of(child(phase, folder), log) != 0 or phase.result(folder) != whole
    return wrong


def full(phase: Phase, top: Path, log: list, whole: bytes, largest: int, tries: int) -> int:
    """Let no file grow beyond a random size; returns how often a second try did not mend it."""
    wrong = 0
    for number in range(tries):
        folder = top / f"full-{number}"
        folder.mkdir()
        stopped = status_of(child(phase, folder, random.randrange(largest)), log)
        again = status_of(child(phase, folder), log)
        wrong += stopped not in (0, 2) or again != 0 or phase.result(folder) != whole
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each phase; default: 50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="WORD", help="phases with it in their names")
    options = parser.parse_args()
    random.seed(options.seed)
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        data = top / "data"
        with zipfile.ZipFile(top / "train.zip", "w") as packed:
            for k in range(400):
                path = data / f"Train/{k % 10}/{k:05}.bin"
                write_recording(path, simulate(np.full((28, 28), k % 251, np.uint8), k)[:2000])
                packed.write(path, path.relative_to(data))
        (top / "train.zip").rename(data / "train.zip")
        os.environ["KILLS_DATA"] = str(data)
        for phase in (phase for phase in PHASES if options.only in phase.name):
            log, folder = [], top / "whole"
            folder.mkdir()
            start = time.monotonic()
            status = status_of(child(phase, folder), log)
            seconds = time.monotonic() - start
            if status:
                sys.exit("".join([f"{phase.name} ended with {status}\n", *log]))
            whole = phase.result(folder)
            largest = max(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            wrong = [killed(phase, top, log, whole, seconds, options.kills),
                     full(phase, top, log, whole, largest, options.kills // 5)]  # fmt: skip
            tracebacks = "".join(log).count("Traceback")
            print(f"{phase.name:22} {seconds:4.1f} s undisturbed; {options.kills} kills, "
                  f"{options.kills // 5} full disks; wrong in the end: {sum(wrong)}; "
                  f"tracebacks: {tracebacks}", flush=True)  # fmt: skip
            if sum(wrong) or tracebacks:
                print("".join(log)[-2000:])
                faults += 1
            for folder in (*top.glob("killed-*"), *top.glob("full-*"), top / "whole"):
                folder.rename(top / f"{phase.name}-{folder.name}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
