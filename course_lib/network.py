"""A feed-forward spiking network, as an ordinary ``torch.nn.Module``.

Layer l turns the spikes of the layer before it (or the event frames) into currents and these into
spikes of its own:

    I_l[t] = s_{l−1}[t] W_lᵀ + b_l,      s_l, v_l = LIF(I_l)      (``layers.py``: or a convolution)

and the output is one number a class, averaged over time:

    readout "rate":      (1/T) Σ_t s_L[t]     mean spike rate of spiking outputs, in [0, 1]
    readout "membrane":  (1/T) Σ_t v_L[t]     mean voltage of leaky outputs that never fire

The first is the readout of the EGGROLL-SNN paper (arXiv 2605.30361, eq. 4). The second is what
most surrogate-gradient work uses; it is far easier to train, so compare methods at one readout.

Shapes: T steps, B samples, N neurons, C classes. Tensors are time-major: frames (T, B, D),
currents, voltages and spikes (T, B, N), outputs (B, C).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.layers import Dense, Layer
from course_lib.lif import LIFParameters, SpikeFunction, heaviside, leaky_run, lif_run
from course_lib.noise import normal

READOUTS = ("rate", "membrane")


class LayerActivity(NamedTuple):
    """What one layer did: three tensors (T, B, N). The spikes of a leaky readout are zeros."""

    currents: Tensor
    voltages: Tensor
    spikes: Tensor


class SpikingNetwork(nn.Module):
    """A network of LIF neurons, fully connected or convolutional.

    sizes:       neurons per layer, input first, for example (2312, 256, 10); not asked for where
                 there are ``layers``.
    layers:      layers in place of fully connected ones: see ``layers.stack``.
    neuron:      the LIF parameters of every layer; β and θ may be a number for each.
    readout:     "rate" or "membrane", see above.
    logit_scale: logits = logit_scale · output. Rates lie in [0, 1]: without a scale the softmax of
                 ten classes could never be surer than e / (e + 9) = 23 %.
    weight_sd:   standard deviation of the initial Gaussian weights, one number or one a layer;
                 by default 1.2/√(inputs of a neuron), which makes event frames drive the first
                 layer to a few spikes a sample. Biases start at zero.
    seed:        of the initial weights.

    Raises ValueError if an argument is out of range.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (2312, 256, 10),
        neuron: LIFParameters | None = None,
        readout: str = "rate",
        logit_scale: float = 10.0,
        weight_sd: float | Sequence[float] | None = None,
        seed: int = 0,
        layers: Sequence[Layer] = (),
    ):
        super().__init__()
        if layers:
            sizes = (layers[0].inputs, *(layer.outputs for layer in layers))
        if len(sizes) < 2 or any(int(size) != size or size < 1 for size in sizes):
            raise ValueError(
                f"sizes is {tuple(sizes)}; expected at least an input and an output size, "
                "whole numbers of 1 or more, such as (2312, 256, 10)"
            )
        if readout not in READOUTS:
            raise ValueError(f"readout is {readout!r}; choose one of {', '.join(READOUTS)}")
        if not logit_scale > 0:
            raise ValueError(f"logit_scale is {logit_scale}; it must be positive")
        self.sizes = tuple(int(size) for size in sizes)
        self.neuron = neuron or LIFParameters()
        self.readout = readout
        self.logit_scale = float(logit_scale)

        self.layers = nn.ModuleList(
            layers or [nn.utils.skip_init(Dense, *pair) for pair in pairwise(self.sizes)]
        )
        deviations = per_layer("weight_sd", weight_sd, len(self.layers))
        neurons = self.neuron.by_layer(len(self.layers))
        generator = torch.Generator().manual_seed(seed)
        for layer, deviation, neuron in zip(self.layers, deviations, neurons, strict=True):
            deviation = deviation or 1.2 / layer.weight.shape[1] ** 0.5
            start = deviation * normal(layer.weight.shape, generator)
            layer.weight = nn.Parameter(start.to(layer.weight))
            nn.init.zeros_(layer.bias)
            if layer.norm is not None:
                layer.norm.scale = neuron.threshold

    @property
    def neurons(self) -> list[LIFParameters]:
        """The LIF parameters of each layer."""
        return self.neuron.by_layer(len(self.layers))

    def forward(
        self,
        frames: Tensor,
        spike: SpikeFunction = heaviside,
        currents: Callable[[int, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Outputs (B, C) of frames (T, B, D).

        spike:    maps v − θ to spikes; training methods replace it to set its derivative.
        currents: maps (layer index, its input) to the layer's currents; W x + b if not given.
                  Methods that perturb weights replace it, and may add axes before B.
        """
        return self.read(self._last(frames, spike, currents))

    def each_step(self, frames: Tensor, **options) -> Tensor:
        """Outputs (T, B, C) of every time step, whose mean is ``forward``'s. Options as there.

        Raises ValueError if the network reads its output in a way of its own.
        """
        if getattr(self.read, "__func__", None) is not SpikingNetwork.read:
            raise ValueError(f"{type(self).__name__} has a read of its own, and so no output for "
                             'every step; use the loss "accumulated"')  # fmt: skip
        return self._emitted(self._last(frames, **options))

    def logits(self, frames: Tensor, **options) -> Tensor:
        """Logits (B, C): ``logit_scale`` times the outputs. Options as in ``forward``."""
        return self.logit_scale * self(frames, **options)

    def record(self, frames: Tensor, spike: SpikeFunction = heaviside) -> list[LayerActivity]:
        """Currents, voltages and spikes of every layer, first hidden layer first."""
        return list(self._run(frames, spike))

    def _last(self, frames, spike=heaviside, currents=None) -> LayerActivity:
        layers = self._run(frames, spike, currents, keep=False)
        return deque(layers, maxlen=1).pop()  # let go of each layer but the last

    def _run(self, frames, spike, currents=None, keep=True) -> Iterator[LayerActivity]:
        """The layers' activity, one after another; hidden voltages only if ``keep``."""
        self.check_frames(frames)
        currents = currents or (lambda index, inputs: self.layers[index](inputs))
        inputs = frames
        for index, neuron in enumerate(self.neurons):
            drive = currents(index, inputs)
            if index == len(self.layers) - 1 and self.readout == "membrane":
                voltages = leaky_run(drive, neuron.beta)
                inputs = torch.zeros_like(voltages)
            else:
                inputs, voltages = lif_run(drive, neuron, spike, keep_voltages=keep)
            yield LayerActivity(drive, voltages, inputs)

    def check_frames(self, frames: Tensor) -> None:
        """Raise ValueError, saying what is wrong, unless frames are (T, B, D), none of them 0."""
        if frames.dim() < 3 or frames.shape[-1] != self.sizes[0] or 0 in frames.shape:
            raise ValueError(
                f"frames has shape {tuple(frames.shape)}; expected (T, B, {self.sizes[0]}): time, "
                "batch, inputs, none of them empty"
            )

    def read(self, output: LayerActivity) -> Tensor:
        """Outputs (B, C) of the recorded activity of the last layer."""
        return self._emitted(output).mean(dim=0)

    def _emitted(self, output: LayerActivity) -> Tensor:
        return output.spikes if self.readout == "rate" else output.voltages


def per_layer(name: str, value: float | Sequence[float] | None, layers: int) -> list:
    """Spread one positive number over all layers, or check that there is one for each.

    Raises ValueError, naming the argument, if the count is wrong or a number is not positive.
    """
    values = [value] * layers if value is None or isinstance(value, int | float) else list(value)
    if len(values) != layers:
        raise ValueError(
            f"{name} has {len(values)} values; give one, or one for each of {layers} layers"
        )
    if any(number is not None and not 0 < number < float("inf") for number in values):
        raise ValueError(f"{name} is {value}; every value must be a positive number")
    return values
