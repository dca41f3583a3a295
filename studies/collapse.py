"""What a collapse is, how likely it is, and whether two rows differ in it.

A final run has collapsed if

- a layer is dead: it sends fewer than one spike to a hundred test recordings; or, else,
- a class is lost: of its test recordings fewer than one in twenty are answered right.

A run that has done neither and still stays more than FAR below the median of its row is "low".

The share of k collapsed runs among n has Wilson's interval (1927): all p for which k/n lies within
1.96 √(p(1 − p)/n) of p. Rows differ where Fisher's exact test says so, with Holm's correction for
all rows of the page.
"""

import statistics
from collections import Counter
from typing import Any

from course_lib.results import groups
from course_lib.run.report import interval
from studies.inference import holm

#: of test accuracy: five points
FAR = 0.05
KINDS = ("dead layer", "lost class", "low")
NOTE = (
    "Collapsed: runs with a dead layer (fewer than one spike to a hundred test recordings) or a "
    "lost class (of its test recordings fewer than one in twenty right), with Wilson's 95 % "
    "interval of their share; low: neither, and more than five points below the row's median."
)


def kind(run: dict[str, Any], row: dict[str, Any]) -> str | None:
    """One of KINDS, or None for a run that is none of them."""
    spiking = run["spikes"] if row["readout"] == "rate" else run["spikes"][:-1]
    if min(spiking) < 0.01:
        return "dead layer"
    if run["lost_classes"]:
        return "lost class"
    median = statistics.median(other["test_accuracy"] for other in row["runs"])
    return "low" if run["test_accuracy"] < median - FAR else None


def counts(row: dict[str, Any]) -> Counter:
    return Counter(kind(run, row) for run in row["runs"])


def collapsed(row: dict[str, Any]) -> int:
    found = counts(row)
    return found["dead layer"] + found["lost class"]


def share(row: dict[str, Any]) -> str:
    """ "9 of 12 (47 to 91 %; lost class 9)"; runs that are low are named, and are no collapse."""
    n, found = len(row["runs"]), counts(row)
    low, high = interval(collapsed(row) / n, n)
    which = "".join(f"; {name} {found[name]}" for name in KINDS if found[name])
    return f"{collapsed(row)} of {n} ({100 * low:.0f} to {100 * high:.0f} %{which})"


def answers(result: dict[str, Any]) -> list[str]:
    """A sentence a group: how many runs of each row collapsed, and which rows differ in it."""
    from scipy.stats import fisher_exact

    pairs = [(first, row) for first, *rest in groups(result).values() for row in rest]
    chances = [
        fisher_exact([[collapsed(r), len(r["runs"]) - collapsed(r)] for r in pair]).pvalue
        for pair in pairs
    ]
    shown = {id(row) for (_, row), stands in zip(pairs, holm(chances), strict=True) if stands}
    told = []
    for group, rows in groups(result).items():
        parts = [f"{row['label']} {share(row)}" for row in rows]
        text = f"Collapsed runs: {', '.join(parts)}."
        if len(rows) > 1:
            first = rows[0]["label"]
            names = ", ".join(row["label"] for row in rows if id(row) in shown) or "none"
            text += f" Shown to differ from {first}: {names}."
        told.append((f"**{group}.** " if group else "") + text)
    return told
