"""Every check, as `python3 course.py test [--fast]` runs it: ruff, pytest, the lessons' outputs."""

import argparse
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

# Two workers, each of which computes on one thread, take files of tests and notebooks in turn; what
# takes longest comes first, by tests/conftest.py, so that both end together.
WORKERS = ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder"]
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600"]


def steps(root: Path, fast: bool) -> list[tuple[str, list[str]]]:
    """Names of the checks and the commands that make them."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    slow = set(settings["tool"]["course"]["slow-notebooks"]) if fast else set()
    lessons = [p for p in sorted(root.glob("notebooks/*.ipynb")) if p.name not in slow]
    if not fast:
        lessons += sorted(root.glob("solutions/*/*.ipynb"))
    selected = ["-m", "not slow and not browser"] if fast else []
    names = [str(path.relative_to(root)) for path in lessons]
    return [
        ("ruff", ["ruff", "check", "."]),
        ("tests", ["pytest", "--durations=15", *WORKERS, *selected, *NBVAL, "tests", *names]),
    ]


def call(command: list[str]) -> int:
    settings = os.environ | {"OMP_NUM_THREADS": "1", "COURSE_PROGRESS": "off"}
    return subprocess.call([sys.executable, "-m", *command], env=settings)


def main(arguments: list[str] | None = None, root: Path = Path(__file__).parents[1]) -> int:
    parser = argparse.ArgumentParser(prog="course.py test", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="the quick ones: about 3 minutes")
    results = []
    for name, command in steps(root, parser.parse_args(arguments).fast):
        print(f"\n===== {name}: {' '.join(command)}", flush=True)
        start = time.monotonic()
        results.append((name, call(command), time.monotonic() - start))
    print()
    for name, status, seconds in results:
        print(f"{name:8} {'FAILED' if status else 'passed'} in {seconds:.0f} s")
    return int(any(status for _, status, _ in results))


if __name__ == "__main__":
    sys.exit(main())
