"""How every notebook opens, wherever it is: a line that opens it in Colab, one set-up cell for all.

The address of the course stands in pyproject.toml; ``python3 course.py address`` writes it, and the
opening, into every file that has them. Where the address does not answer, the set-up takes the
archive that ``python3 course.py colab`` makes.
"""

import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from course_lib.events.files import write_atomic

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
    # In Colab, say. An archive of the course beside this notebook or in Drive is taken, else the
    # repository. What is there stays, above all torch and numpy; only what is missing is added.
    folders = (here, Path("/content/drive/MyDrive"))
    files = [p for f in folders for p in f.glob("spikes*without*backprop*.*") if p.is_file()]
    files = [str(p) for p in files if p.suffix in (".zip", ".whl")]
    source = files[0] if files else f"{{REPOSITORY}}/archive/main.zip"
    needed = "torch numpy scipy numba matplotlib ipywidgets platformdirs tqdm".split()
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    for what in (["--no-deps", source], missing):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if what and subprocess.run([*pip, *what], capture_output=True).returncode:
            class NoCourse(Exception):
                def _render_traceback_(self):
                    return str(self).splitlines()
            raise NoCourse(f"The course could not be installed from {{source}}.\\n"
                           "Put spikes-without-backprop.zip (`python3 course.py colab` makes it) "
                           "beside this notebook or in Drive, and run this cell again.")
    importlib.invalidate_caches()
'''
SETUP_END = SETUP.splitlines()[-1] + "\n"  # what follows is the notebook's own
#: the set-up is folded, in JupyterLab and in Colab
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}


#: what an archive of the course holds
PACKED = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-LESSONS")
PACKED_FOLDERS = ("course_lib", "course_lab", "studies", "data")
#: what stands beside the link that opens a lesson in Colab, whose copy has the outputs too
COLAB = " (choose *Edit → Clear all outputs* there before you start: the answers are stored)"
#: how the address begins in links
HOSTS = r"(github\.com/|google\.com/github/|mybinder\.org/v2/gh/)"


def repository(root: Path = ROOT) -> str:
    """The address of the course's repository, which pyproject.toml holds."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def badge(path: Path, address: str | None = None) -> str:
    """The line that opens a notebook in Colab; of a solution, its exercises.

    A link without a picture: offline, a picture from elsewhere would be a broken one.
    """
    here = path.parent.name
    folder = here if here == "notebooks" else f"exercises/{here}"
    github = (address or repository()).removeprefix("https://")
    colab = github.replace("github.com", "https://colab.research.google.com/github")
    return f"[Open in Colab]({colab}/blob/main/{folder}/{path.name})"


def stamp(notebook, path: Path, address: str | None = None) -> None:
    """Give a notebook the badge and the set-up that all share; the rest of both cells stays.

    A notebook without a heading, or whose first code cell has no set-up, is left alone.
    """
    title = notebook.cells[0]
    head, _, rest = title.source.partition("\n")
    if head.startswith("# "):
        rest = re.sub(r"^\n*\[!?\[?Open in Colab\].*\n*", "", rest).lstrip("\n")
        hint = COLAB if path.parent.name == "notebooks" else ""
        title.source = f"{head}\n\n{badge(path, address)}{hint}\n\n{rest}"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _, end, rest = cell.source.partition(SETUP_END)
            if not end and cell.source.startswith(SETUP.splitlines()[0]):
                _, end, rest = cell.source.partition("\n")
            if end:
                setup = SETUP.format(repository=address or repository())
                cell.source = setup + "\n" + rest.lstrip("\n")
                cell.metadata.update(FOLDED)
            return


def readdress(address: str | None = None, root: Path = ROOT) -> list[Path]:
    """Write the repository's address and the opening of every notebook anew, everywhere.

    ``address``: a new one, https://github.com/OWNER/NAME; default: the one that is there.
    Returns the files that changed. Raises ValueError for an address that Colab cannot open.
    """
    old = repository(root)
    new = (address or old).removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", new):
        raise ValueError(f"{address!r}: expected https://github.com/OWNER/NAME, for Colab's sake")
    before, after = (one.removeprefix("https://github.com/") for one in (old, new))
    found, changed = re.compile(rf"{HOSTS}{re.escape(before)}(?![\w-])"), []
    for path in sorted(addressed(root)):
        text = path.read_text(encoding="utf-8")
        fresh = found.sub(lambda host: host[1] + after, text)
        if path.suffix == ".ipynb":
            notebook = nbformat.reads(fresh, as_version=4)
            stamp(notebook, path, new)
            fresh = nbformat.writes(notebook) + "\n"
        if fresh != text:
            write_atomic(path, fresh)
            changed.append(path)
    return changed


def addressed(root: Path) -> Iterator[Path]:
    """Files that may hold the address."""
    for pattern in ("*.md", "*.toml", "*.cff", "*/*.md", "notebooks/*.ipynb", "*/*/*.ipynb"):
        for path in root.glob(pattern):
            if path.is_file() and path.parts[len(root.parts)] not in (".venv", "my"):
                yield path


def make_archive(path: Path, root: Path = ROOT) -> None:
    """A zip of the course that pip installs, for where the repository does not answer."""

    def write(stream) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            files = [root / name for name in PACKED]
            for folder in PACKED_FOLDERS:
                files += [p for p in sorted((root / folder).rglob("*")) if p.is_file()]
            for file in files:
                if "__pycache__" not in file.parts:
                    archive.write(file, f"{path.stem}/{file.relative_to(root).as_posix()}")

    write_atomic(path, write)
