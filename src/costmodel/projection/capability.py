"""Capabilities whose cost is projected: reference cost, date and history."""

import datetime as dt
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from costmodel.foundation.errors import UnknownNameError
from costmodel.foundation.fields import MOST, Date, Fraction, Measure
from costmodel.foundation.ranges import Range, draws, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import table
from costmodel.projection.decline.series import Series, cost_series

if TYPE_CHECKING:
    import numpy as np

Cost = Annotated[float | Range, Measure("USD", 0.0, MOST, open_low=True)]
BEST_UTILIZATION = 0.5
"""Share of the bf16 peak that large runs reach at best; what is left of it can still be gained [1]."""
USUAL_UTILIZATION = 0.35
"""Share of a run whose own is not known: the middle (in logarithms) of the 0.25 to 0.5 of published ones [1]."""
DAYS = 365.25


class Capability(Spec):
    """Something that a model can do, and what it took to reach it on a day.

    Examples
    --------
    >>> Capability(name="a model of finance", cost="1.3 to 2.6 MUSD", date="2023-03-30").scope
    'final_run'
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    name: str
    cost: Cost
    """What reaching it took on that day [USD]."""
    date: Date
    kind: Literal["capability", "board"] = "capability"
    """A board is contested in public: its records fall faster while it is young."""
    age: Annotated[float, Field(ge=0, le=100)] | None = None
    """Years since it was first reached; None where its history is not known, which takes the rate of all [year]."""
    declined: Annotated[float, Field(ge=0, le=50)] = 0.0
    """ln(cost when first reached / cost) so far [1]."""
    hardware_fixed: bool = False
    """Whether its records are all priced on one machine at one price."""
    scope: Literal["final_run", "development"] = "final_run"
    precision: Literal["16-bit", "8-bit", "4-bit"] = "16-bit"
    """Number format of the run that reached it: what is left to gain by shorter ones."""
    utilization: Fraction | None = None
    """MFU of that run, where it is known [1]."""
    source: str = ""

    @property
    def utilization_left(self) -> float:
        """The decline of ln cost that a better utilization can still bring [1]."""
        reached = USUAL_UTILIZATION if self.utilization is None else middle(self.utilization)
        return max(math.log(BEST_UTILIZATION / reached), 0.0)

    def draws(self, count: int, seed: int) -> "np.ndarray":
        """Return draws of the cost on its day, shape (count,) [USD]."""
        import numpy as np

        if isinstance(self.cost, Range):
            return draws("capability.cost", self.cost, count, seed)
        return np.full(count, self.cost)

    def frontier(self, on: dt.date) -> float | None:
        """Return the least that reaching it took by a past day, where that is known [USD]."""
        known = _series().get(self.name)
        return None if known is None else known.at(on)


def capability(name: str) -> Capability:
    """Return the capability of a series of `data/measurements/cost_decline.csv`, at its last point.

    Raises
    ------
    UnknownNameError
        If there is none of that name; beginnings of names will do.
    """
    from costmodel.foundation.errors import unknown

    known = _series()
    matching = [one for one in known if one.lower().startswith(name.lower())]
    if name in known:
        matching = [name]
    if len(matching) != 1:
        raise UnknownNameError(unknown("capability", name, known))
    series = known[matching[0]]
    return Capability(
        name=series.name, cost=series.costs[-1], date=series.dates[-1], kind=series.kind,
        age=(series.dates[-1] - series.dates[0]).days / DAYS, declined=math.log(series.costs[0] / series.costs[-1]),
        hardware_fixed=series.hardware_fixed, precision=_precision(series), source="data/measurements/cost_decline.csv",
    )  # fmt: skip


def _precision(series: Series) -> Any:
    """Return the number format of the run that a series ended with, as far as the table says; else 16 bits."""
    rows = [row for row in table("measurements/cost_decline").rows
            if (row["capability"], row["date"]) == (series.name, series.dates[-1].isoformat())]  # fmt: skip
    return next((row["precision"] for row in rows if row["precision"]), "16-bit")


def _series() -> dict[str, Series]:
    return {series.name: series for series in cost_series()}
