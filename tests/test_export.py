"""A trained network as NIR, read back by two other libraries."""

import contextlib
import io
import sys

import nir
import norse.torch
import pytest
import torch
from snntorch.import_nir import import_from_nir

from course_lib.events import load_splits
from course_lib.layers import stack
from course_lib.lif import LIFParameters
from course_lib.network import SpikingNetwork
from course_lib.run import cli
from course_lib.run.export import DT, export, graph

NETWORKS = {
    "dense": "64 20 10", "convolutional": "p2 c8k5 p3 c8k2 12 10",
    "normalised dense": "64n 20n 10n", "normalised convolutional": "p2 c8k5n p3 c8k2n 12n 10",
}  # fmt: skip


def network(kind, readout="rate"):
    layers = stack(NETWORKS[kind], (2, 34, 34))
    deviations = [None, *[0.3] * (len(layers) - 1)]
    found = SpikingNetwork(layers=layers, readout=readout, weight_sd=deviations)
    normalised = [layer for layer in found.layers if layer.norm is not None]
    generator = torch.Generator().manual_seed(0)
    for layer in normalised:
        for parameter in (layer.norm.gain, layer.bias):
            parameter.data.uniform_(0.3, 1, generator=generator)
    for _ in normalised:
        found.record(recordings()[:, :30])  # on the way to running means of its own
    return found.eval()


def recordings():
    frames = load_splits(progress=False).test.frames(range(100))
    return frames + 0  # numbers, not bits


def run(module, frames, **state):
    """Spikes (T, B, C) of a reader's module, step by step."""
    spikes, state = [], None
    for step in frames:
        found = module(step, state) if state is not None else module(step)
        out, state = found if isinstance(found, tuple) else (found, None)
        spikes.append(out.detach().reshape(len(step), -1))
    return torch.stack(spikes)


@pytest.mark.parametrize("kind", NETWORKS)
def test_two_libraries_read_it_and_fire_the_same_spikes(kind, tmp_path):
    """100 recordings, every spike of the output."""
    ours, frames = network(kind), recordings()
    export(ours, tmp_path / "net.nir")
    expected = ours.record(frames)[-1].spikes
    assert 100 < expected.sum() < 5000
    read = nir.read(tmp_path / "net.nir")
    shown = frames if kind.endswith("dense") else frames.view(*frames.shape[:2], 2, 34, 34)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = import_from_nir(read)
    assert torch.equal(run(theirs, shown), expected)
    assert torch.equal(run(norse.torch.from_nir(read, dt=DT), shown), expected)


def test_leaky_outputs_are_a_node_of_their_own():
    """Its differential equation, in Euler steps, is our readout; few readers know it yet."""
    ours, frames = network("dense", "membrane"), recordings()[:, :20]
    node = graph(ours).nodes["neurons2"]
    assert isinstance(node, nir.LI)
    weights = graph(ours).nodes["weights2"]
    voltage, voltages = 0.0, []
    for spikes in ours.record(frames)[-2].spikes.double():
        current = spikes @ torch.tensor(weights.weight).T + torch.tensor(weights.bias)
        voltage = voltage + DT / torch.tensor(node.tau) * (torch.tensor(node.r) * current - voltage)
        voltages.append(voltage)
    torch.testing.assert_close(
        torch.stack(voltages).float(), ours.record(frames)[-1].voltages, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("neuron", [LIFParameters(beta=1.0), LIFParameters(reset="subtract")])
def test_neurons_that_nir_does_not_know_are_refused(neuron, tmp_path):
    with pytest.raises(ValueError, match="leaks and is set back to zero; this network has beta"):
        export(SpikingNetwork((8, 4, 3), neuron), tmp_path / "net.nir")
    assert not list(tmp_path.iterdir())


class Other(SpikingNetwork):
    def _run(self, *arguments, **options):
        return super()._run(*arguments, **options)


def test_other_dynamics_are_refused():
    with pytest.raises(ValueError, match="Other has dynamics of its own"):
        graph(Other((8, 4, 3)))


def test_the_command_and_what_it_needs(tmp_path, monkeypatch, capsys):
    run, file = tmp_path / "run", tmp_path / "net.nir"
    arguments = ["--method", "bptt", "--layers", "c2k5", "p4", "10", "--steps", "1"]
    assert cli.main(["train", *arguments, "--out", str(run), "--quiet"]) == 0
    assert cli.main(["export", str(run), str(file)]) == 0
    assert "c2k5-p4-10" in capsys.readouterr().out and "weights1" in nir.read(file).nodes
    file.unlink()
    monkeypatch.setitem(sys.modules, "nir", None)
    assert cli.main(["export", str(run), str(file)]) == 2
    assert "pip install nir" in capsys.readouterr().err and not file.exists()
