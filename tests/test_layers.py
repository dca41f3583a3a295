"""Layers: convolutions are one matrix with shared rows, and every method asks layers alike."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from course_lib.energy import count_operations
from course_lib.estimators import METHODS, SurrogateBPTT
from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.es import ES
from course_lib.estimators.feedback import OTTT
from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.fast import engine, knows
from course_lib.layers import Conv, Dense, Norm, stack
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from course_lib.noise import normal
from course_lib.run.runs import RunConfig

SHAPE = (2, 9, 8)
LAYERS = "c3k3 p2 c4k2 5"


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def layers():
    """One of each kind, in double precision, with weights and biases."""
    made = [Dense(144, 7), Conv(SHAPE, 3, 3), Conv(SHAPE, 4, (2, 3), pool=2),
            Conv((2, 1, 72), 3, 5, pool=3)]  # fmt: skip
    for seed, layer in enumerate(made):
        layer.double()
        for parameter in layer.parameters():
            parameter.data = normal(parameter.shape, generator(seed)).double()
    return made


def convolutional(description=LAYERS, shape=SHAPE, seed=0, **options):
    options = {"readout": "membrane", "logit_scale": 5.0, "weight_sd": 0.5, **options}
    return SpikingNetwork(layers=stack(description, shape), seed=seed, **options)


def batch(steps=4, samples=6, classes=5, seed=1):
    frames = (torch.rand(steps, samples, 144, generator=generator(seed)) < 0.3).float()
    return frames, torch.randint(classes, (samples,), generator=generator(seed))


def gradient(network):
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


# ----------------------------------------------------------------------------------- a single layer


def test_a_convolution_is_one_matrix_with_shared_rows():
    x = torch.rand(6, 144, generator=generator(), dtype=torch.float64)
    for layer in layers()[1:]:
        maps = F.avg_pool2d(x.view(6, *layer.shape), layer.pool)
        patches = F.unfold(maps, layer.kernel)  # (B, n, P)
        expected = torch.einsum("mn,bnp->bmp", layer.weight, patches) + layer.bias[:, None]
        torch.testing.assert_close(layer(x), expected.flatten(1))
        assert layer(x.view(2, 3, 144)).shape == (2, 3, layer.outputs)
        assert layer.outputs == expected[0].numel() and layer.inputs == 144


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_is_the_product_that_is_never_built(kind, rank):
    layer, members = layers()[kind], 4
    m, n = layer.weight.shape
    a, b = (normal((members, k, rank), generator(k)).double() for k in (m, n))
    shared = normal((5, 2, 144), generator(8)).double()
    own = normal((5, 2, members, 3, 144), generator(9)).double()
    for x in (shared, own):
        found = layer.low_rank(x, a, b)
        for member in range(members):
            inputs = x.unsqueeze(1) if x is shared else x[:, :, member]
            expected = layer.currents(inputs, a[member] @ b[member].T, None)
            torch.testing.assert_close(found[:, :, member], expected)


@pytest.mark.parametrize("kind", range(4))
def test_local_products_are_autograds(kind):
    layer = layers()[kind]
    x = normal((10, 144), generator(3)).double().requires_grad_()
    delta = normal((10, layer.outputs), generator(4)).double()
    expected = torch.autograd.grad(layer(x), [layer.weight, layer.bias, x], delta)
    layer.weight.grad = torch.ones_like(layer.weight)
    layer.add_gradient(delta, x.detach(), alpha=0.5)
    torch.testing.assert_close(layer.weight.grad, 1 + 0.5 * expected[0])
    torch.testing.assert_close(layer.to_bias(delta), expected[1])
    torch.testing.assert_close(layer.back(delta), expected[2])
    bias = normal((4, len(layer.bias)), generator(5)).double()
    zero = torch.zeros_like(layer.weight)
    expected = torch.stack([layer.currents(x[0], zero, each) for each in bias])
    torch.testing.assert_close(layer.spread(bias), expected)


def test_operations_of_a_convolution_are_counted_window_by_window():
    """A window's input that is not 0 calls every map whose weight is not 0. Averages multiply."""
    network, (frames, _) = convolutional("c3k3 p2 c4k2 5"), batch()
    with torch.no_grad():
        network.layers[1].weight[:, ::3] = 0
    found = count_operations(network, frames)
    inputs = [frames, *(layer.spikes for layer in network.record(frames)[:-1])]
    for index, (layer, x) in enumerate(zip(network.layers, inputs, strict=True)):
        expected = torch.zeros(x.shape[1], dtype=torch.float64)
        for step in x:
            if isinstance(layer, Dense):
                windows = step.unsqueeze(2)
            else:
                maps = F.avg_pool2d(step.view(-1, *layer.shape), layer.pool)
                windows = F.unfold(maps, layer.kernel)  # (B, n, P)
            calls = (windows != 0).double().sum(dim=2)
            expected += calls @ (layer.weight != 0).double().sum(dim=0)
        assert torch.equal(found.synops[:, index], expected)
        assert found.dense[index] == len(x) * layer.outputs * layer.weight.shape[1]
    assert found.macs[:, 1].any() and not found.macs[:, [0, 2]].any()


