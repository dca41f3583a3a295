"""What a difference says: seeds and recordings, and the correction for many comparisons."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from studies import inference
from studies.inference import compare, holm, packed, unpacked


def rows(right):
    """right: (2, S, R) booleans → two rows of S runs each."""
    return [
        {"runs": [{"seed": seed, "test_accuracy": each.mean(), "right": packed(each)}
                  for seed, each in enumerate(half, 4)]}
        for half in right
    ]  # fmt: skip


def answers(rng, seeds=5, recordings=200, apart=0.0, hard=1.5):
    """Two methods whose seeds differ, on recordings that are hard for both."""
    level = 1.0 + hard * rng.normal(size=recordings)
    level = level + rng.normal(size=(2, 1, recordings)) * 0.7  # and that suit one method better
    level = level + 0.15 * rng.normal(size=(2, seeds, 1)) + np.array([apart, 0])[:, None, None]
    return rng.random((2, seeds, recordings)) < 1 / (1 + np.exp(-level))


def test_a_result_can_be_split_by_what_the_simulator_was_fitted_to():
    right = np.array([[[1, 1, 1, 0, 0, 1]] * 2, [[1, 0, 1, 1, 1, 1]] * 2], bool)
    first, second = rows(right)
    named = [first | {"group": "", "label": "a"}, second | {"group": "", "label": "b"}]
    fitted = np.array([1, 0, 1, 0, 0, 1], bool)
    data = {"recordings": "9 / 9 / 6", "fitted": packed(fitted)}
    seen, others = inference.halves({"rows": named, "data": data})
    means = [[row["summary"]["test_accuracy"]["mean"] for row in part["rows"]]
             for part in (seen, others)]  # fmt: skip
    assert means == [[1, 1], [pytest.approx(1 / 3), pytest.approx(2 / 3)]]
    assert others["data"]["recordings"] == "9 / 9 / 3" and others["rows"][0]["summary"]["n"] == 2
    assert inference.halves({"rows": named, "data": {"recordings": "9 / 9 / 6"}}) is None
    del named[1]["runs"][0]["right"]
    assert inference.halves({"rows": named, "data": data}) is None, "older runs do not say"


def test_bits_come_back():
    right = np.random.default_rng(0).random(500) < 0.9
    assert len(packed(right)) == 126 and (unpacked(packed(right), 500) == right).all()


def test_the_standard_error_is_that_of_resampling_seeds_and_recordings():
    """Owen's pigeonhole bootstrap, whose variance is ours but for what both terms have twice."""
    rng = np.random.default_rng(1)
    right = answers(rng, seeds=8)
    d = np.subtract(*right.astype(int))
    draws = [d[rng.integers(0, 8, 8)][:, rng.integers(0, 200, 200)].mean() for _ in range(4000)]
    se = compare(*rows(right), 200).se
    # of a resampled variance with S − 1 = 7 in place of 8, and 1/√(2·4000) of chance
    assert np.std(draws) == pytest.approx(se, rel=0.08)


def test_an_interval_holds_the_truth_as_often_as_it_says():
    """Fresh seeds and recordings each time; the true difference is 0 by symmetry."""
    rng, held = np.random.default_rng(2), []
    for _ in range(400):
        found = compare(*rows(answers(rng)), 200)
        held.append(abs(found.mean) <= found.half)
    assert np.mean(held) >= 0.95 - 2 * (0.95 * 0.05 / 400) ** 0.5


def test_runs_without_bits_get_the_bound_which_is_wider():
    first, second = rows(answers(np.random.default_rng(3)))
    exact = compare(first, second, 200)
    for run in first["runs"]:
        del run["right"]
    bound = compare(first, second, 200)
    assert bound.mean == exact.mean and bound.se > exact.se


def test_seeds_that_agree_leave_the_recordings():
    """A width of zero is impossible unless both answer every recording alike."""
    right = np.ones((2, 5, 100), dtype=bool)
    right[1, :, :3] = False
    found = compare(*rows(right), 100)
    assert found.mean == pytest.approx(0.03) and found.half > 0.03
    same = compare(*rows(np.ones((2, 5, 100), dtype=bool)), 100)
    assert (same.mean, same.half, same.p) == (0, 0, 1)
    never = np.zeros((2, 5, 100), dtype=bool)
    never[0] = True
    assert compare(*rows(never), 100).p == 0
    assert compare(*rows(right[:, :1]), 100) is None


def test_with_very_many_recordings_it_is_the_paired_t_test():
    a, b = [0.94, 0.95, 0.93], [0.93, 0.92, 0.93]
    first, second = ({"runs": [{"seed": s, "test_accuracy": x} for s, x in enumerate(each)]}
                     for each in (a, b))  # fmt: skip
    assert compare(first, second, 10**12).p == pytest.approx(ttest_rel(a, b).pvalue, rel=1e-4)


def test_holm_is_that_of_his_paper():
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]
    assert holm([0.012, 0.9, 0.9, 0.9]) == [True, False, False, False]
    assert holm([]) == [] and holm([0.05]) == [True]


def test_a_page_of_chance_shows_nothing_nineteen_times_of_twenty():
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(100):
        first = rows(answers(rng))[0]
        result = {"data": {"recordings": "9 / 9 / 200"}, "rows": [
            {"group": "g", "label": str(k), **row} for k, row in enumerate(
                [first, *(rows(answers(rng))[0] for _ in range(6))])]}  # fmt: skip
        wrong += "no difference shown" not in set(inference.verdicts(result).values()) or len(
            set(inference.verdicts(result).values())) > 1  # fmt: skip
    assert wrong <= 5 + 2 * (100 * 0.05 * 0.95) ** 0.5
