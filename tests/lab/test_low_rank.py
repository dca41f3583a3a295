"""Pictures of lesson 07: the noise that grows, memory, brackets, and the rank's sweep."""

import json
import re

import numpy as np
from matplotlib.figure import Figure

from course_lab import low_rank
from course_lab.widgets import bands, eggroll


def axes():
    return Figure().subplots()


def test_growing_noise_carries_its_factors_words_and_a_still():
    shown = low_rank.growing()._repr_mimebundle_()
    call = r'low_rank\(document.getElementById\("[\w-]+"\), (\{.*\})\); \}\)'
    handed = re.search(call, shown["text/html"])
    data = json.loads(handed[1])
    a, b, full = (np.array(data[name]) for name in ("a", "b", "full"))
    assert (a.shape, b.shape, full.shape) == ((32, 16), (48, 16), (32, 48))
    assert np.linalg.matrix_rank(a[:, :1] @ b[:, :1].T) == 1
    assert "data:image/png;base64," in shown["text/html"] and low_rank.ALT in shown["text/plain"]
    assert low_rank.growing().page == low_rank.growing().page


def test_memory_has_a_line_for_each_layer_and_one_for_the_budget():
    ax = low_rank.memory(axes(), [64, 256], {"a": [1.0, 4.0], "b": [10.0, 40.0]}, budget=16)
    assert [list(line.get_ydata()) for line in ax.lines] == [[1.0, 4.0], [10.0, 40.0], [16, 16]]
    assert [text.get_text() for text in ax.texts] == ["a", "b", "a laptop: 16 GB"]


def test_brackets_name_every_matrix():
    words = [text.get_text() for text in low_rank.brackets(axes()).texts]
    assert {"x", "B", "Aᵀ", "BAᵀ", "xB"} <= set(words)
    assert words.count("(") == words.count(")") == 2


def test_the_band_has_five_seeds_at_every_rank_and_scale():
    stored = bands.load("eggroll")
    assert list(stored) == list(eggroll.BAND)
    for row, points in eggroll.BAND.items():
        assert [p["x"] for p in stored[row]] == [x for x, _ in points]
        assert all(len(p["accuracies"]) == len(bands.SEEDS) for p in stored[row])


def test_a_dot_says_the_stored_seeds_only_where_there_are_some():
    row = "σ = 0.04"
    values = {"rank": 3, "sigma": 0.04, "seed": 5}
    numbers = eggroll.render_rank(values, [(row, 3, 0.5)])[1]
    assert numbers == "r = 3, σ = 0.04, seed 5: test accuracy ≈ 50.0 %"
    numbers = eggroll.render_rank(values | {"rank": 2}, [(row, 2, 0.5)])[1]
    low, high = (100 * f(bands.load("eggroll")[row][1]["accuracies"]) for f in (min, max))
    assert numbers.endswith(f"five stored seeds from ≈ {low:.1f} % to ≈ {high:.1f} %")
