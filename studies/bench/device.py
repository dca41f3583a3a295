"""Whole generations on a GPU: one kernel for the population, noise from the CPU's kernels."""

import torch

from course_lib.estimators import EGGROLL
from course_lib.fast.kernels.noise import gaussians
from course_lib.network import SpikingNetwork
from course_lib.schedule import draw_batch
from studies.bench.generation import Setting, training_set
from studies.bench.timing import Table, Times, row

#: seconds a generation of EGGROLL, rank 1, on the paper's GPU (arXiv 2605.30361)
PAPER = 3.41
#: draws that plain torch evaluates together, and the largest population that it is asked for
CHUNK, LARGEST = 256, 4096
#: Gaussians of a draw at rank 1 for 2312-256-10: A, B and the bias's noise of both layers
NOISE = (2312 + 256 + 256) + (256 + 10 + 10)


def gpu(repeats: int, quick: bool = False) -> Table:
    """EGGROLL on a GPU: populations of 256, 4096 and 32768, T = 10, batch 256."""
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
    contestants, memory = {"product": lambda: (square @ square)[0, 0].item()}, {}
    for n, setting in settings.items():
        contestants[f"population {n}"] = generation_on(device, setting)
        contestants[f"population {n}, rank 8"] = generation_on(device, setting, rank=8)
        contestants[f"population {n}, noise"] = lambda n=n: gaussians(
            NOISE, seed=0, generation=0, members=range(n // 2)
        )
        if n <= LARGEST:
            contestants[f"population {n}, plain"] = generation_on(device, setting, "readable")
        memory[n] = peak_memory(contestants[f"population {n}"], device)
    times = Times(contestants, repeats)
    peak = 2 * side**3 / times.median("product")
    lines = [name, row("a large product, single precision", peak / 1e12, "Tflop/s")]
    for n, setting in settings.items():
        seconds = times.median(f"population {n}")
        lines += [
            row(f"population {n}, rank 1", 1000 * seconds, "ms"),
            row(f"population {n}, rank 8", 1000 * times.median(f"population {n}, rank 8"), "ms"),
            row(f"population {n}: of what the product reaches",
                100 * work(setting) / seconds / peak, "%"),
            row(f"population {n}: time in which the processor makes noise",
                100 * times.median(f"population {n}, noise") / seconds, "%"),
            row(f"population {n}: memory on the device", memory[n] / 1e9, "GB"),
            row(f"population {n} against the paper's 3.41 s", PAPER / seconds, "×"),
        ]  # fmt: skip
        if n <= LARGEST:
            ratio = times.ratio(f"population {n}, plain", f"population {n}")
            lines.append(row(f"population {n} against plain torch there", ratio, "×"))
    return Table(times.medians()).show(lines)


def generation_on(device: str, setting: Setting, kernel: str = "auto", rank: int = 1):
    """A contestant: the next generation, batch and all, until the GPU has done it."""
    network = SpikingNetwork((2312, setting.hidden, 10)).to(device)
    kernel = kernel if device == "cuda" else "readable"  # the same torch code, for tests
    estimator = EGGROLL(population=setting.population, rank=rank, kernel=kernel)
    estimator.chunk = CHUNK
    optimizer = torch.optim.Adam(network.parameters())
    data, counter = training_set().to(device), iter(range(10**9))

    def run():
        step = next(counter)
        frames, labels = draw_batch(data, step, setting.batch, seed=0)
        estimator.fill_grads(network, frames.to(device), labels.to(device), step)
        optimizer.step()
        network.layers[0].bias[0].item()  # waits for the GPU

    return run


def peak_memory(run, device: str) -> int:
    """Bytes that a second generation takes on the device at its peak."""
    run()
    if device != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated()


def work(setting: Setting, rank: int = 1, steps: int = 10, inputs: int = 2312) -> int:
    """Floating point operations of a generation's matrix products, in dense form."""
    draws, hidden, rows = setting.population // 2, setting.hidden, steps * setting.batch
    first = rows * inputs * (hidden + draws * rank) + rows * draws * rank * hidden
    second = rows * 2 * draws * (hidden * (10 + rank) + rank * 10)
    gradient = draws * rank * (inputs * hidden + hidden * 10)
    return 2 * (first + second + gradient)
