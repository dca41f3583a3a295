"""What to tell a student whose function stopped with an exception."""

import inspect
import re
from collections.abc import Callable, Iterator
from types import CodeType

import numpy as np
import torch

#: part of a message → what it means, in words; the first that fits is told
MEANINGS = (
    ("matmul|mat1 and mat2|not aligned",
     "The shapes do not fit together. In a @ b the columns of a meet the rows of b: is one of them "
     "to be transposed, with .T?"),
    ("size of tensor|could not be broadcast|operands", "The shapes do not fit together."),
    ("truth value|Boolean value of Tensor",
     "An array has many truth values, and `if`, `and`, `or` take one: use np.where, & and |."),
    (r"bitwise_|unsupported operand type.* [&|]:",
     "& and | join True and False, and come before comparisons: write (a > 0) & (b > 0)."),
    ("only integer|indices must be integers|valid indices|must be integers or slices",
     "An index has to be a whole number: // divides to one, .astype(int) makes them."),
    ("out of bounds|list index out of range", "An index begins at 0 and ends before the length."),
    ("is not defined", "Is it spelt as where it was defined, and was that cell run?"),
    ("cannot access local variable|referenced before assignment",
     "The function gives this name a value somewhere, but not before it is used."),
    ("object is not callable", "Round brackets call a function; an index has square ones."),
    ("object is not subscriptable|'NoneType'", "Something there is None, or is no array."),
    ("has no attribute", "Is it an array where a tensor is expected, or the other way round?"),
)  # fmt: skip


class Refused(ValueError):
    """Raised by what an exercise hands out, a loss or a readout, where it is asked for what the
    text forbids; its words say what."""


def explain(error: BaseException, function: Callable) -> str:
    """What stopped, in which line of the student's function, with the shapes of its arrays."""
    line, text, shapes = _where(error, function)
    how = "was stopped" if isinstance(error, Refused) else f"stopped with {type(error).__name__}"
    said = f"  It {how}: {error}"
    if line:
        said += f" (line {line} of your function)"
    for pattern, meaning in MEANINGS:
        if re.search(pattern, str(error)):
            said += f"\n  {meaning}"
            break
    if 0 < len(text) <= 120:
        said += f"\n  there     {text}"
    if shapes:
        said += f"\n  shapes    {shapes}"
    return said


def of_torch(error: NotImplementedError) -> bool:
    """Whether torch says so of a type of numbers, and not the stub of an exercise."""
    return "not implemented for" in str(error)


def _where(error: BaseException, function: Callable) -> tuple[int, str, str]:
    """The number and text of the line that failed, and shapes of the arrays named in it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    trace, last = error.__traceback__, None
    written = set(_within(code))
    while trace is not None:
        if trace.tb_frame.f_code in written:
            last = trace
        trace = trace.tb_next
    if last is None:
        return 0, "", ""
    number = last.tb_lineno - code.co_firstlineno
    try:
        text = inspect.getsource(code).splitlines()[number].split("#")[0].strip()
    except (OSError, IndexError):  # its source is not at hand
        return number + 1, "", ""
    local = last.tb_frame.f_locals
    arrays = {
        name: tuple(local[name].shape) for name in dict.fromkeys(re.findall(r"\w+", text))
        if isinstance(local.get(name), np.ndarray | torch.Tensor)
    }  # fmt: skip
    return number + 1, text, ", ".join(f"{name} {shape}" for name, shape in arrays.items())


def _within(code) -> Iterator[CodeType]:
    """A function's code, and that of the functions and classes inside it."""
    if isinstance(code, CodeType):
        yield code
        for constant in code.co_consts:
            yield from _within(constant)
