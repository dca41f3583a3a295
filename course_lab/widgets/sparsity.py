"""Lesson 10: what a price on spikes does. Runs as dots over bands of stored seeds."""

import functools

import ipywidgets as ipw
import numpy as np
import torch

from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, log_slider, one_thread, slider
from course_lib.estimators.beyond.projected import ProjectedEGGROLL
from course_lib.events import load_splits
from course_lib.fitness import sample_losses
from course_lib.network import SpikingNetwork
from course_lib.run.figures import style

GENERATIONS, MEMBERS, BATCH, RATES = 60, 64, 32, (0.006, 0.02)
PRICES = tuple(round(10 ** (k / 2), 6) for k in range(-8, -2))  # 0.0001 … 0.03
BAND = {
    what: [(price, {"price": price, "what": what}) for price in PRICES]
    for what in ("accuracy", "spikes")
}


class Thrifty(ProjectedEGGROLL):
    """Projected EGGROLL whose members pay ``price`` nats for every hidden spike of a recording."""

    price = 0.0

    def evaluate(self, network, frames, labels, step, draws):
        factors = self.factors(network, step, draws)
        shaken = self.population_currents(network, factors, network.layers[0](frames))
        spikes = []

        def currents(index, inputs):
            if index == 1:
                spikes.append(inputs.sum(dim=(0, -1)))  # (signs, M, B)
            return shaken(index, inputs)

        logits = network.logits(frames, currents=currents)
        fitness = -sample_losses(logits, labels) - self.price * spikes[0]
        return fitness.transpose(0, 1)


def small(frames: torch.Tensor) -> torch.Tensor:
    """(5, B, 578) of frames (10, B, 2312): coarser pixels, and two time bins in one."""
    from course_lab.four_digits import coarse

    return coarse(frames).view(5, 2, -1, 578).amax(1)


@functools.cache
def test_frames() -> tuple[torch.Tensor, torch.Tensor]:
    """500 recordings that no network here is trained on. Never changed."""
    test = load_splits(progress=False).test
    return small(test.frames()), test.labels


@functools.lru_cache(maxsize=256)
def reached(price: float, seed: int) -> tuple[float, float]:
    """Test accuracy and hidden spikes a recording of 578-32-10 after 60 generations.

    seed: of the first weights, the batches and the noise.
    """
    network = SpikingNetwork(
        (578, 32, 10), readout="membrane", logit_scale=2.0, weight_sd=(0.05, 0.06), seed=seed
    )
    estimator = Thrifty(population=MEMBERS, sigma=(0.03, 0.01), seed=seed)
    estimator.price = price
    groups = [{"params": layer.parameters(), "lr": rate}
              for layer, rate in zip(network.layers, RATES, strict=True)]  # fmt: skip
    optimizer, train = torch.optim.Adam(groups), load_splits(progress=False).train
    with one_thread():
        for step in range(GENERATIONS):
            for group, rate in zip(optimizer.param_groups, RATES, strict=True):
                group["lr"] = rate * (1 - step / GENERATIONS)
            rows = np.random.default_rng((seed, step)).choice(len(train), BATCH, replace=False)
            estimator.fill_grads(network, small(train.frames(rows)), train.labels[rows], step)
            optimizer.step()
        frames, labels = test_frames()
        with torch.no_grad():
            hidden, output = network.record(frames)
    right = network.read(output).argmax(dim=1) == labels
    return right.double().mean().item(), hidden.spikes.sum().item() / len(labels)


def measure(values: dict, seed: int) -> float:
    """One run of the bands. values: "price", and "what": "accuracy", or "spikes" in hundreds."""
    accuracy, spikes = reached(values["price"], seed)
    return accuracy if values["what"] == "accuracy" else spikes / 100


def dot(values: dict) -> tuple[float, float, float]:
    """Price, accuracy and hidden spikes of one run."""
    return values["price"], *reached(values["price"], values["seed"])


def render_price(values: dict, visited=()) -> tuple[bytes, str, str]:
    """Accuracy and spikes against the price. values: "price" κ in nats a spike, "seed"."""
    from course_lab.widgets import bands

    dots = list(visited) or [dot(values)]
    price, accuracy, spikes = dots[-1]
    stored = bands.load("sparsity")
    figure, (left, right) = new_figure(1, 2, 9, 3.4, gridspec_kw={"wspace": 0.06})
    with style():
        bands.draw(left, stored, "accuracy", [("accuracy", x, a) for x, a, _ in dots])
        bands.draw(right, stored, "spikes", [("spikes", x, s / 100) for x, _, s in dots])
        for ax in (left, right):
            ax.set(xscale="log", xlabel="price κ of a spike, nats", xlim=(7e-5, 0.045))
        left.set(ylim=(0, 75))
        right.set(ylim=(0, 60), ylabel="hidden spikes a recording")
    numbers = (
        f"κ = {price:.2g}, seed {values['seed']}: test accuracy ≈ {100 * accuracy:.1f} %, "
        f"≈ {spikes:.1f} hidden spikes a recording"
    )
    point = min(stored["accuracy"], key=lambda point: abs(np.log(point["x"] / price)))
    if abs(point["x"] / price - 1) < 0.01:
        low, high = (100 * end(point["accuracies"]) for end in (min, max))
        numbers += f"; five stored seeds from ≈ {low:.1f} % to ≈ {high:.1f} %"
    alt = (
        "Test accuracy and hidden spikes a recording against the price of a spike, on a "
        "logarithmic axis: a band from the lowest to the highest of five stored seeds with their "
        "mean, and a dot for every run so far. "
    )
    return png(figure), numbers, alt + numbers


def price_of_a_spike() -> Sweep:
    """Lesson 10: the price and the seed; every run leaves a dot."""
    return Sweep(
        render_price,
        {
            "price": log_slider("price of a spike κ (nats)", 1e-3, -4, -1.5, 0.25, ".2g"),
            "seed": slider(ipw.IntSlider, "seed of your run", 5, 5, 14, 1),
        },
        measure=dot,
        seconds=2,
    )
