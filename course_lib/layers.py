"""Layers: how the spikes of one population of neurons become the currents of the next.

To a network, a layer's neurons are one flat axis, and a layer is one matrix W (m, n):

    dense           I = x Wᵀ + b                      n inputs, m neurons
    convolution     I[c, p] = W[c] · x[patch p] + b[c]  m channels, n = channels in · k²

A convolution uses the same m rows at every place p of its map: its matrix is small, and its neurons
are m · P. Methods never ask which one a layer is. They ask for what they need of any layer:

    currents(x, W, b)       with weights of one's own, as a member of a population has; in two
                            parts where somebody counts what arrives: read(x), then connect
    low_rank(x, A, B)       what A Bᵀ adds to the currents, for M members at once, without A Bᵀ
    add_gradient(δ, â)      Σ δ âᵀ into the weights' ``.grad``: errors at the currents, what came in
    to_bias(δ), spread(b)   an error summed up for the biases, and biases as currents
    back(δ)                 an error at the currents, carried to the inputs: δ W

Flat maps are channel first, then y, then x, as event frames are (polarity, y, x). A layer may
average its input over squares of p × p pixels first: pooling has no weights, so it belongs to the
layer that reads it. And it may normalise its currents (``Norm``), before its neurons see them.

Shapes: (…, N) with N neurons; T steps, S signs, M members, B samples.
"""

