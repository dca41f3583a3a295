"""A trained network as NIR, the exchange format that neuromorphic tool chains read.

NIR's leaky neuron is a differential equation, τ dv/dt = v_leak − v + R I. One Euler step of Δt is

    v ← v + (Δt/τ) (I − v) = β v + (1 − β) I      with R = 1, v_leak = 0 and β = 1 − Δt/τ,

which is our v ← β v + I with currents divided by 1 − β. So τ = Δt/(1 − β), weights and biases are
divided, and R stays 1, the only value that all readers understand. Δt is 0.1 ms, as snnTorch takes
it; Norse is told (``from_nir(graph, dt=DT)``).

    Input → Conv2d or Affine → LIF → … → Affine → LIF (spiking outputs) or LI (leaky ones) → Output

Readers differ in the nodes that they know, so only these are used. Average pooling becomes part of
the convolution that reads it: a kernel whose every entry is spread over p × p pixels, with steps of
p. A dense layer above feature maps is a convolution whose kernel is as large as they are. A norm
becomes part of the weights and biases, by its running statistics.

Source: Pedersen et al. 2024, Neuromorphic Intermediate Representation (Nature Communications 15,
doi 10.1038/s41467-024-52259-9).
"""

import io
from pathlib import Path

import numpy as np

from course_lib.events.files import write_atomic
from course_lib.network import SpikingNetwork

#: Δt in seconds
DT = 1e-4


def graph(network: SpikingNetwork):
    """The network as ``nir.NIRGraph``.

    Raises ValueError for what NIR has no node for: β = 1, the subtracting reset, other dynamics.
    """
    try:
        import nir
    except ModuleNotFoundError as error:
        raise ValueError(
            "writing NIR takes its package: python3 course.py setup --with peers, or "
            "pip install nir"
        ) from error
    neurons = network.neurons
    if any(neuron.beta >= 1 or neuron.reset != "zero" for neuron in neurons):
        raise ValueError(
            f"NIR's leaky neuron leaks and is set back to zero; this network has beta "
            f"{network.neuron.beta} and reset {network.neuron.reset!r}"
        )
    if type(network)._run is not SpikingNetwork._run:
        raise ValueError(f"{type(network).__name__} has dynamics of its own, which NIR cannot hold")
    first, last = network.layers[0], len(network.layers) - 1
    shape = getattr(first, "shape", (first.inputs,))
    nodes, edges = {"input": nir.Input({"input": np.array(shape)})}, []

    def add(name, node):
        edges.append((list(nodes)[-1], name))
        nodes[name] = node

    for index, (layer, neuron) in enumerate(zip(network.layers, neurons, strict=True)):
        parts = layer.weight, layer.bias
        if layer.norm is not None:
            parts = layer.norm.folded(*parts)
        weight, bias = (p.detach().cpu().double().numpy() / (1 - neuron.beta) for p in parts)
        if len(shape) == 3:
            pool = rows, columns = getattr(layer, "pool", (1, 1))
            size = getattr(layer, "kernel", shape[1:])  # a dense layer sees the whole map
            kernel = weight.reshape(len(bias), shape[0], *size) / (rows * columns)
            kernel = kernel.repeat(rows, axis=2).repeat(columns, axis=3)
            add(f"weights{index}", nir.Conv2d(shape[1:], kernel, pool, 0, 1, 1, bias))
            shape = getattr(layer, "out_shape", (len(bias), 1, 1))
        else:
            add(f"weights{index}", nir.Affine(weight, bias))
            shape = (len(bias),)
        tau, one = np.full(shape, DT / (1 - neuron.beta)), np.ones(shape)
        if index == last and network.readout == "membrane":
            node = nir.LI(tau, one, 0 * one)
        else:
            node = nir.LIF(tau, one, 0 * one, neuron.threshold * one, 0 * one)
        add(f"neurons{index}", node)
    add("output", nir.Output({"output": np.array(shape)}))
    return nir.NIRGraph(nodes, edges)


def export(network: SpikingNetwork, path: Path) -> None:
    """Write the network to a file, whole or not at all. Raises ValueError: see ``graph``."""
    made, content = graph(network), io.BytesIO()
    import nir

    nir.write(content, made)
    write_atomic(Path(path), content.getvalue())
