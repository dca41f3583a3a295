"""tDBN, a norm of a layer's currents, and TET, a loss that judges every time step."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.estimators import METHODS, LocalZO, SparseGrad, SurrogateBPTT
from course_lib.estimators.surrogate import fast_sigmoid, surrogate_spike
from course_lib.evaluation import evaluate
from course_lib.events import load_splits
from course_lib.layers import Norm, stack
from course_lib.lif import LIFParameters, leaky_run, lif_run
from course_lib.network import SpikingNetwork
from course_lib.run.export import graph
from course_lib.run.runs import RunConfig

SHAPE = (2, 9, 8)
BACKPROP = (SurrogateBPTT(slope=2.0), LocalZO(), SparseGrad())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(description="c3k3n p2 c4k2n 6n 5", threshold=1.0, **options):
    options = {"readout": "membrane", "logit_scale": 5.0, "weight_sd": 0.5, **options}
    neuron = LIFParameters(threshold=threshold)
    made = SpikingNetwork(layers=stack(description, SHAPE), neuron=neuron, **options)
    for layer in made.layers:
        nn.init.normal_(layer.bias, generator=generator(2))
        if layer.norm is not None:
            nn.init.uniform_(layer.norm.gain, 0.5, 2.0, generator=generator(3))
    return made


def batch(steps=4, samples=6, seed=1):
    frames = (torch.rand(steps, samples, 144, generator=generator(seed)) < 0.3).float()
    return frames, torch.randint(5, (samples,), generator=generator(seed))


def currents(places=5, seed=0):
    """(T, B, 3 · places) with a mean and a spread of their own in each of three channels."""
    x = torch.randn(4, 7, 3, places, generator=generator(seed), dtype=torch.float64)
    return (x * torch.tensor([[0.1], [2.0], [5.0]]) + torch.tensor([[3.0], [-1.0], [0.0]])).flatten(
        2
    )


def norm(scale=1.0):
    made = Norm(3).double()
    made.scale = scale
    made.gain.data = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    return made, torch.tensor([0.3, -0.2, 0.0], dtype=torch.float64)


# --------------------------------------------------------------------------------------------- tDBN


@pytest.mark.parametrize("places", [1, 5])
def test_currents_are_those_of_the_equation(places):
    (made, bias), x = norm(scale=0.7), currents(places)
    maps = x.unflatten(2, (3, places))
    mean, variance = maps.mean(dim=(0, 1, 3)), maps.var(dim=(0, 1, 3), correction=0)
    for c in range(3):
        scaled = 0.7 * (maps[:, :, c] - mean[c]) / (variance[c] + 1e-5).sqrt()
        expected = made.gain[c] * scaled + bias[c]
        torch.testing.assert_close(made(x, bias).unflatten(2, (3, places))[:, :, c], expected)
    made.gain.data.fill_(1)
    found = made(x, 0 * bias).unflatten(2, (3, places))  # mean 0, standard deviation αθ
    spread = found.std(dim=(0, 1, 3), correction=0)
    torch.testing.assert_close(spread, torch.full_like(spread, 0.7), rtol=1e-3, atol=0)


def test_it_is_torch_s_batch_norm_over_time_and_batch():
    """Values, running statistics and every gradient; θ is a factor of the gain."""
    (made, bias), x = norm(scale=0.7), currents()
    peer = nn.BatchNorm1d(3).double()
    peer.weight.data, peer.bias.data = 0.7 * made.gain.data, bias.clone()
    bias.requires_grad_()
    for seed in range(3):
        x, delta = currents(seed=seed).requires_grad_(), torch.randn(4, 7, 15, dtype=torch.float64)
        y = x.detach().clone().requires_grad_()
        made(x, bias).backward(delta)
        peer(y.view(28, 3, 5)).backward(delta.view(28, 3, 5))
        torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(bias.grad, peer.bias.grad)
    torch.testing.assert_close(made.gain.grad, 0.7 * peer.weight.grad)
    torch.testing.assert_close(made.mean, peer.running_mean)
    torch.testing.assert_close(made.variance, peer.running_var)
    with torch.no_grad():
        torch.testing.assert_close(made(x, bias), peer.eval()(x.view(28, 3, 5)).view_as(x))
        torch.testing.assert_close(made.mean, peer.running_mean)  # looking changes nothing


def test_a_layer_s_theta_and_bias_are_those_of_the_norm():
    """γ αθ x̂ + b, with the layer's own bias as b: a bias before the norm would be lost."""
    net, (frames, _) = network(threshold=1.5), batch()
    first = net.layers[0]
    assert [layer.norm is None for layer in net.layers] == [False, False, False, True]
    assert first.norm.scale == 1.5 and set(dict(net.named_parameters())) >= {"layers.0.norm.gain"}
    x = F.conv2d(frames.flatten(0, 1).view(-1, *SHAPE), first.filters(first.weight))
    mean, variance = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
    scaled = 1.5 * (x - mean[:, None, None]) / (variance + 1e-5).sqrt()[:, None, None]
    expected = first.norm.gain[:, None, None] * scaled + first.bias[:, None, None]
    torch.testing.assert_close(first(frames), expected.view(4, 6, -1))


@pytest.mark.parametrize("method", BACKPROP, ids=lambda method: method.name)
def test_backpropagation_trains_it(method):
    net, (frames, labels) = network(), batch()
    method.fill_grads(net, frames, labels)
    assert all(p.grad.isfinite().all() and p.grad.any() for p in net.parameters())
    assert net.layers[1].norm.mean.any()  # it has seen a batch


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if not m.normalises])
def test_other_methods_refuse_before_anything_is_created(name, tmp_path):
    with pytest.raises(ValueError, match="cannot train layers that are normalised.*leave out"):
        RunConfig(method=name, layers=("c2k5n", "p4", "10"))
    with pytest.raises(ValueError, match="cannot train layers that are normalised.*leave out"):
        METHODS[name]().fill_grads(network(), *batch())


