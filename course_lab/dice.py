"""The moving picture of lesson 05: throws of a die, whom they reach, and what their boxes make."""

from pathlib import Path

import numpy as np
import torch

from course_lab.picture import Moving, moving
from course_lib.events import load_splits
from course_lib.network import SpikingNetwork
from course_lib.run.figures import COLOURS, METHOD_COLOURS, new_figure, png
from course_lib.schedule import draw_batch

SCRIPT = Path(__file__).with_name("dice.js")
NEURONS, THROWS, REACH, SIDE = 320, 400, 0.5, 2.05
ALT = (
    "Above, 320 dots on a line: hidden neurons at their distances from the threshold, most of them "
    "below it. With every throw of a die a window opens around the threshold, wide for a large "
    "number and narrow for a small one, and the dots inside light up. Below, each throw leaves a "
    "box as wide as its window, and as high as its number. The mean of the boxes is a rough "
    "staircase at first and a smooth bump around the threshold after 400 throws."
)


def distances(seed: int = 0) -> np.ndarray:
    """u = v − θ of hidden neurons of the untrained 2312-64-10 with 64 digits, at random moments;
    those within SIDE of the threshold, (NEURONS,)."""
    network = SpikingNetwork((2312, 64, 10), readout="membrane", weight_sd=(0.025, 0.01))
    frames, _ = draw_batch(load_splits(progress=False).train, 0, 64, seed=0)
    found = []

    def noting(distance):
        found.append(distance)
        return (distance > 0).to(distance.dtype)

    with torch.no_grad():
        network(frames, spike=noting)
    near = torch.stack(found).flatten()
    near = near[near.abs() < SIDE]
    some = torch.randperm(len(near), generator=torch.Generator().manual_seed(seed))[:NEURONS]
    return near[some].double().numpy().round(3)


def throw(seed: int = 5) -> Moving:
    """THROWS normal draws z, one after another, over the distances of real neurons."""
    u, z = distances(), np.random.default_rng(seed).standard_normal(THROWS).round(3)
    data = {"distances": u.tolist(), "throws": z.tolist(), "delta": REACH}
    return moving(SCRIPT, data, _still(u, z), ALT)


def _still(u: np.ndarray, z: np.ndarray) -> bytes:
    """The neurons, and the mean of 1, 10 and all boxes, as PNG."""
    figure, (above, below) = new_figure(2, 1, 7.2, 4.2, sharex=True)
    above.hist(u, bins=80, color=COLOURS["black"])
    above.set(ylabel="neurons", xlim=(-SIDE, SIDE))
    axis = np.linspace(-SIDE, SIDE, 801)
    for count, look in ((1, ":"), (10, "--"), (THROWS, "-")):
        size = np.abs(z[:count, None])
        mean = np.where(np.abs(axis) < REACH * size, size / (2 * REACH), 0).mean(axis=0)
        below.plot(axis, mean, look, color=METHOD_COLOURS["localzo"], label=f"mean of {count}")
    below.set(xlabel="distance to the threshold u = v − θ", ylabel="box, mean box")
    below.legend()
    return png(figure)
