"""Zeros or ones, seen by four feature maps: a convolutional network that a check can train.

    8 × 8 fields → 4 maps by kernels of 5 × 5 (4 × 4 LIF neurons each) → their means over 2 × 2
    → 2 leaky outputs that never fire

No biases, β = 0.9, θ = 1; logits are twice the mean output voltages. And digits 0 to 3 that wander
over a larger field, for networks that a student describes in a line.
"""

import re
from functools import cache

import numpy as np
import torch

from course_lab.checks.engine import compare, tiny
from course_lab.checks.engine.engine import NotYet
from course_lab.checks.engine.failures import Refused
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.layers import stack
from course_lib.network import SpikingNetwork

SIDE, KERNEL, MAPS, STEPS = 8, 5, 4, 5
SHAPES = [(MAPS, KERNEL**2), (2, MAPS * 4)]


def fields(frames: torch.Tensor) -> np.ndarray:
    """Four digits' frames (5, B, 289) as shares of pixels that spoke, (5, B, 8, 8)."""
    pixels = frames.numpy().reshape(STEPS, -1, 17, 17)[:, :, :16, :16]
    return pixels.reshape(STEPS, -1, SIDE, 2, SIDE, 2).mean((3, 5))


@cache
def digits() -> tiny.Digits:
    """Fields (5, B, 8, 8) and labels, 0 or 1: 80 recordings to learn from and 100 unseen ones."""
    from course_lab.four_digits import four_digits

    parts = four_digits()
    found = []
    for frames, labels in (parts[:2], parts[2:]):
        rows = labels < 2
        found += [fields(frames[:, rows]), labels[rows].numpy()]
    return tiny.Digits(*found)


def start(seed: int) -> list[np.ndarray]:
    """Kernel (4, 25), so small that few neurons fire, and readout (2, 16)."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, sd, shape) for sd, shape in zip((0.15, 0.3), SHAPES, strict=True)]


def convolve(x: np.ndarray, W: np.ndarray, k: int, stride: int = 1) -> np.ndarray:
    """Currents (Z, m, Y', X') of maps x (Z, C, Y, X), by kernels W (m, C k²)."""
    patches = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    patches = patches[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
    return np.moveaxis(patches.reshape(*patches.shape[:3], -1) @ W.T, 3, 1)


def spikes(currents: np.ndarray) -> np.ndarray:
    """Spikes of LIF neurons; time is the first axis."""
    v, sent = 0.0, np.empty_like(currents)
    for t, current in enumerate(currents):
        v = 0.9 * v + current
        sent[t] = v > 1
        v = v * (1 - sent[t])
    return sent


def pooled(maps: np.ndarray) -> np.ndarray:
    """Maps (Z, 4, 4, 4) as their means over 2 × 2, flat: (Z, 16), channel first."""
    return maps.reshape(-1, MAPS, 2, 2, 2, 2).mean((3, 5)).reshape(-1, MAPS * 4)


def logits(outputs: np.ndarray) -> np.ndarray:
    """Twice the mean voltages (…, 2) of output currents (T, …, 2)."""
    v = total = 0.0
    for current in outputs:
        v = 0.9 * v + current
        total = total + v
    return 2 * total / len(outputs)


def network(layers) -> list[np.ndarray]:
    """The two matrices of an answer. Raises NotYet, in a student's words, for what is none."""
    found = [tiny.finite(W) for W in layers] if isinstance(layers, list | tuple) else []
    if [None if W is None else W.shape for W in found] != SHAPES:
        raise NotYet("  A network is a list of two matrices of finite numbers, (4, 25) and (2, 16);"
                     f" yours is {compare.describe(compare.plain(layers))}.")  # fmt: skip
    return found


