"""How long a generation takes with K processes: a model with five constants.

    t(N, K)  =  fixed  +  N · rebuild  +  share · member  +  gather,    share = 2 ⌈N / 2K⌉

    fixed     batch, base product, optimiser: every process does all of it
    rebuild   one member's noise and its part of the gradient: every process, for all N members
    member    one member's forward pass: shared, mirrored pairs together (a process keeps its own
              members' noise and need not make it again)
    gather    fitness values from everyone to everyone, in a ring as gloo does it:
              (K − 1) · (latency + message / bandwidth),   message = 8 + 4 share bytes

``rebuild`` is the price of sending nothing else, and what bounds the speed-up: with many processes
t tends to fixed + N · rebuild + gather, whatever K is.
"""

import math
from dataclasses import dataclass

#: bytes of a message beside its fitness values, and of a fitness value or a weight
HEADER, NUMBER = 8, 4


@dataclass(frozen=True)
class Network:
    """latency: seconds from one process to the next; bandwidth: bytes a second."""

    latency: float
    bandwidth: float

    def gather(self, message: float, processes: int, ring: bool = True) -> float:
        """Seconds of an all-gather of messages of so many bytes.

        ring: each passes on what it got from its neighbour, K − 1 times. Else by recursive
              doubling: as many bytes in log₂ K exchanges.
        """
        hops = processes - 1 if ring else math.ceil(math.log2(processes))
        return hops * self.latency + (processes - 1) * message / self.bandwidth

    def reduce(self, size: float, processes: int) -> float:
        """Seconds of the ring all-reduce of a gradient of so many bytes, for comparison."""
        step = self.latency + size / processes / self.bandwidth
        return 2 * (processes - 1) * step


@dataclass(frozen=True)
class Compute:
    """Seconds of one process: a generation's fixed part, and those of a member."""

    fixed: float
    rebuild: float
    member: float

    def seconds(self, population: float, share: float) -> float:
        """A generation of which this process evaluates ``share`` members."""
        return self.fixed + population * self.rebuild + share * self.member


#: networks of the predictions beside the measured one
NETWORKS = {
    "Ethernet, 0.1 ms, 1 Gbit/s": Network(1e-4, 1.25e8),
    "Internet, 30 ms, 50 Mbit/s": Network(0.03, 6.25e6),
}


def share(population: int, processes: int) -> int:
    """Members in the largest share of a mirrored population."""
    return 2 * math.ceil(population / 2 / processes)


def message_bytes(population: int, processes: int) -> int:
    """Bytes that a process sends into the ring: its fitness values and the header."""
    return HEADER + NUMBER * share(population, processes)


def received_bytes(population: int, processes: int) -> int:
    """Bytes that a process receives in a generation."""
    return (processes - 1) * message_bytes(population, processes)


def generation(
    population: int, processes: int, compute: Compute, network: Network, ring: bool = True
) -> float:
    """Seconds of one generation."""
    if not 1 <= processes <= population // 2:
        raise ValueError(
            f"processes is {processes}; expected 1 to {population // 2}, one for each mirrored pair"
        )
    work = compute.seconds(population, share(population, processes))
    return work + network.gather(message_bytes(population, processes), processes, ring)
