"""The kinds of studies: how a run is made, and how results are shown.

To add one, write a file with the four functions that show it, and enter it here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from course_lib.events import Splits
from studies import alignment, layers, maps, measure, sparsity, training, updates
from studies.plan import Job


class Kind(NamedTuple):
    """measure: makes a run, which keeps its checkpoints in a folder; returns its record.

    Of the results: ``body`` of the page in Markdown, ``figure``, its words ``alt``, and
    ``answers``, what was found, in sentences. Pages that told it by hand would go stale.
    """

    measure: Callable[[Job, Splits, Path], dict[str, Any]]
    body: Callable[[dict], str]
    figure: Callable[[dict], Figure]
    alt: Callable[[dict], str]
    answers: Callable[[dict], list[str]]


def _shown_by(module, measure) -> Kind:
    return Kind(measure, module.body, module.figure, module.alt, module.answers)


KINDS = {
    "training": _shown_by(training, measure.train),
    "alignment": _shown_by(alignment, alignment.follow),
    "sparsity": _shown_by(sparsity, measure.train),
    "map": _shown_by(maps, measure.train),
    "layers": _shown_by(layers, layers.follow),
    "updates": _shown_by(updates, updates.follow),
}


def kind_of(result: dict[str, Any]) -> Kind:
    """The kind of stored results. Raises ValueError for one that is not known."""
    if result.get("kind") not in KINDS:
        raise ValueError(
            f"study {result.get('study')} is of kind {result.get('kind')!r}; "
            f"there are {', '.join(KINDS)}"
        )
    return KINDS[result["kind"]]