def accuracy(layers) -> float:
    """Share of 100 unseen recordings that a network, [kernel, readout], reads right."""
    (kernel, readout), data = network(layers), digits()
    x = data.unseen_frames
    sent = spikes(convolve(x.reshape(-1, 1, SIDE, SIDE), kernel, KERNEL).reshape(
        STEPS, -1, MAPS, 4, 4))  # fmt: skip
    outputs = (pooled(sent) @ readout.T).reshape(STEPS, -1, 2)
    return float((logits(outputs).argmax(1) == data.unseen_labels).mean())


class Population:
    """``fitness(layers, A, B, sigma, currents)``: fitness (P, 2) of the members W ± σ A Bᵀ/√r.

    ``currents(index, x)`` computes the currents of all members of a layer, as a student has it. In
    each generation one pair's are compared with those of its matrices, built here.

    losses: mean of each generation; still: generations without noise, of kernel and readout; noise:
    all factors of each generation, as bytes.
    """

    __name__ = "fitness"

    def __init__(self, allowed: int):
        self.allowed, self.asked, self.losses, self.still = allowed, 0, [], [0, 0]
        self.noise = []

    def __call__(self, layers, A, B, sigma, currents):
        try:
            layers = network(layers)
        except NotYet as reason:
            raise Refused(str(reason).strip()) from None
        if len(A) != 2 or len(B) != 2 or len({len(a) for a in (*A, *B)}) != 1:
            raise Refused("A and B are lists of two arrays, kernel and readout, of as many pairs")
        members = [self.members(*part, sigma) for part in zip(layers, A, B, strict=True)]
        self.noise.append(b"".join(tiny.finite(part).tobytes() for part in (*A, *B)))
        for k, (plus, minus) in enumerate(members):
            self.still[k] += np.array_equal(plus, minus)
        pairs = members[0].shape[1]
        self.asked += 2 * pairs
        if self.asked > self.allowed:
            raise Refused(f"that was member number {self.asked}; {self.allowed} may be measured")
        pair, data = len(self.losses) % pairs, digits()
        x = data.frames.reshape(-1, 1, SIDE, SIDE)
        rows = len(x)

        hidden = self.asked_for(currents, 0, x, (2, pairs, rows, MAPS, 4, 4))
        self.compare(0, pair, hidden, [convolve(x, W, KERNEL) for W in members[0][:, pair]])
        timed = np.moveaxis(hidden.reshape(2, pairs, STEPS, -1, MAPS, 4, 4), 2, 0)
        sent = np.moveaxis(spikes(timed), 0, 2)
        sent = pooled(sent).reshape(2, pairs, rows, -1)
        outputs = self.asked_for(currents, 1, sent, (2, pairs, rows, 2))
        self.compare(1, pair, outputs, sent[:, pair] @ members[1][:, pair].swapaxes(1, 2))

        scores = logits(np.moveaxis(outputs.reshape(2, pairs, STEPS, -1, 2), 2, 0))
        scores = scores - scores.max(-1, keepdims=True)
        right = scores[..., np.arange(len(data.labels)), data.labels]
        losses = (np.log(np.exp(scores).sum(-1)) - right).mean(-1)
        self.losses.append(losses.mean())
        return -losses.T

    def same_noise(self) -> bool:
        """Whether most generations had the noise of another one."""
        return 2 * len(set(self.noise)) < len(self.noise)

    @staticmethod
    def members(W, a, b, sigma) -> np.ndarray:
        """Weights (2, P, m, n) of the members. Raises Refused for factors of other shapes."""
        a, b = tiny.finite(a), tiny.finite(b)
        rank = a.shape[2] if a is not None and a.ndim == 3 else 1
        pairs = 1 if a is None or not len(a) else len(a)
        for name, factor, length in (("A", a, W.shape[0]), ("B", b, W.shape[1])):
            if factor is None or factor.shape != (pairs, length, rank):
                found = compare.describe(factor)
                raise Refused(f"for a layer {W.shape}, {name} has the shape (pairs, {length}, r); "
                              f"yours is {found}")  # fmt: skip
        E = a @ b.swapaxes(1, 2) * (sigma / rank**0.5)
        return np.stack([W + E, W - E])

    @staticmethod
    def asked_for(currents, index, x, shape) -> np.ndarray:
        found = tiny.finite(currents(index, x))
        if found is None or found.shape != shape:
            raise Refused(f"currents({index}, x) should have the shape {shape}; yours is "
                          f"{compare.describe(found)}")  # fmt: skip
        return found

    @staticmethod
    def compare(index, pair, found, right) -> None:
        for sign, mine, theirs in zip("+−", found[:, pair], right, strict=True):
            apart = np.abs(mine - theirs).max()
            if apart > 1e-6 * (1 + np.abs(theirs).max()):
                raise Refused(f"in layer {index}, pair {pair}, the currents of the member W {sign} "
                              f"σE are not those of its matrix: {apart:.2g} apart")  # fmt: skip

    def __deepcopy__(self, memo):
        return self


