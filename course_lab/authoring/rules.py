"""The rules of a lesson: each a function with its sentence, and what breaks it, in words.

    python3 course.py lessons 02 --check

lists all that a lesson breaks at once; the tests ask the same functions. A rule takes a Lesson and
yields a line for each place that breaks it. To change what a lesson has to be, change a rule here.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

from course_lab import course_map
from course_lab import lesson as opened
from course_lab.authoring import opening
from course_lab.authoring.authoring import KEPT, KERNEL, LANGUAGE, maps

RULES: list[Callable[["Lesson"], Iterator[str]]] = []
FORBIDDEN = (
    "interact(", "interactive", "ipywidgets.Output", "widgets.Output", "clear_output",
    "display_id", "update_display", "plt.show(", "%matplotlib",
)  # fmt: skip
UNCOMPARED = {"nbval-ignore-output", "nbval-skip", "nbval-raises-exception"}
MACHINE_PATHS = re.compile(
    r"(?<![\w.:/])/(home|root|tmp|Users|usr|opt|var|mnt|content)/|\b[A-Z]:\\"
)


class Lesson:
    """A stored notebook, and the parts of it that rules are about."""

    def __init__(self, path: Path):
        self.path, self.notebook = path, nbformat.read(path, as_version=4)
        nbformat.validate(self.notebook)
        self.cells = self.notebook.cells
        self.code = [cell for cell in self.cells if cell.cell_type == "code"]
        self.outputs = [output for cell in self.code for output in cell.outputs]
        self.texts = [cell.source for cell in self.cells if cell.cell_type == "markdown"]
        self.prose = "\n".join(self.texts)


def rule(function):
    """Adds a rule to all those that a lesson has to keep."""
    RULES.append(function)
    return function


def sentence(rule) -> str:
    """What a rule says: its docstring, in one line."""
    return " ".join(inspect.getdoc(rule).split())


def broken(path: Path) -> list[str]:
    """What a lesson breaks, one line a place: the rule's sentence, and where."""
    lesson = Lesson(path)
    return [f"{sentence(rule)} {place}" for rule in RULES for place in rule(lesson)]


def ignored(cell) -> bool:
    """Whether nbval leaves a cell's outputs uncompared."""
    return not UNCOMPARED.isdisjoint(cell.metadata.get("tags", []))


@rule
def executed_in_order(lesson):
    """Every cell was run, from the first to the last, and none failed or warned."""
    counts = [cell.execution_count for cell in lesson.code]
    if counts != list(range(1, len(counts) + 1)):
        yield f"The execution counts are {counts}: store it by python3 course.py lessons."
    for cell in lesson.code:
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"Cell {cell.id} has an error or a warning."


@rule
def validates(lesson):
    """No call whose output nbval cannot compare or JupyterLab cannot store."""
    for cell in lesson.code:
        for call in FORBIDDEN:
            if call in cell.source:
                yield f"Cell {cell.id} uses {call}."


@rule
def no_path_of_a_machine(lesson):
    """No path of the machine that ran it is stored."""
    setup = opening.SETUP.format(repository=opening.repository())
    kept = [cell.source.replace(setup, "") for cell in lesson.cells]
    for output in lesson.outputs:
        kept.append(output.get("text", ""))
        kept += [str(v) for k, v in output.get("data", {}).items() if not k.startswith("image/")]
    for text in kept:
        found = MACHINE_PATHS.search(text)
        if found or str(opening.ROOT) in text:
            yield f"There is one in: {text[max(0, found.start() - 40 if found else 0) :][:120]!r}."


@rule
def nothing_volatile(lesson):
    """Metadata hold what an author wrote and no more: what differs from run to run is taken out."""
    if lesson.notebook.metadata != {"kernelspec": KERNEL, "language_info": LANGUAGE}:
        yield "Those of the notebook hold more."
    for cell in lesson.cells:
        more = set(cell.metadata) - set(KEPT)
        if more:
            yield f"Those of cell {cell.id} hold {', '.join(sorted(more))}."


@rule
def ignored_for_a_reason(lesson):
    """A cell whose output is not compared says why, in five words or more of its metadata."""
    for cell in lesson.code:
        if "NBVAL" in cell.source.upper():
            yield f"Cell {cell.id} says so in its source: use a tag and a reason."
        if ignored(cell) and len(cell.metadata.get("reason", "").split()) < 5:
            yield f"Cell {cell.id} gives no reason."


@rule
def opening_of_all(lesson):
    """The badge and the set-up cell are those of all lessons."""
    before = nbformat.writes(lesson.notebook)
    copy = nbformat.reads(before, as_version=4)
    opening.stamp(copy, lesson.path)
    if nbformat.writes(copy) != before:
        yield "They are not: store it by python3 course.py lessons."


@rule
def map_of_today(lesson):
    """The map of the course is that of lessons.toml and of today's exercises."""
    if any(output.data["text/html"] != course_map.page({}) for output in maps(lesson.notebook)):
        yield "It is an older one: python3 course.py build --no-run renews it."


WORDS, WORDS_A_CELL = 2500, 250
FOLDED = re.compile(r"<details>.*?</details>", re.S)


