"""LocalZO's derivative of a spike for one distribution λ of z and one δ.

One draw turns the spike's derivative into G(u; z) = |z|^α / (2δ) · 1[|u| < δ|z|] (eq. 7), so

    E_z[G] = (1/δ) ∫_{|u|/δ}^∞ z^α λ(z) dz                    eq. 8: an ordinary surrogate

z is drawn by the inverse transform (A.2.3): |z| = Q(r), r uniform, Q the quantile function of |z|,
tabulated at the midpoints of 65,536 equal steps of r. The sign of z never matters to G.

Source: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

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
        active = distance.abs().unsqueeze(-1) < self.delta * magnitudes
        return (active * (self.scale / (2 * self.delta) * magnitudes**self.alpha)).mean(dim=-1)

    def expected_threshold(self, samples: int = 1) -> float:
        """B_th = δ E[max |z_k|] of m draws: the |u| up to which a neuron counts as active.

        Eq. 21 with t = Q(r): δ ∫_0^1 Q(r) m r^(m−1) dr. Raises ValueError for m < 1.
        """
        steps = torch.linspace(0, 1, QUANTILES + 1, dtype=torch.float64)
        weights = (steps ** check_samples(samples)).diff()
        return self.delta * float(weights @ self.magnitudes)


def check_delta(delta: float) -> None:
    if not 0 < delta < math.inf:
        raise ValueError(
            f"delta is {delta}; the finite difference of eq. 5 divides by 2δ, so δ must be positive"
        )


def check_samples(samples: int) -> int:
    if int(samples) != samples or samples < 1:
        raise ValueError(f"samples is {samples}; eq. 6 averages over m ≥ 1 draws, a whole number")
    return int(samples)
