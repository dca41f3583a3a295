"""The one door to speed: is there a faster way to the same numbers?

An estimator is complete in its own file, in plain torch. One line of it asks here,

    if fast := engine(self, network, frames):
        return fast.evaluate(network, frames, labels, step, draws)

and the readable lines below it run where the answer is None. Which kernel runs, how its draws are
cut, what noise and which arrays are kept from the forward passes to the gradient is decided behind
this door. Nobody has to open it to understand a method. Compiled parts are imported by the first
question that they could answer, so that importing an estimator loads no Numba.

``LocalZO`` and ``SparseGrad`` ask ``event_driven`` in the same way, with a ``PseudoDerivative``;
``event_driven.py`` answers.
The online methods ask ``first_layer``, and ``traced.py`` answers.

Four modules of this package know how to run a population: ``population`` (low rank, on the CPU),
``maps`` (the same, of convolutions), ``full_rank`` (for members that have weights of their own) and
``gpu`` (low rank). Each has

    start(network, frames, members, arrays)             → run, with run.draws_at_once
    run.outputs(noise)                                  (signs, M, B, C) of M draws
    KEPT_BYTES                                          of noise, kept for the gradient

and where its own code is faster than torch's, ``fitness`` and ``add_gradient``.
"""

import importlib
from collections.abc import Callable
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.fitness import cross_entropy
from course_lib.layers import Conv, Dense
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork

#: rows that the gradient's products take at a time, draws times rank; on the CPU it changes no bit
PRODUCT_ROWS = 1024
#: methods of an evolution strategy that compiled code stands in for, and where it knows them from
REPLACED = ("lengths", "split", "population_currents", "member_currents", "add_gradient")
KNOWN = {f"course_lib.estimators.{file}" for file in ("evolution", "eggroll", "es")}


def knows(network: nn.Module, kinds: tuple[type, ...] = (Dense,)) -> str:
    """Why compiled code would not run this network but another one; empty if it would run it.

    It has the dynamics of ``SpikingNetwork`` built in. A subclass may add to them, not change them.
    kinds: of the layers that it takes.
    """
    for name, method in vars(SpikingNetwork).items():
        dynamics = isinstance(method, FunctionType) and name != "__init__"
        if dynamics and getattr(getattr(network, name, None), "__func__", None) is not method:
            return f"{type(network).__name__} has a {name} of its own"
    if type(network.neuron) is not LIFParameters:
        return f"its neuron is a {type(network.neuron).__name__}, not LIFParameters"
    if any(neuron != network.neuron for neuron in network.neurons):
        return "its layers differ in beta or threshold"
    for layer in network.layers:
        if type(layer) not in kinds or layer.bias is None or layer.norm is not None:
            names = "a plain dense layer" if kinds == (Dense,) else "a plain layer"
            return f"{layer} is not {names} with a bias"
    shapes = zip(network.sizes[1:], network.sizes[:-1], strict=True)
    for layer, shape in zip(network.layers, shapes, strict=True):
        dense = type(layer) is Dense
        if shape != (tuple(layer.weight.shape) if dense else (layer.outputs, layer.inputs)):
            return f"its layers do not have the sizes {tuple(network.sizes)}"
    for module in (network, *network.layers):
        if module._forward_hooks or module._forward_pre_hooks:
            return f"a forward hook stands at its {type(module).__name__}"
    return ""


def not_floats(network: SpikingNetwork, frames: Tensor) -> str:
    """What is not float32 where the frames are; empty if all is."""
    for name, tensor in [*network.named_parameters(), ("frames", frames)]:
        if tensor.dtype != torch.float32 or tensor.device != frames.device:
            return (
                f"it needs float32 on {frames.device}, and {name} is {tensor.dtype} on "
                f"{tensor.device}"
            )
    return ""


def engine(estimator, network: SpikingNetwork, frames: Tensor) -> "Population | None":
    """A faster way to what this evolution strategy finds with this network; None if there is none.

    estimator.kernel: "auto", the fast way where there is one; "readable", never; "fused", or else
    ValueError says what keeps it from being used.
    """
    if estimator.kernel == "readable":
        return None
    maps = bool(estimator.rank) and any(type(layer) is Conv for layer in network.layers)
    obstacle = knows(network, (Dense, Conv) if maps else (Dense,))
    obstacle = obstacle or _own_code(estimator) or not_floats(network, frames)
    name = "maps" if maps else "population" if estimator.rank else "full_rank"
    if maps and not obstacle:
        obstacle = _unlike_maps(network, frames)
    if not obstacle and frames.device.type == "cpu":
        obstacle = _distrust()
    elif not obstacle:
        name = "gpu"
        from course_lib.fast import gpu

        obstacle = gpu.why_not(network) if estimator.rank else "full rank is fast on the CPU alone"
    if not obstacle:
        kernels = importlib.import_module(f"course_lib.fast.{name}")
        return Population(estimator, kernels, room_of(estimator))
    return _none(estimator, obstacle)


