"""The reference page of the Python interface lists every public name once, and each has an example that runs."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

import costmodel as cm

PARSER = doctest.DocTestParser()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"


def test_every_public_name_has_one_entry():
    listed = re.findall(r"^   (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(set(cm.__all__) - {"__version__"})


def entries():
    """Yield the name and the object of each entry of the reference: public names, and the functions of `cm.plot`."""
    for name in sorted(set(cm.__all__) - {"__version__", "plot"}):
        yield name, getattr(cm, name)
    for name in sorted(set(cm.plot.__all__) - {"COLORS"}):
        yield f"plot.{name}", getattr(cm.plot, name)


ENTRIES = dict(entries())


def examples(docstring):
    """Return the examples of a docstring that the doctests run."""
    return [each for each in PARSER.get_examples(docstring) if not each.options.get(doctest.SKIP)]


@pytest.mark.parametrize("name", ENTRIES)
def test_each_entry_has_an_example(name):
    entry = ENTRIES[name]
    text = inspect.getdoc(entry) or ""
    code = "".join(each.source for each in examples(text))
    assert "\nExamples\n--------\n" in text and code
    if inspect.isfunction(entry):  # a result is made by a function
        assert f"{entry.__name__}(" in code


def test_skipped_examples_do_not_count():
    assert len(examples(">>> 1 + 1\n2\n")) == 1
    assert not examples(">>> 1 + 1  # doctest: +SKIP\n")
