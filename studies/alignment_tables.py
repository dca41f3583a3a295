"""Table, figure and words for results of the kind "alignment"."""

import statistics
from typing import Any

from matplotlib.figure import Figure

from course_lib.run.figures import series
from studies.tables import grid, number

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
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["group"] == group]
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
    paths = list(dict.fromkeys(row["group"] for row in result["rows"]))
    _, layers = axes_of(result["rows"][0])
    made = Figure(figsize=(3.4 * len(layers), 3.0 * len(paths) + 1.0))
    axes = made.subplots(len(paths), len(layers), squeeze=False, sharex=True, sharey=True)
    labels = list(dict.fromkeys(row["label"] for row in result["rows"]))
    for line, path in zip(axes, paths, strict=True):
        for ax, layer in zip(line, layers, strict=True):
            for row in [row for row in result["rows"] if row["group"] == path]:
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
