"""Losses as fitness, and fitness shaping for evolution strategies.

Fitness is the negative loss: larger is better. Shaping replaces raw fitness values by numbers that
do not depend on their scale, so that one lucky or unlucky member cannot dominate an update.

Sources: Salimans et al. 2017 (arXiv 1703.03864), section 2; Wierstra et al. 2014 (JMLR 15), 3.1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy −log softmax(logits)[label] over the batch, in nats.

    logits: (..., B, C); labels: (B,) whole numbers below C. Returns (...): one loss for each
    leading index, so a population's logits (N, B, C) give N losses.
    """
    return sample_losses(logits, labels).mean(dim=-1)


def sample_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every sample, in nats: (..., B) of logits (..., B, C) and labels (B,)."""
    log_probabilities = F.log_softmax(logits, dim=-1)
    index = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    return -log_probabilities.gather(-1, index).squeeze(-1)


def centred_ranks(fitness: Tensor) -> Tensor:
    """Replace each fitness by its rank, scaled to [−½, ½]; ties share their average rank.

        shaped_i = rank_i / (N − 1) − ½,     rank 0 for the worst, N − 1 for the best

    fitness: (N,), N ≥ 2. Returns (N,) with sum 0. Averaging ties matters: networks that spike
    alike have equal fitness, and an arbitrary order among them would be noise in the update.
    """
    _check(fitness)
    _, group, count = torch.unique(fitness, sorted=True, return_inverse=True, return_counts=True)
    last_rank = count.cumsum(0) - 1
    average_rank = last_rank - (count - 1).to(fitness.dtype) / 2
    return (average_rank / (len(fitness) - 1) - 0.5)[group]


def z_score(fitness: Tensor) -> Tensor:
    """(f − mean) / standard deviation; all zeros when every fitness is the same.

    fitness: (N,), N ≥ 2. Keeps the distances between members that ranks throw away.
    """
    _check(fitness)
    centred = fitness - fitness.mean()
    if fitness.max() == fitness.min():  # their mean may differ from them by a rounding error
        return torch.zeros_like(fitness)
    return centred / centred.square().mean().sqrt()


def unshaped(fitness: Tensor) -> Tensor:
    """The fitness as it is: the plain estimator, unbiased for the smoothed objective."""
    _check(fitness)
    return fitness


SHAPINGS = {"centred_ranks": centred_ranks, "z_score": z_score, "none": unshaped}


def _check(fitness: Tensor) -> None:
    if fitness.dim() != 1 or len(fitness) < 2:
        raise ValueError(
            f"fitness has shape {tuple(fitness.shape)}; expected (N,) with at least two members"
        )
    check_finite(fitness)


def check_finite(fitness: Tensor) -> None:
    """Raise FloatingPointError unless the fitness of every member is finite."""
    bad = int((~torch.isfinite(fitness)).sum())
    if bad:
        raise FloatingPointError(
            f"the fitness of {bad} of {fitness.numel()} members is not finite: the weights have "
            "grown without bound. Start a new run with a lower learning rate or a lower sigma"
        )
