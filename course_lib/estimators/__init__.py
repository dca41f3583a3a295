"""Training methods behind one call: ``estimator.fill_grads(network, frames, labels, step)``."""

from course_lib.estimators.base import Estimator
from course_lib.estimators.eggroll import EGGROLL
from course_lib.estimators.es import ES
from course_lib.estimators.surrogate import SurrogateBPTT

__all__ = ["EGGROLL", "ES", "Estimator", "SurrogateBPTT"]
