"""Zeros or ones: a spiking network of 154 weights that a check can train in half a second.

    16 inputs (4 × 4 fields) → 8 LIF neurons, reset to zero → 2 leaky outputs that never fire

β = 0.9 and θ = 1; the answer is the larger mean output voltage. It is written in NumPy, for many
networks at once: one call of a fitness is a tenth of a millisecond.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

from course_lab.checks.engine import compare
from course_lab.checks.engine.engine import NotYet
from course_lab.checks.engine.failures import Refused

INPUTS, HIDDEN, OUTPUTS = 16, 8, 2
CUTS = np.cumsum([INPUTS * HIDDEN, HIDDEN, HIDDEN * OUTPUTS, OUTPUTS])
#: number of weights and biases
SIZE = int(CUTS[-1])


class Digits(NamedTuple):
    """Frames (5, B, 16), the share of each field's pixels that spoke, and labels (B,), 0 or 1."""

    frames: np.ndarray
    labels: np.ndarray
    unseen_frames: np.ndarray
    unseen_labels: np.ndarray


@cache
def digits() -> Digits:
    from course_lab.four_digits import four_digits

    # The first optimiser loads much of torch, and must not be stopped while it does.
    torch.optim.SGD([torch.zeros(1)], lr=0.1)
    known = [part.numpy() for part in four_digits()]
    return Digits(*_fields(*known[:2]), *_fields(*known[2:]))


def _fields(frames, labels):
    rows = np.flatnonzero(labels < 2)
    pixels = frames[:, rows].reshape(5, len(rows), 17, 17)[:, :, :16, :16]
    fields = pixels.reshape(5, len(rows), 4, 4, 4, 4).mean((3, 5)).reshape(5, len(rows), INPUTS)
    return fields, labels[rows]


def start(seed: int) -> np.ndarray:
    """Weights of a network that is alive, (154,): W1 (16, 8), b1, W2 (8, 2), b2 in one row."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 0.5, INPUTS * HIDDEN), rng.normal(0, 0.3, HIDDEN * OUTPUTS)
    return np.concatenate([first, np.zeros(HIDDEN), second, np.zeros(OUTPUTS)])


def answers(weights: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Mean output voltages (n, B, 2) of the networks ``weights`` (n, 154)."""
    first, bias, second, bias_out = np.split(weights, CUTS[:-1], axis=1)
    first, second = first.reshape(-1, INPUTS, HIDDEN), second.reshape(-1, HIDDEN, OUTPUTS)
    v = v_out = total = 0.0
    for current in frames[:, None] @ first + bias[:, None]:
        v = 0.9 * v + current
        spikes = (v > 1) * 1.0
        v = v * (1 - spikes)
        v_out = 0.9 * v_out + spikes @ second + bias_out[:, None]
        total = total + v_out / len(frames)
    return total


def run(weights: torch.Tensor, frames: torch.Tensor, spike) -> tuple[torch.Tensor, torch.Tensor]:
    """The same network in torch: logits (B, 2), and the hidden spikes (T, B, 8).

    weights: (154,); spike: maps the distance v − θ to spikes, and brings the derivative that
    backpropagation takes. The reset is a constant to it.
    """
    first, bias, second, bias_out = weights.tensor_split(CUTS[:-1].tolist())
    v = v_out = total = 0.0
    spikes = []
    for current in frames @ first.view(INPUTS, HIDDEN) + bias:
        v = 0.9 * v + current
        spikes.append(spike(v - 1))
        v = v * (1 - spikes[-1].detach())
        v_out = 0.9 * v_out + spikes[-1] @ second.view(HIDDEN, OUTPUTS) + bias_out
        total = total + v_out / len(frames)
    return 2 * total, torch.stack(spikes)


def known() -> tuple[torch.Tensor, torch.Tensor]:
    """Frames (5, 80, 16) and labels (80,) to train on, as tensors."""
    data = digits()
    return torch.tensor(data.frames), torch.tensor(data.labels)


def hidden_spikes(weights) -> float:
    """Hidden spikes of one network (154,) in an unseen recording, on average."""
    frames = torch.tensor(digits().unseen_frames)
    with torch.no_grad():
        row = torch.as_tensor(finite(weights).ravel())
        _, spikes = run(row, frames, lambda u: (u > 0).to(u.dtype))
    return spikes.sum().item() / frames.shape[1]


