"""What the numbers themselves say about a wrong result: a boundary, a sign, a factor, an axis, or
an argument that was taken for something else.

Nothing is guessed here: a fact holds in every case that was tried, whichever mistake led to it. So
it can be told where no known mistake explains a result.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import torch

from course_lab.checks.engine import compare

CONSTANTS = {1.0: "", -1.0: "−", 2.0: "2 · ", 0.5: "½ · ", 4.0: "4 · ", 0.25: "¼ · "}
POWERS = {1: "{}", -1: "1/{}", 2: "{}²", -2: "1/{}²", 0.5: "√{}", -0.5: "1/√{}"}
ENTRIES = (
    ("minus what is asked: the sign is turned round", np.negative),
    ("without its signs: no entry is negative", np.abs),
    ("right, but negative numbers became 0", lambda e: np.maximum(e, 0)),
    ("right, but cut off to whole numbers, as in an array of integers", np.trunc),
    ("rounded to a whole number", np.round),
    ("rounded up to a whole number", np.ceil),
    ("the square of what is asked", np.square),
    ("the root of what is asked", lambda e: np.sqrt(np.maximum(e, 0))),
    ("1 divided by what is asked", lambda e: 1 / np.where(e == 0, np.nan, e)),
    ("100 times what is asked: percent", lambda e: 100 * e),
    ("rounded to one decimal", lambda e: np.round(e, 1)),
    ("rounded to two decimals", lambda e: np.round(e, 2)),
    ("rounded to three decimals", lambda e: np.round(e, 3)),
)
SYMBOLS = {"sigma": "σ", "alpha": "α", "beta": "β", "delta": "δ", "threshold": "θ", "momentum": "λ"}
#: What an argument may have been taken for: a number, an array, or both.
INSTEAD = (
    ("{}²", lambda x: x * x), ("√{}", lambda x: x**0.5), ("1/{}", lambda x: 1 / x),
    ("2 · {}", lambda x: 2 * x), ("½ · {}", lambda x: x / 2), ("−{}", lambda x: -x),
    ("1 − {}", lambda x: 1 - x), ("{} without its signs", abs), ("{} + 1", lambda x: x + 1),
    ("{} − 1", lambda x: x - 1), ("0", lambda x: 0 * x), ("1", lambda x: 0 * x + 1),
    ("the signs of {}", np.sign),
    ("{} turned round", lambda x: x[::-1]), ("{} sorted", lambda x: np.sort(x, axis=0)),
    ("{} less its mean", lambda x: x - x.mean()),
    ("{} less its mean over axis 0", lambda x: x - x.mean(axis=0)),
)  # fmt: skip
WHOLES = (
    ("asked for in the opposite order: yours runs backwards", lambda e: e[::-1]),
    ("transposed: its axes are the wrong way round", np.transpose),
    ("sorted: its entries are right, their order is not", lambda e: np.sort(e, axis=None)),
)


def fact(
    cases: Sequence[tuple], names: Sequence[str], got: Sequence, expected: Sequence,
    same: Callable[[Any, Any], bool],
) -> str | None:  # fmt: skip
    """The first fact found, in words that follow "your"; None if there is none."""
    found = _boundary(cases, got, expected, same)
    if found:
        return f"result is {found}"
    wrong = [part for part in _parts(got, expected) if not all(map(same, *part[1:]))]
    for look in (_said, _at_an_end):
        for what, mine, right in wrong:
            for words in look(cases, names, mine, right, same):
                return f"{what} is {words}"
    return None


def instead(
    cases: Sequence[tuple], names: Sequence[str], got: Sequence, asked: Callable[..., Any],
    same: Callable[[Any, Any], bool],
) -> str | None:  # fmt: skip
    """What the results are right for, as "√σ in place of σ", in words that follow "your".

    asked: a case's arguments → what is asked for them.
    """

    def fits(k, change, case, mine):
        try:
            with np.errstate(all="ignore"):
                return same(mine, asked(*case[:k], change(case[k]), *case[k + 1 :]))
        except Exception:  # noqa: BLE001 - an argument that cannot be changed so
            return False

    if any(mine is None for mine in got):
        return None  # nothing came back
    for k, name in enumerate(names):
        symbol = SYMBOLS.get(name, name)
        for words, change in INSTEAD:
            if all(fits(k, change, c, mine) for c, mine in zip(cases, got, strict=True)):
                return f"result is what is asked for {words.format(symbol)} in place of {symbol}"
    return None


def _boundary(cases, got, expected, same) -> str | None:
    """Where all that is wrong has one boundary in common, and what lies elsewhere is right."""
    places = [getattr(case, "where", None) for case in cases]
    right = {p for p, g, e in zip(places, got, expected, strict=True) if same(g, e)}
    wrong = {p for p, g, e in zip(places, got, expected, strict=True) if not same(g, e)}
    if len(wrong) == 1 and None not in wrong and right - wrong:
        return f"right but where {wrong.pop()}"
    return None


def _parts(got, expected) -> Iterator[tuple[str, list, list]]:
    """What belongs together over the cases: its name, the student's, the right ones."""
    got, expected = [compare.plain(g) for g in got], [compare.plain(e) for e in expected]
    first = expected[0]
    if isinstance(first, np.ndarray):
        yield "result", got, expected
    elif isinstance(first, dict):
        if all(isinstance(g, dict) and g.keys() == first.keys() for g in got):
            for key in first:
                yield f"entry {key!r}", [g[key] for g in got], [e[key] for e in expected]
    elif isinstance(first, tuple | list) and all(_has(len(first), g) for g in got):
        for k in range(len(first)):
            mine = [compare.plain(g[k]) for g in got]
            yield f"value {k + 1}", mine, [e[k] for e in expected]


