"""solutions/ -> exercises/: what students get is generated, never written.

    solutions/NN_topic/NN_topic.ipynb   the single source, stored executed
    exercises/NN_topic/NN_topic.ipynb   without solutions, hidden tests and outputs

nbgrader does the work with the settings of nbgrader_config.py, so that an instructor's
``nbgrader generate_assignment`` and ``python -m course_lab.authoring build`` give the same cells.
"""

import re
from pathlib import Path

import nbformat

from course_lab.authoring.authoring import KERNEL, LANGUAGE
from course_lib.events.files import write_atomic

ROOT = Path(__file__).resolve().parents[2]


def find_solutions(names=(), root: Path = ROOT) -> list[Path]:
    """Paths of the source notebooks whose topics start with one of the names; all if none is given.

    Raises FileNotFoundError, listing what there is, for a name that fits none.
    """
    there = sorted((root / "solutions").glob("[0-9][0-9]_*/[0-9][0-9]_*.ipynb"))
    for name in names:
        if not any(path.stem.startswith(name) for path in there):
            stems = ", ".join(path.stem for path in there) or "none"
            raise FileNotFoundError(f"no solutions start with {name!r}; there are: {stems}")
    return [path for path in there if not names or path.stem.startswith(tuple(names))]


def release(source: Path, root: Path = ROOT) -> str:
    """The text of the notebook that students get for one source notebook.

    Raises ModuleNotFoundError where nbgrader is not installed, and ValueError for a source that
    nbgrader refuses.
    """
    try:
        from nbgrader.converters import GenerateAssignment
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "generating exercises needs nbgrader: python3 course.py setup --with instructor"
        ) from error
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    notebook = nbformat.read(source, as_version=4)
    resources = {"nbgrader": {"notebook": source.stem, "assignment": source.stem}}
    for kind in GenerateAssignment.preprocessors.default_args[0]:
        if kind.__name__ == "SaveCells":  # the gradebook's; an instructor's command fills it
            continue
        try:
            notebook, resources = kind(config=config).preprocess(notebook, resources)
        except RuntimeError as error:
            raise ValueError(f"{source.name}: {error}") from error
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def target(source: Path, root: Path = ROOT) -> Path:
    """Where a source's exercises lie."""
    return root / "exercises" / source.parent.name / source.name


def build(names=(), root: Path = ROOT) -> list[Path]:
    """Write the exercises of these topics, each atomically; all if none is named."""
    written = []
    for source in find_solutions(names, root):
        path = target(source, root)
        write_atomic(path, release(source, root))
        written.append(path)
    if (root / GUIDE).is_file():
        write_atomic(root / GUIDE, guide(root))
    return written


def verify(root: Path = ROOT) -> list[str]:
    """What is out of step between solutions/ and exercises/, in words; empty if nothing is."""
    problems = []
    sources = find_solutions(root=root)
    expected = {target(source, root): source for source in sources}
    for path in sorted((root / "exercises").glob("**/*.ipynb")):
        if path not in expected and ".ipynb_checkpoints" not in path.parts:
            problems.append(f"{path.relative_to(root)} has no source in solutions/")
    for path, source in expected.items():
        name = path.relative_to(root)
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.read_text(encoding="utf-8") != release(source, root):
            problems.append(f"{name} differs from what {source.relative_to(root)} gives")
    if (root / GUIDE).is_file() and (root / GUIDE).read_text(encoding="utf-8") != guide(root):
        problems.append(f"the tables of {GUIDE} are not those of the exercises")
    return problems


GUIDE = Path("solutions/README.md")


def guide(root: Path = ROOT) -> str:
    """The instructor's guide with its tables made anew from the notebooks and the checks."""
    from course_lab.checks import exercises

    facts, minutes = {}, {}
    for source in find_solutions(root=root):
        for cell in nbformat.read(source, as_version=4).cells:
            if cell.id.endswith("-task"):
                facts[cell.id.removesuffix("-task").replace("-", "_")] = task_facts(cell.source)
    kept = [exercise for exercise in exercises().values() if exercise.name in facts]
    columns = "assignment", "exercise", "goal", "grading also asks where", "difficulty", "minutes"
    rows = [f"| {' | '.join(columns)} | points |",
            "|---|---|---|---|---|---|---|"]  # fmt: skip
    for exercise in kept:
        fact = facts[exercise.name]
        where = exercise.boundary.where if exercise.boundary else ""
        rows.append(f"| {exercise.topic} | `{exercise.name}` | {exercise.goal} | {where} | "
                    f"{fact['difficulty']} | {fact['minutes']} | {exercise.points} |")  # fmt: skip
        total = minutes.setdefault(exercise.topic, [0, 0, 0])
        for k, value in enumerate((1, int(fact["minutes"]), exercise.points)):
            total[k] += value
    sums = "; ".join(f"{topic}: {n} exercises, {m} minutes, {p} points"
                     for topic, (n, m, p) in minutes.items())  # fmt: skip
    told = ((e, [*e.mistakes, *filter(None, (e.calls, e.room))]) for e in kept)
    said = (f"- `{e.name}`: {mistake.says}" for e, mistakes in told for mistake in mistakes)
    mistakes = list(dict.fromkeys(said))  # some are made in two ways
    text = (root / GUIDE).read_text(encoding="utf-8")
    for name, body in {"exercises": [*rows, "", f"In all: {sums}."], "mistakes": mistakes}.items():
        pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)"
        lines = "\n".join(body)
        text = re.sub(pattern, lambda m, lines=lines: f"{m[1]}{lines}\n{m[2]}", text, flags=re.S)
    return text


def task_facts(text: str) -> dict[str, str]:
    """Difficulty, minutes, lines and points that an exercise's text states.

    Raises ValueError if the line is missing:
    ``**Difficulty** ★★☆ · **Minutes** 10 · **Lines** 4 · **Points** 2``.
    """
    found = re.search(
        r"\*\*Difficulty\*\* ([★☆]{3}) · \*\*Minutes\*\* (\d+) · \*\*Lines\*\* (\d+) · "
        r"\*\*Points\*\* (\d+)", text,
    )  # fmt: skip
    if not found:
        raise ValueError(f"no line of difficulty, minutes, lines and points in: {text[:80]!r}")
    return dict(zip(("difficulty", "minutes", "lines", "points"), found.groups(), strict=True))
