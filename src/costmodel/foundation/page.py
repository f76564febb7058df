"""The page on which results are printed: its width, and which notes, sources and columns it has.

Without a page of its own, as in Python, a table has all columns in one line per row. The command line opens a page as
wide as the terminal. A table that is wider loses its empty columns, its notes move below it, long cells are wrapped,
and at last the columns at its right end are left out, with a note.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

NARROWEST = 40
"""Least width of a page [character]."""
_SOURCES = {"source", "sources", "source_url", "url"}
"""Columns with sources."""
_NOTES = {"note", "notes", "reason"}
"""Columns whose text may stand below the table."""
_MINOR = {"owner", "unit price", "confidence", "instance type", "instance_type", "released", "micro-batch"}
"""Columns that are left out first."""
_WHOLE = (18, 12)
"""Lengths up to which the cells of a column are not broken; the first with which the table fits [character]."""
_NOTE_WIDTH = 24
"""Least width of a column of notes; a narrower one stands below the table [character]."""
_LONGEST_WORD = 36
"""Length from which a word may be broken inside a cell [character]."""
_GAP = 2
"""Space between columns [character]."""
_SOURCE_LINE = re.compile(r"\[[0-9]+\] ")


@dataclass(frozen=True, slots=True)
class Page:
    """A page: `width` (unlimited if None), and whether it has notes, sources and all columns.

    Parameters
    ----------
    width : int, optional
        Largest width of a line [character].
    notes : bool
        Print titles and notes beside the tables.
    sources : bool
        Print columns and lists of sources.
    all_columns : bool
        Print all columns of tables, also beyond the width.
    """

    width: int | None = None
    notes: bool = True
    sources: bool = True
    all_columns: bool = False


_UNLIMITED = Page()
_PAGE: ContextVar[Page] = ContextVar("page", default=_UNLIMITED)


@contextmanager
def printed_on(page: Page) -> Iterator[None]:
    """Print on a page within the context.

    Parameters
    ----------
    page : Page
        The page.
    """
    token = _PAGE.set(page)
    try:
        yield
    finally:
        _PAGE.reset(token)


def current_page() -> Page:
    """Return the page on which results are printed now."""
    return _PAGE.get()


def on_page(rows: Sequence[Mapping[str, str]], title: str, footer: str) -> str:
    """Return a table with its title and notes as it stands on the current page.

    Parameters
    ----------
    rows : Sequence[Mapping]
        Cells by column.
    title, footer : str
        Lines before and after the table.

    Examples
    --------
    >>> rows = [{"gpu": "A100-80GB-SXM", "cost": "1.29 USD", "notes": "a price of last year, from one provider"}]
    >>> with printed_on(Page(width=40)):
    ...     print(on_page(rows, "prices", ""))
    prices
    gpu            cost      notes
    -------------  --------  -----
    A100-80GB-SXM  1.29 USD  (1)
    (1) a price of last year, from one
      provider
    """
    page = current_page()
    lines, notes = _table(rows, page) if rows else ([], [])
    if not page.notes:
        return "\n".join(lines) if lines else prose(title)
    below = [*notes, *_kept(footer.splitlines(), page)]
    return "\n".join(part for part in (prose(title), *lines, prose("\n".join(below))) if part)


def prose(lines: str) -> str:
    """Return lines wrapped to the current page; continued lines are indented.

    Parameters
    ----------
    lines : str
        One or more lines.
    """
    width = current_page().width
    if width is None:
        return lines
    return "\n".join(part for line in lines.splitlines() for part in _wrapped_line(line, width))


def without_sources(lines: str) -> str:
    """Return printed lines without the list of sources at their end, if the current page has none.

    Parameters
    ----------
    lines : str
        One or more lines; the list follows a line "sources:".
    """
    kept, separator, _ = lines.partition("\nsources:\n")
    return f"{kept}\nsources: --sources" if separator and not current_page().sources else lines


def _wrapped_line(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    further = f"{indent}  "
    return textwrap.wrap(line, width, subsequent_indent=further, break_on_hyphens=False, drop_whitespace=True)


def _kept(lines: Iterable[str], page: Page) -> list[str]:
    """Return the lines of a footer without its numbered sources, if the page has none."""
    listed = list(lines)
    if page.sources:
        return listed
    kept, inside = [], False
    for line in listed:
        inside = bool(_SOURCE_LINE.match(line)) or (inside and line.startswith("  "))
        kept += [] if inside else [line]
    return kept if len(kept) == len(listed) else [*kept, "sources: --sources"]


def _table(rows: Sequence[Mapping[str, str]], page: Page) -> tuple[list[str], list[str]]:
    """Return the lines of a table, and the notes that stand below it."""
    columns = {name: [row[name] for row in rows] for name in rows[0] if page.sources or name.lower() not in _SOURCES}
    width = page.width
    if width is None or page.all_columns or _total(map(_natural, columns, columns.values())) <= width:
        return _lines(columns, [_natural(*column) for column in columns.items()]), []
    first = next(iter(columns))
    columns = {name: cells for name, cells in columns.items() if name == first or set(cells) - {"", "-"}}
    columns, notes = _with_footnotes(columns, width, page.notes)
    for whole in _WHOLE:
        if _least_total(columns, whole) <= width:
            break
    else:
        columns, further = _fewer(columns, width, whole, bool(notes))
        notes += further
    return _lines(columns, _widths(columns, width, whole)), notes


def _fewer(
    columns: dict[str, list[str]], width: int, whole: int, numbered: bool
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the columns that fit, and notes on the others: those with one value, then the less important ones."""
    kept, same, left_out = dict(columns), list[str](), list[str]()
    others = list(kept)[1:]
    for name in reversed(others):
        if _least_total(kept, whole) > width and len(set(kept[name])) == 1 < len(kept[name]):
            same.insert(0, f"{name} {kept.pop(name)[0]}")
    ranked = [name for name in reversed(others) if name.lower() in _MINOR]
    ranked += [name for name in reversed(others) if name not in ranked and not (numbered and name.lower() in _NOTES)]
    for name in ranked:
        if name in kept and _least_total(kept, whole) > width:
            del kept[name]
            left_out.insert(0, name)
    notes = [f"the same in all rows: {', '.join(same)}"] if same else []
    if left_out:
        names = ", ".join(name for name in left_out if name)
        notes.append(f"left out, because the terminal is narrow: {names} (--all-columns shows all)")
    return kept, notes