import re
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Norm(nn.Module):
    """Threshold-dependent batch normalisation (tDBN) of a layer's currents x, without its bias b:

        x̂ = α θ (x − μ) / √(σ² + ε),        I = γ x̂ + b

    μ and σ² are one number a channel, over time, batch and places, while a gradient is taken. On
    the way the module learns running means of both (``momentum`` of the newest batch), which it
    uses everywhere else: under ``torch.no_grad()``, and after ``eval()``.

    gain: γ (m,), one a channel, learnt; 1 at first, so that currents have standard deviation αθ.
    scale: αθ; a network sets θ. α is 1 where one path leads to a neuron, as in all of these.

    Source: Zheng et al. 2021, Going Deeper With Directly-Trained Larger Spiking Neural Networks
    (arXiv 2011.05280), threshold-dependent batch normalization.
    """

    momentum, epsilon = 0.1, 1e-5

    def __init__(self, channels: int):
        super().__init__()
        self.scale = 1.0
        self.gain = nn.Parameter(torch.ones(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: (…, m · P), channel first. Returns the currents I, of the same shape."""
        found = F.batch_norm(
            x.reshape(-1, len(bias), x.shape[-1] // len(bias)), self.mean, self.variance,
            self.scale * self.gain, bias, self.training and torch.is_grad_enabled(),
            self.momentum, self.epsilon,
        )  # fmt: skip
        return found.view(x.shape)

    def folded(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """W and b of a layer without a norm that gives the same currents at the running means."""
        factor = self.scale * self.gain / (self.variance + self.epsilon).sqrt()
        return weight * factor[:, None], bias - factor * self.mean


class _Currents:
    """Currents of weights of one's own; of the layer's, normalised if it has a ``Norm``."""

    def currents(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.connect(self.read(x), weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is None:
            return self.currents(x, self.weight, self.bias)
        return self.norm(self.currents(x, self.weight), self.bias)


class Dense(_Currents, nn.Linear):
    """Every input reaches every neuron. Weight (out, in), bias (out,)."""

    def __init__(self, inputs: int, outputs: int, bias=True, device=None, dtype=None):
        super().__init__(inputs, outputs, bias, device, dtype)
        self.norm: Norm | None = None

    inputs = property(lambda self: self.in_features)
    outputs = property(lambda self: self.out_features)

    def read(self, x: Tensor) -> Tensor:
        """What the weights meet: the inputs (…, inputs), or their averages."""
        return x

    def connect(self, read: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Currents (…, outputs) of what was ``read``."""
        return F.linear(read, weight, bias)

    def low_rank(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """x: (T, B, in), shared by all members, or (T, S, M, B, in); a (M, out, r), b (M, in, r).

        Returns (T, S, M, B, out), with S = 1 for a shared input.
        """
        if x.dim() == 3:
            projected = torch.einsum("tbi,mir->tmbr", x, b).unsqueeze(1)
        else:
            projected = torch.einsum("tsmbi,mir->tsmbr", x, b)
        return torch.einsum("tsmbr,mor->tsmbo", projected, a)

    def spread(self, bias: Tensor) -> Tensor:
        """Biases (…, m) as currents of the neurons, (…, outputs)."""
        return bias

    def add_gradient(self, delta: Tensor, arrived: Tensor, alpha: float = 1.0) -> None:
        """weight.grad += α Σ δ âᵀ. delta: (Z, outputs); arrived: (Z, inputs)."""
        self.weight.grad.addmm_(delta.T, arrived, alpha=alpha)

    def to_bias(self, delta: Tensor) -> Tensor:
        """Σ δ over what shares a bias: (Z, outputs) → (m,)."""
        return delta.sum(dim=0)

    def back(self, delta: Tensor) -> Tensor:
        return delta @ self.weight


class Conv(_Currents, nn.Module):
    """A convolution over feature maps, without padding, and average pooling before it.

    shape:    (C, H, W) of the input's maps.
    channels: m, feature maps that come out.
    kernel:   k, or (k_y, k_x).
    pool:     p, side of the squares that are averaged first; what does not fill one is left out.
              Maps of one row (H = 1, a microphone's) have windows and squares of one row.

    Weight (m, C k²): one row a channel. Bias (m,). Raises ValueError if the kernel does not fit.
    """

    def __init__(self, shape, channels: int, kernel, pool: int = 1):
        super().__init__()
        flat = shape[1] == 1
        self.kernel = kernel if isinstance(kernel, tuple) else (1 if flat else kernel, kernel)
        self.shape, self.pool = tuple(shape), (1 if flat else pool, pool)
        pooled = [side // p for side, p in zip(shape[1:], self.pool, strict=True)]
        sides = [side - k + 1 for side, k in zip(pooled, self.kernel, strict=True)]
        if min(*sides, *pooled) < 1:
            raise ValueError(
                f"a kernel of {self.kernel[0]} × {self.kernel[1]} does not fit into maps of "
                f"{pooled[0]} × {pooled[1]}; take a smaller one, or pool less before it"
            )
        self.pooled, self.out_shape = (shape[0], *pooled), (channels, *sides)
        self.inputs, self.outputs = prod(self.shape), prod(self.out_shape)
        self.weight = nn.Parameter(torch.empty(channels, shape[0] * prod(self.kernel)))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.norm: Norm | None = None

    def extra_repr(self) -> str:
        """What it does to the shape, for people."""
        pooled = f", pooled by {self.pool[1]}" if self.pool[1] > 1 else ""
        return f"{self.shape}{pooled} -> {self.out_shape}, kernel {self.kernel}"

    def read(self, x: Tensor) -> Tensor:
        """What the weights meet: the inputs (…, inputs), averaged over squares, flat."""
        if self.pool[1] == 1:
            return x
        pooled = F.avg_pool2d(x.reshape(-1, *self.shape), self.pool)
        return pooled.reshape(*x.shape[:-1], -1)

    def maps(self, x: Tensor) -> Tensor:
        """What is read of inputs (…, inputs), as maps (Z, C, H/p, W/p)."""
        return self.read(x).reshape(-1, *self.pooled)

    def filters(self, weight: Tensor) -> Tensor:
        """(m, C k²) as torch's kernels (m, C, k, k)."""
        return weight.unflatten(1, (self.shape[0], *self.kernel))

    def connect(self, read: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Currents (…, outputs) of what was ``read``."""
        found = F.conv2d(read.reshape(-1, *self.pooled), self.filters(weight), bias)
        return found.reshape(*read.shape[:-1], self.outputs)

    def low_rank(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """As ``Dense.low_rank``: x meets r filters B of every member, and A mixes what they find.

        Members that share an input are M · r filters of one convolution; members with spikes of
        their own are M groups of one.
        """
        (members, _, rank), maps = b.shape, self.maps(x)
        filters = self.filters(b.transpose(1, 2).flatten(0, 1))
        if x.dim() == 3:
            found = F.conv2d(maps, filters).view(*x.shape[:2], 1, members, rank, -1)
            found = found.permute(0, 2, 3, 1, 4, 5)
        else:
            steps, signs, _, batch, _ = x.shape
            own = maps.view(steps, signs, members, batch, *maps.shape[1:]).transpose(2, 3)
            grouped = own.reshape(-1, members * self.shape[0], *maps.shape[2:])
            found = F.conv2d(grouped, filters, groups=members)
            found = found.view(steps, signs, batch, members, rank, -1).transpose(2, 3)
        return torch.einsum("tsmbrp,mor->tsmbop", found, a).flatten(4)

    def spread(self, bias: Tensor) -> Tensor:
        """Biases (…, m) as currents of the neurons, (…, outputs): one at every place of a map."""
        return bias.repeat_interleave(self.outputs // len(self.bias), dim=-1)

    def add_gradient(self, delta: Tensor, arrived: Tensor, alpha: float = 1.0) -> None:
        """weight.grad += α Σ δ âᵀ over all places. delta: (Z, outputs); arrived: (Z, inputs)."""
        errors, shape = delta.reshape(-1, *self.out_shape), self.filters(self.weight).shape
        grad = torch.nn.grad.conv2d_weight(self.maps(arrived), shape, errors)
        self.weight.grad.add_(grad.flatten(1), alpha=alpha)

    def to_bias(self, delta: Tensor) -> Tensor:
        """Σ δ over what shares a bias: (Z, outputs) → (m,)."""
        return delta.reshape(-1, *self.out_shape).sum(dim=(0, 2, 3))

    def back(self, delta: Tensor) -> Tensor:
        errors = F.conv_transpose2d(delta.reshape(-1, *self.out_shape), self.filters(self.weight))
        if self.pool[1] > 1:  # each pixel of a square has its share of the average
            rows, columns = self.pool
            errors = errors.repeat_interleave(rows, 2).repeat_interleave(columns, 3)
            _, height, width = self.shape
            rest = (0, width - errors.shape[3], 0, height - errors.shape[2])
            errors = F.pad(errors, rest) / (rows * columns)
        return errors.reshape(*delta.shape[:-1], self.inputs)


Layer = Dense | Conv
#: what a short description of a network says: "c16k5 p2 c32k5 p2 10"
PART = re.compile(
    r"p(?P<pool>[1-9]\d*)|(c(?P<channels>[1-9]\d*)k(?P<kernel>[1-9]\d*)|(?P<neurons>[1-9]\d*))(?P<norm>n?)"
)


def stack(description: str, shape: tuple[int, int, int]) -> list[Layer]:
    """Layers from a line of text, such as "c16k5 p2 c32k5 p2 10".

    c16k5: 16 feature maps by kernels of 5 × 5;   p2: averages over 2 × 2, for the next layer;
    10:    ten neurons that see everything;    c16k5n, 100n: with a ``Norm``.
    shape: (C, H, W) of the input, such as (2, 34, 34): polarities, rows, columns.

    Raises ValueError for a part that is none of these, pooling at the end, or a map that is left
    too small for the next kernel.
    """
    layers, pool = [], 1
    for part in description.split():
        found = PART.fullmatch(part)
        if not found:
            raise ValueError(
                f"layers are {description!r}, and {part!r} is none of c16k5 (16 maps, kernels of "
                "5 × 5), p2 (averages over 2 × 2) and 10 (ten neurons that see everything); an n "
                "behind neurons or maps (c16k5n) normalises their currents"
            )
        if found["pool"]:
            pool *= int(found["pool"])
            continue
        if found["channels"]:
            layer = Conv(shape, int(found["channels"]), int(found["kernel"]), pool)
        elif pool == 1:
            layer = nn.utils.skip_init(Dense, prod(shape), int(found["neurons"]))
        else:  # one kernel as large as the maps
            sides = tuple(max(1, side // pool) for side in shape[1:])
            layer = Conv(shape, int(found["neurons"]), sides, pool)
        if found["norm"]:
            layer.norm = Norm(len(layer.bias))
        shape, pool = getattr(layer, "out_shape", (layer.outputs, 1, 1)), 1
        layers.append(layer)
    if pool > 1 or not layers:
        raise ValueError(f"layers are {description!r}; the last part must be neurons, such as 10")
    return layers
