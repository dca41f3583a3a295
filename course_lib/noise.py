"""Counter-based noise: (seed, generation, member) names a fixed sequence of Gaussians.

Evolution strategies perturb every member of every generation. Storing the perturbations would
cost more memory than the network; sending them between machines, more than anything else. A
counter-based generator needs neither: it is a function of a key and a counter, so that whoever
knows the three numbers can make the same noise again, in any order, on any worker.

The function is Philox 4×64 (Salmon et al. 2011, doi 10.1145/2063384.2063405), from NumPy: the key
is (seed, generation), and the member fills the top word of the 256-bit counter, so no two
members' sequences overlap.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor


def gaussian(shape: Sequence[int], *, seed: int, generation: int, member: int) -> Tensor:
    """Independent standard Gaussians of the given shape, float32, on the CPU.

    The same three numbers give the same values (a longer sequence starts like a shorter one);
    different ones give independent values. Raises ValueError for a number below 0 or ≥ 2⁶⁴.
    """
    members = range(member, member + 1)
    values = gaussians(math.prod(shape), seed=seed, generation=generation, members=members)
    return values.reshape(tuple(shape))


def gaussians(length: int, *, seed: int, generation: int, members: range) -> Tensor:
    """Row i holds ``gaussian([length], member=members[i], …)``: (len(members), length), float32.

    Rows are drawn in as many threads as torch uses. Raises ValueError as ``gaussian`` does.
    """
    _check(seed=seed, generation=generation, member=max(members, default=0))
    values = torch.empty(len(members), length)
    rows, threads = values.numpy(), min(torch.get_num_threads(), len(members))
    if threads <= 1:
        _fill(rows, seed, generation, members)
        return values
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(
            lambda first: _fill(rows[first::threads], seed, generation, members[first::threads]),
            range(threads),
        ))  # fmt: skip
    return values


def _fill(rows, seed: int, generation: int, members: Sequence[int]) -> None:
    """One generator for all rows, set to each member's counter; a new one costs more."""
    philox = np.random.Philox(key=np.array([seed, generation], dtype=np.uint64))
    generator, start = np.random.Generator(philox), philox.state
    for row, member in zip(rows, members, strict=True):
        start["state"]["counter"][:] = [0, 0, 0, member]
        philox.state = start
        generator.standard_normal(dtype=np.float32, out=row)


def normal(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """``torch.randn(shape, generator=generator)``, with the same bits on every processor.

    torch pairs uniform numbers u, v into √(−2 ln(1 − u)) · (cos 2πv, sin 2πv), (Box and Muller
    1958), in float32, with a logarithm and a cosine that differ in the last bit between
    processors with AVX-512, AVX2 and neither. A weight that differs in its last bit moves a
    spike now and then, and in training such differences grow. Here the same uniform numbers are
    paired in float64 and then rounded; the generator ends in the same state. float32, on the CPU.
    """
    count = math.prod(shape)
    if count < 16:  # torch pairs so few in float64
        return torch.randn(tuple(shape), generator=generator)
    values = _box_muller(torch.rand(count, generator=generator)[: count // 16 * 16])
    if count % 16:  # then the last 16 are drawn anew
        last = _box_muller(torch.rand(16, generator=generator))
        values = torch.cat([values[: count - 16], last])
    return values.reshape(tuple(shape))


def _box_muller(uniform: Tensor) -> Tensor:
    """Standard normals of uniform numbers, a multiple of 16 of them, paired as torch does."""
    first, second = uniform.double().reshape(-1, 2, 8).unbind(dim=1)
    radius, angle = (-2 * torch.log(1 - first)).sqrt(), 2 * math.pi * second
    pairs = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return pairs.flatten().float()


def _check(**counters: int) -> None:
    for name, value in counters.items():
        if not 0 <= value < 2**64:
            raise ValueError(f"{name} is {value}; noise counters are whole numbers in [0, 2**64)")


def torch_generator(seed: int, stream: int = 0, index: int = 0) -> torch.Generator:
    """A torch generator for what is drawn by torch itself, named by three numbers.

    stream: what it is for, one of STREAMS; index: which one of its kind, such as the step.
    ``torch_generator(seed, STREAMS["batches"], epoch)`` shuffles each epoch differently, yet the
    same way in every run and after every resume. Different triples give unrelated sequences.
    Raises ValueError for a number below 0 or ≥ 2³².
    """
    for name, value in {"seed": seed, "stream": stream, "index": index}.items():
        if not 0 <= value < 2**32:
            raise ValueError(f"{name} is {value}; expected a whole number from 0 to 2**32 - 1")
    word = np.random.SeedSequence((seed, stream, index)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word >> 1))


#: what torch's generators are for, so that no two uses share a sequence
STREAMS = {"batches": 0, "shifts": 1, "node noise": 2, "feedback": 3, "local zeroth order": 4}
