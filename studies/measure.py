"""One training run of a study, and all that is measured on it."""

import copy
import dataclasses
import math
import os
from pathlib import Path
from typing import Any

import torch

from course_lib.checkpoints import TrainingStopped
from course_lib.energy import operations
from course_lib.estimators.base import Estimator
from course_lib.estimators.localzo import LocalZO, SparseGrad
from course_lib.estimators.online import OnlineEstimator
from course_lib.estimators.surrogate import surrogate_spike
from course_lib.evaluation import evaluate
from course_lib.events import Splits
from course_lib.fast import knows
from course_lib.history import History
from course_lib.memory import PeakMemory
from course_lib.network import SpikingNetwork
from course_lib.run.machine import machine, revision
from course_lib.schedule import draw_batch
from course_lib.training import fit
from studies.bench.passes import autograd, kernel, phases, ratios
from studies.inference import packed
from studies.plan import Job

#: points of a final run's learning curve
CURVE = 10
SETS = ("train", "validation", "test")


def train(job: Job, splits: Splits, folder: Path) -> dict[str, Any]:
    """Train and measure; goes on from a checkpoint in ``folder``.

    seconds, cpu_seconds: of training with the drawing of batches, without evaluation.
    peak_memory:    bytes, of one step: see ``step_memory``. Final runs only.
    right:          which test recordings were answered right: see ``inference.packed``.
    spikes:         per recording of the test set (a trial: of the validation set), by layer.
    silent:         neurons of each layer that send no spike to any test recording.
    active:         share of entries that took part in the last backward pass; None if all do.
    speedup:        see there; LocalZO and SparseGrad only.
    stopped:        why training ended early, or None. The network is evaluated as it was then.
    and those of ``counts``, where the settings say ``until`` which accuracy a final run goes on.
    """
    config, final = job.config, job.role == "final"
    if config.threads:
        torch.set_num_threads(config.threads)
    network, estimator = config.network().to(config.device), config.estimator()
    splits = splits._replace(**{name: getattr(splits, name).to(config.device) for name in SETS})
    stopped, history = None, None
    try:
        often = config.validate_every if config.until else max(1, config.steps // CURVE)
        schedule = dataclasses.replace(
            config, validate_every=often if final else config.steps, checkpoint_every=200
        )
        history = fit(
            network, estimator, config.optimizer(network), splits.train, schedule,
            validation=splits.validation, folder=folder, resume=True, progress=False,
        )  # fmt: skip
    except (TrainingStopped, FloatingPointError) as error:
        stopped, history = str(error), _saved(folder)
    last = history[-1] if history else {"step": 0, "seconds": 0.0, "cpu_seconds": 0.0,
                                        "forward_passes": 0}  # fmt: skip
    validation = evaluate(network, splits.validation)
    record = {
        "seed": config.seed,
        **job.choice,
        "validation_accuracy": validation.accuracy,
        "validation_loss": _number(validation.loss),
        **{name: last[name] for name in ("seconds", "cpu_seconds", "forward_passes")},
    }
    if final:
        test = evaluate(network, splits.test)
        record |= {
            "steps": last["step"],
            "test_accuracy": test.accuracy,
            "test_loss": _number(test.loss),
            "train_accuracy": evaluate(network, splits.train).accuracy,
            "right": packed(test.right.numpy()),
            "lost_classes": lost(test.confusion),
            "spikes": [round(count, 2) for count in test.spikes],
            "silent": list(test.silent),
            "peak_memory": step_memory(
                config.network().to(config.device), config.estimator(),
                *draw_batch(splits.train, 0, config.batch_size, config.seed),
            ),
            "active": getattr(estimator, "active_fraction", None),
            "speedup": speedup(network, estimator, splits),
            "curve": [[row["step"], row["validation_accuracy"]] for row in history or ()
                      if "validation_accuracy" in row],
        }  # fmt: skip
        if config.until is not None:
            record |= counts(network, config, splits.test, history or ())
    return record | {"stopped": stopped} | circumstances(config.device)


def circumstances(device: str = "cpu") -> dict[str, Any]:
    """By which code, where and beside what other work something is measured."""
    return {
        "revision": revision(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "machine": machine(device),
    }


def lost(confusion: torch.Tensor) -> int:
    """Classes of which the network knows less than one recording in twenty."""
    known = confusion.diag() / confusion.sum(dim=1).clamp(min=1)
    return int((known < 0.05).sum())


def counts(network, config, test, history) -> dict[str, Any]:
    """What the network costs on the test set, and what it cost before training.

    reached:      whether the validation accuracy came to ``until``.
    synops, start_spikes: per recording, by layer (see ``energy.py``); the start's are those of the
                  untrained network.    macs: of the synops those that multiply, in all layers.
    dense:        MACs of a recording if nothing were zero, by layer.
    spike_curve:  step, validation accuracy, and spikes of all layers per validation recording.
    """
    now, start = operations(network, test), operations(config.network(), test)

    def by_layer(values):
        return [round(value, 2) for value in values.mean(dim=0).tolist()]

    curve = [[row["step"], row["validation_accuracy"], round(row["spikes_per_sample"], 2)]
             for row in history if "validation_accuracy" in row]  # fmt: skip
    return {
        "reached": bool(curve) and curve[-1][1] >= config.until,
        "synops": by_layer(now.synops), "macs": round(now.macs.sum(dim=1).mean().item(), 2),
        "dense": [int(number) for number in now.dense], "start_spikes": by_layer(start.spikes),
        "spike_curve": curve,
    }  # fmt: skip


def step_memory(
    network: SpikingNetwork, estimator: Estimator, frames: torch.Tensor, labels: torch.Tensor
) -> int:
    """Bytes of all tensors that one step makes, at the moment when they are most.

    On a GPU: all that is allocated there, recordings too. The estimator stays as it was.
    LocalZO, SparseGrad and the online methods are measured in their readable form: what compiled
    loops allocate is outside torch.
    """
    estimator = copy.deepcopy(estimator)
    if isinstance(estimator, LocalZO | SparseGrad | OnlineEstimator):
        estimator.kernel = "readable"
    device = network.layers[0].weight.device
    if device.type != "cpu":
        torch.cuda.reset_peak_memory_stats()
        estimator.fill_grads(network, frames, labels.to(device), 0)
        return torch.cuda.max_memory_allocated()
    with PeakMemory() as memory:
        estimator.fill_grads(network, frames, labels, 0)
    return memory.peak


def speedup(network, estimator, splits: Splits, repeats: int = 5) -> dict[str, float] | None:
    """How much faster a step of the compiled kernel is than the autograd loop with the expected
    surrogate: times of the backward pass, and of both passes, as ratios.

    Of the trained network on 256 recordings, interleaved, medians; see ``bench/passes.py``. None
    for other methods, and where there is no kernel, as for convolutions.
    """
    if not isinstance(estimator, LocalZO | SparseGrad) or knows(network):
        return None
    frames, labels = draw_batch(splits.train, 0, 256, seed=0)
    contestants = {
        "loop": autograd(lambda: surrogate_spike(estimator.smoothing.surrogate)),
        "kernel": kernel(estimator.pseudo_derivative(0)),
    }
    times = phases(contestants, repeats, network, frames, labels)
    backward, overall = ratios(times, "loop", "kernel")
    return {"backward": round(backward, 2), "overall": round(overall, 2)}


def _number(value: float) -> float | None:
    """Rounded; None for what JSON cannot hold."""
    return round(value, 5) if math.isfinite(value) else None


def _saved(folder: Path) -> History | None:
    try:
        return History.load(folder)
    except FileNotFoundError:
        return None
