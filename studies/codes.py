"""Other codes than a camera's: clothes as latencies, voices as the spikes of a model ear.

    python -m studies study latency
    python -m studies study voices --data PATH      a folder of spoken digits

Sized for two cores. Of latency the learning rate is searched, at T = 100: a row of T = 300 takes
what the same row of T = 100 chose. All train for as many steps but one row, which takes three times
as many and about as long as BPTT. Of voices nothing is searched: each method has its own default.
"""

from studies.plan import Row, Study

#: per time step at T = 100, so that a neuron forgets as fast whatever T cuts the recording into
LEAK = 0.97
SLOPE = {"slope": 2.5}
#: time steps of the rows that search
SEARCHED = 100
#: three passes over the training pictures
STEPS = 210
#: δ, m of LocalZO: the course's, four that leave neurons at rest alone, the paper's of Table 3.
#: 0.25 was declared after the others had been seen
REACHES = ((0.5, 5), (0.3, 5), (0.25, 5), (0.2, 5), (0.1, 5), (0.05, 1))
#: the row that SparseGrad and the longer run share
SHARED = (0.2, 5)
#: where the search begins
RATES = (0.001, 0.002, 0.004)


def _smoothed(method: str, label: str, delta: float, samples: int) -> tuple[str, dict]:
    options = {"delta": delta, "samples": samples}
    return f"{label}, δ {delta:g}, m {samples}", {"method": method, "options": options}


def _latency(bins: int) -> tuple[Row, ...]:
    beta = round(LEAK ** (100 / bins), 4)
    sparse, settings = _smoothed("localzo", "LocalZO", *SHARED)
    rows = (
        ("BPTT", {"method": "bptt", "options": SLOPE}),
        *(_smoothed("localzo", "LocalZO", *reach) for reach in REACHES),
        _smoothed("sparsegrad", "SparseGrad", *SHARED),
        (f"{sparse}, three times the steps", settings | {"steps": 3 * STEPS}),
    )
    return tuple(
        Row(label, settings | {"bins": bins, "beta": beta}, f"T = {bins}",
            like=None if bins == SEARCHED else f"T = {SEARCHED} · {label}")
        for label, settings in rows
    )  # fmt: skip


LATENCY = Study(
    name="latency",
    title="LocalZO on latency-coded clothes",
    question="One spike a pixel, the brighter the earlier: what do sparse gradients cost in "
    "accuracy, and what do they save in time?",
    rows=(*_latency(SEARCHED), *_latency(300)),
    settings={"hidden": (200, 200), "readout": "membrane", "steps": STEPS},
    search=tuple({"lr": rate} for rate in RATES),
    seeds=5,
    source="fashion-latency",
    columns=("chosen", "accuracy", "difference", "cpu", "active", "speedup", "memory", "spikes"),
)

VOICES = Study(
    name="voices",
    title="Spoken digits of a speaker who was never heard",
    question="How far does each method come on voices, heard through a model ear?",
    rows=(
        Row("BPTT", {"method": "bptt", "options": SLOPE}),
        Row(*_smoothed("localzo", "LocalZO", *REACHES[0])),
        Row("OPZO", {"method": "opzo", "options": SLOPE}),
        Row("EGGROLL, rank 1", {"method": "eggroll", "options": {"population": 128}}),
    ),
    settings={"hidden": (128,), "readout": "membrane", "steps": 310, "bins": 50,
              "beta": round(LEAK**2, 4)},
    seeds=5,
    source="speech",
    columns=("accuracy", "difference", "cpu", "memory", "forward", "spikes"),
)  # fmt: skip
