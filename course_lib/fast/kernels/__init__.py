"""Compiled loops, by Numba, and one kernel for GPUs, by Triton: speed lives here, apart from the
readable code that it is checked by.

    forward.py     forward passes of LIF layers over events (``event_driven.py``)
    backward.py    backward passes through those events: errors, layer by layer
    gradients.py   and the gradients of the weights
    events.py      frames as lists of events, and their products with matrices
    population.py  forward passes of a whole population (``population.py`` beside this folder), with
                   first_layer.py and later_layers.py; only_layer.py, if there is but one
    plan.py        where their numbers stand
    packing.py     factors and weights, put in that order
    losses.py      the members' losses
    products.py    the population's gradient
    noise.py       the population's noise, from the words of philox.py
    vectors.py     8 to 64 numbers at a time
    threads.py     the same loops from several threads
    workspace.py   arrays kept from step to step
    gpu.py         the forward passes of population.py on a GPU

Functions hold no lock, so that ordinary Python threads can share the work: a thread pool of Numba's
own would compete with torch's for the same processors.
"""

import hashlib
from pathlib import Path

from course_lib.compiling import cache_folder, compiled


@compiled
def nothing():
    """Its compilation lies where those of this folder's other functions do."""


def renew(folder: Path, cache: Path) -> bool:
    """Drop what is kept in ``cache`` unless the folder's sources are as they were the last time.

    Numba renews a function's compilation when the function's own file changes, not when one does
    that the function takes its parts from: an update of the course could leave old parts in place.
    Returns whether something was dropped.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    now = digest.hexdigest().encode()
    try:
        note = cache / "sources.sha256"
        if note.is_file() and note.read_bytes() == now:
            return False
        old = [path for suffix in ("nbi", "nbc") for path in cache.glob(f"*.{suffix}")]
        for path in old:
            path.unlink(missing_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        note.write_bytes(now)
    except OSError:
        return False
    return bool(old)


if cache_folder(nothing):
    renew(Path(__file__).parent, cache_folder(nothing))
