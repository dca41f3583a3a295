"""What a difference between two rows says: seeds and recordings are both a sample.

All runs of a study answer the same R test recordings, and each row has S seeds. With d_sr = 1, 0 or
−1, whether the row alone is right, both or neither are, or the first row of its group alone is, the
difference is the mean of d over seeds and recordings. Its variance is at most

    SE² = var(d̄_s)/S + var(d̄_r)/R,

with the means over recordings of each seed and over seeds of each recording. (What is neither the
seed's nor the recording's is in both terms, so the variance is a little too large and never too
small. Resampling both, Owen's "pigeonhole bootstrap" of 2007, gives the same.) Student's t takes
Satterthwaite's degrees of freedom.

Runs stored before 2026-12 do not say which recordings they got right. Then var(d̄_r) is taken to be
p(1 − p) + q(1 − q), with the two accuracies p and q, as if the two networks erred independently.
That is an upper bound where they err on the same hard recordings, which they do.

"ahead" and "behind" survive Holm's correction (1979) for all comparisons of their page.
"""

import math
import statistics
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtr

from course_lib.results import by_seed, student_t

#: chance of any wrong "ahead" or "behind" on a page
LEVEL = 0.05


class Comparison(NamedTuple):
    """mean: difference of accuracies;  se: its standard error;  freedom: degrees of it."""

    mean: float
    se: float
    freedom: int

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval."""
        return student_t(self.freedom, 0.975) * self.se

    @property
    def p(self) -> float:
        """Chance of a difference at least so large where there is none."""
        if not self.se:
            return float(self.mean == 0)
        return 2 * float(stdtr(self.freedom, -abs(self.mean) / self.se))


def packed(right: np.ndarray) -> str:
    """(R,) booleans → text that a JSON keeps: eight recordings in two hexadecimal digits."""
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, recordings: int) -> np.ndarray:
    """(R,) whole numbers 0 and 1, from what ``packed`` gave."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:recordings].astype(int)


def only(result: dict[str, Any], kept: np.ndarray) -> dict[str, Any] | None:
    """The results as if the test set were the recordings ``kept``, (R,) booleans.

    None if a run does not say which recordings it got right.
    """
    rows = []
    for row in result["rows"]:
        if not all("right" in run for run in row["runs"]):
            return None
        runs = []
        for run in row["runs"]:
            right = unpacked(run["right"], len(kept))[kept].astype(bool)
            runs.append(run | {"test_accuracy": right.mean().item(), "right": packed(right)})
        values = [run["test_accuracy"] for run in runs]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        accuracy = {"mean": statistics.fmean(values), "sd": deviation}
        summary = {"n": len(runs), "test_accuracy": accuracy}
        rows.append(row | {"runs": runs, "summary": summary})
    sizes = result["data"]["recordings"].split(" / ")[:2]
    data = {"recordings": " / ".join([*sizes, f"{kept.sum():,}"])}
    return {"rows": rows, "columns": [], "data": data}


def halves(result: dict[str, Any]) -> tuple[dict, dict] | None:
    """``only`` of the test recordings that the simulator was fitted to, and of the others; None
    where it was fitted to none, or where runs do not say enough."""
    if "fitted" not in result["data"]:
        return None
    fitted = unpacked(result["data"]["fitted"], recordings_of(result, "test_accuracy")).astype(bool)
    parts = only(result, fitted), only(result, ~fitted)
    return parts if all(parts) else None


def compare(row: dict, first: dict, recordings: int, name="test_accuracy") -> Comparison | None:
    """The row minus the first one, paired by seed; None for fewer than two common seeds.

    recordings: in the set that ``name`` is an accuracy of.
    """
    values, baseline = by_seed(row, name), by_seed(first, name)
    seeds = sorted(values.keys() & baseline)
    if len(seeds) < 2:
        return None
    differences = [values[seed] - baseline[seed] for seed in seeds]
    mean, of_seeds = statistics.fmean(differences), statistics.variance(differences) / len(seeds)
    bits = [{run["seed"]: run.get("right") for run in each["runs"]} for each in (row, first)]
    if name == "test_accuracy" and all(which[seed] for which in bits for seed in seeds):
        right = [[unpacked(which[seed], recordings) for seed in seeds] for which in bits]
        among = np.subtract(*right).mean(axis=0).var(ddof=1)
    else:
        among = sum(p * (1 - p) for p in (statistics.fmean(each[seed] for seed in seeds)
                                          for each in (values, baseline)))  # fmt: skip
    of_recordings = float(among) / recordings
    variance = of_seeds + of_recordings
    if variance == 0:
        return Comparison(mean, 0.0, 1)
    shares = of_seeds**2 / (len(seeds) - 1) + of_recordings**2 / (recordings - 1)
    return Comparison(mean, math.sqrt(variance), math.floor(variance**2 / shares))


def first_of(row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The row that others of its group are compared with."""
    return next(other for other in result["rows"] if other["group"] == row["group"])


def recordings_of(result: dict[str, Any], name: str) -> int:
    """How many the set has: "4,000 / 500 / 500" are those of training, validation and test."""
    place = {"validation_accuracy": 1, "test_accuracy": 2}[name]
    return int(result["data"]["recordings"].split(" / ")[place].replace(",", ""))


def versus_first(row, result, name="test_accuracy") -> Comparison | None:
    """``compare`` with the first row of the group; None for that row itself."""
    first = first_of(row, result)
    if first["label"] == row["label"]:
        return None
    return compare(row, first, recordings_of(result, name), name)


def holm(chances: list[float], level: float = LEVEL) -> list[bool]:
    """Which of k comparisons stand: in order of their chance p, while p ≤ level / those left."""
    ranked = sorted(range(len(chances)), key=chances.__getitem__)
    stands = [False] * len(chances)
    for place, number in enumerate(ranked):
        if chances[number] > level / (len(chances) - place):
            break
        stands[number] = True
    return stands


def verdicts(result: dict[str, Any], name: str = "test_accuracy") -> dict[tuple[str, str], str]:
    """(group, label) → "ahead", "behind", "no difference shown" or "one run only"."""
    found = {(row["group"], row["label"]): versus_first(row, result, name)
             for row in result["rows"] if row is not first_of(row, result)}  # fmt: skip
    known = {key: each for key, each in found.items() if each is not None}
    stands = holm([each.p for each in known.values()])
    told = dict.fromkeys(found, "one run only")
    for (key, each), shown in zip(known.items(), stands, strict=True):
        told[key] = ("ahead" if each.mean > 0 else "behind") if shown else "no difference shown"
    return told


def percent(summary: dict[str, float]) -> str:
    """Mean ± standard deviation of a fraction, in %; one run has no deviation."""
    mean, deviation = 100 * summary["mean"], summary["sd"]
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {100 * deviation:.1f}"


def signed(value: float, digits: int = 1) -> str:
    """+1.2 or −1.2, with a real minus sign; 0.0 has none."""
    text = f"{value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def difference(row, result, name="test_accuracy") -> str:
    """That in points, as text."""
    found = versus_first(row, result, name)
    if found is None:
        return "–"
    mean, half = 100 * found.mean, 100 * found.half
    return f"{signed(mean)} ({signed(mean - half)} to {signed(mean + half)})"
