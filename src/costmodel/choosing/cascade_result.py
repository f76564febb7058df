"""The result of a cascade: figures beside those of its models alone, and the detector at which they break even."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from costmodel.choosing.escalation import Flow, Rates, affine_root, false_positive_rate, flow
from costmodel.foundation import currencies, rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.foundation.arrays import FloatLike

    Array = NDArray[np.float64]

Ends: TypeAlias = tuple[float, float]
Drawn: TypeAlias = "tuple[float, Array]"
"""A figure at the medians of its inputs, and its draws."""
Figure: TypeAlias = Literal["usd_per_solved_task", "usd_per_task", "solved"]
_ROUNDING = 1e-9
"""Difference of two shares that counts as rounding [1]."""


class Priced(NamedTuple):
    """A level of a cascade: its model with the detector after it."""

    name: str
    success: Drawn
    """Success rate of the model [1]."""
    usd: Drawn
    """Price of an attempt and its check [USD]."""
    seconds: Drawn | None
    """Time of an attempt and its check [s]."""
    note: str


class Strategy(NamedTuple):
    """A way to have tasks solved: the cascade, or one of its models alone."""

    name: str
    usd: Drawn
    """Price of a task, with the damage of wrong answers [USD]."""
    share: Drawn
    """Share of the tasks with a right answer [1]."""
    time: Drawn | None
    """Mean time of a task [s]."""
    longest: float | None
    """Time of a task that reaches the last level [s]."""

    @property
    def usd_per_task(self) -> float:
        """Price of a task, with the damage of wrong answers [USD]."""
        return self.usd[0]

    @property
    def solved(self) -> float:
        """Share of the tasks with a right answer [1]."""
        return self.share[0]

    @property
    def usd_per_solved_task(self) -> float:
        """Price of a task over the share solved [USD]."""
        return self.usd[0] / self.share[0] if self.share[0] else float("inf")

    @property
    def seconds(self) -> float | None:
        """Mean time of a task [s]; None if a latency is not given."""
        return None if self.time is None else self.time[0]

    def draws(self, figure: Figure) -> Array:
        """Return draws of a figure.

        Parameters
        ----------
        figure : str
            "usd_per_solved_task", "usd_per_task" or "solved".
        """
        if figure == "usd_per_task":
            return self.usd[1]
        return self.share[1] if figure == "solved" else self.usd[1] / np.maximum(self.share[1], 1e-12)


class Quality(NamedTuple):
    """The quality of a detector."""

    precision: float
    """Share of the escalated answers that are wrong [1]."""
    recall: float
    """Share of the wrong answers that is escalated [1]."""


class BreakEven(NamedTuple):
    """The recall of the first detector at which the cascade equals the last model alone in a figure."""

    figure: Figure
    precision: float | None
    """Precision of the detector [1]; None if its false positive rate is given."""
    recall: float | None
    """Recall at which both are equal [1]; None if they are at no recall that the precision allows."""
    interval: Ends | None
    """10 % and 90 % quantiles of the draws, which end at the recalls that are possible [1]."""
    better: Literal["above", "below", "always", "never"]
    """Recalls at which the cascade is no worse."""
    most: float
    """Highest recall that the precision allows: all right answers are escalated [1]."""


class CascadeComparison(currencies.Priced):
    """A cascade beside each of its models alone; see `cascade`."""

    _width = rendering.WIDTH

    _index = index = "name"
    _money = tuple(f"{name}{end}" for name in ("usd_per_solved_task", "usd_per_task") for end in ("", "_low", "_high"))

    def __init__(
        self,
        levels: tuple[Priced, ...],
        alone: tuple[Strategy, ...],
        rates: tuple[Rates, ...],
        precisions: tuple[float | None, ...],
        correlation: Drawn,
        damage: Drawn,
        quality_loss: float,
        basis: str,
        assumed: bool,
        seed: int,
    ) -> None:
        self.levels, self.rates, self.precisions = levels, rates, precisions
        self.quality_loss, self.seed = quality_loss, seed
        self._correlation, self._damage, self._basis, self._assumed = correlation, damage, basis, assumed
        at, drawn = self._flow(0, rates), self._flow(1, rates)
        self.reached = tuple(float(each) for each in at.reached)
        shares = (float(at.solved), drawn.solved)
        time = self._time((at.reached, drawn.reached))
        longest = None if time is None else sum(each.seconds[0] for each in levels if each.seconds is not None)
        usd = (float(self._usd(0, rates)), self._usd(1, rates))
        self._strategies = {each.name: each for each in (Strategy("cascade", usd, shares, time, longest), *alone)}
        self._last = alone[-1].name

    def __getitem__(self, name: str) -> Strategy:
        if name not in self._strategies:
            raise InputError(unknown("strategy", name, self._strategies))
        return self._strategies[name]

    def __iter__(self) -> Any:
        return iter(self._strategies)

    def __len__(self) -> int:
        return len(self._strategies)

    def _flow(self, which: Literal[0, 1], rates: Sequence[Rates], correlation: FloatLike | None = None) -> Flow:
        """Return what becomes of the tasks, at the medians (0) or in draws (1)."""
        weight = self._correlation[which] if correlation is None else correlation
        return flow([level.success[which] for level in self.levels], rates, weight)

    def _usd(self, which: Literal[0, 1], rates: Sequence[Rates]) -> Array:
        """Return the price of a task in the cascade, with the damage of wrong answers [USD]."""
        tasks = self._flow(which, rates)
        total = (1 - tasks.solved) * self._damage[which]
        for share, level in zip(tasks.reached, self.levels, strict=True):
            total = total + share * level.usd[which]
        return total

    def _time(self, reached: tuple[Sequence[Array], Sequence[Array]]) -> Drawn | None:
        """Return the mean time of a task in the cascade [s]; None if a latency is not known."""
        times = [level.seconds for level in self.levels if level.seconds is not None]
        if len(times) < len(self.levels):
            return None
        at, drawn = (
            sum((share * time[which] for share, time in zip(reached[which], times, strict=True)), start=np.zeros(()))
            for which in (0, 1)
        )
        return float(at), drawn

    @checked("figure", "than")
    def probability_no_worse(self, figure: Figure, than: str | None = None) -> float:
        """Return the probability that the cascade is no worse in a figure than a model alone [1].

        Parameters
        ----------
        figure : str
            "usd_per_solved_task", "usd_per_task" or "solved", of which `quality_loss` may be missing.
        than : str, optional
            Name of a row; default: the last model alone.
        """
        own, other = self["cascade"].draws(_figure(figure)), self[than or self._last].draws(figure)
        return float(np.mean(own >= other - self.quality_loss - _ROUNDING if figure == "solved" else own <= other))

    @checked("figure", "precision")
    def break_even(self, figure: Figure = "usd_per_solved_task", precision: float | None = None) -> BreakEven:
        """Return the recall of the first detector at which the cascade equals the last model alone.

        At a given precision, or false positive rate, all shares are affine in the recall, so it is a closed form.
        Replicas keep the size that they have with the given detector.

        Parameters
        ----------
        figure : str
            "usd_per_solved_task", "usd_per_task" or "solved".
        precision : float, optional
            Precision of the first detector [1]; default: as given, or at its false positive rate.

        Raises
        ------
        InputError
            If the figure is unknown, or the precision is not above 0 and at most 1.
        """
        _figure(figure)
        if precision is not None and (isinstance(precision, bool) or not 0 < precision <= 1):
            raise InputError(f"precision: must be above 0 and at most 1; got {precision!r}")
        precision = self.precisions[0] if precision is None else precision
        per_recall = 0.0 if precision is None else false_positive_rate(1.0, precision, self.levels[0].success[0])
        fixed = self.rates[0].false_positive if precision is None else 0.0
        most = 1.0 if per_recall <= 1 else 1 / per_recall

        def margin(which: Literal[0, 1], recall: float) -> Array:
            """Return by how much the cascade is better at a recall, in draws or at the medians."""
            rates = (Rates(recall, fixed + per_recall * recall), *self.rates[1:])
            last = self[self._last]
            usd, share = self._usd(which, rates), self._flow(which, rates).solved
            if figure == "solved":
                return share - last.share[which] + self.quality_loss
            if figure == "usd_per_task":
                return last.usd[which] - usd
            return last.usd[which] * share - usd * last.share[which]

        at_0, at_most = float(margin(0, 0.0)), float(margin(0, most))
        root = float(affine_root(at_0, at_most))
        drawn_0, drawn_most = np.asarray(margin(1, 0.0)), np.asarray(margin(1, most))
        roots = affine_root(drawn_0, drawn_most)
        rising = at_most > at_0
        inside = np.clip(np.where(np.isnan(roots), np.where(drawn_0 >= 0, 0.0, 1.0) if rising else 1.0, roots), 0, 1)
        tolerance = 1e-9 * max(abs(at_0), abs(at_most))
        if min(at_0, at_most) >= -tolerance:
            better: Literal["above", "below", "always", "never"] = "always"
        elif max(at_0, at_most) < -tolerance:
            better = "never"
        else:
            better = "above" if rising else "below"
        known = better in ("above", "below")
        return BreakEven(
            figure,
            precision,
            root * most if known else None,
            quantiles(inside * most) if known else None,
            better,
            most,
        )

    @checked("figure", "precisions")
    def curve(
        self, figure: Figure = "usd_per_solved_task", precisions: Sequence[float] | None = None
    ) -> list[BreakEven]:
        """Return the break-even recall of the first detector by its precision.

        Parameters
        ----------
        figure : str
            As for `break_even`.
        precisions : sequence of float, optional
            Precisions [1]; default: 20 from 0.05 to 1.
        """
        listed = np.linspace(0.05, 1.0, 20).tolist() if precisions is None else precisions
        return [self.break_even(figure, precision) for precision in listed]

    def detector_at(self) -> Quality:
        """Return the precision and the recall of the first detector at the success rate of the first model."""
        recall, false_positive = (float(rate) for rate in self.rates[0])
        right = self.levels[0].success[0]
        wrong = recall * (1 - right)
        escalated = wrong + false_positive * right
        return Quality(wrong / escalated if escalated else 1.0, recall)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per strategy, the cascade first, with 10 % and 90 % quantiles and probabilities."""
        rows = []
        for name, each in self._strategies.items():
            row: dict[str, Any] = {"name": name}
            for figure in get_args(Figure):
                row[figure] = getattr(each, figure)
                row[f"{figure}_low"], row[f"{figure}_high"] = quantiles(each.draws(figure))
            row["seconds"], row["longest"] = each.seconds, each.longest
            for figure in get_args(Figure):
                no_worse = None if name == "cascade" else self.probability_no_worse(figure, name)
                row[f"probability_cascade_no_worse_{figure}"] = no_worse
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return strategies, levels and break-evens as plain data."""
        levels = [
            {"name": level.name, "reached": reached, "success": level.success[0], "usd": level.usd[0]}
            for level, reached in zip(self.levels, self.reached, strict=True)
        ]
        return {
            "correlation": self._correlation[0],
            "quality_loss": self.quality_loss,
            "level": DEFAULT_LEVEL,
            "levels": levels,
            "strategies": self.rows(),
            "break_even": [self.break_even(figure)._asdict() for figure in get_args(Figure)],
        }

    def _title(self) -> str:
        return f"Cascade of {', '.join(level.name for level in self.levels)}; success: {self._basis}"

    def _cells(self) -> list[dict[str, str]]:
        timed = any(each.seconds is not None for each in self._strategies.values())
        return [_row(each, timed) for each in self._strategies.values()]

    def _footer(self) -> str:
        shares = [
            f"{level.name} {rendering.percent(round(reached, 9))}"
            for level, reached in zip(self.levels, self.reached, strict=True)
        ]
        apart, nested = (float(self._flow(0, self.rates, weight).solved) for weight in (0.0, 1.0))
        lines = [
            f"tasks that reach a model: {', '.join(shares)}",
            f"correlation of failures {self._correlation[0]:.2g}{', assumed' if self._assumed else ''}: independent "
            f"failures, which are optimistic, would solve {apart:.1%}, nested ones {nested:.1%}",
            f"probability that the cascade is no worse than {self._last}: price per solved task "
            f"{rendering.percent(self.probability_no_worse('usd_per_solved_task'))}, tasks solved"
            f"{f' (within {self.quality_loss:.1%})' if self.quality_loss else ''} "
            f"{rendering.percent(self.probability_no_worse('solved'))}",
            *(self._words(self.break_even(figure)) for figure in ("usd_per_solved_task", "solved")),
            *(f"{level.name}: {level.note}" for level in self.levels if level.note),
            f"in brackets: {DEFAULT_LEVEL:.0%} intervals; seed {self.seed}",
        ]
        return "\n".join(lines)

    def _words(self, found: BreakEven) -> str:
        """Return a break-even in words."""
        name = "price per solved task" if found.figure == "usd_per_solved_task" else "tasks solved"
        given = "the given false positive rate" if found.precision is None else f"a precision of {found.precision:.2g}"
        start = f"{name}, with {given} of the first detector: the cascade is no worse"
        if found.recall is None or found.interval is None:
            return f"{start} at {'any' if found.better == 'always' else 'no'} recall"
        low, high = found.interval
        return f"{start} at a recall {found.better} {found.recall:.2f} ({low:.2f} to {high:.2f})"


def quantiles(values: Array) -> Ends:
    """Return the 10 % and 90 % quantiles.

    Parameters
    ----------
    values : NDArray
        Draws.
    """
    low, high = np.quantile(values, [0.1, 0.9])
    return float(low), float(high)


def _figure(name: str) -> Figure:
    for figure in get_args(Figure):
        if figure == name:
            return figure  # type: ignore[no-any-return]
    raise InputError(unknown("figure", name, get_args(Figure)))


def _row(each: Strategy, timed: bool) -> dict[str, str]:
    """Return the cells of a strategy."""
    sign = rendering.money_sign()
    cells = {
        "strategy": each.name,
        "solved": f"{each.solved:.1%}",
        f"{sign}/task": rendering.number(rendering.in_money(each.usd_per_task)),
        f"{sign}/solved task": _with_span(each.usd_per_solved_task, quantiles(each.draws("usd_per_solved_task"))),
    }
    if timed:
        cells["seconds"] = "-" if each.seconds is None else rendering.number(each.seconds)
    return cells


def _with_span(usd: float, ends: Ends) -> str:
    value, low, high = (rendering.number(rendering.in_money(each)) for each in (usd, *ends))
    return value if low == high else f"{value} ({low} to {high})"
