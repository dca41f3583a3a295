"""Pictures of a population shared among processes: what travels, and how far it goes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from course_lab.picture import Moving, moving
from course_lib.run.figures import COLOURS, METHOD_COLOURS, new_figure, png, series

SCRIPT = Path(__file__).with_name("messages.js")
GENERATIONS, MOMENTS = 3, 18
#: bytes that each of four workers receives in a generation of 1,024 members, and of a gradient's
#: ring all-reduce, for 2312-256-10: data/results/scaling.json
FITNESS_BYTES, GRADIENT_BYTES = 3096, 3568188
BLOCK = 51.0  # pixels of a gradient's message; the area is the number of bytes
ALT = (
    "Two groups of four workers, each joined to the three others. All hold the same weights, a "
    "small coloured pattern. Left, evolution: every worker fills in four bars, the fitness of its "
    "own members; specks of hardly a pixel fly to the others; then each has all sixteen bars and "
    "the pattern changes in all four in the same way. Right, backprop: every worker works, then "
    f"squares fly that are 1,152 times as large. After {GENERATIONS} generations each worker has "
    f"received {GENERATIONS * FITNESS_BYTES:,} bytes on the left and "
    f"{GENERATIONS * GRADIENT_BYTES:,} on the right."
)


def messages(seed: int = 0) -> Moving:
    """Four workers share a population, four others a batch; messages are drawn to scale."""
    rng = np.random.default_rng(seed)
    fitness = rng.uniform(0.15, 1, (GENERATIONS, 16)).round(2)
    weights = rng.uniform(-1, 1, (GENERATIONS + 1, 16)).round(2)
    speck = BLOCK * (FITNESS_BYTES / GRADIENT_BYTES) ** 0.5
    panels = [
        {
            "name": "evolution: fitness travels", "colour": METHOD_COLOURS["eggroll"],
            "size": round(speck, 2), "bytes": FITNESS_BYTES,
            "works": "each tries its own members", "sends": "each tells the others its numbers",
            "steps": "all make the noise again, take one step",
        },
        {
            "name": "backprop: gradients travel", "colour": METHOD_COLOURS["bptt"],
            "size": BLOCK, "bytes": GRADIENT_BYTES,
            "works": "each runs its part of the batch", "sends": "each sends a gradient",
            "steps": "all add the gradients up, take one step",
        },
    ]  # fmt: skip
    data = {"generations": GENERATIONS, "moments": MOMENTS, "fitness": fitness.tolist(),
            "weights": weights.tolist(), "panels": panels}  # fmt: skip
    return moving(SCRIPT, data, _still(panels), ALT)


def _still(panels: Sequence[Mapping]) -> bytes:
    """Four workers on either side and the messages half-way between two of them, as PNG."""
    figure, axes = new_figure(1, 2, 8.4, 2.8)
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)])
    for ax, panel in zip(axes, panels, strict=True):
        for a in corners:
            for b in corners:
                ax.plot(*zip(a, b, strict=True), color=COLOURS["black"], linewidth=0.5)
                ax.plot(*(a + (b - a) * 0.35), "s", markersize=panel["size"] / 3,
                        color=panel["colour"], alpha=0.6)  # fmt: skip
        ax.plot(*corners.T, "s", markersize=30, color=COLOURS["black"])
        ax.set_axis_off()
        ax.set(title=panel["name"], xlim=(-0.3, 1.3), ylim=(-0.3, 1.3))
    return png(figure)


def together(ax: Axes, rows: Mapping[str, Sequence[float]], ylabel: str) -> Axes:
    """What became of workers that learn together, by generation: ``{"label": (n,), …}``."""
    for index, (label, values) in enumerate(rows.items()):
        ax.plot(range(1, len(values) + 1), values, label=label, **series(index) | {"markersize": 4})
    ax.set(xlabel="generation", ylabel=ylabel)
    ax.legend()
    return ax
