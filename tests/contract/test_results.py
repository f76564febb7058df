"""Every public result prints as text, HTML and Markdown, and is plain data, CSV, a data frame and a citation."""

import contextlib
import copy
import csv
import dataclasses
import inspect
import io
import json
import math
import pickle
import re
import sys
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import walk_packages

import pytest

import costmodel as cm
from costmodel.estimation.serving.figures import Deployment
from costmodel.forecasting.pace import Pace
from costmodel.foundation.rendering import LINES, WIDTH, RowTable, Shown
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure

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
UNIT_IN_NAME = re.compile(r"(^|_)(usd|seconds|hours|days|months|years|gib|bytes|per_month|per_second)(_|$)")
"""Part of the name of a plain number that says its unit."""
SI_RECORDS = (Deployment, Figure, Pace)
"""Records of the models inside a result: plain numbers in the SI unit of their description."""
WITHOUT_UNIT = {
    "aic", "batch", "break_even_utilization", "condition", "confidence", "decline", "fit_probability", "floor",
    "goodput", "hfu", "lasting", "level", "loss", "mfu", "objective", "output_share", "parameters", "precisions",
    "probability", "probability_own", "quality_loss", "ratio", "reached", "scatter", "sizes_within_cost",
    "sizes_within_loss", "spread", "target_probability", "tokens", "tokens_per_parameter", "walk", "yearly",
}  # fmt: skip
"""Attributes that are counts or have no unit: shares, probabilities, ratios, and numbers of tokens and parameters."""
INPUTS = {
    "FittedTrend": {"dates", "values", "level"},  # in the unit of the data that were fitted
    "HoffmannLaw": {"A", "B", "E", "alpha", "beta", "parameter_exponent"},  # coefficients of a law
    "Solution": {"value"},  # in the unit of the field of the scenario
    "Trend": {"doubles_in"},  # a field
}
"""Attributes that are inputs: fields of specifications are plain numbers in the unit of their description."""


