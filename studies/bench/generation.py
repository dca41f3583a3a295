"""One generation of EGGROLL against full-rank ES, whole: sampling, evaluation, gradient, Adam.

Adam is torch's fused one for every contestant, its fastest on a CPU.

Three comparisons that must never be mixed, since each answers another question:

    (a)  compiled EGGROLL against plain full-rank ES, one member after another: what a user gains
    (b)  compiled EGGROLL against full-rank ES in the same compiled loops: what low rank gives
    (c)  readable EGGROLL against plain full-rank ES, both in plain torch: what the algorithm gives
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch

from course_lib.estimators import EGGROLL, ES
from course_lib.estimators.base import Estimator
from course_lib.events import load_splits
from course_lib.events.frames import SIDE
from course_lib.fast.kernels.noise import gaussians
from course_lib.layers import stack
from course_lib.network import SpikingNetwork
from course_lib.schedule import Schedule, draw_batch
from course_lib.training import fit
from studies.bench.timing import Table, Times, row

RANKS = (1, 4, 8)


class Setting(NamedTuple):
    """2312-hidden-10, T = 10; bars by rank for comparisons (a) and (b), and one for (c).

    layers: in place of the hidden one.
    """

    hidden: int
    population: int
    batch: int
    plain: dict[int, float] = {}
    same: dict[int, float] = {}
    readable: float | None = None
    layers: str = ""

    def __str__(self):
        network = self.layers or f"2312-{self.hidden}-10"
        return f"{network}, T = 10, batch {self.batch}, population {self.population}"


MAIN = Setting(256, 256, 256, {1: 90, 4: 40, 8: 30}, {1: 30, 8: 10}, 5)
FEW, WIDE = Setting(256, 64, 256), Setting(1024, 64, 256)
#: what CI can afford; its bars are of its own size, measured in one thread
SMALL = Setting(64, 64, 64, {1: 40, 8: 25}, {1: 10, 8: 4}, 5)


@cache
def training_set():
    return load_splits(progress=False).train


def batches(setting: Setting, packed: bool = False) -> Callable:
    """step → (frames, labels), drawn as ``fit`` does: into the same memory each time."""
    room, size = training_set().room(setting.batch), setting.batch
    return lambda step: draw_batch(training_set(), step, size, seed=0, out=room, packed=packed)


def generation_of(estimator: Estimator, setting: Setting) -> Callable[[], None]:
    """A contestant: the next generation of a run of its own."""
    layers = stack(setting.layers, (2, SIDE, SIDE)) if setting.layers else ()
    network = SpikingNetwork((2312, setting.hidden, 10), layers=layers)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    counter, draw = iter(range(10**9)), batches(setting, estimator.reads_events)

    def run():
        step = next(counter)
        frames, labels = draw(step)
        estimator.fill_grads(network, frames, labels, step)
        optimizer.step()

    return run


def generation(repeats: int, quick: bool = False) -> Table:
    """One generation, EGGROLL against full-rank ES: sampling, evaluation, gradient and Adam."""
    return measure(SMALL if quick else MAIN, repeats)


def generation_of_64(repeats: int, quick: bool = False) -> Table:
    """The same with 64 members: what is done once a generation weighs more."""
    return measure(SMALL if quick else FEW, repeats)


def generation_of_1024_neurons(repeats: int, quick: bool = False) -> Table:
    """The same with 64 members of 1024 hidden neurons."""
    return measure(SMALL if quick else WIDE, repeats)


def generation_of_convolutions(repeats: int, quick: bool = False) -> Table:
    """One generation of a convolutional network, compiled loops against plain torch."""
    layers = "p2 c4k5 p4 10" if quick else "p2 c16k5 p2 c32k3 10"
    setting = Setting(0, 16 if quick else 64, 8 if quick else 64, layers=layers)
    names = [(rank, kernel) for rank in (1, 4) for kernel in ("fused", "readable")]
    contestants = {
        f"rank {rank}, {kernel}": generation_of(
            EGGROLL(rank=rank, population=setting.population, kernel=kernel), setting
        )
        for rank, kernel in names
    }
    times, lines = Times(contestants, repeats), [f"{setting}"]
    for rank in (1, 4):
        fused, readable = f"rank {rank}, fused", f"rank {rank}, readable"
        lines += [row(name, 1000 * times.median(name), "ms") for name in (fused, readable)]
        bar = None if quick else 4
        lines.append(row(f"rank {rank}: times faster", times.ratio(readable, fused), "×", bar))
    return Table(times.medians()).show(lines)


def measure(setting: Setting, repeats: int) -> Table:
    """The table of one setting."""
    size = {"population": setting.population}
    plain, same = "full-rank ES, one member after another", "full-rank ES, compiled"
    methods = {f"EGGROLL, rank {r}": EGGROLL(rank=r, **size) for r in RANKS}
    methods["readable EGGROLL, rank 1"] = EGGROLL(kernel="readable", **size)
    methods |= {plain: ES(kernel="readable", **size), same: ES(kernel="fused", **size)}
    times = Times({name: generation_of(m, setting) for name, m in methods.items()}, repeats)
    lines = [f"{setting}", *(row(name, 1000 * times.median(name), "ms") for name in methods)]
    for letter, words, rival, bars in (
        ("a", "plain ES", plain, setting.plain), ("b", "compiled ES", same, setting.same),
    ):  # fmt: skip
        for rank in RANKS:
            ratio = times.ratio(rival, f"EGGROLL, rank {rank}")
            lines.append(row(f"({letter}) rank {rank} against {words}", ratio, "×", bars.get(rank)))
    ratio = times.ratio(plain, "readable EGGROLL, rank 1")
    lines.append(row("(c) readable rank 1 against plain ES", ratio, "×", setting.readable))
    return Table(times.medians()).show(lines)


def noise(repeats: int, quick: bool = False) -> Table:
    """The share of a generation that goes into drawing its noise."""
    setting, result, lines = SMALL if quick else MAIN, Table(), []
    for rank in RANKS:
        estimator = EGGROLL(rank=rank, population=setting.population)
        network = SpikingNetwork((2312, setting.hidden, 10))
        times = Times(
            {
                "noise": lambda e=estimator, n=network: e.rows(n, 0, range(e.draws), gaussians),
                "generation": generation_of(dataclasses.replace(estimator), setting),
            },
            repeats,
        )
        result |= {f"rank {rank}: {name}": value for name, value in times.medians().items()}
        share = 100 * times.ratio("noise", "generation")
        lines.append(
            row(f"rank {rank}: noise / generation", share, "%", None if quick else 5, True)
        )
    return result.show([f"{setting}", *lines])


def live(repeats: int, quick: bool = False) -> Table:
    """fit(): 40 generations, 2312-64-10, batch 64, population 64: what a lesson's widget does."""

    def train(rank):
        network = SpikingNetwork((2312, 64, 10))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        fit(network, EGGROLL(population=64, rank=rank), optimizer, training_set(),
            Schedule(steps=4 if quick else 40), progress=False)  # fmt: skip

    times = Times({f"rank {r}": lambda r=r: train(r) for r in (1, 2, 4, 8)}, repeats)
    bar = None if quick else 1
    lines = [row(name, seconds, "s", bar, True) for name, seconds in times.medians().items()]
    return Table(times.medians()).show(["2312-64-10, 40 generations of 64 members", *lines])
