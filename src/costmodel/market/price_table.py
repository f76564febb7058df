"""Check tables of rental prices, and merge new prices into one. Needs no network."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.foundation.schemas import Accepted, check_table, load_schema, order_key, row_object
from costmodel.foundation.tables import Row, Table, read_csv
from costmodel.foundation.user_files import write_text
from costmodel.market.gpu_prices import STALE_AFTER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

COLUMNS = (
    "accelerator", "provider", "region", "instance_type", "gpus_per_instance", "purchase_model",
    "usd_per_gpu_hour", "as_of", "source_url", "note",
)  # fmt: skip
"""The columns of `data/gpu_prices.csv`; they do not change."""
_NAME = "gpu_prices"


def check_columns(facts: Table) -> str:
    """Return what is wrong with the columns of a price table, or "".

    Parameters
    ----------
    facts : Table
    """
    wrong = load_schema(_NAME).columns_problem(facts.columns)
    return f"{facts.name}: {wrong}" if wrong else ""


def check_prices(
    facts: Table, accelerators: Collection[str], today: dt.date | None = None, ordered: bool = True
) -> list[str]:
    """Return what is wrong with a price table, one line per problem; an empty list means that it is sound.

    Parameters
    ----------
    facts : Table
    accelerators : collection of str
        Names that the column `accelerator` may hold.
    today : datetime.date or None
        No price may be newer; not checked unless given.
    ordered : bool
        Whether the rows must be sorted.
    """
    accepted = Accepted({"facts/accelerators.name": accelerators}, today, any_order=not ordered)
    problems = check_table(facts, load_schema(_NAME), accepted)
    return [str(problem) if problem.line else f"{facts.name}: {problem}" for problem in problems]


def stale_offers(facts: Table, on: dt.date) -> list[str]:
    """Return the offers whose newest price is more than a year old on a day.

    Parameters
    ----------
    facts : Table
    on : datetime.date
    """
    last: dict[str, str] = {}
    for row in facts.rows:
        offer = f"{row['accelerator']} at {row['provider']} ({row['purchase_model']})"
        last[offer] = max(last.get(offer, ""), row["as_of"])
    old = [offer for offer, day in last.items() if on - dt.date.fromisoformat(day) > STALE_AFTER]
    return [f"{offer}: last seen {last[offer]}" for offer in sorted(old)]


def merge_prices(target: Path, new: Path, accelerators: Collection[str], today: dt.date | None = None) -> int:
    """Append the prices of `new` to `target`, sorted, and return how many were added.

    Parameters
    ----------
    target, new : pathlib.Path
        Price tables.
    accelerators : collection of str
        Names that the column `accelerator` may hold.
    today : datetime.date or None
        No price may be newer; not checked unless given.

    Raises
    ------
    InputError
        If `new` is not sound, or contradicts a price of the table: prices are added, never changed.
    """
    existing, added = read_csv(target), read_csv(new)
    if wrong := [message for message in (check_columns(existing), check_columns(added)) if message]:
        raise InputError(wrong)
    problems = check_prices(added, accelerators, today, ordered=False)
    by_offer = {offer(row): row for row in existing.rows}
    fresh: list[Row] = []
    for line, row in enumerate(added.rows, 2):
        before = by_offer.get(offer(row))
        if before is None:
            fresh.append(row)
        elif _price(before) != _price(row):
            was, now = before["usd_per_gpu_hour"], row["usd_per_gpu_hour"]
            problems.append(f"line {line}: contradicts the table, which has {was} USD/hour on that day, not {now}")
    if problems:
        raise InputError(problems)
    schema = load_schema(_NAME)
    ordered = sorted([*existing.rows, *fresh], key=lambda row: order_key(schema, row_object(schema, row)))
    write_text(target, as_csv(ordered))
    return len(fresh)


def as_csv(rows: Sequence[Row]) -> str:
    """Return prices as the text of a CSV file.

    Parameters
    ----------
    rows : sequence of rows
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def offer(row: Row) -> tuple[str, ...]:
    """Return what tells prices apart: the offer and its day.

    Parameters
    ----------
    row : mapping of str
    """
    return tuple(row[column] for column in load_schema(_NAME).key)


def _price(row: Row) -> float | None:
    try:
        return float(row["usd_per_gpu_hour"])
    except ValueError:
        return None
