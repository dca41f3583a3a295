"""Studies of evolution strategies: the paper's form, what lifts it, its price, how to spend it.

EGGROLL's paper reads spike rates out. Membrane readout, smooth input factors and projected factors
are departures from it, and every row says so.
"""

from studies.plan import Row, Study

#: rates that suit the paper's form: of the hidden layer and of the readout, or one for both
RATES = (
    *({"lr": (0.003 * scale, 0.03 * scale)} for scale in (0.5, 1.0, 2.0)),
    *({"lr": lr} for lr in (0.005, 0.01, 0.02)),
)
RANKS = (1, 2, 4, 8)


def _ranks(group: str, steps: int, **settings) -> tuple[Row, ...]:
    """One row a rank; rank 1 is searched, and the others take its choice: only the rank differs."""
    first = f"{group} · rank 1"
    return tuple(
        Row(f"rank {rank}", {"method": "eggroll", "options": {"rank": rank}, "steps": steps,
                             "readout": "rate", **settings}, group,
            like=None if rank == 1 else first)
        for rank in RANKS
    )  # fmt: skip


EGGROLL = Study(
    name="eggroll",
    title="EGGROLL as in the paper, over ranks",
    question="Does the rank matter, how wide is the spread over seeds, and does training collapse?",
    rows=(
        *_ranks("1,200 generations", 1200),
        Row("rank 1", {"method": "eggroll", "options": {"rank": 1}, "steps": 3600},
            "3,600 generations", like="1,200 generations · rank 1"),
    ),
    settings={"hidden": (128,), "readout": "rate"},
    search=RATES,
    seeds=20,
    columns=("chosen", "accuracy", "worst", "collapse", "silent", "difference", "cpu", "forward",
             "spikes"),
)


def layered(scale: float, hidden: int = 1) -> dict[str, tuple[float, ...]]:
    """A rate for each layer, for the readout ten thirds of that of the hidden layers."""
    return {"lr": (*[0.003 * scale] * hidden, 0.01 * scale)}


#: the same three rates wherever evolution strategies are compared
LAYERED = tuple(layered(scale) for scale in (0.5, 1.0, 2.0))
ONE_RATE = tuple({"lr": lr} for lr in (0.005, 0.01, 0.02))
GRADIENT_RATES = tuple({"lr": lr} for lr in (0.001, 0.003, 0.006))
#: σ of the first layer that suits factors of this width in pixels: smooth noise moves neurons more
SIGMA_OF_WIDTH = {0.7: 0.01, 1.0: 0.009, 1.4: 0.007, 2.0: 0.006, 4.0: 0.004}
LAYERED_LABEL = "a rate for each layer"
SMOOTH, PROJECTED = "smooth factors, 1.4 pixels", "projected factors"


def _departure(label, group="", *, method="eggroll", search=LAYERED, like=None, **settings) -> Row:
    names = ("rank", "width", "sigma", "population", "shaping", "ridge")
    options = {name: settings.pop(name) for name in names if name in settings}
    return Row(label, {"method": method, "options": options, **settings}, group, search, like=like)


def _smooth(label, width, group="", **settings) -> Row:
    sigma = (SIGMA_OF_WIDTH[width], 0.03)
    return _departure(label, group, method="smooth", width=width, sigma=sigma, **settings)


def _headline(group: str, steps: dict[str, int], like: str | None = None) -> tuple[Row, ...]:
    def name(label):
        return None if like is None else f"{like} · {label}"

    rows = (
        Row("BPTT", {"method": "bptt", "options": {"slope": 2.5}}, group, GRADIENT_RATES,
            like=name("BPTT")),
        _departure("EGGROLL", group, like=name("EGGROLL")),
        _smooth(SMOOTH, 1.4, group, like=name(SMOOTH)),
        _departure(PROJECTED, group, method="projected", like=name(PROJECTED)),
    )  # fmt: skip
    return tuple(
        Row(row.label, row.settings | {"steps": steps[row.label]}, group, row.search, like=row.like)
        for row in rows if row.label in steps
    )  # fmt: skip


