"""Contestants, interleaved: machines are noisy, and neighbours in time are not.

Every repeat times each contestant once; what is reported are ratios, each the median over repeats
of the two times of one repeat. A brief contestant runs twice, and its second run is timed: steps of
a training follow upon themselves, with their numbers in the caches and their threads awake, and not
upon another contestant.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

#: seconds up to which a contestant is brief
BRIEF = 0.25


class Line(str):
    """A line of a table, and the figure that it shows."""

    figure: dict[str, Any]


class Table(dict):
    """Median seconds by contestant, and what to print in place of the general table.

    figures: one for each ``Line``: ``setting`` (the heading above it), ``what``, ``value``,
             ``unit``, ``bar`` (None: there is none) and ``at_most``, the bar's side.
    """

    text = ""
    figures: Sequence[dict[str, Any]] = ()

    def show(self, lines: Sequence[str]) -> "Table":
        """Take over the lines; returns itself. What is not indented is a heading."""
        self.text, self.figures, setting = "\n".join(lines), [], ""
        for line in lines:
            if isinstance(line, Line):
                self.figures.append({"setting": setting, **line.figure})
            elif not line.startswith(" "):
                setting = line
        return self


def seconds_of(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


class Times:
    """Seconds of each contestant, one number a repeat."""

    def __init__(self, contestants: dict[str, Callable[[], object]], repeats: int):
        """Every contestant is run once before the clock starts."""
        took = {name: seconds_of(run) for name, run in contestants.items()}
        self.seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(repeats):
            for name, run in contestants.items():
                if took[name] < BRIEF:
                    run()
                took[name] = seconds_of(run)
                self.seconds[name].append(took[name])

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def medians(self) -> dict[str, float]:
        return {name: self.median(name) for name in self.seconds}

    def ratio(self, slow: str, fast: str) -> float:
        """How many times longer ``slow`` takes."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return statistics.median(a / b for a, b in pairs)


def row(
    text: str, value: float, unit: str, bar: float | None = None, at_most: bool = False
) -> Line:
    """One line of a table: what, how much, and whether it meets its bar."""
    line = f"  {text:62s}{value:9.2f} {unit:3s}".rstrip()
    if bar is not None:
        missed = "" if meets(value, bar, at_most) else ", missed"
        line = f"{line:77s} (bar: {'≤' if at_most else '≥'} {bar:g}{missed})"
    line = Line(line)
    line.figure = dict(what=text.strip(), value=value, unit=unit, bar=bar, at_most=at_most)
    return line


def meets(value: float, bar: float, at_most: bool) -> bool:
    return value <= bar if at_most else value >= bar
