"""Every training method by name: its estimator, and settings that suit it.

An estimator's own fields are its options, here, in the settings of a run and on the command line;
what is not given keeps the estimator's default.
"""

import dataclasses
from typing import Any, NamedTuple

from course_lib.estimators.base import Estimator
from course_lib.estimators.beyond.hybrid import Hybrid
from course_lib.estimators.beyond.projected import ProjectedEGGROLL
from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.es import ES
from course_lib.estimators.feedback import DFA, OTTT, SinglePointZO
from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.opzo import OPZO
from course_lib.estimators.surrogate import SurrogateBPTT

# The readouts need different starts: spiking outputs must fire before anything tells weights apart,
# leaky ones do better small. Weights: of the first and of the last layer. All chosen on the
# validation set of the saccade digits.
GRADIENT = {
    "rate": {"beta": 0.95, "logit_scale": 10.0, "weight_sd": (0.025, 0.1)},
    "membrane": {"beta": 0.9, "logit_scale": 10.0, "weight_sd": (0.025, 0.01)},
    "any": {
        "hidden": (256,), "readout": "membrane", "lr": 0.003, "batch_size": 64, "shift": 1,
        "steps": 800,
    },
}  # fmt: skip
EVOLUTION = {
    "rate": {"beta": 0.95, "logit_scale": 3.0, "weight_sd": (0.04, 0.2), "sigma": (0.014, 0.05)},
    "membrane": {
        "beta": 0.9, "logit_scale": 2.0, "weight_sd": (0.025, 0.06), "sigma": (0.014, 0.03),
    },
    "any": {
        "hidden": (128,), "readout": "rate", "lr": 0.01, "batch_size": 64, "shift": 0,
        "steps": 600,
    },
}  # fmt: skip
#: one learning rate for the hidden layers, one for the readout: Adam moves all weights alike, and
#: those of the first layer are smaller
PROJECTED = {
    "rate": EVOLUTION["rate"],
    "membrane": EVOLUTION["membrane"] | {"sigma": (0.014, 0.005)},
    "any": EVOLUTION["any"] | {"readout": "membrane", "lr": (0.003, 0.01), "shift": 1},
}

UNROLLED = "as many backward passes through time"
LAYERED = "a backward pass over layers at every step, nothing kept over time"
FORWARD = "no backward pass"
BELOW = "none with OPZO below, as many backward passes through time with LocalZO"


class Method(NamedTuple):
    """estimator: its class; label: for people; shown: options that a title names; defaults: see
    GRADIENT; backward: what it needs beside forward passes."""

    estimator: type[Estimator]
    label: str
    shown: tuple[str, ...]
    defaults: dict[str, dict[str, Any]]
    backward: str

    @property
    def options(self) -> list[str]:
        """Names that ``build`` takes."""
        return [field.name for field in dataclasses.fields(self.estimator) if field.init]

    def build(self, options: dict[str, Any]) -> Estimator:
        """The estimator with these options. Raises ValueError for one that it does not have."""
        unknown = [name for name in options if name not in self.options]
        if unknown:
            raise ValueError(
                f"{self.label} has no option {', '.join(unknown)}; "
                f"its options are {', '.join(self.options)}"
            )
        return self.estimator(**options)


METHODS = {
    "eggroll": Method(EGGROLL, "EGGROLL", ("rank", "population"), EVOLUTION, FORWARD),
    "es": Method(ES, "full-rank ES", ("population",), EVOLUTION, FORWARD),
    "projected": Method(
        ProjectedEGGROLL, "projected EGGROLL", ("rank", "population"), PROJECTED, FORWARD
    ),
    "bptt": Method(SurrogateBPTT, "BPTT", ("surrogate",), GRADIENT, UNROLLED),
    "localzo": Method(
        LocalZO, "LocalZO", ("distribution", "delta", "samples"), GRADIENT, UNROLLED
    ),
    "sparsegrad": Method(
        SparseGrad, "SparseGrad", ("distribution", "delta", "samples"), GRADIENT, UNROLLED
    ),
    "ottt": Method(OTTT, "OTTT", ("surrogate",), GRADIENT, LAYERED),
    "opzo": Method(OPZO, "OPZO", ("alpha", "momentum"), GRADIENT, FORWARD),
    "dfa": Method(DFA, "DFA", (), GRADIENT, FORWARD),
    "zo": Method(SinglePointZO, "single-point ZO", ("alpha",), GRADIENT, FORWARD),
    "hybrid": Method(Hybrid, "hybrid", ("below", "rank", "population"), GRADIENT, BELOW),
}  # fmt: skip
