"""Files of a portfolio, in the form of those of a budget: an HTML page, an Excel workbook, and CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.budget.export.drawing import svg
from costmodel.budget.export.page import figure_html, page, section_html
from costmodel.budget.export.sections import Section, made_by
from costmodel.foundation.errors import InputError
from costmodel.foundation.plain_data import csv_text
from costmodel.foundation.user_files import write_text
from costmodel.foundation.workbook import MONEY, SHARE, Column, Formula, Shown, Workbook
from costmodel.report.plot_portfolio import portfolio as drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.choosing.portfolio.curve import IndependenceCurve
    from costmodel.choosing.portfolio.result import Portfolio
    from costmodel.foundation.workbook import Cell

_NAME = "Portfolio of models"
_COUNT = "#,##0"
_MIX = (
    Column("Workload", 22),
    Column("Option", 28),
    Column("Provider", 14),
    Column("Place", 8),
    Column("Share", 10, SHARE),
    Column("Requests per month", 20, _COUNT),
    Column("Per month [USD]", 18),
    Column("Quality", 10, "0.00"),
    Column("Replicas", 10, _COUNT),
)
_COST = (Column("Figure", 56), Column("USD", 18))
_CURVE = (
    Column("Value", 18, SHARE),
    Column("Per month [USD]", 18),
    Column("Price per month [USD]", 22),
    Column("Expected [USD]", 18),
    Column("CVaR [USD]", 18),
    Column("Largest share", 15, SHARE),
    Column("No mix", 40),
)
_EXCLUDED = (Column("Workload", 22), Column("Option", 34), Column("Constraint", 50))
_NUMERIC = frozenset(column.title for column in (*_MIX[4:], *_COST[1:], *_CURVE[1:6]))
"""Columns of numbers, aligned on the right."""


def write_portfolio(result: Portfolio, curve: IndependenceCurve | None, path: Path) -> None:
    """Write a portfolio and its price of independence to a file, by its extension: .html, .xlsx or .csv.

    Parameters
    ----------
    result : Portfolio
    curve : IndependenceCurve or None
    path : Path
        File, which is overwritten.

    Raises
    ------
    InputError
        If the extension is not supported, or the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".html":
        write_text(path, html_page(result, curve))
    elif kind == ".csv":
        write_text(path, csv_text(result.rows()))
    elif kind == ".xlsx":
        write_xlsx(result, curve, path)
    else:
        raise InputError(f"{path}: the extension must be .html, .xlsx or .csv")


def html_page(result: Portfolio, curve: IndependenceCurve | None) -> str:
    """Return a portfolio as one self-contained HTML page: no scripts, no loaded files, all text escaped.

    Parameters
    ----------
    result : Portfolio
    curve : IndependenceCurve or None
        Price of independence; None leaves it out.
    """
    bars = svg(drawn, result, 9.2, 1.9 + 0.5 * len(result.question.offers.workloads), "mix")
    mix = Section("Cheapest mix", [_texts(_MIX, cells) for cells in _mix_rows(result)], numeric=_NUMERIC)
    body = section_html(mix, figure_html("", bars))
    if curve is not None:
        figure = figure_html("", svg(drawn, curve, 9.2, 3.6, "curve")) if curve.cheapest_usd is not None else ""
        points = [_texts(_CURVE, cells) for cells in _curve_rows(curve)]
        body += section_html(Section("The price of independence", points, numeric=_NUMERIC, note=_about(curve)), figure)
    if excluded := [_texts(_EXCLUDED, list(row.values())) for row in result.excluded()]:
        body += section_html(Section("Options that may not be used", excluded))
    facts = [(name, f"{usd:,.0f} USD") for name, usd in _costs(result).items()]
    return page(_NAME, result.title(), facts, result.notes(), body, made_by(result))


def write_xlsx(result: Portfolio, curve: IndependenceCurve | None, path: Path) -> None:
    """Write a workbook with the sheets Mix, Cost, Independence and Excluded.

    Parameters
    ----------
    result : Portfolio
    curve : IndependenceCurve or None
    path : Path
        File, which is overwritten.

    Raises
    ------
    MissingFactError
        If openpyxl is not installed.
    InputError
        If the file cannot be written.
    """
    workbook, stamp = Workbook(), made_by(result)
    sheet = workbook.sheet("Mix", _MIX, [_NAME, f"{result.title()}; {stamp}"])
    first, rows = sheet.row, _mix_rows(result)
    for cells in rows:
        sheet.add(cells)
    total = Formula(f"=SUM(G{first}:G{sheet.row - 1})", result.usd_per_month)
    sheet.add(["Total", None, None, None, None, None, total], bold=True)
    sheet = workbook.sheet("Cost", _COST, [_NAME, f"Cost at the prices of today and over the horizon; {stamp}"])
    for name, usd in _costs(result).items():
        sheet.add([name, usd])
    for name, usd in result.price_of_constraints().items():
        sheet.add([f"{name} adds per month", usd])
    for note in ["", *result.notes()]:
        sheet.add([note])
    if curve is not None:
        sheet = workbook.sheet("Independence", _CURVE, [_NAME, f"{curve.title()}; {stamp}"])
        for cells in _curve_rows(curve):
            sheet.add(cells)
        sheet.add([])
        sheet.add([_about(curve)])
    if excluded := result.excluded():
        sheet = workbook.sheet("Excluded", _EXCLUDED, [_NAME, f"Options that may not be used; {stamp}"])
        for row in excluded:
            sheet.add(list(row.values()))
    workbook.save(path)


def _costs(result: Portfolio) -> dict[str, float]:
    """Return the most important figures [USD]."""
    shocks, (low, high) = result.question.shocks, result.interval_usd
    over = f"Over {shocks.horizon_months:g} months"
    return {
        "Per month, at the prices of today": result.usd_per_month,
        f"{over}, if nothing changes": result.unchanged_usd,
        f"{over}, expected": result.expected_usd,
        f"{over}, P10": low,
        f"{over}, P90": high,
        f"{over}, mean of the dearest {1 - shocks.level:.0%} (CVaR)": result.cvar_usd,
    }


def _mix_rows(result: Portfolio) -> list[list[Cell]]:
    """Return the cells of `_MIX`, one row per workload and option."""
    names = ("workload", "option", "provider", "location", "share")
    numbers = ("requests_per_month", "usd_per_month", "quality", "replicas")
    return [[row[name] for name in (*names, *numbers)] for row in result.rows()]


def _curve_rows(curve: IndependenceCurve) -> list[list[Cell]]:
    """Return the cells of `_CURVE`, one row per value of the constraint."""
    names = ("usd_per_month", "price_usd_per_month", "expected_usd", "cvar_usd", "largest_share", "missing")
    return [[row["value"], *(row[name] for name in names)] for row in curve.rows()]


def _about(curve: IndependenceCurve) -> str:
    return f"Value: {curve.field}. {'; '.join(curve.notes())}"


def _texts(columns: Sequence[Column], cells: Sequence[Cell]) -> dict[str, str]:
    """Return the cells of a row as text, by the titles of their columns."""
    return {column.title: _text(cell, column.form) for column, cell in zip(columns, cells, strict=True)}


def _text(cell: Cell, form: str) -> str:
    """Return a cell as text, a number in the format of its column."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    if isinstance(cell, (Shown, Formula)) or not isinstance(cell, (int, float)):
        raise TypeError(f"{cell!r} is neither a number nor a text")
    return f"{cell:.1%}" if form == SHARE else f"{cell:,.2f}" if form in (MONEY, "0.00") else f"{cell:,.0f}"
