"""The distributions λ that LocalZO draws z from, and the surrogate that each amounts to.

For α = 1 and the three distributions of unit variance eq. 8 becomes, with x = |u|/δ,

    normal      exp(−x²/2) / (δ√(2π))                          eq. 9
    uniform     (3 − x²)₊ / (4√3 δ)                            eq. 12, z in [−√3, √3]
    laplace     (x + 1/√2) exp(−√2 x) / (2δ)                   eq. 13

Sigmoid and fast sigmoid go the other way: a surrogate is given and λ found by Theorem 3, as for any
surrogate of one's own (``match_surrogate``).

One printed number does not follow from its formula. For the fast sigmoid with k = 100, δ = 0.05 and
z in [−10, 10] the paper evaluates (2/k) ∫ x²/(1+x)³ dx, x = kδz, to a threshold of 0.0461 (B.2).
The integral up to x = 50 gives 0.0494; with λ scaled to area 1 on that support, which is what one
samples from and what ``expected_threshold`` returns, 0.0514. (0.0461 belongs to z in [−8.4, 8.4],
or with λ scaled [−7.4, 7.4].) In units of δ: 0.988, 1.028, and 0.922 in print.

Source: Mukhoty et al., Direct Training of SNN using Local Zeroth Order Method (NeurIPS 2023).
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from course_lib.estimators.matching import match_density, match_surrogate
from course_lib.estimators.spike_derivative import (
    QUANTILES,
    Smoothing,
    check_delta,
    check_samples,
)

__all__ = [
    "DISTRIBUTIONS", "QUANTILES", "SIGMOID_A", "Smoothing", "check_delta", "check_samples",
    "match_density", "match_surrogate", "named_smoothing",
]  # fmt: skip

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
    if name in ("sigmoid", "fast_sigmoid"):
        slope = (SIGMOID_A if name == "sigmoid" else 5.0) / delta
        surrogate = {
            "sigmoid": lambda u: slope * torch.sigmoid(slope * u) * torch.sigmoid(-slope * u),
            "fast_sigmoid": lambda u: (1 / (1 + slope * u.abs()) ** 2 - 1 / 51**2).clamp(min=0),
        }[name]
        alpha = (1.0 if name == "sigmoid" else -1.0) if alpha is None else alpha
        return match_surrogate(surrogate, delta, alpha, name)
    if name not in EXPECTED:
        raise ValueError(f"distribution is {name!r}; choose one of {', '.join(DISTRIBUTIONS)}")
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
