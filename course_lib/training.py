"""One training loop for every method.

Each step takes a batch, lets the estimator fill ``.grad`` and an ordinary torch optimiser step.
Everything random depends on (seed, step) alone, so a run that was interrupted and resumed ends
with the same bits as one that was not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
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
from course_lib.estimators.base import Estimator, check_choice
from course_lib.evaluation import evaluate
from course_lib.events import FrameSet, shift_frames
from course_lib.history import Clock, History
from course_lib.network import SpikingNetwork
from course_lib.noise import STREAMS, torch_generator

DECAYS = {
    "none": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}


@dataclass
class Schedule:
    """What a run does at each step, and when it ends.

    steps: updates (generations) to make.
    seconds: training time, instead of steps; of both, whichever ends first.
    until: validation accuracy (0 to 1) at which training ends before that, so that networks of
           several methods can be compared at equal accuracy.
    batch_size: recordings a step.
    shift: augmentation: random shifts by up to so many pixels.
    decay: of the learning rate over the run: "cosine", "linear" or "none".
    seed: of the batches and the shifts.
    validate_every: steps from one validation to the next.
    checkpoint_every: steps from one checkpoint to the next.

    Raises ValueError for values out of range.
    """

    steps: int | None = None
    seconds: float | None = None
    until: float | None = None
    batch_size: int = 64
    shift: int = 0
    decay: str = "cosine"
    seed: int = 0
    validate_every: int = 50
    checkpoint_every: int = 50

    def __post_init__(self):
        if self.steps is None and self.seconds is None:
            raise ValueError("say how long to train: steps=… or seconds=…")
        for name in ("steps", "seconds", "batch_size", "validate_every", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be positive")
        if self.until is not None and not 0 < self.until <= 1:
            raise ValueError(
                f"until is {self.until}; expected a validation accuracy above 0 and up to 1"
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; expected a whole number from 0 to 2**32 - 1")
        if self.shift < 0:
            raise ValueError(f"shift is {self.shift}; expected 0 or more pixels")
        check_choice("decay", self.decay, DECAYS)

    def done(self, step: int, seconds: float) -> float:
        """Share of the run that is over; 1 or more at its end."""
        shares = (step / self.steps if self.steps else 0.0,
                  seconds / self.seconds if self.seconds else 0.0)  # fmt: skip
        return max(shares)

    def ended(self, step: int, seconds: float, history: History) -> bool:
        """Whether steps, seconds or the accuracy asked for are reached."""
        reached = history.newest("validation_accuracy", 0.0)
        return self.done(step, seconds) >= 1 or (self.until is not None and reached >= self.until)

    def set_rates(self, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
        """Give each group of the optimiser its learning rate of this moment."""
        factor = DECAYS[self.decay](min(1.0, self.done(step, seconds)))
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def draw_batch(
    data: FrameSet, step: int, batch_size: int, seed: int, shift: int = 0,
    out: torch.Tensor | None = None, packed: bool = False,
):  # fmt: skip
    """Frames (T, B, D) and labels (B,) of a step, a function of (seed, step).

    Each epoch is a fresh shuffle, cut into batches of equal size; a rest is left out. With
    ``shift``, each sample is moved by up to so many pixels in both directions. ``out`` is
    memory for the frames, as ``data.room(batch_size)`` has it. ``packed``: leave them bits until
    they are read, for methods that read events alone.
    """
    batch_size = min(batch_size, len(data))
    epoch, index = divmod(step, len(data) // batch_size)
    order = torch.randperm(len(data), generator=torch_generator(seed, STREAMS["batches"], epoch))
    rows = order[index * batch_size : (index + 1) * batch_size]
    frames = (data.packed_frames if packed else data.frames)(rows.numpy(), out)
    if shift:
        generator = torch_generator(seed, STREAMS["shifts"], step)
        moves = torch.randint(-shift, shift + 1, (batch_size, 2), generator=generator)
        width, height, _ = data.sensor
        moves *= torch.tensor([height > 1, width > 1])  # a row of channels moves along itself
        frames = shift_frames(frames, moves, data.sensor)
    return frames, data.labels[rows]


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
