"""Pictures that everyone can read: PNG, caption, and a description in words; and moving ones.

A picture in a notebook is an ``image/png`` output whose metadata carry the alternative text, which
nbconvert and nbviewer put on the image. JupyterLab drops it, so the description also stands below
the picture as text, folded away.
"""

import base64
import hashlib
import html
import json
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from course_lab import lesson
from course_lib.run.figures import new_figure, png

__all__ = ["Caption", "Moving", "Picture", "in_words", "moving", "new_figure", "png", "show"]

STAGE = Path(__file__).with_name("stage.js")


def shown_width(data: bytes) -> int:
    """Pixels of a page that a PNG of ours takes: half its own, since it is drawn twice as fine."""
    return int.from_bytes(data[16:20], "big") // 2


def in_words(alt: str) -> str:
    """HTML of a description that is folded away until the reader asks for it."""
    return f"<details><summary>This picture in words</summary>{html.escape(alt)}</details>"


@dataclass(frozen=True)
class Picture:
    """PNG bytes with alternative text, as Jupyter displays them."""

    data: bytes
    alt: str

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"image/png": self.data, "text/plain": "[picture]"}
        return bundle, {"image/png": {"alt": self.alt, "width": shown_width(self.data)}}


@dataclass(frozen=True)
class Caption:
    """A caption and the description of a picture in words, folded away until asked for."""

    text: str
    alt: str

    def _repr_mimebundle_(self, include=None, exclude=None):
        page = f"<p><em>{html.escape(self.text)}</em></p>{in_words(self.alt)}"
        return {"text/html": page, "text/plain": self.text}


def show(figure: Figure, caption: str, alt: str | None = None) -> None:
    """Display a figure with its caption and its description in words, and close it.

    alt: the description; without it, that of the lesson's file in ``descriptions/``, found by the
    number in the caption ("Figure 3. …"), so that the code does not tell what the picture shows.
    Raises ValueError if there is none: a picture without words shuts readers out.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    alt = lesson.description(caption) if alt is None else alt
    if not caption.strip() or not alt.strip():
        raise ValueError("a figure needs a caption and a description in words (alt)")
    alt = " ".join(alt.split())
    display(Picture(png(figure), alt), Caption(caption, alt))
    plt.close(figure)  # or the notebook would show it a second time, without words


@dataclass(frozen=True)
class Moving:
    """A picture that moves without the kernel, as Jupyter displays it."""

    page: str
    alt: str

    @property
    def text(self) -> str:
        """What stands in its place where only text does."""
        return f"[moving picture] {self.alt}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.page, "text/plain": self.text}


def moving(script: Path, data: dict, still: bytes, alt: str) -> Moving:
    """What the function ``NAME(box, data)`` of the script NAME.js draws, on the stage of stage.js.

    The page has everything in it. A still stands there until the script runs, and where none may
    run: on the web, say.
    """
    text = json.dumps(data, separators=(",", ":"))
    name = f"{script.stem}-" + hashlib.sha256(text.encode()).hexdigest()[:10]
    shown = base64.b64encode(still).decode()
    code = "".join(path.read_text(encoding="utf-8") for path in (STAGE, script))
    return Moving(
        f'<div id="{name}" role="group" aria-label="moving picture">'
        f'<img alt="{html.escape(alt)}" style="max-width:100%" '
        f'src="data:image/png;base64,{shown}"></div>'
        f"{in_words(alt)}<script>(() => {{ {code}\n"
        f'{script.stem}(document.getElementById("{name}"), {text}); }})();</script>',
        alt,
    )
