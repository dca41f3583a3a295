"""What the tests of studies share."""

import pytest
from matplotlib.figure import Figure

SAVEFIG = Figure.savefig


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made, but not drawn: a PNG and an SVG take longer than a small study."""
    monkeypatch.setattr(Figure, "savefig", lambda self, stream, **_: stream.write(b"not drawn"))


@pytest.fixture
def drawn(undrawn, monkeypatch):
    """They are, after all."""
    monkeypatch.setattr(Figure, "savefig", SAVEFIG)
