"""An Excel workbook whose sheets are filled row by row. Sums may be formulas; texts are never formulas."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.user_files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MONEY, DAYS, SHARE, DAY = "#,##0.00", "#,##0.0", "0.0%", "yyyy-mm-dd"
_EPOCH = datetime(1980, 1, 1)
"""Fixed time of writing in the file, so that the same budget gives the same bytes."""


class Formula(NamedTuple):
    """A formula with its value, for programs that do not compute formulas (previews, protected views)."""

    text: str
    value: float


class Shown(NamedTuple):
    """A number with a format of its own, not that of its column."""

    value: float | Formula
    form: str


class Column(NamedTuple):
    """Title, width [character] and number format of a column."""

    title: str
    width: float
    form: str = MONEY


Cell = str | float | date | Formula | Shown | None


_FONT = "Calibri"
_HEADER = 4
"""Row of the column titles, below title, subtitle and a blank row."""


class Workbook:
    """A workbook; its bytes depend on its content only.

    Raises
    ------
    MissingFactError
        If openpyxl is not installed.
    """

    def __init__(self) -> None:
        try:
            import openpyxl  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            raise MissingFactError("to_xlsx needs openpyxl: pip install 'costmodel[xlsx]'") from None
        self._openpyxl = openpyxl
        self._workbook = openpyxl.Workbook()
        self._workbook.remove(self._workbook.active)
        self._workbook.properties.creator, self._workbook.properties.created = "costmodel", _EPOCH
        self._workbook.calculation.fullCalcOnLoad = True
        self._sheets: list[Sheet] = []

    def sheet(
        self,
        title: str,
        columns: Sequence[Column],
        heading: Sequence[str],
        *,
        currency: str = "USD",
        most_lines: int = 24,
    ) -> Sheet:
        """Append a sheet with its heading and the titles of its columns.

        Parameters
        ----------
        title : str
            Name on the tab.
        columns : sequence of Column
            Titles, widths and formats; `[USD]` in a title becomes the currency.
        heading : sequence of str
            The first lines: what it is, and a line below.
        currency : str
            Currency of the amounts.
        most_lines : int
            Largest height of a row, in lines [1].
        """
        added = Sheet(self._openpyxl, self._workbook.create_sheet(title), columns, heading, currency, most_lines)
        self._sheets.append(added)
        return added

    def save(self, path: str | Path) -> None:
        """Write the file, which is overwritten.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        buffer = io.BytesIO()
        self._workbook.save(buffer)
        content = _finished(buffer.getvalue(), [sheet.values for sheet in self._sheets])
        write_bytes(path, content)


class Sheet:
    """A sheet that is filled from the top; `values` holds the values of its formulas, by cell."""

    def __init__(
        self,
        openpyxl: Any,
        sheet: Any,
        columns: Sequence[Column],
        heading: Sequence[str],
        currency: str,
        most_lines: int,
    ) -> None:
        self.styles, self.sheet, self.columns = openpyxl.styles, sheet, columns
        self.currency, self.most_lines = currency, most_lines
        self.values: dict[str, float] = {}
        self.row = 1
        for line in heading:
            self.add([line])
        sheet.cell(1, 1).font = self.styles.Font(_FONT, bold=True, size=14)
        for index, column in enumerate(columns, start=1):
            sheet.column_dimensions[openpyxl.utils.get_column_letter(index)].width = column.width
        self.row = _HEADER
        self.head([column.title for column in columns])
        sheet.freeze_panes = sheet.cell(self.row, 2)
        sheet.print_title_rows = f"{_HEADER}:{_HEADER}"
        sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", sheet.PAPERSIZE_A4
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.sheet_properties.pageSetUpPr.fitToPage = True
        sheet.sheet_properties.outlinePr.summaryBelow = False
        sheet.oddFooter.left.text, sheet.oddFooter.right.text = "&A", "&P / &N"

    def head(self, titles: Sequence[str]) -> None:
        """Append a row of column titles."""
        row = self.add([title.replace("[USD]", f"[{self.currency}]") for title in titles], bold=True)
        for index, (title, column) in enumerate(zip(titles, self.columns, strict=True), start=1):
            if "[" in title or title == "Quantity" or column.form != MONEY:
                self.sheet.cell(row, index).alignment = self.styles.Alignment(horizontal="right")
        self.fill(row, "D9E5EF")

    def add(self, cells: Sequence[Cell], bold: bool = False, level: int = 0) -> int:
        """Append a row, high enough for its texts, and return its number; a single text may exceed its column."""
        row, alone, lines = self.row, len(cells) == 1, 1
        for index, (content, column) in enumerate(zip(cells, self.columns, strict=False), start=1):
            if content is None or content == "":
                continue
            cell = self.sheet.cell(row, index)
            cell.font = self.styles.Font(_FONT, bold=bold, size=11)
            text, wrapped = isinstance(content, str), isinstance(content, str) and not alone
            left = {"horizontal": "left", "indent": int(index > 1 or level > 0)} if text else {}
            cell.alignment = self.styles.Alignment(vertical="top", wrap_text=wrapped or None, **left)
            self._put(cell, content, column.form)
            if wrapped:
                lines = max(lines, -(-len(str(content)) // int(column.width)))
        if level:
            self.sheet.row_dimensions[row].outlineLevel = level
        self.sheet.row_dimensions[row].height = 20 if row == 1 else 15 * min(lines, self.most_lines)
        self.row += 1
        return row

    def fill(self, row: int, color: str) -> None:
        """Set the background of the cells of a row."""
        for column in range(1, len(self.columns) + 1):
            self.sheet.cell(row, column).fill = self.styles.PatternFill("solid", fgColor=color)

    def _put(self, cell: Any, content: Cell, form: str) -> None:
        if isinstance(content, Shown):
            content, form = content
        if isinstance(content, str):
            cell.value = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "�", content)
            cell.data_type, cell.quotePrefix = "s", True
            return
        if isinstance(content, Formula):
            self.values[cell.coordinate], content = content.value, content.text
        cell.value, cell.number_format = content, form


def _finished(content: bytes, values: Sequence[dict[str, float]]) -> bytes:
    """Return the workbook with the values of its formulas and a fixed time of writing."""
    buffer = io.BytesIO()
    by_file = {f"xl/worksheets/sheet{index}.xml": each for index, each in enumerate(values, start=1)}
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            text = given.read(name).decode("utf-8")
            if name in by_file:
                text = _with_values(text, by_file[name])
            if name == "docProps/core.xml":
                text = re.sub(r"(<dcterms:modified[^>]*>)[^<]*", rf"\g<1>{_EPOCH.isoformat()}Z", text)
            made.writestr(zipfile.ZipInfo(name, _EPOCH.timetuple()[:6]), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _with_values(sheet: str, values: dict[str, float]) -> str:
    return _FORMULA.sub(lambda cell: f"{cell[1]}<v>{float(values[cell[2]])!r}</v>", sheet)


_FORMULA = re.compile(r'(<c r="([A-Z]+\d+)"[^>]*><f>[^<]*</f>)(?:<v ?/>|<v></v>)')
