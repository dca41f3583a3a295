"""Compare what a student's function returned with what was expected, and show both shortly."""

import numbers
from typing import Any

import numpy as np
import torch


class Difference(Exception):
    """Two values differ; the text says how, in words for a student.

    place: where in an array they differ first, if they differ in one place and not as a whole.
    """

    def __init__(self, text: str, place: tuple[int, ...] = ()):
        super().__init__(text)
        self.place = place


def plain(value: Any) -> Any:
    """Tensors, lists of numbers and NumPy scalars as NumPy arrays; other containers kept."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, bool | int | float | np.generic | np.ndarray):
        return np.asarray(value)
    if isinstance(value, numbers.Real):  # a fraction, say
        return np.asarray(float(value))
    if isinstance(value, range):
        return np.array(value)
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        items = [plain(item) for item in value]
        try:
            array = np.asarray(items)
        except (ValueError, TypeError):  # rows of different lengths
            return items
        return array if array.dtype.kind in "biuf" else items
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def compare(got: Any, expected: Any, rtol: float, atol: float, what: str = "the result") -> None:
    """Raise Difference unless the two are equal up to the tolerance.

    Kinds of containers and numbers may differ (list or array, float32 or float64, torch or NumPy);
    lengths, shapes and values may not.
    """
    got, expected = plain(got), plain(expected)
    if got is None and expected is not None:
        raise Difference(f"{what} is None: does your function end with return?")
    if isinstance(expected, tuple | list):
        if isinstance(got, np.ndarray) and got.ndim and len(got) == len(expected):
            same_form = all(np.shape(right) == got.shape[1:] for right in expected)
            got = tuple(got) if same_form else got
        if not isinstance(got, tuple | list) or len(got) != len(expected):
            found = f"{len(got)} values" if isinstance(got, tuple | list) else describe(got)
            raise Difference(f"{what} should be {len(expected)} values; yours is {found}")
        for index, (mine, right) in enumerate(zip(got, expected, strict=True)):
            compare(mine, right, rtol, atol, f"value {index + 1} of the result")
    elif isinstance(expected, dict):
        if not isinstance(got, dict) or set(got) != set(expected):
            names = ", ".join(map(str, expected))
            raise Difference(f"{what} should be a dictionary with the keys {names}")
        for key, right in expected.items():
            compare(got[key], right, rtol, atol, f"the entry {key!r}")
    elif isinstance(expected, np.ndarray):
        _compare_numbers(got, expected, rtol, atol, what)
    elif isinstance(got, np.ndarray) or got != expected:
        raise Difference(f"{what} differs")


def _compare_numbers(got, expected, rtol, atol, what) -> None:
    got = plain(list(got)) if isinstance(got, tuple) else got
    if not isinstance(got, np.ndarray) or got.dtype.kind not in "biuf":
        raise Difference(f"{what} should be {describe(expected)}; yours is {describe(got)}")
    if got.shape != expected.shape:
        raise Difference(f"{what} should have shape {expected.shape}; yours has {got.shape}")
    if np.isnan(got).any() and not np.isnan(expected).any():
        raise Difference(f"{what} contains NaN (not a number)")
    close = np.isclose(got, expected, rtol, atol, equal_nan=True)
    if not close.all():
        where = tuple(int(i) for i in np.argwhere(~close)[0])
        place = f" first at {list(where)}" if where else ""
        raise Difference(
            f"{what} differs{place}: {show(got[where])} in place of {show(expected[where])}", where
        )


def same(a: Any, b: Any, rtol: float, atol: float) -> bool:
    try:
        compare(a, b, rtol, atol)
    except Difference:
        return False
    return True


def describe(value: Any) -> str:
    """What kind of thing a value is, in words."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            return f"an array of {value.dtype}"
        return f"an array of shape {value.shape}" if value.ndim else "a number"
    return {"str": "a text", "NoneType": "None", "function": "a function"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )


def show(value: Any) -> str:
    """A value in one short line."""
    value = plain(value)
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return f"{value.item():.6g}" if value.dtype.kind == "f" else str(value.item())
        text = np.array2string(
            value,
            precision=4,
            threshold=12,
            edgeitems=3 if value.ndim < 3 else 1,
            max_line_width=10_000,
            suppress_small=True,
        )
        shape = f" (shape {value.shape})" if value.size > 12 or value.ndim > 1 else ""
        return " ".join(text.split()) + shape
    if isinstance(value, tuple):
        return ", ".join(show(item) for item in value)
    if isinstance(value, list):
        return "[" + "; ".join(show(item) for item in value) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {show(item)}" for key, item in value.items())
    if callable(value):
        return getattr(value, "__name__", "a function")
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
