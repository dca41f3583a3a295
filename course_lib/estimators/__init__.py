"""Training methods behind one call: ``estimator.fill_grads(network, frames, labels, step)``."""

from course_lib.estimators.base import Estimator
from course_lib.estimators.beyond.hybrid import Hybrid
from course_lib.estimators.beyond.projected import ProjectedEGGROLL
from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.es import ES
from course_lib.estimators.feedback import DFA, OTTT, SinglePointZO
from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.opzo import OPZO
from course_lib.estimators.surrogate import SurrogateBPTT

__all__ = [
    "DFA", "EGGROLL", "ES", "OPZO", "OTTT",
    "Estimator", "Hybrid", "LocalZO", "ProjectedEGGROLL", "SinglePointZO", "SparseGrad",
    "SurrogateBPTT",
]  # fmt: skip
