"""LocalZO's derivative of a spike for one distribution λ of z and one δ, and spikes that have it.

One draw turns the spike's derivative into G(u; z) = |z|^α / (2δ) · 1[|u| < δ|z|] (eq. 7), so

    E_z[G] = (1/δ) ∫_{|u|/δ}^∞ z^α λ(z) dz                    eq. 8: an ordinary surrogate

z is drawn by the inverse transform (A.2.3): |z| = Q(r), r uniform, Q the quantile function of |z|,
tabulated at the midpoints of 65,536 equal steps of r. The sign of z never matters to G. Training
takes r from a counter-based stream, so that the compiled kernel can ask for the few that it needs.

Source: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from course_lib.estimators.surrogate import surrogate_spike

QUANTILES = 2**16


@dataclass(frozen=True)
class Smoothing:
    """A distribution λ of z at one δ, ready to draw from.

    alpha, delta: α and δ of eq. 7;   scale: c of Theorem 3, by which G is multiplied (1 for a λ
                  that was given);
    magnitudes:   quantiles of |z|, ascending, (65536,) float64;
    surrogate:    u → c E_z[G(u; z)], the expected surrogate;
    density:      z → λ(z).
    """

    name: str
    alpha: float
    delta: float
    scale: float
    magnitudes: Tensor
    surrogate: Callable[[Tensor], Tensor]
    density: Callable[[Tensor], Tensor]

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """z ~ λ by the inverse transform, with a random sign; float64."""
        r = torch.randint(QUANTILES, shape, generator=generator)
        return self.magnitudes[r] * (2 * torch.randint(2, shape, generator=generator) - 1)

    def derivative(self, distance: Tensor, magnitudes: Tensor) -> Tensor:
        """c G averaged over the draws |z| in the last axis of ``magnitudes``, eq. 6 and 7."""
        active = (distance.abs().unsqueeze(-1) < self.delta * magnitudes).to(magnitudes.dtype)
        active *= magnitudes if self.alpha == 1 else magnitudes**self.alpha
        return active.sum(dim=-1) * (self.scale / (2 * self.delta * magnitudes.shape[-1]))

    def expected_threshold(self, samples: int = 1) -> float:
        """B_th = δ E[max |z_k|] of m draws: the |u| up to which a neuron counts as active.

        Eq. 21 with t = Q(r): δ ∫_0^1 Q(r) m r^(m−1) dr. Raises ValueError for m < 1.
        """
        return self.delta * _mean_largest(self.magnitudes, check_samples(samples))

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each |z|, the threshold δ|z| and the weight c|z|^α/(2δ) of eq. 7; float32."""
        magnitudes = self.magnitudes.float()
        weights = self.scale / (2 * self.delta) * magnitudes**self.alpha
        return (self.delta * magnitudes).numpy(), weights.numpy()


@lru_cache(maxsize=8)
def _mean_largest(magnitudes: Tensor, samples: int) -> float:
    """E[max |z_k|] of m draws."""
    steps = torch.linspace(0, 1, QUANTILES + 1, dtype=torch.float64)
    return float((steps**samples).diff() @ magnitudes)


def check_delta(delta: float) -> None:
    if not 0 < delta < math.inf:
        raise ValueError(
            f"delta is {delta}; the finite difference of eq. 5 divides by 2δ, so δ must be positive"
        )


def check_samples(samples: int) -> int:
    if int(samples) != samples or samples < 1:
        raise ValueError(f"samples is {samples}; eq. 6 averages over m ≥ 1 draws, a whole number")
    return int(samples)


def stream_key(generator: torch.Generator) -> int:
    """The key of a stream of draws: one number taken from an explicit generator."""
    return int(torch.randint(2**62, (), generator=generator))


def draw_indices(key: int, position: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Entries ``position`` … of stream ``key``: ``count`` whole numbers, uniform below 65,536.

    The i-th is the top 16 bits of the i-th output of SplitMix64 (Steele, Lea and Flood 2014,
    doi 10.1145/2660193.2660195) started at ``key``. As it depends on key and i alone, the kernel
    can ask for the few that it needs and get the same. torch has no whole numbers of 64 bits
    without a sign, so every shift to the right clears what it drew in from the left. SplitMix64's
    last step, x ^ (x >> 31), leaves the top 16 bits as they are and is left out.
    """
    x = torch.arange(position + 1, position + 1 + count, device=device)
    x *= _signed(0x9E3779B97F4A7C15)
    x += key
    for bits, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        high = x >> bits
        high &= 2 ** (64 - bits) - 1
        x ^= high
        x *= _signed(factor)
    x >>= 48
    x &= QUANTILES - 1
    return x


def _signed(word: int) -> int:
    """The number with the same 64 bits and a sign."""
    return word - 2**64 if word >= 2**63 else word


class ZerothOrderSpike:
    """A spike function: Heaviside forward, LocalZO's G backward, fresh draws at every call.

    generator: names the stream of draws; calls take their z from it one after the other.
    """

    def __init__(self, smoothing: Smoothing, samples: int, generator: torch.Generator):
        self.smoothing, self.samples = smoothing, check_samples(samples)
        self.key, self.position = stream_key(generator), 0
        self._table = smoothing.magnitudes

    def draw(self, distance: Tensor) -> Tensor:
        """|z| for every entry of ``distance``: its shape with m samples as a last axis."""
        count = distance.numel() * self.samples
        indices = draw_indices(self.key, self.position, count, distance.device)
        self._table = self._table.to(distance.device)
        self.position += count
        drawn = self._table.index_select(0, indices).to(distance)
        return drawn.view(*distance.shape, self.samples)

    def __call__(self, distance: Tensor) -> Tensor:
        return surrogate_spike(lambda u: self.smoothing.derivative(u, self.draw(u)))(distance)
