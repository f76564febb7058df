"""Tables of a budget for readers: lines by group, uncertainty, calendar, actuals, assumptions, sources."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from costmodel.budget.lines import Subtotal
from costmodel.foundation.rendering import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.budget.lines import Line, Task
    from costmodel.budget.result import BudgetResult

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
NUMERIC = frozenset(
    {
        "Quantity",
        "Unit price",
        "Low",
        "Base",
        "High",
        "Expected",
        "Cost",
        "Amount",
        "Probability",
        "At its 10 %",
        "At its 90 %",
        "Swing",
        "Share",
        "Days",
        "GPUs",
        "Budget",
        "Actual",
        "Difference",
        "Spent",
        "Committed",
        "Done",
        "GPU-weeks",
    }
)
"""Columns of numbers, aligned on the right."""
DATES = frozenset({"As of", "Start", "End"})
LONG = frozenset({"Line", "Driver", "Task", "After", "Subject", "Value", "Source", "Source of the price", "Note"})
"""Columns of free text, in which a line may break within a word."""


class Section(NamedTuple):
    """A table of text: title, rows, indices of emphasized rows (sums), a note below, and columns of numbers."""

    title: str
    rows: list[dict[str, str]]
    strong: frozenset[int] = frozenset()
    note: str = ""
    numeric: frozenset[str] = NUMERIC


def sections(budget: BudgetResult) -> list[Section]:
    """Return the tables of a budget in reading order, without empty ones."""
    tables = (
        _lines(budget),
        _within(budget),
        _quantiles(budget),
        _drivers(budget),
        _calendar(budget),
        _gpu_weeks(budget),
        _actuals(budget),
        _assumptions(budget),
        _sources(budget),
    )
    return [section for section in tables if section.rows]


class Stamped(Protocol):
    """A result that states what reproduces it."""

    def stamp(self) -> dict[str, Any]:
        """Return the version, the hash of the data and the seed."""
        ...


def made_by(result: Stamped) -> str:
    """Return one line with version, hash of the data and seed."""
    stamp = result.stamp()
    return f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}"


def money(value: float) -> str:
    """Return dollars and cents.

    >>> money(1234.5), money(-0.001)
    ('1,234.50', '0.00')
    """
    return f"{round(value, 2) + 0.0:,.2f}"


def ends_of(task: Task, start: date | None) -> tuple[date, date] | None:
    """Return the first day and the end day of a task, or None if the project has no start date."""
    if start is None:
        return None
    return start + timedelta(days=task.start), start + timedelta(days=task.start + task.days)


def _lines(budget: BudgetResult) -> Section:
    rows: list[dict[str, str]] = []
    strong: list[int] = []
    *lines, contingency = budget.lines
    for subtotal in budget.subtotals():
        strong.append(len(rows))
        rows.append(_sum(subtotal.group.capitalize(), subtotal))
        rows += [_row(line) for line in lines if line.group == subtotal.group]
    whole = Subtotal("other", budget.value("p10"), budget.value("base"), budget.value("p90"), budget.value("expected"))
    share = f"{round(100 * contingency.unit_price, 2):g} %"
    reserve = {"Quantity": money(contingency.quantity), "Unit": contingency.unit, "Unit price": share}
    strong += range(len(rows), len(rows) + 3)
    rows += [
        _sum("Base", whole),
        {**_EMPTY, "Line": contingency.name.capitalize(), **reserve, "Base": money(contingency.base)},
        {**_EMPTY, "Line": "Total", "Base": money(float(budget.total.magnitude))},
    ]
    note = (
        "Base: quantity × unit price at the medians of the inputs. Expected: the mean. Both add up. Low and high are "
        "the 10 % and 90 % quantile of the line or of the sum of lines, and do not add up, because not all lines are "
        "low or high at once. The contingency is a reserve on top of the base; no other figure contains it."
    )
    return Section("Cost lines", rows, frozenset(strong), note)


_EMPTY = dict.fromkeys(("Line", "Quantity", "Unit", "Unit price", "Low", "Base", "High", "Expected"), "")


def _sum(title: str, amounts: Line | Subtotal) -> dict[str, str]:
    columns = {column.capitalize(): money(getattr(amounts, column)) for column in ("low", "base", "high", "expected")}
    return {**_EMPTY, "Line": title, **columns}


def _row(line: Line) -> dict[str, str]:
    quantity = {"Quantity": _quantity(line.quantity), "Unit": line.unit, "Unit price": _price(line.unit_price)}
    return {**_sum(line.name, line), **quantity}


def _within(budget: BudgetResult) -> Section:
    rows = [
        {
            "Within": each.name,
            "Amount": money(each.amount),
            "Probability": f"{100 * each.probability:.1f} %",
        }
        for each in budget.within()
    ]
    need = money(float(budget.contingency_for(0.8).magnitude))
    return Section("Probability of staying within", rows, note=f"A contingency of {need} {budget.currency} gives 80 %.")


def _quantiles(budget: BudgetResult) -> Section:
    rows = [
        {
            "Quantile": f"P{100 * share:g}",
            "Cost": money(budget.at_quantile(share)),
            "Meaning": f"{100 * share:g} % probability that the lines cost at most this",
        }
        for share in QUANTILES
    ]
    strong = frozenset(index for index, share in enumerate(QUANTILES) if share in {0.1, 0.5, 0.9})
    return Section("Quantiles of the cost", rows, strong, "Costs of the lines without the contingency.")


def _drivers(budget: BudgetResult) -> Section:
    rows = [
        {
            "Driver": driver.name,
            "At its 10 %": money(driver.low),
            "At its 90 %": money(driver.high),
            "Swing": money(abs(driver.high - driver.low)),
            "Share": f"{100 * driver.share:.1f} %",
        }
        for driver in sorted(budget.drivers(), key=lambda driver: driver.share, reverse=True)
    ]
    note = (
        "The base with one input at its 10 % and at its 90 % quantile, all others at their medians. "
        "Share is the share of the squared swings."
    )
    return Section("Drivers of the interval", rows, note=note)


def _calendar(budget: BudgetResult) -> Section:
    rows = []
    for task in sorted(budget.schedule, key=lambda task: task.start):
        ends = ends_of(task, budget.start)
        first, last = ends or (f"day {task.start:g}", f"day {task.start + task.days:g}")
        rows.append(
            {
                "Task": task.name,
                "Start": str(first),
                "End": str(last),
                "Days": f"{task.days:,.1f}",
                "After": ", ".join(task.after),
                "Owner": task.owner,
                "GPUs": f"{task.gpus:,}" if task.gpus else "",
                "Accelerator": task.accelerator,
            }
        )
    note = f"The project takes {number(budget.days)} days." if rows else ""
    return Section("Calendar", rows, note=note)


def _gpu_weeks(budget: BudgetResult) -> Section:
    rows = [{"Accelerator": name, "GPU-weeks": f"{weeks:,.1f}"} for name, weeks in budget.gpu_weeks.items()]
    return Section("Accelerators in use", rows)


def _actuals(budget: BudgetResult) -> Section:
    rows = [row for row in budget.against_actuals() if row["actual"] is not None]
    progress = any(row.get("committed") or row.get("done") is not None for row in rows)
    shown = [
        {
            "Line": row["line"],
            "Budget": money(row["budget"]),
            "Actual": money(row["actual"]),
            "Difference": _signed(row["difference"]),
            "Spent": _share(row["actual"], row["budget"]),
            **(_progress(row) if progress else {}),
        }
        for row in rows
    ]
    if shown:
        planned, paid = (sum(row[column] for row in rows) for column in ("budget", "actual"))
        shown.append(
            {
                "Line": "Total of these lines",
                "Budget": money(planned),
                "Actual": money(paid),
                "Difference": _signed(paid - planned),
                "Spent": _share(paid, planned),
                **(_progress({"committed": sum(row["committed"] for row in rows)}) if progress else {}),
            }
        )
    note = "Difference: actual minus budget; positive is overspent. Lines without an actual are not listed."
    return Section("Actual against budget", shown, frozenset({len(rows)}), note if shown else "")


def _progress(row: Mapping[str, Any]) -> dict[str, str]:
    done = row.get("done")
    return {"Committed": money(row["committed"]), "Done": "" if done is None else f"{100 * done:.0f} %"}


def _assumptions(budget: BudgetResult) -> Section:
    rows = [
        {"Subject": each.subject, "Value": each.value, "Source": each.source, "As of": each.as_of}
        for each in budget.assumptions
    ]
    return Section("Assumptions", rows)


def _sources(budget: BudgetResult) -> Section:
    rows = [
        {
            "Line": line.name,
            "Owner": line.owner,
            "Source of the price": _shortened(line.source),
            "As of": line.as_of,
            "Note": line.note,
        }
        for line in budget.lines
        if line.owner or line.source or line.as_of or line.note
    ]
    return Section("Sources and owners of the lines", rows)


def _shortened(text: str) -> str:
    """Return the first 160 characters of a text; the spreadsheet and the CSV have all of it."""
    return text if len(text) <= 160 else text[:159].rsplit(" ", 1)[0] + " …"


def _quantity(value: float) -> str:
    """Return a quantity with at most two decimals, or with three digits if it is below 1.

    >>> _quantity(1999999.9999999998), _quantity(12.648), _quantity(0.1234)
    ('2,000,000', '12.65', '0.123')
    """
    return f"{value:,.2f}".removesuffix(".00") if abs(value) >= 1 else _plain(value, 3)


def _price(value: float) -> str:
    """Return a unit price in cents, or with four digits if it is not a whole number of cents.

    >>> _price(2.5), _price(2.98432), _price(0.00000015)
    ('2.50', '2.9843', '0.00000015')
    """
    if round(value, 2) == value or abs(value) >= 1000:
        return money(value)
    return f"{value:,.4f}" if abs(value) >= 1 else _plain(value, 4)


def _plain(value: float, digits: int) -> str:
    """Return a small number with the given number of digits, without an exponent."""
    return f"{float(f'{value:.{digits}g}'):.15f}".rstrip("0").rstrip(".")


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+,.2f}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""
