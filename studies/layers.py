"""The kind "layers": how many neurons fire, and how many take part in the backward pass, in each
layer over training."""

import copy
import statistics
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from course_lib.estimators.surrogate import Watched
from course_lib.evaluation import evaluate
from course_lib.events import Splits
from course_lib.results import groups
from course_lib.run.figures import series
from course_lib.schedule import draw_batch
from studies.inference import packed, percent
from studies.measure import circumstances
from studies.plan import Job
from studies.tables import grid

NOTE = (
    "Sparse: share in % of (time, sample, neuron) entries whose spike derivative is exactly zero, "
    "so that nothing goes back through them, on the step's own batch; fired: share that spiked. "
    "Layers 1 and 2 are the convolutions; steps as named. Accuracy: of the test set in %, mean ± "
    "sample standard deviation over n seeds. LocalZO: δ 0.5, m 5; BPTT: fast sigmoid, which is "
    "nowhere zero. TET: λ 0.05."
)


def follow(
    job: Job, splits: Splits, folder: Path, look=None, shares=(0, 0.1, 0.25, 0.5, 1)
) -> dict[str, Any]:
    """One run, which is looked at after these shares of its steps. ``folder`` stays empty.

    look: (a copy of the network, estimator, frames, labels, step, splits) → a list of what is seen.
    """
    config = job.config
    torch.set_num_threads(config.threads)
    network, estimator, looks = config.network(), config.estimator(), []
    optimizer = config.optimizer(network)
    look, at = look or fired, {round(config.steps * share) for share in shares}
    for step in range(config.steps + 1):
        frames, labels = draw_batch(
            splits.train, step, config.batch_size, config.seed, config.shift
        )
        if step in at:
            looks += look(copy.deepcopy(network), estimator, frames, labels, step, splits)
        if step < config.steps:
            config.set_rates(optimizer, step, 0.0)
            estimator.fill_grads(network, frames, labels, step)
            optimizer.step()
    test = evaluate(network, splits.test)
    return {
        "seed": config.seed, "test_accuracy": test.accuracy, "right": packed(test.right.numpy()),
        "layers": looks,
    } | circumstances()  # fmt: skip


def fired(network, estimator, frames, labels, step: int, splits) -> list[dict[str, float]]:
    """Of each hidden layer, the shares that fired and whose derivative is zero."""
    watched, hidden = Watched(estimator.spike(step)), len(network.layers) - 1
    activity = network.record(frames, spike=watched)
    return [
        {"step": step, "layer": layer, "fired": round(done.spikes.mean().item(), 5),
         "sparse": round(1 - share, 5)}
        for layer, (done, share) in enumerate(
            zip(activity, watched.shares(hidden), strict=False), 1)
    ]  # fmt: skip


def mean(row: dict[str, Any], step: int, layer: int, name: str) -> float:
    return statistics.fmean(
        look[name] for run in row["runs"] for look in run["layers"]
        if (look["step"], look["layer"]) == (step, layer)
    )  # fmt: skip


def axes_of(row: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Steps that were looked at, and layers."""
    looks = row["runs"][0]["layers"]
    return sorted({look["step"] for look in looks}), sorted({look["layer"] for look in looks})


def body(result: dict) -> str:
    parts = []
    for rows in groups(result).values():
        steps, layers = axes_of(rows[0])
        shown = [(n, la, s) for n in ("sparse", "fired") for la in layers
                 for s in (steps[0], steps[-1])]  # fmt: skip
        cells = [
            [row["label"], str(len(row["runs"])), percent(row["summary"]["test_accuracy"]),
             *(f"{100 * mean(row, s, la, n):.1f}" for n, la, s in shown)]
            for row in rows
        ]  # fmt: skip
        headings = [f"{n}, layer {la}, step {s}" for n, la, s in shown]
        parts.append(grid(["", "n", "accuracy", *headings], cells))
    return "\n\n".join([*parts, NOTE])


def figure(result: dict) -> Figure:
    """Share of zero derivatives over training, a panel for each layer."""
    steps, layers = axes_of(result["rows"][0])
    made = Figure(figsize=(3.8 * len(layers), 4.0))
    axes = made.subplots(1, len(layers), squeeze=False, sharey=True)[0]
    for ax, layer in zip(axes, layers, strict=True):
        for place, row in enumerate(result["rows"]):
            values = [100 * mean(row, step, layer, "sparse") for step in steps]
            ax.plot(steps, values, label=row["label"], markersize=4, **series(place))
        ax.set(title=f"layer {layer}", xlabel="step", ylim=(-4, 104))
    axes[0].set_ylabel("derivatives that are zero (%)")
    handles, names = axes[0].get_legend_handles_labels()
    made.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9)
    return made


def _told(row: dict[str, Any]) -> str:
    steps, layers = axes_of(row)
    shares = " and ".join(f"{100 * mean(row, steps[-1], la, 'sparse'):.0f} %" for la in layers)
    return f"{row['label']} {shares}"


def alt(result: dict) -> str:
    told = "; ".join(map(_told, result["rows"]))
    return (
        "Share of spike derivatives that are exactly zero, over training, a panel for each "
        f"convolution. At the last step, layer by layer: {told}."
    )


def answers(result: dict[str, Any]) -> list[str]:
    """One sentence: the shares at the last step, layer by layer."""
    steps, _ = axes_of(result["rows"][0])
    told = "; ".join(map(_told, result["rows"]))
    return [f"**Step {steps[-1]}.** Derivatives that are zero, layer by layer: {told}."]
