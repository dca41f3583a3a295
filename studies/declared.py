"""The studies, as declarations.

To add one: declare it here, run ``python -m studies study NAME`` and commit data/results/NAME.json,
.md, .png and .svg.
"""

from dataclasses import replace

from studies import codes, evolution, nmnist, senses
from studies.plan import Row, Study

ONE, TWO = "2312-256-10", "2312-200-200-10"
HIDDEN = {ONE: (256,), TWO: (200, 200)}
#: ten passes over the 4,000 training recordings; everything else is the methods' own
SETTINGS = {"steps": 620, "readout": "membrane"}
#: the search where a row says all else
RATES = evolution.GRADIENT_RATES
#: slope of ψ of all methods that have one, where the search says nothing else
SLOPE = 2.5
WITH_SLOPE = ("bptt", "ottt", "opzo", "dfa", "zo")


def _search(name: str, *values) -> tuple[dict, ...]:
    """Six trials for all: three rates, then more of the method's own shape."""
    first, *others = values
    trials = [
        *(rate | {name: first} for rate in RATES),
        *({"lr": 0.003, name: value} for value in others),
    ]
    if len(trials) < 6:
        trials.append({"lr": 0.006, name: others[0]})
    return tuple(trials)


#: a method's own shape: the slope of ψ, the distribution λ, or OPZO's noise
SLOPES = _search("slope", SLOPE, 5.0, 10.0)
SHAPES = _search("distribution", "normal", "uniform", "laplace", "sigmoid")
NOISES = (
    *(rate | {"alpha": 0.05, "slope": SLOPE} for rate in RATES),
    *({"lr": 0.003, "alpha": alpha, "slope": SLOPE} for alpha in (0.02, 0.2)),
    {"lr": 0.003, "alpha": 0.05, "slope": 5.0},
)


def _widths(network: str) -> tuple[dict, ...]:
    """Evolution strategies: a rate and a σ for each layer, both as factors of what suits most."""
    hidden = len(HIDDEN[network])
    tried = [(0.5, 1), (1, 1), (2, 1), (1, 0.5), (1, 2), (2, 2)]
    return tuple(
        evolution.layered(rate, hidden) | {"sigma": (*[0.014 * scale] * hidden, 0.03 * scale)}
        for rate, scale in tried
    )


def row(label, method, network, *, group=None, options=None, search=None, **settings) -> Row:
    options = ({"slope": SLOPE} if method in WITH_SLOPE else {}) | (options or {})
    settings = {"method": method, "options": options, "hidden": HIDDEN[network], **settings}
    return Row(label, settings, network if group is None else group, search)


def smoothed(method, network, *, group=None, label=None, steps=None, search=None, **options) -> Row:
    name = {"localzo": "LocalZO", "sparsegrad": "SparseGrad"}[method]
    label = label or f"{name}, δ {options['delta']:g}, m {options['samples']}"
    extra = {} if steps is None else {"steps": steps}
    return row(label, method, network, group=group, options=options, search=search, **extra)


def _methods(network: str) -> tuple[Row, ...]:
    def opzo(label, **options):
        return row(label, "opzo", network, options=options, search=NOISES)

    rows = (
        row("BPTT", "bptt", network),
        row("OTTT", "ottt", network),
        *(
            smoothed("localzo", network, search=SHAPES, delta=delta, samples=samples)
            for delta in (0.5, 0.05) for samples in (1, 5, 20)
        ),
        smoothed("sparsegrad", network, search=SHAPES, delta=0.5, samples=5),
        opzo("OPZO"),
        opzo("OPZO, mirrored noise", mirrored=True),
        *([opzo("OPZO, local learning", local=True)] if network == TWO else ()),
        row("DFA", "dfa", network),
        row("single-point ZO", "zo", network),
        *(
            row(f"EGGROLL, rank {rank}", "eggroll", network, options={"rank": rank},
                search=_widths(network))
            for rank in (1, 2, 4, 8)
        ),
        # a run takes over ten minutes: it trains as the search chose for the rank nearest to it
        replace(row("full-rank ES", "es", network, options={"kernel": "fused"}),
                like=f"{network} · EGGROLL, rank 8"),
    )  # fmt: skip
    return rows if network == TWO else _like_two(rows)


