"""The one idea: a training method is another way to fill ``.grad``.

    loss = estimator.fill_grads(network, frames, labels, step=k)   # instead of loss.backward()
    optimizer.step()

The network is an ordinary ``torch.nn.Module`` and the optimiser an ordinary ``torch.optim`` one.
"""

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from course_lib.layers import Dense
from course_lib.network import SpikingNetwork

#: ways to the same numbers, for methods that have several: see ``fast/__init__.py``
KERNELS = ("auto", "fused", "readable")
#: what is judged: the answer of all time steps, or each step's own
LOSSES = ("accumulated", "each_step")
FORWARD = "no backward pass"
UNROLLED = "as many backward passes through time"


class Estimator:
    """What every training method offers. A method is a dataclass: its fields are its options, on
    the command line, in runs and in studies, with the docstring's line on each as their help.

    An estimator draws its randomness from (its seed, the step), never from global state, so a
    step can be repeated. One that learns something itself (OPZO's feedback, say) keeps it in
    ``state_dict`` so that an interrupted run resumes to the same numbers.
    """

    #: what commands call it, and what people do; shown: options that a title names
    name: ClassVar[str]
    label: ClassVar[str]
    shown: ClassVar[tuple[str, ...]] = ()
    #: what a step needs beside forward passes, in words
    backward: ClassVar[str] = FORWARD
    #: Settings of a run that suit the method, all chosen on the validation set of the saccade
    #: digits. The readouts need different starts: spiking outputs must fire before anything tells
    #: weights apart, leaky ones do better small. Of two numbers, one is the first layer's, or that
    #: of all layers but the last, the other the last layer's.
    defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "rate": {"beta": 0.95, "logit_scale": 10.0, "weight_sd": (0.025, 0.1)},
        "membrane": {"beta": 0.9, "logit_scale": 10.0, "weight_sd": (0.025, 0.01)},
        "any": {
            "hidden": (256,), "readout": "membrane", "lr": 0.003, "batch_size": 64, "shift": 1,
            "steps": 800,
        },
    }  # fmt: skip

    #: forward passes of one batch that a step costs, for comparisons at equal effort
    forward_passes: int = 1
    #: whether it reads nothing of a batch but its events, so that frames may stay bits
    reads_events: bool = False
    #: whether every input has to reach every neuron, in all layers
    dense_only: ClassVar[bool] = False
    #: whether it can train layers with a ``Norm``, for which it takes a gradient through the batch
    normalises: ClassVar[bool] = False

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

    @classmethod
    def options(cls) -> dict[str, dataclasses.Field]:
        """Its fields by name: what ``build`` takes."""
        return {field.name: field for field in dataclasses.fields(cls) if field.init}

    @classmethod
    def build(cls, options: dict[str, Any]) -> "Estimator":
        """The estimator with these options. Raises ValueError for one that it does not have."""
        unknown = [name for name in options if name not in cls.options()]
        if unknown:
            raise ValueError(
                f"{cls.label} has no option {', '.join(unknown)}; "
                f"its options are {', '.join(cls.options()) or 'none'}"
            )
        return cls(**options)

    @classmethod
    def check_maps(cls, maps: tuple[int, int, int]) -> None:
        """Raise ValueError if frames of so many polarities, rows and columns are not for it."""


def check_layers(method: type[Estimator], layers: Iterable[nn.Module]) -> None:
    """Raise ValueError if the method is not made for one of these layers."""
    layers = list(layers)
    if not method.normalises and any(layer.norm is not None for layer in layers):
        raise ValueError(
            f"{method.label} cannot train layers that are normalised (such as c16k5n), because it "
            "takes no gradient through the batch: leave out the n, or train by BPTT, LocalZO or "
            "SparseGrad (on the command line --method bptt)"
        )
    if method.dense_only and not all(isinstance(layer, Dense) for layer in layers):
        raise ValueError(
            f"{method.label} is made for dense layers, and this network has others: train it by "
            "EGGROLL, for example (on the command line --method eggroll)"
        )


def check_batch(network: SpikingNetwork, frames: Tensor, labels: Tensor) -> None:
    """Raise ValueError, saying what is wrong, unless frames and labels fit the network."""
    network.check_frames(frames)
    if not getattr(frames, "unread", False):  # bits are zeros and ones
        low, high = frames.aminmax()
        if not torch.isfinite(high - low):
            raise ValueError("frames hold nan or infinity; every entry must be a finite number")
    classes = network.sizes[-1]
    if labels.shape != frames.shape[1:2] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; expected torch.int64 of "
            f"shape {tuple(frames.shape[1:2])}, one a sample of frames {tuple(frames.shape)}"
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())}; the network has "
            f"{classes} outputs, so they must lie in 0 … {classes - 1}"
        )


def check_choice(name: str, value, choices) -> None:
    """Raise ValueError, with the choices and the nearest of them, unless ``value`` is one."""
    if value not in choices:
        close = difflib.get_close_matches(str(value), choices, n=1)
        nearest = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}{nearest}")
