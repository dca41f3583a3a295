"""A recording that plays in the notebook: events, hidden spikes and votes, without the kernel.

    play(events, {"untrained": network}, label=7)

shows the events in steps of 3 ms, the neurons of the last hidden layer as they fire, and a vote
for each class filling up; with several networks, one below the other, fed by the same events.

    play_events({"at rest": still, "moving": events})

shows nothing but events, of one recording or of several side by side. Both take recordings of any
sensor; a single row of channels, such as an ear's, becomes stripes. Both can be paused and
scrubbed, by mouse or keyboard. The browser draws, on a canvas at the screen's own resolution and in
the colours of the theme, so nothing is lost by zooming or in the dark. Where scripts do not run (on
the web, say), a still takes its place.

Bars are the softmax of what the outputs have gathered so far: see ``watch``.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from course_lab.event_figures import blend, polarity_counts
from course_lab.picture import Moving, moving
from course_lib.events import SENSOR_SIZE, FrameSet, load_digits, load_splits, pack, simulate
from course_lib.network import SpikingNetwork
from course_lib.run.figures import COLOURS, new_figure, png

#: a step, and how many there are at most: steps of a longer recording are longer
STEP_US, STEPS = 3000, 256
SCRIPT = Path(__file__).with_name("player.js")


@dataclass(frozen=True)
class Scene:
    """What the player shows of one network: spikes (T, N), votes (T, C), rows (N,).

    rows: the class for which each hidden neuron's weight in the readout is largest.
    """

    name: str
    spikes: np.ndarray
    votes: np.ndarray
    rows: np.ndarray


def watch(network: SpikingNetwork, frames: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Hidden spikes (T, N) of the last hidden layer, and votes (T, C), of frames (T, 1, D)."""
    with torch.no_grad():
        *_, hidden, output = network.record(frames)
    drive = output.spikes if network.readout == "rate" else output.voltages
    gathered = network.logit_scale / len(frames) * drive[:, 0].cumsum(0)
    return hidden.spikes[:, 0].numpy(), gathered.softmax(1).numpy()


def scene(name: str, network: SpikingNetwork, frames: torch.Tensor) -> Scene:
    """What a network does with the frames (T, 1, D) of a recording."""
    spikes, votes = watch(network, frames)
    rows = network.layers[-1].weight.detach().numpy().argmax(axis=0)
    return Scene(name, spikes, votes, rows)


def play(
    events: np.ndarray,
    networks: Mapping[str, SpikingNetwork],
    label: int,
    alt: str = "",
    bins: int = 10,
    see: Callable[[torch.Tensor], torch.Tensor] | None = None,
    sensor: tuple[int, int, int] = SENSOR_SIZE,
    classes: Sequence[str] = (),
) -> Moving:
    """A player of one recording and what these networks make of it.

    events: structured, t in microseconds; label: the class that is right; alt: the picture in
    words, made from the votes if it is not given; see: what the networks read of frames (T, B, D),
    for those that read coarser ones; sensor, classes: as a FrameSet has them; by default N-MNIST's
    sensor, and classes named 0, 1, …. Raises ValueError for no network, and as ``names``.
    """
    if not networks:
        raise ValueError("play needs at least one network, such as {'untrained': network}")
    for network in networks.values():
        classes = names(network, classes)
    data = FrameSet(pack(events, bins, sensor=sensor)[None], [label], bins, sensor, classes)
    frames = see(data.frames()) if see else data.frames()
    scenes = [scene(name, network, frames) for name, network in networks.items()]
    alt = alt or in_a_sentence(scenes, label, classes)
    return film({"": events}, scenes, alt, sensor, classes, label)


def names(network: SpikingNetwork, classes: Sequence[str]) -> Sequence[str]:
    """Of the network's outputs: the classes, or 0, 1, … if there are none.

    Raises ValueError for another number of outputs, and for a network without a hidden layer.
    """
    classes = classes or tuple(map(str, range(network.sizes[-1])))
    if len(network.layers) < 2 or network.sizes[-1] != len(classes):
        raise ValueError(f"the network has sizes {network.sizes}; expected a hidden layer, and "
                         f"{len(classes)} outputs: {', '.join(classes)}")  # fmt: skip
    return classes


def test_recording(pick: int) -> tuple[np.ndarray, int]:
    """Events and label of the test set's recording ``pick``, simulated anew."""
    digits, test = load_digits(), load_splits(progress=False).test
    label = int(test.labels[pick])
    for index in np.flatnonzero(digits.labels == label):
        events = simulate(digits.images[index], int(index))
        if np.array_equal(pack(events, test.bins), test.packed[pick]):
            return events, label
    raise ValueError(f"no embedded digit gives the test recording {pick}")


