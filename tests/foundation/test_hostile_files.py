"""Texts of users in files that others open: Markdown without links and tags, spreadsheets without formulas."""

import csv
import io
import re

import pytest

import costmodel as cm
from costmodel.foundation import markup
from costmodel.foundation.plain_data import csv_text, inert
from costmodel.foundation.rendering import RowTable

HOSTILE = [
    "[click](javascript:alert(1))", "![image](https://example.org/x.png)", "[a][b]", "<script>alert(1)</script>",
    "<https://example.org>", "a | b", "two\nlines", "\\[x](y)", "]\\(x)", "=HYPERLINK(A1)", "+cmd|' /C calc'!A0",
    "-2+3",     "@SUM(A1:A9)", "\t=1+1", "a\r\n=1+1", "'quoted", '"; DROP', "a & b", "`code`", "# heading", "| --- |",
]  # fmt: skip
LINK = re.compile(r"(?<!\\)\][(\[]|^ {0,3}\[[^\]]*\]:", re.MULTILINE)
"""A link of Markdown, or the line that gives its address."""


def project(text):
    return cm.Project(
        name=text,
        owner=text,
        people=[{"role": f"{text} role", "weeks": 4, "usd_per_year": 104_000, "note": text}],
        other=[{"name": text, "unit_price": 3, "source": text, "note": text}],
    )


def is_inert_markdown(text):
    return not LINK.search(text) and not re.search(r"<(?!br>)[a-zA-Z/!]", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_has_no_links_no_tags_and_its_columns_only(text):
    table = RowTable([{"name": text, "usd": 1.0}, {"name": "b", "usd": 2.0}]).to_markdown()
    assert is_inert_markdown(table)
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()] == [3] * 4
    assert is_inert_markdown(markup.markdown([{"a": "1"}], f"note: {text}\n{text}\n[help]: https://example.org"))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_of_a_budget_has_no_links_and_no_tags(text):
    page = project(text).budget().to_markdown()
    assert is_inert_markdown(page)
    tables = [block for block in page.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_has_no_formulas_and_the_same_numbers(text):
    rows = [{"name": text, text: -2.5, "usd": -1e-9, "count": 3}]
    (header, line) = csv.reader(io.StringIO(csv_text(rows), newline=""))
    assert not [cell for cell in (header[1], line[0]) if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert line[0].removeprefix("'") == text.removeprefix("'")
    assert [float(cell) for cell in line[1:]] == [-2.5, -1e-9, 3.0]


@pytest.mark.parametrize("text", ["-", "", "GPU time", "12 %", "'quoted"])
def test_harmless_texts_have_no_apostrophe(text):
    assert inert(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_workbooks_hold_texts_as_texts(text, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    RowTable([{"name": text, text: 1.0}, {"name": "b", text: 2.0}], text).to_xlsx(tmp_path / "rows.xlsx")
    project(text).budget().to_xlsx(tmp_path / "budget.xlsx")
    for name in ("rows", "budget"):
        book = openpyxl.load_workbook(tmp_path / f"{name}.xlsx")
        cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line]
        first = text.split()[0]
        assert [cell for cell in cells if cell.data_type == "s" and first in cell.value]
        assert not [cell for cell in cells if cell.data_type == "f" and first in cell.value]
