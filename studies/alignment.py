"""The kind "alignment": each method's gradient beside backpropagation's, while a network learns.

A network is trained along a path, by BPTT or by the method itself, and at some of its steps the
gradients of others are compared with that of BPTT at the same weights, on one fixed batch: see
``course_lib.alignment``.
"""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from course_lib.alignment import LayerAlignment, alignment
from course_lib.estimators.base import Estimator
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.events import FrameSet, Splits
from course_lib.network import SpikingNetwork
from course_lib.results import groups
from course_lib.run.figures import series
from course_lib.schedule import DECAYS, draw_batch
from studies.declared import SLOPE
from studies.measure import circumstances
from studies.plan import Job
from studies.tables import grid, number

#: the fixed batch is the first recordings of the set; noise of these steps is used nowhere else
FIRST_STEP = 1_000_000


def look_on(
    network: SpikingNetwork,
    method: Estimator,
    data: FrameSet,
    steps: int = 100,
    at: Sequence[int] = (0, 10, 30, 100),
    *,
    path: str = "bptt",
    lr: float = 0.003,
    batch_size: int = 64,
    repeats: int = 10,
    seed: int = 0,
) -> Iterator[tuple[int, list[LayerAlignment]]]:
    """Train the network, in place, with Adam and a cosine decay; yields what the method would
    have done at the steps ``at``, with so many repeats of fresh noise: the step, and figures of
    each layer, the readout last.

    path: "bptt", backpropagation trains the network and the method looks on; or "own", the method
    trains it. What the method learns itself, it learns at every step, on either path.

    Raises ValueError for an unknown path.
    """
    if path not in ("bptt", "own"):
        raise ValueError(f"path is {path!r}; choose 'bptt' or 'own'")
    reference = SurrogateBPTT(slope=SLOPE)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    fixed = data.frames(range(batch_size)), data.labels[:batch_size]
    trainers = [reference if path == "bptt" else method]
    if path == "bptt" and method.state_dict():
        trainers.insert(0, method)
    for step in range(steps + 1):
        if step in at:
            yield step, alignment(network, method, *fixed, repeats, reference, FIRST_STEP)
        if step < steps:
            frames, labels = draw_batch(data, step, batch_size, seed)
            optimizer.param_groups[0]["lr"] = lr * DECAYS["cosine"](step / steps)
            for trainer in trainers:  # the last one's gradient is taken
                trainer.fill_grads(network, frames, labels, step)
            optimizer.step()


def follow(job: Job, splits: Splits, folder: Path) -> dict[str, Any]:
    """One run of the study: ``look_on`` with the row's settings. ``folder`` stays empty."""
    config = job.config
    torch.set_num_threads(config.threads)
    steps = config.steps
    at = sorted({0, *(round(steps * share) for share in (0.03, 0.1, 0.25, 0.5, 1.0))})
    looks = look_on(
        config.network(), config.estimator(), splits.train, steps, at,
        path=job.row.path, lr=config.lr, batch_size=config.batch_size, seed=config.seed,
    )  # fmt: skip
    return {
        "seed": config.seed,
        "alignment": [
            {"step": step, "layer": layer}
            | {name: _json(value) for name, value in figures._asdict().items()}
            for step, layers in looks for layer, figures in enumerate(layers, 1)
        ],
    } | circumstances()  # fmt: skip


def _json(value: float) -> float | None:
    """Four digits; None for a cosine with a gradient of length zero."""
    return None if value != value else float(f"{value:.4g}")


NOTE = (
    "\n\nCosine: of one step's gradient with that of BPTT at the same weights and for the same "
    "batch, mean over the noise of 10 steps and over n seeds; –: there is no gradient yet. Length: "
    "of the mean over 10 steps; variance: summed over a layer's weights; both at the last step, "
    "relative to BPTT's length and squared length. A method that is s times as long has s² times "
    "the variance that its direction deserves; Adam does not mind the length."
)


