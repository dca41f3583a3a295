"""The start of a lesson: the course's look for every figure, and its pictures in words."""

import re
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt

from course_lib.run.figures import STYLE

FOLDER = Path(__file__).with_name("descriptions")
_descriptions: dict[str, str] = {}


def start(name: str) -> None:
    """Apply the style of the course and say that the lesson is ready."""
    plt.style.use(STYLE)
    _descriptions.clear()
    _descriptions.update(descriptions(name))
    print(f"Lesson {name} is ready.")


def descriptions(name: str) -> dict[str, str]:
    """A lesson's pictures in words, by the number of the figure: descriptions/NAME.toml."""
    path = FOLDER / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def description(caption: str) -> str:
    """The description of the figure whose caption begins "Figure N.", in the lesson begun last.

    Raises ValueError, saying where it belongs, if there is none.
    """
    number = re.match(r"Figure (\d+)\.", caption)
    if not number or number[1] not in _descriptions:
        raise ValueError(
            f"no description in words for {caption[:40]!r}: write it into the lesson's file in "
            "course_lab/descriptions/, under the number of the figure"
        )
    return _descriptions[number[1]]
