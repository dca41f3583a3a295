"""Evolution strategies on a GPU: the same numbers as on the CPU, in plain torch.

Every test runs on the CPU as well, where it compares the torch code with itself: so they are known
to work before a GPU is at hand.
"""

import pytest
import torch

from course_lib.bench.device import gpu as benchmark
from course_lib.cli import main
from course_lib.estimators import EGGROLL, ES
from course_lib.network import SpikingNetwork


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    return request.param if request.param == "cpu" else request.getfixturevalue("gpu")


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
    [EGGROLL(20, 0.1, rank=2, chunk=3), EGGROLL(9, 0.1, mirrored=False, shaping="z_score"),
     ES(10, 0.1), ES(10, 0.1, kernel="batched")],
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
