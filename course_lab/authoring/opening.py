"""How every notebook opens: a line that opens it in Colab, and one set-up cell for all.

The address of the course stands in pyproject.toml alone; running a notebook with
``python -m course_lab.authoring lessons`` (or ``build``) writes both anew.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SETUP = '''\
#@title Set-up: press Shift + Enter
import importlib.util
import subprocess
import sys
from pathlib import Path

REPOSITORY = "{repository}"

here = Path.cwd()
course = [f for f in (here, *here.parents) if (f / "course_lib" / "__init__.py").is_file()]
if course:
    sys.path.insert(0, str(course[0]))
elif importlib.util.find_spec("course_lib") is None:
    # In Colab, say. A wheel or zip of the course beside this notebook or in Drive is taken, else
    # the repository. What is there stays, above all torch and numpy; only what is missing is added.
    folders = (here, Path("/content/drive/MyDrive"))
    files = [p for f in folders for p in f.glob("spikes*without*backprop*") if p.is_file()]
    source = str(files[0]) if files else f"git+{{REPOSITORY}}"
    needed = ("torch", "numpy", "numba", "matplotlib", "ipywidgets", "platformdirs", "tqdm")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    for what in (["--no-deps", source], missing):
        if what and subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *what]):
            sys.exit("The course could not be fetched. Put its wheel or zip beside this notebook\\n"
                     f"(README of {{REPOSITORY}}: how to get one), then run this cell again.")
    importlib.invalidate_caches()
'''
SETUP_END = SETUP.splitlines()[-1] + "\n"  # what follows is the notebook's own
#: the set-up is folded, in JupyterLab and in Colab
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}


def repository() -> str:
    """The address of the course's repository, which pyproject.toml holds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def badge(path: Path) -> str:
    """The line that opens a notebook in Colab; of a solution, its exercises.

    A link without a picture: offline, a picture from elsewhere would be a broken one.
    """
    here = path.parent.name
    folder = here if here == "notebooks" else f"exercises/{here}"
    address = repository().replace("https://github.com", "https://colab.research.google.com/github")
    return f"[Open in Colab]({address}/blob/main/{folder}/{path.name})"


def stamp(notebook, path: Path) -> None:
    """Give a notebook the badge and the set-up that all share; the rest of both cells stays.

    A notebook without a heading, or whose first code cell has no set-up, is left alone.
    """
    title = notebook.cells[0]
    head, _, rest = title.source.partition("\n")
    if head.startswith("# "):
        rest = re.sub(r"^\n*\[!?\[?Open in Colab\].*\n*", "", rest).lstrip("\n")
        title.source = f"{head}\n\n{badge(path)}\n\n{rest}"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _, end, rest = cell.source.partition(SETUP_END)
            if not end and cell.source.startswith(SETUP.splitlines()[0]):
                _, end, rest = cell.source.partition("\n")
            if end:
                setup = SETUP.format(repository=repository())
                cell.source = setup + "\n" + rest.lstrip("\n")
                cell.metadata.update(FOLDED)
            return
