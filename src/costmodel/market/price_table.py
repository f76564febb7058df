"""Is a price table sound, and does a new one fit in? Checks that need no network, and an append-only merge."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.tables import Row, Table, read_csv, write_text
from costmodel.market.gpu_prices import MARKET, PURCHASE_MODELS, STALE_AFTER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

COLUMNS = (
    "accelerator", "provider", "region", "instance_type", "gpus_per_instance", "purchase_model",
    "usd_per_gpu_hour", "as_of", "source_url", "note",
)  # fmt: skip
_KEY = ("accelerator", "provider", "purchase_model", "as_of", "region", "instance_type", "gpus_per_instance")
_MOST_USD_PER_HOUR = 1000.0


def check_columns(facts: Table) -> str:
    """Return what is wrong with the columns of a price table, or ""."""
    if tuple(facts.columns) == COLUMNS:
        return ""
    return f"{facts.name}: the columns are {', '.join(COLUMNS)}; got {', '.join(facts.columns)}"


def check_prices(
    facts: Table, accelerators: Collection[str], today: dt.date | None = None, ordered: bool = True
) -> list[str]:
    """Return what is wrong with a price table, one line per problem; an empty list means that it is sound.

    Parameters
    ----------
    facts : the table
    accelerators : names that the column `accelerator` may hold
    today : no fact is newer; not checked unless given
    ordered : whether the facts have to be sorted
    """
    if wrong := check_columns(facts):
        return [wrong]
    if not facts.rows:
        return [f"{facts.name}: holds no facts"]
    problems: list[str] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(facts.rows, 2):
        problems += [f"line {line}: {problem}" for problem in _row_problems(row, accelerators, today)]
        first = seen.setdefault(offer(row), line)
        if first != line:
            problems.append(f"line {line}: repeats line {first} (same offer and day)")
    if ordered and not problems and list(facts.rows) != sorted(facts.rows, key=_order):
        problems.append(f"{facts.name}: is not sorted by {', '.join(_KEY)}")
    return problems


def stale_offers(facts: Table, on: dt.date) -> list[str]:
    """Return the offers whose last fact is older than a year on that day: what to look up anew."""
    last: dict[str, str] = {}
    for row in facts.rows:
        offer = f"{row['accelerator']} at {row['provider']} ({row['purchase_model']})"
        last[offer] = max(last.get(offer, ""), row["as_of"])
    old = [offer for offer, day in last.items() if on - dt.date.fromisoformat(day) > STALE_AFTER]
    return [f"{offer}: last seen {last[offer]}" for offer in sorted(old)]


def merge_prices(target: Path, new: Path, accelerators: Collection[str]) -> int:
    """Append the facts of `new` to `target`, sorted, and return how many were added.

    Raises
    ------
    InputError
        If `new` is not sound, or contradicts a fact of the table: facts are added, never changed.
    """
    existing, added = read_csv(target), read_csv(new)
    if wrong := [each for each in (check_columns(existing), check_columns(added)) if each]:
        raise InputError(wrong)
    problems = check_prices(added, accelerators, ordered=False)
    known = {offer(row): row for row in existing.rows}
    fresh: list[Row] = []
    for line, row in enumerate(added.rows, 2):
        before = known.get(offer(row))
        if before is None:
            fresh.append(row)
        elif _price(before) != _price(row):
            was, now = before["usd_per_gpu_hour"], row["usd_per_gpu_hour"]
            problems.append(f"line {line}: contradicts the table, which has {was} USD/hour on that day, not {now}")
    if problems:
        raise InputError(problems)
    write_text(target, as_csv(sorted([*existing.rows, *fresh], key=_order)))
    return len(fresh)


def as_csv(rows: Sequence[Row]) -> str:
    """Return price facts as the text of a CSV file."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row_problems(row: Row, accelerators: Collection[str], today: dt.date | None) -> list[str]:
    problems = []
    if row["accelerator"] not in accelerators:
        problems.append(f"accelerator: {unknown('accelerator', row['accelerator'], accelerators)}")
    provider = row["provider"]
    if provider in {"", MARKET} or provider != provider.strip().lower():
        problems.append(f"provider: must be a name in lower case; got {provider!r}")
    if row["purchase_model"] not in PURCHASE_MODELS:
        problems.append(f"purchase_model: {unknown('purchase model', row['purchase_model'], PURCHASE_MODELS)}")
    price = _price(row)
    if price is None or not 0 < price <= _MOST_USD_PER_HOUR:
        problems.append(
            f"usd_per_gpu_hour: must be above 0 and at most {_MOST_USD_PER_HOUR:g}; got {row['usd_per_gpu_hour']!r}"
        )
    size = row["gpus_per_instance"]
    if size and not (size.isdecimal() and size.isascii() and int(size) > 0):
        problems.append(f"gpus_per_instance: must be a whole number above 0, or empty; got {size!r}")
    try:
        day = dt.date.fromisoformat(row["as_of"])
        if str(day) != row["as_of"]:
            raise ValueError
        if today is not None and day > today:
            problems.append(f"as_of: {day} lies in the future")
    except ValueError:
        problems.append(f"as_of: must be a date such as 2026-09-01; got {row['as_of']!r}")
    if not row["source_url"].strip():
        problems.append("source_url: is required: a price without a source is no fact")
    return problems


def _price(row: Row) -> float | None:
    try:
        return float(row["usd_per_gpu_hour"])
    except ValueError:
        return None


def offer(row: Row) -> tuple[str, ...]:
    """Return what makes a fact one of its kind: the offer and its day."""
    return tuple(row[column] for column in _KEY)


def _order(row: Row) -> tuple[str | int, ...]:
    size = row["gpus_per_instance"]
    return (*offer(row)[:-1], int(size) if size.isdecimal() else 0)
