"""Text exports of a budget: CSV, Markdown, and an HTML page for reading and printing."""

from __future__ import annotations

import csv
import html
import io
from typing import TYPE_CHECKING

from costmodel.budget.export.drawing import DRIVERS, draw_calendar, draw_drivers, draw_groups, draw_total, svg
from costmodel.budget.export.sections import DATES, LONG, NUMERIC, Section, made_by, sections
from costmodel.budget.lines import Line
from costmodel.foundation import rendering

if TYPE_CHECKING:
    from costmodel.budget.result import BudgetResult

_STYLE = """
:root { font: 14px/1.45 Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; color: #1a1a1a }
body { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; padding-bottom: .25rem; border-bottom: 2px solid #0072b2 }
p.subtitle, p.note, footer { color: #555; margin: .3rem 0; overflow-wrap: anywhere }
p.note, footer, ul.notes { font-size: .86rem }
ul.notes { padding-left: 1.2rem; overflow-wrap: anywhere }
dl { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0 }
dl div { flex: 1 1 auto; border: 1px solid #ccc; border-left: 4px solid #0072b2; padding: .5rem .8rem }
dt { color: #555; font-size: .82rem }
dd { margin: 0; font-size: 1.1rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100%; font-size: .86rem; margin: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .28rem .5rem; border-bottom: 1px solid #ddd }
td.long { overflow-wrap: anywhere; min-width: 7rem }
th { border-bottom: 1.5px solid #444; vertical-align: bottom; font-weight: 600 }
td.date { white-space: nowrap }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
tr.strong td { font-weight: 600; background: #f0f4f8 }
table.outline tr:not(.strong) td:first-child { padding-left: 1.3rem }
table.outline tr:last-child td { border-top: 1.5px solid #444; border-bottom: 3px double #444; background: none }
table.narrow { width: auto; min-width: 50%; break-inside: avoid }
figure { margin: .8rem 0; break-inside: avoid }
figcaption { font-weight: 600; font-size: .9rem; margin-bottom: .2rem }
figure svg { width: 100%; height: auto; display: block }
svg * { stroke-linejoin: round; stroke-linecap: butt }
svg text { font-family: Arial, "Liberation Sans", "DejaVu Sans", sans-serif !important }
div.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem }
footer { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: .6rem }
@media (max-width: 45rem) { div.pair { grid-template-columns: 1fr } }
@page { size: A4; margin: 14mm 12mm }
@media print {
  :root { font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact }
  body { max-width: none; padding: 0 }
  h2 { break-after: avoid }
  tr { break-inside: avoid }
  thead { display: table-header-group }
}
""".strip()
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


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
        "low": budget.p10,
        "base": budget.base,
        "high": budget.p90,
        "expected": budget.expected,
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


def inert(text: str) -> bool:
    """Return whether a spreadsheet reads a text as text, not as a formula.

    >>> inert("GPU time"), inert("=1+1"), inert("@SUM(A1)")
    (True, False, False)
    """
    return not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


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
        parts += [f"## {section.title}", rendering.markdown(_emphasized(section), section.note)]
    return "\n\n".join([*parts, made_by(budget)]) + "\n"


def html_page(budget: BudgetResult) -> str:
    """Return the budget as one self-contained HTML page: no scripts, no loaded files, all text escaped.

    Parameters
    ----------
    budget : BudgetResult
    """
    found = {section.title: section for section in sections(budget)}
    pair = _figure("What it costs by group", svg(draw_groups, budget, 4.6, 3.1, "groups")) + _figure(
        "Probability of staying within a sum", svg(draw_total, budget, 4.6, 3.1, "total")
    )
    plots = {"Cost lines": f'<div class="pair">{pair}</div>'}
    if drivers := budget.drivers():
        height = 1.1 + 0.36 * min(len(drivers), DRIVERS)
        plots["Drivers of the interval"] = _figure("", svg(draw_drivers, budget, 9.2, height, "drivers"))
    if budget.schedule:
        height = 0.8 + 0.32 * len(budget.schedule)
        plots["Calendar"] = _figure("", svg(draw_calendar, budget, 9.2, height, "calendar"))
    facts = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in _facts(budget)
    )
    body = "".join(_html_section(section, plots.get(title, "")) for title, section in found.items())
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in budget.notes())
    notes = f'<ul class="notes">{notes}</ul>\n' if notes else ""
    name = html.escape(budget.name)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f'<h1>{name}</h1>\n<p class="subtitle">{html.escape(_subtitle(budget))}</p>\n<dl>{facts}</dl>\n{notes}{body}'
        f"<footer>{html.escape(made_by(budget))}</footer>\n</body>\n</html>\n"
    )


def _subtitle(budget: BudgetResult) -> str:
    return f"Budget in {budget.money_of}"


def _facts(budget: BudgetResult) -> list[tuple[str, str]]:
    """Return the headline facts: totals, quantiles, duration."""
    facts = [
        ("Base", f"{budget.base:,.2f} {budget.currency}"),
        ("Contingency", f"{budget.contingency:,.2f} {budget.currency}"),
        ("Total: base and contingency", f"{budget.total.magnitude:,.2f} {budget.currency}"),
        ("P50 without contingency", f"{budget.p50:,.0f} {budget.currency}"),
        ("P10 to P90 (80 % interval)", f"{budget.p10:,.0f} to {budget.p90:,.0f} {budget.currency}"),
    ]
    if budget.schedule:
        since = f" from {budget.start.isoformat()}" if budget.start else ""
        facts.append((f"Duration{since}", f"{budget.duration:,.1f} days"))
    return facts


def _csv_cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return f"{value:.2f}" if name in {"low", "base", "high", "expected", "actual"} else repr(float(value))
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    return text if inert(text) else f"'{text}"


def _heading(text: str) -> str:
    """Return a text on one line, without tags."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")


def _emphasized(section: Section) -> list[dict[str, str]]:
    """Return the rows with each cell on one line, and emphasized rows in bold."""
    rows = []
    for index, row in enumerate(section.rows):
        cells = {key: " ".join(cell.split()) for key, cell in row.items()}
        strong = index in section.strong
        rows.append({key: f"**{cell}**" if cell and strong else cell for key, cell in cells.items()})
    return rows


def _figure(caption: str, drawn: str) -> str:
    head = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{head}{drawn}</figure>\n"


def _kind(column: str) -> str:
    """Return the CSS class of a column: numbers, dates without line breaks, or text that breaks anywhere."""
    return "number" if column in NUMERIC else "date" if column in DATES else "long" if column in LONG else "short"


def _html_section(section: Section, plot: str) -> str:
    columns = [column for column in section.rows[0] if any(row[column] for row in section.rows)]
    classes = {column: f' class="{_kind(column)}"' for column in columns}
    head = "".join(f"<th{classes[column]}>{html.escape(column)}</th>" for column in columns)
    body = ""
    for index, row in enumerate(section.rows):
        cells = "".join(f"<td{classes[column]}>{html.escape(row[column])}</td>" for column in columns)
        strong = ' class="strong"' if index in section.strong else ""
        body += f"<tr{strong}>{cells}</tr>\n"
    kind = ' class="outline"' if section.title == "Cost lines" else ' class="narrow"' if len(columns) <= 3 else ""
    table = f"<table{kind}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"
    note = f'<p class="note">{html.escape(section.note)}</p>\n' if section.note else ""
    return f"<h2>{html.escape(section.title)}</h2>\n{plot}{table}{note}"
