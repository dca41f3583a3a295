"""Stored results of studies, and the few statistics that tables and lessons take of them.

    load("methods")            # data/results/methods.json, which a study has written

Accuracies are fractions, shown in %.
"""

import json
import re
import statistics as stats
from collections import Counter
from pathlib import Path
from typing import Any

from course_lib.events.files import data_file

#: of a study: part of a file's name, and never a path
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def load(name: str) -> dict[str, Any]:
    """The stored results of the study ``name``; data/results/README.md describes their form.

    Raises FileNotFoundError, naming the command that makes them, if there are none.
    """
    path = data_file(
        f"results/{name}.json" if NAME.fullmatch(name) else "not a name",
        f"there are no results of a study {name!r}; `python3 course.py study {name}` makes them "
        "(`python3 course.py study` lists all studies)",
    )
    return read(name, path.parent)


def read(name: str, folder: Path) -> dict[str, Any] | None:
    """The results in a folder, or None. Raises ValueError for a file that holds others."""
    path = Path(folder) / f"{name}.json"
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    if result.get("study", name) != name:
        raise ValueError(f"{path} holds a study {result['study']!r}; expected {name!r}")
    return result


def groups(result: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Rows by group, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        found.setdefault(row["group"], []).append(row)
    return found


def processor_seconds(row: dict[str, Any], result: dict[str, Any]) -> tuple[float, bool]:
    """Mean processor seconds of a row's runs on the machine that most of a study's runs were on.

    Of all its runs, and False, if none was there: then other rows cannot be compared with it.
    """
    where = Counter(run["machine"] for r in result["rows"] for run in r["runs"])
    usual = max(where, key=where.get)
    spent = [run["cpu_seconds"] for run in row["runs"] if run["machine"] == usual]
    return stats.fmean(spent or [run["cpu_seconds"] for run in row["runs"]]), bool(spent)


def student_t(freedom: int, share: float) -> float:
    """The t that such a share of Student's distribution lies below."""
    from scipy.special import stdtrit  # imported by who asks for an interval

    return float(stdtrit(freedom, share))


def paired(values: dict[int, float], baseline: dict[int, float]) -> tuple[float, float] | None:
    """Mean difference over the seeds that both have, and half the width of its 95 % t-interval.

    None for fewer than two common seeds: nothing can be said then.
    """
    differences = [values[seed] - baseline[seed] for seed in sorted(values.keys() & baseline)]
    n = len(differences)
    if n < 2:
        return None
    half = student_t(n - 1, 0.975) * stats.stdev(differences) / n**0.5
    return stats.fmean(differences), half


def by_seed(row: dict[str, Any], name: str = "test_accuracy") -> dict[int, float]:
    return {run["seed"]: run[name] for run in row["runs"]}