MINUTE = "about a minute"
HEADLINE = Study(
    name="headline",
    title="Without gradients, beside BPTT",
    question="How close to BPTT does training without gradients come, and at what cost?",
    rows=(
        *_headline(MINUTE, {"BPTT": 620, "EGGROLL": 2000, SMOOTH: 2000, PROJECTED: 1000}),
        *_headline("some minutes", {"BPTT": 1860, PROJECTED: 3000}, like=MINUTE),
    ),
    settings={"hidden": (128,), "readout": "membrane", "shift": 1},
    seeds=5,
    columns=("chosen", "accuracy", "difference", "cpu", "memory", "forward", "spikes"),
)

TRANSFER = Study(
    name="transfer",
    title="From simulated to real recordings",
    question="What of simulated recordings alone is left on 1,000 real ones of other digits?",
    rows=tuple(
        Row(row.label, row.settings, "trained on saccade digits", row.search)
        for row in _headline("", {"BPTT": 620, "EGGROLL": 2000, SMOOTH: 2000, PROJECTED: 1000})
    ),
    settings={"hidden": (128,), "readout": "membrane", "shift": 1},
    seeds=5,
    source="transfer",
    columns=("chosen", "accuracy", "halves", "difference", "cpu", "forward", "spikes"),
)

REAL_HEADLINE = Study(
    name="real-headline",
    title="Without gradients, beside BPTT, on real recordings",
    question="How close to BPTT do the departures from the paper come on 1,000 real recordings?",
    rows=(
        *_headline(MINUTE, {"BPTT": 620, "EGGROLL": 2000, SMOOTH: 2000, PROJECTED: 1000}),
        *_headline("twice as long", {"BPTT": 1240, SMOOTH: 4000, PROJECTED: 2000}, like=MINUTE),
    ),
    settings=HEADLINE.settings,
    seeds=5,
    source="nmnist",
    columns=HEADLINE.columns,
)

BEYOND = Study(
    name="beyond",
    title="What lifts evolution strategies, at equal forward passes",
    question="Which departures from the paper pay at 400 generations of 256 members?",
    rows=(
        _departure("EGGROLL", search=ONE_RATE),
        _departure(LAYERED_LABEL),
        *(_departure(f"one σ of {sigma:g} for both layers", sigma=sigma, like=LAYERED_LABEL)
          for sigma in (0.007, 0.014, 0.03)),
        *(_smooth(f"smooth factors, {width:g} pixels", width) for width in SIGMA_OF_WIDTH),
        _smooth("smooth 1.4, rank 4", 1.4, rank=4, like=SMOOTH),
        _smooth("smooth 1.4, z-scores", 1.4, shaping="z_score", like=SMOOTH),
        _smooth("smooth 1.4, fitness as it is", 1.4, shaping="none"),
        _smooth("smooth 1.4, 512 members, batch 32", 1.4, population=512, batch_size=32,
                like=SMOOTH),
        _smooth("smooth 1.4, 128 members, batch 128", 1.4, population=128, batch_size=128,
                like=SMOOTH),
        _smooth("smooth 1.4, 128 members, 800 generations", 1.4, population=128, steps=800,
                like=SMOOTH),
        _smooth("smooth 1.4, 64 members, 1,600 generations", 1.4, population=64, steps=1600,
                like=SMOOTH),
        _departure(PROJECTED, method="projected"),
        _departure("projected, ridge 0.1", method="projected", ridge=0.1, like=PROJECTED),
        _departure("projected, ridge 10", method="projected", ridge=10.0, like=PROJECTED),
        _departure("projected, 64 members, 1,600 generations", method="projected", population=64,
                   steps=1600, like=PROJECTED),
        _departure("projected, 128 members, batch 128", method="projected", population=128,
                   batch_size=128, like=PROJECTED),
    ),
    settings={"hidden": (128,), "readout": "membrane", "shift": 0, "steps": 400},
    seeds=5,
    columns=("chosen", "validation", "gain", "accuracy", "cpu", "forward"),
)  # fmt: skip

