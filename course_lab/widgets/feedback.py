"""Lesson 08: noise and memory of OPZO's feedback. Runs as dots over bands of stored seeds.

Noise of ±1 (Rademacher) and double precision: the same numbers on every machine.
"""

import functools

import ipywidgets as ipw
import torch

from course_lab import feedback_figures
from course_lab.picture import new_figure, png
from course_lab.widgets import bands
from course_lab.widgets.sweep import Sweep, choice, log_slider, one_thread, slider
from course_lib.estimators.opzo import OPZO
from course_lib.events import coarse, load_splits
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style
from course_lib.schedule import draw_batch

STEPS, BATCH, HIDDEN, RATE, EVERY = 60, 64, 48, 0.003, 6
MOMENTA = (0.99, 0.999, 0.9, 0.0)
BAND = {
    f"λ = {momentum:g}": [
        (10**power, {"alpha": 10**power, "momentum": momentum})
        for power in (-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
    ]
    for momentum in MOMENTA
}


@functools.lru_cache(maxsize=256)
def run(alpha: float, momentum: float, seed: int) -> tuple[tuple[int, ...], tuple, float]:
    """Train 578-48-10 by OPZO: steps, cosines of M with the Jacobian there, and at the end the
    accuracy (0 to 1) on 500 unseen digits.

    The output is linear in the hidden spikes of its own step, so the Jacobian is W_out.
    seed: of the first weights, the batches and the noise.
    """
    network = SpikingNetwork(
        (578, HIDDEN, 10), readout="membrane", weight_sd=(0.035, 0.1), seed=seed
    ).double()
    estimator = OPZO(alpha=alpha, momentum=momentum, noise="rademacher", seed=seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    splits, steps, cosines = load_splits(progress=False), [], []
    with one_thread():
        for step in range(STEPS):
            frames, labels = draw_batch(splits.train, step, BATCH, seed=seed)
            estimator.fill_grads(network, coarse(frames).double(), labels, step)
            optimizer.step()
            if step == 0 or (step + 1) % EVERY == 0:
                truth = network.layers[1].weight.detach().T
                steps.append(step + 1)
                cosines.append(
                    torch.cosine_similarity(
                        estimator.feedback[0].flatten(), truth.flatten(), dim=0
                    ).item()
                )
        with torch.no_grad():
            right = network(unseen()).argmax(dim=1) == splits.test.labels
    return tuple(steps), tuple(cosines), right.double().mean().item()


@functools.cache
def unseen() -> torch.Tensor:
    """The test frames, coarse, in double precision."""
    return coarse(load_splits(progress=False).test.frames()).double()


def measure(values: dict, seed: int) -> float:
    """One run of the band. values: "alpha" α, "momentum" λ."""
    return run(values["alpha"], values["momentum"], seed)[2]


def dot(values: dict) -> tuple[str, float, float]:
    """The row of the band, α and the accuracy of one run."""
    return f"λ = {values['momentum']:g}", values["alpha"], measure(values, values["seed"])


def render_feedback(values: dict, visited=()) -> tuple[bytes, str, str]:
    """Accuracy against α, and how well M pointed on the way. values: "alpha" α, "momentum" λ,
    "seed" of the run."""
    row, alpha, accuracy = visited[-1] if visited else dot(values)
    steps, cosines, _ = run(alpha, values["momentum"], values["seed"])
    figure, (left, right) = new_figure(1, 2, width=9, height=3.5)
    with style():
        bands.draw(left, bands.load("feedback"), row, list(visited) or [(row, alpha, accuracy)])
        left.set(xscale="log", xlabel="noise scale α", ylim=(0, 100), title=row)
        feedback_figures.cosines(right, steps, {"M with the Jacobian": cosines})
        right.set(xlabel="training step", title="how well M points, in your run")
    momentum = values["momentum"]
    remembered = "1 batch" if momentum == 0 else f"{1 / (1 - momentum):.0f} batches"
    numbers = (
        f"α = {alpha:.3g}, λ = {momentum:g} (memory of {remembered}), seed {values['seed']}: "
        f"cosine ≈ {cosines[-1]:.2f}, test accuracy ≈ {100 * accuracy:.0f} %"
    )
    alt = (
        "Left: test accuracy against the scale α of the noise: a band from the lowest to the "
        "highest of five stored seeds with their mean, and a dot for every run so far. Right: "
        f"cosine of M with the Jacobian over {STEPS} training steps of this run. "
    )
    return png(figure), numbers, alt + numbers


def momentum_feedback() -> Sweep:
    """Lesson 08: scale of the noise, memory of the feedback, and seed; every run leaves a dot."""
    return Sweep(
        render_feedback,
        {
            "alpha": log_slider("noise scale α", 10**-0.75, -2.5, 1.0, 0.25),
            "momentum": choice("momentum λ of M", [(f"{m:g}", m) for m in MOMENTA]),
            "seed": slider(ipw.IntSlider, "seed of your run", 5, 5, 14, 1),
        },
        measure=dot,
        seconds=2,
    )
