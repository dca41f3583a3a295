"""Widgets: labelled controls above a line of key numbers and a picture.

Core ipywidgets only. A control that changes calls the render function and replaces the value of
the same Image and HTML widgets, so nothing flickers. Sliders report when they are let go, and the
front end merges what happens meanwhile: no backlog. Every setting is rendered once and kept.
"""

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ipywidgets as ipw
import torch

from course_lab.picture import in_words

Render = Callable[[dict], tuple[bytes, str, str]]
KEPT = 256  # settings whose pictures are remembered


class Sweep(ipw.VBox):
    """Controls joined to ``render(values) -> (PNG, numbers, description)``.

    controls: {name: control}; their values, by name, are what ``render`` gets.

    plain:    maps the same values to the text that a notebook stores and that its validation
              compares; the numbers if not given. For numbers that differ between processors.

    A notebook that is not running shows the picture and this text, of the first setting.
    """

    def __init__(
        self,
        render: Render,
        controls: dict[str, ipw.Widget],
        plain: Callable[[dict], str] | None = None,
    ):
        self.render, self.plain, self._kept = render, plain, {}
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
        data, numbers, alt = self._rendered()
        self.picture.value = data
        # Not the picture's tooltip: ipywidgets 8.1 cannot show an Image that has one.
        self.words.value = in_words(alt)
        # A screen reader speaks the new numbers ("status" is polite: it waits for a pause).
        self.numbers.value = f'<p role="status">{html.escape(numbers)}</p>'

    def _rendered(self) -> tuple[bytes, str, str]:
        key = tuple(self.values().items())
        if key not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self.render(self.values())
        return self._kept[key]

    def _repr_mimebundle_(self, **options):
        bundle = super()._repr_mimebundle_(**options)
        data, numbers, alt = self._rendered()
        stored = self.plain(self.values()) if self.plain else numbers
        bundle.update({"image/png": data, "text/plain": stored})
        return bundle, {"image/png": {"alt": alt}}


def look(label: str) -> dict:
    """What all controls share: a label that states symbol and unit, and one width."""
    layout = ipw.Layout(width="34em", max_width="100%")
    return {"description": label, "style": {"description_width": "15em"}, "layout": layout}


def slider(kind, label, value, low, high, step, form=None):
    """A slider which reports when it is let go."""
    options = {} if form is None else {"readout_format": form}
    return kind(value=value, min=low, max=high, step=step, continuous_update=False,
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
