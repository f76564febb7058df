"""Printing of numbers and tables: scales, units, and escaped cells."""

import html
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.foundation.markup import html_table, markdown
from costmodel.foundation.rendering import amount, cells, number, text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0, "FLOP", "0 FLOP"), (1, "FLOP", "1.00 FLOP"), (1e3, "FLOP", "1.00 kFLOP"), (7.7e23, "FLOP", "770 ZFLOP"),
        (3.8e25, "FLOP", "38.0 YFLOP"), (9.89e14, "FLOP/s", "989 TFLOP/s"), (14e12, "token", "14.0T tokens"),
        (1.5e9, "token", "1.50B tokens"), (12, "token", "12.0 tokens"), (0.5, "s", "0.500 s"),
        (90, "s", "1.50 minutes"), (7200, "s", "2.00 hours"), (86400, "s", "1.00 days"), (8.64e6, "s", "100 days"),
        (3600 * 192, "GPU-s", "192 GPU-hours"), (3.6e3, "J", "1.00 Wh"), (3.6e9, "J", "1.00 MWh"),
        (4.6e12, "J", "1.28 GWh"), (0.5, "kg", "0.500 kg"), (552_100, "kg", "552 t"), (5, "m**3", "5.00 m³"),
        (12.5, "USD", "12.5 USD"), (672, "USD", "672 USD"), (99_999, "USD", "100 k$"), (5.5e6, "USD", "5.50 M$"),
        (2e9, "USD", "2.00 B$"), (-5e6, "USD", "-5.00 M$"), (700, "W", "700 W"), (1.5e6, "W", "1.50 MW"),
        (0.35, "share", "0.350"), (1.1, "1", "1.10"), (2.5, "kg/J", "2.50 kg/J"),
    ],
)  # fmt: skip
def test_amounts_have_readable_units(value, unit, shown):
    assert amount(value, unit) == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (math.nextafter(1e6, 0), "USD", "1.00 M$"), (999_499, "USD", "999 k$"), (999.6, "USD", "1.00 k$"),
        (3595, "s", "59.9 minutes"), (3599, "s", "1.00 hours"), (86_399, "s", "1.00 days"), (999.6, "kg", "1.00 t"),
        (9.996e8, "token", "1.00B tokens"), (-999_999, "USD", "-1.00 M$"), (9.999e14, "FLOP", "1.00 PFLOP"),
        (3600 * 999_999.0, "GPU-s", "1.00M GPU-hours"),
    ],
)  # fmt: skip
def test_an_amount_that_rounds_up_to_a_larger_unit_has_that_unit(value, unit, shown):
    assert amount(value, unit) == shown


SCALES = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24, "": 1.0}


@settings(max_examples=150, deadline=None)
@given(st.floats(1e-3, 1e30), st.sampled_from(["FLOP", "FLOP/s", "W", "USD"]))
def test_an_amount_is_the_number_to_three_digits(value, unit):
    text = amount(value, unit)
    if unit == "USD":
        text = text.replace("B$", "GUSD").replace("$", "USD")
    shown = re.fullmatch(rf"([\d.,e+-]+) ([kMGTPEZY]?){unit}", text)
    assert float(shown[1].replace(",", "")) * SCALES[shown[2]] == pytest.approx(value, rel=5.1e-3)


@settings(max_examples=150, deadline=None)
@given(st.floats(-1e300, 1e300), st.integers(1, 6))
def test_a_number_keeps_its_leading_digits(value, digits):
    shown = number(value, digits)
    assert float(shown.replace(",", "")) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits), abs=5e-324)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1234567.0, "1,230,000"), (0.04567, "0.0457"), (0.00009, "9.00e-05"), (3.8e25, "3.80e+25"),
     (999.9, "1,000"), (9.999, "10.0"), (0.99999, "1.00"), (-2.5, "-2.50")],
)  # fmt: skip
def test_a_number(value, shown):
    assert number(value) == shown


ROWS = [{"name": "<script>alert('x')</script>", "a|b": "c|d\\e\nf"}, {"name": '"&', "a|b": ""}]


def test_html_cells_are_escaped():
    shown = html_table(ROWS, title="<script>", notes=["<img src=x>"])
    assert "<script" not in shown and "<img" not in shown
    assert html.escape(ROWS[0]["name"]) in shown and "&quot;&amp;" in shown
    assert shown.count("<tr>") == 3 and shown.count("<td") == 4 and shown.count("<th ") == 2


def test_html_headers_are_escaped():
    assert "&lt;b&gt;</th>" in html_table([{"<b>": "1"}])


def test_markdown_cells_keep_the_table_together():
    lines = markdown(ROWS, footer="the end").splitlines()
    assert "<script" not in "\n".join(lines)
    assert lines[0] == "| name | a\\|b |" and lines[1] == "| --- | --- |"
    assert len(lines) == 6 and lines[-1] == "the end"
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines[:4]] == [3, 3, 3, 3]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_stays_in_its_cell(name, value):
    shown = html_table([{"key": f"a{name}", "value": f"b{value}"}])
    assert shown.count("<td") == 2 and html.escape(value) in shown
    line = markdown([{"key": name, "value": value}]).split("\n")[2]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3 and "<" not in line


def test_plain_text_is_aligned():
    shown = text([{"figure": "cost", "value": "1"}, {"figure": "energy", "value": "22"}], title="T", footer="F")
    assert shown.splitlines() == ["T", "figure  value", "------  -----", "cost    1", "energy  22", "F"]
    assert text([], title="T", footer="F") == "T\nF"


def test_cells_of_any_type():
    row = {"none": None, "yes": True, "no": False, "count": 12345, "share": 0.35, "name": "x"}
    assert cells(row) == {"none": "-", "yes": "yes", "no": "no", "count": "12,345", "share": "0.350", "name": "x"}


def test_each_note_is_an_item_of_an_html_list():
    assert "<li>one &lt;b&gt;</li><li>two</li>" in html_table([{"a": "1"}], notes=["one <b>", "two"])


def test_dollar_signs_of_an_html_table_are_no_formula():
    shown = html_table([{"$/task": "1 k$"}], notes=["70 k$ if nothing changes; expected 111 k$"])
    assert shown.startswith("<div class='tex2jax_ignore mathjax_ignore'>") and shown.endswith("</ul></div>")


def test_an_html_table_has_no_empty_columns_and_does_not_wrap_short_cells():
    shown = html_table([{"price": "1.07 k$", "note": "", "why": "a reason that is longer than an amount"}])
    assert "note" not in shown
    assert "<td style='text-align:left;white-space:nowrap'>1.07 k$</td>" in shown
    assert "<td style='text-align:left'>a reason" in shown
    assert "overflow-x:auto" in shown
