"""One training loop for every method.

Each step takes a batch, lets the estimator fill ``.grad`` and an ordinary torch optimiser step.
Everything random depends on (seed, step) alone, so a run that was interrupted and resumed ends
with the same bits as one that was not.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from tqdm.auto import tqdm

from course_lib.checkpoints import (
    LOWER,
    Checkpoint,
    TrainingStopped,
    all_finite,
    check_alive,
    check_finite,
    deferred_interrupt,
)
from course_lib.estimators.base import Estimator
from course_lib.evaluation import evaluate
from course_lib.events import FrameSet
from course_lib.history import Clock, History
from course_lib.network import SpikingNetwork
from course_lib.schedule import Schedule, draw_batch


def fit(
    network: SpikingNetwork,
    estimator: Estimator,
    optimizer: torch.optim.Optimizer,
    train: FrameSet,
    schedule: Schedule,
    *,
    validation: FrameSet | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    progress: bool = True,
    agree: Callable[[float, bool], tuple[float, bool]] = lambda *own: own,
) -> History:
    """Train ``network`` in place, for a number of steps or of seconds.

    validation: measured every ``validate_every`` steps and at the end; not counted as time.
    folder:     where checkpoint.pt, history.csv and history.json go, every ``checkpoint_every``
                steps, at the end and at an interrupt; nothing is written without it. Ctrl-C ends
                training after the step it fell into; a second one at once, unsaved.
    resume:     go on from the checkpoint in ``folder`` if there is one. With ``steps``, the
                result is the same to the bit as without the interruption; with ``seconds`` it
                depends on how fast the machine is.
    agree:      (seconds, interrupted) of this process → those that hold for all processes that
                train together; see ``scaling.py``.

    Returns the history. Raises ValueError for bad arguments or a checkpoint of other settings, and
    TrainingStopped when the loss is not finite or a layer has fallen silent; what was
    saved before stays.
    """
    if len(train) == 0:
        raise ValueError("the training set is empty")
    if schedule.until is not None and validation is None:
        raise ValueError(f"until is {schedule.until}; it takes a validation set")
    device = network.layers[0].weight.device
    train, validation = train.to(device), validation and validation.to(device)
    schedule.set_rates(optimizer, 0, 0.0)
    checkpoint = Checkpoint(
        folder, settings(network, estimator, optimizer, train, schedule),
        network=network, optimizer=optimizer, estimator=estimator,
    )  # fmt: skip
    step, seconds, history = checkpoint.resume() if resume else (0, 0.0, History())
    seconds, interrupted = agree(seconds, False)
    clock, room = Clock(seconds, history), train.room(min(schedule.batch_size, len(train)))
    bar = tqdm(total=schedule.steps, initial=step, unit="step", disable=not progress,
               dynamic_ncols=True)  # fmt: skip
    with deferred_interrupt() as asked, bar:
        while not (interrupted or schedule.ended(step, seconds, history)):
            with clock:
                schedule.set_rates(optimizer, step, seconds)
                frames, labels = draw_batch(
                    train, step, schedule.batch_size, schedule.seed, schedule.shift, room,
                    packed=estimator.reads_events,
                )  # fmt: skip
                loss = estimator.fill_grads(network, frames.to(device), labels.to(device), step)
                check_finite(loss, network, step)
                optimizer.step()
                step += 1
            seconds, interrupted = agree(clock.seconds, bool(asked))
            history.append({
                "step": step, "seconds": round(seconds, 4),
                "cpu_seconds": round(clock.cpu_seconds, 4), "loss": loss,
                "forward_passes": step * estimator.forward_passes, "samples": step * len(labels),
            })  # fmt: skip
            if step % schedule.validate_every == 0 or schedule.done(step, seconds) >= 1:
                history[-1] |= watch(network, train, validation, step)
            ended = interrupted or schedule.ended(step, seconds, history)
            if step % schedule.checkpoint_every == 0 or ended:
                checkpoint.save(step, seconds, history)
            bar.update()
            bar.set_postfix(loss=loss, accuracy=history.newest("validation_accuracy", "–"),
                            refresh=False)  # fmt: skip
    if interrupted or asked:
        raise KeyboardInterrupt
    if folder:
        history.save(folder)  # a killed run may have left the histories behind the checkpoint
    return history


def settings(network, estimator, optimizer, train, schedule) -> dict:
    """What must be the same for a run to go on to the same numbers."""
    return {
        "optimizer": type(optimizer).__name__,
        "lr": [group["initial_lr"] for group in optimizer.param_groups],
        "logit_scale": network.logit_scale, "estimator": repr(estimator),
        "sizes": list(network.sizes), "readout": network.readout, "neuron": repr(network.neuron),
        "steps": schedule.steps, "seconds": schedule.seconds, "decay": schedule.decay,
        "batch_size": schedule.batch_size, "seed": schedule.seed, "shift": schedule.shift,
        "recordings": len(train),
    }  # fmt: skip


def watch(
    network: SpikingNetwork, train: FrameSet, validation: FrameSet | None, step: int
) -> dict[str, float]:
    """Columns of the history: the network on the validation set; none without one.

    Raises TrainingStopped if a weight is not finite or a layer has fallen silent, without a
    validation set on some of train.
    """
    if not all_finite(network.parameters()):
        raise TrainingStopped(f"after step {step} a weight is not finite. {LOWER}")
    sample = train.subset(range(min(256, len(train)))) if validation is None else validation
    result = evaluate(network, sample)
    check_alive(result.spikes, network.readout, step)
    if validation is None:
        return {}
    return {
        "validation_loss": result.loss, "validation_accuracy": result.accuracy,
        "spikes_per_sample": sum(result.spikes),
    }  # fmt: skip
