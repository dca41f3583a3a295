"""Pictures of a population shared among processes: what travels, and how far it goes."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from course_lab.lines import lines
from course_lab.picture import Moving, moving
from course_lib.run.figures import COLOURS, METHOD_COLOURS, new_figure, png

SCRIPT = Path(__file__).with_name("messages.js")
GENERATIONS, MOMENTS = 3, 18
#: bytes that each of four workers receives in a generation of 1,024 members, and of a gradient's
#: ring all-reduce, for 2312-256-10: data/results/scaling.json
FITNESS_BYTES, GRADIENT_BYTES = 3096, 3568188
BLOCK = 51.0  # pixels of a gradient's message; the area is the number of bytes
ALT = (
    "Two groups of four workers, each joined to the three others. All hold the same weights, a "
    "small coloured pattern. Left, evolution: every worker fills in four bars, the fitness of its "
    "own members; specks of hardly a pixel, in circles, fly to the others; then each has all "
    "sixteen bars and the pattern changes in all four in the same way. Right, backprop: every "
    "worker works, then squares fly that are 1,152 times as large. After "
    f"{GENERATIONS} generations each worker has received {GENERATIONS * FITNESS_BYTES:,} bytes on "
    f"the left and {GENERATIONS * GRADIENT_BYTES:,} on the right."
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
    return moving(SCRIPT, data, _still(data), ALT)


def _still(data: Mapping) -> bytes:
    """The first generation's messages on their way, as messages.js draws them, as PNG."""
    ink, wide, tall = COLOURS["black"], 104, 62
    corners = np.array([(0, 0), (235, 0), (0, 186), (235, 186)])
    middles = corners + (wide / 2, tall / 2)
    figure, axes = new_figure(1, 2, 8.4, 3.4)
    for ax, panel in zip(axes, data["panels"], strict=True):
        size, colour = panel["size"], panel["colour"]
        for a, b in permutations(middles, 2):
            ax.plot(*zip(a, b, strict=True), color=ink, linewidth=0.5, alpha=0.2)
            place = a + 0.35 * (b - a)
            ax.add_patch(Rectangle(place - size / 2, size, size, color=colour, alpha=0.75,
                                   linewidth=0))  # fmt: skip
            if size < 4:
                ax.add_patch(Circle(place, 7, fill=False, edgecolor=ink, alpha=0.5))
        for worker, (x, y) in enumerate(corners):
            ax.add_patch(Rectangle((x, y), wide, tall, facecolor=ink, alpha=0.12))
            ax.add_patch(Rectangle((x, y), wide, tall, fill=False, edgecolor=ink, alpha=0.6))
            for k, value in enumerate(data["weights"][0]):
                place = x + wide - 40 + 9 * (k % 4), y + 17 + 9 * (k // 4)
                sign = COLOURS["orange" if value > 0 else "blue"]
                ax.add_patch(Rectangle(place, 8, 8, color=sign, alpha=abs(value), linewidth=0))
            bars = {x + 8: (44, 40)}  # how far a worker of the right has come: all its batch
            if size < 4:
                own = range(4 * worker, 4 * worker + 4)
                bars = {x + 6 + 3.3 * k: (2.6, 40 * data["fitness"][0][k]) for k in own}
            for left, (width, height) in bars.items():
                ax.add_patch(Rectangle((left, y + 52 - height), width, height, color=colour,
                                       linewidth=0))  # fmt: skip
        ax.text(0, 275, panel["sends"], color=ink)
        ax.set(title=panel["name"], xlim=(-2, 341), ylim=(278, -2), aspect="equal")
        ax.set_axis_off()
    return png(figure)


def together(ax: Axes, rows: Mapping[str, Sequence[float]], ylabel: str) -> Axes:
    """What became of workers that learn together, by generation: ``{"label": (n,), …}``."""
    generations = np.arange(1, 1 + max(map(len, rows.values())))
    lines(ax, generations, rows)
    ax.set(xlabel="generation", ylabel=ylabel)
    ax.legend()
    return ax
