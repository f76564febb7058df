"""Every public result prints as text, HTML and Markdown, and is plain data, CSV, a data frame and a citation."""

import copy
import csv
import inspect
import io
import json
import pickle
import re
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import walk_packages

import pytest

import costmodel as cm
from costmodel.estimation.chain import OUTPUTS
from costmodel.estimation.serving.figures import FIGURES
from costmodel.foundation.rendering import LINES, WIDTH, RowTable, Shown

spec = spec_from_file_location("results", Path(__file__).with_name("results.py"))
results = module_from_spec(spec)
spec.loader.exec_module(results)
RESULTS, result = results.RESULTS, results.result

PLOTTED = {name: plot for name, (_, plot) in RESULTS.items() if plot}
MAPPED = {
    "Estimate": lambda name: (result(name), {}),
    "Total": lambda name: ({"both": result(name)}, {"name": "cost"}),
    "Comparison": lambda name: (result(name).estimates, {"name": "cost"}),
    "Sweep": lambda name: (result(name), {"name": "cost"}),
    "StepTime": lambda name: ({"planned": result(name)}, {}),
    "RentalOutlook": lambda name: ([result(name)], {}),
}
"""Arguments of the plots that take several results, or the name of a figure."""
QUANTITIES = {*OUTPUTS, *FIGURES} & {
    "flops", "gpu_hours", "wall_time", "energy", "carbon", "market_carbon", "embodied_carbon", "water", "cost",
    "electricity_cost", "ttft", "tpot", "energy_per_token",
}  # fmt: skip
"""Names of figures with a unit."""


class Outline(HTMLParser):
    """Counts the elements of a page, and fails on one that is not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.counted = [], {}

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.counted[tag] = self.counted.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", RESULTS)
def test_rows_are_plain_numbers_and_text(name):
    rows = result(name).rows()
    assert rows
    for row in rows:
        for key, value in row.items():
            assert isinstance(key, str)
            assert not hasattr(value, "magnitude"), f"{key} of the rows is a quantity; give a number and a unit"


@pytest.mark.parametrize("name", RESULTS)
def test_plain_data_is_json(name):
    data = result(name).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) is not None


@pytest.mark.parametrize("name", RESULTS)
def test_pickled_and_copied_results_are_equal(name):
    for other in (pickle.loads(pickle.dumps(result(name))), copy.deepcopy(result(name))):
        assert type(other) is type(result(name))
        assert other == result(name)
        assert str(other) == str(result(name))


def test_other_results_are_not_equal():
    assert result("Estimate") != results.run("llama-2-7b")
    assert result("StepTime") != results.steps(cm.Layout(data=4, tensor=2))
    assert result("several StepTimes") != results.steps(cm.Layout(data=8), cm.Layout(data=2, tensor=4))
    assert result("PublishedRuns") != result("PublishedRuns")[1:]
    assert len({results.run(), results.run("llama-2-7b"), pickle.loads(pickle.dumps(results.run()))}) == 2


@pytest.mark.parametrize("name", RESULTS)
def test_csv_has_a_line_for_each_row(name, tmp_path):
    text = result(name).to_csv()
    listed = list(csv.DictReader(io.StringIO(text)))
    assert len(listed) >= len(result(name).rows())
    result(name).to_csv(tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", RESULTS)
def test_the_data_frame_has_a_row_for_each_row(name):
    pytest.importorskip("pandas")
    assert len(result(name).to_frame()) == len(result(name).rows())


@pytest.mark.parametrize("name", RESULTS)
def test_text_and_markdown_are_readable(name):
    text, brief, table = str(result(name)), repr(result(name)), result(name).to_markdown()
    assert "object at 0x" not in text
    assert not re.match(r"\w+\(\w+=", brief), "the repr is that of a record, not a table"
    assert len(brief.splitlines()) <= LINES
    assert not [line for line in brief.splitlines() if len(line) > WIDTH and "://" not in line]
    assert table.startswith(("|", "#"))


@pytest.mark.parametrize("name", RESULTS)
def test_html_is_well_formed_and_notes_are_a_list(name):
    page = Outline()
    page.feed(result(name)._repr_html_())
    assert not page.open
    assert page.counted.get("table") or page.counted.get("p")
    if page.counted.get("table") and result(name)._footer():
        assert page.counted.get("li")


@pytest.mark.parametrize("name", RESULTS)
def test_cites_the_library_and_its_sources(name):
    text = result(name).cite()
    assert text.startswith("costmodel ")
    for source in result(name).sources():
        assert source.text in text
    assert result(name).cite("bibtex").startswith("@misc{costmodel_")


@pytest.mark.parametrize("name", RESULTS)
def test_figures_with_a_unit_are_quantities(name):
    shown = type(result(name))
    for figure in QUANTITIES:
        if isinstance(inspect.getattr_static(shown, figure, None), property):
            value = getattr(result(name), figure)
            assert not isinstance(value, (int, float)), f"{shown.__name__}.{figure} must be a quantity"


@pytest.mark.parametrize("name", PLOTTED)
def test_the_named_plot_draws_it_with_a_title_and_units(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    drawn, options = MAPPED.get(name, lambda name: (result(name), {}))(name)
    axes = getattr(cm.plot, PLOTTED[name])(drawn, **options)
    assert axes.has_data() or axes.patches
    pyplot.close("all")


def public_results():
    """Return the classes that print as tables, below `Shown`."""
    for module in walk_packages(cm.__path__, "costmodel."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found, queue = set(), [Shown]
    while queue:
        for each in queue.pop().__subclasses__():
            found.add(each)
            queue.append(each)
    return {each for each in found if each.__module__.startswith("costmodel.")}


def test_every_class_that_prints_is_tested():
    covered = {each for name in RESULTS for each in type(result(name)).__mro__}
    laws = {each.__qualname__ for each in public_results() if "scaling.laws" in each.__module__}
    names = {each.__qualname__ for each in covered}
    assert not {each.__qualname__ for each in public_results()} - names - laws


def test_a_list_of_rows_is_a_list_and_a_table():
    rows = RowTable([{"a": 1.0, "source": "x"}], "title", "a")
    assert rows == [{"a": 1.0, "source": "x"}] and rows == RowTable([{"a": 1.0, "source": "x"}])
    assert rows != RowTable([{"a": 2.0, "source": "x"}], "title", "a")
    assert str(rows).splitlines()[0] == "title"
    assert {source.text for source in rows.sources()} == {"x"}


def test_a_long_table_is_cut_in_its_repr():
    rows = RowTable([{"a": number} for number in range(500)])
    assert len(repr(rows).splitlines()) == LINES
    assert "more lines; print() shows all" in repr(rows)
    assert len(str(rows).splitlines()) == 502


def test_html_is_escaped():
    page = RowTable([{"a": "<b>"}], "<i>")._repr_html_()
    assert "<b>" not in page
    assert "<i>" not in page
