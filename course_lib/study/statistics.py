"""The few statistics that the tables use. Accuracies are fractions, shown in %."""

import math
import statistics as stats
from collections import Counter
from typing import Any

MINUS = "−"


def percent(summary: dict[str, float]) -> str:
    """Mean ± standard deviation of a fraction, in %; one run has no deviation."""
    mean, deviation = 100 * summary["mean"], summary["sd"]
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {100 * deviation:.1f}"


def signed(value: float, digits: int = 1) -> str:
    """+1.2 or −1.2, with a real minus sign; 0.0 has none."""
    text = f"{value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)


def processor_seconds(row: dict[str, Any], result: dict[str, Any]) -> tuple[float, bool]:
    """Mean processor seconds of a row's runs on the machine that most of a study's runs were on.

    Of all its runs, and False, if none was there: then other rows cannot be compared with it.
    """
    where = Counter(run["machine"] for r in result["rows"] for run in r["runs"])
    usual = max(where, key=where.get)
    spent = [run["cpu_seconds"] for run in row["runs"] if run["machine"] == usual]
    return stats.fmean(spent or [run["cpu_seconds"] for run in row["runs"]]), bool(spent)


def paired(values: dict[int, float], baseline: dict[int, float]) -> tuple[float, float] | None:
    """Mean difference over the seeds that both have, and half the width of its 95 % t-interval.

    None for fewer than two common seeds: nothing can be said then.
    """
    from scipy.special import stdtrit

    differences = [values[seed] - baseline[seed] for seed in sorted(values.keys() & baseline)]
    n = len(differences)
    if n < 2:
        return None
    half = float(stdtrit(n - 1, 0.975)) * stats.stdev(differences) / n**0.5
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
    first = next(other for other in result["rows"] if other["group"] == row["group"])
    return (
        None if first["label"] == row["label"] else paired(by_seed(row, name), by_seed(first, name))
    )


def difference(row: dict[str, Any], result: dict[str, Any], name: str = "test_accuracy") -> str:
    """That in points, as text."""
    found = versus_first(row, result, name)
    if found is None:
        return "–"
    mean, half = 100 * found[0], 100 * found[1]
    return f"{signed(mean)} ({signed(mean - half)} to {signed(mean + half)})"
