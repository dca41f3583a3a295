"""What a trained network has cost: accuracy against seconds, forward passes and joules.

All of it is computed from stored results. Seconds are of one thread of a processor. Joules are no
measurement, and nothing of memory, noise, optimiser or an evolution strategy's update is in them:

    ops    = events · n_1 + Σ_l spikes_l · n_{l+1}         synapses that a recording moves
    joules = recordings · ops · (passes · 0.9 pJ + macs · steps · 4.6 pJ)

with the events of a real recording (results/recordings.json; simulated ones are taken to have as
many), the trained network's spikes, `recordings` in a batch, and the costs of ``energy.py``: an
accumulate for every synapse and forward pass, a member's whole pass included, and what a step does
backwards: two multiply-accumulates for each of these synapses where errors go back through the
layers (BPTT, LocalZO), one where they arrive by a matrix of their own (OPZO), none in evolution.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from course_lib import estimators
from course_lib.energy import JOULES_PER_AC, JOULES_PER_MAC
from course_lib.results import load, processor_seconds
from course_lib.run.figures import COLOURS, METHOD_COLOURS, series

ONE, TWO = "2312-256-10", "2312-200-200-10"
#: panel → study, group, label, and what the picture calls it; the first is what others are beside
POINTS = {
    "simulated recordings": (
        ("headline", "some minutes", "BPTT", "BPTT"),
        ("methods", ONE, "LocalZO, δ 0.5, m 5", "LocalZO"),
        ("methods", ONE, "OPZO, mirrored noise", "OPZO"),
        ("eggroll", "3,600 generations", "rank 1", "EGGROLL, the paper's readout"),
        ("headline", "about a minute", "EGGROLL", "EGGROLL"),
        ("headline", "about a minute", "smooth factors, 1.4 pixels", "smooth EGGROLL"),
        ("headline", "some minutes", "projected factors", "projected EGGROLL"),
        ("methods", ONE, "full-rank ES", "full-rank ES"),
    ),
    "real recordings": (
        ("real-headline", "twice as long", "BPTT", "BPTT"),
        ("real-methods", TWO, "LocalZO, δ 0.5, m 5", "LocalZO"),
        ("real-methods", TWO, "OPZO, mirrored noise", "OPZO"),
        ("real-headline", "about a minute", "EGGROLL", "EGGROLL"),
        ("real-methods", TWO, "full-rank ES", "full-rank ES"),
        ("real-headline", "twice as long", "smooth factors, 1.4 pixels", "smooth EGGROLL"),
        ("real-headline", "twice as long", "projected factors", "projected EGGROLL"),
    ),
}
#: what the paper's question of rank is about, on the clock: panel → study and group, and the rows
RANKS = {"simulated recordings": ("methods", ONE), "real recordings": ("real-methods", TWO)}
RANKED = ("EGGROLL, rank 1", "EGGROLL, rank 2", "EGGROLL, rank 4", "EGGROLL, rank 8",
          "full-rank ES")  # fmt: skip
LEVEL = 0.65  # a validation accuracy that all of them reach
STUDIES = tuple(dict.fromkeys(study for rows in POINTS.values() for study, *_ in rows))
EVOLUTION = ("eggroll", "smooth", "projected", "es")
MACS = {"bptt": 2, "localzo": 2, "opzo": 1}
AXES = {
    "seconds": "processor seconds", "passes": "forward passes of a batch",
    "joules": "joules, estimated",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A row of a study: its name in the picture, its method, accuracies of its seeds, its costs."""

    name: str
    method: str
    accuracies: np.ndarray
    seconds: float
    passes: float
    joules: float

    @property
    def accuracy(self) -> float:
        return float(self.accuracies.mean())


def points(read=load) -> dict[str, list[Point]]:
    """By panel. read: name of a study → its results; a study that has none yet is left out.

    Raises FileNotFoundError if a panel's first row has no results.
    """
    events, found = read("recordings")["events"]["mean"], {}
    for panel, wanted in POINTS.items():
        found[panel] = []
        for study, group, label, name in wanted:
            try:
                result = read(study)
            except FileNotFoundError:
                if not found[panel]:
                    raise
                continue
            row = next(r for r in result["rows"] if (r["group"], r["label"]) == (group, label))
            found[panel].append(point(row, result, name, events))
    return found


