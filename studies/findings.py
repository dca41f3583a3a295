"""What a study found, in sentences made from its results: the numbers and the verdicts.

A page that says by hand that one method is behind another goes stale with the next run. These
sentences do not: ``pages.py`` writes them between marks. What explains them is left to people.
"""

from collections.abc import Callable
from typing import Any

from course_lib.results import difference, percent, versus_first
from studies import alignment_tables, map_tables, sparsity_tables

VERDICTS = ("ahead", "no difference shown", "behind", "one run only")


def verdict(found: tuple[float, float] | None) -> str:
    """Of a mean difference and half the width of its 95 % interval, one of VERDICTS."""
    if found is None:
        return "one run only"
    mean, half = found
    return "ahead" if mean - half > 0 else "behind" if mean + half < 0 else "no difference shown"


def compared(result: dict[str, Any]) -> list[str]:
    """A sentence a group: its first row's accuracy, and who is ahead of it or behind."""
    told = []
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        first, *others = [row for row in result["rows"] if row["group"] == group]
        accuracy, n = percent(first["summary"]["test_accuracy"]), first["summary"]["n"]
        parts = [f"{first['label']} reaches {accuracy} % (n = {n})"]
        for name in VERDICTS:
            rows = [row for row in others if verdict(versus_first(row, result)) == name]
            words = [
                f"{row['label']} {percent(row['summary']['test_accuracy'])} %"
                if name == "one run only" else f"{row['label']} {difference(row, result)}"
                for row in rows
            ]  # fmt: skip
            parts += [f"{name}: {', '.join(words)}"] if words else []
        told.append((f"**{group}.** " if group else "") + "; ".join(parts) + ".")
    return told


def directions(result: dict[str, Any]) -> list[str]:
    """A sentence a path: cosine with BPTT's gradient at the last step, layer by layer."""
    told = []
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        words = []
        for row in result["rows"]:
            if row["group"] != group:
                continue
            steps, layers = alignment_tables.axes_of(row)
            cosines = (
                alignment_tables.mean_over_seeds(row, steps[-1], layer, "cosine")
                for layer in layers
            )
            shown = " and ".join("–" if c is None else f"{c:.2f}" for c in cosines)
            words.append(f"{row['label']} {shown}")
        told.append(f"**{group}, step {steps[-1]}.** Cosine by layer: {'; '.join(words)}.")
    return told


#: by kind of study
SENTENCES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "training": compared,
    "alignment": directions,
    "sparsity": sparsity_tables.answers,
    "map": map_tables.answers,
}


def findings(result: dict[str, Any]) -> str:
    """All sentences, as a list in Markdown. Differences are in points, with 95 % intervals."""
    return "\n".join(f"- {sentence}" for sentence in SENTENCES[result["kind"]](result))
