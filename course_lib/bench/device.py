"""Whole generations on a GPU: plain torch on the device, noise from the CPU's kernels."""

import torch

from course_lib.bench.generation import Setting, training_set
from course_lib.bench.timing import Table, Times, row
from course_lib.estimators import EGGROLL
from course_lib.network import SpikingNetwork
from course_lib.training import draw_batch

#: seconds a generation of EGGROLL, rank 1, on the paper's GPU (arXiv 2605.30361)
PAPER = 3.41
CHUNK = 256


def gpu(repeats: int, quick: bool = False) -> Table:
    """EGGROLL, rank 1, on a GPU: populations of 256, 4096 and 32768, T = 10, batch 256."""
    if not torch.cuda.is_available():
        return Table().show(["  skipped: torch sees no GPU here"])
    populations = (256,) if quick else (256, 4096, 32768)
    return on_device("cuda", torch.cuda.get_device_name(), populations, repeats)


def on_device(
    device: str, name: str, populations: tuple[int, ...], repeats: int, batch: int = 256
) -> Table:
    """The table of a device, whose name is its heading."""
    side = 4096 if device == "cuda" else 256
    square = torch.randn(side, side, device=device)
    settings = {n: Setting(256, n, batch) for n in populations}
    contestants = {f"population {n}": generation_on(device, s) for n, s in settings.items()}
    contestants["product"] = lambda: (square @ square)[0, 0].item()
    times = Times(contestants, repeats)
    peak = 2 * side**3 / times.median("product")
    lines = [name, row("a large product, single precision", peak / 1e12, "Tflop/s")]
    for n, setting in settings.items():
        seconds = times.median(f"population {n}")
        lines += [
            row(f"population {n}", seconds, "s"),
            row("  of what the product reaches", 100 * work(setting) / seconds / peak, "%"),
            row("  against the paper's 3.41 s, whatever its population", PAPER / seconds, "×"),
        ]
    return Table(times.medians()).show(lines)


def generation_on(device: str, setting: Setting):
    """A contestant: the next generation, batch and all, until the GPU has done it."""
    network = SpikingNetwork((2312, setting.hidden, 10)).to(device)
    kernel = "auto" if device == "cuda" else "readable"  # the same torch code, for tests
    estimator = EGGROLL(population=setting.population, chunk=CHUNK, kernel=kernel)
    optimizer = torch.optim.Adam(network.parameters())
    counter = iter(range(10**9))

    def run():
        step = next(counter)
        frames, labels = draw_batch(training_set(), step, setting.batch, seed=0)
        estimator.fill_grads(network, frames.to(device), labels.to(device), step)
        optimizer.step()
        network.layers[0].bias[0].item()  # waits for the GPU

    return run


def work(setting: Setting, rank: int = 1, steps: int = 10, inputs: int = 2312) -> int:
    """Floating point operations of a generation's matrix products, in dense form."""
    draws, hidden, rows = setting.population // 2, setting.hidden, steps * setting.batch
    first = rows * inputs * (hidden + draws * rank) + rows * draws * rank * hidden
    second = rows * 2 * draws * (hidden * (10 + rank) + rank * 10)
    gradient = draws * rank * (inputs * hidden + hidden * 10)
    return 2 * (first + second + gradient)
