"""Parts of a budget: cost lines, assumptions, tasks of the calendar, and drivers of the uncertainty."""

from __future__ import annotations

from typing import Literal, NamedTuple

Group = Literal["compute", "data", "evaluation", "people", "storage", "serving", "other", "contingency"]
GROUPS: tuple[Group, ...] = ("compute", "data", "evaluation", "people", "storage", "serving", "other", "contingency")
"""Groups of lines, in the order in which they are shown."""
CONTINGENCY_LINE = "contingency"
"""Name of the contingency line."""


class Line(NamedTuple):
    """One line of a budget; money in USD, rounded to the cent.

    `base` is quantity × unit price at the medians of the inputs. `low` and `high` are the 10 % and 90 % quantiles
    of this line alone, `expected` is its mean. Bases and expected costs of lines add up to those of the budget;
    quantiles do not. The contingency is a reserve: its four amounts are equal. `source` and `as_of` are the source
    and the date of the unit price. `actual` is the amount paid, or None if none was entered.
    """

    name: str
    group: Group
    quantity: float
    unit: str
    unit_price: float
    low: float
    base: float
    high: float
    expected: float
    source: str = ""
    as_of: str = ""
    owner: str = ""
    note: str = ""
    actual: float | None = None


class Subtotal(NamedTuple):
    """Sum of the lines of a group: its 10 % quantile, base, 90 % quantile and expected cost [USD]."""

    group: Group
    low: float
    base: float
    high: float
    expected: float


class Within(NamedTuple):
    """Probability that the lines without the contingency cost at most an amount [USD]."""

    name: str
    amount: float
    probability: float


class Assumption(NamedTuple):
    """An input that the user did not give: subject, value as text, source or reason, and date."""

    subject: str
    value: str
    source: str
    as_of: str = ""


class Task(NamedTuple):
    """A task of the calendar.

    It starts `start` days after the project, lasts `days`, and waits for the tasks named in `after`. It occupies
    `gpus` accelerators of the kind `accelerator`.
    """

    name: str
    start: float
    days: float
    after: tuple[str, ...] = ()
    owner: str = ""
    gpus: int = 0
    accelerator: str = ""


class Driver(NamedTuple):
    """An uncertain input of the total.

    `low` and `high` are the total [USD] with this input at its 10 % and 90 % quantile and all others at their
    medians. `share` is its share of the squared differences of all drivers [1].
    """

    name: str
    low: float
    high: float
    share: float
