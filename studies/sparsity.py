"""The kind "sparsity": spikes and operations of networks at equal accuracy."""

import math
import statistics
from typing import Any

from matplotlib.figure import Figure

from course_lib.energy import JOULES_PER_AC, JOULES_PER_MAC
from course_lib.results import groups, paired
from course_lib.run.figures import COLOURS
from studies.inference import first_of, percent
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


def paired_ratio(
    values: dict[int, float], baseline: dict[int, float]
) -> tuple[float, float, float] | None:
    """Geometric mean of the ratio over the seeds that both have, and its 95 % interval.

    ``paired`` on logarithms. None for fewer than two common seeds, or a value of 0.
    """
    if min([*values.values(), *baseline.values()], default=0) <= 0:
        return None
    found = paired(*({seed: math.log(v) for seed, v in d.items()} for d in (values, baseline)))
    if found is None:
        return None
    mean, half = found
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def hidden_spikes(run: dict[str, Any]) -> float:
    return sum(run["spikes"][:-1])


def synops(run: dict[str, Any]) -> float:
    return sum(run["synops"])


def nanojoules(run: dict[str, Any]) -> float:
    multiplied = run["macs"]
    return 1e9 * (JOULES_PER_AC * (synops(run) - multiplied) + JOULES_PER_MAC * multiplied)


def reached(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs that came to the target: only these can be compared."""
    return [run for run in row["runs"] if run["reached"]]


def ratio(row, result, measure=hidden_spikes) -> tuple[float, float, float] | None:
    """Of the group's first row: mean, and the ends of its 95 % interval; None if that says nothing.

    measure: ``hidden_spikes`` or ``synops``.
    """
    first = first_of(row, result)
    if first["label"] == row["label"]:
        return None
    return paired_ratio(
        *({run["seed"]: measure(run) for run in reached(which)} for which in (row, first))
    )


def answers(result: dict[str, Any]) -> list[str]:
    """One sentence for each group that has EGGROLL, against the group's first row."""
    told = []
    for row in result["rows"]:
        if row["method"] != "eggroll":
            continue
        first = first_of(row, result)
        found = ratio(row, result)
        if found is None:
            told.append(f"{row['group']}: Not known yet.")
            continue
        mean, low, high = found
        word = "Yes, sparser" if high < 1 else "No, denser" if low > 1 else "No difference shown"
        told.append(
            f"{row['group']}: {word}: {row['label']}'s networks send {mean:.2f} times the hidden "
            f"spikes of {first['label']}'s (95 % interval {low:.2f} to {high:.2f}, "
            f"n = {len(reached(row))})."
        )
    return told


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
