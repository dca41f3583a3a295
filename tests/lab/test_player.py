"""The recording that plays in the notebook: what it holds, and that a browser draws it."""

import re

import numpy as np
import pytest

from course_lab.player import play, play_events, scene
from course_lib.events import FrameSet, load_digits, pack, simulate
from course_lib.network import SpikingNetwork


@pytest.fixture(scope="module")
def events():
    return simulate(load_digits().images[1503], seed=0)


def network(seed: int, hidden=(24,)) -> SpikingNetwork:
    return SpikingNetwork((2312, *hidden, 10), readout="membrane", weight_sd=0.1, seed=seed)


def test_a_scene_is_what_the_network_does(events):
    net = network(1, (32, 24))
    one = scene("a", net, FrameSet(pack(events, 10)[None], [3], 10).frames())
    assert one.spikes.shape == (10, 24) and one.votes.shape == (10, 10)
    assert np.allclose(one.votes.sum(axis=1), 1, atol=1e-6)
    assert set(np.unique(one.spikes)) <= {0, 1} and one.spikes.sum() > 0
    assert one.rows.tolist() == net.layers[-1].weight.argmax(dim=0).tolist()


def test_the_same_arguments_give_the_same_page(events):
    networks = {"untrained": network(1), "another": network(2)}
    player = play(events, networks, 3)
    assert player.page == play(events, networks, 3).page
    assert player.text.startswith("[moving picture] A recording of a 3 plays. untrained: ")
    assert len(player.page) < 150_000
    assert '<img alt="A recording of a 3' in player.page, "a still where scripts do not run"


def test_a_player_needs_a_network_with_a_hidden_layer(events):
    with pytest.raises(ValueError, match="at least one network"):
        play(events, {}, 3)
    with pytest.raises(ValueError, match="expected a hidden layer"):
        play(events, {"flat": network(1, ())}, 3)


def test_events_alone_do_not_tell_the_digit(events):
    player = play_events({"which digit?": events, "its first half": events[: len(events) // 2]})
    assert player.page == play_events(
        {"which digit?": events, "its first half": events[: len(events) // 2]}
    ).page  # fmt: skip
    assert f"which digit?: {len(events):,} events in 30" in player.text
    assert '"label":null' in player.page and '"scenes":[]' in player.page
    assert "a 3" not in player.text
    with pytest.raises(ValueError, match="at least one recording"):
        play_events({})


def alone(events) -> str:
    return play_events({"one": events, "the other": events[::2]}).page


def with_networks(events) -> str:
    return play(events, {"untrained": network(1), "another": network(2)}, 3).page


@pytest.mark.browser
@pytest.mark.parametrize("make", [with_networks, alone])
def test_a_browser_plays_pauses_and_scrubs(events, make, browsing):
    with browsing(make(events)) as tab:
        tab.wait_for_function("Number(document.querySelector('input').value) > 3")
        tab.get_by_role("button", name="Pause").click()
        tab.get_by_role("button", name="Play").wait_for()
        slider = tab.get_by_role("slider", name="time in the recording")
        slider.fill("50")
        assert re.match(r"153 of 30\d ms", tab.locator("span").last.inner_text())
        drawn = tab.evaluate(
            "(() => { const c = document.querySelector('canvas'), p = c.getContext('2d');"
            "return p.getImageData(0, 0, c.width, c.height).data.some(v => v > 0); })()"
        )
        assert drawn
        box = tab.locator("canvas").bounding_box()
        assert box["width"] <= 820
