"""Excel export: formulas that LibreOffice computes to the same cent; texts are never formulas."""

import csv
import math
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from costmodel.budget.export.spreadsheet import write_xlsx
from costmodel.budget.project import Project
from costmodel.foundation.errors import InputError, MissingFactError

SHEETS = ["Budget", "Quantiles & drivers", "Calendar", "Assumptions", "Actuals"]


@pytest.fixture
def openpyxl():
    return pytest.importorskip("openpyxl")


@pytest.fixture
def opened(openpyxl, tmp_path):
    def write_and_open(budget, **how):
        write_xlsx(budget, tmp_path / "budget.xlsx")
        return openpyxl.load_workbook(tmp_path / "budget.xlsx", **how)

    return write_and_open


def by_name(sheet):
    return {row[0].value: row for row in sheet.iter_rows(min_row=5) if row[0].value}


def test_a_missing_openpyxl_is_an_error_that_names_the_extra(fixed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingFactError, match=r"to_xlsx needs openpyxl: pip install 'costmodel\[xlsx\]'"):
        write_xlsx(fixed, tmp_path / "budget.xlsx")


def test_a_path_that_cannot_be_written_is_named(openpyxl, fixed, tmp_path):
    with pytest.raises(InputError, match=r"nowhere.* cannot be written"):
        write_xlsx(fixed, tmp_path / "nowhere" / "budget.xlsx")


def test_every_sheet_is_titled_frozen_and_ready_to_print(opened, fixed):
    book = opened(fixed)
    assert book.sheetnames == SHEETS
    for sheet in book:
        assert sheet["A1"].value == fixed.name
        assert "US dollars of 2026" in sheet["A2"].value
        assert "costmodel 0.1.0, data 0123456789ab" in sheet["A2"].value
        assert sheet.freeze_panes == "B5"
        assert sheet.print_title_rows == "$4:$4"
        assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
        assert sheet.column_dimensions["A"].width > 30


def test_the_base_of_a_line_its_sums_and_the_contingency_are_formulas(opened, fixed):
    sheet = opened(fixed)["Budget"]
    rows = by_name(sheet)
    experiments = rows["Experiments"]
    assert experiments[6].value == f"=ROUND(C{experiments[6].row}*E{experiments[6].row},2)"
    assert experiments[6].number_format == "#,##0.00"
    assert rows["Data"][6].value == f"=SUM(G{rows['Data'][0].row + 1}:G{rows['Data'][0].row + 2})"
    contingency = rows["Contingency"]
    base = rows["Base"]
    assert contingency[2].value == f"=G{base[0].row}"
    assert contingency[4].value == 0.1
    assert contingency[6].value == f"=ROUND(C{contingency[0].row}*E{contingency[0].row},2)"
    for letter, cell in zip("GI", (base[6], base[8]), strict=True):
        assert cell.value.startswith(f"=SUM({letter}5,")
    assert (base[5].value, base[7].value) == (fixed.p10, fixed.p90)  # quantiles do not add up
    assert rows["Total"][6].value == f"=G{base[0].row}+G{contingency[0].row}"


def test_programs_that_do_not_compute_show_the_values_too(opened, fixed):
    book = opened(fixed, data_only=True)
    rows = by_name(book["Budget"])
    assert [cell.value for cell in rows["Base"][5:9]] == [fixed.p10, fixed.base, fixed.p90, fixed.expected]
    assert [cell.value for cell in rows["Total"][5:9]] == [None, fixed.total.magnitude, None, None]
    assert {name: rows[name][6].value for name in ("Experiments", "A hundredth of a tie")} == {
        "Experiments": 18337.03,
        "A hundredth of a tie": 1.01,
    }
    lines = [rows[line.name][6].value for line in fixed.lines]
    assert math.fsum(lines) == pytest.approx(fixed.total.magnitude, abs=1e-6)
    assert by_name(book["Actuals"])["Engineers"][3].value == -58_600.0
    formulas, values = opened(fixed), opened(fixed, data_only=True)
    for sheet in formulas:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    assert isinstance(values[sheet.title][cell.coordinate].value, (int, float)), cell.coordinate


