"""One recording as a moving picture: events, the hidden spikes that they cause, votes filling up.

    python3 course.py train --method projected --steps 1000 --hidden 128 --out runs/moving
    python -m course_lab.moving runs/moving data/results/moving.webp

trains a network without gradients, in about a minute, and draws one saccade digit of the test set
as the network saw it before and as it sees it after. The events come in steps of 3 ms. The network
counts them in T bins, so its neurons fire at the end of each; a hidden neuron stands in the row of
the class for which its weight in the readout is largest. A bar is the softmax of what the outputs
have gathered so far,

    logits(t) = logit_scale / T · Σ_{u ≤ t} v_u        (spikes in place of v with the rate readout)

and the last one is the network's answer. Drawn by whole pixels, so it is sharp at any size, and
from its arguments alone, so that it is the same on every machine.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from course_lab.player import a, names, test_recording, watch
from course_lib.events import SENSOR_SIZE, pack
from course_lib.events.frameset import FrameSet
from course_lib.network import SpikingNetwork

CARD, FAINT, INK = (17, 21, 28), (52, 60, 74), (226, 230, 236)  # for light pages and dark ones
BRIGHTER, DARKER, BOTH = (255, 176, 46), (86, 180, 233), (255, 255, 255)
RIGHT, WRONG = (0, 178, 130), (232, 116, 48)
WIDTH, ROW, EYE = 760, 20, 204  # EYE: of the longer side of the sensor
EVENTS, HIDDEN, VOTES = (24, 58), (262, 58), (560, 58)  # upper left corners of the three parts
NAMES = 100  # room for names of classes
STEP_US, FADE = 3000, 0.55  # a step, and what remains of an event in the next one


def moving_picture(
    network: SpikingNetwork, events: np.ndarray, label: int, title: str, bins: int = 10,
    sensor: tuple[int, int, int] = SENSOR_SIZE, classes: Sequence[str] = (),
) -> list[Image.Image]:  # fmt: skip
    """A picture for each 3 ms of the recording ``events`` of the class ``label``.

    sensor, classes: as a FrameSet has them. Raises ValueError as ``player.names``.
    """
    classes = names(network, classes)
    packed = FrameSet(pack(events, bins, sensor=sensor)[None], [label], bins, sensor, classes)
    hidden, votes = watch(network, packed.frames())
    places = neuron_places(network.layers[-1].weight.detach().numpy())
    start = events["t"][0]
    bin_us = (events["t"][-1] - start) // bins
    width, height, polarities = sensor
    glow, pictures = np.zeros((height, width, polarities)), []
    for step in range(-(-(int(events["t"][-1] - start) + 1) // STEP_US)):
        time = start + step * STEP_US
        now = events[(events["t"] >= time) & (events["t"] < time + STEP_US)]
        glow *= FADE
        glow[now["y"], now["x"], now["p"]] = 1
        done = min(int((time + STEP_US - start) // bin_us), bins)  # bins that have ended
        age = (time + STEP_US - start - done * bin_us) / bin_us
        light = hidden[done - 1] * max(0.0, 1 - age) if done else np.zeros(hidden.shape[1])
        vote = votes[done - 1] if done else np.full(len(classes), 1 / len(classes))
        heading = f"{title}   ·   {a(classes[label])}   ·   {(step + 1) * STEP_US // 1000:3d} ms"
        pictures.append(draw(heading, glow, places, light, vote, label, classes))
    return pictures


def neuron_places(readout: np.ndarray) -> list[tuple[int, int, int]]:
    """(x, y, size) of every hidden neuron: in the row of the class for which it weighs most."""
    rows = readout.argmax(axis=0)
    size = min(13, 270 // max(1, np.bincount(rows).max()))
    taken, places = [0] * len(readout), []
    for row in rows:
        places.append((HIDDEN[0] + taken[row] * size, HIDDEN[1] + row * ROW, size))
        taken[row] += 1
    return places


def draw(heading, glow, places, light, votes, label, classes) -> Image.Image:
    """One picture. glow (height, width, polarities) and light (N,) in [0, 1]; votes (C,) that add
    up to 1; classes: their names."""
    tall = VOTES[1] + max(EYE, len(votes) * ROW) + 24
    image = Image.new("RGB", (WIDTH, tall), CARD)
    pen = ImageDraw.Draw(image)
    write(pen, (EVENTS[0], 10), heading, 15)
    write(pen, (EVENTS[0], 37), "what the camera sees" if len(glow) > 1 else "what comes in", 12)
    write(pen, (HIDDEN[0], 37), f"{len(places)} hidden neurons", 12)
    write(pen, (VOTES[0], 37), "votes", 12)
    image.paste(sensor(glow), EVENTS)
    for (x, y, size), lit in zip(places, light, strict=True):
        pen.rectangle((x, y + 4, x + size - 3, y + size + 1), mix(FAINT, INK, lit))
    answer = int(votes.argmax()) if np.ptp(votes) > 0 else None  # nothing has been heard yet
    named = [
        write(pen, (VOTES[0], VOTES[1] + k * ROW + 1), name, 14,
              INK if k == label else (130, 140, 156), NAMES)
        for k, name in enumerate(classes)
    ]  # fmt: skip
    bars, end = VOTES[0] + max(18, 8 + round(max(named))), VOTES[0] + 168
    for k, vote in enumerate(votes):
        y = VOTES[1] + k * ROW
        colour = (RIGHT if answer == label else WRONG) if k == answer else (96, 106, 122)
        pen.rectangle((bars, y + 3, bars + round((end - bars) * float(vote)), y + 16), colour)
    if answer is not None:
        verdict, place = f"its answer: {classes[answer]}", (VOTES[0] + 66, 37)
        colour = RIGHT if answer == label else WRONG
        write(pen, place, verdict, 12, colour, WIDTH - place[0])
    return image


def sensor(glow: np.ndarray) -> Image.Image:
    """The events as an image (x, y from the upper left corner); one row as stripes."""
    rows, columns, _ = glow.shape
    lit, share = glow.max(axis=2, keepdims=True), glow.argmax(axis=2)[..., None]
    colour = np.where(share == 1, DARKER, BRIGHTER)
    colour = np.where((glow == 1).sum(axis=2, keepdims=True) == 2, BOTH, colour)
    pixels = (30, 36, 46) + lit * (colour - np.array((30, 36, 46)))
    image = Image.fromarray(pixels.round().astype(np.uint8))
    scale = EYE / max(rows, columns)
    size = round(columns * scale), round(rows * scale) if rows > 1 else EYE
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)


def mix(low, high, share: float) -> tuple[int, ...]:
    return tuple(round(a + float(share) * (b - a)) for a, b in zip(low, high, strict=True))


def write(pen: ImageDraw.ImageDraw, at, text: str, size: int, colour=INK, room=WIDTH) -> float:
    """Write, smaller where there is too little room; how wide it became."""
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    if font.getlength(text) > room:
        font = font.font_variant(size=int(size * room / font.getlength(text)))
    pen.text(at, text, colour, font)
    return font.getlength(text)


def save(path: Path, scenes: Sequence[list[Image.Image]], ms: int = 55, hold: int = 1400) -> None:
    """An animated WebP without losses that repeats for ever; the end of each scene stays."""
    pictures = [picture for scene in scenes for picture in scene]
    times = [t for scene in scenes for t in [ms] * (len(scene) - 1) + [hold]]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=times, loop=0,
        lossless=True, quality=20, method=2,
    )  # fmt: skip


def main(run: str, path: str) -> None:
    from course_lib.run.runs import load_network  # what reads runs: lessons need none of it

    config, trained = load_network(Path(run))
    if config.data != "saccade-digits":
        raise ValueError(f"data is {config.data}; events are at hand of saccade-digits alone")
    untrained, test = config.network(), config.splits(progress=False).test
    frames = test.frames()
    before, after = (n(frames).argmax(1) for n in (untrained, trained))
    learned = (before != test.labels) & (after == test.labels)
    shares = [(answers == test.labels).float().mean() for answers in (before, after)]
    print(f"right of {len(test)}: {shares[0]:.1%} before, {shares[1]:.1%} after")
    events, label = test_recording(int(learned.nonzero()[0]))
    scenes = (("before training", untrained), ("after training without gradients", trained))
    save(Path(path), [moving_picture(n, events, label, title, test.bins) for title, n in scenes])
    print(f"{path}: {Path(path).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
