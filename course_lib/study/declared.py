"""The studies, as declarations. To add one: write its rows, add it to STUDIES, run it, commit
data/results/NAME.*"""

from course_lib.study.plan import Row, Study

ONE, TWO = {"hidden": (256,)}, {"hidden": (200, 200)}
NETWORKS = {"2312-256-10": ONE, "2312-200-200-10": TWO}
#: ten passes over the 4,000 training recordings; everything else is methods.GRADIENT
SETTINGS = {"steps": 620, "readout": "membrane"}
RATES = (0.001, 0.003, 0.006)
#: one setting of its own beside the learning rate: the width of ψ, or the distribution λ
OWN = {"lr": RATES, "slope": (2.5, 10.0)}
SMOOTHED = {"lr": RATES, "distribution": ("normal", "uniform")}
RATE = {"lr": RATES}


def row(label: str, method: str, group: str, grid=None, options=None, **settings) -> Row:
    network = NETWORKS.get(group, {})
    return Row(
        label, {"method": method, "options": options or {}, **network, **settings}, group, grid
    )


def smoothed(method: str, group: str, delta: float, samples: int, grid=None, **options) -> Row:
    label = "LocalZO" if method == "localzo" else "SparseGrad"
    options = {"delta": delta, "samples": samples, **options}
    return row(f"{label}, δ {delta:g}, m {samples}", method, group, grid, options)


def _methods(group: str, local: bool) -> list[Row]:
    rows = [
        row("BPTT", "bptt", group),
        row("OTTT", "ottt", group),
        *(smoothed("localzo", group, d, m, SMOOTHED) for d in (0.5, 0.05) for m in (1, 5, 20)),
        smoothed("sparsegrad", group, 0.5, 5, SMOOTHED),
        row("OPZO", "opzo", group),
        row("OPZO, mirrored noise", "opzo", group, options={"mirrored": True}),
        row("OPZO, local learning", "opzo", group, options={"local": True}),
        row("DFA", "dfa", group),
        row("single-point ZO", "zo", group),
    ]
    return [row for row in rows if local or "local" not in row.label]


METHODS = Study(
    name="methods",
    title="All methods that need no unrolled backpropagation, against it",
    question="How close to BPTT does each come on the same network, data, steps and search?",
    rows=(*_methods("2312-256-10", local=False), *_methods("2312-200-200-10", local=True)),
    settings=SETTINGS,
    grid=OWN,
    baseline="BPTT",
)

STUDIES = {study.name: study for study in (METHODS,)}
