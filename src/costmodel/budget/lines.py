"""What does a budget consist of? Lines: quantity × unit price, each with its source and its owner."""

from __future__ import annotations

from typing import Literal, NamedTuple

Group = Literal["compute", "data", "evaluation", "people", "storage", "serving", "other", "contingency"]
GROUPS: tuple[Group, ...] = ("compute", "data", "evaluation", "people", "storage", "serving", "other", "contingency")
"""In the order in which they are shown."""


class Line(NamedTuple):
    """One line of a budget; money in USD, rounded to the cent.

    `base` is quantity × unit price at the medians; `low` and `high` are the 10 % and the 90 % quantile of
    the line alone. `source` says where the price comes from, `as_of` its date; `actual` what was paid, where
    it was entered.
    """

    name: str
    group: Group
    quantity: float
    unit: str
    unit_price: float
    low: float
    base: float
    high: float
    source: str = ""
    as_of: str = ""
    owner: str = ""
    note: str = ""
    actual: float | None = None


class Assumption(NamedTuple):
    """Something that was taken for granted: what, its value as text, why or from where, and its date."""

    subject: str
    value: str
    source: str
    as_of: str = ""


class Task(NamedTuple):
    """A bar of the calendar: starts `start` days after the project, lasts `days`, waits for the tasks `after`.

    `gpus` that it occupies, `accelerator` of them.
    """

    name: str
    start: float
    days: float
    after: tuple[str, ...] = ()
    owner: str = ""
    gpus: int = 0
    accelerator: str = ""


class Driver(NamedTuple):
    """What makes the total uncertain: the total [USD] with one input at its 10 % and 90 % quantile, and the
    share of the squared swings."""

    name: str
    low: float
    high: float
    share: float