def in_sight(text: str) -> str:
    """A text without what is folded away."""
    return FOLDED.sub("", text)


MINUTES = 60


@rule
def titles(lesson):
    """The title of a folded cell has 72 characters at most: a narrow window cuts what is longer."""
    for cell in lesson.code:
        first = cell.source.partition("\n")[0]
        if first.startswith("#@title") and len(first) > 72:
            yield f"Cell {cell.id} has {len(first)}."


@rule
def stake(lesson):
    """The first cell has title and minutes of course_lab/lessons.toml, 60 at most, and says what
    one needs."""
    rows = {row.name: row for row in course_map.lessons()}
    row, first = rows.get(lesson.path.stem), lesson.cells[0].source
    if row is None:
        yield "The lesson is not in lessons.toml."
        return
    if row.minutes > MINUTES:
        yield f"It takes {row.minutes} minutes."
    wanted = [f"# {row.number} · {row.title}\n"]
    if row.number != "00":
        wanted += [f"**Time** about {row.minutes} minutes", "**You need** "]
    for words in wanted:
        if words not in first:
            yield f"It does not say {words!r}."


@rule
def motion(lesson):
    """Something moves within the first ten cells."""
    pages = [output.get("data", {}).get("text/html", "")
             for cell in lesson.cells[:10] for output in cell.get("outputs", [])]  # fmt: skip
    if not any("<script>" in page or "image/webp" in page for page in pages):
        yield "Nothing does."


@rule
def guesses(lesson):
    """Four to ten questions ask for a guess, each with a place for it and an answer folded away
    right after the experiment."""
    asked = 0
    for number, cell in enumerate(lesson.cells):
        if cell.cell_type != "markdown" or "**Your guess:**" not in cell.source:
            continue
        asked += 1
        after = lesson.cells[number + 1 :]
        if not after or "guess" not in after[0].metadata.get("tags", []):
            yield f"Cell {cell.id}: there is no place for the guess below it."
        later = next((other for other in after[1:] if other.cell_type == "markdown"), None)
        if later is None or not later.source.startswith("<details><summary>What happened"):
            yield f"Cell {cell.id}: the next text does not begin with the folded answer."
    if lesson.path.stem != "00_start" and not 4 <= asked <= 10:
        yield f"There are {asked}."
    for text in lesson.texts:
        if "**Answer" in in_sight(text) or "**What you saw" in in_sight(text):
            yield f"An answer stands in plain sight: {text[:60]!r}."


@rule
def numbers(lesson):
    """Cells print numbers, and never True or False."""
    streams = [output.text for output in lesson.outputs if output.output_type == "stream"]
    for text in streams:
        if re.search(r"\b(True|False)\b", text):
            yield f"A verdict: {text.strip()[:80]!r}."
    printing = [text for text in streams if re.search(r"\d", text)]
    if lesson.path.stem != "00_start" and len(printing) < 5:
        yield f"There are {len(printing)} outputs with numbers, too few to compare; 5 are needed."


@rule
def short(lesson):
    """At most 2,500 words in sight, and 250 in a cell; what is folded is closed again."""
    counts = [len(in_sight(text).split()) for text in lesson.texts]
    if sum(counts) > WORDS:
        yield f"There are {sum(counts)}."
    for text, count in zip(lesson.texts, counts, strict=True):
        if count > WORDS_A_CELL:
            yield f"A cell has {count}: {text[:40]!r}."
        if text.count("<details>") != text.count("</details>"):
            yield f"A fold stays open: {text[:40]!r}."


@rule
def descriptions(lesson):
    """Figures are numbered from 1, and each is described in ten words or more, in the lesson's file
    in course_lab/descriptions/ and not in its code."""
    captions = [output.data["text/plain"] for output in lesson.outputs
                if output.get("data", {}).get("text/plain", "").startswith("Figure ")]  # fmt: skip
    shown = [caption.split(".")[0].removeprefix("Figure ") for caption in captions]
    if shown != [str(k + 1) for k in range(len(shown))]:
        yield f"Their numbers are {', '.join(shown)}."
    described = opened.descriptions(lesson.path.stem)
    if sorted(described) != sorted(shown):
        yield f"Described are {', '.join(described)}; shown are {', '.join(shown)}."
    for number, words in described.items():
        if len(words.split()) < 10:
            yield f"That of figure {number} has {len(words.split())} words."


@rule
def way_on(lesson):
    """It ends with a check of oneself, a summary, and links: its exercises if it has any, symbols,
    all methods, and the next lesson."""
    rows = course_map.lessons()
    name, names = lesson.path.stem, [row.name for row in rows]
    after = rows[names.index(name) + 1 :][:1]
    wanted = [f"Next: [{row.number} · {row.title}]({row.name}.ipynb)" for row in after]
    if name != "00_start":
        wanted += ["## Check yourself", "## Summary", "](symbols.md)", "](update_rules.md)"]
        if (opening.ROOT / "exercises" / name).is_dir():
            wanted.append(f"](../exercises/{name}/{name}.ipynb)")
    for part in wanted:
        if part not in lesson.prose:
            yield f"{part!r} is missing."
