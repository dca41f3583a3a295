"""The map of the course: lessons, minutes, what builds on what, and what one has done so far."""

import html
import tomllib
from dataclasses import dataclass
from pathlib import Path

from course_lab import checks, progress

PLAIN = "[map of the course]"  # where a notebook shows it


@dataclass(frozen=True)
class Lesson:
    """A line of lessons.toml."""

    name: str
    title: str
    can: str
    minutes: int
    needs: tuple[str, ...]

    @property
    def number(self) -> str:
        return self.name[:2]


def lessons() -> list[Lesson]:
    """All lessons, in the order of the course."""
    text = Path(__file__).with_name("lessons.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return [Lesson(name, **row | {"needs": tuple(row["needs"])}) for name, row in table.items()]


class CourseMap:
    """The map as a table with links, for students' copies in ``my/``; Jupyter displays it."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": page(progress.done()), "text/plain": PLAIN}


def page(done: dict[str, set[str]]) -> str:
    """The map in HTML, for somebody who has done so much. Links lead from beside the lessons."""
    rows = []
    for lesson in lessons():
        needs = ", ".join(name[:2] for name in lesson.needs) or "–"
        names = checks.topics().get(lesson.name, ("", []))[1]
        solved = len(done.get(lesson.name, set()) & set(names))
        link = f'<a href="exercises/{lesson.name}/{lesson.name}.ipynb">exercises</a>'
        practice = f"{link}, {solved} of {len(names)} solved" if names else ""
        rows.append(
            f'<tr><td style="text-align:left"><a href="{lesson.name}.ipynb">{lesson.number} · '
            f"{html.escape(lesson.title)}</a></td>"
            f'<td style="text-align:left">{html.escape(lesson.can)}</td>'
            f"<td>{lesson.minutes}</td><td>{needs}</td>"
            f'<td style="text-align:left">{practice}</td></tr>'
        )
    heads = ("lesson", "afterwards you can", "minutes", "builds on", "practice")
    cells = "".join(f'<th style="text-align:left">{head}</th>' for head in heads)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
