"""The start of the course: a button that trains a network without gradients, while you watch.

The method is projected EGGROLL, the best gradient-free form that the library has: see
``course_lib/estimators/beyond/projected.py``. It is the same run as ``python3 course.py train``.
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass, field

import ipywidgets as ipw
import torch

from course_lab.picture import in_words, shown_width
from course_lab.player import test_recording
from course_lab.widgets.sweep import Pictured
from course_lib.events import load_splits
from course_lib.run.figures import new_figure, png, style
from course_lib.run.runs import RunConfig
from course_lib.schedule import DECAYS, draw_batch

EVERY = 25  # steps from one look at the test recordings to the next


@dataclass
class FirstNetwork:
    """A network that learns from forward passes alone: untrained, then in step with ``learn``."""

    config: RunConfig = field(default_factory=RunConfig)
    seen: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self):
        self.splits = load_splits(progress=False)
        self.frames = self.splits.test.frames()
        self.untrained, self.network = self.config.network(), self.config.network()
        self.seen.append((0, self.accuracy()))

    @torch.no_grad()
    def accuracy(self) -> float:
        """Share of the test recordings that are right, in [0, 1]."""
        answers = self.network.logits(self.frames).argmax(dim=1)
        return (answers == self.splits.test.labels).float().mean().item()

    def learn(self) -> Iterator[tuple[int, float]]:
        """Train; after every EVERY steps, yields (steps made, test accuracy)."""
        config, estimator = self.config, self.config.estimator()
        optimizer, decay = config.optimizer(self.network), DECAYS[config.decay]
        rates = [group["lr"] for group in optimizer.param_groups]
        for step in range(config.steps):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * decay(step / config.steps)
            frames, labels = draw_batch(
                self.splits.train, step, config.batch_size, config.seed, config.shift,
                packed=estimator.reads_events,
            )  # fmt: skip
            estimator.fill_grads(self.network, frames, labels, step)
            optimizer.step()
            if (step + 1) % EVERY == 0 or step + 1 == config.steps:
                self.seen.append((step + 1, self.accuracy()))
                yield self.seen[-1]

    @property
    def trained(self) -> bool:
        return self.seen[-1][0] == self.config.steps


def curve(first: FirstNetwork) -> tuple[bytes, str, str]:
    """(PNG, line of numbers, description) of the accuracies so far."""
    figure, ax = new_figure(width=7, height=2.6)
    done, accuracies = zip(*first.seen, strict=True)
    steps, guessing = first.config.steps, 100 / len(first.splits.test.classes)
    with style():
        ax.plot(done, [100 * a for a in accuracies], marker="o", markersize=3, color="#0072B2")
        ax.axhline(guessing, linestyle=":", color="#7a7a7a")
        ax.text(steps, guessing + 1, "guessing", ha="right", va="bottom", color="#7a7a7a")
        ax.set(xlim=(0, steps), ylim=(0, 100), xlabel="step", ylabel="right, in %")
    right = f"{100 * accuracies[-1]:.1f} % of {len(first.splits.test)} test recordings right"
    return png(figure), f"step {done[-1]} of {steps}: {right}", (
        f"A curve of test accuracy against steps: it starts at {100 * accuracies[0]:.0f} percent "
        f"and has reached {100 * accuracies[-1]:.0f} percent after {done[-1]} steps."
    )


class LiveTraining(Pictured):
    """A button, a bar and a curve that grows. ``first`` is the network that is trained."""

    def __init__(self, first: FirstNetwork):
        self.first = first
        wide = ipw.Layout(width="20em")
        self.button = ipw.Button(description="Train without gradients", layout=wide,
                                 button_style="primary")  # fmt: skip
        self.bar = ipw.IntProgress(max=first.config.steps, layout=ipw.Layout(width="26em"))
        self.numbers, self.words = ipw.HTML(), ipw.HTML()
        self.picture = ipw.Image(format="png", layout=ipw.Layout(max_width="100%"))
        top = ipw.HBox([self.button, self.bar])
        super().__init__([top, self.numbers, self.picture, self.words])
        self.button.on_click(lambda _: self.train())
        self._show()

    def train(self) -> None:
        """Train from where the network is not yet trained; a second press changes nothing."""
        if self.first.trained:
            return
        self.button.disabled, self.button.description = True, "training …"
        for _ in self.first.learn():
            self._show()
        self.button.description = "trained"

    def _show(self) -> None:
        self.picture.value, numbers, alt = curve(self.first)
        self.picture.layout.width = f"{shown_width(self.picture.value)}px"
        self.bar.value = self.first.seen[-1][0]
        self.numbers.value = f'<p role="status">{html.escape(numbers)}</p>'
        self.words.value = in_words(alt)

    def stored(self) -> tuple[bytes, str, str]:
        return curve(self.first)


def train_now(first: FirstNetwork) -> None:
    """Train if the button was not pressed, and print what was reached."""
    if not first.trained:
        for _ in first.learn():
            pass
    (_, before), (steps, after) = first.seen[0], first.seen[-1]
    print(f"untrained ≈ {100 * before:.1f} % right, after {steps} steps ≈ {100 * after:.1f} %")


def first_recording(first: FirstNetwork) -> tuple:
    """(events, label) of a test recording that the untrained network gets wrong."""
    answers = first.untrained.logits(first.frames).argmax(dim=1)
    for pick in (answers != first.splits.test.labels).nonzero().flatten().tolist():
        if int(first.splits.test.labels[pick]) == 7:
            return test_recording(pick)
    raise ValueError("the untrained network gets every 7 right; choose another digit")