FIELD, BATCH, UPDATES, WIDEST = 12, 48, 100, 100


def wandering(frames: np.ndarray, rng) -> torch.Tensor:
    """Fields (5, B, 8, 8), each somewhere on 12 × 12: (5, B, 144)."""
    placed = np.zeros((*frames.shape[:2], FIELD, FIELD))
    for b, (y, x) in enumerate(rng.integers(0, FIELD - SIDE + 1, (frames.shape[1], 2))):
        placed[:, b, y : y + SIDE, x : x + SIDE] = frames[:, b]
    return torch.from_numpy(placed).flatten(2)


@cache
def taught(description: str, rate: float, seed: int) -> tuple[float, int]:
    """(share of 600 unseen wandering digits read right, weights and biases) of one network.

    In float64, where no machine's order of summation moves a spike.
    """
    from course_lab.four_digits import four_digits

    known, labels, unseen, answers = four_digits()
    rng, known = np.random.default_rng(seed), fields(known)
    net = SpikingNetwork(layers=stack(description, (1, FIELD, FIELD)), readout="membrane",
                         logit_scale=4.0, seed=seed).double()  # fmt: skip
    if net.sizes[-1] != 4:
        raise Refused(f"{description!r} ends in {net.sizes[-1]} neurons; there are 4 digits")
    optimizer, estimator = torch.optim.Adam(net.parameters(), lr=rate), SurrogateBPTT()
    for step in range(UPDATES):
        rows = rng.choice(len(labels), BATCH, replace=False)
        estimator.fill_grads(net, wandering(known[:, rows], rng), labels[rows], step)
        optimizer.step()
    places = np.random.default_rng(9)
    frames = torch.cat([wandering(fields(unseen), places) for _ in range(3)], dim=1)
    with torch.no_grad():
        right = (net(frames).argmax(1) == answers.repeat(3)).double().mean().item()
    return right, sum(p.numel() for p in net.parameters())


class School:
    """``train(description, rate)`` → (share right, weights and biases), means over two networks."""

    __name__ = "train"

    def __init__(self, seeds, calls: int):
        self.seeds, self.calls, self.left, self.last = seeds, calls, calls, None

    def __call__(self, description, rate=0.02):
        if not isinstance(description, str):
            raise Refused(f"a network is described by a text such as '16 4'; not {description!r}")
        if any(int(number) > WIDEST for number in re.findall(r"\d+", description)):
            raise Refused(f"a layer has at most {WIDEST} maps or neurons here; {description!r}")
        if not 0 < rate < 1:
            raise Refused(f"the learning rate is {rate}; it must lie between 0 and 1")
        self.left -= 1
        if self.left < 0:
            raise Refused(f"that was network number {self.calls + 1}; {self.calls} are allowed")
        try:
            found = [taught(" ".join(description.split()), float(rate), s) for s in self.seeds]
        except ValueError as error:
            raise Refused(str(error)) from None
        self.last = float(np.mean([right for right, _ in found])), found[0][1]
        return self.last

    def __deepcopy__(self, memo):
        return self
