"""LIF layers forward: ours against two libraries' plain torch."""

import torch

from course_lib.lif import LIFParameters, lif_run
from studies.bench.lif_spikes import lif_spikes
from studies.bench.timing import Table, Times, row


def lif(repeats: int, quick: bool = False) -> Table:
    """LIF forward, T = 100, 256 × 512 neurons, spikes only: ours, snnTorch, SpikingJelly."""
    shape = (20, 64, 512) if quick else (100, 256, 512)
    currents = 0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    neuron = LIFParameters(beta=0.9)
    contestants = {
        "ours, compiled": lambda: lif_spikes(currents, neuron),
        "ours, readable": lambda: lif_run(currents, neuron, keep_voltages=False),
    }
    lines = []
    for name, make in {
        "snnTorch Leaky": _snntorch,
        "SpikingJelly, multi-step torch": _jelly,
    }.items():
        try:
            contestants[name] = make(currents)
        except ModuleNotFoundError as error:
            lines.append(f"  {name}: skipped, {error.name} is not installed")
    with torch.no_grad():
        times = Times(contestants, repeats)
        ours, found = lif_spikes(currents, neuron), {n: run() for n, run in contestants.items()}
    found["ours, readable"] = found["ours, readable"][0]
    other = {name: (spikes != ours).sum().item() for name, spikes in found.items()}
    for name in contestants:
        lines.append(row(name, 1000 * times.median(name), "ms")
                     + f"   {other[name]} of {ours.numel():,} spikes differ")  # fmt: skip
    for name in list(contestants)[1:]:
        bar = None if quick or "readable" in name else 5
        lines.append(row(f"ours against {name}", times.ratio(name, "ours, compiled"), "×", bar))
    return Table(times.medians()).show(lines)


def _snntorch(currents):
    import snntorch

    cell = snntorch.Leaky(beta=0.9, reset_mechanism="zero", reset_delay=False)

    def run():
        voltage, spikes = cell.init_leaky(), []
        for current in currents:
            fired, voltage = cell(current, voltage)
            spikes.append(fired)
        return torch.stack(spikes)

    return run


def _jelly(currents):
    from spikingjelly.activation_based import functional, neuron

    cell = neuron.LIFNode(tau=10.0, decay_input=False, v_threshold=1.0, v_reset=0.0,
                          step_mode="m")  # fmt: skip

    def run():
        functional.reset_net(cell)
        return cell(currents)

    return run