def _like_two(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The choices made on two hidden layers serve one; σ of evolution strategies has a length."""
    return tuple(
        row if row.settings["method"] in ("eggroll", "es")
        else replace(row, like=row.name.replace(ONE, TWO))
        for row in rows
    )  # fmt: skip


METHODS = Study(
    name="methods",
    title="Every method beside BPTT",
    question="How close to BPTT does each come on the same network, data, steps and search?",
    rows=_methods(ONE) + _methods(TWO),
    settings=SETTINGS,
    search=SLOPES,
)

REAL = Study(
    name="real-methods",
    title="Every method on real recordings",
    question="Does the order of the methods hold on 1,000 real N-MNIST recordings?",
    rows=_methods(TWO),
    settings=SETTINGS | {"steps": 330},
    search=SLOPES,
    source="nmnist",
)


def _starts(label: str, method: str) -> tuple[Row, ...]:
    rows = [
        row(f"σ_out {sd:g}", method, network, group=f"{label}, {network}",
            search=NOISES if method == "opzo" else None,
            weight_sd=(0.025, *[None] * (len(HIDDEN[network]) - 1), sd))
        for network in HIDDEN for sd in (0.01, 0.1)
    ]  # fmt: skip
    return (*_like_two(rows[:2]), *rows[2:])


START = Study(
    name="readout-start",
    title="The readout's random start",
    question="What does a large random start of the readout's weights cost, and whom?",
    rows=(*_starts("BPTT", "bptt"), *_starts("OPZO", "opzo")),
    settings=SETTINGS,
    search=SLOPES,
)

LOCALZO = Study(
    name="localzo",
    title="LocalZO: samples m, reach δ and length of training",
    question="What do more samples buy, and what does the fast setting cost?",
    rows=(
        *(
            smoothed("localzo", TWO, group="short training, 310 steps", steps=310, delta=delta,
                     samples=samples, distribution="normal")
            for delta, samples in ((0.5, 5), (0.5, 1), (0.05, 5), (0.05, 1))
        ),
        *(
            smoothed("localzo", TWO, group=f"{name}, δ 0.5", label=f"m {samples}", delta=0.5,
                     samples=samples, distribution=name)
            for name, counts in (("normal", (1, 3, 5, 7, 10, 20, 100)), ("uniform", (1, 5, 20)))
            for samples in counts
        ),
    ),
    settings=SETTINGS,
    search=RATES,
    columns=(
        "chosen", "accuracy", "difference", "train", "cpu", "active", "speedup", "spikes",
    ),
)  # fmt: skip

SPARSEGRAD = Study(
    name="sparsegrad",
    title="LocalZO and SparseGrad by distribution",
    question="Does drawing the derivative do better than cutting off its mean?",
    rows=tuple(
        smoothed(method, TWO, group=name, delta=0.5, samples=5, distribution=name)
        for name in ("normal", "uniform", "laplace", "sigmoid", "fast_sigmoid")
        for method in ("localzo", "sparsegrad")
    ),
    settings=SETTINGS,
    search=RATES,
    columns=("chosen", "accuracy", "difference", "cpu", "active", "speedup", "spikes"),
)

UPDATES = Study(
    name="updates",
    title="LocalZO and SparseGrad, update by update",
    question="How do loss, active entries and speed-up change while δ 0.05 trains?",
    rows=(
        *(
            smoothed(method, TWO, group="m 1", label=f"{label}, {name}", delta=0.05, samples=1,
                     distribution=name)
            for method, label in (("localzo", "LocalZO"), ("sparsegrad", "SparseGrad"))
            for name in ("normal", "uniform", "laplace")
        ),
        *(
            smoothed("localzo", TWO, group="more draws", label=f"LocalZO, normal, m {samples}",
                     delta=0.05, samples=samples, distribution="normal")
            for samples in (5, 20, 100)
        ),
    ),
    settings=SETTINGS,
    kind="updates",
)  # fmt: skip


def _opzo(group: str, label: str, **options) -> Row:
    return row(label, "opzo", TWO, group=group, options=options)


OPZO = Study(
    name="opzo",
    title="OPZO: momentum, start of M, noise",
    question="Which of OPZO's settings matter?",
    rows=(
        *(_opzo("momentum λ, M from 0", f"λ {value:g}", momentum=value)
          for value in (0.999, 0.99, 0.9, 0.0)),
        *(_opzo("M from random", f"λ {value:g}", momentum=value, feedback_start="random")
          for value in (0.999, 0.9)),
        *(_opzo("noise", name, momentum=0.999, noise=name)
          for name in ("gaussian", "rademacher", "sphere")),
        *(_opzo("where noise enters", name, momentum=0.999, inject=name)
          for name in ("spikes", "membrane")),
        *(_opzo("error", name, momentum=0.999, error=name) for name in ("softmax", "difference")),
        *(_opzo("teachers of hidden layers", name, momentum=0.999, **options) for name, options in (
            ("feedback alone", {}), ("local learning, too", {"local": True}),
            ("intermediate global learning, too", {"local": True, "intermediate": True}),
        )),
        *(_opzo("scale α", f"α {value:g}", momentum=0.999, alpha=value)
          for value in (0.2, 0.05, 1.0)),
        *(_opzo("loss", value.replace("_", " "), loss=value)
          for value in ("accumulated", "each_step")),
    ),
    settings=SETTINGS,
    search=RATES,
    columns=("chosen", "accuracy", "difference", "cpu", "spikes"),
)  # fmt: skip


def _aligned(group: str, path: str) -> list[Row]:
    def aligned(label, method, **options):
        return replace(row(label, method, TWO, group=group, options=options), path=path)

    return [
        aligned("OTTT", "ottt"),
        *(
            aligned(f"LocalZO, δ {delta:g}, m {samples}", "localzo", delta=delta, samples=samples)
            for delta, samples in ((0.5, 1), (0.5, 5), (0.5, 20), (0.05, 1))
        ),
        aligned("SparseGrad, δ 0.5, m 5", "sparsegrad", delta=0.5, samples=5),
        aligned("OPZO", "opzo"),
        aligned("OPZO, mirrored noise", "opzo", mirrored=True),
        aligned("DFA", "dfa"),
        aligned("single-point ZO", "zo"),
    ]


ALIGNMENT = Study(
    name="alignment",
    title="Gradients of every method beside BPTT's, over training",
    question="In which direction does a step of each method point, and how much does it vary?",
    rows=(*_aligned("BPTT trains", "bptt"), *_aligned("own training", "own")),
    settings={"readout": "membrane", "steps": 200, "lr": 0.003},
    kind="alignment",
)

#: sizes at which a population of 256 is quick, too
SMALL_HIDDEN = {"2312-128-10": (128,), "2312-128-128-10": (128, 128)}
#: the start that all rows share, so that spikes differ by what training did: EGGROLL's
SHARED = {
    "membrane": {"beta": 0.9, "logit_scale": 2.0, "weight_sd": (0.025, 0.06)},
    "rate": {"beta": 0.95, "logit_scale": 3.0, "weight_sd": (0.04, 0.2)},
}


def _sparse(readout: str, until: float) -> list[Row]:
    start = {"hidden": (128,), "readout": readout, "until": until, **SHARED[readout]}
    group = f"{readout} readout, {100 * until:.0f} %"

    def one(label, method, steps=310, validate_every=2, search=RATES, **options):
        run = {"method": method, "options": options, "steps": steps}
        return Row(label, run | {"validate_every": validate_every, **start}, group, search)

    return [
        one("BPTT", "bptt", slope=SLOPE),
        one("LocalZO, δ 0.5, m 5", "localzo", delta=0.5, samples=5),
        one("OPZO", "opzo", slope=SLOPE),
        one("DFA", "dfa", steps=620, slope=SLOPE),  # with spiking outputs it takes its time
        one("hybrid, OPZO below", "hybrid", slope=SLOPE),
        one("EGGROLL", "eggroll", steps=900, validate_every=10, search=evolution.LAYERED),
    ]


SPARSITY = Study(
    name="sparsity",
    title="Spikes and synaptic operations at equal accuracy",
    question="Are EGGROLL's spikes sparser than those of networks trained otherwise?",
    rows=(*_sparse("membrane", 0.75), *_sparse("rate", 0.6)),
    settings={"shift": 0},
    seeds=5,
    kind="sparsity",
)


def _hybrid(network: str) -> list[Row]:
    """A group for each local rule: the hybrid first, then its two pure forms, then a control: the
    rule below a readout that stays as it starts. Does the readout need to learn at all?"""
    hidden, sigmas = {"hidden": SMALL_HIDDEN[network]}, (0.01, 0.003, 0.03)
    rules = {
        "OPZO": ("opzo", {"slope": SLOPE}, SLOPES),
        "LocalZO": ("localzo", {"delta": 0.5, "samples": 5}, SHAPES),
    }
    of_eggroll = tuple(
        evolution.layered(rate, len(SMALL_HIDDEN[network]))
        | {"sigma": tuple(scale * sigma for sigma in SIGMA[network])}
        for rate, scale in ((0.5, 1.0), (1.0, 1.0), (2.0, 1.0), (1.0, 0.5), (1.0, 2.0), (2.0, 0.5))
    )
    rows = []
    for name, (method, options, search) in rules.items():
        group, pure = f"{name} below, {network}", {"method": method, "options": options, **hidden}
        frozen = tuple(
            trial | {"lr": (*[trial["lr"]] * len(SMALL_HIDDEN[network]), 0.0)} for trial in search
        )
        rows += [
            Row(f"{name} + EGGROLL", {"method": "hybrid", **hidden,
                "options": {"below": method, **options}}, group, _search("sigma", *sigmas)),
            Row(name, pure, group, search),
            Row("EGGROLL", {"method": "eggroll", **hidden}, group, of_eggroll),
            Row(f"{name}, readout as it starts", pure, group, frozen),
        ]  # fmt: skip
    return rows


#: EGGROLL's σ of the first layer and of the others
SIGMA = {"2312-128-10": (0.014, 0.03), "2312-128-128-10": (0.014, 0.03, 0.03)}

HYBRID = Study(
    name="hybrid",
    title="A local rule below, EGGROLL at the readout",
    question="Is a local rule below with EGGROLL at the readout better than either alone?",
    rows=tuple(row for network in SMALL_HIDDEN for row in _hybrid(network)),
    settings=SETTINGS,
    seeds=5,
)

#: every study that this file, codes.py, evolution.py, nmnist.py and senses.py declare, by name
STUDIES = {
    study.name: study
    for module in (globals(), vars(codes), vars(evolution), vars(nmnist), vars(senses))
    for study in module.values() if isinstance(study, Study)
}  # fmt: skip
