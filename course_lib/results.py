"""Stored results of studies, and the few statistics that tables and lessons take of them.

    load("methods")            # data/results/methods.json, which a study has written

Accuracies are fractions, shown in %.
"""

import json
import math
import re
import statistics as stats
from collections import Counter
from pathlib import Path
from typing import Any

from course_lib.energy import JOULES_PER_AC, JOULES_PER_MAC
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


def first_of(row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The row that others of its group are compared with."""
    return next(other for other in result["rows"] if other["group"] == row["group"])


def percent(summary: dict[str, float]) -> str:
    """Mean ± standard deviation of a fraction, in %; one run has no deviation."""
    mean, deviation = 100 * summary["mean"], summary["sd"]
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {100 * deviation:.1f}"


def signed(value: float, digits: int = 1) -> str:
    """+1.2 or −1.2, with a real minus sign; 0.0 has none."""
    text = f"{value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


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


def by_seed(row: dict[str, Any], name: str = "test_accuracy") -> dict[int, float]:
    return {run["seed"]: run[name] for run in row["runs"]}


def versus_first(
    row: dict[str, Any], result: dict[str, Any], name: str = "test_accuracy"
) -> tuple[float, float] | None:
    """``paired`` with the first row of the group; None for that row itself."""
    first = first_of(row, result)
    if first["label"] == row["label"]:
        return None
    return paired(by_seed(row, name), by_seed(first, name))


def difference(row: dict[str, Any], result: dict[str, Any], name: str = "test_accuracy") -> str:
    """That in points, as text."""
    found = versus_first(row, result, name)
    if found is None:
        return "–"
    mean, half = 100 * found[0], 100 * found[1]
    return f"{signed(mean)} ({signed(mean - half)} to {signed(mean + half)})"


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