def play_events(
    recordings: Mapping[str, np.ndarray], alt: str = "", sensor: tuple[int, int, int] = SENSOR_SIZE
) -> Moving:
    """A player of events alone: ``{"a name": events, …}``, one recording or several side by side.

    events: structured, t in microseconds; alt: the picture in words, which are made from the events
    if it is not given; sensor: (width, height, polarities). Nothing tells which digit it is, unless
    a name does. Raises ValueError without recordings.
    """
    if not recordings:
        raise ValueError("play_events needs at least one recording, such as {'a name': events}")
    told = "; ".join(
        f"{name}: {len(events):,} events in {np.ptp(events['t']) / 1000:.0f} ms"
        for name, events in recordings.items()
    )
    width, height, polarities = sensor
    places = f"Dots on {width} × {height} pixels" if height > 1 else f"Stripes of {width} channels"
    colours = ", orange for brighter and blue for darker" if polarities == 2 else ""
    return film(recordings, [], alt or f"{places}{colours}. {told}.", sensor)


def a(name: str) -> str:
    """A class in a sentence: a 3, “ankle boot”."""
    return f"a {name}" if name.isdecimal() else f"“{name}”"


def in_a_sentence(scenes: list[Scene], label: int, classes: Sequence[str]) -> str:
    """The picture in words: who answers what, and when the answer was found."""
    told = []
    for one in scenes:
        answers = one.votes.argmax(axis=1)
        since = len(answers)
        while since and answers[since - 1] == answers[-1]:
            since -= 1
        told.append(
            f"{one.name}: {one.spikes.sum():.0f} hidden spikes, the vote ends at "
            f"{classes[answers[-1]]} (since bin {since + 1} of {len(answers)})"
        )
    return f"A recording of {a(classes[label])} plays. " + "; ".join(told) + "."


def in_steps(events: np.ndarray, step: int, sensor: tuple[int, int, int]) -> str:
    """Events as numbers for the browser: of the step, x, y, p; two bytes each if one is too few."""
    steps = (events["t"] - events["t"][0]) // step
    table = np.stack([steps, *(events[k] for k in "xyp")], axis=1)
    return base64.b64encode(table.astype("u1" if max(sensor) <= 256 else "<u2").tobytes()).decode()


def film(
    recordings: Mapping[str, np.ndarray], scenes: list[Scene], alt: str,
    sensor: tuple[int, int, int], classes: Sequence[str] = (), label: int | None = None,
) -> Moving:  # fmt: skip
    """What ``player.js`` draws: recordings, and what networks make of the first."""
    span = max(int(events["t"][-1]) - int(events["t"][0]) for events in recordings.values())
    step = max(STEP_US, span // STEPS + 1)
    data = {
        "films": [
            {"name": name, "events": in_steps(e, step, sensor)} for name, e in recordings.items()
        ],
        "steps": span // step + 1, "step": step / 1000, "span": span / 1000,
        "sensor": sensor, "classes": classes, "label": label,
        "truth": "" if label is None else a(classes[label]),
        "scenes": [
            {
                "name": one.name, "rows": one.rows.tolist(),
                "spikes": ["".join(map(str, row)) for row in one.spikes.astype(int)],
                "votes": one.votes.round(3).tolist(),
            }
            for one in scenes
        ],
    }  # fmt: skip
    return moving(SCRIPT, data, still(recordings, scenes, data), alt)


def still(recordings: Mapping[str, np.ndarray], scenes: list[Scene], data: dict) -> bytes:
    """The first third, which in N-MNIST is a saccade, and the votes at the end, as PNG."""
    count = len(recordings) + len(scenes)
    sensor, classes, truth = (data[key] for key in ("sensor", "classes", "truth"))
    height, aspect = max(2.6, 0.2 * len(classes)), "auto" if sensor[1] == 1 else None
    width = 2.6 + 0.1 * (max(map(len, classes), default=1) - 1)  # names need room
    figure, axes = new_figure(1, count, width * count, height, squeeze=False)
    for ax, (name, events) in zip(axes[0], recordings.items(), strict=False):
        third = events[events["t"] < events["t"][0] + np.ptp(events["t"]) / 3]
        ax.imshow(blend(polarity_counts(third, sensor)), aspect=aspect)
        ax.set(xticks=[], yticks=[], title=f"{truth}, as events" if truth else name)
    for ax, one in zip(axes[0, len(recordings) :], scenes, strict=True):
        votes = one.votes[-1]
        colours = [COLOURS["black"]] * len(votes)
        answer = votes.argmax()
        colours[answer] = COLOURS["green" if answer == data["label"] else "vermilion"]
        ax.barh(range(len(votes)), votes, color=colours)
        ax.set(xlim=(0, 1), title=one.name)
        ax.set_yticks(range(len(votes)), classes)
        ax.invert_yaxis()
    return png(figure)
