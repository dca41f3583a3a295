"""The kind "sparsity": spikes and operations of networks at equal accuracy."""

import statistics

from matplotlib.figure import Figure

from course_lib.results import (
    answers,
    groups,
    hidden_spikes,
    nanojoules,
    percent,
    ratio,
    reached,
    synops,
)
from course_lib.run.figures import COLOURS
from studies.tables import grid, named
from studies.training import marks

NOTE = (
    "Every run ends at the first validation accuracy of the group's target, or after its steps; "
    "all rows of a group have the same network and the same start. Updates: until then. Accuracy: "
    "of the test set in %, mean ± sample standard deviation over n seeds. Spikes: of the hidden "
    "layers, per test recording. SynOps: synaptic operations per test recording as NeuroBench "
    "counts them (`course_lib/energy.py`). Estimate: 0.9 pJ an accumulate and 4.6 pJ a "
    "multiply-accumulate (45 nm, Horowitz 2014). Ratio: to the group's first row, geometric mean "
    "paired by seed, with a 95 % t-interval of its logarithm; only an interval without 1 shows a "
    "difference."
)


def _ratio(found) -> str:
    return "–" if found is None else f"{found[0]:.2f} ({found[1]:.2f} to {found[2]:.2f})"


def _mean(row, measure, form) -> str:
    runs = reached(row)
    return format(statistics.fmean(map(measure, runs)), form) if runs else "–"


def _count(row) -> str:
    done, all_runs = len(reached(row)), len(row["runs"])
    return str(done) if done == all_runs else f"{done} of {all_runs}"


def _accuracy(row) -> str:
    values = [run["test_accuracy"] for run in reached(row)]
    if not values:
        return "–"
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return percent({"mean": statistics.fmean(values), "sd": deviation})


COLUMNS = {
    "n": lambda row, result: _count(row),
    "search's choice": lambda row, result: named(row["chosen"]),
    "updates": lambda row, result: _mean(row, lambda run: run["steps"], ".0f"),
    "accuracy": lambda row, result: _accuracy(row),
    "spikes before": lambda row, result: _mean(row, lambda r: sum(r["start_spikes"][:-1]), ".0f"),
    "spikes": lambda row, result: _mean(row, hidden_spikes, ".0f"),
    "ratio of spikes": lambda row, result: _ratio(ratio(row, result)),
    "SynOps": lambda row, result: _mean(row, synops, ",.0f"),
    "ratio of SynOps": lambda row, result: _ratio(ratio(row, result, synops)),
    "estimate, nJ": lambda row, result: _mean(row, nanojoules, ".0f"),
}


def body(result: dict) -> str:
    parts = ["## The answer", "\n".join(f"- {line}" for line in answers(result))]
    for group, rows in groups(result).items():
        cells = [[row["label"], *(cell(row, result) for cell in COLUMNS.values())] for row in rows]
        parts += [f"## {group}", grid(["", *COLUMNS], cells)]
    return "\n\n".join([*parts, NOTE])


def figure(result: dict) -> Figure:
    """Hidden spikes of every row, a panel for each group: one mark a seed, and the mean."""
    panels = groups(result)
    tallest = max(map(len, panels.values()))
    made = Figure(figsize=(max(7.2, 1 + 3.9 * len(panels)), 1.7 + 0.32 * tallest))
    axes = made.subplots(1, len(panels), squeeze=False)[0]
    for ax, (name, rows) in zip(axes, panels.items(), strict=True):
        starts = [sum(run["start_spikes"][:-1]) for row in rows for run in row["runs"]]
        ax.axvline(statistics.fmean(starts), color=COLOURS["black"], linestyle=":",
                   label="before training")  # fmt: skip
        for place, row in enumerate(rows):
            marks(ax, place, [hidden_spikes(run) for run in reached(row)])
        ax.set(ylim=(len(rows) - 0.5, -0.5), title=name, xlabel="hidden spikes a recording")
        ax.set_xlim(left=0)
        ax.set_yticks(range(len(rows)), [row["label"] for row in rows])
        ax.legend(fontsize=8, loc="best")
    return made


def alt(result: dict) -> str:
    told = []
    for group, rows in groups(result).items():
        told.append(
            f"{group}: " + "; ".join(f"{r['label']} {_mean(r, hidden_spikes, '.0f')}" for r in rows)
        )
    return (
        "Hidden spikes per test recording of networks at equal validation accuracy, a panel for "
        "each readout and target. " + ". ".join(told) + "."
    )