LARGE = {"population": 4096}
FULL = Study(
    name="paper-scale",
    title="At the size of the paper",
    question="With 54,000 training recordings, 100 generations and a large population: how far?",
    rows=(
        *(
            Row(f"EGGROLL, rank {rank}", {"method": "eggroll", "readout": "rate",
                "options": {"rank": rank, **LARGE}}, "spike-rate readout, as in the paper",
                ONE_RATE, like=None if rank == 1 else
                "spike-rate readout, as in the paper · EGGROLL, rank 1")
            for rank in RANKS
        ),
        Row("BPTT", {"method": "bptt", "options": {"slope": 2.5}, "steps": 844, "shift": 1,
            "batch_size": 128}, "membrane readout", GRADIENT_RATES),
        _departure("EGGROLL", "membrane readout", search=ONE_RATE, **LARGE),
        _smooth(SMOOTH, 1.4, "membrane readout", **LARGE),
        _departure(PROJECTED, "membrane readout", method="projected", population=1024),
        _smooth(f"{SMOOTH}, 1,000 generations", 1.4, "membrane readout", **LARGE, steps=1000,
                like=f"membrane readout · {SMOOTH}"),
        _departure(f"{PROJECTED}, 1,000 generations", "membrane readout", method="projected",
                   population=1024, steps=1000, like=f"membrane readout · {PROJECTED}"),
    ),
    settings={"hidden": (256,), "readout": "membrane", "shift": 0, "steps": 100,
              "batch_size": 1024},
    source="nmnist",
    columns=("chosen", "accuracy", "worst", "lost", "difference", "wall", "memory", "forward",
             "spikes"),
)  # fmt: skip

#: forward passes of one recording that every cell of the maps may spend
BUDGET = 256 * 64 * 400
SPENDING_RATES = tuple({"lr": lr} for lr in (0.0025, 0.005, 0.01, 0.02, 0.04))


def _cell(line, group, population, batch=64, scale=1.0, like=None) -> Row:
    sigma = (0.014 * scale, 0.03 * scale)
    options = {"population": population, "sigma": sigma}
    steps = BUDGET // (population * batch)
    settings = {"method": "eggroll", "options": options, "batch_size": batch, "steps": steps}
    return Row(f"{line}, {population:,} members", settings, group, like=like)


def _sigma_map(group: str) -> tuple[Row, ...]:
    """σ as a factor of its default; a population's rate is searched at the default."""
    return tuple(
        _cell(f"σ × {scale:g}", group, population, scale=scale,
              like=None if scale == 1 else f"{group} · σ × 1, {population:,} members")
        for scale in (0.25, 0.5, 1, 2, 4) for population in (32, 128, 512, 2048)
    )  # fmt: skip


SPENDING = Study(
    name="budget",
    title="What to spend a fixed budget on",
    question="At equal forward passes: σ, members, recordings a batch, or generations?",
    rows=(
        *_sigma_map("σ and population, batch 64"),
        *(
            _cell(f"batch {batch}", "batch and population", population, batch)
            for batch in (16, 64, 256) for population in (32, 128, 512, 2048)
        ),
    ),
    settings={"hidden": (128,), "readout": "membrane", "shift": 0},
    search=SPENDING_RATES,
    kind="map",
)  # fmt: skip

SHORT = {"method": "eggroll", "options": {"rank": 1}}


def _collapse(label: str, **settings) -> Row:
    return Row(label, SHORT | settings)


COLLAPSE = Study(
    name="collapse",
    title="What keeps rank 1 from losing a class",
    question="In training so short that most runs lose a class: which change prevents it?",
    rows=(
        _collapse("as in eggroll, 200 generations"),
        _collapse("400 generations", steps=400),
        _collapse("weights of the readout start × 2", weight_sd=(0.04, 0.4)),
        _collapse("weights of the readout start / 2", weight_sd=(0.04, 0.1)),
        _collapse("hidden weights start × 2", weight_sd=(0.08, 0.2)),
        _collapse("σ × 2", options={"rank": 1, "sigma": (0.028, 0.1)}),
        _collapse("σ / 2", options={"rank": 1, "sigma": (0.007, 0.025)}),
        _collapse("one rate of 0.01", lr=0.01),
        _collapse("membrane readout, rate 0.005", readout="membrane", lr=0.005),
    ),
    settings={"hidden": (128,), "readout": "rate", "lr": (0.003, 0.03), "steps": 200},
    seeds=24,
    columns=("accuracy", "worst", "collapse", "silent", "difference", "cpu", "spikes"),
)
