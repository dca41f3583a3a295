"""Bands behind a sweep: what five seeds reached at each setting, stored by a command.

    python3 course.py bands localzo        # writes course_lab/widgets/bands/localzo.json

A widget's file says what its band is made of: ``BAND``, a dict of rows, each a list of
(x, values), and ``measure(values, seed)``, the accuracy that one run of these values reaches.
"""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from matplotlib.axes import Axes

from course_lib.events.files import write_atomic
from course_lib.run.figures import COLOURS

FOLDER = Path(__file__).with_name("bands")
SEEDS = range(5)


def make(name: str, say: Callable[[str], None] = print) -> Path:
    """Measure and store the bands of ``widgets/NAME.py``."""
    module = import_module(f"course_lab.widgets.{name}")
    rows = {}
    for row, points in module.BAND.items():
        rows[row] = []
        for x, values in points:
            reached = [round(module.measure(values, seed), 4) for seed in SEEDS]
            rows[row].append({"x": x, "accuracies": reached})
            say(f"{name}, {row}, {x:g}: {', '.join(f'{100 * a:.1f}' for a in reached)} %")
    path = FOLDER / f"{name}.json"
    write_atomic(path, json.dumps(rows, indent=1, ensure_ascii=False))
    return path


def load(name: str) -> dict[str, list[dict]]:
    """The stored bands of a widget, by row."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def draw(ax: Axes, rows: dict, row: str, visited: list[tuple[str, float, float]]) -> Axes:
    """The band of a row (lowest to highest of five seeds, and their mean) and the visited dots.

    visited: (row, x, accuracy), the newest last; dots of other rows are drawn faintly.
    """
    band = rows[row]
    x = [point["x"] for point in band]
    percents = [[100 * a for a in point["accuracies"]] for point in band]
    ax.fill_between(x, [min(p) for p in percents], [max(p) for p in percents], alpha=0.25,
                    color=COLOURS["blue"], label="five stored seeds")  # fmt: skip
    ax.plot(x, [sum(p) / len(p) for p in percents], color=COLOURS["blue"], linewidth=1.5,
            label="their mean")  # fmt: skip
    for name, place, accuracy in visited[:-1]:
        faint = 1 if name == row else 0.3
        ax.plot(place, 100 * accuracy, "o", color=COLOURS["orange"], alpha=faint)
    if visited:
        ax.plot(visited[-1][1], 100 * visited[-1][2], "o", color=COLOURS["vermilion"],
                markersize=9, label="your run")  # fmt: skip
    ax.set(ylabel="test accuracy, %")
    ax.legend(loc="best")
    return ax
