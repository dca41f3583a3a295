"""β and θ of each layer: the same network by every method, on disk and in NIR."""

import norse.torch
import pytest
import torch
import torch.nn.functional as F

from course_lib.estimators import DFA, EGGROLL, METHODS, SurrogateBPTT
from course_lib.estimators.surrogate import fast_sigmoid
from course_lib.lif import LIFParameters, leaky_run, lif_run
from course_lib.network import SpikingNetwork
from course_lib.run.export import DT, graph
from course_lib.run.runs import RunConfig

SIZES, BETAS, THRESHOLDS = (50, 12, 5), (0.5, 0.97), (0.7, 1.3)


def network(beta=BETAS, threshold=THRESHOLDS, readout="membrane"):
    neuron = LIFParameters(beta, threshold)
    return SpikingNetwork(SIZES, neuron, readout, logit_scale=5.0, weight_sd=0.4)


def batch(steps=25, samples=6):
    generator = torch.Generator().manual_seed(1)
    frames = (torch.rand(steps, samples, SIZES[0], generator=generator) < 0.3).float()
    return frames, torch.randint(5, (samples,), generator=generator)


def gradient(method, net, step=2):
    method.fill_grads(net, *batch(), step)
    return torch.cat([parameter.grad.flatten() for parameter in net.parameters()])


@pytest.mark.parametrize("readout", ["membrane", "rate"])
def test_each_layer_has_its_own(readout):
    net, (frames, _) = network(readout=readout), batch()
    first, last = (LIFParameters(*pair) for pair in zip(BETAS, THRESHOLDS, strict=True))
    assert net.neurons == [first, last]
    spikes, voltages = lif_run(net.layers[0](frames), first)
    drive = net.layers[1](spikes)
    rates = lif_run(drive, last)[0] if readout == "rate" else leaky_run(drive, last.beta)
    assert torch.equal(net(frames), rates.mean(dim=0))
    assert torch.equal(net.record(frames)[0].voltages, voltages)


@pytest.mark.parametrize("name", METHODS)
def test_compiled_code_is_not_taken_for_it(name):
    """Every method trains this network, and none another one."""
    options = METHODS[name].options()
    small = {"population": 64} if "population" in options else {}
    readable = {"kernel": "readable"} if "kernel" in options else {}
    auto = gradient(METHODS[name].build(small), network())
    assert torch.equal(auto, gradient(METHODS[name].build(small | readable), network()))
    assert not torch.allclose(auto, gradient(METHODS[name].build(small), network(0.9, 1.0)))
    if readable and name != "hybrid":  # whose readout is one layer
        with pytest.raises(ValueError, match="its layers differ in beta or threshold"):
            gradient(METHODS[name].build(small | {"kernel": "fused"}), network())


def test_equal_numbers_are_one_number():
    one, many = network(0.9, 1.0), network((0.9, 0.9), (1.0, 1.0))
    readable = {"kernel": "readable"}
    for method in (SurrogateBPTT(), DFA(**readable), EGGROLL(population=8, **readable)):
        assert torch.equal(gradient(method, one), gradient(method, many))


def test_online_traces_fade_as_the_neurons_do_that_read_them():
    """DFA's sums, step by step."""
    net, method = network(), DFA(slope=2.0, seed=4)
    gradient(method, net)
    frames, labels = batch()
    (w1, b1), (w2, b2) = [(layer.weight, layer.bias) for layer in net.layers]
    found = [torch.zeros_like(p) for p in (w1, b1, w2, b2)]
    target = F.one_hot(labels, 5).float()
    v1, v2, a0, a1, total = 0.0, 0.0, 0.0, 0.0, 0.0
    ones = [0.0, 0.0]
    for t, x in enumerate(frames, start=1):
        u = 0.5 * v1 + F.linear(x, w1, b1)
        spikes = (u > 0.7).float()
        v1, v2 = u * (1 - spikes), 0.97 * v2 + F.linear(spikes, w2, b2)
        total = total + v2
        a0, a1 = 0.5 * a0 + x, 0.97 * a1 + spikes
        ones = [0.5 * ones[0] + 1, 0.97 * ones[1] + 1]
        error = 5.0 * (torch.softmax(5.0 * total / t, 1) - target) / (len(frames) * len(labels))
        delta = error @ method.feedback[0].T * fast_sigmoid(u - 0.7, 2.0)
        for place, change in enumerate((delta.T @ a0, ones[0] * delta.sum(0),
                                        error.T @ a1, ones[1] * error.sum(0))):  # fmt: skip
            found[place] += change
    for parameter, wanted in zip((w1, b1, w2, b2), found, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-6)


def test_nir_keeps_them():
    net, (frames, _) = network(readout="rate"), batch(steps=8)
    read, spikes, state = norse.torch.from_nir(graph(net), dt=DT), [], None
    for step in frames:
        out, state = read(step, state)
        spikes.append(out.detach())
    assert torch.equal(torch.stack(spikes), net.record(frames)[-1].spikes)


def test_a_run_and_its_checkpoint_keep_them(tmp_path):
    from course_lib.run import cli
    from course_lib.run.runs import load_network

    words = "train --method bptt --hidden 9 --beta 0.5 0.97 --threshold 0.7 1.3 --steps 2 --bins 4"
    assert cli.main([*words.split(), "--quiet", "--out", str(tmp_path / "run")]) == 0
    config, net = load_network(tmp_path / "run")
    assert (config.beta, config.threshold) == (BETAS, THRESHOLDS)
    assert net.neuron == LIFParameters(BETAS, THRESHOLDS)
    assert RunConfig(method="bptt", beta=[0.8]).beta == 0.8


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta": (0.9, 0.8, 0.7)}, "beta has 3 values; give one, or one for each of 2 layers"),
        ({"threshold": (1.0,) * 4}, "threshold has 4 values"),
        ({"beta": (0.9, 1.1)}, "the leak must lie between 0 and 1"),
        ({"threshold": (1.0, 0.0)}, "it must be a positive number"),
    ],
)
def test_what_does_not_fit_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        RunConfig(method="bptt", **options)