def _least_total(columns: Mapping[str, list[str]], whole: int) -> int:
    return _total(_least(*column, whole) for column in columns.items())


def _with_footnotes(columns: dict[str, list[str]], width: int, notes: bool) -> tuple[dict[str, list[str]], list[str]]:
    """Return the columns with their notes as numbers if there is no room for them, and the numbered notes."""
    name = next((name for name in columns if name.lower() in _NOTES), None)
    if name is None:
        return columns, []
    rest = _total(_natural(*column) for column in columns.items() if column[0] != name)
    if rest + _GAP + min(_natural(name, columns[name]), _NOTE_WIDTH) <= width:
        return columns, []
    texts = list(dict.fromkeys(cell for cell in columns[name] if cell not in {"", "-"}))
    if not notes:
        return {other: cells for other, cells in columns.items() if other != name}, []
    numbers = {cell: f"({number})" for number, cell in enumerate(texts, 1)}
    numbered = columns | {name: [numbers.get(cell, cell) for cell in columns[name]]}
    return numbered, [f"{number} {cell}" for cell, number in numbers.items()]


def _natural(name: str, cells: Iterable[str]) -> int:
    return max(map(len, (name, *cells)))


def _least(name: str, cells: Sequence[str], whole: int) -> int:
    """Return the least width of a column: its longest word, or its longest cell if that is short."""
    longest = max(map(len, cells))
    words = [word for cell in cells for word in cell.split()]
    inside = longest if longest <= whole else min(max(map(len, words), default=0), _LONGEST_WORD)
    return max(inside, *map(len, _header_parts(name) or [""]))


def _header_parts(name: str) -> list[str]:
    return re.findall(r"[^_ ]+_?|_", name)


def _total(widths: Iterable[int]) -> int:
    listed = list(widths)
    return sum(listed) + _GAP * (len(listed) - 1)


def _widths(columns: Mapping[str, list[str]], width: int, whole: int) -> list[int]:
    """Return the widths of columns that fit: the widest columns are narrowed first."""
    natural = [_natural(*column) for column in columns.items()]
    least = [_least(*column, whole) for column in columns.items()]
    for cap in range(max(natural), 0, -1):
        widths = [min(full, max(small, cap)) for full, small in zip(natural, least, strict=True)]
        if _total(widths) <= width:
            return widths
    return [max(min(size, width), 1) for size in least]


def _lines(columns: Mapping[str, list[str]], widths: Sequence[int]) -> list[str]:
    """Return the header, the rule and the rows of a table; a cell that is too wide takes several lines."""
    header = [_cell_lines("".join(_spaced(name, width)), width) for name, width in zip(columns, widths, strict=True)]
    body = [
        [_cell_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
        for row in zip(*columns.values(), strict=True)
    ]
    return [line for row in (header, [["-" * width] for width in widths], *body) for line in _row_lines(row, widths)]


def _spaced(name: str, width: int) -> str:
    """Return a header that can be broken after its underscores, if it is too wide."""
    return name if len(name) <= width else name.replace("_", "_ ")


def _cell_lines(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, max(width, 1), break_on_hyphens=False) or [""]


def _row_lines(row: Sequence[list[str]], widths: Sequence[int]) -> Iterator[str]:
    for number in range(max(map(len, row))):
        cells = [lines[number] if number < len(lines) else "" for lines in row]
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
