"""A kernel that runs one submission: within limits, in a folder of its own, gone without a trace.

``run`` always comes back. A cell that takes too long is interrupted, and where no interrupt reaches
it (a loop in C, an ``except`` around everything) the kernel is killed; a kernel may also die by
itself. ``alive`` says whether there still is one. Nothing here is a wall against malice: whoever
runs as you can do what you can.
"""

import contextlib
import os
import queue
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil
from jupyter_client.manager import KernelManager
from nbformat.v4 import new_output, output_from_msg

MARK = "COURSE_SUBMISSION"  # a variable by which the processes of a submission are known
CUT = "\n... cut: too much output ...\n"
GRACE = 3  # seconds to heed an interrupt
MEDIA = 1_000_000  # characters of pictures and HTML that a cell may show
#: limits that a process sets itself, where its system knows them: (name, value)
LIMIT = """
try:
    __import__("resource").setrlimit(__import__("resource").{0}, ({1}, {1}))
except Exception:
    pass
"""


@dataclass(frozen=True)
class Limits:
    """memory, disk: bytes of all processes and files together; characters: of text a cell."""

    memory: int
    disk: int
    characters: int


class Kernel:
    """A kernel in a copy of the folder ``files``; ``with`` ends it and all its processes."""

    def __init__(self, files: Path, limits: Limits):
        self.files, self.limits = files, limits
        self.mark, self.alive = uuid.uuid4().hex, False
        self.scratch = self.manager = self.client = self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.end()

    def start(self) -> None:
        """Start anew, in a fresh folder."""
        self.end()
        self.scratch = Path(tempfile.mkdtemp(prefix="grading-"))
        (self.scratch / "tmp").mkdir()
        shutil.copytree(self.files, self.scratch / "work")
        self.full = size(self.scratch) + self.limits.disk
        environment = {**os.environ, MARK: self.mark, "COURSE_PROGRESS": "off"}
        environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.scratch / "tmp"))
        self.manager = KernelManager()
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            self.manager.start_kernel(
                cwd=str(self.scratch / "work"), env=environment, stdout=nowhere, stderr=nowhere,
                extra_arguments=["--HistoryManager.hist_file=:memory:"],
            )  # fmt: skip
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.process = psutil.Process(self.manager.provisioner.pid)
        self.alive = True
        limits = {"RLIMIT_DATA": self.limits.memory, "RLIMIT_FSIZE": self.limits.disk}
        for name, value in limits.items():
            self.run(LIMIT.format(name, value), 60)

    def end(self) -> None:
        """Kill the kernel and what it started, and remove its folder."""
        self.alive = False
        if self.client is not None:
            self.client.stop_channels()
        if self.manager is not None:
            self.manager.shutdown_kernel(now=True)
        self.manager = self.client = None
        end_processes(self.mark)
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def run(self, source: str, seconds: float) -> tuple[list, str]:
        """The outputs of a cell, and why it was stopped, "" if it was not."""
        outputs, why = Outputs(self.limits.characters), ""
        request = self.client.execute(source, allow_stdin=False, stop_on_error=False)
        quiet = 0  # half seconds without a message
        patience, look, reply = Patience(seconds, self.process), time.monotonic() + 1, None
        while True:
            now = time.monotonic()
            if now > look:
                look = now + 1
                if patience.is_over() and why:
                    return self.killed(outputs, why + ", and no interrupt reached it")
                if patience.is_over():
                    why = f"it ran for more than {seconds:g} seconds"
                    patience = Patience(GRACE, self.process)
                    self.manager.interrupt_kernel()
                if excess := self.excess():
                    return self.killed(outputs, excess)
            try:
                message = self.client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                if not self.manager.is_alive():
                    return self.killed(outputs, "Python ended in it: a crash, an exit, or memory")
                reply, quiet = reply or self.reply(request), quiet + 1
                if reply and quiet > 2 * GRACE:  # a flood can drown the message of the end
                    return outputs.ended(reply), why
                continue
            quiet = 0
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["content"].get("execution_state") == "idle":
                return outputs.ended(reply or self.reply(request, 30)), why
            outputs.take(message)

    def excess(self) -> str:
        """Which limit is passed, in words."""
        if size(self.scratch) > self.full:
            return f"it wrote more than {self.limits.disk / 1e6:g} MB of files"
        held = 0
        with contextlib.suppress(psutil.Error):
            for process in (self.process, *self.process.children(recursive=True)):
                held += process.memory_info().rss
        if held > self.limits.memory:
            return f"it took more than {self.limits.memory / 1e6:g} MB of memory"
        return ""

    def reply(self, request: str, wait: float = 0) -> dict | None:
        """The kernel's reply to a request, None if there is none yet."""
        with contextlib.suppress(queue.Empty):
            while True:
                reply = self.client.get_shell_msg(timeout=wait)
                if reply["parent_header"].get("msg_id") == request:
                    return reply["content"]
        return None

    def killed(self, outputs: list, why: str) -> tuple[list, str]:
        self.end()
        return outputs, why


