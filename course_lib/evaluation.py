"""How good, and how busy, a trained network is."""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.events import FrameSet
from course_lib.fitness import cross_entropy
from course_lib.network import SpikingNetwork


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` measured on a set of n recordings.

    loss:      mean cross-entropy, nats.
    accuracy:  fraction of recordings whose largest output is their label, in [0, 1].
    confusion: (C, C) counts, row = label, column = answer.
    spikes:    mean spikes per recording of each layer, first hidden layer first.
    right:     (n,) booleans: whether the answer to each recording is its label.
    silent:    neurons of each layer that send no spike to any recording; leaky outputs never do.
    """

    loss: float
    accuracy: float
    confusion: Tensor
    spikes: tuple[float, ...]
    right: Tensor
    silent: tuple[int, ...]

    @property
    def count(self) -> int:
        return int(self.confusion.sum())


@torch.no_grad()
def evaluate(network: SpikingNetwork, data: FrameSet, batch_size: int = 256) -> Evaluation:
    """Run the network on every recording of ``data``.

    Ties between outputs go to the lowest class: rates of T = 10 steps tie often, and a network that
    says nothing answers 0 each time. Raises ValueError if there is no recording.
    """
    if len(data) == 0:
        raise ValueError("there is no recording to evaluate on")
    classes = network.sizes[-1]
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    loss, spikes, right = 0.0, torch.zeros(len(network.layers), dtype=torch.float64), []
    active = [torch.zeros(layer.outputs, dtype=torch.bool) for layer in network.layers]
    for frames, labels in data.batches(batch_size, network.layers[0].weight.device):
        activity = network.record(frames)
        outputs = network.read(activity[-1]).cpu()
        loss += len(labels) * cross_entropy(network.logit_scale * outputs, labels).item()
        spikes += torch.tensor([layer.spikes.sum(dtype=torch.float64) for layer in activity])
        for layer, seen in zip(activity, active, strict=True):
            seen |= layer.spikes.any(dim=0).any(dim=0).cpu()
        answers = outputs.argmax(dim=1)
        right.append(answers == labels)
        pairs = labels * classes + answers
        confusion += torch.bincount(pairs, minlength=classes**2).view(classes, classes)
    return Evaluation(
        loss=loss / len(data),
        accuracy=confusion.diag().sum().item() / len(data),
        confusion=confusion,
        spikes=tuple((spikes / len(data)).tolist()),
        right=torch.cat(right),
        silent=tuple(int((~seen).sum()) for seen in active),
    )
