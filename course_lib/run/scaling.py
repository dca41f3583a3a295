"""One population, many processes: only fitness values travel.

Each of K processes holds the same network, optimiser and batch, and evaluates its share of the
population. The members' noise is a function of (seed, generation, member), so that whoever knows
all N fitness values can rebuild every perturbation and take the whole step by itself:

    process k:   f_i for its share of i            N/K forward passes
    all gather:  f_1 … f_N                         4 bytes a member, whatever the network's size
    everyone:    ∇ = −(1/Nσ) Σ_i f̃_i E_i           others' noise made again from its counter
                 the same optimiser step

Weights, gradients and noise never travel. Where an estimator evaluates draws in chunks, shares are
cut at whole chunks, as one process would cut them, so that each fitness is computed from the same
numbers in the same order, and K processes end with the same bits as one. What travels, in figures:
data/results/scaling.md.

Source: Salimans et al. 2017, Evolution Strategies as a Scalable Alternative to Reinforcement
Learning (arXiv 1703.03864), algorithm 2.
"""

import hashlib
import math
import time
from itertools import pairwise

import torch
from torch import Tensor

from course_lib.checkpoints import TrainingStopped
from course_lib.estimators.base import Estimator
from course_lib.estimators.evolution import EvolutionStrategy
from course_lib.network import SpikingNetwork
from course_lib.run.processes import Processes

#: bytes of a message beside its fitness values, and of a fitness value
HEADER, NUMBER = 8, 4


def shares(draws: int, chunk: int, processes: int) -> list[range]:
    """The draws of each process: neighbouring chunks, their numbers as even as can be.

    Every share begins at a multiple of ``chunk``. Raises ValueError if there is not one for each.
    """
    chunks = -(-draws // chunk)
    if chunks < processes:
        raise ValueError(
            f"a population of {draws} draws in chunks of {chunk} cannot be shared among "
            f"{processes} processes: raise --population, or start fewer processes"
        )
    cuts = [min(draws, chunk * (k * chunks // processes)) for k in range(processes + 1)]
    return [range(start, stop) for start, stop in pairwise(cuts)]


def share(population: int, processes: int) -> int:
    """Members in the largest share of a mirrored population."""
    return 2 * math.ceil(population / 2 / processes)


def message_bytes(population: int, processes: int) -> int:
    """Bytes that a process sends into the ring: its fitness values and the header."""
    return HEADER + NUMBER * share(population, processes)


def received_bytes(population: int, processes: int) -> int:
    """Bytes that a process receives in a generation."""
    return (processes - 1) * message_bytes(population, processes)


class Shared(Estimator):
    """An evolution strategy whose population is shared among processes.

    verify_every: at the first two generations, and then at every so many, all processes prove by
                  a checksum that they hold the same weights, batch and settings.

    Raises ValueError for an estimator that evaluates no population, or one that is too small.
    """

    def __init__(self, estimator: EvolutionStrategy, processes: Processes, verify_every: int = 100):
        if not isinstance(estimator, EvolutionStrategy):
            raise ValueError(
                f"{type(estimator).__name__} cannot be shared among {processes.size} processes: "
                "only evolution strategies (--method eggroll or es) evaluate a population. Choose "
                "one of these, or train in one process, without torchrun"
            )
        self.estimator, self.processes, self.verify_every = estimator, processes, verify_every
        self.shares = shares(estimator.draws, estimator.chunk, processes.size)
        self.forward_passes, self.reads_events = estimator.forward_passes, estimator.reads_events
        self.generations, self.seconds, self.interrupted = 0, 0.0, False
        self.agreed: tuple[float, bool] | None = None

    def __repr__(self) -> str:  # the same run, and the same checkpoint, whatever the number is
        return repr(self.estimator)

    def fill_grads(self, network, frames, labels, step=0):
        start = time.perf_counter()
        self.estimator.check(network, frames, labels)
        if self.generations < 2 or step % self.verify_every == 0:
            self.verify(network, frames, labels, step)
        with torch.no_grad():
            own = self.shares[self.processes.rank]
            fitness = self.estimator.evaluate(network, frames, labels, step, own)
            fitness = self.gather(fitness, self.seconds + time.perf_counter() - start)
            loss = self.estimator.learn(network, frames, fitness, step)
        self.generations += 1
        return loss

    def gather(self, fitness: Tensor, seconds: float) -> Tensor:
        """Everyone's fitness, (draws, signs) or (draws, signs, B), from one's own.

        A message has the size of the largest share, and a header: the process's clock in
        microseconds, and as lowest bit whether it was interrupted.
        """
        shape, size = fitness.shape[1:], fitness.element_size()
        header = torch.tensor([2 * round(1e6 * seconds) + self.interrupted])
        message = torch.zeros(
            HEADER + max(map(len, self.shares)) * shape.numel() * size,
            dtype=torch.uint8, device=fitness.device,
        )  # fmt: skip
        own = fitness.contiguous().view(-1).view(torch.uint8)
        message[:HEADER] = header.view(torch.uint8)
        message[HEADER : HEADER + len(own)] = own
        messages = self.processes.all_gather(message)
        headers = [row[:HEADER].clone().view(torch.int64).item() for row in messages]
        self.agreed = (headers[0] // 2) / 1e6, any(header % 2 for header in headers)
        return torch.cat([
            row[HEADER:][: len(part) * shape.numel() * size].clone().view(fitness.dtype)
            .view(-1, *shape)
            for row, part in zip(messages, self.shares, strict=True)
        ])  # fmt: skip

    def agree(self, seconds: float, interrupted: bool) -> tuple[float, bool]:
        """For ``fit``: the lead's clock, and whether anyone was interrupted.

        Both come with the fitness values and need no message of their own: what is told here is
        sent with the next generation, and what the last generation brought is returned.
        """
        self.seconds, self.interrupted = seconds, interrupted
        agreed, self.agreed = self.agreed, None
        return agreed or (seconds, False)

    def verify(self, network: SpikingNetwork, frames: Tensor, labels: Tensor, step: int) -> None:
        """Raise TrainingStopped unless all hold the same weights, batch, step and settings."""
        settings = f"{self.estimator!r} {network.neuron!r} {network.readout} {step}".encode()
        tensors = {"weights": list(network.parameters()), "batch": [frames, labels]}
        own = torch.stack([_checksum([torch.frombuffer(bytearray(settings), dtype=torch.uint8)]),
                           *map(_checksum, tensors.values())])  # fmt: skip
        sums = self.processes.all_gather(own.to(frames.device))
        for index, what in enumerate(["settings", *tensors]):
            other = (sums[:, index] != sums[0, index]).nonzero().flatten().tolist()
            if other:
                raise TrainingStopped(
                    f"at step {step + 1} process {other[0]} holds other {what} than process 0. All "
                    "processes need the same data, the same versions of Python's packages and the "
                    "same kind of processor"
                )


def _checksum(tensors: list[Tensor]) -> Tensor:
    """64 bits of a hash of the tensors' bytes."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.int64)[0]


def report(shared: Shared, network: SpikingNetwork) -> str:
    """One line for a run's summary: what travelled."""
    received = shared.processes.received / max(shared.generations, 1)
    gradient = sum(p.numel() * p.element_size() for p in network.parameters())
    return (
        f"  processes           {shared.processes.size}; each received {received:,.0f} bytes a "
        f"generation (a gradient: {gradient:,})"
    )
