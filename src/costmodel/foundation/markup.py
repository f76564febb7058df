"""Tables as Markdown and HTML, in which no text of a user is a link or a tag."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

Rows: TypeAlias = Sequence[Mapping[str, str]]
"""Rows of cells by column."""
_SHORT = 18
"""Most characters of a cell of an HTML table that is not wrapped [1]."""


def markdown(rows: Rows, footer: str = "") -> str:
    """Return the rows as a Markdown table."""
    columns = list(rows[0]) if rows else []
    lines = [columns, ["---"] * len(columns), *([row[column] for column in columns] for row in rows)]
    table = "\n".join("| " + " | ".join(_markdown_cell(cell) for cell in line) + " |" for line in lines)
    return f"{table}\n\n{markdown_text(footer)}" if footer else table


def html_table(rows: Rows, title: str = "", notes: Iterable[str] = ()) -> str:
    """Return the rows as an HTML table without empty columns, and the notes as a list; all texts are escaped.

    Its classes keep MathJax of a notebook from reading two dollar signs as a formula. Short cells are not wrapped, and
    a table that is wider than its page scrolls.

    Parameters
    ----------
    rows : sequence of dict
        Rows of cells.
    title : str
        Caption of the table.
    notes : iterable of str
        Notes below the table.
    """
    columns = list(rows[0]) if rows else []
    columns = [column for column in columns if any(row[column] for row in rows)] or columns
    head = "".join(f"<th style='{_style(column)}'>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='{_style(row[column])}'>{html.escape(row[column])}</td>" for column in columns)
        + "</tr>"
        for row in rows
    )
    caption = f"<caption>{html.escape(title)}</caption>" if title else ""
    lines = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    listed = f"<ul style='font-size:smaller'>{lines}</ul>" if lines else ""
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    scrolled = f"<div style='overflow-x:auto'>{table}</div>"
    return f"<div class='tex2jax_ignore mathjax_ignore'>{scrolled}{listed}</div>"


def _style(cell: str) -> str:
    """Return the style of a cell: a short one, such as an amount or a date, stays on one line."""
    return "text-align:left" + (";white-space:nowrap" if len(cell) <= _SHORT else "")


def markdown_text(text: str) -> str:
    """Return a text that Markdown shows as it is: without tags, and without links that show other words.

    >>> markdown_text("[help](https://example.org) <b>")
    '[help]\\\\(https://example.org) &lt;b>'
    """
    text = text.replace("<", "&lt;").replace("](", "]\\(").replace("][", "]\\[")
    return _LINK_TARGET.sub(r"\1\:", text)


_LINK_TARGET = re.compile(r"^( {0,3}\[[^\]\n]*\]):", re.MULTILINE)
"""A line that gives the address of a link, such as "[help]: https://example.org"."""


def _markdown_cell(cell: str) -> str:
    return markdown_text(" ".join(cell.replace("\\", "\\\\").replace("|", "\\|").splitlines()))
