"""The engine of the checks: what numbers say by themselves, and what a call may take."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from numba import njit

from course_lab.checks.engine import compare, failures, sandbox
from course_lab.checks.engine.cases import at
from course_lab.checks.engine.engine import FURTHER_SEED, SHOWN_SEED, Exercise, Mistake, NotYet
from course_lab.checks.engine.facts import fact
from course_lab.checks.engine.open import Open

CASES = [(np.arange(1.0, 4.0), 0.5), (np.arange(2.0, 7.0), 3.0), (np.array([-4.0, 2.5]), 2.0)]


def said(wrong, right=lambda x, sigma: x * sigma, cases=CASES):
    def same(a, b):
        return compare.same(a, b, 1e-4, 1e-6)

    got, expected = ([f(*c) for c in cases] for f in (wrong, right))
    return fact(cases, ("x", "sigma"), got, expected, same)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x, s: -x * s, "result is minus what is asked"),
        (lambda x, s: 2 * x * s, "result is 2 times what is asked"),
        (lambda x, s: x, "result is 1/σ times what is asked"),
        (lambda x, s: x / s, "result is 1/σ² times what is asked"),
        (lambda x, s: x * s / 2 / len(x) ** 0.5, "result is ½ · 1/√len(x) times what is asked"),
        (lambda x, s: x * s * len(x) * s, "result is (len(x) · σ) times what is asked"),
        (lambda x, s: x * s / x**2, "result is 1/x² times what is asked, entry by entry"),
        (lambda x, s: np.append(x[:-1] * s, 0), "result is right but for the last entry"),
        (lambda x, s: np.trunc(x * s), "cut off to whole numbers"),
        (lambda x, s: np.maximum(x * s, 0), "negative numbers became 0"),
        (lambda x, s: x * s + 1, "result is 1 too large everywhere"),
        (lambda x, s: x[::-1] * s, "backwards"),
        (lambda x, s: np.sum(x * s), "the sum of what is asked, over axis 0"),
    ],
)
def test_a_fact_is_told_in_words(wrong, words):
    assert words in said(wrong)


@pytest.mark.parametrize("wrong", [lambda x, s: x * s + x**2, lambda x, s: None, lambda x, s: "x"])
def test_where_the_numbers_say_nothing_nothing_is_said(wrong):
    assert said(wrong) is None


def test_the_boundary_where_a_result_is_wrong_is_told():
    cases = [*CASES, at("x is negative", np.array([-1.0, -2.0]), 1.0)]
    assert said(lambda x, s: x * s if x.max() > 0 else 0 * x, cases=cases) == (
        "result is right but where x is negative")  # fmt: skip


@pytest.mark.parametrize("stops_at", ["a", "ab"])
def test_a_function_that_stops_at_two_boundaries_is_not_called_right_but_at_one(stops_at):
    exercise = Exercise(
        "double", "topic", 1, "", reference=lambda x: 2 * len(x),
        cases=lambda rng: [("x",), at("x is a", "a"), at("x is b", "b")])  # fmt: skip

    def double(x):
        return 2 * len(x) if x not in stops_at else 1 / 0

    with pytest.raises(NotYet, match="It stopped with ZeroDivisionError") as reason:
        exercise.examine(double, 0)
    assert ("right but where x is a" in str(reason.value)) == (stops_at == "a")


@pytest.mark.parametrize(("largest", "named"), [(4.0, False), (9.0, True)])
def test_a_mistake_is_named_only_where_further_cases_agree(largest, named):
    """The cases shown have x up to 4, the further ones to 9; there the function may be another."""
    further = np.random.default_rng(FURTHER_SEED).random()
    exercise = Exercise(
        "double", "01_events", 1, "", lambda x: 2 * x,
        lambda rng: [(float(x),) for x in range(1, 10 if rng.random() == further else 5)],
        mistakes=[Mistake("you add three.", lambda x: x + 3)],
    )  # fmt: skip
    with pytest.raises(NotYet) as told:
        exercise.examine(lambda x: x + 3 if x <= largest else x * x, SHOWN_SEED)
    assert ("you add three" in str(told.value)) == named


def test_chance_is_told_before_the_score_that_it_makes():
    """The function is below the first mark, and draws without the seed."""
    exercise = Open(
        "draw", "01_events", 1, "", lambda seed: seed, seeded=True, marks=((0.5, 1),),
        trial=lambda rng: ((int(rng.integers(9)),), lambda result: 0.0),
    )  # fmt: skip
    drawn = iter(range(9))
    with pytest.raises(NotYet, match="The same seed gives another result"):
        exercise.reach(lambda seed: float(next(drawn)), SHOWN_SEED)
    with pytest.raises(NotYet, match="the first point is at"):
        exercise.reach(lambda seed: 1.0, SHOWN_SEED)


def test_parts_of_a_result_are_told_apart():
    found = said(lambda x, s: (x, -s), lambda x, s: (x, s))
    assert found == "value 2 is minus what is asked: the sign is turned round"
    found = said(lambda x, s: ((x > 1) / 2, s), lambda x, s: ((x > 2) * 1, s))
    assert found == "value 1 is neither 0 nor 1 in some places: there is 0.5"
    found = said(lambda x, s: {"a": s > 9, "b": True}, lambda x, s: {"a": s > 1, "b": True})
    assert found == "entry 'a' is True too rarely; where it says True, it is right"


@pytest.mark.parametrize("value", [Fraction(1, 2), np.float32(0.5), torch.tensor(0.5),
                                   torch.tensor(0.5, dtype=torch.bfloat16)])  # fmt: skip
def test_numbers_of_other_kinds_are_numbers(value):
    compare.compare(value, 0.5, 1e-4, 1e-6)


def test_a_tuple_of_numbers_is_an_array_too():
    compare.compare((1, 2.5), np.array([1.0, 2.5]), 0, 0)


def test_calls_of_a_function_that_was_given_are_counted():
    called = sandbox.call(lambda f, n: [f(k) for k in range(n)], (abs, 3), 2)
    assert (called.result, called.calls) == ([0, 1, 2], 3)


def test_a_failure_inside_an_inner_function_is_told_by_its_line():
    def outer(values):
        def inner():
            return values[10]

        return inner()

    error = sandbox.call(outer, ([1, 2],), 1).error
    told = failures.explain(error, outer)
    assert "(line 3 of your function)" in told and "there     return values[10]" in told


def test_compiling_is_hardly_counted_as_time_of_the_function():
    @njit
    def total(x):
        return np.sum(np.sort(x) ** 2) + x.max()

    njit(lambda: 0)()  # Numba gets ready, once
    called = sandbox.call(total, (np.ones(3),), 0.5)  # it takes longer to compile
    assert called.error is None and called.result == 4


@pytest.mark.parametrize(
    ("function", "least", "most"),
    [
        (lambda x: x[:, None] * x, 8e6, 8.5e6),
        (lambda x: torch.tensor(x)[:, None] * torch.tensor(x), 8e6, 8.5e6),
        (lambda x: torch.as_tensor(x).outer(torch.as_tensor(x)).sum(), 8e6, 8.5e6),
        (lambda x: torch.tensor(x).sum(), 0, 1e5),
        (lambda x: sum(torch.as_tensor(x) * k for k in range(9)), 8e3, 1e5),
    ],
)
def test_memory_of_arrays_and_of_tensors_counts(function, least, most):
    assert least <= sandbox.peak_memory(function, (np.ones(1000),), 2) <= most
