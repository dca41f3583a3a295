"""Training methods behind one call: ``estimator.fill_grads(network, frames, labels, step)``.

``METHODS`` holds all of them by name: every subclass of ``Estimator`` with a name of its own in
this folder, in ``beyond/`` and in the folder that the environment variable COURSE_ESTIMATORS names.
So a file is all that a new method takes. Their classes can be imported from here, too:
``from course_lib.estimators import EGGROLL``.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from course_lib.estimators.base import Estimator

#: the order in lists; methods that it does not name follow, by name
ORDER = (
    "eggroll", "es", "projected", "smooth", "bptt", "localzo", "sparsegrad", "ottt", "opzo", "dfa",
    "zo", "hybrid",
)  # fmt: skip
OWN = os.environ.get("COURSE_ESTIMATORS")
if OWN:
    __path__.append(OWN)


def find_methods() -> dict[str, type[Estimator]]:
    """All methods by name, in the order of lists. Their files are imported now.

    Raises ValueError, naming the files, if one cannot be imported or two have the same name.
    """
    found: dict[str, type[Estimator]] = {}
    files: dict[str, Path] = {}
    if OWN and not Path(OWN).is_dir():
        raise ValueError(f"COURSE_ESTIMATORS is {OWN!r}, which is no folder")
    for module, path in _modules():
        if module in files:
            raise ValueError(f"{files[module]} and {path} have the same name; rename one")
        files[module] = path
        try:
            import_module(module)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise ValueError(f"{path} cannot be imported: {why}") from error
        for method in _methods_of(sys.modules[module]):
            if method.name in found:
                other = files[found[method.name].__module__]
                raise ValueError(f"{other} and {path} both name a method {method.name!r}")
            found[method.name] = method
    places = {name: place for place, name in enumerate(ORDER)}
    return dict(sorted(found.items(), key=lambda item: (places.get(item[0], len(ORDER)), item[0])))


def _modules():
    """(name, file) of the modules of this folder, of beyond/ and of one's own folder."""
    beyond = import_module("course_lib.estimators.beyond")
    for package, folders in ((__name__, __path__), (beyond.__name__, beyond.__path__)):
        for folder in folders:
            for module in iter_modules([folder]):
                if not module.ispkg and not module.name.startswith("test_"):
                    yield f"{package}.{module.name}", Path(folder) / f"{module.name}.py"


def _methods_of(module) -> list[type[Estimator]]:
    """Those that the module defines, and does not only import, with names of their own."""
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    return [
        one for one in classes
        if issubclass(one, Estimator) and one.__module__ == module.__name__ and "name" in vars(one)
    ]  # fmt: skip


def __getattr__(name: str):
    """METHODS, and the methods' classes, when they are first asked for."""
    global METHODS
    if name != "METHODS" and not name[0].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    METHODS = find_methods()
    if name == "METHODS":
        return METHODS
    for method in METHODS.values():
        if method.__name__ == name:
            return method
    raise AttributeError(f"there is no training method of the class {name!r}")
