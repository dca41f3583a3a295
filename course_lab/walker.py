"""Two blindfolded walkers on a hillside, as a moving picture: guesses of a slope, one by one.

Both stand on the same slope and shout in random directions. The first hears one height a guess,
the second two (one on either side), and each guess becomes an arrow that says where down is. After
a few guesses a walker takes one step along the mean of the arrows. The browser draws, see
``walker.js``; where scripts do not run, a still takes its place.
"""

from pathlib import Path

import numpy as np

from course_lab.picture import Moving, moving
from course_lib.run.figures import COLOURS, new_figure, png

SCRIPT = Path(__file__).with_name("walker.js")
START, LEVEL, CURVATURE = (-2.7, 1.6), 2.0, np.array([0.5, 0.9])
SIGMA, GUESSES, STATIONS, STEP, SEED = 0.4, 12, 11, 0.3, 4
NAMES = ("one run a guess", "two runs a guess")


def height(place: np.ndarray) -> np.ndarray:
    """Of places (…, 2): a bowl whose lowest point, at the origin, is LEVEL high."""
    return LEVEL + (CURVATURE * place**2).sum(axis=-1) / 2


def walks() -> list[dict]:
    """For both walkers: places (STATIONS + 1, 2), random directions and the arrows that point down
    (STATIONS, GUESSES, 2 each). The directions are the same for both."""
    random = np.random.default_rng(SEED)
    directions = random.standard_normal((STATIONS, GUESSES, 2))
    both = []
    for name in NAMES:
        place, places, arrows = np.array(START), [np.array(START)], []
        for z in directions:
            if name == NAMES[0]:
                slope = height(place + SIGMA * z) / SIGMA
            else:
                slope = (height(place + SIGMA * z) - height(place - SIGMA * z)) / (2 * SIGMA)
            arrows.append(-slope[:, None] * z)
            mean = arrows[-1].mean(axis=0)
            place = place + STEP * mean / np.linalg.norm(mean)
            places.append(place)
        both.append({"name": name, "places": np.array(places), "arrows": np.array(arrows),
                     "directions": directions})  # fmt: skip
    return both


def walk() -> Moving:
    """The moving picture."""
    both = walks()
    ends = [np.linalg.norm(one["places"][-1]) for one in both]
    alt = (
        "Two walkers on the same hillside want to get down to the middle of a bowl. At every stop "
        f"each makes {GUESSES} random guesses, drawn as arrows, and takes one step along their "
        f"mean. After {STATIONS} steps the one with one run a guess stands {ends[0]:.1f} from the "
        f"lowest point, the one with two runs a guess {ends[1]:.1f}. Both began "
        f"{np.hypot(*START):.1f} away."
    )
    data = {
        "sigma": SIGMA, "curvature": CURVATURE.tolist(),
        "walks": [
            {key: value if key == "name" else value.round(3).tolist() for key, value in one.items()}
            for one in both
        ],
    }  # fmt: skip
    return moving(SCRIPT, data, still(both), alt)


def still(both: list[dict]) -> bytes:
    """Both ways, and the arrows of the first stop, as PNG."""
    figure, axes = new_figure(1, 2, width=7.2, height=3.2)
    grid = np.stack(np.meshgrid(np.linspace(-3.6, 3.6, 91), np.linspace(-3.2, 3.2, 81)), axis=-1)
    for ax, one in zip(axes, both, strict=True):
        ax.contour(grid[..., 0], grid[..., 1], height(grid), 9, colors=COLOURS["black"], alpha=0.4)
        ends = np.array(START) + 0.5 * one["arrows"][0]
        for x, y in ends:
            ax.plot([START[0], x], [START[1], y], color=COLOURS["sky"], linewidth=1)
        ax.plot(*one["places"].T, "o-", color=COLOURS["vermilion"], markersize=4)
        ax.plot(0, 0, "X", color=COLOURS["green"], markersize=9)
        ax.set(xlim=(-3.6, 3.6), ylim=(-3.2, 3.2), xticks=[], yticks=[], title=one["name"])
        ax.grid(False)
    return png(figure)
