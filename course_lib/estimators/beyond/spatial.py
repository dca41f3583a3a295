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

import torch
from torch import Tensor

from course_lib.fast.kernels.smoothing import smooth_rows
from course_lib.fast.kernels.threads import in_threads

#: polarities: an input layer is two square maps, one after the other
MAPS = 2


def side_of(inputs: int) -> int:
    """Pixels along a side. Raises ValueError unless the inputs are two square maps."""
    side = math.isqrt(inputs // MAPS)
    if MAPS * side * side != inputs:
        raise ValueError(
            f"smooth factors need inputs that are two square maps of pixels, such as 2 · 34 · 34; "
            f"this network has {inputs}: use smooth=0"
        )
    return side


def bumps(width: float, side: int) -> Tensor:
    """S (side, side): row y is exp(−(y − u)²/2 width²) over u, scaled to unit length."""
    pixels = torch.arange(side, dtype=torch.float64)
    table = torch.exp(-0.5 * ((pixels.unsqueeze(1) - pixels) / width).square())
    table[table < 1e-4] = 0  # beyond four widths, for speed
    return (table / table.norm(dim=1, keepdim=True)).float()


def smooth_factors(noise: Tensor, start: int, inputs: int, rank: int, width: float) -> None:
    """Smooth the B (inputs, rank) that stands at noise[:, start:], in place.

    noise: (M, P) float32, a row a draw. A draw's numbers do not depend on the other draws'.
    """
    draws, side = len(noise), side_of(inputs)
    jobs = [(first, min(first + 8, draws)) for first in range(0, draws, 8)]
    table = bumps(width, side).numpy()
    in_threads(smooth_rows, jobs, noise.numpy(), start, rank, MAPS, table)
