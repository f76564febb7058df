"""What holds for every plot: it is closed after its test, and shows nothing."""

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


@pytest.fixture(autouse=True)
def _no_show(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a plot called show")

    monkeypatch.setattr(pyplot, "show", fail)
    monkeypatch.setattr(matplotlib.figure.Figure, "show", fail)
