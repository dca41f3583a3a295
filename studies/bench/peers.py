"""One generation by other people's tools, or tools that one would write in their place.

jax:  an EGGROLL of our own in jitted JAX, the strongest rival that we know of: one base product,
      pairs in groups of eight, lax.scan over time.
torcheggroll: a PyPI package for torch that evaluates the whole population by vmap.

Neither is needed for anything else, and a benchmark is skipped with a line where its package is not
installed: pip install jax torcheggroll, best in an environment of its own.
"""

import torch

from course_lib.estimators import EGGROLL
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork
from studies.bench.generation import MAIN, SMALL, Setting, batches, generation_of
from studies.bench.timing import Table, Times, row


def jax(repeats: int, quick: bool = False) -> Table:
    """One generation against a jitted JAX EGGROLL."""
    setting = SMALL if quick else MAIN
    try:
        from studies.bench import jax_eggroll
    except ModuleNotFoundError as error:
        return _skipped(error)
    contestants = {}
    for rank in (1, 8):
        estimator = EGGROLL(population=setting.population, rank=rank)
        contestants[f"ours, rank {rank}"] = generation_of(estimator, setting)
        contestants[f"JAX, rank {rank}"] = jax_eggroll.contestant(setting, rank)
    times = Times(contestants, repeats)
    lines = [row(name, 1000 * times.median(name), "ms") for name in contestants]
    for rank, bar in {1: 4, 8: 2.5}.items():
        ratio = times.ratio(f"JAX, rank {rank}", f"ours, rank {rank}")
        lines.append(row(f"rank {rank} against JAX", ratio, "×", None if quick else bar))
    return Table(times.medians()).show([f"{setting}", *lines])


def torcheggroll(repeats: int, quick: bool = False) -> Table:
    """One generation against the PyPI package torcheggroll, same layers, population and rank."""
    setting = SMALL if quick else Setting(256, 64, 256)  # its whole population fits into memory
    try:
        from torcheggroll import TorchEggrollES
    except ModuleNotFoundError as error:
        return _skipped(error)
    contestants = {}
    for rank in (1, 8):
        estimator = EGGROLL(population=setting.population, rank=rank)
        contestants[f"ours, rank {rank}"] = generation_of(estimator, setting)
        network = SpikingNetwork((2312, setting.hidden, 10))
        contestants[f"torcheggroll, rank {rank}"] = _step(
            TorchEggrollES(network, pop_size=setting.population, rank=rank), network, setting
        )
    times = Times(contestants, repeats)
    lines = [row(name, 1000 * times.median(name), "ms") for name in contestants]
    for rank in (1, 8):
        ratio = times.ratio(f"torcheggroll, rank {rank}", f"ours, rank {rank}")
        lines.append(row(f"rank {rank} against torcheggroll", ratio, "×", None if quick else 5))
    return Table(times.medians()).show([f"{setting}", *lines])


def _step(strategy, network, setting):
    counter, draw = iter(range(10**9)), batches(setting)

    def loss(outputs, labels):
        return cross_entropy(network.logit_scale * outputs, labels)

    def run():
        frames, labels = draw(next(counter))
        with torch.no_grad():
            strategy.step(frames, loss, labels)

    return run


def _skipped(error):
    return Table().show([f"  skipped: {error.name} is not installed"])
