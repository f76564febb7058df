"""CSV, Markdown and HTML exports: sums to the cent, self-contained pages, escaped names."""

import csv
import io
import math
import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from costmodel.budget.export.document import csv_text, html_page, markdown
from costmodel.budget.export.drawing import draw_calendar, draw_drivers, draw_groups, draw_total
from costmodel.budget.lines import Driver, Line
from costmodel.foundation.plain_data import inert


class Page(HTMLParser):
    """Collects tags, attributes, and the cells of tables."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.ids, self.rows, self.text = [], [], [], [], ""
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self.inside = False

    def handle_data(self, data):
        self.text += data
        if self.inside:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def page(fixed):
    return html_page(fixed)


def table_rows(text):
    return [
        [cell.strip().strip("*") for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def test_csv_has_a_row_for_each_line_with_all_fields_and_adds_up_to_the_cent(fixed):
    *rows, base, total = csv.DictReader(io.StringIO(csv_text(fixed)))
    assert list(total) == list(Line._fields)
    assert [row["name"] for row in rows] == [line.name for line in fixed.lines]
    for column in ("base", "expected"):
        assert sum(Decimal(row[column]) for row in rows[:-1]) == Decimal(base[column])
    assert sum(Decimal(row["base"]) for row in rows) == Decimal(total["base"])
    assert total["base"] == f"{fixed.total.magnitude:.2f}"
    assert (base["low"], base["high"]) == (f"{fixed.p10:.2f}", f"{fixed.p90:.2f}")
    assert rows[-1]["low"] == rows[-1]["high"] == total["low"] == ""  # a reserve has no quantiles
    assert total["unit"] == "USD of 2026"
    assert total["actual"] == "131140.55"
    assert float(rows[5]["unit_price"]) == 0.0000025
    assert rows[0]["actual"] == "61240.55"
    assert rows[1]["actual"] == ""
    for row in rows:
        assert float(row["quantity"]) * float(row["unit_price"]) == pytest.approx(float(row["base"]), abs=0.0051)


def test_csv_texts_are_never_formulas(hostile):
    rows = list(csv.DictReader(io.StringIO(csv_text(hostile))))
    assert [row["name"] for row in rows[:6]] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\n=1"]
    for row in rows:
        assert all(
            inert(row[column]) == row[column]
            for column in ("name", "group", "unit", "source", "as_of", "owner", "note")
        )


def test_numbers_of_numpy_are_written_as_numbers(fixed):
    numpy = pytest.importorskip("numpy")
    first = fixed.lines[0]._replace(quantity=numpy.float64(18_432.0))
    assert csv_text(fixed.replace(lines=(first, *fixed.lines[1:]))) == csv_text(fixed)


def test_markdown_has_every_table_and_its_lines_add_up(fixed):
    text = markdown(fixed)
    for title in (
        "Cost lines",
        "Probability of staying within",
        "Quantiles of the cost",
        "Drivers of the interval",
        "Calendar",
        "Accelerators in use",
        "Actual against budget",
        "Assumptions",
        "Sources and owners of the lines",
    ):
        assert f"\n## {title}\n" in text
    bases = {row[0]: row[5] for row in reversed(table_rows(text)) if len(row) == 8}
    lines = [float(bases[line.name].replace(",", "")) for line in fixed.lines]
    assert math.fsum(lines) == pytest.approx(fixed.total.magnitude, abs=1e-6)
    assert (bases["Base"], bases["Total"]) == (f"{fixed.base:,.2f}", f"{fixed.total.magnitude:,.2f}")
    assert bases["Compute"] == "77,012.10"
    assert "| 0.0000025 |" in text
    assert "Budget in US dollars of 2026" in text
    assert "costmodel 0.1.0, data 0123456789ab, seed 0" in text


def test_names_do_not_break_markdown_tables(hostile):
    rows = [line for line in markdown(hostile).splitlines() if line.startswith("| ")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in rows}
    assert widths <= {3, 4, 5, 6, 7, 8, 9}
    assert "<script" not in markdown(hostile)


def test_the_html_page_is_self_contained_without_scripts(page):
    text, page = page, Page(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert "http:" not in text
    assert "https:" not in text
    assert not re.search(r"url\((?!#)|@import", text)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.tags.count("svg") == 4


def test_ids_of_the_plots_are_unique_and_found(page):
    text, page = page, Page(page)
    assert len(page.ids) == len(set(page.ids))
    named = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    assert named
    assert {one or other for one, other in named} <= set(page.ids)


def test_names_are_escaped_in_html(hostile):
    text = html_page(hostile)
    page = Page(text)
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert('x')</script>" in page.text
    assert "a|b `c` $\\frac$ & $x$" in page.text
    assert '"quoted, with comma" onload="x"' in page.text


def test_the_lines_of_the_page_add_up(fixed, page):
    rows = {row[0]: row for row in reversed(Page(page).rows) if len(row) == 8}
    bases = [float(rows[line.name][5].replace(",", "")) for line in fixed.lines]
    assert math.fsum(bases) == pytest.approx(fixed.total.magnitude, abs=1e-6)
    assert rows["Base"][4:] == [f"{value:,.2f}" for value in (fixed.p10, fixed.base, fixed.p90, fixed.expected)]
    assert rows["Total"][4:] == ["", f"{fixed.total.magnitude:,.2f}", "", ""]
    assert rows["Contingency"][4:] == ["", f"{fixed.contingency:,.2f}", "", ""]
    assert rows["Contingency"][1:4] == ["232,079.77", "USD", "10 %"]


def test_actuals_are_shown_only_if_there_are_some(fixed, page):
    unpaid = fixed.replace(lines=tuple(line._replace(actual=None) for line in fixed.lines))
    for text, without in ((page, html_page(unpaid)), (markdown(fixed), markdown(unpaid))):
        assert "Actual against budget" in text
        assert "Actual against budget" not in without
    rows = Page(page).rows
    rows = {row[0]: row for row in rows[rows.index(["Line", "Budget", "Actual", "Difference", "Spent"]) :][:5]}
    assert rows["Engineers"] == ["Engineers", "106,600.00", "48,000.00", "-58,600.00", "45 %"]
    assert rows["Total of these lines"][3] == "-53,466.07"


def test_lines_not_yet_paid_are_left_out_of_the_comparison(fixed, monkeypatch):
    paid = fixed.against_actuals()
    unpaid = [{"line": "Later", "budget": 1.0, "actual": None, "difference": None}]
    monkeypatch.setattr(type(fixed), "against_actuals", lambda self: paid + unpaid)
    assert "| Later |" not in markdown(fixed)


def test_the_calendar_shows_days_without_a_start_date(fixed):
    assert "2026-11-23" in markdown(fixed)
    bare = markdown(fixed.replace(start=None))
    assert "2026-11-23" not in bare
    assert "day 21" in bare


def test_a_budget_of_zero_has_documents(fixed):
    none = fixed.lines[-1]._replace(quantity=0.0, low=0.0, base=0.0, high=0.0, expected=0.0)
    empty = fixed.replace(lines=(none,), schedule=(), found=(), assumptions=(), remarks=())
    assert Page(html_page(empty)).tags.count("svg") == 2
    assert "nan" not in html_page(empty).lower()
    assert markdown(empty).count("## ") == 3
    assert csv_text(empty).count("\n") == 4


def test_the_same_budget_gives_the_same_text(fixed):
    for export in (csv_text, markdown):
        assert export(fixed) == export(fixed)


def test_the_html_page_does_not_depend_on_matplotlib_settings(fixed, page):
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert html_page(fixed) == page
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("draw", [draw_groups, draw_total, draw_drivers, draw_calendar])
def test_no_two_labels_of_a_plot_overlap(draw, fixed):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = draw(fixed, figure.subplots())
    figure.draw_without_rendering()
    ticks = [
        tick.label1
        for axis, (least, most) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
        for tick in axis.get_major_ticks()
        if least <= tick.get_loc() <= most
    ]
    labels = [text for text in (*axes.texts, *ticks, axes.xaxis.label) if text.get_text()]
    boxes = [text.get_window_extent() for text in labels]
    assert len(boxes) > 4
    for index, box in enumerate(boxes):
        for other, label in zip(boxes[:index], labels, strict=False):
            overlap = min(box.x1, other.x1) - max(box.x0, other.x0), min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(overlap) < 1, (labels[index].get_text(), label.get_text())
        assert box.x0 > -1
        assert box.x1 < figure.bbox.x1 + 1


def test_units_of_the_axes_follow_the_size(fixed):
    from matplotlib.figure import Figure

    large = fixed.replace(
        lines=tuple(
            line._replace(**{column: 100 * getattr(line, column) for column in ("low", "base", "high")})
            for line in fixed.lines
        )
    )
    labels = [draw_groups(budget, Figure().subplots()).get_xlabel() for budget in (fixed, large)]
    assert [label.split(";")[0] for label in labels] == ["cost [k$]", "cost [M$]"]


@pytest.mark.parametrize(
    ("base", "unit", "drawn"), [(1.1e9, "B$", 1.1), (1.2e6, "M$", 1.2), (1.1e3, "k$", 1.1), (1.1, "USD", 1.1)]
)
def test_amounts_are_drawn_in_the_largest_unit_below_them(fixed, base, unit, drawn):
    from matplotlib.figure import Figure

    drivers = (Driver("price", 0.9 * base, 1.2 * base, 1.0),)
    only = fixed.lines[0]._replace(low=base, base=base, high=base)
    none = fixed.lines[-1]._replace(quantity=base, base=0.0)
    axes = draw_drivers(fixed.replace(lines=(only, none), found=drivers), Figure().subplots())
    assert axes.get_xlabel().startswith(f"cost [{unit}]")
    assert axes.patches[0].get_x() == pytest.approx(drawn, rel=0.01)


def test_the_ten_widest_drivers_are_drawn(fixed):
    from matplotlib.figure import Figure

    drivers = tuple(Driver(f"input {share}", 0.9 * fixed.base, 1.1 * fixed.base, share / 78) for share in range(1, 13))
    axes = draw_drivers(fixed.replace(found=drivers), Figure().subplots())
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"input {share}" for share in range(3, 13)]


def test_quantiles_of_the_total_are_listed_from_5_to_95_percent(fixed):
    listed = re.findall(r"([\d.]+) % probability that the lines cost at most this", markdown(fixed))
    assert listed == ["5", "10", "25", "50", "75", "90", "95"]