def losses(weights: np.ndarray, frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy (n,) in nats of the networks; the logits are twice the answers."""
    logits = 2 * answers(weights, frames)
    logits = logits - logits.max(-1, keepdims=True)
    right = logits[:, np.arange(len(labels)), labels]
    return (np.log(np.exp(logits).sum(-1)) - right).mean(1)


def finite(answer) -> np.ndarray | None:
    """An answer as an array of finite numbers; None if it is something else."""
    try:
        found = np.asarray(compare.plain(answer), dtype=float)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found).all() else None


def accuracy(weights) -> float:
    """Share of 100 unseen recordings that one network (154,) reads right.

    Raises NotYet, in a student's words, for what is no such network.
    """
    row = finite(weights)
    if row is None or row.size != SIZE:
        found = compare.describe(compare.plain(weights)) if row is None else f"{row.size} numbers"
        raise NotYet(f"  Return the trained weights, {SIZE} finite numbers in the order that you "
                     f"got them; yours is {found}.")  # fmt: skip
    row, data = row.ravel(), digits()
    found = answers(row[None], data.unseen_frames)[0].argmax(axis=1)
    return float(np.mean(found == data.unseen_labels))


def learned(
    weights, start: np.ndarray, why: str = "Both layers are to learn.", both: bool = False
) -> float:
    """The accuracy of a network of which the hidden layer has learned, too: an output alone can
    learn to read a hidden layer that knows nothing. start: the weights (154,) at the beginning;
    why: what to tell, or to ask, whoever trained the output alone; both: whether the text asks for
    a trained output as well."""
    right, kept = accuracy(weights), finite(weights).ravel() == start
    hidden, _, output, _ = np.split(kept, CUTS[:-1])
    for part, stays in (("hidden layer", hidden), ("output", output))[: 1 + both]:
        if stays.all() and not kept.all():
            raise NotYet(f"  {right:.0%} of unseen digits right, but no weight that leads "
                         f"into the {part} has changed. {why}")  # fmt: skip
    return right


class Counted:
    """A function of weights that counts how often it is asked, and says when that is too often.

    It takes one network (154,) and returns a number, or n of them (n, 154) and returns (n,).

    sign:    1 for the loss, −1 for the fitness.
    allowed: networks that may be measured.
    asked:   the weights of all calls, in order; calls: how many there were.
    """

    def __init__(self, sign: int, allowed: int):
        self.sign, self.allowed, self.asked, self.calls = sign, allowed, [], 0

    def __call__(self, weights):
        rows = np.asarray(weights, dtype=float)
        if rows.shape[-1:] != (SIZE,) or rows.ndim > 2:
            raise Refused(f"weights of shape {rows.shape}; a network has ({SIZE},)")
        self.calls += 1
        self.asked += list(np.array(rows.reshape(-1, SIZE)))
        if len(self.asked) > self.allowed:
            raise Refused(f"that was network number {len(self.asked)}; {self.allowed} may be "
                             "measured")  # fmt: skip
        data = digits()
        values = self.sign * losses(rows.reshape(-1, SIZE), data.frames, data.labels)
        return values if rows.ndim == 2 else float(values[0])

    def same_noise(self) -> bool:
        """Whether a third of the ways from one network asked for to the next are ways that come
        back, up to their length, five times or more: so they do if noise is drawn once for all."""
        asked = np.array(self.asked).reshape(-1, SIZE)
        _, first = np.unique(asked, axis=0, return_index=True)
        ways = np.diff(asked[np.sort(first)], axis=0)
        largest = ways[np.arange(len(ways)), np.abs(ways).argmax(axis=1)]
        _, times = np.unique(np.round(ways / largest[:, None], 3), axis=0, return_counts=True)
        return 3 * times[times >= 5].sum() > len(ways)

    def __deepcopy__(self, memo):
        """A call's copy of the arguments counts where the check looks."""
        return self


@contextmanager
def no_backward() -> Iterator[None]:
    """Within the block, whoever calls torch's backward is told that none is allowed here."""
    kept = torch.Tensor.backward, torch.autograd.grad

    def refuse(*arguments, **options):
        raise Refused("no backward pass is allowed in this exercise: only forward passes")

    torch.Tensor.backward = torch.autograd.grad = refuse
    try:
        yield
    finally:
        torch.Tensor.backward, torch.autograd.grad = kept
