"""The result of a forecast: what is done and left of a run, with intervals, and the date of the end."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.estimation.chain import Missing
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.forecasting.pace import Pace
    from costmodel.foundation.units import Quantity

_UNITS = {
    "steps": ("1", "1", "1"),
    "wall_time": ("s", "s", "day"),
    "cost": ("USD", "USD", "USD"),
    "energy": ("J", "J", "MWh"),
}
"""SI unit of each figure, how it is printed, and the unit of its Quantity."""


class Amount(NamedTuple):
    """A figure of a run under way, in SI units: what is done, and draws of what is left."""

    done: float
    left: NDArray[np.float64]


def later(moment: dt.datetime, seconds: float) -> dt.datetime:
    """Return a moment some time later, or raise `InputError` if no calendar has it."""
    try:
        return moment + dt.timedelta(seconds=seconds)
    except OverflowError:
        raise InputError("the run ends after the year 9999; check the step time and the number of steps") from None


class Forecast(Priced):
    """What is left of a run under way; see `forecast`. Figures: "steps", "wall_time", "cost" and "energy"."""

    _index = "quantity"

    _width = rendering.WIDTH

    _money = ("done", "left", "low", "high", "total")

    def __init__(
        self,
        *,
        title: str,
        amounts: Mapping[str, Amount | Missing],
        now: dt.datetime | None,
        pace: Pace,
        predicted: float | None,
        notes: tuple[str, ...],
        stamp: Mapping[str, Any],
    ) -> None:
        self.title, self.now, self.pace, self._predicted = title, now, pace, predicted
        self._amounts, self._notes, self._stamp = dict(amounts), notes, dict(stamp)

    @property
    def steps_done(self) -> int:
        """Steps done."""
        return self.pace.done

    @property
    def steps_left(self) -> int:
        """Steps left."""
        return round(float(self._amount("steps").left[0]))

    @checked("name")
    def done(self, name: str) -> Quantity:
        """Return what is done of a figure.

        Parameters
        ----------
        name : str
            "steps", "wall_time", "cost" or "energy".
        """
        return self._quantity(name, self._amount(name).done)

    @checked("name")
    def si_done(self, name: str) -> float:
        """Return what is done of a figure as a plain number in SI units (USD for the cost).

        Parameters
        ----------
        name : str
            "steps", "wall_time", "cost" or "energy".
        """
        return self._amount(name).done

    @checked("name")
    def left(self, name: str) -> Quantity:
        """Return the median of what is left of a figure.

        Parameters
        ----------
        name : str
            "steps", "wall_time", "cost" or "energy".
        """
        return self._quantity(name, self._bounds(name, (0.5,))[0])

    @checked("name")
    def interval(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[Quantity, Quantity]:
        """Return the ends of the central interval of what is left of a figure.

        Parameters
        ----------
        name : str
            "steps", "wall_time", "cost" or "energy".
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        check_level(level)
        low, high = self._bounds(name, ((1 - level) / 2, (1 + level) / 2))
        return self._quantity(name, low), self._quantity(name, high)

    @checked("name")
    def draws(self, name: str) -> NDArray[np.float64]:
        """Return draws of what is left of a figure, in SI units (USD for the cost).

        Parameters
        ----------
        name : str
            "steps", "wall_time", "cost" or "energy".
        """
        return self._amount(name).left

    def end(self, probability: float = 0.5) -> dt.datetime:
        """Return the moment by which the run has ended with a probability.

        Parameters
        ----------
        probability : float
            Between 0 and 1 [1].

        Raises
        ------
        MissingFactError
            If neither the log nor the arguments of `forecast` give a time.
        """
        check_level(probability)
        if self.now is None:
            raise MissingFactError("the date of the end is not known: give start or now; the log has no timestamps")
        return later(self.now, self._bounds("wall_time", (probability,))[0])

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per known figure: quantity, done, left (median), low, high, total, unit, level.

        Parameters
        ----------
        level : float
            Probability inside the interval from low to high, between 0 and 1 [1].
        """
        from costmodel.foundation.units import SI_FACTOR

        check_level(level)
        rows = []
        for name, amount in self._amounts.items():
            if isinstance(amount, Missing):
                continue
            si, _, shown = _UNITS[name]
            factor = SI_FACTOR[si] / SI_FACTOR[shown]
            low, left, high = self._bounds(name, ((1 - level) / 2, 0.5, (1 + level) / 2))
            values = {"done": amount.done, "left": left, "low": low, "high": high, "total": amount.done + left}
            scaled = {key: value * factor for key, value in values.items()}
            rows.append({"quantity": name, **scaled, "unit": "" if shown == "1" else shown, "level": level})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: figures, pace of the log, end of the run, notes, version, hash and seed."""
        figures = {row.pop("quantity"): row for row in self.rows()}
        ends = None if self.now is None else {str(p): self.end(p).isoformat() for p in (0.1, 0.5, 0.9)}
        return {
            **self._stamp,
            "title": self.title,
            "figures": figures,
            "missing": {name: each.reason for name, each in self._amounts.items() if isinstance(each, Missing)},
            "now": None if self.now is None else self.now.isoformat(),
            "end": ends,
            "step_time": self.pace.step_time,
            "predicted_step_time": self._predicted,
            "goodput": self.goodput,
            "stops": len(self.pace.stops),
            "stop_time": sum(self.pace.stops),
            "restarts": self.pace.restarts,
            "lost_steps": self.pace.lost_steps,
            "notes": list(self._notes),
        }

    @property
    def predicted(self) -> Quantity | None:
        """Step time of the estimate; None where the estimate has none."""
        from costmodel.foundation.units import quantity

        return None if self._predicted is None else quantity(self._predicted, "s", "s")

    @property
    def goodput(self) -> float | None:
        """Share of the time of the log in useful steps [1]; None for a single figure."""
        if not self.pace.useful:
            return None
        pace = self.pace
        return (pace.useful - pace.lost) / (pace.useful + sum(pace.stops) - pace.lost)

    def _amount(self, name: str) -> Amount:
        if name not in self._amounts:
            raise InputError(unknown("figure", name, self._amounts))
        amount = self._amounts[name]
        if isinstance(amount, Missing):
            raise MissingFactError(f"{name} is not known: {amount.reason}")
        return amount

    def _bounds(self, name: str, probabilities: tuple[float, ...]) -> list[float]:
        import numpy as np

        return [float(value) for value in np.quantile(self._amount(name).left, probabilities)]

    def _quantity(self, name: str, value: float) -> Quantity:
        from costmodel.foundation.units import quantity

        si, _, shown = _UNITS[name]
        return quantity(value, si, shown)

    def _title(self) -> str:
        return self.title

    def _cells(self) -> list[dict[str, str]]:
        rows = []
        for name, amount in self._amounts.items():
            title = name.replace("_", " ")
            if isinstance(amount, Missing):
                rows.append({"": title, "done": "-", "left": "-", "80 % interval": "-", "total": "-"})
                continue
            low, left, high = self._bounds(name, (0.1, 0.5, 0.9))
            between = "exact" if low == high else rendering.between(_shown(name, low), _shown(name, high))
            values = {"done": amount.done, "left": left, "total": amount.done + left}
            texts = {key: _shown(name, value) for key, value in values.items()}
            rows.append(
                {
                    "": title,
                    "done": texts["done"],
                    "left": texts["left"],
                    "80 % interval": between,
                    "total": texts["total"],
                }
            )
        return rows

    def _footer(self) -> str:
        pace = self.pace
        lines = [self._end_line()]
        shown = f"step time: {rendering.amount(pace.step_time, 's')} measured"
        if self._predicted is not None:
            shown += f", {rendering.amount(self._predicted, 's')} predicted"
        lines.append(shown)
        if self.goodput is not None:
            stops = len(pace.stops)
            lost = f", {pace.lost_steps:,} steps repeated" if pace.lost_steps else ""
            spent = f" of {rendering.amount(sum(pace.stops), 's')}" if stops else ""
            lines.append(f"goodput so far: {self.goodput:.3f}; {stops} stop{'' if stops == 1 else 's'}{spent}{lost}")
        missing = [f"{name}: {each.reason}" for name, each in self._amounts.items() if isinstance(each, Missing)]
        stamp = f"costmodel {self._stamp['version']}, data {self._stamp['data_hash']}, seed {self._stamp['seed']}"
        return "\n".join([*lines, *missing, *self._notes, stamp])

    def _end_line(self) -> str:
        if self.now is None:
            return "end: not known; give start or now (--start, --now)"
        low, median, high = (self.end(p).strftime("%Y-%m-%d %H:%M") for p in (0.1, 0.5, 0.9))
        return f"end: {median} UTC (80 %: {low} to {high})" if self._utc() else f"end: {median} (80 %: {low} to {high})"

    def _utc(self) -> bool:
        return self.now is not None and self.now.utcoffset() == dt.timedelta(0)


def _shown(name: str, value: float) -> str:
    return f"{math.floor(value + 0.5):,}" if name == "steps" else rendering.amount(value, _UNITS[name][1])
