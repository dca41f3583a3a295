"""On what, and from which state of the code, a result was obtained."""

import os
import platform
import subprocess
from pathlib import Path

import torch


def machine(device: str = "cpu") -> dict[str, str | int]:
    """Processor, cores, system and versions, and the GPU's name where ``device`` is one; nothing
    that names a person or a host."""
    gpu = {} if device == "cpu" else {"gpu": torch.cuda.get_device_name(device)}
    return gpu | {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def processor_of(here: dict[str, str | int]) -> str:
    """Processor and cores of a benchmark's machine, in words."""
    width = f" ({here['vectors']})" if "vectors" in here else ""
    return f"{here['processor']}{width}, {here['cores']} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def revision() -> str:
    """The git revision of this code; "+" is added if files of the library or of the studies differ
    from it. "unknown" outside a repository."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return "unknown"
        changed = git("status", "--porcelain", "--", "course_lib", "studies")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
