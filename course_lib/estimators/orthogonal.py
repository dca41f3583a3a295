"""Orthogonal perturbations: no two members of a group look in the same direction.

For f = ⟨G, E⟩ and M independent Gaussian directions in d dimensions the estimate (1/M) Σ f(E_i) E_i
has the error ‖G‖² (d + 1)/M. Its cross terms, E[f_i f_j ⟨E_i, E_j⟩] = ‖G‖² for i ≠ j, vanish where
directions are orthogonal to each other and each by itself is still Gaussian: ‖G‖² (d + 2 − M)/M.
The share (M − 1)/(d + 1) is saved. ⟨A_i B_iᵀ, A_j B_jᵀ⟩ = ⟨A_i, A_j⟩ ⟨B_i, B_j⟩ at rank 1, so
orthogonal A are enough, and ⌊out/r⌋ draws have room beside each other.

The directions are those of Gram and Schmidt, made from the draws' own Gaussian columns; each column
keeps its length, which no direction depends on, so that one draw alone is as without.

Source: Choromanski et al. 2018, Structured Evolution with Compact Architectures (arXiv 1804.02395).
"""

import torch
from torch import Tensor

#: draws that are made together, so that any part of a population sees the same noise
BLOCK = 128


def whole_blocks(draws: range) -> range:
    """The blocks in which these draws lie."""
    return range(draws.start // BLOCK * BLOCK, -(-draws.stop // BLOCK) * BLOCK)


def orthogonalise(values: Tensor, start: int, outputs: int, rank: int) -> None:
    """Make the columns of A orthogonal, in groups of ⌊outputs/rank⌋ draws of a block, in place.

    values: (M, P), whole blocks; A (outputs, rank) of each draw begins at column ``start``.
    """
    group = min(BLOCK, outputs // rank)
    for block in values[:, start : start + outputs * rank].split(BLOCK):
        for some in block.split(max(1, group)):
            if len(some) * rank > outputs:  # not even one draw's columns can be orthogonal
                continue
            columns = some.double().view(len(some), outputs, rank).permute(1, 0, 2).flatten(1)
            directions, triangle = torch.linalg.qr(columns)
            directions *= triangle.diagonal().sign() * columns.norm(dim=0)
            some.copy_(directions.view(outputs, len(some), rank).permute(1, 0, 2).flatten(1))
