"""A setting of a sweep, trained live: what a lesson's widget waits for."""

import torch

from course_lib.estimators import EGGROLL
from course_lib.network import SpikingNetwork
from course_lib.training import fit
from studies.bench.generation import training_set
from studies.bench.timing import Table, Times, row


def live(repeats: int, quick: bool = False) -> Table:
    """fit(): 40 generations, 2312-64-10, batch 64, population 64."""

    def train(rank):
        network = SpikingNetwork((2312, 64, 10))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        fit(network, EGGROLL(population=64, rank=rank), optimizer, training_set(),
            steps=4 if quick else 40, progress=False)  # fmt: skip

    ranks = (1, 2, 4, 8)
    times = Times({f"rank {r}": lambda r=r: train(r) for r in ranks}, repeats)
    bar = None if quick else 1
    lines = [row(name, seconds, "s", bar, True) for name, seconds in times.medians().items()]
    return Table(times.medians()).show(["2312-64-10, 40 generations of 64 members", *lines])
