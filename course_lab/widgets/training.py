"""Lesson 09: one network, any method, with the method's own knobs; trained on the spot."""

import functools

import ipywidgets as ipw
import torch

from course_lab import comparison_figures
from course_lab.picture import new_figure, png
from course_lab.widgets.sweep import Sweep, choice, methods_menu, slider
from course_lib import estimators
from course_lib.events import load_splits
from course_lib.results import load
from course_lib.run.figures import style
from course_lib.run.runs import RunConfig
from course_lib.training import draw_batch

STEPS, BATCH, EVERY, POPULATION = 60, 64, 6, 128
NETWORK = "2312-200-200-10"
CHOICES = ("eggroll", "localzo", "opzo", "ottt", "dfa", "zo", "bptt")
COMPILED = ("eggroll", "localzo")
STORED = {  # rows of the study of methods; EGGROLL has one for each of some ranks
    "bptt": "BPTT", "ottt": "OTTT", "localzo": "LocalZO, δ 0.5, m 5", "opzo": "OPZO", "dfa": "DFA",
    "zo": "single-point ZO",
}  # fmt: skip


@functools.cache
def recordings():
    """Training recordings, and frames and labels of the test set; never changed."""
    splits = load_splits(progress=False)
    return splits.train, splits.test.frames(), splits.test.labels


@functools.lru_cache(maxsize=16)
def train(method: str, steps: int = STEPS, seed: int = 0, **options):
    """Train 2312-64-10 with the method's own start and learning rate.

    What torch's products train is float64: differences between processors begin in the last bit
    and grow in training, so that from float32 they would reach the accuracy sooner.
    Returns steps, test accuracies (0 to 1), forward passes of a batch.
    """
    data, frames, labels = recordings()
    dtype = torch.float32 if method in COMPILED else torch.float64
    settings = RunConfig(
        method=method, hidden=(64,), readout="membrane", options=options, seed=seed
    )
    network, estimator = settings.network().to(dtype), settings.estimator()
    frames = frames.to(dtype)
    optimizer = settings.optimizer(network)
    shown, accuracies = [], []
    for step in range(steps):
        inputs, targets = draw_batch(data, step, BATCH, seed)
        estimator.fill_grads(network, inputs.to(dtype), targets, step)
        optimizer.step()
        if (step + 1) % EVERY == 0:
            with torch.no_grad():
                right = network.logits(frames).argmax(dim=1) == labels
            shown.append(step + 1)
            accuracies.append(right.float().mean().item())
    return shown, accuracies, steps * estimator.forward_passes


@functools.cache
def reference() -> tuple[list[int], list[float]]:
    """The curve of BPTT."""
    return train("bptt")[:2]


@functools.cache
def long_runs() -> dict[str, list[float]]:
    """Test accuracies of the long runs, by row of the study."""
    rows = load("methods")["rows"]
    return {row["label"]: [run["test_accuracy"] for run in row["runs"]]
            for row in rows if row["group"] == NETWORK}  # fmt: skip


def stored_row(method: str, rank: int) -> str:
    """The row of a method; of EGGROLL, that of the highest rank up to this one that was run."""
    if method != "eggroll":
        return STORED[method]
    ranks = [r for r in range(1, rank + 1) if f"EGGROLL, rank {r}" in long_runs()]
    return f"EGGROLL, rank {max(ranks, default=1)}"


def stored(rank: int) -> dict[str, list[float]]:
    """Test accuracies of the long runs that are shown, EGGROLL's of about this rank."""
    names = (*STORED.values(), stored_row("eggroll", rank))
    return {name: long_runs()[name] for name in names if name in long_runs()}


def options_of(values: dict) -> dict:
    """Which of the knobs the chosen method has."""
    if values["method"] == "eggroll":
        scale = 2 ** values["log_scale"]
        return {"population": POPULATION, "rank": values["rank"],
                "sigma": (0.014 * scale, 0.03 * scale)}  # fmt: skip
    if values["method"] == "localzo":
        return {"delta": 0.5, "samples": values["samples"]}
    return {"momentum": 0.99} if values["method"] == "opzo" else {}


def render_method(values: dict) -> tuple[bytes, str, str]:
    """One run. values: "method", "rank", "log_scale" (log₂ of σ ÷ default), "samples" m."""
    method = values["method"]
    label, options = estimators.METHODS[method].label, options_of(values)
    steps, accuracies, passes = train(method, **options)
    figure, (left, right) = new_figure(1, 2, width=9, height=3.4, width_ratios=(1.2, 1))
    with style():
        runs = {"BPTT": reference()}
        if method != "bptt":
            runs[label] = (steps, accuracies)
        comparison_figures.curves(left, runs)
        left.set(xlabel="update", title=f"live: 2312-64-10, {STEPS} updates")
        left.legend(loc="lower right")
        marked = stored_row(method, values["rank"])
        comparison_figures.spread(right, stored(values["rank"]), marked=marked)
        right.set_title(f"stored: {NETWORK}, long runs")
    numbers = (
        f"{described(values, passes)}: test accuracy {100 * accuracies[-1]:.1f} %; "
        f"BPTT after as many updates {100 * reference()[1][-1]:.1f} %"
    )
    alt = (
        f"Left: test accuracy against updates, of {label} from {100 * accuracies[0]:.0f} to "
        f"{100 * accuracies[-1]:.0f} percent, beside BPTT. Right: stored results of long runs, a "
        f"dot a seed. {numbers}"
    )
    return png(figure), numbers, alt


def described(values: dict, passes: int) -> str:
    """What was run: the method, its knobs and its cost."""
    method, options = estimators.METHODS[values["method"]], options_of(values)
    knobs = {
        "eggroll": f" (rank {values['rank']}, σ = {options.get('sigma', (0, 0))[0]:.4f} and "
                   f"{options.get('sigma', (0, 0))[1]:.4f}, population {POPULATION})",
        "localzo": f" (δ 0.5, m = {values['samples']})",
    }.get(method.name, "")  # fmt: skip
    return (
        f"{method.label}{knobs}: {STEPS} updates, {passes:,} forward passes of a batch, "
        f"{method.backward}"
    )


def bounds(values: dict) -> str:
    """What every computer finds at the first setting; accuracies differ by a point or two."""
    _, accuracies, passes = train(values["method"], **options_of(values))
    return (
        f"{described(values, passes)}: above 45 % of the test set right: {accuracies[-1] > 0.45}; "
        f"BPTT after as many updates above 78 %: {reference()[1][-1] > 0.78}"
    )


def any_method() -> Sweep:
    """Lesson 09: method, and rank, σ and m where the method has them."""
    return Sweep(
        render_method,
        {
            "method": choice("method", methods_menu(CHOICES)),
            "rank": slider(ipw.IntSlider, "rank r (EGGROLL)", 1, 1, 8, 1),
            "log_scale": slider(
                ipw.FloatSlider, "log₂ of σ ÷ default (EGGROLL)", 0.0, -4, 4, 0.5, ".1f"
            ),
            "samples": slider(ipw.IntSlider, "samples m (LocalZO)", 5, 1, 20, 1),
        },
        plain=bounds,
    )
