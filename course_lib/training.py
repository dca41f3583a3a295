"""One training loop for every method.

Each step takes a batch, lets the estimator fill ``.grad`` and an ordinary torch optimiser step.
Everything random depends on (seed, step) alone, so a run that was interrupted and resumed ends
with the same bits as one that was not.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm.auto import tqdm

from course_lib.checkpoints import check_same, load_checkpoint, save_checkpoint
from course_lib.estimators.base import Estimator
from course_lib.evaluation import evaluate
from course_lib.events import FrameSet, shift_frames
from course_lib.guards import check_alive, check_finite, deferred_interrupt
from course_lib.history import History
from course_lib.network import SpikingNetwork
from course_lib.noise import STREAMS, torch_generator


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
        frames = shift_frames(frames, moves)
    return frames, data.labels[rows]


DECAYS = {
    "none": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
}


def fit(
    network: SpikingNetwork,
    estimator: Estimator,
    optimizer: torch.optim.Optimizer,
    train: FrameSet,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    batch_size: int = 64,
    seed: int = 0,
    decay: str = "cosine",
    shift: int = 0,
    validation: FrameSet | None = None,
    validate_every: int = 50,
    folder: Path | str | None = None,
    checkpoint_every: int = 50,
    resume: bool = False,
    progress: bool = True,
    until: float | None = None,
    agree: Callable[[float, bool], tuple[float, bool]] = lambda *own: own,
) -> History:
    """Train ``network`` in place, for a number of steps or of seconds (or whichever ends first).

    decay:      of the learning rate over the run: "cosine", "linear" or "none".
    shift:      augmentation, see ``draw_batch``.
    validation: measured every ``validate_every`` steps and at the end; not counted as time.
    folder:     where checkpoint.pt, history.csv and history.json go, every ``checkpoint_every``
                steps, at the end and at an interrupt; nothing is written without it. Ctrl-C ends
                training after the step it fell into; a second one at once, unsaved.
    resume:     go on from the checkpoint in ``folder`` if there is one. With ``steps``, the
                result is the same to the bit as without the interruption; with ``seconds`` it
                depends on how fast the machine is.
    until:      validation accuracy (0 to 1) at which training ends before that, so that networks of
                several methods can be compared at equal accuracy.
    agree:      (seconds, interrupted) of this process → those that hold for all processes that
                train together; see ``scaling.py``.

    Returns the history. Raises ValueError for bad arguments or a checkpoint of other settings, and
    TrainingStopped when the loss is not finite or a layer has fallen silent; what was
    saved before stays.
    """
    if steps is None and seconds is None:
        raise ValueError("say how long to train: steps=… or seconds=…")
    if decay not in DECAYS:
        raise ValueError(f"decay is {decay!r}; choose one of {', '.join(DECAYS)}")
    limits = {"steps": steps, "seconds": seconds}
    counts = {"batch_size": batch_size, "validate_every": validate_every,
              "checkpoint_every": checkpoint_every}  # fmt: skip
    for name, value in {**limits, **counts}.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}; it must be positive")
    if len(train) == 0:
        raise ValueError("the training set is empty")
    if resume and folder is None:
        raise ValueError("resume needs the folder of the run")

    if until is not None and (validation is None or not 0 < until <= 1):
        raise ValueError(
            f"until is {until}; it takes a validation set, and an accuracy above 0 and up to 1"
        )
    if shift < 0:
        raise ValueError(f"shift is {shift}; expected 0 or more pixels")
    device = network.layers[0].weight.device
    train, validation = train.to(device), validation and validation.to(device)
    rates = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
    settings = {
        "optimizer": type(optimizer).__name__, "lr": rates, "logit_scale": network.logit_scale,
        "estimator": repr(estimator), "sizes": list(network.sizes), "readout": network.readout,
        "neuron": repr(network.neuron), "steps": steps, "seconds": seconds, "decay": decay,
        "batch_size": batch_size, "seed": seed, "shift": shift, "recordings": len(train),
    }  # fmt: skip
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    history, step, elapsed, worked = History(), 0, 0.0, 0.0
    checkpoint = Path(folder) / "checkpoint.pt" if folder else None
    if checkpoint:
        for left in checkpoint.parent.glob(f".{checkpoint.name}.*"):
            left.unlink()  # half a checkpoint that a killed run left behind
    if resume and checkpoint.is_file():
        saved = load_checkpoint(checkpoint)
        check_same(saved["settings"], settings, checkpoint)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        estimator.load_state_dict(saved["estimator"])
        history, step, elapsed = History(saved["history"]), saved["step"], saved["seconds"]
        worked = history[-1].get("cpu_seconds", 0.0)

    def done() -> float:
        return max(step / steps if steps else 0.0, elapsed / seconds if seconds else 0.0)

    def ended() -> bool:
        reached = history[-1].get("validation_accuracy", 0.0) if history else 0.0
        return done() >= 1 or (until is not None and reached >= until)

    def save() -> None:
        if checkpoint:
            save_checkpoint(checkpoint, {
                "settings": settings, "step": step, "seconds": elapsed, "history": list(history),
                "network": network.state_dict(), "optimizer": optimizer.state_dict(),
                "estimator": estimator.state_dict(),
            })  # fmt: skip
            history.save(folder)

    def watch() -> None:
        sample = validation
        if sample is None:
            sample = train.subset(range(min(256, len(train))))
        result = evaluate(network, sample)
        if validation is not None:
            history[-1] |= {
                "validation_loss": result.loss, "validation_accuracy": result.accuracy,
                "spikes_per_sample": sum(result.spikes),
            }  # fmt: skip
        check_alive(result.spikes, network.readout, step)

    bar = tqdm(total=steps, initial=step, unit="step", disable=not progress, dynamic_ncols=True)
    accuracy = next((f"{row['validation_accuracy']:.1%}" for row in reversed(history)
                     if "validation_accuracy" in row), "–")  # fmt: skip
    elapsed, interrupted = agree(elapsed, False)
    clock, room = elapsed, train.room(min(batch_size, len(train)))
    with deferred_interrupt() as asked:
        while not ended():
            start, start_cpu = time.perf_counter(), time.process_time()
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * DECAYS[decay](min(1.0, done()))
            frames, labels = draw_batch(
                train, step, batch_size, seed, shift, room, packed=estimator.reads_events
            )
            loss = estimator.fill_grads(network, frames.to(device), labels.to(device), step)
            check_finite(loss, network, step)
            optimizer.step()
            step += 1
            clock += time.perf_counter() - start
            worked += time.process_time() - start_cpu
            elapsed, interrupted = agree(clock, bool(asked))
            history.append({
                "step": step, "seconds": round(elapsed, 4), "cpu_seconds": round(worked, 4),
                "loss": loss,
                "forward_passes": step * estimator.forward_passes,
                "samples": step * len(labels),
            })  # fmt: skip
            if step % validate_every == 0 or done() >= 1:
                watch()
                if validation is not None:
                    accuracy = f"{history[-1]['validation_accuracy']:.1%}"
            if step % checkpoint_every == 0 or ended() or interrupted:
                save()
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", accuracy=accuracy, refresh=False)
            if interrupted:
                break
    bar.close()
    if interrupted or asked:
        raise KeyboardInterrupt
    if checkpoint:
        history.save(folder)  # a killed run may have left the histories behind the checkpoint
    return history