def test_a_run_keeps_its_norm(tmp_path):
    """Training, the running statistics in the checkpoint, and the line on the command line."""
    from course_lib.run import cli
    from course_lib.run.runs import load_network

    words = "train --method bptt --layers p2 c4k5n p4 10 --steps 3 --quiet --bins 4 --out"
    assert cli.main([*words.split(), str(tmp_path / "run")]) == 0
    config, net = load_network(tmp_path / "run")
    assert "p2-c4k5n-p4-10" in config.title() and net.layers[0].norm.mean.any()
    data = load_splits(bins=4, progress=False).test.subset(range(40))
    before = net.layers[0].norm.mean.clone()
    found = evaluate(net, data)
    assert torch.equal(net.layers[0].norm.mean, before)
    assert evaluate(net.eval(), data).loss == found.loss


def test_export_folds_it():
    """W and b at the running statistics: the same currents, and NIR's nodes."""
    net, (frames, labels) = network(), batch()
    for step in range(5):
        SurrogateBPTT().fill_grads(net, frames, labels, step)
    plain = network("c3k3 p2 c4k2 6 5")
    with torch.no_grad():
        for layer, other in zip(net.layers, plain.layers, strict=True):
            parts = layer.weight, layer.bias
            parts = parts if layer.norm is None else layer.norm.folded(*parts)
            other.weight.copy_(parts[0])
            other.bias.copy_(parts[1])
        for ours, theirs in zip(net.record(frames), plain.record(frames), strict=True):
            torch.testing.assert_close(ours.currents, theirs.currents, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(graph(net).nodes.values(), graph(plain).nodes.values(), strict=True):
        if hasattr(ours, "weight"):
            assert (ours.weight == theirs.weight).all() and (ours.bias == theirs.bias).all()


def test_the_door_leaves_it_to_the_readable_path():
    net = SpikingNetwork(layers=stack("12n 5", SHAPE), readout="membrane")
    with pytest.raises(ValueError, match="is not a plain dense layer"):
        LocalZO(kernel="fused").fill_grads(net, *batch())
    LocalZO().fill_grads(net, *batch())


# ---------------------------------------------------------------------------------------------- TET


@pytest.mark.parametrize("readout", ["membrane", "rate"])
@pytest.mark.parametrize("pull", [0.0, 0.3])
def test_every_step_is_judged(readout, pull):
    """(1 − λ) mean CE + λ mean (o − θ)², step by step, and autograd's gradient of it."""
    net, (frames, labels) = network("7 5", threshold=0.8, readout=readout), batch()
    net = net.double()
    frames = frames.double()
    loss = SurrogateBPTT(loss="each_step", pull=pull, slope=2.0).fill_grads(net, frames, labels)
    found = [p.grad.clone() for p in net.parameters()]
    spike = surrogate_spike(lambda u: fast_sigmoid(u, 2.0))
    spikes = lif_run(net.layers[0](frames), net.neuron, spike)[0]
    last = net.layers[1](spikes)
    outputs = (leaky_run(last, 0.9) if readout == "membrane"
               else lif_run(last, net.neuron, spike)[0])  # fmt: skip
    terms = [
        (1 - pull) * F.cross_entropy(5.0 * o, labels) + pull * F.mse_loss(o, 0 * o + 0.8)
        for o in outputs
    ]
    expected = torch.stack(terms).mean()
    assert loss == pytest.approx(expected.item(), abs=1e-12)
    for grad, wanted in zip(found, torch.autograd.grad(expected, list(net.parameters())),
                            strict=True):  # fmt: skip
        torch.testing.assert_close(grad, wanted)


@pytest.mark.parametrize("method", [SurrogateBPTT, LocalZO, SparseGrad])
def test_of_one_step_it_is_the_usual_loss(method):
    net, (frames, labels), found = network("7 5"), batch(steps=1), []
    for loss in ("accumulated", "each_step"):
        value = method(loss=loss, **({} if method is SurrogateBPTT else {"kernel": "readable"}))
        found.append(value.fill_grads(net, frames, labels))
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_the_compiled_pass_is_not_taken_for_it():
    net = SpikingNetwork((144, 7, 5), readout="membrane", weight_sd=0.5)
    each, readable = (LocalZO(loss="each_step", kernel=kernel) for kernel in ("auto", "readable"))
    grads = []
    for method in (each, readable):
        method.fill_grads(net, *batch())
        grads.append([p.grad.clone() for p in net.parameters()])
    assert all(map(torch.equal, *grads))
    with pytest.raises(ValueError, match="the loss is 'each_step'"):
        LocalZO(loss="each_step", kernel="fused").fill_grads(net, *batch())


def test_what_the_loss_cannot_be_is_said():
    with pytest.raises(ValueError, match="choose one of accumulated, each_step"):
        LocalZO(loss="each")
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        SurrogateBPTT(loss="each_step", pull=1.0)
    with pytest.raises(ValueError, match='part of the loss "each_step"'):
        SurrogateBPTT(pull=0.1)

    class Own(SpikingNetwork):
        def read(self, output):
            return output.voltages[-1]

    with pytest.raises(ValueError, match="Own has a read of its own"):
        SurrogateBPTT(loss="each_step").fill_grads(Own((144, 7, 5)), *batch())
