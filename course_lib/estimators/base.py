"""The one idea: a training method is another way to fill ``.grad``.

    loss = estimator.fill_grads(network, frames, labels, step=k)   # instead of loss.backward()
    optimizer.step()

The network is an ordinary ``torch.nn.Module`` and the optimiser an ordinary ``torch.optim`` one.
"""

from typing import Any

import torch
from torch import Tensor

from course_lib.network import SpikingNetwork


class Estimator:
    """What every training method offers.

    An estimator draws its randomness from (its seed, the step), never from global state, so a
    step can be repeated. One that learns something itself (OPZO's feedback, say) keeps it in
    ``state_dict`` so that an interrupted run resumes to the same numbers.
    """

    #: forward passes of one batch that a step costs, for comparisons at equal effort
    forward_passes: int = 1
    #: whether it reads nothing of a batch but its events, so that frames may stay bits
    reads_events: bool = False

    def fill_grads(
        self, network: SpikingNetwork, frames: Tensor, labels: Tensor, step: int = 0
    ) -> float:
        """Set every parameter's ``.grad`` to an estimate of the gradient of the loss.

        frames: (T, B, D); labels: (B,) class indices. What ``.grad`` held before is replaced.
        Returns the loss in nats, averaged over the forward passes that the method made.
        Raises ValueError if the batch does not fit the network.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold to resume this estimator; empty for most."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state saved by ``state_dict``."""


def check_batch(network: SpikingNetwork, frames: Tensor, labels: Tensor) -> None:
    """Raise ValueError, saying what is wrong, unless labels fit the frames and the network."""
    classes = network.sizes[-1]
    if labels.shape != frames.shape[1:2] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; expected torch.int64 of "
            f"shape {tuple(frames.shape[1:2])}, one a sample of frames {tuple(frames.shape)}"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())}; the network has "
            f"{classes} outputs, so they must lie in 0 … {classes - 1}"
        )
