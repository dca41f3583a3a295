"""A small task on which a population trains in a second: four digits, coarse frames.

Lessons 06 and 07 and their widgets train on it. Everything is float64, where no machine's order of
summation moves a spike, so that everyone sees the same run.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.estimators.es import ES
from course_lib.estimators.evolution import EvolutionStrategy
from course_lib.events import FrameSet, coarse, load_splits
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork, per_layer

DIGITS = (0, 1, 2, 3)
SIZES = (289, 8, 4)
LEARNING_RATE = 0.02


class FourDigits(NamedTuple):
    """Frames (5, B, 289) of zeros and ones, labels (B,) from 0 to 3; and unseen ones."""

    frames: Tensor
    labels: Tensor
    unseen_frames: Tensor
    unseen_labels: Tensor


@functools.cache
def four_digits(train: int = 40, unseen: int = 50) -> FourDigits:
    """So many saccade digits of each of the classes 0 to 3, coarse: both polarities joined, 17 × 17
    pixels, and two time bins in one."""
    splits = load_splits(progress=False)
    return FourDigits(*_small(splits.train, train), *_small(splits.test, unseen))


def _small(data: FrameSet, count: int) -> tuple[Tensor, Tensor]:
    rows = torch.cat([(data.labels == digit).nonzero()[:count, 0] for digit in DIGITS])
    pixels = coarse(data.frames(rows.numpy())).view(5, 2, len(rows), 2, 289)
    return pixels.amax((1, 3)).double(), data.labels[rows]


def small_network(readout: str = "membrane", seed: int = 0) -> SpikingNetwork:
    """289-8-4 in float64, alive at its start."""
    return SpikingNetwork(
        SIZES, readout=readout, logit_scale=2.0, weight_sd=(0.1, 0.3), seed=seed
    ).double()


class ESAtOnce(ES):
    """Full-rank ES that runs many members side by side: the same noise, the same fitness.

    It holds the noise of all of them, which only a small network allows.
    """

    def noise(self, network, step, draw):
        if getattr(self, "_step", None) != step:  # drawn once for forward passes and gradient
            self._step, self._drawn = step, {}
        if draw not in self._drawn:
            self._drawn[draw] = super().noise(network, step, draw)
        return self._drawn[draw]

    def evaluate(self, network, frames, labels, step, draws):
        sigmas = per_layer("sigma", self.sigma, len(network.layers))
        drawn = [self.noise(network, step, draw) for draw in draws]
        signs = frames.new_tensor(self.signs).view(-1, 1, 1, 1)

        def currents(index: int, inputs: Tensor) -> Tensor:
            """(T, signs, draws, B, out) of inputs (T, B, in), or of each member's own."""
            inputs = inputs.unsqueeze(1).unsqueeze(1) if index == 0 else inputs
            weight = torch.stack([noise[index][0] for noise in drawn]).transpose(1, 2)
            bias = torch.stack([noise[index][1] for noise in drawn]).unsqueeze(1)
            change = sigmas[index] * (inputs @ weight + bias)
            return network.layers[index](inputs) + signs * change

        return -cross_entropy(network.logits(frames, currents=currents), labels).T


def logits_of(network: SpikingNetwork, members: Tensor, frames: Tensor) -> Tensor:
    """Logits (N, B, C) of N networks with the weights and biases ``members`` (N, d), at once."""
    shapes = [parameter.shape for parameter in network.parameters()]
    parts = members.split([shape.numel() for shape in shapes], dim=1)
    tensors = [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]

    def currents(index: int, inputs: Tensor) -> Tensor:
        weights, biases = tensors[2 * index], tensors[2 * index + 1]
        if index:
            return inputs @ weights.mT + biases[:, None]
        drive = inputs @ weights.flatten(0, 1).T  # every member reads the same frames
        return drive.unflatten(2, biases.shape).transpose(1, 2) + biases[:, None]

    with torch.no_grad():
        return network.logits(frames, currents=currents)


def fitness_of(network: SpikingNetwork, members: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """Fitness (N,), −cross-entropy in nats, of networks with the weights ``members`` (N, d)."""
    return -cross_entropy(logits_of(network, members, frames), labels)


def accuracy_of(network: SpikingNetwork, weights: Tensor, frames: Tensor, labels: Tensor) -> float:
    """Share of recordings that the network with the weights (d,) gets right, in [0, 1]."""
    answers = logits_of(network, weights[None], frames)[0].argmax(dim=1)
    return (answers == labels).double().mean().item()


class Run(NamedTuple):
    """losses: mean over the population, one a generation; accuracy: on unseen recordings."""

    losses: list[float]
    accuracy: float


def train(
    estimator: EvolutionStrategy,
    generations: int,
    seed: int = 0,
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
    lr: float = LEARNING_RATE,
) -> Run:
    """Train the small network on all 160 recordings at once; seed: of its initial weights."""
    data, network = four_digits(), small_network(seed=seed)
    steps = optimizer(network.parameters(), lr=lr)
    losses = []
    for generation in range(generations):
        losses.append(estimator.fill_grads(network, data.frames, data.labels, generation))
        steps.step()
    with torch.no_grad():
        right = network(data.unseen_frames).argmax(dim=1) == data.unseen_labels
    return Run(losses, right.double().mean().item())


def along(network: SpikingNetwork, direction: list[Tensor], distances: Tensor) -> Tensor:
    """Fitness f(W + t E) at each distance t, (n,). direction: E, one tensor a parameter."""
    data = four_digits()
    start = [parameter.detach().clone() for parameter in network.parameters()]
    fitness = torch.empty_like(distances)
    with torch.no_grad():
        for place, distance in enumerate(distances):
            for parameter, weight, noise in zip(
                network.parameters(), start, direction, strict=True
            ):
                parameter.copy_(weight + distance * noise)
            fitness[place] = -cross_entropy(network.logits(data.frames), data.labels)
        for parameter, weight in zip(network.parameters(), start, strict=True):
            parameter.copy_(weight)
    return fitness


def smoothed(distances: Tensor, fitness: Tensor, sigma: float) -> Tensor:
    """Mean of f(t + σz), z ~ Normal(0, 1), at each t of an even grid, by a sum over the grid.

    Near the ends the bell is cut and the weights are scaled up to 1.
    """
    gaps = (distances[:, None] - distances) / sigma
    weights = torch.exp(-gaps.square() / 2)
    return weights @ fitness / weights.sum(dim=1)
