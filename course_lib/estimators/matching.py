"""Surrogates and densities of one's own, made into something that LocalZO can draw from.

Theorem 3: a given surrogate g is met on average, c E_z[G(u; z)] = g(u), by

    λ(z) = −δ² g′(δz) / (c z^α),     c = −2δ² ∫_0^∞ z^−α g′(δz) dz.

Theorem 2, the other way round: a given λ has the expected surrogate of eq. 8.

Integrals are sums over z > 0 in equal steps of log z.

Source: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023).
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from course_lib.estimators.spike_derivative import QUANTILES, Smoothing, check_delta


def match_surrogate(
    surrogate: Callable[[Tensor], Tensor], delta: float, alpha: float = 1.0, name: str = "own g"
) -> Smoothing:
    """λ, c and a sampler for any surrogate g, by Theorem 3.

    surrogate: g(u) in torch operations, elementwise and differentiable almost everywhere.

    They are the result's ``density``, ``scale`` and ``sample``; the result itself is what
    ``LocalZO(distribution=…)`` trains with.

    Raises ValueError naming the condition that fails: g is no surrogate function (Definition 4.1:
    even, ≥ 0, falling away from 0, finite area), or c is zero or infinite (Theorem 3).
    """
    check_delta(delta)
    z = _grid()
    values, slope = _with_slope(surrogate, delta, z)
    definition = f"{name} is no surrogate function (Definition 4.1): "
    if not torch.isfinite(values).all() or (values < 0).any():
        raise ValueError(definition + "it must be finite and nowhere negative")
    near = z[values > 1e-9 * values[0]]
    if not torch.allclose(surrogate(-delta * near), surrogate(delta * near), rtol=1e-6):
        raise ValueError(definition + "it is not even, g(−u) ≠ g(u)")
    if (values.diff() > 1e-9 * values[0]).any():
        raise ValueError(definition + "it grows somewhere away from u = 0")
    if not _converges(values, z):
        raise ValueError(definition + "its area ∫ g(u) du is infinite")

    density = -slope * z**-alpha
    if not _converges(density, z):
        raise ValueError(
            f"c = −2δ² ∫ z^−α g′(δz) dz is infinite for {name} with α = {alpha:g} (Theorem 3); "
            "try α = −1, which suits a g with a kink at 0"
        )
    cumulative = _cumulative(density, z)
    if not cumulative[-1] > 0:
        raise ValueError(
            f"c is zero for {name}: g′ vanishes almost everywhere, so Theorem 3 gives no density"
        )
    scale = 2 * delta * float(cumulative[-1])

    def density_at(z: Tensor) -> Tensor:
        distance = z.detach().double().abs().clamp(min=1e-6)  # at z = 0, the limit
        _, slope = _with_slope(surrogate, delta, distance)
        return (-delta / scale * slope * distance**-alpha).to(z)

    magnitudes = _quantiles(cumulative, z)
    return Smoothing(name, float(alpha), delta, scale, magnitudes, surrogate, density_at)


def match_density(
    density: Callable[[Tensor], Tensor], delta: float, alpha: float = 1.0, name: str = "own λ"
) -> Smoothing:
    """A sampler and the expected surrogate for any even density λ(z), by Theorem 2 and eq. 8.

    Raises ValueError if λ is not an even density, or if ∫ z^α λ or ∫ z^(α+1) λ (for α = 1 the
    second moment) is infinite, which Theorem 2 rules out.
    """
    check_delta(delta)
    z = _grid()
    values = density(z)
    if not torch.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name} is no density: it must be finite and nowhere negative")
    if not torch.allclose(density(-z), values, rtol=1e-6):
        raise ValueError(f"{name} is not even, λ(−z) ≠ λ(z), as section 4.3 assumes")
    cumulative = _cumulative(values, z)
    if not _converges(values, z) or abs(2 * float(cumulative[-1]) - 1) > 1e-2:
        raise ValueError(f"{name} integrates to {2 * float(cumulative[-1]):.3g}; a density to 1")
    for power in (alpha, alpha + 1):
        if not _converges(z**power * values, z):
            raise ValueError(
                f"∫ z^{power:g} λ(z) dz is infinite for {name}, so Theorem 2 does not hold with "
                f"α = {alpha:g} (α = 1 needs a second moment)"
            )
    inner = _cumulative(z**alpha * values, z).numpy() / (2 * float(cumulative[-1]))

    def expected(u: Tensor) -> Tensor:
        below = np.interp((u.detach().abs() / delta).cpu().double(), z, inner)
        return torch.from_numpy((inner[-1] - below) / delta).to(u)

    return Smoothing(name, float(alpha), delta, 1.0, _quantiles(cumulative, z), expected, density)


def _with_slope(surrogate, delta: float, z: Tensor) -> tuple[Tensor, Tensor]:
    """g(δz) and its slope in z, δ g′(δz)."""
    with torch.enable_grad():
        z = z.clone().requires_grad_()
        values = surrogate(delta * z)
        (slope,) = torch.autograd.grad(values.sum(), z)
    return values.detach(), slope


def _grid() -> Tensor:
    """z > 0 in equal steps of log z: integrals over many decades become sums over f(z) z."""
    return torch.exp(torch.linspace(-23, 28, 2**18, dtype=torch.float64))


def _cumulative(values: Tensor, z: Tensor) -> Tensor:
    """∫_0^z of the values, by the trapezoidal rule in log z."""
    share = values * z
    step = math.log(z[1] / z[0])
    return share[0] + torch.cat([z.new_zeros(1), ((share[1:] + share[:-1]) / 2 * step).cumsum(0)])


def _converges(values: Tensor, z: Tensor) -> bool:
    """Whether f(z) z dies out at both ends faster than the 1/50-th power of z."""
    share = (values * z).abs()
    decade = int(1 / math.log(z[1] / z[0]))  # grid points in a factor e
    floor = 1e-14 * share.max()
    outer, inner = share[-1] / share[-decade], share[0] / share[decade]
    return bool((share[-1] <= floor or outer < math.exp(-0.02))
                and (share[0] <= floor or inner < math.exp(-0.02)))  # fmt: skip


def _quantiles(cumulative: Tensor, z: Tensor) -> Tensor:
    r = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return torch.from_numpy(np.interp(r, (cumulative / cumulative[-1]).numpy(), z.numpy()))
