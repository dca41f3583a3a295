"""What an inference costs: spikes, synaptic operations, and an estimate of the energy.

A synapse works only when something arrives. The synaptic operations of layer l are, for a
recording,

    ops_l = Σ_t Σ_i 1[x_i[t] ≠ 0] · fanout_i,        fanout_i = Σ_j 1[W_ji ≠ 0]

with x its input: event frames for the first layer, spikes of the layer before for the others. They
are accumulates (ACs) where every x is 0, 1 or −1, as a weight is then only added, and
multiply-accumulates (MACs) elsewhere. Biases, leak and threshold are not counted. This is
NeuroBench's definition of effective ACs and MACs; ``dense`` is the number of MACs of the same layer
if nothing were zero.

    energy ≈ 0.9 pJ · ACs + 4.6 pJ · MACs

is an estimate and no measurement: these are the costs of 32-bit floating-point arithmetic in 45 nm
silicon (add 0.9 pJ, multiply 3.7 pJ). Fetching a weight from memory can cost a hundred times more,
and real neuromorphic chips have figures of their own. Ratios between networks mean more than
joules.

Sources: Yik et al. 2023, NeuroBench (arXiv 2304.04640), algorithm track; Horowitz 2014,
Computing's energy problem (doi 10.1109/ISSCC.2014.6757323), table for 45 nm and 0.9 V.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.events import FrameSet
from course_lib.network import SpikingNetwork

#: joules of one operation, float32, 45 nm (Horowitz 2014)
JOULES_PER_AC = 0.9e-12
JOULES_PER_MAC = 4.6e-12


@dataclass(frozen=True)
class Operations:
    """Counts of n recordings (rows) in L layers (columns), float64.

    spikes: sent by the layer;  acs, macs: effective operations at its synapses;
    dense:  (L,), MACs of one recording if no input and no weight were zero.
    """

    spikes: Tensor
    acs: Tensor
    macs: Tensor
    dense: Tensor

    @property
    def synops(self) -> Tensor:
        """(n, L): ACs and MACs together."""
        return self.acs + self.macs

    @property
    def joules(self) -> Tensor:
        """(n, L): the estimate above."""
        return JOULES_PER_AC * self.acs + JOULES_PER_MAC * self.macs


@torch.no_grad()
def count_operations(network: SpikingNetwork, frames: Tensor) -> Operations:
    """Counts of one batch of frames (T, B, D): n = B. Raises ValueError if they do not fit."""
    activity = network.record(frames)
    spikes, acs, macs, dense = [], [], [], []
    for layer, inputs, done in zip(
        network.layers, [frames, *(done.spikes for done in activity)], activity, strict=False
    ):
        read = layer.read(inputs)
        arrived = (read != 0).sum(dim=0, dtype=torch.float64)  # (B, in)
        operations = layer.connect(arrived, (layer.weight != 0).double()).sum(dim=1)
        spiking = ((read == 0) | (read.abs() == 1)).all(dim=2).all(dim=0)  # (B,)
        acs.append(operations * spiking)
        macs.append(operations * ~spiking)
        spikes.append(done.spikes.sum(dim=(0, 2), dtype=torch.float64))
        dense.append(len(frames) * layer.outputs * layer.weight.shape[1])
    stacked = (torch.stack(parts, dim=1) for parts in (spikes, acs, macs))
    return Operations(*stacked, torch.tensor(dense, dtype=torch.float64))


def operations(network: SpikingNetwork, data: FrameSet, batch_size: int = 256) -> Operations:
    """Counts of every recording of ``data``. Raises ValueError if there is none."""
    if len(data) == 0:
        raise ValueError("there is no recording to count operations on")
    batches = data.batches(batch_size, network.layers[0].weight.device)
    parts = [count_operations(network, frames) for frames, _ in batches]
    spikes, acs, macs = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("spikes", "acs", "macs")
    )
    return Operations(spikes, acs, macs, parts[0].dense)
