"""Run every lesson and solution as a hosted notebook does: python tests/in_colab.py [NAME ...]

In an environment of constraints-colab.txt, whose head says how to make it. The folder that they run
in holds the archive of `course.py colab` and nothing else; their set-up cells install it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
WIDGET = "application/vnd.jupyter.widget-view+json"
ARCHIVE = "spikes-without-backprop.zip"


def fault(path: Path, folder: Path) -> str | None:
    """What went wrong in a notebook that was run in the folder, in a line."""
    shown = f"{path.parent.name}/{path.name}"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(folder)}})
    try:
        client.execute()
    except Exception as error:  # whatever it is: the other notebooks are run all the same
        return f"{shown}: {type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET in data and ("image/png" not in data or "children" in data["text/plain"]):
                return f"{shown}: cell {cell.id} stores {data['text/plain'][:40]} and no picture"
    return None


def main(names: list[str]) -> int:
    paths = [*sorted(ROOT.glob("notebooks/*.ipynb")), *sorted(ROOT.glob("solutions/*/*.ipynb"))]
    paths = [path for path in paths if not names or path.name.startswith(tuple(names))]
    for name in ("PYTHONPATH", "NMNIST_DIR"):
        os.environ.pop(name, None)
    os.environ["COURSE_PROGRESS"] = "off"
    pip = [sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes"]
    subprocess.run([*pip, "spikes-without-backprop"], check=True)  # an earlier run's
    shutil.rmtree(Path(sysconfig.get_path("purelib"), "course_lib"), ignore_errors=True)  # Numba's
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        colab = [sys.executable, "-m", "course_lab.authoring", "colab", "--out"]
        subprocess.run([*colab, Path(folder, ARCHIVE)], cwd=ROOT, check=True)
        for path in paths:
            start = time.monotonic()
            faults.append(fault(path, Path(folder)))
            print(f"{time.monotonic() - start:4.0f} s  {faults[-1] or path.name}", flush=True)
        left = {entry.name for entry in Path(folder).iterdir()} - {ARCHIVE}
    wrong = sum(map(bool, faults))
    print(f"{len(paths)} notebooks, {wrong} with faults" + (f"; left: {left}" if left else ""))
    return int(bool(wrong or left))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