# ----------------------------------------------------------------------------------- a description


def test_maps_of_one_row_have_windows_of_one_row():
    first, last = stack("c8k5 p4 3", (2, 1, 48))
    assert first.out_shape == (8, 1, 44) and last.pooled == (8, 1, 11)
    assert last.weight.shape == (3, 88)
    with pytest.raises(ValueError, match="5 does not fit into maps of 1 × 4"):
        stack("c8k5", (2, 1, 4))


def test_a_network_is_described_in_a_line():
    network = SpikingNetwork(layers=stack("c8k5 p2 c16k5 p2 10", (2, 34, 34)))
    assert network.sizes == (2312, 8 * 30 * 30, 16 * 11 * 11, 10)
    shapes = [tuple(layer.weight.shape) for layer in network.layers]
    assert shapes == [(8, 50), (16, 200), (10, 400)]
    deviations = [layer.weight.std().item() * n**0.5 for layer, (_, n) in
                  zip(network.layers, shapes, strict=True)]  # fmt: skip
    assert deviations == pytest.approx([1.2] * 3, rel=0.15)  # of 400 weights and more
    dense = SpikingNetwork(layers=stack("20 10", (2, 34, 34)), seed=3)
    same = SpikingNetwork((2312, 20, 10), seed=3)
    assert all(map(torch.equal, dense.parameters(), same.parameters()))


@pytest.mark.parametrize(
    "description, message",
    [
        ("c8k5 q2 10", "'q2' is none of c16k5"),
        ("c8k5 p2", "the last part must be neurons"),
        ("", "the last part must be neurons"),
        ("c8k5 p4 c8k3 10", "kernel of 3 × 3 does not fit into maps of 1 × 1"),
        ("c8k3 p7 10", "kernel of 1 × 1 does not fit into maps of 1 × 0"),
        ("c0k5 10", "'c0k5' is none of"),
    ],
)
def test_a_description_that_cannot_be_built_is_told_of(description, message):
    with pytest.raises(ValueError, match=message):
        stack(description, SHAPE)


def test_a_run_s_maps_are_those_of_the_camera():
    config = RunConfig(method="bptt", layers=("c4k5", "3"), sensor=(64, 48), fit="keep",
                       classes=("a", "b", "c"))  # fmt: skip
    assert config.network().layers[0].shape == (2, 48, 64)


def test_a_run_takes_layers_and_keeps_them(tmp_path):
    config = RunConfig(method="bptt", layers=("c2k5", "p4", "10"))
    assert config.network().sizes == config.sizes == (2312, 1800, 10) and config.hidden == (1800,)
    config.save(tmp_path)
    assert RunConfig.load(tmp_path) == config
    assert "c2k5-p4-10" in config.title()
    with pytest.raises(ValueError, match="must end in 10, a neuron for each class"):
        RunConfig(method="bptt", layers=("c2k5", "p4", "11"))
    with pytest.raises(ValueError, match="is made for dense layers.*--method eggroll"):
        RunConfig(method="projected", layers=("c2k5", "p4", "10"))  # before anything is created
    with pytest.raises(ValueError, match="layers and hidden are both given"):
        RunConfig(method="bptt", layers=("c2k5", "p4", "10"), hidden=(64,))
    same = (RunConfig(method="bptt", layers=("64", "10")), RunConfig(method="bptt", hidden=(64,)))
    assert all(map(torch.equal, *(config.network().parameters() for config in same)))
    with pytest.raises(ValueError, match="at most 536,870,912 fit here"):
        RunConfig(method="bptt", layers=("c1000000k34", "10"))


# ----------------------------------------------------------------------------------- every method


def test_the_door_leaves_convolutions_to_the_readable_path_where_it_has_nothing_faster():
    assert "is not a plain dense layer" in knows(convolutional())
    for method in (ES(population=4, kernel="fused"), LocalZO(kernel="fused")):
        with pytest.raises(ValueError, match="is not a plain dense layer"):
            method.fill_grads(convolutional(), *batch())
    with pytest.raises(ValueError, match="its first layer is not a convolution"):
        EGGROLL(population=4, kernel="fused").fill_grads(convolutional("9 c3k1 5"), *batch())
    network = convolutional()
    network.layers[1].norm = Norm(4)
    with pytest.raises(ValueError, match="is not a plain layer"):
        engine(EGGROLL(kernel="fused"), network, batch()[0])


