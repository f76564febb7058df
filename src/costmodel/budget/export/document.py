"""Text exports of a budget: CSV, Markdown, and an HTML page for reading and printing."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from costmodel.budget.export.drawing import DRIVERS, draw_calendar, draw_drivers, draw_groups, draw_total, svg
from costmodel.budget.export.page import figure_html, page, section_html
from costmodel.budget.export.sections import Section, made_by, sections
from costmodel.budget.lines import Line
from costmodel.foundation import markup
from costmodel.foundation.plain_data import inert

if TYPE_CHECKING:
    from costmodel.budget.result import BudgetResult


def csv_text(budget: BudgetResult) -> str:
    """Return the budget as CSV: a row for each line with all of its fields, and rows of the base and the total.

    Money has two decimals, so the bases of the lines add up to the total to the cent. A text that a spreadsheet would
    read as a formula (it starts with =, +, -, @, a tab or a line break) gets an apostrophe in front.

    Parameters
    ----------
    budget : BudgetResult
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(Line._fields)
    *lines, contingency = budget.lines
    writer.writerows([_csv_cell(name, value) for name, value in line._asdict().items()] for line in lines)
    reserve = {**contingency._asdict(), "low": None, "high": None, "expected": None}
    writer.writerow(_csv_cell(name, value) for name, value in reserve.items())
    actuals = [line.actual for line in budget.lines if line.actual is not None]
    unit = f"{budget.currency} of {budget.currency_year}"
    base = {
        "name": "base",
        "group": "base",
        "unit": unit,
        "low": budget.value("p10"),
        "base": budget.value("base"),
        "high": budget.value("p90"),
        "expected": budget.value("expected"),
        "note": "sum of the lines without the contingency; low and high are quantiles of the sum",
    }
    total = {
        "name": "total",
        "group": "total",
        "unit": unit,
        "base": float(budget.total.magnitude),
        "note": f"base and contingency; {made_by(budget)}",
        "actual": sum(actuals) if actuals else None,
    }
    for row in (base, total):
        writer.writerow(_csv_cell(name, row.get(name)) for name in Line._fields)
    return buffer.getvalue()


def markdown(budget: BudgetResult) -> str:
    """Return the budget as Markdown: totals, notes and all tables.

    Parameters
    ----------
    budget : BudgetResult
    """
    facts = "\n".join(f"- {name}: {value}" for name, value in _facts(budget))
    notes = "\n".join(f"- {_heading(note)}" for note in budget.notes())
    parts = [f"# {_heading(budget.name)}", _subtitle(budget), facts, *([notes] if notes else [])]
    for section in sections(budget):
        parts += [f"## {section.title}", markup.markdown(_emphasized(section), section.note)]
    return "\n\n".join([*parts, made_by(budget)]) + "\n"


def html_page(budget: BudgetResult) -> str:
    """Return the budget as one self-contained HTML page: no scripts, no loaded files, all text escaped.

    Parameters
    ----------
    budget : BudgetResult
    """
    found = {section.title: section for section in sections(budget)}
    pair = figure_html("What it costs by group", svg(draw_groups, budget, 4.6, 3.1, "groups")) + figure_html(
        "Probability of staying within a sum", svg(draw_total, budget, 4.6, 3.1, "total")
    )
    plots = {"Cost lines": f'<div class="pair">{pair}</div>'}
    if drivers := budget.drivers():
        height = 1.1 + 0.36 * min(len(drivers), DRIVERS)
        plots["Drivers of the interval"] = figure_html("", svg(draw_drivers, budget, 9.2, height, "drivers"))
    if budget.schedule:
        height = 0.8 + 0.32 * len(budget.schedule)
        plots["Calendar"] = figure_html("", svg(draw_calendar, budget, 9.2, height, "calendar"))
    body = "".join(section_html(section, plots.get(title, "")) for title, section in found.items())
    return page(budget.name, _subtitle(budget), _facts(budget), budget.notes(), body, made_by(budget))


def _subtitle(budget: BudgetResult) -> str:
    return f"Budget in {budget.money_of}"


def _facts(budget: BudgetResult) -> list[tuple[str, str]]:
    """Return the headline facts: totals, quantiles, duration."""
    facts = [
        ("Base", f"{budget.value('base'):,.2f} {budget.currency}"),
        ("Contingency", f"{budget.value('contingency'):,.2f} {budget.currency}"),
        ("Total: base and contingency", f"{budget.total.magnitude:,.2f} {budget.currency}"),
        ("P50 without contingency", f"{budget.value('p50'):,.0f} {budget.currency}"),
        ("P10 to P90 (80 % interval)", f"{budget.value('p10'):,.0f} to {budget.value('p90'):,.0f} {budget.currency}"),
    ]
    if budget.schedule:
        since = f" from {budget.start.isoformat()}" if budget.start else ""
        facts.append((f"Duration{since}", f"{budget.days:,.1f} days"))
    return facts


def _csv_cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return f"{value:.2f}" if name in {"low", "base", "high", "expected", "actual"} else repr(float(value))
    return str(inert(str(value).replace("\r\n", "\n").replace("\r", "\n")))


def _heading(text: str) -> str:
    """Return a text on one line, without tags and links."""
    return markup.markdown_text(" ".join(text.split()).replace("&", "&amp;"))


def _emphasized(section: Section) -> list[dict[str, str]]:
    """Return the rows with each cell on one line, and emphasized rows in bold."""
    rows = []
    for index, row in enumerate(section.rows):
        cells = {key: " ".join(cell.split()) for key, cell in row.items()}
        strong = index in section.strong
        rows.append({key: f"**{cell}**" if cell and strong else cell for key, cell in cells.items()})
    return rows
