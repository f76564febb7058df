"""An HTML page for reading and printing: a headline, facts, notes, and sections with a plot and a table."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from costmodel.budget.export.sections import DATES, LONG, Section

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
div.scroll, figure { overflow-x: auto }
@media (max-width: 45rem) {
  body { padding: 1rem }
  div.pair { grid-template-columns: 1fr }
  figure svg { min-width: 44rem }
  div.pair svg { min-width: 0 }
}
@page { size: A4; margin: 14mm 12mm }
@media print {
  :root { font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact }
  body { max-width: none; padding: 0 }
  div.scroll, figure { overflow: visible }
  h2 { break-after: avoid }
  tr { break-inside: avoid }
  thead { display: table-header-group }
}
""".strip()
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(
    title: str, subtitle: str, facts: Iterable[tuple[str, str]], notes: Sequence[str], body: str, footer: str
) -> str:
    """Return one self-contained HTML page: no scripts, no loaded files, all text escaped.

    Parameters
    ----------
    title : str
        Headline.
    subtitle : str
        Line below the headline.
    facts : iterable of (str, str)
        Names and values of the most important figures.
    notes : sequence of str
        Remarks above the sections.
    body : str
        Sections as HTML, from `section_html`.
    footer : str
        Last line.
    """
    boxes = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    listed = f'<ul class="notes">{listed}</ul>\n' if listed else ""
    name = html.escape(title)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f'<h1>{name}</h1>\n<p class="subtitle">{html.escape(subtitle)}</p>\n<dl>{boxes}</dl>\n{listed}{body}'
        f"<footer>{html.escape(footer)}</footer>\n</body>\n</html>\n"
    )


def figure_html(caption: str, drawn: str) -> str:
    """Return a plot with its caption.

    Parameters
    ----------
    caption : str
    drawn : str
        The plot as SVG.
    """
    head = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{head}{drawn}</figure>\n"


def _kind(column: str, numeric: frozenset[str]) -> str:
    """Return the CSS class of a column: numbers, dates without line breaks, or text that breaks anywhere."""
    return "number" if column in numeric else "date" if column in DATES else "long" if column in LONG else "short"


def section_html(section: Section, plot: str = "") -> str:
    """Return a section as HTML: heading, plot, table without empty columns, note; a wide table scrolls.

    Parameters
    ----------
    section : Section
        With one row or more.
    plot : str
        HTML above the table.
    """
    columns = [column for column in section.rows[0] if any(row[column] for row in section.rows)]
    classes = {column: f' class="{_kind(column, section.numeric)}"' for column in columns}
    head = "".join(f"<th{classes[column]}>{html.escape(column)}</th>" for column in columns)
    body = ""
    for index, row in enumerate(section.rows):
        cells = "".join(f"<td{classes[column]}>{html.escape(row[column])}</td>" for column in columns)
        strong = ' class="strong"' if index in section.strong else ""
        body += f"<tr{strong}>{cells}</tr>\n"
    kind = ' class="outline"' if section.title == "Cost lines" else ' class="narrow"' if len(columns) <= 3 else ""
    table = f"<table{kind}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
    table = f'<div class="scroll">{table}</div>\n'
    note = f'<p class="note">{html.escape(section.note)}</p>\n' if section.note else ""
    return f"<h2>{html.escape(section.title)}</h2>\n{plot}{table}{note}"
