"""Widgets: labelled controls above a line of key numbers and a picture.

Core ipywidgets only. A control that changes calls the render function and replaces the value of
the same Image and HTML widgets, so nothing flickers. What takes long says so at once and hides the
picture of before, so that old numbers never stand beside a new position. The front end merges what
happens meanwhile: no backlog. Every setting is rendered once and kept.
"""

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ipywidgets as ipw
import torch

from course_lab.picture import in_words, shown_width

Render = Callable[[dict], tuple[bytes, str, str]]
WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT = 256  # settings whose pictures are remembered


class Pictured(ipw.VBox):
    """A widget whose notebook shows a picture and a line of text while it is not running.

    A subclass says by ``stored()`` which: (PNG, text, description). Nothing of it is ipywidgets'
    own way, which differs between its versions 7 (Colab's) and 8.
    """

    _ipython_display_ = None  # by which version 7 would show itself, without a picture

    def _repr_mimebundle_(self, **options):
        data, text, alt = self.stored()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"text/plain": text, "image/png": data, WIDGET: view}, {"image/png": {"alt": alt}}


class Sweep(Pictured):
    """Controls joined to ``render(values) -> (PNG, numbers, description)``.

    controls: {name: control}; their values, by name, are what ``render`` gets.

    plain:    maps the same values to the text that a notebook stores and that its validation
              compares; the numbers if not given. For numbers that differ between processors.
    measure:  values -> (name of a row, x, y), for a sweep that leaves dots: every setting that was
              visited stays in the picture. ``render(values, visited)`` gets them then, a list of
              such triples, the newest last.
    seconds:  about how long a new setting takes, if that is worth telling.

    A notebook that is not running shows the picture and this text, of the first setting.
    """

    def __init__(
        self,
        render: Render,
        controls: dict[str, ipw.Widget],
        plain: Callable[[dict], str] | None = None,
        measure: Callable[[dict], tuple[str, float, float]] | None = None,
        seconds: float = 0,
    ):
        self.render, self.plain, self._kept = render, plain, {}
        self.measure, self.seconds, self.visited = measure, seconds, []
        self.controls = dict(controls)
        self.picture = ipw.Image(format="png", layout=ipw.Layout(max_width="100%"))
        self.numbers, self.words = ipw.HTML(), ipw.HTML()
        controls = ipw.VBox(list(self.controls.values()))
        super().__init__([controls, self.numbers, self.picture, self.words])
        for control in self.controls.values():
            control.observe(self._update, names="value")
        self._update()

    def values(self) -> dict:
        """The setting of every control."""
        return {name: control.value for name, control in self.controls.items()}

    def _update(self, change=None) -> None:
        if self.seconds and self._key() not in self._kept:
            self.numbers.value = (
                f'<p role="status">computing … (about {self.seconds:g} s)</p>'
            )
            self.picture.layout.visibility = "hidden"
        data, numbers, alt = self._rendered()
        self.picture.value = data
        self.picture.layout.width = f"{shown_width(data)}px"
        self.picture.layout.visibility = "visible"
        # Not the picture's tooltip: ipywidgets 8.1 cannot show an Image that has one.
        self.words.value = in_words(alt)
        # A screen reader speaks the new numbers ("status" is polite: it waits for a pause).
        self.numbers.value = f'<p role="status">{html.escape(numbers)}</p>'

    def _key(self) -> tuple:
        """The setting, as something to look up."""
        return tuple(self.values().items())

    def _rendered(self) -> tuple[bytes, str, str]:
        key, values = self._key(), self.values()
        if self.measure:  # the picture changes with every dot; what was measured is kept
            if key not in self._kept:
                self._keep(key, self.measure(values))
            dot = self._kept[key]
            self.visited = [other for other in self.visited if other != dot] + [dot]
            return self.render(values, list(self.visited))
        if key not in self._kept:
            self._keep(key, self.render(values))
        return self._kept[key]

    def _keep(self, key: tuple, value) -> None:
        if len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = value

    def stored(self) -> tuple[bytes, str, str]:
        data, numbers, alt = self._rendered()
        return data, self.plain(self.values()) if self.plain else numbers, alt


def look(label: str) -> dict:
    """What all controls share: a label that states symbol and unit, and one width."""
    layout = ipw.Layout(width="34em", max_width="100%")
    return {"description": label, "style": {"description_width": "15em"}, "layout": layout}


def slider(kind, label, value, low, high, step, form=None, live=False):
    """A slider which reports when it is let go; live: while it is dragged, for cheap pictures."""
    options = {} if form is None else {"readout_format": form}
    return kind(value=value, min=low, max=high, step=step, continuous_update=live,
                **look(label), **options)  # fmt: skip


def log_slider(label, value, low, high, step, form=".3g"):
    """A slider of powers of ten, from 10**low to 10**high, otherwise as ``slider``."""
    return slider(ipw.FloatLogSlider, label, value, low, high, step, form)


def choice(label, options, value=None):
    """A menu of (text, value) pairs; its first pair is the default unless a value is given."""
    return ipw.Dropdown(options=options, value=options[0][1] if value is None else value,
                        **look(label))  # fmt: skip


def methods_menu(names) -> list[tuple[str, str]]:
    """Labels and names of training methods, for ``choice``."""
    from course_lib.estimators import METHODS  # all methods' files: not for every widget

    return [(METHODS[name].label, name) for name in names]


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread within the block: small matrices wait longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def plural(count: int, noun: str) -> str:
    """ "1 frame", "2 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
