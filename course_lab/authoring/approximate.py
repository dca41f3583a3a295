"""A plug-in for nbval: a number after "≈" may differ a little, everything else must be equal.

A cell whose figures depend on the machine prints them after "≈" and states in its metadata how
far each kind may lie from the stored one, by the unit that follows the number:

    "tolerance": {"%": 3, "s": "any", "": 0.05}

allows three points for ``test accuracy ≈ 86.2 %``, any time for ``≈ 12.3 s``, and 0.05 for a bare
``loss ≈ 0.41`` or any other unit. Without such an entry, what is not named must be equal.

A page with a script is a picture that moves, and pictures are not compared; its words are.
Stored outputs are those of a computer without the real recordings, so kernels start without them.

``pytest -p course_lab.authoring.approximate`` switches it on; pyproject.toml does so for us.
"""

import os
import re
from unittest import mock

#: a number after "≈", and its unit: the word, % or symbol that follows it after at most one space
NUMBER = re.compile(r"≈\s*([-−+]?[\d,]*\.?\d+)[ \u202f]?(%|[^\W\d_]+(?:/[^\W\d_]+)?)?")


def numbers(text: str) -> list[tuple[float, str]]:
    """(value, unit) of every number after "≈", in order."""
    found = NUMBER.findall(text)
    return [(float(value.replace("−", "-").replace(",", "")), unit) for value, unit in found]


def skeleton(text: str) -> str:
    """The text without these numbers, and without the spaces that line them up."""
    bare = NUMBER.sub(lambda match: f"≈ # {match[2] or ''}", text)
    return re.sub(r" +", " ", bare)


def problem(new: str, stored: str, tolerance: dict) -> str:
    """Why a new text does not stand for the stored one; empty if it does."""
    if skeleton(new) != skeleton(stored):
        return "the text differs"
    for (value, unit), (wanted, _) in zip(numbers(new), numbers(stored), strict=True):
        allowed = tolerance.get(unit, tolerance.get("", 0))
        if allowed != "any" and not abs(value - wanted) <= float(allowed) + 1e-9:
            return f"{value:g} {unit} is further than {allowed} from the stored {wanted:g} {unit}"
    return ""


def _texts(output):
    """The places of an output that hold text for people: (container, key)."""
    if "text" in output:
        yield output, "text"
    for key in ("text/plain", "text/html"):
        if key in output.get("data", {}):
            yield output["data"], key


def settle(new: list, stored: list, tolerance: dict) -> list[str]:
    """Give outputs that stand for the stored ones their text; say what keeps the others apart."""
    told = []
    for one, other in zip(new, stored, strict=False):
        for (box, key), (kept, kept_key) in zip(_texts(one), _texts(other), strict=False):
            if all("<script>" in text and key == kept_key for text in (box[key], kept[kept_key])):
                box[key] = kept[key]
            elif key == kept_key and "≈" in kept[key] and box[key] != kept[key]:
                why = problem(box[key], kept[key], tolerance)
                if why:
                    told.append(why)
                else:
                    box[key] = kept[key]
    return told


def pytest_configure(config):
    try:
        from nbval import plugin
    except ImportError:  # the course's own tests run without nbval, too
        return
    if getattr(plugin.IPyNbCell.compare_outputs, "approximate", False):
        return
    compare, setup = plugin.IPyNbCell.compare_outputs, plugin.IPyNbFile.setup

    def compare_outputs(self, test, ref, skip_compare=None):
        test, ref = plugin.coalesce_streams(test), plugin.coalesce_streams(ref)
        told = settle(test, ref, self.cell.metadata.get("tolerance", {}))
        same = compare(self, test, ref, skip_compare)
        if not same:
            self.comparison_traceback += [f"{why}\n" for why in told]
        return same

    def without_recordings(self):
        with mock.patch.dict(os.environ):
            os.environ.pop("NMNIST_DIR", None)
            setup(self)

    compare_outputs.approximate = True
    plugin.IPyNbFile.setup = without_recordings
    plugin.IPyNbCell.compare_outputs = compare_outputs
