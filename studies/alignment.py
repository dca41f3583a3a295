"""How each method's gradient compares with backpropagation's while a network learns.

A network is trained along a path, by BPTT or by the method itself. The method under study goes
along at every step (OPZO's feedback needs that), and at the steps ``at`` its gradient is compared
with that of BPTT at the same weights, on one fixed batch: see ``course_lib.alignment``.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from course_lib.alignment import alignment
from course_lib.estimators.base import Estimator
from course_lib.estimators.surrogate import SurrogateBPTT
from course_lib.events import FrameSet, Splits
from course_lib.network import SpikingNetwork
from course_lib.run.machine import machine, revision
from course_lib.training import DECAYS, draw_batch
from studies.declared import SLOPE
from studies.plan import Job

#: the fixed batch is the first recordings of the set; noise of these steps is used nowhere else
FIRST_STEP = 1_000_000


def along(
    network: SpikingNetwork,
    estimator: Estimator,
    data: FrameSet,
    steps: int = 100,
    at: Sequence[int] = (0, 10, 30, 100),
    path: str = "bptt",
    lr: float = 0.003,
    batch_size: int = 64,
    repeats: int = 10,
    seed: int = 0,
    reference: Estimator | None = None,
) -> list[dict[str, float]]:
    """Records {step, layer, cosine, mean_cosine, variance, relative_variance, scale}.

    path: "bptt", backpropagation trains the network and the estimator looks on; or "own", the
    estimator trains it. reference: what stands for BPTT; SurrogateBPTT() if not given.

    Trains ``network`` in place with Adam and a cosine decay. Raises ValueError for an unknown path.
    """
    if path not in ("bptt", "own"):
        raise ValueError(f"path is {path!r}; choose 'bptt' or 'own'")
    reference = reference or SurrogateBPTT()
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    fixed = data.frames(range(batch_size)), data.labels[:batch_size]
    records = []
    for step in range(steps + 1):
        if step in at:
            layers = alignment(network, estimator, *fixed, repeats, reference, FIRST_STEP)
            for layer, figures in enumerate(layers, 1):
                records.append({"step": step, "layer": layer, **figures._asdict()})
        if step == steps:
            return records
        frames, labels = draw_batch(data, step, batch_size, seed)
        optimizer.param_groups[0]["lr"] = lr * DECAYS["cosine"](step / steps)
        estimator.fill_grads(network, frames, labels, step)
        if path == "bptt":
            reference.fill_grads(network, frames, labels, step)
        optimizer.step()


def follow(job: Job, splits: Splits, folder: Path) -> dict[str, Any]:
    """One run of the study ``alignment``: ``along`` with the row's settings.

    Nothing is kept in ``folder``, runs are short.
    """
    config = job.config
    torch.set_num_threads(config.threads)
    steps = config.steps
    at = sorted({0, *(round(steps * share) for share in (0.03, 0.1, 0.25, 0.5, 1.0))})
    records = along(
        config.network(), config.estimator(), splits.train, steps, at,
        job.row.path, config.lr, config.batch_size,
        seed=config.seed, reference=SurrogateBPTT(slope=SLOPE),
    )  # fmt: skip
    return {
        "seed": config.seed,
        "alignment": [{name: _json(value) for name, value in row.items()} for row in records],
        "revision": revision(), "threads": config.threads, "load": round(os.getloadavg()[0], 1),
        "machine": machine(),
    }  # fmt: skip


def _json(value: float) -> float | None:
    """Four digits; None for a cosine with a gradient of length zero."""
    if isinstance(value, int):
        return value
    return None if value != value else float(f"{value:.4g}")
