"""Input factors that vary smoothly over the pixels: fewer directions to search.

A rank-1 perturbation A Bᵀ of the first layer shifts a neuron's current by A (B · x): B is a picture
that the input is compared with. Independent entries make it white noise, and the population then
searches (out) · 2312 directions, nearly all of which no input ever tells apart, because events lie
along strokes. So let neighbouring entries vary together. Per polarity, with Z of independent
Gaussians and a table S whose rows are Gaussian bumps of standard deviation ``width`` pixels and of
unit length,

    B = S Z Sᵀ,      Cov(vec B) = C = (S Sᵀ) ⊗ (S Sᵀ),     Var(B_j) = 1 at every pixel

(the tables' unit rows keep the variance at the borders, too). Only B changes, so the forward passes
and the gradient use the same factors, and what is estimated is

    E[(1/σ) f(W + σE) E]  =  ∇f · C        to first order in σ; r, N and A as ever

not the gradient itself but the gradient smoothed over the pixels. C is positive semi-definite, so
it still points uphill, like a preconditioned gradient: what is finer than the width is left as it
is. It pays by its variance. For f = ⟨G, W⟩, one draw, with t₁ = tr(G C Gᵀ), t₂ = ‖G C‖²,

    E‖g − GC‖²  =  (out · in) t₁ + t₂ + (2/r) (in · t₁ + (out + 1) t₂)

so that the noise per unit of signal is about (out · in) · t₁ / t₂ where it was out · in: smaller by
the factor by which C stretches G, up to its largest eigenvalue, the number of pixels that vary
together. A departure from the papers, whose factors are independent.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.estimators.eggroll import EGGROLL
from course_lib.network import SpikingNetwork


@dataclass
class SmoothEGGROLL(EGGROLL):
    """EGGROLL whose first layer's B varies smoothly over the pixels; see EGGROLL for the rest.

    The inputs are one square map of pixels for each polarity, one after the other.

    width: of the bumps, in pixels, above 0.
    """

    name, label = "smooth", "smooth EGGROLL"
    dense_only = True
    shown = ("width", "rank", "population")

    width: float = 1.4

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.width < math.inf:
            raise ValueError(f"width is {self.width}; expected a number of pixels above 0")

    @classmethod
    def check_maps(cls, maps):
        polarities, rows, columns = maps
        if rows != columns:
            raise ValueError(
                "smooth factors need square maps of pixels, such as 2 × 34 × 34; these frames are "
                f"{polarities} × {rows} × {columns}: use EGGROLL (--method eggroll)"
            )

    def rows(self, network: SpikingNetwork, *arguments, **options) -> Tensor:
        """As EGGROLL's, but B of the first layer is S Z Sᵀ."""
        rows = super().rows(network, *arguments, **options)
        inputs, outputs = network.sizes[:2]
        maps, side = maps_of(inputs)
        b = rows[:, outputs * self.rank :][:, : inputs * self.rank]  # Z, and in its place S Z Sᵀ
        table, shape = bumps(self.width, side), (len(rows), maps, side, side, self.rank)
        images = b.reshape(shape).permute(0, 1, 4, 2, 3)  # (M, maps, r, side, side)
        smooth = (table @ (table @ images).mT).mT
        b.copy_(smooth.permute(0, 1, 3, 4, 2).flatten(1))
        return rows


def maps_of(inputs: int) -> tuple[int, int]:
    """Polarities, 1 or 2, and pixels along a side; √2 is irrational, so no number can be both.

    Raises ValueError unless the inputs are so many square maps.
    """
    for maps in (1, 2):
        side = math.isqrt(inputs // maps)
        if maps * side * side == inputs:
            return maps, side
    raise ValueError(
        "smooth factors need inputs that are one or two square maps of pixels, such as 2 · 34 · 34;"
        f" this network has {inputs}: use EGGROLL"
    )


def bumps(width: float, side: int) -> Tensor:
    """S (side, side): row y is exp(−(y − u)²/2 width²) over u, scaled to unit length."""
    pixels = torch.arange(side, dtype=torch.float64)
    table = torch.exp(-0.5 * ((pixels.unsqueeze(1) - pixels) / width).square())
    table[table < 1e-4] = 0  # beyond four widths
    return (table / table.norm(dim=1, keepdim=True)).float()
