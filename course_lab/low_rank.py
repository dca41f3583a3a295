"""Pictures of lesson 07: noise that grows rank by rank, memory, and the two brackets of EGGROLL."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from course_lab.picture import Moving, moving
from course_lib.run.figures import COLOURS, METHOD_COLOURS, new_figure, png

SCRIPT = Path(__file__).with_name("low_rank.js")
ROWS, COLUMNS, RANKS = 32, 48, 16
ALT = (
    "Two fields of 32 by 48 small squares, orange for positive and blue for negative numbers. The "
    "right one is full Gaussian noise, with no pattern. The left one is A Bᵀ/√r. At rank 1 it "
    "looks like a tartan cloth: the same stripes run through all rows and all columns. With every "
    "further rank the stripes fade, and at rank 16 it can hardly be told from the right one. Bars "
    "below count the random numbers drawn: 80 at rank 1, 1,280 at rank 16, and 1,536 on the right."
)


def growing(seed: int = 3) -> Moving:
    """A Bᵀ/√r of 32 × 48 from rank 1 to 16, beside a full matrix; played or scrubbed by rank."""
    rng = np.random.default_rng(seed)
    shapes = ((ROWS, RANKS), (COLUMNS, RANKS), (ROWS, COLUMNS))
    a, b, full = (rng.standard_normal(shape).round(2) for shape in shapes)
    data = {"rows": ROWS, "columns": COLUMNS, "ranks": RANKS,
            "a": a.tolist(), "b": b.tolist(), "full": full.tolist()}  # fmt: skip
    return moving(SCRIPT, data, _still(a, b, full), ALT)


def _still(a: np.ndarray, b: np.ndarray, full: np.ndarray) -> bytes:
    """Ranks 1, 4 and 16, and the full matrix, as PNG."""
    figure, axes = new_figure(1, 4, 10, 2.2)
    fields = {f"rank {r}": a[:, :r] @ b[:, :r].T / r**0.5 for r in (1, 4, RANKS)}
    fields["every number drawn"] = full
    for ax, (name, field) in zip(axes, fields.items(), strict=True):
        colours = np.where(field[..., None] > 0, to_rgb(COLOURS["orange"]), to_rgb("#0080C8"))
        strength = np.clip(np.abs(field[..., None]) / 2.2, 0, 1)  # as in low_rank.js
        ax.imshow(np.concatenate([colours, strength], axis=2), interpolation="nearest")
        ax.set(xticks=[], yticks=[], title=name)
        ax.grid(False)
    return png(figure)


def memory(ax: Axes, members, gigabytes: dict, budget: float) -> Axes:
    """GB of noise against the members of a population, a line a layer: ``{"2312 × 128": (n,)}``."""
    for (label, values), line in zip(gigabytes.items(), ("-", "--", ":"), strict=False):
        ax.plot(members, values, line, marker="o", color=METHOD_COLOURS["es"])
        ax.text(1.15 * members[-1], values[-1], label, color=METHOD_COLOURS["es"], va="center")
    ax.axhline(budget, color=COLOURS["purple"], linewidth=1.2)
    ax.text(members[-1], budget * 1.25, f"a laptop: {budget:g} GB", ha="right",
            color=COLOURS["purple"])  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="members N", ylabel="GB of noise a generation")
    ax.set_xticks(members, [f"{n:,}" for n in members])
    ax.minorticks_off()
    return ax


def brackets(ax: Axes) -> Axes:
    """Where the brackets are set: x (B Aᵀ) above, (x B) Aᵀ below; matrices have their shapes."""
    ax.set(xlim=(-0.1, 11.4), ylim=(0, 6.4))  # the first box keeps its left edge
    ax.axis("off")
    ink, noise, dense = (to_rgb(c) for c in (
        COLOURS["black"], METHOD_COLOURS["eggroll"], METHOD_COLOURS["es"]))  # fmt: skip
    rows, inputs, outputs, rank = 0.9, 2.3, 1.3, 0.16  # lengths on the page

    def line(parts, x, y):
        """Matrices (name, width, height, colour) and signs in a row, centred at y."""
        for part in parts:
            if isinstance(part, str):
                ax.text(x + 0.2, y, part, ha="center", va="center", color=ink, fontsize=17)
                x += 0.42
                continue
            name, width, height, colour = part
            box = (x, y - height / 2), width, height
            ax.add_patch(Rectangle(*box, facecolor=(*colour, 0.3), edgecolor=colour, linewidth=1.4))
            above = height / 2 + 0.22 if min(width, height) <= rank else 0
            ax.text(x + width / 2, y + above, name, ha="center", va="center", color=ink)
            x += width + 0.14
        return x

    x = ("x", inputs, rows, ink)
    a, b = ("Aᵀ", outputs, rank, noise), ("B", rank, inputs, noise)
    built, thin = ("BAᵀ", outputs, inputs, dense), ("xB", rank, rows, noise)
    for words, y, parts, told in (
        ("x (B Aᵀ)", 4.7, [x, "(", b, a, ")", "=", x, built], "as large as W,\none for each pair"),
        ("(x B) Aᵀ", 1.5, ["(", x, b, ")", a, "=", thin, a], "r numbers a row,\nand no matrix"),
    ):
        ax.text(0, y + 1.5, words, weight="bold", color=ink, va="center")
        end = line(parts, 0, y)
        ax.text(end + 0.15, y, told, color=ink, va="center", fontsize=10)
    return ax
