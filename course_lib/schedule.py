"""What a step of training gets: its batch and its learning rate, each a function of the step."""

import math
from dataclasses import dataclass

import torch

from course_lib.estimators.base import check_choice
from course_lib.events import FrameSet, shift_frames
from course_lib.history import History
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
