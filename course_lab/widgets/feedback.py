"""Lesson 08: noise and memory of OPZO's feedback, in a network trained on the spot.

The noise is z = ±1 (Rademacher): exact on every machine, as the digits' double precision is.
"""

import functools
import math

import ipywidgets as ipw
import torch

from course_lab import feedback_figures
from course_lab.picture import new_figure, png
from course_lab.widgets.localzo import BATCH, HIDDEN, STEPS, TESTED, small_digits
from course_lab.widgets.sweep import Sweep, choice, one_thread, slider
from course_lib.estimators.feedback import OTTT
from course_lib.estimators.opzo import OPZO
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style

EVERY, WEIGHT_SD, RATE = 6, (0.035, 0.1), 0.003
START = {0: "zero", "random": "random numbers"}


def train(estimator) -> tuple[list[int], list[float], list[float]]:
    """Train a small network: steps, cosine of M with the Jacobian, accuracy (0 to 1).

    The output is linear in the hidden spikes of its own step, so the Jacobian is W_out. An
    estimator without feedback has cosine 0.
    """
    frames, labels, tested, truth = small_digits()
    network = SpikingNetwork((578, HIDDEN, 10), readout="membrane").double()
    generator = torch.Generator().manual_seed(0)
    for layer, deviation in zip(network.layers, WEIGHT_SD, strict=True):
        torch.nn.init.normal_(layer.weight, std=deviation, generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    steps, cosines, accuracies = [], [], []
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        estimator.fill_grads(network, frames[:, part], labels[part], step)
        optimizer.step()
        if step == 0 or (step + 1) % EVERY == 0:
            with torch.no_grad():
                right = network.logits(tested).argmax(dim=1) == truth
            steps.append(step + 1)
            accuracies.append(right.double().mean().item())
            cosines.append(cosine(estimator, network))
    return steps, cosines, accuracies


def cosine(estimator, network: SpikingNetwork) -> float:
    """Of the feedback M with the Jacobian, W_outᵀ."""
    if not hasattr(estimator, "feedback"):
        return 0.0
    truth = network.layers[-1].weight.detach().T.flatten()
    return torch.cosine_similarity(estimator.feedback[0].flatten(), truth, dim=0).item()


@functools.cache
def reference() -> tuple[float, ...]:
    """Accuracies with the exact feedback, W_outᵀ (OTTT)."""
    return tuple(train(OTTT())[2])


def render_feedback(values: dict) -> tuple[bytes, str, str]:
    """One training run. values: "log_alpha" = log₁₀ α, "momentum" λ, "start" of M."""
    alpha, momentum, start = 10 ** values["log_alpha"], values["momentum"], values["start"]
    estimator = OPZO(alpha=alpha, momentum=momentum, feedback_start=start, noise="rademacher")
    with one_thread():
        steps, cosines, accuracies = train(estimator)
        exact = reference()
    figure, (left, right) = new_figure(1, 2, width=9, height=3.3)
    with style():
        feedback_figures.cosines(left, steps, {"M with the Jacobian": cosines})
        left.set(xlabel="training step", title="how well the feedback points")
        feedback_figures.accuracies(
            right, steps, {"OPZO": accuracies, "OTTT, exact feedback": exact}
        )
        right.set_title(f"accuracy on {TESTED} unseen digits")
        right.legend(loc="best")
    numbers = (
        f"α = {alpha:.3g}, λ = {momentum:g} (memory of {1 / (1 - momentum):.0f} "
        f"{'batch' if momentum == 0 else 'batches'}), M from {START[start]}: after {STEPS} steps "
        f"cosine {cosines[-1]:.2f}, accuracy {100 * accuracies[-1]:.0f} %; "
        f"with the exact feedback {100 * exact[-1]:.0f} %"
    )
    if not math.isfinite(cosines[-1]):
        raise ValueError(f"the feedback blew up: {numbers}")
    alt = (
        f"Left: cosine of M with the Jacobian over {STEPS} training steps, from {cosines[0]:.2f} "
        f"to {cosines[-1]:.2f}. Right: accuracy of OPZO and of OTTT. {numbers}"
    )
    return png(figure), numbers, alt


def momentum_feedback() -> Sweep:
    """Lesson 08: scale of the noise, memory and start of the feedback."""
    momenta = [(f"{x:g}", x) for x in (0.0, 0.9, 0.99, 0.999)]
    return Sweep(
        render_feedback,
        {
            "log_alpha": slider(
                ipw.FloatSlider, "noise scale, log₁₀ α", -0.75, -2.5, 1.0, 0.25, ".2f"
            ),
            "momentum": choice("momentum λ of M", momenta, 0.99),
            "start": choice("M starts at", [("zero", 0), ("random numbers", "random")]),
        },
    )
