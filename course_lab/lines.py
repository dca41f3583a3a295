"""Curves as the course draws them, for the pictures of all lessons."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from course_lib.run.figures import as_array, series


def lines(
    ax: Axes, x, curves: Mapping, scale: float = 1, marks: int = 8, names: Sequence[str] = ()
) -> Axes:
    """Curves over x (n,), or over 0, 1, … if x is None: ``{"label": (n,), …}``, times ``scale``.

    marks: about how many markers stand on a curve; 0 for none. names: all labels of a lesson, so
    that a curve looks the same in each of its pictures.
    """
    names = list(names or curves)
    for label, values in curves.items():
        values, index = scale * as_array(values, 1, label), names.index(label)
        every = max(1, len(values) // marks) if marks else 1
        look = series(index) | ({} if marks else {"marker": ""})
        start = index * every // 3 % every  # markers of neighbours stand beside each other
        ax.plot(np.arange(len(values)) if x is None else x, values, label=label,
                markevery=(start, every), **look)  # fmt: skip
    return ax


def running_mean(values, window: int) -> np.ndarray:
    """Mean of the last ``window`` values (n,), of fewer at the start."""
    total = np.cumsum(np.insert(as_array(values, 1, "values"), 0, 0.0))
    ends = np.arange(1, len(total))
    starts = np.maximum(ends - window, 0)
    return (total[ends] - total[starts]) / (ends - starts)
