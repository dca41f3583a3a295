"""How long a generation takes with K processes: a model with five constants, and their fit.

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
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

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


def fit_compute(rows: Sequence[tuple[float, float, float]]) -> Compute:
    """From measured (population, share, seconds)."""
    population, share, seconds = np.array(rows, dtype=float).T
    return Compute(*_fit(np.stack([np.ones_like(share), population, share], axis=1), seconds))


def fit_network(rows: Sequence[tuple[float, float, float]]) -> Network:
    """From measured all-gathers: (processes, bytes of a message, seconds)."""
    processes, message, seconds = np.array(rows, dtype=float).T
    latency, per_byte = _fit(np.stack([processes - 1, (processes - 1) * message], axis=1), seconds)
    return Network(latency, 1 / per_byte if per_byte else math.inf)


def _fit(columns: np.ndarray, seconds: np.ndarray) -> list[float]:
    """Least squares of relative errors; no constant below 0 (time is not negative)."""
    kept = list(range(columns.shape[1]))
    while True:
        found, *_ = np.linalg.lstsq(
            columns[:, kept] / seconds[:, None], np.ones_like(seconds), rcond=None
        )
        if found.min() >= 0:
            values = dict(zip(kept, found.tolist(), strict=True))
            return [values.get(index, 0.0) for index in range(columns.shape[1])]
        del kept[int(found.argmin())]


def predictions(compute: Compute, networks: dict[str, Network], weights: int) -> list[dict]:
    """Tidy rows: network, population, processes, seconds, speed-up, bytes, and a gradient's."""
    rows = []
    for name, network in networks.items():
        for population in (1024, 32768, 1048576):
            alone = generation(population, 1, compute, network)
            for processes in (1, 2, 4, 10, 30, 100, 300, 1000):
                if processes > population // 2:
                    continue
                seconds = generation(population, processes, compute, network)
                rows.append({
                    "network": name, "population": population, "processes": processes,
                    "seconds": seconds, "speed_up": alone / seconds,
                    "seconds_by_doubling": generation(
                        population, processes, compute, network, ring=False
                    ),
                    "received_bytes": received_bytes(population, processes),
                    "gradient_bytes": 2 * (processes - 1) * NUMBER * weights // processes,
                    "gradient_seconds": network.reduce(NUMBER * weights, processes),
                })  # fmt: skip
    return rows


def as_record(compute: Compute, network: Network) -> dict:
    """The fitted constants, for a file; ``from_record`` reads them."""
    return {"compute": asdict(compute), "network": asdict(network)}


def from_record(record: dict) -> tuple[Compute, Network]:
    return Compute(**record["compute"]), Network(**record["network"])