def _unlike_maps(network: SpikingNetwork, frames: Tensor) -> str:
    """What keeps a network with convolutions from ``maps``."""
    if len(network.layers) < 2 or type(network.layers[0]) is not Conv:
        return "its first layer is not a convolution with another layer above it"
    return "" if frames.device.type == "cpu" else "convolutions are fast on the CPU alone"


class PseudoDerivative(NamedTuple):
    """A spike's derivative, as the event-driven pass takes it: zero where |u| ≥ bound, and below it
    ``function``(u), or where that is None LocalZO's G.

    There entry i of stream ``key`` picks a threshold δ|z| and a weight c|z|^α/(2δ). The thresholds
    ascend, and the bound is the last.
    """

    bound: float
    function: Callable[[Tensor], Tensor] | None = None
    key: int = 0
    samples: int = 0
    thresholds: np.ndarray = np.empty(0, np.float32)
    weights: np.ndarray = np.empty(0, np.float32)


def event_driven(estimator, network, frames: Tensor, step: int):
    """The network's pass over these frames, run forwards: an ``EventDrivenPass``, whose ``learn``
    fills ``.grad``. None where the autograd loop is the way.

    The compiled pass is the faster one at any δ, m and number of steps: for each sample and layer
    it chooses by itself between sums over the few entries whose derivative is not zero and sums
    over the events that came in.

    estimator.kernel: "auto", the fast way where there is one; "readable", never; "fused", or else
    ValueError says what keeps it from being used.
    """
    if estimator.kernel == "readable":
        return None
    obstacle = _own_spike(type(estimator)) or _on_the_cpu(network, frames)
    if estimator.loss != "accumulated":
        obstacle = obstacle or f"the loss is {estimator.loss!r}"
    if not obstacle:
        from course_lib.fast.event_driven import EventDrivenPass
        from course_lib.fast.event_lists import input_events

        arrays = room_of(estimator).arrays
        events = input_events(frames, arrays)
        if events is not None:
            return EventDrivenPass(network, events, estimator.pseudo_derivative(step), arrays)
        obstacle = "frames are not all 0 or 1"
    return _none(estimator, obstacle)


@contextmanager
def first_layer(estimator, network, frames: Tensor):
    """The first layer of an online pass: an ``EventTraced``, whose products cost what the frames'
    events cost; or None where ``online.Traced`` is the way. torch works in one thread meanwhile,
    for what is left are many small operations.

    estimator.kernel: as for ``event_driven``. ``.grad`` is complete when this is left.
    """
    if estimator.kernel == "readable":
        yield None
        return
    if obstacle := _on_the_cpu(network, frames):
        yield _none(estimator, obstacle)
        return
    from course_lib.fast.kernels.threads import torch_threads
    from course_lib.fast.traced import EventTraced

    threads, room = torch.get_num_threads(), room_of(estimator).arrays
    with torch_threads(1):
        layer = EventTraced(network.layers[0], frames, network.neuron.beta, room, threads)
        yield layer
        layer.finish()


def _on_the_cpu(network, frames: Tensor) -> str:
    """What keeps this network and its frames from kernels that run on the CPU alone."""
    obstacle = knows(network) or not_floats(network, frames)
    if frames.device.type != "cpu":
        obstacle = obstacle or "it runs on the CPU alone"
    return obstacle or _distrust()


def _none(estimator, obstacle: str) -> None:
    """The readable way, unless the estimator must not take it."""
    if estimator.kernel == "fused":
        raise ValueError(f'kernel="fused" does not work here: {obstacle}; use kernel="auto"')


def _distrust() -> str:
    """What keeps compiled code from this machine, if anything."""
    from course_lib.fast import trust

    return trust.why_not()


def _own_spike(method: type) -> str:
    """Whether a subclass has a spike function of its own, of which the kernel knows nothing."""
    spike, derivative = (
        next(base for base in method.__mro__ if name in vars(base))
        for name in ("spike", "pseudo_derivative")
    )
    return "" if spike is derivative else f"{method.__name__} has a spike of its own"


