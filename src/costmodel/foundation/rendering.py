"""Printing of results: rows of cells as text, Markdown or HTML, and numbers with a scale and a unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from costmodel._version import __version__
from costmodel.foundation.checks import checked, is_whole
from costmodel.foundation.citations import CitationFormat, Source, citation
from costmodel.foundation.equality import Comparable
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.limits import shown
from costmodel.foundation.markup import Rows, html_table, markdown
from costmodel.foundation.page import Page, current_page, on_page, printed_on
from costmodel.foundation.plain_data import csv_text, plain, row_sources
from costmodel.foundation.tables import fingerprint, written
from costmodel.foundation.units import GIB

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


WIDTH = 80
"""Width of a terminal, in which wrapped tables and notes are printed [character]."""
LINES = 40
"""Most lines of the `repr` of a result [1]."""
_TAIL = 8
"""Last lines that a cut text keeps [1]."""
_PREFIXES = ((1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_WORDS = ((1e15, "e15"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_MONEY = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "CNY": " CNY"}
"""Sign of a currency after the letter of a scale, by code."""
_CURRENCY: ContextVar[tuple[str, float]] = ContextVar("currency", default=("USD", 1.0))
"""Currency in which amounts of US dollars are printed, and its amount for one US dollar."""
_TIMES = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
_MASSES = ((1e3, "t"),)


def number(value: float, digits: int = 3) -> str:
    """Return `value` with that many significant digits, without an exponent where that is readable.

    >>> number(1234567.0), number(0.04567), number(3.8e25), number(0.0)
    ('1,230,000', '0.0457', '3.80e+25', '0')
    """
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -4 <= magnitude < 9:
        return f"{value:.{digits - 1}e}"
    rounded = round(value, digits - 1 - magnitude)
    return f"{rounded:,.{max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)}f}"


def amount(value: float, unit: str, digits: int = 3) -> str:
    """Return an SI amount as text with a readable scale and unit.

    Parameters
    ----------
    value : float
        In SI units, with byte, FLOP, token, kg and USD.
    unit : str
        "FLOP", "FLOP/s", "token", "token/s", "s" (a duration), "GPU-s", "J", "kg", "m**3", "USD", "USD/Mtok" (per
        million tokens), "W", "share", "probability", or any other unit, which is printed after the number.
    digits : int
        Significant digits.

    Examples
    --------
    >>> amount(7.7e23, "FLOP"), amount(14e12, "token"), amount(7200.0, "s"), amount(5.5e6, "USD")
    ('770 ZFLOP', '14.0T tokens', '2.00 hours', '5.50 M$')
    """
    if unit == "s":
        size, name = _scale(value, _TIMES, digits)
        return f"{number(value / size, digits)} {name or 's'}"
    if unit == "GPU-s":
        return f"{_worded(value / 3600, digits, 1e6)} GPU-hours"
    if unit == "byte":
        return f"{number(value / GIB, digits)} GiB"
    if unit == "share":
        return number(value, digits)
    if unit == "probability":
        return percent(value)
    if unit == "token":
        return f"{_worded(value, digits)} tokens"
    if unit == "token/s":
        return f"{_worded(value, digits)} tokens/s"
    if unit == "J":
        return _prefixed(value / 3600, "Wh", digits)
    if unit == "kg":
        size, name = _scale(value, _MASSES, digits)
        return f"{number(value / size, digits)} {name or 'kg'}"
    if unit == "USD":
        code, rate = _CURRENCY.get()
        value = value * rate
        size, name = _scale(value, _MONEY, digits)
        return f"{number(value / size, digits)} {name + SYMBOLS[code] if name else code}"
    if unit == "USD/Mtok":
        code, rate = _CURRENCY.get()
        return f"{number(value * rate, digits)} {SYMBOLS[code].strip()}/Mtok"
    if unit in {"FLOP", "FLOP/s", "FLOP/token", "W"}:
        return _prefixed(value, unit, digits)
    return number(value, digits) if unit in {"", "1"} else f"{number(value, digits)} {unit.replace('m**3', 'm³')}"


def between(low: str, high: str) -> str:
    """Return two amounts as an interval, with the unit once where both have the same.

    >>> between("88.6 k$", "281 k$"), between("134 USD", "1.02 k$"), between("36 %", "92 %")
    ('88.6 to 281 k$', '134 USD to 1.02 k$', '36 to 92 %')
    """
    value, _, unit = low.rpartition(" ")
    return f"{value if value and high.endswith(f' {unit}') else low} to {high}"


def is_exact(low: float, high: float) -> bool:
    """Return whether the ends of an interval are equal, up to rounding errors."""
    return low == high or math.isclose(low, high, rel_tol=1e-9)


@contextmanager
def currency(code: str, rate: float) -> Iterator[None]:
    """Print amounts of US dollars in another currency within the context.

    Parameters
    ----------
    code : str
        A key of `SYMBOLS`.
    rate : float
        Amount of the currency for one US dollar.

    Examples
    --------
    >>> with currency("EUR", 0.9):
    ...     amount(5.5e6, "USD")
    '4.95 M€'
    """
    token = _CURRENCY.set((code, rate))
    try:
        yield
    finally:
        _CURRENCY.reset(token)


def in_money(usd: float) -> float:
    """Return an amount of US dollars in the currency in which amounts are printed.

    Parameters
    ----------
    usd : float
        Amount [USD].

    Examples
    --------
    >>> with currency("EUR", 0.5):
    ...     in_money(3.0), money_code(), money_sign()
    (1.5, 'EUR', '€')
    """
    return usd * _CURRENCY.get()[1]


def money_code() -> str:
    """Return the code of the currency in which amounts are printed, such as "USD"."""
    return _CURRENCY.get()[0]


def money_sign() -> str:
    """Return the sign of the currency in which amounts are printed, such as "$"."""
    return SYMBOLS[money_code()].strip()


def text(rows: Rows, title: str = "", footer: str = "") -> str:
    """Return the rows as an aligned table in plain text; the keys of the first row are the header.

    The table fits the page (`costmodel.foundation.page`) of the command line; in Python it has all columns.
    """
    return on_page(rows, title, footer)


def wrapped(lines: str, width: int) -> str:
    """Return text with its long lines wrapped between words; continued lines are indented.

    Parameters
    ----------
    lines : str
        One or more lines.
    width : int
        Largest width of a line [character].

    Examples
    --------
    >>> print(wrapped("assumed: goodput, pue\\nseed 0", 18))
    assumed: goodput,
      pue
    seed 0
    """
    import textwrap

    if not is_whole(width) or width < 1:
        raise InputError(f"width must be a whole number of characters above 0; got {shown(width)}")
    options: dict[str, Any] = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}
    return "\n".join("\n".join(textwrap.wrap(line, width, **options)) for line in lines.splitlines())


def cut(lines: str, most: int = LINES) -> str:
    """Return text without the lines in the middle that exceed a number of lines.

    Parameters
    ----------
    lines : str
        One or more lines.
    most : int
        Largest number of lines; the last eight are kept [1].
    """
    listed = lines.splitlines()
    if len(listed) <= most:
        return lines
    first = most - _TAIL - 1
    more = f"... {len(listed) - first - _TAIL:,} more lines; print() shows all, rows() has the data"
    return "\n".join([*listed[:first], more, *listed[-_TAIL:]])


def shortened(name: str, width: int) -> str:
    """Return a name cut to a width, with an ellipsis where it is cut.

    >>> shortened("llama-3.3-70b-instruct", 12)
    'llama-3.3-7…'
    """
    return name if len(name) <= width else f"{name[: width - 1]}…"


class Shown(Comparable):
    """Base of results: a subclass defines `rows`; text, HTML, Markdown, CSV, data frame and citation follow from it.

    A subclass may also define `_cells` (the table as text), `_title`, `_footer` and `sources`, and name the columns of
    the index of its data frame in `_index`, and the width to which its text is wrapped by default in `_width`. Each
    line of the footer is one note, whole.
    """

    _index: ClassVar[str | tuple[str, ...] | None] = None
    _width: ClassVar[int | None] = None

    def rows(self) -> list[dict[str, Any]]:
        """Return the result as rows of plain numbers and text."""
        raise TypeError(f"{type(self).__name__} does not define `rows`")

    def to_frame(self) -> pd.DataFrame:
        """Return `rows()` as a pandas DataFrame."""
        return data_frame(self.rows(), self._index)

    def to_dict(self) -> dict[str, Any]:
        """Return title, rows and notes as plain data that JSON accepts; unknown numbers are None."""
        return {"title": self._title(), "rows": plain(self.rows()), "notes": self._footer().splitlines()}

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return `rows()` as CSV, and write it to a file if a `path` is given.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            File to write.
        """
        return written(csv_text(self.rows()), path)

    def to_xlsx(self, path: str | Path) -> None:
        """Write `rows()`, the notes and the sources to an Excel workbook.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write.

        Raises
        ------
        MissingFactError
            If openpyxl is not installed.
        """
        from costmodel.foundation.row_sheets import row_workbook

        row_workbook(self).save(path)

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        return markdown(self._cells(), self._footer())

    @checked("width")
    def to_text(self, width: int | None = None) -> str:
        """Return the table as plain text.

        Parameters
        ----------
        width : int, optional
            Width to which the title and the notes are wrapped; default: that of the result, or they are not wrapped
            [character].
        """
        width = self._wraps_at(width)
        title, footer = self._title(), self._footer()
        if width is not None and (current_page().width or width) >= width:  # a narrower page wraps by itself
            title, footer = wrapped(title, width), wrapped(footer, width)
        return text(self._cells(), title, footer)

    def sources(self) -> set[Source]:
        """Return the sources of the figures."""
        return row_sources(self.rows())

    @checked("format")
    def cite(self, format: CitationFormat = "text") -> str:
        """Return how to cite the library, then the sources of the figures.

        Parameters
        ----------
        format : str
            "text", one source per line, or "bibtex", one entry per source with stable keys.
        """
        return citation(self.sources(), {"version": __version__, "data_hash": fingerprint()}, format)

    def _wraps_at(self, width: int | None) -> int | None:
        """Return the width to which text is wrapped before it is put on a page; one with a width wraps it itself."""
        return self._width if width is None and current_page().width is None else width

    def _cells(self) -> list[dict[str, str]]:
        return [cells(row) for row in self.rows()]

    def _title(self) -> str:
        return ""

    def _footer(self) -> str:
        return ""

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        with printed_on(Page(width=WIDTH)):
            return cut(self.to_text(WIDTH))

    def _repr_html_(self) -> str:
        return html_table(self._cells(), self._title(), self._footer().splitlines())


