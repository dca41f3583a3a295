"""Contestants, interleaved: machines are noisy, and neighbours in time are not.

Every repeat runs each contestant once; what is reported are ratios, each the median over repeats of
the two times of one repeat.
"""

import statistics
import time
from collections.abc import Callable


class Table(dict):
    """Median seconds by contestant, and the text to print in place of the general table."""

    text = ""


class Times:
    """Seconds of each contestant, one number a repeat."""

    def __init__(self, contestants: dict[str, Callable[[], object]], repeats: int):
        """Every contestant is run once before the clock starts."""
        for run in contestants.values():
            run()
        self.seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(repeats):
            for name, run in contestants.items():
                start = time.perf_counter()
                run()
                self.seconds[name].append(time.perf_counter() - start)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def medians(self) -> dict[str, float]:
        return {name: self.median(name) for name in self.seconds}

    def ratio(self, slow: str, fast: str) -> float:
        """How many times longer ``slow`` takes."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return statistics.median(a / b for a, b in pairs)


def interleaved(contestants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each contestant."""
    return Times(contestants, repeats).medians()


def row(text: str, value: float, unit: str, bar: float | None = None, at_most: bool = False) -> str:
    """One line of a table: what, how much, and whether it meets its bar."""
    line = f"  {text:62s}{value:9.2f} {unit:3s}"
    if bar is None:
        return line.rstrip()
    met = value <= bar if at_most else value >= bar
    return f"{line} (bar: {'≤' if at_most else '≥'} {bar:g}{'' if met else ', missed'})"