class Outline(HTMLParser):
    """Counts the elements of a page, and fails on one that is not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.counted, self.listed = [], {}, []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.counted[tag] = self.counted.get(tag, 0) + 1
        if tag == "li":
            self.listed.append("")

    def handle_data(self, data):
        if self.open and self.open[-1] == "li":
            self.listed[-1] += data

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
        assert page.listed == result(name)._footer().splitlines()


@pytest.mark.parametrize("name", ["ServingEstimate", "ServingSizes", "Forecast", "BudgetForecast", "GHGReport"])
def test_notes_are_whole_and_the_text_wraps_them(name):
    assert max(map(len, result(name)._footer().splitlines())) > WIDTH
    assert max(map(len, str(result(name)).splitlines()[-4:])) <= WIDTH


@pytest.mark.parametrize("name", RESULTS)
def test_cites_the_library_and_its_sources(name):
    text = result(name).cite()
    assert text.startswith("costmodel ")
    for source in result(name).sources():
        assert source.text in text
    assert result(name).cite("bibtex").startswith("@misc{costmodel_")


@pytest.mark.parametrize("name", RESULTS)
def test_figures_with_a_unit_are_quantities(name):
    bare = {path for path, value in numbers_of(result(name)) if is_bare(path, value)}
    bare -= WITHOUT_UNIT | INPUTS.get(type(result(name)).__name__, set())
    assert not bare, f"give quantities, or names that say the unit: {sorted(bare)}"


def numbers_of(shown):
    """Yield the numbers of a result by attribute, also those of the named tuples that it has."""
    for name, value in public_attributes(shown):
        if type(value) in SI_RECORDS:
            continue
        fields = value._asdict() if hasattr(value, "_asdict") else {name: value}
        for field, inner in fields.items():
            for part in inner if isinstance(inner, (tuple, list)) else (inner,):
                yield field, part


def public_attributes(shown):
    """Yield the public attributes of a result and their values; those that are not known are left out."""
    names = {name for name in dir(type(shown)) if isinstance(inspect.getattr_static(type(shown), name), property)}
    fields = {each.name for each in dataclasses.fields(shown)} if dataclasses.is_dataclass(shown) else set()
    for name in sorted(names | fields | set(getattr(shown, "__dict__", {}))):
        with contextlib.suppress(cm.CostModelError):
            if not name.startswith("_"):
                yield name, getattr(shown, name)


def is_bare(name, value):
    """Return whether a number is a float whose name does not say its unit."""
    return isinstance(value, float) and not UNIT_IN_NAME.search(name)


@pytest.mark.parametrize(("name", "value", "bare"), [
    ("wall_time", 3.0, True), ("usd_per_month", 3.0, False), ("count", 3, False),
])  # fmt: skip
def test_a_float_is_bare_if_its_name_has_no_unit(name, value, bare):
    assert is_bare(name, value) == bare


@pytest.mark.parametrize("name", RESULTS)
def test_html_of_hostile_texts_is_escaped(name, monkeypatch):
    shown = type(result(name))
    hostile = "<script>alert(1)</script>"
    monkeypatch.setattr(shown, "_footer", lambda *_: f"{hostile}\nsecond & third")
    monkeypatch.setattr(shown, "_title", lambda *_: hostile)
    assert "<script>" not in result(name)._repr_html_()


@pytest.mark.parametrize("name", RESULTS)
def test_a_workbook_has_the_rows_as_numbers_and_the_notes(name, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    result(name).to_xlsx(tmp_path / "result.xlsx")
    book = openpyxl.load_workbook(tmp_path / "result.xlsx")
    if isinstance(result(name), cm.Budget):
        assert len(book.sheetnames) > 2  # a workbook of its own, with formulas
        return
    lines = [[cell.value for cell in line] for line in book["Rows"].iter_rows()]
    rows = result(name).rows()
    header = next(place for place, line in enumerate(lines) if line[: len(rows[0])] == list(rows[0]))
    assert len(lines) - header - 1 == len(rows)
    for line, row in zip(lines[header + 1 :], rows, strict=True):
        for found, value in zip(line, row.values(), strict=False):
            if isinstance(value, float) and math.isfinite(value):
                assert found == pytest.approx(value)
    notes = {cell.value for line in book["Notes"].iter_rows() for cell in line}
    assert {line for line in result(name)._footer().splitlines() if line} <= notes


def test_a_workbook_without_openpyxl_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(cm.MissingFactError, match="to_xlsx needs openpyxl: pip install"):
        result("Estimate").to_xlsx(tmp_path / "run.xlsx")


def test_the_directory_of_plots_has_the_plots_only():
    assert dir(cm.plot) == sorted(cm.plot.__all__)
    assert all(callable(getattr(cm.plot, name)) for name in dir(cm.plot) if name != "COLORS")


@pytest.mark.parametrize("name", PLOTTED)
def test_the_named_plot_draws_it_with_a_title_and_units(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    drawn, options = MAPPED.get(name, lambda name: (result(name), {}))(name)
    axes = getattr(cm.plot, PLOTTED[name])(drawn, **options)
    assert axes.has_data() or axes.patches
    pyplot.close("all")


def test_every_result_has_a_plot_or_a_reason_why_not():
    assert {name for name, (_, plot) in RESULTS.items() if plot is None} == set(results.WITHOUT_PLOT)
    named = set(re.findall(r"`cm\.plot\.(\w+)`", " ".join(results.WITHOUT_PLOT.values())))
    assert named <= set(dir(cm.plot))
    assert {plot for _, plot in RESULTS.values() if plot} <= set(dir(cm.plot))


def test_every_public_function_returns_a_result_a_specification_or_a_record_with_a_reason():
    shown = {each.__name__ for each in public_results()}
    specs, queue = set(), [Spec]
    while queue:
        queue += (more := queue.pop().__subclasses__())
        specs |= {each.__name__ for each in more}
    others = set()
    for name in cm.__all__:
        function = getattr(cm, name)
        if inspect.isfunction(function):
            returned = inspect.signature(function).return_annotation
            text = returned if isinstance(returned, str) else getattr(returned, "__name__", str(returned))
            returned = text.partition("[")[0] if "list" not in text else text
            if not {each.split(".")[-1].strip() for each in returned.split("|")} <= shown | specs:
                others.add(name)
    assert others == set(results.RECORDS)


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
