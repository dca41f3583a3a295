"""Players and pictures of events read the sensor and the classes from the data."""

import base64
import json
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from course_lab import event_figures, moving
from course_lab.picture import new_figure, png
from course_lab.player import play, play_events
from course_lib.events.frameset import CLOTHES
from course_lib.events.recordings import EVENT_DTYPE, PICTURE
from course_lib.network import SpikingNetwork

DATA = {
    "clothes as latencies": (PICTURE, CLOTHES),
    "an ear": ((700, 1, 1), tuple(f"word {k}" for k in range(20))),
    "another camera": ((64, 48, 2), ("a clap", "a fist", "waves")),
}
BRIGHTER, DARKER = (230, 159, 0), (0, 128, 200)  # as the browser draws them


@pytest.fixture(params=DATA)
def data(request):
    """A sensor, its classes, and 400 events in a second, whose last one is in the middle."""
    sensor, classes = DATA[request.param]
    random, events = np.random.default_rng(0), np.zeros(400, EVENT_DTYPE)
    for name, size in zip("xyp", sensor, strict=True):
        events[name] = random.integers(0, size, 400)
        events[name][-1] = size // 2
    events["t"] = np.linspace(0, 1_000_000, 400)
    return sensor, classes, events


def network(sensor, classes) -> SpikingNetwork:
    return SpikingNetwork((int(np.prod(sensor)), 8, len(classes)), weight_sd=0.3)


def test_pictures_have_the_shape_of_the_sensor(data):
    (width, height, polarities), _, events = data
    counts = event_figures.polarity_counts(events, data[0])
    assert counts.shape == (polarities, height, width) and counts.sum() == len(events)
    assert counts[polarities // 2, height // 2, width // 2] >= 1
    only = np.zeros_like(counts)
    only[-1, height // 2, width // 2] = 1
    colour = event_figures.DARKER if polarities == 2 else event_figures.BRIGHTER
    for image in (event_figures.colours_of(only), event_figures.blend(only)):
        assert image.shape == (height, width, 4) and np.count_nonzero(image[..., 3]) == 1
        assert (image[height // 2, width // 2] == to_rgba(colour)).all()
    figure, axes = new_figure(1, 4)
    event_figures.stream(axes[0], events, "x", data[0])
    event_figures.strip(axes[1:2], [only])
    event_figures.blended(axes[2:3], [counts], ["all"])
    event_figures.mosaic(axes[3], 3 * [event_figures.colours_of(only)], "abc", 2)
    assert axes[0].get_ylim() == (-0.5, width - 0.5)
    assert len(axes[0].get_lines()) == polarities
    png(figure)
    boxes = [ax.get_window_extent() for ax in axes[1:]]
    assert all(box.height > 0.3 * box.width for box in boxes), "a row is seen as stripes"


def in_page(page: str) -> dict:
    return json.loads(re.search(r"player\(document.*?, (\{.*\})\); \}\)\(\);</script>", page)[1])


def test_the_player_has_every_event_and_the_names_of_the_classes(data):
    sensor, classes, events = data
    shown = play(events, {"untrained": network(sensor, classes)}, 2, sensor=sensor, classes=classes)
    page = in_page(shown.page)
    assert page["sensor"] == list(sensor) and page["classes"] == list(classes)
    assert page["steps"] <= 256 and np.shape(page["scenes"][0]["votes"]) == (10, len(classes))
    kind = np.uint8 if max(sensor) <= 256 else "<u2"
    table = np.frombuffer(base64.b64decode(page["films"][0]["events"]), kind).reshape(-1, 4)
    for column, name in zip(table.T[1:], "xyp", strict=True):
        assert (column == events[name]).all()
    assert (table[:, 0] == events["t"] // round(1000 * page["step"])).all()
    answer = classes[np.argmax(page["scenes"][0]["votes"][-1])]
    assert f"A recording of “{classes[2]}” plays" in shown.alt and f"ends at {answer} " in shown.alt
    alone = play_events({"one": events}, sensor=sensor)
    assert f"{sensor[0]} " in alone.alt and ("darker" in alone.alt) == (sensor[2] == 2)


def test_the_moving_picture_shows_the_sensor_in_its_proportions(data):
    sensor, classes, events = data
    pictures = moving.moving_picture(
        network(sensor, classes), events[-90:], 2, "untrained", sensor=sensor, classes=classes
    )
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert pictures[0].height >= moving.VOTES[1] + len(classes) * moving.ROW
    glow = np.zeros((sensor[1], sensor[0], sensor[2]))
    width, height = moving.sensor(glow).size
    assert width == moving.EYE and height == moving.EYE * (
        sensor[1] / sensor[0] if sensor[1] > 1 else 1
    )


def test_another_number_of_classes_is_refused(data):
    sensor, classes, events = data
    with pytest.raises(ValueError, match=f"and {len(classes)} outputs: {classes[0]}, "):
        play(events, {"a": network(sensor, "ab")}, 0, sensor=sensor, classes=classes)


@pytest.mark.browser
def test_a_browser_draws_the_last_event_where_it_is(data, browsing):
    sensor, classes, events = data
    shown = play(events, {"a": network(sensor, classes)}, 2, sensor=sensor, classes=classes)
    with browsing(shown.page, reduced_motion="reduce") as tab:
        slider = tab.get_by_role("slider", name="time in the recording")
        slider.fill(slider.get_attribute("max"))
        pixel = 210 / max(sensor)  # of a square that begins at 0, 24
        x, y = ((size // 2 + 0.5) * pixel for size in sensor[:2])
        y = y if sensor[1] > 1 else 100
        colour = tab.evaluate(
            "([x, y]) => [...document.querySelector('canvas').getContext('2d')"
            ".getImageData(x, y, 1, 1).data]", [int(x), int(24 + y)],
        )  # fmt: skip
    assert tuple(colour) == (*(DARKER if sensor[2] == 2 else BRIGHTER), 255)
