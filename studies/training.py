"""The kind "training": networks are trained, and compared by their test accuracy."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.results import groups
from course_lib.run.figures import COLOURS, MARKERS
from studies import collapse, tables
from studies.inference import difference, halves, percent, verdicts
from studies.tables import grid

#: panels side by side, and ticks of the axis of errors in %
PANELS, TICKS = 2, (1, 2, 3, 5, 7, 10, 20, 30, 50, 90)
VERDICTS = ("ahead", "no difference shown", "behind", "one run only")


def body(result: dict) -> str:
    """A table for each group, and what its columns mean."""
    keys = ["n", *result["columns"]]
    headings = ["", *(tables.COLUMNS[key][0] for key in keys)]
    parts = []
    for group, rows in groups(result).items():
        parts += [f"## {group}"] if group else []
        parts.append(grid(headings, [
            [row["label"], *(tables.COLUMNS[key][1](row, result) for key in keys)] for row in rows
        ]))  # fmt: skip
    return "\n\n".join([*parts, " ".join(tables.NOTES[k] for k in keys if k in tables.NOTES)])


def summary(result: dict[str, Any]) -> str:
    """One table: a line for each label, accuracy in every group, costs in the last group."""
    names = list(groups(result))
    lines = {}
    for row in result["rows"]:
        lines.setdefault(row["label"], {})[row["group"]] = row
    costs = [key for key in ("cpu", "memory", "forward", "active") if key in result["columns"]]
    cells = []
    for label, rows in lines.items():
        accuracies = [
            percent(rows[name]["summary"]["test_accuracy"]) if name in rows else "–"
            for name in names
        ]
        last = list(rows.values())[-1]
        cells.append([label, *accuracies, *(tables.COLUMNS[key][1](last, result) for key in costs)])
    table = grid(["", *names, *(tables.COLUMNS[key][0] for key in costs)], cells)
    counts = sorted({row["summary"]["n"] for row in result["rows"]})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (
        f"{table}\n\nTest accuracy in %, mean ± standard deviation over n = {n} seeds, on "
        f"{result['data']['name']}. Costs: of the rightmost network that a row has; CPU s "
        "of one machine (*: of another); memory in MB."
    )


def figure(result: dict) -> Figure:
    """Test error of every row on a logarithmic axis: one mark a seed, and the mean."""
    panels = groups(result)
    tallest = max(map(len, panels.values()))
    lines, columns = -(-len(panels) // PANELS), min(len(panels), PANELS)
    made = Figure(figsize=(max(7.2, 1 + 4.6 * columns), lines * (1.3 + 0.3 * tallest)))
    axes = made.subplots(lines, columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (group, rows) in zip(axes, panels.items(), strict=False):
        everything = []
        for place, row in enumerate(rows):
            values = [max(100 * (1 - run["test_accuracy"]), 0.1) for run in row["runs"]]
            everything += values
            marks(ax, place, values)
        low, high = min(everything) / 1.15, max(everything) * 1.15
        ticks = [tick for tick in TICKS if low <= tick <= high]
        ax.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.5, -0.5), title=group,
               xlabel="test error (%), logarithmic")  # fmt: skip
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_yticks(range(len(rows)), [row["label"] for row in rows])
    return made


def marks(ax: Axes, place: int, values: list[float]) -> None:
    """One mark a seed, and the mean, on a line of the figure."""
    ax.plot(values, [place] * len(values), "|", color=COLOURS["black"], markersize=9,
            markeredgewidth=1.2)  # fmt: skip
    if values:
        ax.plot([sum(values) / len(values)], [place], MARKERS[0], color=COLOURS["blue"])


def alt(result: dict) -> str:
    """The figure in words."""
    parts = []
    for group, rows in groups(result).items():
        ranked = sorted(rows, key=lambda row: -row["summary"]["test_accuracy"]["mean"])
        told = "; ".join(
            f"{row['label']} {percent(row['summary']['test_accuracy'])} %" for row in ranked
        )
        parts.append(f"{group + ': ' if group else ''}{told}")
    return "Test accuracy of every row, best first. " + ". ".join(parts) + "."


def answers(result: dict[str, Any]) -> list[str]:
    """A sentence a group: its first row's accuracy, and who is ahead of it or behind."""
    told, found = [], verdicts(result)
    for group, (first, *others) in groups(result).items():
        accuracy, n = percent(first["summary"]["test_accuracy"]), first["summary"]["n"]
        parts = [f"{first['label']} reaches {accuracy} % (n = {n})"]
        for name in VERDICTS:
            rows = [row for row in others if found[group, row["label"]] == name]
            words = [
                f"{row['label']} {percent(row['summary']['test_accuracy'])} %"
                if name == "one run only" else f"{row['label']} {difference(row, result)}"
                for row in rows
            ]  # fmt: skip
            parts += [f"{name}: {', '.join(words)}"] if words else []
        told.append((f"**{group}.** " if group else "") + "; ".join(parts) + ".")
    if parts := halves(result):
        told += [f"Only the test recordings that the simulator was not fitted to: {sentence}"
                 for sentence in answers(parts[1])]  # fmt: skip
    return told + (collapse.answers(result) if "collapse" in result["columns"] else [])
