"""The code of each picture of the documentation draws a plot with a title and labels."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURE = re.compile(r"```\{picture\} ([\w-]+)\n((?::[^\n]*\n)+)\n(.*?)\n```", re.DOTALL)
PICTURES = [found for page in ("index.md", "gallery.md") for found in PICTURE.findall((DOCS / page).read_text("utf-8"))]


def _plotted():
    spec = importlib.util.spec_from_file_location("plotted", DOCS / "_ext" / "plotted.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plotted


def test_names_of_pictures_are_unique():
    names = [name for name, _, _ in PICTURES]
    assert names and sorted(names) == sorted(set(names))


@pytest.mark.parametrize(("name", "options", "code"), PICTURES, ids=[name for name, _, _ in PICTURES])
def test_code_of_a_picture_draws_a_titled_plot(name, options, code, monkeypatch):
    from matplotlib import pyplot

    monkeypatch.chdir(DOCS.parent)
    figure = _plotted()(code)
    assert ":alt: " in options
    assert figure.get_suptitle() or ":hide-code:" in options  # the text beside a plot without code says what it shows
    assert all(axes.get_xlabel() for axes in figure.axes)
    pyplot.close(figure)


def test_a_picture_ends_with_a_plot():
    with pytest.raises(ValueError, match="the last line of a picture must be a plot; got x = 1"):
        _plotted()("x = 1")
