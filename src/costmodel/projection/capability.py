"""Capabilities whose cost is projected: reference cost, date and history."""

import datetime as dt
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from costmodel.foundation.checks import check_draws, checked
from costmodel.foundation.errors import UnknownNameError
from costmodel.foundation.fields import MOST, Date, Fraction, Measure
from costmodel.foundation.ranges import Range, draws, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import constant, table
from costmodel.projection.decline.series import Series, cost_series

if TYPE_CHECKING:
    import numpy as np

    from costmodel.foundation.fields import DateLike, RangeLike

Cost = Annotated[float | Range, Measure("USD", 0.0, MOST, open_low=True)]
BEST_UTILIZATION = constant("best_utilization")
"""Highest MFU of large published runs, as a share of the bf16 peak [1]; a lower MFU can still rise to it."""
USUAL_UTILIZATION = constant("usual_utilization")
"""MFU assumed for a run whose MFU is not known: the geometric mean of 0.25 and 0.5, the range of published runs [1]."""
_OR_A_RUN = "A run of your own is given as a scenario or its file."
DAYS = 365.25
"""Days per year."""


class Capability(Spec):
    """A capability of a model, and the training cost to reach it at a reference date.

    Examples
    --------
    >>> Capability(name="a model of finance", cost="1.3 to 2.6 MUSD", date="2023-03-30").scope
    'final_run'
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            cost: RangeLike,
            date: DateLike,
            *,
            kind: Literal["capability", "board"] = ...,
            age: float | None = ...,
            declined: float = ...,
            hardware_fixed: bool = ...,
            scope: Literal["final_run", "development"] = ...,
            precision: Literal["16-bit", "8-bit", "4-bit"] = ...,
            utilization: RangeLike | None = ...,
            source: str = ...,
        ) -> None: ...

    name: str = Field(description="Name, printed in titles.")
    cost: Cost = Field(description="Training cost to reach the capability at `date` [USD].")
    date: Date = Field(description="Reference date: the day to which `cost` applies.")
    kind: Literal["capability", "board"] = Field(
        default="capability",
        description='Type of series: "board" is a public leaderboard, whose cost falls faster in its first year; '
        '"capability" is any other.',
    )
    age: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Time since the capability was first reached, 0 to 100 [year]; default: unknown, the rate of all "
        "series applies.",
    )
    declined: Annotated[float, Field(ge=0, le=50)] = Field(
        default=0.0, description="Decline so far: ln(cost when first reached / `cost`), 0 to 50 [1]."
    )
    hardware_fixed: bool = Field(
        default=False,
        description="Whether all records are priced on the same hardware at the same price, so that they contain no "
        "decline of prices.",
    )
    scope: Literal["final_run", "development"] = Field(
        default="final_run", description="What `cost` covers: the final run, or total development cost."
    )
    precision: Literal["16-bit", "8-bit", "4-bit"] = Field(
        default="16-bit", description="Number format of the reference run; a lower precision can still reduce the cost."
    )
    utilization: Fraction | None = Field(
        default=None,
        description="MFU of the reference run, above 0 and at most 1 [1]; default: unknown, 0.35 is assumed.",
    )
    source: str = Field(default="", description="Source of the cost and the date.")

    @property
    def utilization_left(self) -> float:
        """Largest further decline of ln cost by a higher utilization [1]."""
        utilization = USUAL_UTILIZATION if self.utilization is None else middle(self.utilization)
        return max(math.log(BEST_UTILIZATION / utilization), 0.0)

    @checked("count", "seed")
    def draws(self, count: int, seed: int) -> "np.ndarray":
        """Return draws of the cost at the reference date.

        Parameters
        ----------
        count : int
            Number of draws.
        seed : int
            Seed of the draws.

        Returns
        -------
        numpy.ndarray
            Cost, shape (count,) [USD].
        """
        import numpy as np

        check_draws(count)
        if isinstance(self.cost, Range):
            return draws("capability.cost", self.cost, count, seed)
        return np.full(count, self.cost)

    def frontier(self, on: dt.date) -> float | None:
        """Return the lowest known cost of the capability up to a past date.

        Parameters
        ----------
        on : datetime.date
            Last date that counts.

        Returns
        -------
        float or None
            Lowest cost [USD]; None if no cost of that time is known.
        """
        series = _series().get(self.name)
        return None if series is None else series.at(on)


def capability(name: str) -> Capability:
    """Return the capability of a series of `data/measurements/cost_decline.csv`, at its last point.

    Parameters
    ----------
    name : str
        Name of the series, or the beginning of one name only.

    Raises
    ------
    UnknownNameError
        If no series has that name, or several names begin with it.
    """
    from costmodel.foundation.errors import unknown

    by_name = _series()
    matching = [series_name for series_name in by_name if series_name.lower().startswith(name.lower())]
    if name in by_name:
        matching = [name]
    if len(matching) != 1:
        raise UnknownNameError(unknown("capability", name, by_name, _OR_A_RUN))
    series = by_name[matching[0]]
    return Capability(
        name=series.name,
        cost=series.costs[-1],
        date=series.dates[-1],
        kind=series.kind,
        age=(series.dates[-1] - series.dates[0]).days / DAYS,
        declined=math.log(series.costs[0] / series.costs[-1]),
        hardware_fixed=series.hardware_fixed,
        precision=_precision(series),
        source="data/measurements/cost_decline.csv",
    )


def _precision(series: Series) -> Any:
    """Return the number format of the last run of a series; 16 bits where the table has none."""
    rows = [
        row
        for row in table("measurements/cost_decline").rows
        if (row["capability"], row["date"]) == (series.name, series.dates[-1].isoformat())
    ]
    return next((row["precision"] for row in rows if row["precision"]), "16-bit")


def _series() -> dict[str, Series]:
    return {series.name: series for series in cost_series()}
