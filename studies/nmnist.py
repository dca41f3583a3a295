"""All of N-MNIST: what a person with the downloaded recordings runs overnight, or on a GPU.

    python -m studies study nmnist --data PATH --price       what it takes on this machine
    python -m studies study nmnist --data PATH --threads 8   run it; again, to go on

The first group is the table of EGGROLL-SNN (arXiv 2605.30361, Table 1): spike-rate readout, 100
generations, 54,000 / 6,000 / 10,000 recordings, three seeds. Population, batch, hidden neurons and
learning rate are not printed there; those here are the study paper-scale's, whose rows these are.
"""

from dataclasses import replace

from studies.evolution import FULL, GRADIENT_RATES, LARGE, ONE_RATE
from studies.plan import Row, Study

#: a source whose recordings are the user's own, and named in the keys of runs
WHOLE = "whole-nmnist"
PAPER, MEMBRANE = "spike-rate readout, as in the paper", "membrane readout"
_ranks = tuple(row for row in FULL.rows if row.group == PAPER)
#: five passes over the training recordings
_passes = {"steps": 2110, "batch_size": 128, "shift": 1}


def _gradient(label: str, group: str, method: str, **options) -> Row:
    readout = "rate" if group == PAPER else "membrane"
    settings = {"method": method, "readout": readout, "options": options, **_passes}
    return Row(label, settings, group, GRADIENT_RATES)


NMNIST = Study(
    name="nmnist",
    title="N-MNIST, whole",
    question="All 70,000 recordings, split as in the paper: how far does each method come?",
    rows=(
        _gradient("BPTT", PAPER, "bptt", slope=2.5),
        *_ranks,
        _gradient("BPTT", MEMBRANE, "bptt", slope=2.5),
        _gradient("LocalZO, δ 0.5, m 5", MEMBRANE, "localzo", delta=0.5, samples=5),
        _gradient("OPZO", MEMBRANE, "opzo", slope=2.5),
        Row("EGGROLL, rank 1", {"method": "eggroll", "readout": "membrane", "options": LARGE},
            MEMBRANE, ONE_RATE),
        # it takes longer than all others together, so it comes last
        replace(_ranks[0], label="full-rank ES", settings=_ranks[0].settings | {
            "method": "es", "options": LARGE}, like=_ranks[0].name),
    ),
    settings=FULL.settings,
    source=WHOLE,
    columns=("chosen", "accuracy", "published", "worst", "collapse", "difference", "wall",
             "forward", "spikes"),
)  # fmt: skip

#: test accuracy on N-MNIST in %, as the methods' papers print it, of the rows of NMNIST
PUBLISHED = {
    (PAPER, "BPTT"): "94.03",
    (PAPER, "full-rank ES"): "76.17 ± 6.07",
    (PAPER, "EGGROLL, rank 1"): "78.75 ± 0.58",
    (PAPER, "EGGROLL, rank 2"): "72.27 ± 12.0",
    (PAPER, "EGGROLL, rank 4"): "79.21 ± 0.64",
    (PAPER, "EGGROLL, rank 8"): "72.80 ± 6.08",
    (MEMBRANE, "BPTT"): "98.15",
    (MEMBRANE, "LocalZO, δ 0.5, m 5"): "93.69",
    (MEMBRANE, "OPZO"): "98.27",
}
NOTE = (
    "Published: what papers print for N-MNIST. Of the first group EGGROLL-SNN (arXiv 2605.30361), "
    "three seeds, on the recordings' own split; population, batch and network are not stated. Of "
    "the second OPZO (arXiv 2407.12516) for BPTT and OPZO, on a network that is not known to us, "
    "and LocalZO (NeurIPS 2023) with m 5 at δ 0.05, two layers of 200 and T = 300."
)


def published(row: dict, result: dict) -> str:
    """The paper's figure for a row of the study."""
    return PUBLISHED.get((row["group"], row["label"]), "–")
