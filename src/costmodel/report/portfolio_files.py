"""Files of a portfolio: an HTML page for reading and printing, an Excel workbook, and CSV."""

from __future__ import annotations

import csv
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.budget.export.document import inert
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import write_text
from costmodel.report.plot_portfolio import portfolio as drawn

if TYPE_CHECKING:
    from costmodel.choosing.portfolio.curve import IndependenceCurve
    from costmodel.choosing.portfolio.result import Portfolio

_STYLE = """
:root { font: 14px/1.45 Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; color: #1a1a1a }
body { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 2px solid #0072b2 }
table { border-collapse: collapse; width: 100%; font-size: .86rem }
caption { text-align: left; padding-bottom: .4rem }
th, td { text-align: left; padding: .28rem .5rem; border-bottom: 1px solid #ddd }
figure { margin: .8rem 0; break-inside: avoid } figure svg { width: 100%; height: auto; display: block }
p { color: #555 }
""".strip()
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


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
        write_text(path, _csv(result))
    elif kind == ".xlsx":
        _write_xlsx(result, curve, path)
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
    from costmodel.budget.export.drawing import svg

    rows = len({row["workload"] for row in result.rows()})
    parts = [f"<figure>{svg(drawn, result, 9.2, 1.9 + 0.5 * rows, 'mix')}</figure>", result._repr_html_()]
    if curve is not None:
        figure = svg(drawn, curve, 9.2, 3.6, "curve") if curve.cheapest_usd is not None else ""
        parts += ["<h2>The price of independence</h2>", f"<figure>{figure}</figure>", curve._repr_html_()]
    excluded = "".join(
        f"<tr><td>{html.escape(row['workload'])}</td><td>{html.escape(row['option'])}</td>"
        f"<td>{html.escape(row['reason'])}</td></tr>"
        for row in result.excluded()
    )
    if excluded:
        head = "<tr><th>workload</th><th>option</th><th>constraint</th></tr>"
        parts.append(f"<h2>Options that may not be used</h2><table>{head}{excluded}</table>")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>Portfolio of models</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f"<h1>Portfolio of models</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _csv(result: Portfolio) -> str:
    rows = result.rows()
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _inert(value) for key, value in row.items()} for row in rows)
    return buffer.getvalue()


def _inert(value: object) -> object:
    """Return a text that no spreadsheet reads as a formula."""
    return f"'{value}" if isinstance(value, str) and not inert(value) else value


def _write_xlsx(result: Portfolio, curve: IndependenceCurve | None, path: Path) -> None:
    """Write a workbook with the sheets Mix, Cost, Independence and Excluded."""
    try:
        import openpyxl  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise MissingFactError("a workbook needs openpyxl: pip install 'costmodel[xlsx]'") from None
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    low, high = result.interval_usd
    costs = {
        "USD per month, prices of today": result.usd_per_month,
        "USD over the horizon, nothing changes": result.unchanged_usd,
        "USD over the horizon, expected": result.expected_usd,
        "USD over the horizon, 10 % quantile": low,
        "USD over the horizon, 90 % quantile": high,
        "USD over the horizon, CVaR": result.cvar_usd,
        "level of the CVaR": result.question.shocks.level,
        "months of the horizon": result.question.shocks.horizon_months,
        "scenarios": result.question.shocks.scenarios,
        "seed": result.question.seed,
    }
    added = {f"USD per month that {name} adds": usd for name, usd in result.price_of_constraints().items()}
    sheets: dict[str, list[dict[str, Any]]] = {
        "Mix": result.rows(),
        "Cost": [{"figure": name, "value": value} for name, value in (costs | added).items()],
        "Independence": [] if curve is None else curve.rows(),
        "Excluded": list(result.excluded()),
        "Notes": [{"note": note} for note in result.question.offers.notes],
    }
    for title, rows in sheets.items():
        if not rows:
            continue
        sheet = workbook.create_sheet(title)
        sheet.append(list(rows[0]))
        for number, row in enumerate(rows, start=2):
            for column, value in enumerate(row.values(), start=1):
                cell = sheet.cell(number, column)
                cell.value = value
                if isinstance(value, str):
                    cell.data_type, cell.quotePrefix = "s", True
        sheet.freeze_panes = "A2"
        for column, name in enumerate(rows[0], start=1):
            widest = max(len(name), *(len(str(list(row.values())[column - 1])) for row in rows))
            sheet.column_dimensions[openpyxl.utils.get_column_letter(column)].width = min(widest + 2, 60)
    buffer = io.BytesIO()
    workbook.save(buffer)
    try:
        path.write_bytes(buffer.getvalue())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
