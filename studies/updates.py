"""The kind "updates": loss, active share and speed-up of LocalZO and SparseGrad, over updates."""

import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from course_lib.events import Splits
from course_lib.results import groups
from course_lib.run.figures import series
from studies import layers
from studies.inference import percent
from studies.measure import speedup
from studies.plan import Job
from studies.tables import grid

SHARES = (0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)
SEEN = {
    "loss": "training loss", "active": "active entries (%)",
    "backward": "backward speed-up", "overall": "overall speed-up",
}  # fmt: skip
NOTE = (
    "Loss: of the step's own batch, in nats; active: share of (time, sample, neuron) entries whose "
    "spike derivative is not zero in that step; speed-ups: of the compiled kernel on the network "
    "as it is then, against the autograd loop with the expected surrogate, backward pass and both "
    "passes (ratios of medians, 256 recordings). From the first to the last step; accuracy: of the "
    "test set in %, mean ± sample standard deviation over n seeds."
)


def follow(job: Job, splits: Splits, folder: Path) -> dict[str, Any]:
    """One run; see ``layers.follow``."""
    return layers.follow(job, splits, folder, seen, SHARES)


def seen(network, estimator, frames, labels, step: int, splits: Splits) -> list[dict[str, float]]:
    loss = estimator.fill_grads(network, frames, labels, step)
    active = round(100 * estimator.active_fraction, 3)
    return [{"step": step, "loss": round(loss, 5), "active": active,
             **speedup(network, estimator, splits)}]  # fmt: skip


def curve(row: dict[str, Any], name: str) -> tuple[list[int], list[float]]:
    """Steps, and means over the seeds."""
    runs = [run["layers"] for run in row["runs"]]
    steps, at = [look["step"] for look in runs[0]], zip(*runs, strict=True)
    return steps, [statistics.fmean(look[name] for look in looks) for looks in at]


def body(result: dict) -> str:
    cells = []
    for row in result["rows"]:
        ends = [[curve(row, name)[1][end] for end in (0, -1)] for name in SEEN]
        cells.append([row["label"], str(len(row["runs"])), percent(row["summary"]["test_accuracy"]),
                      *(f"{first:.2f} → {last:.2f}" for first, last in ends)])  # fmt: skip
    return "\n\n".join([grid(["", "n", "accuracy", *SEEN.values()], cells), NOTE])


def figure(result: dict) -> Figure:
    """A panel for each of what is seen, over updates; of the first group alone, to be readable."""
    made = Figure(figsize=(9, 6.4))
    for ax, (name, label) in zip(made.subplots(2, 2).ravel(), SEEN.items(), strict=True):
        for place, row in enumerate(next(iter(groups(result).values()))):
            ax.plot(*curve(row, name), label=row["label"], markersize=4, **series(place))
        ax.set(xlabel="updates", ylabel=label)
        ax.set_ylim(bottom=0)
    handles, names = ax.get_legend_handles_labels()
    made.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9)
    return made


def _told(row: dict[str, Any]) -> str:
    loss, active, back, overall = (curve(row, name)[1][-1] for name in SEEN)
    return (f"{row['label']}: loss {loss:.2f}, {active:.1f} % active, "
            f"{back:.1f} times the backward and {overall:.1f} times the overall speed")  # fmt: skip


def alt(result: dict) -> str:
    told = "; ".join(map(_told, result["rows"]))
    return f"Four panels of curves over updates. At the end {told}."


def answers(result: dict[str, Any]) -> list[str]:
    """One sentence: all rows at the last step."""
    step = curve(result["rows"][0], "loss")[0][-1]
    return [f"**After {step} updates.** {'; '.join(map(_told, result['rows']))}."]