def _has(length: int, value) -> bool:
    listed = isinstance(value, tuple | list) or isinstance(value, np.ndarray) and value.ndim
    return bool(listed) and len(value) == length


def _said(cases, names, got, expected, same) -> Iterator[str]:
    if not all(isinstance(v, np.ndarray) and v.dtype.kind in "biuf" for v in (*got, *expected)):
        return
    if all(g.shape == e.shape for g, e in zip(got, expected, strict=True)):
        if all(e.dtype.kind == "b" for e in expected):
            yield from _of_answers(got, expected)
            return
        yield from _alike(got, [e.astype(float) for e in expected], ENTRIES, same)
        yield from _factor(cases, names, got, expected, same)
        yield from _by_entry(cases, names, got, expected, same)
        yield from _offset(got, expected, same)
        yield from _between(got, expected)
    if all(e.ndim for e in expected):
        yield from _alike(got, expected, WHOLES, same)
        for axis in range(min(e.ndim for e in expected)):
            for word, over in (("sum", np.sum), ("mean", np.mean), ("maximum", np.max)):
                summary = f"the {word} of what is asked, over axis {axis}", _over(over, axis)
                yield from _alike(got, expected, [summary], same)
        of_all = ("the sum of all that is asked", np.sum), ("the mean of all", np.mean)
        yield from _alike(got, expected, of_all, same)


def _over(summary, axis):
    return lambda e: summary(e, axis=axis)


def _alike(got, expected, transforms, same) -> Iterator[str]:
    for words, transform in transforms:
        if all(same(g, transform(e)) for g, e in zip(got, expected, strict=True)):
            yield words


def _of_answers(got, expected) -> Iterator[str]:
    """Answers True and False."""
    if all((g >= e).all() for g, e in zip(got, expected, strict=True)):
        yield "True too often; where it says False, it is right"
    if all((g <= e).all() for g, e in zip(got, expected, strict=True)):
        yield "True too rarely; where it says True, it is right"


