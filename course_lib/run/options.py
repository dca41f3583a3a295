"""Command-line flags made from the fields of dataclasses, so that a setting stands in one place.

A field gives a flag its name, its annotation type and number of values, the line on it in the
class's docstring ("rank: r ≥ 1.") the help. What a value may be is checked where it is used.
"""

import argparse
import dataclasses
import difflib
import inspect
import re
import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

#: what text can be read as, the narrowest first, and how help calls it
SCALARS = {bool: "", int: "N", float: "X", str: "NAME"}
DEPENDS = "depends on the method"


class Kind(NamedTuple):
    """types: what one value may be, of SCALARS; many: whether several may be given."""

    types: frozenset
    many: bool

    def read(self, text: str) -> Any:
        """The text as the narrowest type that fits. Raises ArgumentTypeError if none does."""
        for kind in SCALARS:
            if kind in self.types and kind is not bool:
                try:
                    return kind(text)
                except ValueError:
                    pass
        names = " or ".join({int: "a whole number", float: "a number"}[kind] for kind in
                            SCALARS if kind in self.types and kind is not bool)  # fmt: skip
        raise argparse.ArgumentTypeError(f"expected {names}, not {text!r}")

    @property
    def metavar(self) -> str:
        return next(SCALARS[kind] for kind in reversed(SCALARS) if kind in self.types)


def kind_of(annotation) -> Kind:
    """What of an annotation a command line can give; of no type if nothing."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        kinds = [kind_of(one) for one in inner]
        return Kind(frozenset().union(*(k.types for k in kinds)), any(k.many for k in kinds))
    if origin is Literal:
        return Kind(frozenset(map(type, inner)) & set(SCALARS), False)
    if origin is not None and inner and origin is not dict and origin is not Callable:
        return Kind(kind_of(inner[0]).types, True)
    return Kind(frozenset([annotation] if annotation in SCALARS else []), False)


def described(cls: type, shared: bool = False) -> dict[str, str]:
    """The first sentence on each field in the docstrings of a dataclass and of its bases.

    A line "name: text" begins one, or "name, name (remark): text", which counts if ``shared`` only;
    lines indented deeper go on.
    """
    fields, found = {field.name for field in dataclasses.fields(cls)}, {}
    for base in reversed(cls.__mro__):
        names: list[str] = []
        for line in inspect.cleandoc(vars(base).get("__doc__") or "").splitlines():
            entry = re.match(r"(\w[\w, ()]*):\s+(\S.*)", line)
            heads = re.sub(r"\(.*?\)", "", entry[1]).split(",") if entry else []
            if heads and fields.issuperset(map(str.strip, heads)):
                names = [head.strip() for head in heads if shared or len(heads) == 1]
                found |= dict.fromkeys(names, entry[2].strip())
            elif names and line.startswith("  "):
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
            else:
                names = []
    return {name: re.split(r"\.\s+(?=[A-Z])", text)[0].rstrip(".") for name, text in found.items()}


def add_settings(group, cls: type, depends: Iterable[str] = ()) -> None:
    """A flag for each field of a dataclass.

    depends: fields whose default None stands for one that depends on the method.
    """
    hints, texts = get_type_hints(cls), described(cls, shared=True)
    for field in dataclasses.fields(cls):
        default = DEPENDS if field.name in depends else field.default
        add_flag(group, field.name, field.name, kind_of(hints[field.name]),
                 texts.get(field.name, ""), default)  # fmt: skip


def add_method_options(group, methods: dict[str, type]) -> None:
    """One flag for each option that any of the methods has; "seed" is the run's.

    Values are found under "method.NAME". Raises ValueError if a name is taken.
    """
    names = dict.fromkeys(name for method in methods.values() for name in method.options())
    for name in names:
        if name == "seed" or name.startswith("_"):
            continue
        having = {key: method for key, method in methods.items() if name in method.options()}
        kinds = [kind_of(get_type_hints(method)[name]) for method in having.values()]
        kind = Kind(frozenset().union(*(k.types for k in kinds)), any(k.many for k in kinds))
        texts = {key: described(method).get(name) for key, method in having.items()}
        usual = next(filter(None, [*texts.values(), *(
            described(method, shared=True).get(name) for method in having.values()
        )]), "")  # fmt: skip
        says: dict[str, list[str]] = {}
        for key, text in texts.items():
            says.setdefault(text or usual, []).append(key)
        text = "; ".join(f"{', '.join(keys)}: {what}" for what, keys in says.items())
        given = any(name in part for method in having.values() for part in method.defaults.values())
        defaults = [method.options()[name].default for method in having.values()]
        default = DEPENDS if given or any(d != defaults[0] for d in defaults) else defaults[0]
        if group._option_string_actions.get(flag(name)):
            raise ValueError(
                f"the option {name!r} of {', '.join(having)} has the name of a setting that every "
                "run has: rename the field"
            )
        add_flag(group, name, f"method.{name}", kind, text, default)


def add_flag(group, name: str, place: str, kind: Kind, text: str, default: Any) -> None:
    """--name, kept under ``place``; nothing for a kind that no text can give."""
    if default not in (None, dataclasses.MISSING):
        text += f"; default: {('no', 'yes')[default] if isinstance(default, bool) else default}"
    options = {"dest": place, "default": None, "help": text.replace("%", "%%")}
    if kind.types == {bool}:
        group.add_argument(flag(name), action=argparse.BooleanOptionalAction, **options)
    elif kind.types:
        several = {"nargs": "+"} if kind.many else {}
        group.add_argument(flag(name), type=kind.read, metavar=kind.metavar, **several, **options)


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """"; did you mean …?" if one of the known words is like this one, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
