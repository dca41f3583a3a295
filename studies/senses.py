"""Convolutional networks: every method beside a dense network of as many weights, and how sparse
LocalZO's gradients are in them.

    python -m studies study conv
    python -m studies study layers

Sized for two cores: nothing is searched, and every row trains for as many steps with the learning
rate that its method has by default. EGGROLL's default σ, too: of three tried for 120 generations of
seed 0, on convolutions, it had the highest validation accuracy.
"""

from studies.plan import Row, Study

#: 10,586 weights, and 10,612: both see averages over 2 × 2 pixels, so that neither has finer inputs
CONVOLUTIONS = ("p2", "c16k5", "p2", "c32k3", "10")
DENSE = ("p2", "18", "10")
SLOPE = {"slope": 2.5}
#: in 300 steps M must learn faster than its momentum of 0.999 lets it
NOISE = SLOPE | {"alpha": 0.05, "momentum": 0.99}
POPULATION = {"population": 64}


def _methods(group: str, layers: tuple[str, ...]) -> tuple[Row, ...]:
    rows = (
        ("BPTT", "bptt", SLOPE),
        ("LocalZO, δ 0.5, m 5", "localzo", {"delta": 0.5, "samples": 5}),
        ("LocalZO, δ 0.05, m 1", "localzo", {"delta": 0.05, "samples": 1}),
        ("SparseGrad, δ 0.5, m 5", "sparsegrad", {"delta": 0.5, "samples": 5}),
        ("OPZO", "opzo", NOISE),
        ("OPZO, mirrored noise", "opzo", NOISE | {"mirrored": True}),
        ("OTTT", "ottt", SLOPE),
        ("DFA", "dfa", SLOPE),
        *((f"EGGROLL, rank {rank}", "eggroll", POPULATION | {"rank": rank})
          for rank in (1, 4)),
    )  # fmt: skip
    return tuple(
        Row(label, {"method": method, "options": options, "layers": layers}, group)
        for label, method, options in rows
    )


CONV = Study(
    name="conv",
    title="Every method on convolutions",
    question="How far does each method come where a few weights are shared by all places, beside "
    "a dense network of as many weights? And does low rank cost more on small kernels?",
    rows=(*_methods("p2-c16k5-p2-c32k3-10", CONVOLUTIONS), *_methods("p2-18-10", DENSE)),
    settings={"readout": "membrane", "steps": 300},
    seeds=5,
    columns=("accuracy", "difference", "cpu", "memory", "forward", "active", "spikes"),
)


def _sparse(label: str, norm: str = "", method: str = "localzo", **options) -> Row:
    layers = ("p2", f"c16k5{norm}", "p2", f"c32k3{norm}", "10")
    own = SLOPE if method == "bptt" else {"delta": 0.5, "samples": 5}
    return Row(label, {"method": method, "options": own | options, "layers": layers})


TET = {"loss": "each_step", "pull": 0.05}
LAYERS = Study(
    name="layers",
    title="Sparse gradients of a convolutional network, layer by layer",
    question="How many neurons take no part in a backward pass, over training, with and without "
    "tDBN and TET?",
    rows=(
        _sparse("LocalZO"),
        _sparse("LocalZO + tDBN", "n"),
        _sparse("LocalZO + TET", **TET),
        _sparse("LocalZO + tDBN + TET", "n", **TET),
        _sparse("BPTT", method="bptt"),
    ),
    settings={"readout": "membrane", "steps": 150},
    kind="layers",
)
