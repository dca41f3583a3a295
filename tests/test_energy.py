"""Synaptic operations: a count by hand, a brute-force count, and NeuroBench's own."""

import warnings

import pytest
import torch

from course_lib.energy import JOULES_PER_AC, JOULES_PER_MAC, count_operations, operations
from course_lib.events import load_splits
from course_lib.network import SpikingNetwork


def network(readout="rate", sizes=(30, 12, 9, 5), dropped=0.3, seed=0):
    """Some of its weights are zero; drive enough for spikes in every layer."""
    made = SpikingNetwork(sizes, readout=readout, weight_sd=0.5, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in made.layers:
            layer.weight[torch.rand(layer.weight.shape, generator=generator) < dropped] = 0
            layer.bias.fill_(0.1)
    return made


def binary(steps=6, batch=4, inputs=30, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(steps, batch, inputs, generator=generator) < 0.2).float()


def test_a_count_by_hand():
    """Two inputs, two hidden neurons, one output; input 0 at t = 0, both at t = 1."""
    made = SpikingNetwork((2, 2, 1), readout="membrane")
    with torch.no_grad():
        made.layers[0].weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 0.5]]))  # fan-outs 1 and 1
        made.layers[1].weight.copy_(torch.tensor([[1.0, 1.0]]))
    frames = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
    found = count_operations(made, frames)
    assert found.acs.tolist() == [[3.0, 2.0]]  # hidden neuron 0 fires twice, neuron 1 never
    assert found.spikes.tolist() == [[2.0, 0.0]] and found.macs.sum() == 0
    assert found.dense.tolist() == [8.0, 4.0]
    assert found.joules.tolist() == [[3 * JOULES_PER_AC, 2 * JOULES_PER_AC]]
    doubled = count_operations(made, 2 * frames)
    assert doubled.macs.tolist() == [[3.0, 0.0]], "inputs of 2 must be multiplied"
    assert doubled.joules[0, 0] == 3 * JOULES_PER_MAC


@pytest.mark.parametrize("readout", ["rate", "membrane"])
def test_brute_force_agrees(readout):
    """One synapse, one recording, one moment at a time."""
    made, frames = network(readout), binary()
    activity = made.record(frames)
    found = count_operations(made, frames)
    for index, layer in enumerate(made.layers):
        inputs = frames if index == 0 else activity[index - 1].spikes
        for b in range(frames.shape[1]):
            count = 0
            for moment in inputs[:, b]:
                for i, value in enumerate(moment.tolist()):
                    if value != 0:
                        count += sum(w != 0 for w in layer.weight[:, i].tolist())
            assert found.acs[b, index] == count
    assert (found.acs > 0).all() and found.macs.sum() == 0
    assert found.spikes.sum() == sum(done.spikes.sum() for done in activity)


class ByBatch(torch.nn.Module):
    """NeuroBench's batches come first: (B, T, D)."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, batch):
        return self.inner(batch.transpose(0, 1))


def neurobench(made, batch):
    """NeuroBench's own figures, from its hooks on the layers of our network."""
    reason = "needs neurobench (test set-up)"
    models = pytest.importorskip("neurobench.models", reason=reason)
    workload = pytest.importorskip("neurobench.metrics.workload", reason=reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = models.TorchModel(ByBatch(made))
        model.register_hooks()
        metric = workload.SynapticOperations()
        model(batch)
        result = metric(model, None, (batch, None))
        model.cleanup_hooks()
    return result


@pytest.mark.parametrize("readout", ["rate", "membrane"])
@pytest.mark.parametrize("scale", [1.0, 2.0], ids=["events", "counts"])
def test_neurobench_agrees(readout, scale):
    made, frames = network(readout), scale * binary(batch=5)
    found = count_operations(made, frames)
    theirs = neurobench(made, frames.transpose(0, 1))
    assert found.acs.sum(dim=1).mean().item() == pytest.approx(theirs["Effective_ACs"], abs=1e-9)
    assert found.macs.sum(dim=1).mean().item() == pytest.approx(theirs["Effective_MACs"], abs=1e-9)
    assert found.dense.sum().item() == pytest.approx(theirs["Dense"], abs=1e-9)
    assert theirs["Effective_ACs"] > 0 and (theirs["Effective_MACs"] > 0) == (scale == 2)


def test_neurobench_agrees_on_a_digit_and_batches_do_not_matter():
    """Real sizes; their float32 sums are exact below 2²⁴."""
    some = load_splits(progress=False).test.subset(range(7))
    made = SpikingNetwork((2312, 128, 10), weight_sd=(0.04, 0.2))
    found = operations(made, some, batch_size=3)
    theirs = neurobench(made, some.frames(range(7)).transpose(0, 1))
    assert found.acs.sum(dim=1).mean().item() == pytest.approx(theirs["Effective_ACs"], rel=1e-12)
    assert torch.equal(found.acs, operations(made, some, batch_size=7).acs)
    assert found.acs.shape == (7, 2) and (found.spikes[:, 0] > 0).all()
    assert (found.acs[:, 1] == 10 * found.spikes[:, 0]).all(), "ten outputs hear each spike"


def test_nothing_to_count_is_told():
    empty = load_splits(progress=False).test.subset(range(0))
    with pytest.raises(ValueError, match="no recording to count"):
        operations(SpikingNetwork(), empty)