SHAPES = (LAYERS, "p2 c3k2 c4k2 p2 5", "c3k2 p3 c4k1 7 5", "p3 6 5", "c4k3 p3 c5k2", "c3k3 c2k6 5",
          "a microphone: c3k5 p3 c4k3 p2 5")  # fmt: skip


@pytest.mark.parametrize("readout", ["membrane", "rate"])
@pytest.mark.parametrize("description", SHAPES)
def test_the_compiled_population_of_convolutions_is_the_readable_one(description, readout):
    """With weights whose sums are exact in any order: noise is not, so a member's rounding may
    move a voltage across the threshold; a seed where it moves none is chosen."""
    neurons = ((1, True, "zero", False), (3, False, "subtract", False), (2, True, "subtract", True))
    for rank, mirrored, reset, delay in neurons:
        *ear, text = description.split(": ")
        network = convolutional(
            text, (2, 1, 72) if ear else SHAPE, readout=readout,
            neuron=LIFParameters(0.85, 0.9, reset, delay),
        )  # fmt: skip
        frames, labels = batch(steps=6, classes=network.sizes[-1])
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_((256 * parameter).round() / 256)
        found = []
        for kernel in ("fused", "readable"):
            method = EGGROLL(
                population=20, rank=rank, mirrored=mirrored, sigma=0.25, kernel=kernel, seed=1
            )
            with torch.no_grad():
                fitness = method.evaluate(network, frames, labels, 1, range(method.draws))
            method.fill_grads(network, frames, labels, 1)
            found.append((fitness, gradient(network)))
        assert found[0][0].std() > 0.01
        torch.testing.assert_close(*(fitness for fitness, _ in found), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(*(grad for _, grad in found), rtol=1e-4, atol=1e-5)


def test_a_population_of_convolutions_may_be_evaluated_in_parts(monkeypatch):
    """Shares of draws that begin at whole chunks, and few samples at a time, change no bit."""
    network, (frames, labels) = convolutional(), batch()
    method = EGGROLL(population=40, kernel="fused")
    with torch.no_grad():
        whole = method.evaluate(network, frames, labels, 0, range(20))
        parts = [method.evaluate(network, frames, labels, 0, some)
                 for some in (range(8), range(8, 20))]  # fmt: skip
        assert torch.equal(torch.cat(parts), whole)
        monkeypatch.setattr("course_lib.fast.maps.PIECE_BYTES", 1)
        torch.testing.assert_close(method.evaluate(network, frames, labels, 0, range(20)), whole)


@pytest.mark.parametrize("rank", [1, 2, None])
def test_evolution_is_that_of_members_whose_kernels_are_built(rank):
    """W + σE of every member is built, run and summed, with E = A Bᵀ/√r or of full rank."""
    network, (frames, labels) = convolutional().double(), batch()
    frames, options = frames.double(), {"population": 8, "sigma": 0.2, "shaping": "none", "seed": 5}
    method = EGGROLL(rank=rank, **options) if rank else ES(**options)
    loss = method.fill_grads(network, frames, labels, step=3)
    expected, losses = torch.zeros_like(gradient(network)), []
    start = [parameter.clone() for parameter in network.parameters()]
    for draw in range(4):
        if rank:
            noise = [part for a, b, bias in method.factors(network, 3, range(draw, draw + 1))
                     for part in (a[0] @ b[0].T / rank**0.5, bias[0])]  # fmt: skip
        else:
            noise = [part for pair in method.noise(network, 3, draw) for part in pair]
        flat = torch.cat([e.flatten() for e in noise])
        for sign in (1, -1):
            with torch.no_grad():
                for parameter, own, e in zip(network.parameters(), start, noise, strict=True):
                    parameter.copy_(own + 0.2 * sign * e)
                losses.append(F.cross_entropy(network.logits(frames), labels))
            expected += losses[-1] * sign * flat / (8 * 0.2)
    assert loss == pytest.approx(torch.stack(losses).mean().item(), abs=1e-12)
    torch.testing.assert_close(gradient(network), expected)


@pytest.mark.parametrize("method", [LocalZO(delta=0.3, samples=1), SparseGrad(delta=0.3)])
def test_active_entries_of_convolutions_are_counted(method):
    """Entries with G ≠ 0; of dense layers the compiled pass counts the same."""
    network, (frames, labels) = convolutional("c3k3 p2 c4k2 5", readout="rate"), batch()
    method.fill_grads(network, frames, labels, step=2)
    spike, seen = method.spike(2), []

    def look(distance):
        spikes = spike(distance.detach().requires_grad_())
        (derivative,) = spikes.grad_fn.saved_tensors
        seen.append(derivative != 0)
        return spikes.detach()

    network.record(frames, spike=look)
    active = sum(int(part.sum()) for part in seen)
    assert 0 < method.active_fraction == active / sum(part.numel() for part in seen) < 0.9
    network = SpikingNetwork((144, 9, 5), weight_sd=0.5)
    shares = []
    for kernel in ("fused", "readable"):
        one = replace(method, kernel=kernel)
        one.fill_grads(network, frames, labels, 2)
        shares.append(one.active_fraction)
    assert shares[0] == pytest.approx(shares[1], abs=2e-3)


def test_low_rank_noise_on_kernels_has_the_variance_of_its_matrix():
    """Mean 0 and variance 1 of every entry of E, with m = maps and n = maps · k² of the input."""
    network, rank, draws = convolutional(), 2, 4000
    for a, b, bias in EGGROLL(population=2 * draws, rank=rank).factors(network, 0, range(draws)):
        noise = torch.einsum("zmr,znr->zmn", a, b) / rank**0.5
        # 4,000 draws of kurtosis 3 + 6/r: see formulas of lesson 07; five standard errors
        assert noise.mean(dim=0).abs().max() < 5 / draws**0.5
        assert (noise.var(dim=0) - 1).abs().max() < 5 * ((2 + 6 / rank) / draws) ** 0.5
        assert bias.shape == (draws, noise.shape[1])


@pytest.mark.parametrize("m, n, dearer", [(16, 50, 1.17), (32, 144, 1.08), (18, 578, 1.11)])
def test_low_rank_costs_about_2_over_m_plus_2_over_n(m, n, dearer):
    """E‖g − G‖² of one draw and linear f = ⟨G, W⟩ at rank 1, beside a full matrix: kernels of the
    network p2 c16k5 p2 c32k3 10 (m maps, n = maps · k² below), and the dense p2 18 10."""
    target, draws = normal((m, n), generator()), 8000
    a, b = (normal((draws, k), generator(k)) for k in (m, n))
    fitness = ((a @ target) * b).sum(dim=1)  # ⟨G, A Bᵀ⟩
    size = a.square().sum(dim=1) * b.square().sum(dim=1)  # ‖A Bᵀ‖²
    errors = fitness**2 * size - 2 * fitness**2 + target.square().sum()
    errors /= target.square().sum()
    theory = m * n + 1 + 2 * (m + n + 1)
    assert errors.mean().item() == pytest.approx(theory, abs=4 * errors.std().item() / draws**0.5)
    assert theory / (m * n + 1) == pytest.approx(dearer, abs=0.01)


def test_with_one_time_step_online_training_is_backpropagation():
    """OTTT leaves out what goes through time; of one step it leaves out nothing."""
    network, (frames, labels) = convolutional().double(), batch(steps=1)
    grads = []
    for method in (OTTT(slope=2.0), SurrogateBPTT(slope=2.0)):
        method.fill_grads(network, frames.double(), labels)
        grads.append(gradient(network))
    torch.testing.assert_close(*grads)


DENSE_ONLY = ("smooth", "projected")


@pytest.mark.parametrize("name", DENSE_ONLY)
def test_methods_for_dense_layers_say_so(name):
    with pytest.raises(ValueError, match="is made for dense layers.*--method eggroll"):
        METHODS[name](population=4).fill_grads(convolutional(), *batch())


@pytest.mark.parametrize("name", [name for name in METHODS if name not in DENSE_ONLY])
def test_every_method_trains_convolutions(name):
    """Steps fill every ``.grad`` with numbers, and the same steps the same ones."""
    options = {"population": 8, "kernel": "readable", "slope": 2.0}
    options = {k: v for k, v in options.items() if k in METHODS[name].options()}
    found = []
    for _ in range(2):
        network, (frames, labels), method = convolutional(), batch(), METHODS[name].build(options)
        for step in range(2):  # OPZO's feedback starts from 0
            method.fill_grads(network, frames, labels, step)
        assert all(p.grad.any() for p in network.parameters())
        found.append(gradient(network))
    assert found[0].isfinite().all() and torch.equal(*found)


@pytest.mark.parametrize(
    "name, description",
    [(name, "20 5") for name in METHODS]
    + [(name, LAYERS) for name in METHODS if name not in DENSE_ONLY],
)
def test_a_static_picture_is_a_current_at_every_step(name, description):
    """Numbers between 0 and 1, shown T times: the door takes a path that reads them as they are."""
    picture, labels = torch.rand(1, 8, 144, generator=generator()), torch.arange(8) % 5
    found = []
    for options in ({}, {"kernel": "readable"}):
        network = convolutional(description)
        options = {k: v for k, v in options.items() if k in METHODS[name].options()}
        METHODS[name].build(options).fill_grads(network, picture.expand(4, -1, -1), labels)
        found.append(gradient(network))
    assert found[0].norm() > 0
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
