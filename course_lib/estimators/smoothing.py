"""The distributions λ that LocalZO draws z from, and the surrogate that each amounts to.

For α = 1 and the three distributions of unit variance eq. 8 becomes, with x = |u|/δ,

    normal      exp(−x²/2) / (δ√(2π))                          eq. 9
    uniform     (3 − x²)₊ / (4√3 δ)                            eq. 12, z in [−√3, √3]
    laplace     (x + 1/√2) exp(−√2 x) / (2δ)                   eq. 13

Sigmoid and fast sigmoid go the other way: a surrogate is given and λ found, as for any surrogate g
of one's own. By Theorem 3, it is met on average, c E_z[G(u; z)] = g(u), by

    λ(z) = −δ² g′(δz) / (c z^α),     c = −2δ² ∫_0^∞ z^−α g′(δz) dz          ``match_surrogate``

and by Theorem 2, a given λ has the expected surrogate of eq. 8             ``match_density``.
Integrals are sums over z > 0 in equal steps of log z.

One printed number does not follow from its formula. For the fast sigmoid with k = 100, δ = 0.05 and
z in [−10, 10] the paper evaluates (2/k) ∫ x²/(1+x)³ dx, x = kδz, to a threshold of 0.0461 (B.2).
The integral up to x = 50 gives 0.0494; with λ scaled to area 1 on that support, which is what one
samples from and what ``expected_threshold`` returns, 0.0514. (0.0461 belongs to z in [−8.4, 8.4],
or with λ scaled [−7.4, 7.4].) In units of δ: 0.988, 1.028, and 0.922 in print.

Source: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023).
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from course_lib.estimators.base import check_choice
from course_lib.estimators.spike_derivative import QUANTILES, Smoothing, check_delta

#: a of eq. 14: the sigmoid of slope a/δ has c = 1. ½ · 7ζ(3)/π² = 0.4263 is the paper's 0.4262.
SIGMOID_A = math.sqrt(2 * math.pi**2 / (7 * 1.2020569031595943))


@lru_cache(maxsize=32)
def named_smoothing(name: str, delta: float, alpha: float | None = None) -> Smoothing:
    """The smoothing called "normal", "uniform", "laplace", "sigmoid" or "fast_sigmoid".

    alpha: None takes the paper's: −1 for the fast sigmoid (α = 1 diverges), else 1.

    The last two are surrogates met by Theorem 3: the sigmoid of slope a/δ (c = 1), and the fast
    sigmoid 1/(1 + k|u|)² of slope k = 5/δ with z cut off at ±10 (A.2.2), which by eq. 8 is the
    same as lowering g to zero there: (g(u) − g(10δ))₊.

    Raises ValueError for an unknown name, δ ≤ 0, or an α that the theorems rule out.
    """
    check_delta(delta)
    check_choice("distribution", name, DISTRIBUTIONS)
    if name in ("sigmoid", "fast_sigmoid"):
        slope = (SIGMOID_A if name == "sigmoid" else 5.0) / delta
        surrogate = {
            "sigmoid": lambda u: slope * torch.sigmoid(slope * u) * torch.sigmoid(-slope * u),
            "fast_sigmoid": lambda u: (1 / (1 + slope * u.abs()) ** 2 - 1 / 51**2).clamp(min=0),
        }[name]
        alpha = (1.0 if name == "sigmoid" else -1.0) if alpha is None else alpha
        return match_surrogate(surrogate, delta, alpha, name)
    alpha = 1.0 if alpha is None else alpha
    if not -1 < alpha < math.inf:
        raise ValueError(
            f"alpha is {alpha} with {name}: Theorem 2 needs ∫ z^α λ(z) dz to be finite, and at "
            "z = 0 that takes α > −1. Choose α = 1, or match a surrogate by Theorem 3"
        )
    r = (torch.arange(QUANTILES, dtype=torch.float64) + 0.5) / QUANTILES
    magnitudes = {
        "normal": lambda: math.sqrt(2) * torch.erfinv(r),
        "uniform": lambda: math.sqrt(3) * r,
        "laplace": lambda: -torch.log1p(-r) / math.sqrt(2),
    }[name]()
    expected = EXPECTED[name]
    return Smoothing(
        name, alpha, delta, 1.0, magnitudes, lambda u: expected(u.abs() / delta, alpha) / delta,
        DENSITIES[name],
    )  # fmt: skip


def upper_gamma(order: float, x: Tensor) -> Tensor:
    """Γ(order, x) = ∫_x^∞ t^(order−1) e^−t dt; in plain exponentials at orders 1 and 2 (α = 1)."""
    if order in (1.0, 2.0):
        return torch.exp(-x) if order == 1 else (1 + x) * torch.exp(-x)
    return math.gamma(order) * torch.special.gammaincc(x.new_tensor(order), x)


#: ∫_x^∞ z^α λ(z) dz, x ≥ 0: eq. 9, 12 and 13 for any α > −1
EXPECTED = {
    "normal": lambda x, alpha: (
        2 ** ((alpha - 1) / 2) / math.sqrt(2 * math.pi) * upper_gamma((alpha + 1) / 2, x**2 / 2)
    ),
    "uniform": lambda x, alpha: (
        (math.sqrt(3) ** (alpha + 1) - x ** (alpha + 1)).clamp(min=0)
        / (2 * math.sqrt(3) * (alpha + 1))
    ),
    "laplace": lambda x, alpha: 2 ** (-alpha / 2 - 1) * upper_gamma(alpha + 1, math.sqrt(2) * x),
}
#: λ(z), of variance 1
DENSITIES = {
    "normal": lambda z: torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
    "uniform": lambda z: (z.abs() <= math.sqrt(3)) / (2 * math.sqrt(3)),
    "laplace": lambda z: torch.exp(-math.sqrt(2) * z.abs()) / math.sqrt(2),
}
DISTRIBUTIONS = (*EXPECTED, "sigmoid", "fast_sigmoid")


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
