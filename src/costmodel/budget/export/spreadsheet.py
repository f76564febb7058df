"""Excel export of a budget. Sums are formulas; texts are never formulas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.budget.export.sections import QUANTILES, ends_of, made_by
from costmodel.foundation.workbook import DAY, DAYS, MONEY, SHARE, Column, Formula, Sheet, Shown, Workbook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.budget.lines import Line
    from costmodel.budget.result import BudgetResult


def write_xlsx(budget: BudgetResult, path: str | Path) -> None:
    """Write the budget as an Excel workbook.

    Sheets: Budget, Quantiles & drivers, Calendar, Assumptions, Actuals. The base of a line is a formula of its
    quantity and unit price, and every sum is a formula, so that a changed quantity changes the total; quantiles
    and drivers are values. An actual that is typed into its sheet is compared at once.

    Parameters
    ----------
    budget : BudgetResult
    path : of the file, which is overwritten

    Raises
    ------
    MissingFactError
        If openpyxl is not installed.
    InputError
        If the file cannot be written.
    """
    workbook = Workbook()
    sheets = [
        workbook.sheet(
            title,
            columns,
            [budget.name, f"{title} in {budget.money_of}; {made_by(budget)}"],
            currency=budget.currency,
            most_lines=3 if title == "Budget" else 24,
        )
        for title, columns in _COLUMNS.items()
    ]
    rows = _budget_sheet(sheets[0], budget)
    _uncertainty_sheet(sheets[1], budget)
    _calendar_sheet(sheets[2], budget)
    _assumptions_sheet(sheets[3], budget)
    _actuals_sheet(sheets[4], budget, rows)
    workbook.save(path)


_COLUMNS = {
    "Budget": (
        Column("Line", 38),
        Column("Group", 14),
        Column("Quantity", 16),
        Column("Unit", 14),
        Column("Unit price [USD]", 17),
        Column("Low [USD]", 15),
        Column("Base [USD]", 15),
        Column("High [USD]", 15),
        Column("Expected [USD]", 15),
        Column("Owner", 14),
        Column("As of", 12),
        Column("Source", 38),
        Column("Note", 30),
    ),
    "Quantiles & drivers": (
        Column("Quantile", 44),
        Column("Cost [USD]", 20),
        Column("", 20),
        Column("", 18),
        Column("", 10, SHARE),
    ),
    "Calendar": (
        Column("Task", 44),
        Column("Start [day]", 12, DAYS),
        Column("Duration [days]", 15, DAYS),
        Column("End [day]", 12, DAYS),
        Column("Start", 12, DAY),
        Column("End", 12, DAY),
        Column("After", 34),
        Column("Owner", 18),
        Column("GPUs", 10, "#,##0"),
        Column("Accelerator", 20),
    ),
    "Assumptions": (Column("Subject", 40), Column("Value", 40), Column("Source", 70), Column("As of", 12)),
    "Actuals": (
        Column("Line", 44),
        Column("Budget [USD]", 18),
        Column("Actual [USD]", 18),
        Column("Difference [USD]", 18),
    ),
}


def _budget_sheet(sheet: Sheet, budget: BudgetResult) -> list[int]:
    """Fill the sheet of lines, and return the row number of each line."""
    places: dict[int, int] = {}
    sums: list[int] = []
    for subtotal in budget.subtotals():
        lines = [index for index, line in enumerate(budget.lines) if line.group == subtotal.group]
        first, last = sheet.row + 1, sheet.row + len(lines)
        base, expected = (
            _sum(f"{letter}{first}:{letter}{last}", [getattr(budget.lines[index], which) for index in lines])
            for letter, which in (("G", "base"), ("I", "expected"))
        )
        columns = (subtotal.low, base, subtotal.high, expected)
        sums.append(sheet.add([subtotal.group.capitalize(), None, None, None, None, *columns], bold=True))
        for index in lines:
            line, row = budget.lines[index], sheet.row
            base = Formula(f"=ROUND(C{row}*E{row},2)", line.base)
            price = _precise(line.unit_price)
            places[index] = sheet.add(_cells(line, _precise(line.quantity), price, base), level=1)
    all_base, all_expected = (
        Formula(f"=SUM({','.join(f'{letter}{each}' for each in sums)})", value) if sums else 0.0
        for letter, value in (("G", budget.value("base")), ("I", budget.value("expected")))
    )
    cells = ["Base", None, None, None, None, budget.value("p10"), all_base, budget.value("p90"), all_expected]
    whole = sheet.add(cells, bold=True)
    line, row = budget.lines[-1], sheet.row
    reserve = Formula(f"=ROUND(C{row}*E{row},2)", line.base)
    cells = _cells(line, Shown(Formula(f"=G{whole}", line.quantity), MONEY), Shown(line.unit_price, SHARE), reserve)
    places[len(budget.lines) - 1] = sheet.add([*cells[:5], None, reserve, None, None, *cells[9:]], bold=True)
    total = Formula(f"=G{whole}+G{row}", float(budget.total.magnitude))
    row = sheet.add(["Total", None, None, None, None, None, total], bold=True)
    edge = sheet.styles.Side(style="thin"), sheet.styles.Side(style="double")
    for column in range(1, len(sheet.columns) + 1):
        sheet.sheet.cell(row, column).border = sheet.styles.Border(top=edge[0], bottom=edge[1])
    for each in (*sums, whole, whole + 1):
        sheet.fill(each, "F0F4F8")
    sheet.add([])
    sheet.add(["Base: quantity × unit price at the medians of the inputs. Expected: the mean. Both add up."])
    sheet.add(["Low and high are the 10 % and 90 % quantile of the line or of the sum of lines; they do not add up."])
    sheet.add(["Low, high and expected do not change with the quantity. The contingency is a reserve."])
    return [places[index] for index in range(len(budget.lines))]


def _cells(line: Line, quantity: Shown, price: Shown, base: Formula) -> list[Any]:
    return [
        *(line.name, line.group, quantity, line.unit, price, line.low, base, line.high, line.expected),
        *(line.owner, line.as_of, line.source, line.note),
    ]


def _precise(value: float) -> Shown:
    """Return a number with two decimals, or with more if it has more."""
    return Shown(value, MONEY if round(value, 2) == value else "#,##0.00##" if abs(value) >= 1 else "0.00########")


def _uncertainty_sheet(sheet: Sheet, budget: BudgetResult) -> None:
    for share in QUANTILES:
        sheet.add([f"P{100 * share:g}: {100 * share:g} % probability of at most this", budget.at_quantile(share)])
    sheet.add(["Expected (mean)", budget.value("expected")])
    sheet.add(["Costs without the contingency"])
    sheet.add([])
    sheet.head(["Probability of staying within", "Amount [USD]", "Probability", "", ""])
    for each in budget.within():
        sheet.add([each.name.capitalize(), each.amount, Shown(each.probability, SHARE)])
    need = float(budget.contingency_for(0.8).magnitude)
    sheet.add(["Base and the contingency that gives 80 %", budget.value("base") + need, Shown(0.8, SHARE)])
    sheet.add([])
    sheet.head(["Base with one driver at a quantile", "At its 10 % [USD]", "At its 90 % [USD]", "Swing [USD]", "Share"])
    for driver in sorted(budget.drivers(), key=lambda driver: driver.share, reverse=True):
        swing = Formula(f"=ABS(C{sheet.row}-B{sheet.row})", abs(driver.high - driver.low))
        sheet.add([driver.name, driver.low, driver.high, swing, driver.share])
    if notes := budget.notes():
        sheet.add([])
        sheet.add(["Notes"], bold=True)
        for note in notes:
            sheet.add([note])


def _calendar_sheet(sheet: Sheet, budget: BudgetResult) -> None:
    for task in sorted(budget.schedule, key=lambda task: task.start):
        end = Formula(f"=B{sheet.row}+C{sheet.row}", task.start + task.days)
        first, last = ends_of(task, budget.start) or (None, None)
        sheet.add(
            [
                task.name,
                task.start,
                task.days,
                end,
                first,
                last,
                ", ".join(task.after),
                task.owner,
                task.gpus or None,
                task.accelerator,
            ]
        )
    if budget.gpu_weeks:
        sheet.add([])
        sheet.add(["Accelerators in use [GPU-weeks]"], bold=True)
        for name, weeks in budget.gpu_weeks.items():
            sheet.add([name, weeks])


def _assumptions_sheet(sheet: Sheet, budget: BudgetResult) -> None:
    for each in budget.assumptions:
        sheet.add([each.subject, each.value, each.source, each.as_of])


def _actuals_sheet(sheet: Sheet, budget: BudgetResult, rows: list[int]) -> None:
    """List every line, with an empty cell for the amount paid."""
    first = sheet.row
    for line, row in zip(budget.lines, rows, strict=True):
        less = 0.0 if line.actual is None else line.actual - line.base
        compared = Formula(f"=IF(ISNUMBER(C{sheet.row}),C{sheet.row}-B{sheet.row},0)", less)
        sheet.add([line.name, Formula(f"=Budget!G{row}", line.base), line.actual, Shown(compared, _SIGNED)])
    paid = [line for line in budget.lines if line.actual is not None]
    columns = {
        "B": [line.base for line in budget.lines],
        "C": [line.actual or 0.0 for line in paid],
        "D": [(line.actual or 0.0) - line.base for line in paid],
    }
    sums = [_sum(f"{letter}{first}:{letter}{sheet.row - 1}", values) for letter, values in columns.items()]
    sheet.add(["Total (difference: of the lines with an actual)", *sums[:2], Shown(sums[2], _SIGNED)], bold=True)


_SIGNED = "+#,##0.00;-#,##0.00;–"


def _sum(cells: str, values: Sequence[float]) -> Formula:
    return Formula(f"=SUM({cells})", round(sum(values), 2))
