"""Outputs of members that have weights of their own: full-rank ES in the kernels of EGGROLL."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from course_lib.fast import population
from course_lib.fast.event_lists import FrameEvents
from course_lib.fast.kernels.threads import in_turn
from course_lib.network import SpikingNetwork


def full_rank_outputs(
    network: SpikingNetwork,
    frames: Tensor,
    noise: np.ndarray,
    sigmas: Sequence[float],
    signs: Sequence[int],
    events: FrameEvents,
) -> Tensor:
    """Outputs (signs, M, B, C) of members that have weights of their own, W ± σE.

    noise: (M, P) float32; a row holds, layer after layer, E (out, in) and e (out,). One thread
    builds and runs one member at a time.
    """
    layers = population.weights_of(network)
    outputs = torch.empty(len(signs), len(noise), frames.shape[1], network.sizes[-1])
    still = np.zeros((1, sum(network.sizes[1:])), np.float32)

    def one(draw: int, column: int) -> None:
        member, start = [], 0
        for (weight, bias), sigma in zip(layers, sigmas, strict=True):
            scale, middle = np.float32(signs[column] * sigma), start + weight.size
            end = middle + bias.size
            own = noise[draw, start:middle].reshape(weight.shape) * scale
            own += weight
            member.append((own, bias + scale * noise[draw, middle:end]))
            start = end
        run = population.PopulationPass(network, frames, events=events, layers=member, run=in_turn)
        outputs[column, draw] = run.outputs(still)[0, 0]

    members = [(draw, column) for draw in range(len(noise)) for column in range(len(signs))]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(lambda member: one(*member), members))
    return outputs
