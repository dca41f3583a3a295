"""The kind "map": two settings, and one accuracy a cell.

A row's label names its cell, "σ × 2, 128 members": what stands before the comma is its line in the
map, what stands behind it its column.
"""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from course_lib.results import groups
from studies.inference import compare, holm, percent, recordings_of
from studies.tables import cpu, grid, named


def cells(result: dict[str, Any], group: str) -> dict[tuple[str, str], dict]:
    """(line, column) → row, in order."""
    return {tuple(row["label"].split(", ")): row for row in groups(result)[group]}


def axes_of(found: dict[tuple[str, str], dict]) -> tuple[list[str], list[str]]:
    """Names of lines and columns, in order."""
    return tuple(list(dict.fromkeys(names)) for names in zip(*found, strict=True))


def mean(row: dict) -> float:
    return 100 * row["summary"]["validation_accuracy"]["mean"]


def figure(result: dict) -> Figure:
    """A panel a group: validation accuracy in every cell, darker where it is lower."""
    names, means = list(groups(result)), [mean(row) for row in result["rows"]]
    low, high = min(means) - 1, max(means) + 1
    made = Figure(figsize=(1.2 + 4.4 * len(names), 3.8))
    for ax, name in zip(made.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        found = cells(result, name)
        lines, columns = axes_of(found)
        values = [[mean(found[line, column]) if (line, column) in found else float("nan")
                   for column in columns] for line in lines]  # fmt: skip
        shades = matplotlib.colormaps["cividis"].with_extremes(bad="white")
        ax.imshow(values, cmap=shades, vmin=low, vmax=high, aspect="auto")
        for y, line in enumerate(values):
            for x, value in enumerate(line):
                if value == value:  # not nan
                    ax.text(x, y, f"{value:.0f}", ha="center", va="center",
                            color="white" if value < (low + high) / 2 else "black")  # fmt: skip
        ax.set_xticks(range(len(columns)), [column.replace(" members", "") for column in columns])
        ax.set_yticks(range(len(lines)), lines)
        ax.grid(visible=False)
        ax.set(xlabel="members a generation", title=name)
    return made


def alt(result: dict) -> str:
    """The figure in words."""
    told = []
    for name in groups(result):
        rows = "; ".join(f"{' and '.join(key)}: {mean(row):.0f} %"
                         for key, row in cells(result, name).items())  # fmt: skip
        told.append(f"{name}: {rows}")
    return "Maps of validation accuracy, a number a cell. " + ". ".join(told) + "."


def answers(result: dict[str, Any]) -> list[str]:
    """A sentence a group: its best cell, its worst, and which are no worse than the best."""
    told = []
    for name in groups(result):
        found = cells(result, name)
        ranked = sorted(found, key=lambda key: -mean(found[key]))
        best, worst = ranked[0], ranked[-1]
        name_of = "validation_accuracy"
        against = [compare(found[key], found[best], recordings_of(result, name_of), name_of)
                   for key in ranked[1:]]  # fmt: skip
        behind = holm([1.0 if each is None else each.p for each in against])
        level = [f"{' and '.join(key)} ({mean(found[key]):.1f})"
                 for key, shown in zip(ranked[1:], behind, strict=True) if not shown]  # fmt: skip
        told.append(
            f"**{name}.** Best: {' and '.join(best)}, {mean(found[best]):.1f} % of the validation "
            f"recordings (n = {found[best]['summary']['n']}); worst: {' and '.join(worst)}, "
            f"{mean(found[worst]):.1f} %. Not shown to be behind the best: "
            f"{', '.join(level) or 'none'}."
        )
    return told


def body(result: dict) -> str:
    parts = ["## The answer", "\n".join(f"- {line}" for line in answers(result))]
    for name in groups(result):
        found = cells(result, name)
        lines, columns = axes_of(found)
        table = [[line, *(percent(found[line, column]["summary"]["validation_accuracy"])
                          if (line, column) in found else "–" for column in columns)]
                 for line in lines]  # fmt: skip
        chosen = [[", ".join(key), named(row["chosen"]), f"{row['steps']:,}",
                   percent(row["summary"]["test_accuracy"]),
                   cpu(row, result)]
                  for key, row in found.items()]  # fmt: skip
        parts += [
            f"## {name}", grid(["", *columns], table),
            grid(["cell", "search's choice", "generations", "test", "CPU s"], chosen),
        ]  # fmt: skip
    return "\n\n".join([*parts, NOTE])


NOTE = (
    "Maps: accuracy in % of the final runs on the validation set, mean ± sample standard deviation "
    "over the seeds, since where to spend a budget is a choice. Every cell costs as many forward "
    "passes of a recording, members × batch × generations, to within a generation. Not shown to be "
    "behind: the difference from the best cell, paired by seed, does not survive Holm's correction "
    "for all cells of the map, at 5 %. CPU s: of training on one thread."
)
