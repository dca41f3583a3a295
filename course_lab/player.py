"""A recording that plays in the notebook: events, hidden spikes and votes, without the kernel.

    play(events, {"untrained": network}, label=7)

shows the events in steps of 3 ms, the neurons of the last hidden layer as they fire, and ten votes
filling up; with several networks, one below the other, fed by the same events.

    play_events({"at rest": still, "moving": events})

shows nothing but events, of one recording or of several side by side. Both can be paused and
scrubbed, by mouse or keyboard. The browser draws, on a canvas at the screen's own resolution and in
the colours of the theme, so nothing is lost by zooming or in the dark. Where scripts do not run (on
the web, say), a still takes its place.

Bars are the softmax of what the outputs have gathered so far: see ``watch``.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from course_lab.event_figures import blend, polarity_counts
from course_lab.picture import Moving, moving
from course_lib.events import FrameSet, load_digits, load_splits, pack, simulate
from course_lib.network import SpikingNetwork
from course_lib.run.figures import COLOURS, new_figure, png

STEP_US = 3000
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


def scene(name: str, network: SpikingNetwork, events: np.ndarray, bins: int, see=None) -> Scene:
    """What a network does with a recording. see: what it reads of frames (T, B, D); None: all."""
    frames = FrameSet(pack(events, bins)[None], torch.zeros(1, dtype=torch.int64), bins).frames()
    spikes, votes = watch(network, see(frames) if see else frames)
    rows = network.layers[-1].weight.detach().numpy().argmax(axis=0)
    return Scene(name, spikes, votes, rows)


def play(
    events: np.ndarray,
    networks: Mapping[str, SpikingNetwork],
    label: int,
    alt: str = "",
    bins: int = 10,
    see: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Moving:
    """A player of one recording and what these networks make of it.

    events: structured, t in microseconds; label: the class that is right; alt: the picture in
    words, made from the votes if it is not given; see: what the networks read of frames (T, B, D),
    for those that read coarser ones. Raises ValueError for no network, and for one without a hidden
    layer.
    """
    if not networks:
        raise ValueError("play needs at least one network, such as {'untrained': network}")
    for network in networks.values():
        if len(network.layers) < 2:
            raise ValueError(f"the network has sizes {network.sizes}; expected a hidden layer")
    scenes = [scene(name, network, events, bins, see) for name, network in networks.items()]
    alt = alt or in_a_sentence(scenes, label)
    return film({"": events}, scenes, label, alt)


def test_recording(pick: int) -> tuple[np.ndarray, int]:
    """Events and label of the test set's recording ``pick``, simulated anew."""
    digits, test = load_digits(), load_splits(progress=False).test
    label = int(test.labels[pick])
    for index in np.flatnonzero(digits.labels == label):
        events = simulate(digits.images[index], int(index))
        if np.array_equal(pack(events, test.bins), test.packed[pick]):
            return events, label
    raise ValueError(f"no embedded digit gives the test recording {pick}")


def play_events(recordings: Mapping[str, np.ndarray], alt: str = "") -> Moving:
    """A player of events alone: ``{"a name": events, …}``, one recording or several side by side.

    events: structured, t in microseconds; alt: the picture in words, which are made from the events
    if it is not given. Nothing tells which digit it is, unless a name does. Raises ValueError
    without recordings.
    """
    if not recordings:
        raise ValueError("play_events needs at least one recording, such as {'a name': events}")
    told = "; ".join(
        f"{name}: {len(events):,} events in {np.ptp(events['t']) / 1000:.0f} ms"
        for name, events in recordings.items()
    )
    alt = alt or f"Dots on 34 × 34 pixels, orange for brighter and blue for darker. {told}."
    return film(recordings, [], None, alt)


def in_a_sentence(scenes: list[Scene], label: int) -> str:
    """The picture in words: who answers what, and when the answer was found."""
    told = []
    for one in scenes:
        answers = one.votes.argmax(axis=1)
        since = len(answers)
        while since and answers[since - 1] == answers[-1]:
            since -= 1
        told.append(
            f"{one.name}: {one.spikes.sum():.0f} hidden spikes, the vote ends at {answers[-1]} "
            f"(since bin {since + 1} of {len(answers)})"
        )
    return f"A recording of a {label} plays. " + "; ".join(told) + "."


def in_steps(events: np.ndarray) -> str:
    """Events as bytes for the browser: number of the step, x, y, p."""
    steps = ((events["t"] - events["t"][0]) // STEP_US).astype(np.uint8)
    table = np.stack([steps, *(events[k].astype(np.uint8) for k in "xyp")], axis=1)
    return base64.b64encode(table.tobytes()).decode()


def film(
    recordings: Mapping[str, np.ndarray], scenes: list[Scene], label: int | None, alt: str
) -> Moving:
    """What ``player.js`` draws: recordings, and what networks make of the first."""
    span = max(int(events["t"][-1]) - int(events["t"][0]) for events in recordings.values())
    data = {
        "films": [{"name": name, "events": in_steps(e)} for name, e in recordings.items()],
        "steps": span // STEP_US + 1, "step": STEP_US / 1000, "span": span / 1000, "label": label,
        "scenes": [
            {
                "name": one.name, "rows": one.rows.tolist(),
                "spikes": ["".join(map(str, row)) for row in one.spikes.astype(int)],
                "votes": one.votes.round(3).tolist(),
            }
            for one in scenes
        ],
    }  # fmt: skip
    return moving(SCRIPT, data, still(recordings, scenes, label), alt)


def still(recordings: Mapping[str, np.ndarray], scenes: list[Scene], label: int | None) -> bytes:
    """The end of the first saccade, and the votes at the end, as PNG."""
    count = len(recordings) + len(scenes)
    figure, axes = new_figure(1, count, 2.6 * count, 2.6, squeeze=False)
    for ax, (name, events) in zip(axes[0], recordings.items(), strict=False):
        third = events[events["t"] < events["t"][0] + np.ptp(events["t"]) / 3]
        ax.imshow(blend(polarity_counts(third)))
        ax.set(xticks=[], yticks=[], title=name if label is None else f"a {label}, as events")
    for ax, one in zip(axes[0, len(recordings) :], scenes, strict=True):
        votes = one.votes[-1]
        colours = [COLOURS["black"]] * len(votes)
        answer = votes.argmax()
        colours[answer] = COLOURS["green" if answer == label else "vermilion"]
        ax.barh(range(len(votes)), votes, color=colours)
        ax.set(xlim=(0, 1), yticks=range(len(votes)), title=one.name)
        ax.invert_yaxis()
    return png(figure)
