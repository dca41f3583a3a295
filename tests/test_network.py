"""The network: shapes, readouts, equality with snnTorch, clear errors."""

import pytest
import torch

from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork, per_layer


def frames(steps=6, batch=5, inputs=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(steps, batch, inputs, generator=generator) < 0.3).float()


@pytest.mark.parametrize("readout", ["rate", "membrane"])
@pytest.mark.parametrize("sizes", [(12, 3), (12, 7, 3), (12, 7, 8, 9, 3)])
def test_shapes_and_readouts(sizes, readout):
    network = SpikingNetwork(sizes, readout=readout, weight_sd=0.6)
    outputs, activity = network(frames()), network.record(frames())
    assert outputs.shape == (5, 3)
    assert [layer.spikes.shape for layer in activity] == [(6, 5, n) for n in sizes[1:]]
    last = activity[-1]
    assert torch.equal(outputs, (last.spikes if readout == "rate" else last.voltages).mean(dim=0))
    assert torch.equal(network.logits(frames()), network.logit_scale * outputs)
    if readout == "membrane":
        assert last.spikes.sum() == 0
    else:
        assert outputs.min() >= 0 and outputs.max() <= 1


def test_equals_the_same_network_in_snntorch():
    snntorch = pytest.importorskip("snntorch", reason="needs snntorch (extra: test)")
    network = SpikingNetwork((12, 20, 4), LIFParameters(beta=0.8), weight_sd=0.7, seed=3)
    hidden, output = (
        snntorch.Leaky(beta=0.8, reset_mechanism="zero", reset_delay=False) for _ in range(2)
    )
    v1, v2, counts = torch.zeros(5, 20), torch.zeros(5, 4), torch.zeros(5, 4)
    for x in frames():
        s1, v1 = hidden(network.layers[0](x), v1)
        s2, v2 = output(network.layers[1](s1), v2)
        counts += s2
    assert counts.sum() > 5
    assert torch.allclose(network(frames()), counts / 6)


def test_weights_have_the_requested_spread_and_depend_on_the_seed_alone():
    state = torch.get_rng_state()
    network = SpikingNetwork((400, 300, 10), weight_sd=(0.02, 0.5))
    assert torch.equal(torch.get_rng_state(), state), "the library must not draw from torch's RNG"
    for layer, sd in zip(network.layers, (0.02, 0.5), strict=True):
        n = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(sd, rel=4 / (2 * n) ** 0.5)
        assert layer.bias.abs().max() == 0
    same, other = SpikingNetwork((400, 9)), SpikingNetwork((400, 9), seed=1)
    assert torch.equal(same.layers[0].weight, SpikingNetwork((400, 9)).layers[0].weight)
    assert not torch.equal(same.layers[0].weight, other.layers[0].weight)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sizes": (12,)}, "at least an input and an output"),
        ({"sizes": (12, 0, 3)}, "whole numbers of 1 or more"),
        ({"readout": "max"}, "choose one of rate, membrane"),
        ({"logit_scale": 0}, "must be positive"),
        ({"weight_sd": (0.1, 0.1, 0.1)}, "one for each of 2 layers"),
        ({"weight_sd": -1.0}, "positive number"),
    ],
)
def test_bad_arguments_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpikingNetwork(**{"sizes": (12, 7, 3), **arguments})


@pytest.mark.parametrize("shape", [(5, 12), (6, 5, 11), (0, 5, 12), (6, 0, 12)])
def test_bad_frames_say_what_to_do(shape):
    with pytest.raises(ValueError, match=r"expected \(T, B, 12\)"):
        SpikingNetwork((12, 7, 3))(torch.zeros(shape))


def test_per_layer():
    assert per_layer("sigma", 0.1, 2) == [0.1, 0.1]
    assert per_layer("sigma", (0.1, 0.2), 2) == [0.1, 0.2]
    assert per_layer("sigma", None, 2) == [None, None]
