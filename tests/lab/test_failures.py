"""A function that stops tells its writer where, what was there, and what that means."""

import numpy as np
import pytest
import torch

from course_lab import checks
from course_lab.checks.engine import failures


def product(a, b):
    c = a.T
    return c @ b  # of the wrong axes


def joined(a, b):
    return a > 0 | b > 0


def asked(a, b):
    return 1 if a > b else 0


def halfway(a, b):
    return a[len(a) / 2]


def beyond(a, b):
    return a[len(a)]


def unknown(a, b):
    return missing * a  # noqa: F821


def called(a, b):
    return a(0)


def nothing(a, b):
    return b.sort()[0]


def unborn(a, b):
    for x in a:
        total += x  # noqa: F821
    return total


def other(a, b):
    return a.astype(int) if isinstance(a, torch.Tensor) else a.detach()


CASES = [
    (product, "The shapes do not fit", "c (3, 2), b (3, 2)"),
    (joined, "come before comparisons", "a (2, 3), b (3, 2)"),
    (asked, "An array has many truth values", "a (2, 3), b"),
    (halfway, "whole number", "a (2, 3)"),
    (beyond, "begins at 0", "a (2, 3)"),
    (unknown, "was that cell run", "a (2, 3)"),
    (called, "Round brackets", "a (2, 3)"),
    (unborn, "not before it is used", ""),
    (other, "an array where a tensor", "a (2, 3)"),
]


def stopped(function, *arguments):
    with pytest.raises(Exception) as caught:  # noqa: PT011, B017 - of any kind
        function(*arguments)
    return failures.explain(caught.value, function)


@pytest.mark.parametrize("make", [np.ones, torch.ones], ids=["numpy", "torch"])
@pytest.mark.parametrize(("function", "meaning", "shapes"), CASES)
def test_what_stopped_is_explained_with_its_line_and_shapes(function, meaning, shapes, make):
    b = make((2, 3)) if function is asked else make((3, 2))
    said = stopped(function, make((2, 3)), b)
    assert meaning in said
    assert shapes in said
    assert "of your function)" in said


def test_the_line_is_counted_from_the_head_of_the_function_and_shown_without_its_comment():
    said = stopped(product, np.ones((2, 3)), np.ones((3, 2)))
    assert "(line 3 of your function)" in said
    assert "  there     return c @ b\n" in said


def test_a_none_is_named():
    assert "Something there is None" in stopped(nothing, np.ones(2), np.ones(2))


def test_an_error_without_known_meaning_or_source_is_told_all_the_same():
    made = eval("lambda a: {}[a]")  # noqa: S307 - a function whose source is not at hand
    said = stopped(made, 3)
    assert said == "  It stopped with KeyError: 3 (line 1 of your function)"
    assert failures.explain(ValueError("own words"), product) == (
        "  It stopped with ValueError: own words"
    )


def test_torch_s_own_not_implemented_is_not_taken_for_the_stub(capsys):
    def hidden_error(method, e, losses, z, alpha, matrix):
        return torch.as_tensor(e) | 1.0

    checks.hidden_error(hidden_error)
    said = capsys.readouterr().out
    assert "To do" not in said
    assert "come before comparisons" in said


def test_one_array_is_not_taken_for_a_pair(capsys):
    def momentum_feedback(X, start, momentum):  # noqa: N803 - as in the exercise
        M = start  # noqa: N806
        for batch in X:
            M = momentum * M + (1 - momentum) * batch  # noqa: N806
        return M

    checks.momentum_feedback(momentum_feedback)
    assert "should be 2 values; yours is an array of shape (2, 2)" in capsys.readouterr().out
