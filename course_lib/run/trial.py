"""A trial of the compiled kernels, in a process that may die of it: see ``trust.py``.

    python -m course_lib.run.trial      # compiles all that lessons and commands use, once

as the set-up does, so that nobody waits for it later.
"""

import numpy as np
import torch

from course_lib.estimators import EGGROLL, METHODS, OTTT, LocalZO
from course_lib.events import FrameSet, pack, simulate
from course_lib.fast.kernels import noise as compiled
from course_lib.layers import stack
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from course_lib.noise import gaussians


def try_kernels() -> None:
    """Raise or die unless the kernels' noise is NumPy's, and their results are plain torch's."""
    names = {"seed": 1, "generation": 2, "members": range(3)}
    if not torch.equal(compiled.gaussians(5000, **names), gaussians(5000, **names)):
        raise ArithmeticError("their noise is not NumPy's")
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(6, 9, 200, generator=generator) < 0.3).float()
    labels = torch.arange(9) % 3
    tries = [
        (EGGROLL, {"population": 12, "sigma": 0.1}), (EGGROLL, {"population": 12, "rank": 9}),
        (LocalZO, {"delta": 0.3, "seed": 3}), (OTTT, {}),
    ]  # fmt: skip
    for i, (method, options) in enumerate(tries):
        neuron = LIFParameters(reset=("zero", "subtract")[i % 2])
        grads = []
        for kernel in ("fused", "readable"):
            network = SpikingNetwork((200, 70, 130, 3), neuron, weight_sd=0.4)
            with torch.no_grad():  # sums of such weights are exact in any order
                for parameter in network.parameters():
                    parameter.copy_((parameter * 2**12).round() / 2**12)
            method(**options, kernel=kernel).fill_grads(network, frames, labels)
            grads.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
        if not torch.allclose(*grads, rtol=1e-3, atol=1e-4 * float(grads[1].abs().max())):
            raise ArithmeticError(f"{method.__name__}'s gradient is not plain torch's")


def compile_all() -> None:
    """A step of every method, with either readout, on frames as numbers and on frames as bits."""
    image = np.full((28, 28), 99, np.uint8)
    packed = np.stack([pack(simulate(image, seed=k), bins=10) for k in range(8)])
    data = FrameSet(packed, torch.arange(8), bins=10)
    for method in METHODS.values():
        options = {"population": 8} if "population" in method.options() else {}
        for readout, read in (("rate", data.frames), ("membrane", data.packed_frames)):
            network = SpikingNetwork((2312, 32, 10), readout=readout)
            method.build(options).fill_grads(network, read(range(8)), data.labels)
    maps = SpikingNetwork(layers=stack("p4 c4k3 p2 c4k2 10", (2, 34, 34)))
    EGGROLL(population=8).fill_grads(maps, data.frames(), data.labels)


if __name__ == "__main__":
    try_kernels()
    compile_all()