class RowTable(Shown, list[dict[str, Any]]):
    """A list of rows that also prints as a table.

    Parameters
    ----------
    rows : iterable of dict
        Rows.
    title : str
        Title of the table.
    index : str, optional
        Column of the index of the data frame.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = (), title: str = "", index: str | None = None) -> None:
        super().__init__(rows)
        self._named, self._index = title, index  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        return list.__eq__(self, other)

    __hash__ = None  # type: ignore[assignment]

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as a plain list."""
        return [dict(row) for row in self]

    def _title(self) -> str:
        return self._named


def interval_columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a row with each interval in two columns: `cost_interval` as `cost_low` and `cost_high`.

    >>> interval_columns({"cost": 2.0, "cost_interval": (1.0, 3.0), "speed_interval": None})
    {'cost': 2.0, 'cost_low': 1.0, 'cost_high': 3.0, 'speed_low': None, 'speed_high': None}
    """
    row: dict[str, Any] = {}
    for name, value in fields.items():
        if name.endswith("_interval"):
            stem = name.removesuffix("_interval")
            row[f"{stem}_low"], row[f"{stem}_high"] = value or (None, None)
        else:
            row[name] = value
    return row


def data_frame(rows: Sequence[Mapping[str, Any]], index: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Return rows as a pandas DataFrame.

    Parameters
    ----------
    rows : Sequence[Mapping]
        Rows with the same keys.
    index : str or sequence of str, optional
        Columns of the index.

    Raises
    ------
    MissingFactError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingFactError("to_frame needs pandas: pip install 'costmodel[pandas]'") from None
    frame = pandas.DataFrame(rows)
    return (
        frame if index is None or not len(rows) else frame.set_index([index] if isinstance(index, str) else list(index))
    )


def cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row with its values as text: floats with three digits, None as a dash."""
    return {key: _cell(value) for key, value in row.items()}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else str(value)


def _scale(value: float, scales: Sequence[tuple[float, str]], digits: int) -> tuple[float, str]:
    """Return the largest unit of which the rounded value is at least 1: 999,999 USD are 1.00 M$, not 1,000 k$."""
    return next(((size, name) for size, name in scales if abs(float(f"{value / size:.{digits - 1}e}")) >= 1), (1.0, ""))


def _prefixed(value: float, unit: str, digits: int) -> str:
    size, prefix = _scale(value, _PREFIXES, digits)
    return f"{number(value / size, digits)} {prefix}{unit}"


def _worded(value: float, digits: int, least: float = 1e3) -> str:
    size, name = _scale(value, [scale for scale in _WORDS if scale[0] >= least], digits)
    return f"{number(value / size, digits)}{name}"


def percent(probability: float) -> str:
    """Return a probability in percent; what is not certain is printed as "< 1 %" or "> 99 %".

    Parameters
    ----------
    probability : float
        Probability [1].

    Examples
    --------
    >>> percent(0.617), percent(0.9999), percent(1e-5)
    ('62 %', '> 99 %', '< 1 %')
    """
    if 0.0 < probability < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < probability < 1.0 else f"{100 * probability:.0f} %"