def mean_over_seeds(row: dict[str, Any], step: int, layer: int, name: str) -> float | None:
    """Mean of a figure at a step and layer over the seeds for which it exists."""
    values = [
        record[name]
        for run in row["runs"]
        for record in run["alignment"]
        if (record["step"], record["layer"]) == (step, layer) and record[name] is not None
    ]
    return statistics.fmean(values) if values else None


def axes_of(row: dict) -> tuple[list[int], list[int]]:
    """Steps that were measured, and hidden layers: the readout's gradient is the same for all."""
    records = row["runs"][0]["alignment"]
    return sorted({r["step"] for r in records}), sorted({r["layer"] for r in records})[:-1]


def body(result: dict) -> str:
    parts = []
    for group, rows in groups(result).items():
        steps, layers = axes_of(rows[0])
        shown, last = [steps[1], steps[len(steps) // 2], steps[-1]], steps[-1]
        headings = ["", "n"]
        headings += [f"cosine, layer {la}, step {step}" for la in layers for step in shown]
        headings += [f"{name}, layer {la}" for name in ("length", "variance") for la in layers]
        cells = [
            [row["label"], str(len(row["runs"]))]
            + [number(mean_over_seeds(row, s, la, "cosine"), ".2f") for la in layers for s in shown]
            + [number(mean_over_seeds(row, last, la, "scale"), ".2g") for la in layers]
            + [number(mean_over_seeds(row, last, la, "relative_variance"), ".1e") for la in layers]
            for row in rows
        ]
        parts += [f"## {group}", grid(headings, cells)]
    return "\n\n".join(parts) + NOTE


def figure(result: dict) -> Figure:
    """Cosine over training: a panel for each path and layer."""
    paths = groups(result)
    _, layers = axes_of(result["rows"][0])
    made = Figure(figsize=(3.4 * len(layers), 3.0 * len(paths) + 1.0))
    axes = made.subplots(len(paths), len(layers), squeeze=False, sharex=True, sharey=True)
    labels = list(dict.fromkeys(row["label"] for row in result["rows"]))
    for line, path in zip(axes, paths, strict=True):
        for ax, layer in zip(line, layers, strict=True):
            for row in paths[path]:
                steps, _ = axes_of(row)
                values = [mean_over_seeds(row, step, layer, "cosine") for step in steps]
                known = [(s, v) for s, v in zip(steps, values, strict=True) if v is not None]
                known = known or [(steps[0], float("nan"))]
                ax.plot(*zip(*known, strict=True), label=row["label"], markersize=4,
                        **series(labels.index(row["label"])))  # fmt: skip
            ax.set(title=f"{path}, layer {layer}", ylim=(-0.15, 1.05))
    for ax in axes[-1]:
        ax.set_xlabel("step")
    for ax in axes[:, 0]:
        ax.set_ylabel("cosine with BPTT")
    handles, names = axes[0][0].get_legend_handles_labels()
    made.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9)
    return made


def alt(result: dict) -> str:
    told = []
    for row in result["rows"]:
        steps, layers = axes_of(row)
        values = ", ".join(
            number(mean_over_seeds(row, steps[-1], layer, "cosine"), ".2f") for layer in layers
        )
        told.append(f"{row['group']}, {row['label']}: {values}")
    return (
        "Cosine of each method's gradient with that of BPTT over training, a panel for each path "
        "and layer. At the last step, layer by layer: " + "; ".join(told) + "."
    )


def answers(result: dict[str, Any]) -> list[str]:
    """A sentence a path: cosine with BPTT's gradient at the last step, layer by layer."""
    told = []
    for group, rows in groups(result).items():
        words = []
        for row in rows:
            steps, layers = axes_of(row)
            cosines = (mean_over_seeds(row, steps[-1], layer, "cosine") for layer in layers)
            shown = " and ".join("–" if c is None else f"{c:.2f}" for c in cosines)
            words.append(f"{row['label']} {shown}")
        told.append(f"**{group}, step {steps[-1]}.** Cosine by layer: {'; '.join(words)}.")
    return told
