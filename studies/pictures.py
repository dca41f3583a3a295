"""Figures from the results of a study, and their description in words."""

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from course_lib.results import percent
from course_lib.run.figures import COLOURS, MARKERS, style

#: panels side by side
COLUMNS = 2
TICKS = (1, 2, 3, 5, 7, 10, 20, 30, 50, 90)


def draw(result: dict[str, Any]) -> dict[str, bytes]:
    """File name → content: NAME.png and NAME.svg, both with the words of ``alt``."""
    own = own_tables(result)
    make = own.figure if own else errors
    name, words = result["study"], alt(result)
    with style(), matplotlib.rc_context({"svg.hashsalt": name, "savefig.dpi": 120}):
        figure = make(result)
        pictures = {}
        for form, metadata in {
            "png": {"Software": None, "Description": words},
            "svg": {"Date": None, "Creator": None, "Title": result["title"], "Description": words},
        }.items():
            stream = io.BytesIO()
            figure.savefig(stream, format=form, metadata=metadata)
            pictures[f"{name}.{form}"] = stream.getvalue()
    return pictures


def own_tables(result: dict):
    """The module that shows results of this kind; None for "training", which is shown here."""
    from studies import alignment_tables, map_tables, sparsity_tables

    return {
        "alignment": alignment_tables, "sparsity": sparsity_tables, "map": map_tables,
    }.get(result["kind"])  # fmt: skip


def groups(result: dict) -> dict[str, list[dict]]:
    """Rows by group, in order."""
    found: dict[str, list[dict]] = {}
    for row in result["rows"]:
        found.setdefault(row["group"], []).append(row)
    return found


def errors(result: dict) -> Figure:
    """Test error of every row on a logarithmic axis: one mark a seed, and the mean."""
    panels = groups(result)
    tallest = max(map(len, panels.values()))
    lines, columns = -(-len(panels) // COLUMNS), min(len(panels), COLUMNS)
    figure = Figure(figsize=(max(7.2, 1 + 4.6 * columns), lines * (1.3 + 0.3 * tallest)))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (group, rows) in zip(axes, panels.items(), strict=False):
        everything = []
        for place, row in enumerate(rows):
            values = [max(100 * (1 - run["test_accuracy"]), 0.1) for run in row["runs"]]
            everything += values
            mean = sum(values) / len(values)
            ax.plot(values, [place] * len(values), "|", color=COLOURS["black"], markersize=9,
                    markeredgewidth=1.2)  # fmt: skip
            ax.plot([mean], [place], MARKERS[0], color=COLOURS["blue"])
        low, high = min(everything) / 1.15, max(everything) * 1.15
        ticks = [tick for tick in TICKS if low <= tick <= high]
        ax.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.5, -0.5), title=group,
               xlabel="test error (%), logarithmic")  # fmt: skip
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_yticks(range(len(rows)), [row["label"] for row in rows])
    return figure


def alt(result: dict) -> str:
    """The figure in words."""
    if own := own_tables(result):
        return own.alt(result)
    parts = []
    for group, rows in groups(result).items():
        ranked = sorted(rows, key=lambda row: -row["summary"]["test_accuracy"]["mean"])
        told = "; ".join(
            f"{row['label']} {percent(row['summary']['test_accuracy'])} %" for row in ranked
        )
        parts.append(f"{group + ': ' if group else ''}{told}")
    return "Test accuracy of every row, best first. " + ". ".join(parts) + "."