def point(row: dict, result: dict, name: str, events: float) -> Point:
    """events: of a recording. The costs of a row, as the formulas above have them."""
    smooth = row["options"].get("smooth")  # as runs before December 2026 have it
    method, summary = "smooth" if smooth else row["method"], row["summary"]
    default = estimators.METHODS[method].defaults["any"]["batch_size"]
    batch = result["settings"].get("batch_size", default)
    passes = summary["forward_passes"]["mean"]
    sent = [events, *summary["spikes"][:-1]]
    ops = sum(n * fan for n, fan in zip(sent, row["sizes"][1:], strict=True))
    each = passes * JOULES_PER_AC + MACS.get(method, 0) * row["steps"] * JOULES_PER_MAC
    return Point(
        name, method, np.array([run["test_accuracy"] for run in row["runs"]]),
        processor_seconds(row, result)[0], passes, batch * ops * each,
    )  # fmt: skip


def told(found: dict[str, list[Point]]) -> list[str]:
    """A sentence a panel: the best evolution strategy beside BPTT, in points and in costs."""
    lines = []
    for panel, (first, *others) in found.items():
        best = max((p for p in others if p.method in EVOLUTION), key=lambda p: p.accuracy)
        apart = 100 * (first.accuracy - best.accuracy)
        ratios = [getattr(best, cost) / getattr(first, cost) for cost in AXES]
        near = [
            p.name for p in others if p.method in EVOLUTION
            and first.accuracy - p.accuracy <= 0.01 and p.seconds <= 10 * first.seconds
        ]  # fmt: skip
        lines.append(
            f"On {panel} {best.name} comes nearest to {first.name} among the evolution strategies "
            f"shown: {100 * best.accuracy:.1f} against {100 * first.accuracy:.1f} %, "
            f"{apart:.1f} points apart, for {number(ratios[0])} times its processor seconds, "
            f"{number(ratios[1])} times its forward passes and {number(ratios[2])} times its "
            "estimated joules. Within one point at no more than ten times the seconds: "
            f"{', '.join(near) or 'none'}."
        )
    return lines


def number(value: float) -> str:
    """With two digits that count, and no exponent."""
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"


def figure(found: dict[str, list[Point]]) -> Figure:
    """A line of panels for each kind of recordings, a column for each cost."""
    made = Figure(figsize=(10.4, 3.1 * len(found)))
    grid = made.subplots(len(found), len(AXES), sharey="row", sharex="col", squeeze=False)
    for ax, xlabel in zip(grid[-1], AXES.values(), strict=True):
        ax.set(xscale="log", xlabel=xlabel)
    for line, (panel, row) in zip(grid, found.items(), strict=True):
        for ax, cost in zip(line, AXES, strict=True):
            for each in row:
                look = series(list(METHOD_COLOURS).index(each.method))
                filled = "none" if "paper" in each.name else METHOD_COLOURS[each.method]
                low, high = 100 * each.accuracies.min(), 100 * each.accuracies.max()
                x, middle = getattr(each, cost), 100 * each.accuracy
                ax.errorbar(x, middle, [[middle - low], [high - middle]], label=each.name,
                            color=METHOD_COLOURS[each.method], marker=look["marker"],
                            markerfacecolor=filled, linestyle="none", capsize=2)  # fmt: skip
            ax.axhline(100 * row[0].accuracy - 1, color=COLOURS["black"], linewidth=0.8,
                       linestyle=":")  # fmt: skip
        line[0].set(ylabel=f"{panel}\ntest accuracy (%)")
    grid[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return made


def curves(read=load) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Panel → row → processor seconds (K,) and validation accuracies (K,): means over its seeds.

    Seconds are a run's own, shared out evenly over its steps.
    """
    found = {}
    for panel, (study, group) in RANKS.items():
        result = read(study)
        rows = {row["label"]: row for row in result["rows"] if row["group"] == group}
        found[panel] = {}
        for label in RANKED:
            seen = np.array([run["curve"] for run in rows[label]["runs"]]).mean(axis=0)
            each = processor_seconds(rows[label], result)[0] / rows[label]["steps"]
            found[panel][label] = each * seen[:, 0], seen[:, 1]
    return found


def until(seconds: np.ndarray, accuracies: np.ndarray, level: float = LEVEL) -> float:
    """Seconds until a rising curve reaches a level, on straight lines; NaN if it never does."""
    after = int(np.argmax(accuracies >= level))
    if accuracies[after] < level:
        return float("nan")
    before = max(after - 1, 0)
    pair = [before, after]
    return float(np.interp(level, accuracies[pair], seconds[pair]))


def on_the_clock(found) -> Figure:
    """Validation accuracy against processor seconds, a panel for each kind of recordings."""
    made = Figure(figsize=(9, 3.2))
    axes = made.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for ax, (panel, rows) in zip(axes, found.items(), strict=True):
        for index, (label, (seconds, accuracies)) in enumerate(rows.items()):
            ax.plot(seconds, 100 * accuracies, label=label, **series(index))
        ax.set(xscale="log", xlabel=AXES["seconds"], title=panel)
    axes[0].set(ylabel="validation accuracy (%)")
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return made
