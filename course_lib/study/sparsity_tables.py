"""Tables, figure, words and the plain answer for results of the kind "sparsity"."""

import statistics
from typing import Any

from matplotlib.figure import Figure

from course_lib.energy import JOULES_PER_AC, JOULES_PER_MAC
from course_lib.lab.figures import COLOURS, MARKERS
from course_lib.study.statistics import paired_ratio, percent
from course_lib.study.tables import grid, named

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
    first = next(other for other in result["rows"] if other["group"] == row["group"])
    if first["label"] == row["label"]:
        return None
    return paired_ratio(
        *({run["seed"]: measure(run) for run in reached(which)} for which in (row, first))
    )


def _ratio(found) -> str:
    return "–" if found is None else f"{found[0]:.2f} ({found[1]:.2f} to {found[2]:.2f})"


def mean(row, measure) -> float | None:
    runs = reached(row)
    return statistics.fmean(map(measure, runs)) if runs else None


def _mean(row, measure, form) -> str:
    value = mean(row, measure)
    return "–" if value is None else format(value, form)


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


def verdict(found: tuple[float, float, float] | None) -> str:
    """"sparser", "denser", "no difference shown" or "unknown"."""
    if found is None:
        return "unknown"
    _, low, high = found
    return "sparser" if high < 1 else "denser" if low > 1 else "no difference shown"


def answers(result: dict[str, Any]) -> list[str]:
    """One sentence for each group that has EGGROLL, against the group's first row."""
    told = []
    for row in result["rows"]:
        if row["method"] != "eggroll":
            continue
        first = next(other for other in result["rows"] if other["group"] == row["group"])
        found = ratio(row, result)
        words = {
            "sparser": "Yes, sparser", "denser": "No, denser",
            "no difference shown": "No difference shown", "unknown": "Not known yet",
        }[verdict(found)]  # fmt: skip
        end = "" if found is None else (
            f": {row['label']}'s networks send {found[0]:.2f} times the hidden spikes of "
            f"{first['label']}'s (95 % interval {found[1]:.2f} to {found[2]:.2f}, "
            f"n = {len(reached(row))})"
        )  # fmt: skip
        told.append(f"{row['group']}: {words}{end}.")
    return told


def body(result: dict) -> str:
    parts = ["## The answer", "\n".join(f"- {line}" for line in answers(result))]
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["group"] == group]
        cells = [[row["label"], *(cell(row, result) for cell in COLUMNS.values())] for row in rows]
        parts += [f"## {group}", grid(["", *COLUMNS], cells)]
    return "\n\n".join([*parts, NOTE])


def figure(result: dict) -> Figure:
    """Hidden spikes of every row, a panel for each group: one mark a seed, and the mean."""
    names = list(dict.fromkeys(row["group"] for row in result["rows"]))
    tallest = max(sum(row["group"] == name for row in result["rows"]) for name in names)
    made = Figure(figsize=(max(7.2, 1 + 3.9 * len(names)), 1.7 + 0.32 * tallest))
    for ax, name in zip(made.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        rows = [row for row in result["rows"] if row["group"] == name]
        starts = [sum(run["start_spikes"][:-1]) for row in rows for run in row["runs"]]
        ax.axvline(statistics.fmean(starts), color=COLOURS["black"], linestyle=":",
                   label="before training")  # fmt: skip
        for place, row in enumerate(rows):
            values = [hidden_spikes(run) for run in reached(row)]
            ax.plot(values, [place] * len(values), "|", color=COLOURS["black"], markersize=9,
                    markeredgewidth=1.2)  # fmt: skip
            if values:
                ax.plot([statistics.fmean(values)], [place], MARKERS[0], color=COLOURS["blue"])
        ax.set(ylim=(len(rows) - 0.5, -0.5), title=name, xlabel="hidden spikes a recording")
        ax.set_xlim(left=0)
        ax.set_yticks(range(len(rows)), [row["label"] for row in rows])
        ax.legend(fontsize=8, loc="best")
    return made


def alt(result: dict) -> str:
    told = []
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["group"] == group]
        told.append(
            f"{group}: " + "; ".join(f"{r['label']} {_mean(r, hidden_spikes, '.0f')}" for r in rows)
        )
    return (
        "Hidden spikes per test recording of networks at equal validation accuracy, a panel for "
        "each readout and target. " + ". ".join(told) + "."
    )
