"""Members that have weights of their own: full-rank ES in the loops of EGGROLL."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from course_lib.fast import population
from course_lib.fast.event_lists import frame_events
from course_lib.fast.kernels.threads import in_turn
from course_lib.fast.kernels.workspace import Workspace
from course_lib.fast.population import Arrays, Members, PopulationPass
from course_lib.network import SpikingNetwork

#: noise as large as the network for each draw: it is made again for the gradient
KEPT_BYTES = 0
fitness = population.fitness


class FullRankPass:
    """Outputs of members with weights W ± σE on frames (T, B, D); a thread builds and runs one at
    a time."""

    draws_at_once = 4

    def __init__(
        self, network: SpikingNetwork, frames: Tensor, members: Members, arrays: Workspace
    ):
        self.network, self.members = population.arrays_of(network), members
        self.events, self.batch = frame_events(frames, arrays), frames.shape[1]

    def outputs(self, noise: Tensor) -> Tensor:
        """(signs, M, B, C). noise: (M, P); a row holds, layer after layer, E and e."""
        rows, signs = noise.numpy(), self.members.signs
        outputs = torch.empty(len(signs), len(rows), self.batch, self.network.sizes[-1])
        still = torch.zeros(1, sum(self.network.sizes[1:]))
        alone = self.members._replace(rank=None, signs=(1,))

        def one(draw: int, column: int) -> None:
            member = self.member(rows[draw], signs[column])
            run = PopulationPass(member, self.events, alone, Workspace(), in_turn)
            outputs[column, draw] = run.outputs(still)[0, 0]

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(lambda place: one(*place), np.ndindex(len(rows), len(signs))))
        return outputs

    def member(self, row: np.ndarray, sign: int) -> Arrays:
        """The network with weights W + sign · σE."""
        layers, begin = [], 0
        for (weight, bias), sigma in zip(self.network.layers, self.members.sigmas, strict=True):
            scale, middle = np.float32(sign * sigma), begin + weight.size
            own = row[begin:middle].reshape(weight.shape) * scale
            own += weight
            begin = middle + bias.size
            layers.append((own, bias + scale * row[middle:begin]))
        return self.network._replace(layers=layers)


start = FullRankPass