def computed(book, folder):
    """Return the cells of the first and the last sheet as LibreOffice computes them, without the values we wrote."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("needs LibreOffice (soffice on the PATH)")
    book.save(folder / "bare.xlsx")  # openpyxl writes formulas without values
    with zipfile.ZipFile(folder / "bare.xlsx") as bare:
        assert re.search(r"</f><v ?/>|</f><v></v>", bare.read("xl/worksheets/sheet1.xml").decode())
    form = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"
    subprocess.run(
        [
            office,
            f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            "--headless",
            "--convert-to",
            form,
            "--outdir",
            str(folder),
            str(folder / "bare.xlsx"),
        ],
        check=True,
        capture_output=True,
        timeout=180,
    )
    sheets = {}
    for title in (SHEETS[0], SHEETS[-1]):
        with (folder / f"bare-{title}.csv").open(encoding="utf-8", newline="") as lines:
            sheets[title] = {row[0]: row for row in csv.reader(lines) if row and row[0]}
    return sheets


def test_libreoffice_computes_the_same_sums_to_the_cent(opened, fixed, tmp_path):
    sheets = computed(opened(fixed), tmp_path)
    base, total = sheets["Budget"]["Base"], sheets["Budget"]["Total"]
    assert [round(float(base[index]), 4) for index in (6, 8)] == [fixed.base, fixed.expected]
    assert round(float(total[6]), 4) == fixed.total.magnitude
    for line in fixed.lines:
        assert round(float(sheets["Budget"][line.name][6]), 4) == line.base, line.name
    assert round(float(sheets["Actuals"]["Engineers"][3]), 4) == -58_600.0
    assert (
        round(
            sum(
                float(row[3]) for name, row in sheets["Actuals"].items() if name in {line.name for line in fixed.lines}
            ),
            4,
        )
        == -53_466.07
    )


def test_libreoffice_agrees_with_a_project_whose_lines_end_on_half_a_cent(opened, tmp_path):
    items = [{"name": f"item {price}", "quantity": 0.5, "unit_price": price} for price in (2.01, 5.35, 1.15, 4.03)]
    budget = Project(name="halves", data=items, contingency=0.125).budget()
    assert budget.lines[0].base == 1.01  # where binary fractions alone would give 1.00
    sheets = computed(opened(budget), tmp_path)
    assert float(sheets["Budget"]["Total"][6]) == budget.total.magnitude
    for line in budget.lines:
        assert float(sheets["Budget"][line.name][6]) == line.base


def test_a_changed_quantity_changes_the_total(opened, fixed, tmp_path):
    book = opened(fixed)
    row = by_name(book["Budget"])["Licenses"]
    row[2].value = 4
    total = float(computed(book, tmp_path)["Budget"]["Total"][6])
    assert total == pytest.approx(fixed.base + 1.1 * 15_000, abs=0.011)


def test_texts_are_never_formulas(opened, hostile):
    book = opened(hostile)
    seen = set()
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    assert str(cell.value).startswith(
                        ("=ROUND(", "=SUM(", "=ABS(", "=IF(ISNUMBER(", "=B", "=G", "=Budget!")
                    )
                elif isinstance(cell.value, str):
                    assert cell.data_type == "s"
                    assert cell.quotePrefix
                    seen.add(cell.value)
    assert {"=1+1", "+1", "-1", "@SUM(A1)", "<script>alert(1)</script>", hostile.name} <= seen


def test_control_characters_do_not_stop_it(opened, fixed):
    first = fixed.lines[0]._replace(name="bell\x07 and null\x00")
    assert "bell� and null�" in by_name(opened(fixed.replace(lines=(first, *fixed.lines[1:])))["Budget"])


def test_the_calendar_has_dates_only_with_a_start_date(opened, fixed):
    dated = by_name(opened(fixed)["Calendar"])["Experiments"]
    assert str(dated[4].value)[:10] == "2026-11-23"
    assert dated[6].value == "Collect and label data, Set up the cluster"
    bare = by_name(opened(fixed.replace(start=None))["Calendar"])["Experiments"]
    assert (bare[1].value, bare[4].value) == (21, None)


def test_a_budget_of_zero_is_written(opened, fixed):
    none = fixed.lines[-1]._replace(quantity=0.0, low=0.0, base=0.0, high=0.0, expected=0.0)
    rows = by_name(
        opened(fixed.replace(lines=(none,), schedule=(), found=(), assumptions=()), data_only=True)["Budget"]
    )
    assert [rows[name][6].value for name in ("Base", "Contingency", "Total")] == [0, 0, 0]


def test_the_same_budget_gives_the_same_bytes(openpyxl, fixed, tmp_path):
    paths = [tmp_path / name for name in ("one.xlsx", "two.xlsx")]
    for path in paths:
        write_xlsx(fixed, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    core = zipfile.ZipFile(paths[0]).read("docProps/core.xml").decode()
    assert core.count("1980-01-01T00:00:00Z") == 2