def _own_code(estimator) -> str:
    """Which part of the algorithm somebody has replaced, if any."""
    for name in REPLACED:
        method = getattr(estimator, name, None)
        if method and method.__module__ not in KNOWN:
            return f"{type(estimator).__name__} has a {name} of its own"
    return ""


class Room:
    """What is kept for an estimator from one call to the next, and goes when the estimator goes.

    arrays: a ``Workspace``.  noise: (M, P), of the draws from ``first`` on of what ``name`` names.
    """

    def __init__(self):
        from course_lib.fast.kernels.workspace import Workspace

        self.arrays, self.name, self.first, self.noise = Workspace(), None, 0, None

    def __reduce__(self):
        """A copy, or one in another process, has a room of its own."""
        return Room, ()


def room_of(estimator) -> Room:
    """The room of this estimator."""
    if "_room" not in vars(estimator):
        estimator._room = Room()
    return estimator._room


class Population(NamedTuple):
    """The fast way through a generation."""

    estimator: object
    kernels: ModuleType
    room: Room

    def members(self, network: SpikingNetwork):
        """How they differ from the network, for the kernels."""
        from course_lib.fast.population import Members

        estimator = self.estimator
        return Members(estimator.rank, tuple(estimator.sigmas(network)), estimator.signs)

    def evaluate(self, network, frames, labels, step, draws: range) -> Tensor:
        """As the estimator's: fitness of these draws.

        Noise is made part by part: a GPU works on one part while the CPU makes the next.
        """
        estimator, room = self.estimator, self.room
        room.name = room.noise = None
        network.check_frames(frames)
        run = self.kernels.start(network, frames, self.members(network), room.arrays)
        keep = 4 * sum(estimator.lengths(network)) * len(draws) <= self.kernels.KEPT_BYTES
        fitness, kept = [], []
        for some in estimator.chunks(draws, run.draws_at_once):
            noise = self.rows(network, step, some).to(frames.device)
            fitness.append(self.fitness(network, run.outputs(noise), labels))
            kept += [noise] if keep else []
        if keep:
            room.name, room.first = self.name(network, step), draws.start
            room.noise = kept[0] if len(kept) == 1 else torch.cat(kept)
        return torch.cat(fitness)

    def fitness(self, network, outputs: Tensor, labels: Tensor) -> Tensor:
        """(M, signs), or what the estimator's own loss gives, of outputs (signs, M, B, C)."""
        if self.estimator.loss is cross_entropy and hasattr(self.kernels, "fitness"):
            return self.kernels.fitness(network, outputs, labels)
        return -self.estimator.loss(network.logit_scale * outputs, labels).transpose(0, 1)

    def write_gradient(self, network, weights: Tensor, step: int) -> None:
        """Set every ``.grad`` to −(1/σ) Σ weight · E of all draws, added up draw after draw."""
        from course_lib.fast.kernels.workspace import zeros

        for parameter in network.parameters():  # torch's zeros would keep its threads busy
            on_cpu = parameter.device.type == "cpu"
            zero = torch.from_numpy(zeros(parameter.shape)) if on_cpu else None
            parameter.grad = torch.zeros_like(parameter) if zero is None else zero
        size = max(1, PRODUCT_ROWS // (self.estimator.rank or PRODUCT_ROWS // 4))
        for draws in self.estimator.chunks(range(len(weights)), size):
            noise, some = self.rows(network, step, draws), weights[draws.start : draws.stop]
            if hasattr(self.kernels, "add_gradient"):
                self.kernels.add_gradient(network, some, noise, self.members(network))
            else:
                self.estimator.add_gradient(network, some, noise.to(weights.device))
        self.room.name = self.room.noise = None

    def rows(self, network, step: int, draws: range) -> Tensor:
        """The estimator's noise of these draws, (M, P): what is kept, and the rest made anew."""
        from course_lib.fast.kernels.noise import gaussians

        def made(some: range) -> Tensor:
            return self.estimator.rows(network, step, some, gaussians)

        if self.room.name != self.name(network, step):
            return made(draws)
        first, kept = self.room.first, self.room.noise
        start = max(draws.start, first)
        stop = max(start, min(draws.stop, first + len(kept)))
        own = kept[start - first : stop - first]
        if len(own) == len(draws):
            return own
        before, after = range(draws.start, min(start, draws.stop)), range(stop, draws.stop)
        return torch.cat([made(before).to(own), own, made(after).to(own)])

    def name(self, network, step: int) -> tuple:
        """What tells this generation's noise from any other."""
        return repr(self.estimator), step, tuple(network.sizes)