class Patience:
    """So many seconds of computing; a second of waiting, as for a busy machine, is an eighth."""

    def __init__(self, seconds: float, process: psutil.Process):
        self.seconds, self.process = seconds, process
        self.begin, self.computed = time.monotonic(), self.computing()

    def computing(self) -> float:
        """Seconds that the process has computed, in all of its threads."""
        try:
            return sum(self.process.cpu_times()[:2])
        except psutil.Error:  # it is gone
            return 0.0

    def is_over(self) -> bool:
        passed, computed = time.monotonic() - self.begin, self.computing() - self.computed
        return max(min(passed, computed), passed / 8) > self.seconds


class Outputs(list):
    """A cell's outputs, cut as they come: so many characters of text, and MEDIA of all else."""

    def __init__(self, characters: int):
        super().__init__()
        self.characters, self.left, self.media = characters, characters, MEDIA

    def take(self, message: dict) -> None:
        """Add what a message brings."""
        if message["msg_type"] == "clear_output":
            self[:] = [o for o in self if o.output_type in {"error", "execute_result"}]
        if message["msg_type"] not in {"stream", "error", "display_data", "execute_result"}:
            return
        output = output_from_msg(message)
        if output.output_type == "stream":
            self.write(output.name, output.text)
        elif output.output_type == "error":
            output.evalue = output.evalue[:2000]
            output.traceback = [line[:2000] for line in output.traceback]
            self.append(output)
        else:
            self.show(output)

    def ended(self, reply: dict | None) -> "Outputs":
        """With the error that a kernel's reply tells of, should its message have been lost."""
        failed = reply is None or reply["status"] != "ok"
        if failed and not any(output.output_type == "error" for output in self):
            self.append(failure("Failed", "The cell did not end well."))
        return self

    def show(self, output) -> None:
        """Add pictures, pages and values; the value of a cell is kept, since it may be points."""
        text = str(output.data.get("text/plain", ""))
        if len(text) > self.characters:
            output.data["text/plain"] = text[: self.characters] + CUT
        self.media -= len(str(output.data))
        if self.media < 0 and output.output_type == "execute_result":
            output.data = {"text/plain": output.data.get("text/plain", "")}
        elif self.media < 0:
            self.write("stdout", "\n... a picture or a page was too large ...\n")
            return
        self.append(output)

    def write(self, name: str, text: str) -> None:
        """Add as much of a text as may still be shown."""
        if self.left <= 0:
            return
        self.left -= len(text)
        text = text if self.left >= 0 else text[: self.left] + CUT
        if self and self[-1].get("name") == name:
            self[-1].text += text
        else:
            self.append(new_output("stream", name=name, text=text))


def failure(name: str, text: str):
    """An output that costs the points of a cell."""
    return new_output("error", ename=name, evalue=text, traceback=[text])


def size(folder: Path) -> int:
    """Bytes of all files in a folder, as far as they can be seen."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total


def end_processes(mark: str) -> None:
    """Kill all processes that inherited this mark, until there are none."""
    found = True
    while found:
        found = False
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == mark and process.status() != "zombie":
                    process.kill()
                    found = True