def _factor(cases, names, got, expected, same) -> Iterator[str]:
    """A constant, or a power of an argument or of its size, times a constant."""
    ratios, where = [], []
    for k, (g, e) in enumerate(zip(got, expected, strict=True)):
        e, square = e.astype(float), float(np.sum(np.square(e, dtype=float)))
        ratio = float(np.sum(g * e)) / square if square else 1.0
        if not np.isfinite(ratio) or not same(g, ratio * e):
            return
        if square:
            ratios.append(ratio)
            where.append(k)
    ratios = np.array(ratios)
    if len(ratios) < 2:
        return
    for constant, text in CONSTANTS.items():
        if text and np.allclose(ratios, constant, rtol=1e-4, atol=0):
            yield f"{text.rstrip('· ')} times what is asked"
    if np.allclose(ratios, ratios[0], rtol=1e-4, atol=0):
        yield f"{ratios[0]:.4g} times what is asked" if ratios[0] else "0 throughout"
    singles = [(name, np.array(sizes)[where]) for name, sizes in _sizes(cases, names)]
    pairs = [(f"({SYMBOLS.get(a, a)} · {SYMBOLS.get(b, b)})", x * y)
             for (a, x), (b, y) in combinations(singles, 2) if len(ratios) > 2]  # fmt: skip
    for few, (constant, text) in product((singles, pairs), CONSTANTS.items()):
        found = []
        for name, sizes in few:
            for power, form in POWERS.items():
                if power % 1 and (sizes < 0).any() or (sizes == 0).any() or not np.ptp(sizes):
                    continue
                if np.allclose(ratios, constant * sizes**power, rtol=1e-4, atol=0):
                    found.append(form.format(SYMBOLS.get(name, name)))
        if found:
            yield f"{text}{' = '.join(found[:2])} times what is asked"


def _sizes(cases, names) -> Iterator[tuple[str, list[float]]]:
    """Arguments that are numbers, and the lengths of those that are arrays."""
    for name, values in zip(names, zip(*cases, strict=True), strict=True):
        if all(isinstance(v, int | float | np.number) for v in values):
            yield name, [float(v) for v in values]
        elif all(isinstance(v, np.ndarray | torch.Tensor) and np.ndim(v) for v in values):
            for axis in range(min(np.ndim(v) for v in values)):
                length = f"len({name})" if axis == 0 else f"{name}.shape[{axis}]"
                yield length, [float(v.shape[axis]) for v in values]


def _by_entry(cases, names, got, expected, same) -> Iterator[str]:
    """A power of an argument of the result's shape."""
    for name, values in zip(names, zip(*cases, strict=True), strict=True):
        if all(isinstance(v, np.ndarray) and v.shape == e.shape != ()
               for v, e in zip(values, expected, strict=True)):  # fmt: skip
            for power in (1, -1, 2, -2):
                if all(same(g * v ** max(-power, 0), e * v ** max(power, 0))
                       for g, e, v in zip(got, expected, values, strict=True)):  # fmt: skip
                    form = POWERS[power].format(SYMBOLS.get(name, name))
                    yield f"{form} times what is asked, entry by entry"


def _between(got, expected) -> Iterator[str]:
    """Something else where 0 and 1 are all that is asked."""
    others = np.concatenate([np.ravel(g[(g != 0) & (g != 1)]) for g in got])
    if len(others) and all(np.isin(e, (0, 1)).all() for e in expected):
        wanted = "neither 0 nor 1" if any(e.any() for e in expected) else "not 0"
        yield f"{wanted} in some places: there is {compare.show(others[0])}"


def _at_an_end(cases, names, got, expected, same) -> Iterator[str]:
    """In every case wrong, and right but for one end of an axis."""
    if not all(isinstance(g, np.ndarray) and isinstance(e, np.ndarray) and g.shape == e.shape
               and not same(g, e) for g, e in zip(got, expected, strict=True)):  # fmt: skip
        return
    for axis in range(min(e.ndim for e in expected)):
        if all(e.shape[axis] > 1 for e in expected):
            along = f"entries along axis {axis}" if expected[0].ndim > 1 else "entry"
            for word, end in (("first", 0), ("last", -1)):
                if all(same(np.delete(g, end, axis), np.delete(e, end, axis))
                       for g, e in zip(got, expected, strict=True)):  # fmt: skip
                    yield f"right but for the {word} {along}"


def _offset(got, expected, same) -> Iterator[str]:
    """The same difference wherever there is one, unless 0 and 1 are all that there is."""
    differences = np.concatenate([
        np.ravel(g.astype(float) - e) for g, e in zip(got, expected, strict=True)
    ])  # fmt: skip
    wrong = differences[np.abs(differences) > 1e-6]
    if all(np.isin(v, (0, 1)).all() for v in (*got, *expected)):
        return
    if len(wrong) > 1 and np.isfinite(wrong).all() and np.allclose(wrong, wrong[0], rtol=1e-4):
        often = "wherever it is wrong" if len(wrong) < len(differences) else "everywhere"
        yield f"{abs(wrong[0]):.4g} too {'large' if wrong[0] > 0 else 'small'} {often}"
