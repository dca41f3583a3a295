"""Evolution strategies on a GPU: the same numbers as on the CPU.

Tests of plain torch run on the CPU as well, where they compare the torch code with itself: so they
are known to work before a GPU is at hand. Those of the Triton kernel need a GPU, or the package
triton with TRITON_INTERPRET=1 in the environment.
"""

import pytest
import torch

from course_lib.estimators import EGGROLL, ES
from course_lib.events import FrameSet, load_splits, shift_frames
from course_lib.fast import engine
from course_lib.fast import gpu as population_on_gpu
from course_lib.fast.population import Members
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from course_lib.run.cli import main
from studies.bench.device import gpu as benchmark


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    return request.param if request.param == "cpu" else request.getfixturevalue("gpu")


RESETS = [("zero", False), ("subtract", False), ("subtract", True), ("zero", True)]


@pytest.mark.parametrize("readout", ["rate", "membrane"])
@pytest.mark.parametrize("reset, delay", RESETS)
@pytest.mark.parametrize("rank, mirrored, hidden", [(1, True, 40), (3, False, 17), (8, True, 256)])
def test_the_kernel_is_the_readable_roll_out(triton_device, readout, reset, delay, rank, mirrored,
                                             hidden):  # fmt: skip
    """Rates differ only where some voltage comes within 1e-5 of the threshold; voltages by less.

    19 samples and 5 or 10 draws: neither fills the kernel's blocks.
    """
    neuron = LIFParameters(0.9, 1.0, reset, delay)
    network = SpikingNetwork((60, hidden, 5), neuron, readout, weight_sd=0.4).to(triton_device)
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(6, 19, 60, generator=generator) < 0.2).float().to(triton_device)
    plain = EGGROLL(10, 0.1, rank=rank, mirrored=mirrored, kernel="readable")
    draws = range(plain.draws)
    noise, members = plain.rows(network, 3, draws), Members(rank, (0.1, 0.1), plain.signs)
    strided = frames.transpose(0, 1).contiguous().transpose(0, 1)
    outputs = population_on_gpu.start(network, strided, members).outputs(noise)
    with torch.no_grad():
        factors = plain.factors(network, 3, draws)
        changed = plain.population_currents(network, factors, network.layers[0](frames))
        layers = list(network._run(frames, lambda u: (u > 0).float(), changed))
        wanted = network.read(layers[-1])
    close = (layers[0].voltages - 1).abs().amin(dim=(0, -1)) < 1e-5
    if readout == "rate":
        close |= (layers[1].voltages - 1).abs().amin(dim=(0, -1)) < 1e-5
    assert close.float().mean() < 0.05, "few members and samples are in doubt"
    assert torch.allclose(outputs[~close], wanted[~close], atol=1e-5)
    assert wanted.std() > 0.01, "the outputs say something"


@pytest.mark.parametrize("rank", [1, 4])
def test_a_step_on_a_gpu_is_the_readable_one(gpu, rank):
    """A leaky readout: outputs, and so fitness and the gradient, differ by rounding alone unless a
    spike moves; 16 samples and 22 members leave few voltages within rounding of the threshold."""
    network = SpikingNetwork((60, 40, 5), readout="membrane", weight_sd=0.4).to(gpu)
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(6, 16, 60, generator=generator) < 0.2).float().to(gpu)
    labels, grads = (torch.arange(16) % 5).to(gpu), []
    for kernel in ("readable", "fused"):
        estimator = EGGROLL(22, (0.1, 0.3), rank=rank, shaping="none", kernel=kernel)
        estimator.fill_grads(network, frames, labels, 3)
        grads.append([p.grad.clone() for p in network.parameters()])
    for wanted, found in zip(*grads, strict=True):
        assert (found - wanted).norm() < 1e-3 * wanted.norm()


def test_a_generation_takes_the_kernel_where_it_can(gpu):
    network, frames = SpikingNetwork((60, 40, 5)).to(gpu), torch.ones(3, 8, 60, device=gpu)
    assert engine(EGGROLL(4), network, frames).kernels is population_on_gpu
    deep = SpikingNetwork((60, 40, 40, 5)).to(gpu)
    assert engine(EGGROLL(4), deep, frames) is None, "plain torch"
    with pytest.raises(ValueError, match="takes one hidden layer"):
        engine(EGGROLL(4, kernel="fused"), deep, frames)
    assert engine(ES(4), network, frames) is None, "full rank has no kernel there"
    network.double()
    assert engine(EGGROLL(4), network, frames.double()) is None


def test_frames_are_unpacked_and_moved_on_a_device(device):
    data = load_splits(progress=False).test
    moved = FrameSet(torch.from_numpy(data.packed).to(device), data.labels, data.bins)
    assert torch.equal(moved.frames().cpu(), data.frames())
    assert torch.equal(moved.frames(range(3, 9)).cpu(), data.frames(range(3, 9)))
    assert torch.equal(moved.subset(range(3, 9)).frames([2]).cpu(), data.frames([5]))
    shifts = torch.tensor([[0, 0], [3, -1], [-40, 2], [1, 33]])
    frames = data.frames(range(4))
    together = shift_frames(frames.to(device), shifts.to(device))
    assert torch.equal(together.cpu(), shift_frames(frames, shifts))
    assert data.to("cpu") is data


def outcome(estimator, device):
    """Fitness, loss and gradients in double precision, after one step."""
    network = SpikingNetwork((60, 40, 5), readout="membrane", weight_sd=0.4).double().to(device)
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(6, 8, 60, generator=generator) < 0.2).double().to(device)
    labels = (torch.arange(8) % 5).to(device)
    with torch.no_grad():
        fitness = estimator.evaluate(network, frames, labels, 3, range(estimator.draws))
    loss = estimator.fill_grads(network, frames, labels, 3)
    assert fitness.device.type == network.layers[0].weight.grad.device.type == device
    return fitness.cpu(), loss, [p.grad.cpu() for p in network.parameters()]


@pytest.mark.parametrize(
    "estimator",
    [EGGROLL(20, 0.1, rank=2), EGGROLL(9, 0.1, mirrored=False, shaping="z_score"),
     ES(10, 0.1)],
)  # fmt: skip
def test_a_gpu_finds_what_the_cpu_finds(estimator, device):
    fitness, loss, grads = outcome(estimator, "cpu")
    same_fitness, same_loss, same_grads = outcome(estimator, device)
    assert torch.allclose(same_fitness, fitness, atol=1e-10) and abs(same_loss - loss) < 1e-10
    for grad, same in zip(grads, same_grads, strict=True):
        assert torch.allclose(same, grad, atol=1e-9 * grad.abs().max().item())


def test_the_command_trains_there(device, tmp_path, capsys):
    out = ["--out", str(tmp_path / "run")]
    small = ["--hidden", "8", "--population", "8", "--batch-size", "8", "--steps", "2"]
    assert main(["train", *small, "--device", device, "--quiet", *out]) == 0
    assert "test accuracy" in capsys.readouterr().out


def test_the_benchmark_names_the_gpu_or_says_that_there_is_none():
    text = benchmark(1, quick=True).text
    assert ("skipped: torch sees no GPU" in text) == (not torch.cuda.is_available())
