"""Total development cost from the cost of the final run: experiments, failed runs and staff."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.comparison.costs import DEVELOPMENT, DRAWS, FINAL_RUN, Cost
from costmodel.estimation.chain import Missing
from costmodel.estimation.results import Result, check_level
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import MOST, Measure
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, between, draws, middle, samples
from costmodel.foundation.tables import Figure, Provenance, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MULTIPLIER, STAFF, GUESSED = "R&D multiplier", "staff share", "guessed GPU-hours"
"""Names of assumptions in `data/assumptions/development.csv`."""
_INPUTS = {
    "final_run_cost": Measure("USD", 0.0, MOST),
    "multiplier": Measure("1", 1.0, 1e6),
    "staff_share": Measure("1", 0.0, 1.0, open_high=True),
}
"""Unit and accepted range of the inputs of `development_cost`."""


@lru_cache(maxsize=8)
def development_fact(name: str) -> Figure:
    """Return an assumption of `data/assumptions/development.csv` with its spread and source.

    Parameters
    ----------
    name : str
        Name of the assumption, such as "R&D multiplier".

    Examples
    --------
    >>> round(development_fact("R&D multiplier").value, 2)
    2.19
    """
    row = next(row for row in table("assumptions/development").rows if row["name"] == name and row["kind"] == "assumed")
    interval = between(float(row["low"]), float(row["high"]), level=float(row["level"]))
    spread = interval.settled("logitnormal" if row["shape"] == "logitnormal" else "lognormal")
    return Figure(spread.median(), spread, Provenance("assumed", row["source"], note=row["note"]))


def observed_multipliers() -> list[dict[str, Any]]:
    """Return the R&D multipliers that laboratories published, with their sources, to check the assumed multiplier."""
    return [
        {"subject": row["subject"], "multiplier": float(row["value"]), "note": row["note"], "source": row["source"]}
        for row in table("assumptions/development").rows
        if row["kind"] == "observed"
    ]


@dataclass(frozen=True, slots=True)
class DevelopmentCost(Cost):
    """Total development cost, converted from the cost of the final run; see `development_cost`."""

    points: dict[str, float] = field(default_factory=dict, compare=False)
    """Parts of the cost at the medians of the inputs [USD]."""
    drawn: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Draws of each part [USD]."""
    assumptions: tuple[str, ...] = ()
    """Assumptions of the conversion, with sources."""

    def parts(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return the parts as rows: final run, other compute, staff, and the total.

        Parameters
        ----------
        level : float
            Probability inside the interval of each part [1].

        Returns
        -------
        list[dict]
            Rows with `part`, `usd`, `low`, `high` [USD] and `level` [1].
        """
        import numpy as np

        check_level(level)
        shares = [(1 - level) / 2, (1 + level) / 2]
        rows = []
        for name, values in self.drawn.items():
            low, high = (float(end) for end in np.quantile(values, shares))
            rows.append({"part": name, "usd": self.points[name], "low": low, "high": high, "level": level})
        return rows

    def draws(self, count: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
        """Return draws of the total.

        Parameters
        ----------
        count : int
            Number of draws. A number other than the default resamples the stored draws.
        seed : int
            Seed. A seed other than 0 resamples the stored draws.

        Returns
        -------
        NDArray
            Draws, shape (count,) [USD].
        """
        if count == DRAWS and seed == 0:
            total: NDArray[np.float64] = self.drawn["development"]
            return total
        return Cost.draws(self, count, seed)

    def __str__(self) -> str:
        rows = [
            {
                "": row["part"],
                "cost": rendering.amount(row["usd"], "USD"),
                "80 % interval": f"{rendering.amount(row['low'], 'USD')} to {rendering.amount(row['high'], 'USD')}",
            }
            for row in self.parts()
        ]
        return rendering.text(rows, footer="\n".join([self.scope_reason, *self.assumptions]))

    def __repr__(self) -> str:
        return str(self)


def development_cost(
    final_run_cost: float | str | Range | Cost | Result,
    staff: bool = True,
    multiplier: float | str | Range | None = None,
    staff_share: float | str | Range | None = None,
    seed: int = 0,
) -> DevelopmentCost:
    """Convert the training cost of the final run into the total development cost.

    Total compute costs the final run × the R&D multiplier: it includes experiments, failed runs and smaller runs.
    Staff is a share of the total and is added. Data, buildings and financing are not included.

    Parameters
    ----------
    final_run_cost : float, str, Range, Cost or Result
        Cost of scope "final_run" [USD]: a number, a range, a text such as "5 MUSD", a published cost, or an estimate.
    staff : bool
        Whether research staff is included.
    multiplier : float, str or Range, optional
        Cost of all compute over that of the final run, at least 1 [1]. Default: `data/assumptions/development.csv`.
    staff_share : float, str or Range, optional
        Share of staff in the total, below 1 [1]. Default: `data/assumptions/development.csv`.
    seed : int
        Seed of the draws.

    Returns
    -------
    DevelopmentCost
        Cost of scope "development". Its `scope_reason` describes the conversion.

    Raises
    ------
    InputError
        If the cost already has the scope "development", or a number is outside the accepted range.

    References
    ----------
    Cottier et al. 2024, The rising costs of training frontier AI models, arXiv 2405.21015.

    Examples
    --------
    >>> total = development_cost(5.576e6)
    >>> total.scope, round(total.usd / 1e6)
    ('development', 20)
    """
    if type(seed) is not int or seed < 0:
        raise InputError(f"seed: must be a whole number, at least 0; got {seed!r:.80}")
    point, spread, year = _final_run(final_run_cost, seed)
    factor = development_fact(MULTIPLIER) if multiplier is None else _checked("multiplier", multiplier)
    share = development_fact(STAFF) if staff_share is None else _checked("staff_share", staff_share)
    if not staff:
        share = Figure(0.0, None, Provenance("given", note="staff is not included"))
    drawn = {
        "final run": spread,
        **_parts(spread, _figure_draws("multiplier", factor, seed), _figure_draws("staff", share, seed)),
    }
    points = {"final run": point, **_parts(point, factor.value, share.value)}
    staff_note = f"staff ({share.value:.0%} of the total) added" if staff else "staff not included"
    reason = f"converted from the final run by development_cost: × {factor.value:.2f} for all compute, {staff_note}"
    assumptions = {MULTIPLIER: factor, **({STAFF: share} if staff else {})}
    return DevelopmentCost(
        points["development"],
        DEVELOPMENT,
        reason,
        "costmodel",
        "estimated",
        year,
        source=" ; ".join(figure.provenance.source for figure in assumptions.values() if figure.provenance.source),
        spread=samples(drawn["development"].tolist()),
        points=points,
        drawn=drawn,
        assumptions=tuple(f"{name}: {figure.provenance}" for name, figure in assumptions.items()),
    )


def _final_run(cost: float | str | Range | Cost | Result, seed: int) -> tuple[float, Any, int | None]:
    """Return the cost of a final run [USD], its draws [USD], and the year of its dollars."""
    import numpy as np

    scope = getattr(cost, "scope", FINAL_RUN)
    if scope != FINAL_RUN:
        raise InputError(
            f"final_run_cost: must have the scope final_run; got a cost of scope {scope}, which needs no conversion"
        )
    if isinstance(cost, Result):
        value = cost.value("cost")
        if isinstance(value, Missing):
            raise MissingFactError(f"final_run_cost: the estimate has no cost: {value.reason}")
        return value, cost.draws("cost", DRAWS), None
    if isinstance(cost, Cost):
        return cost.usd, cost.draws(DRAWS, seed), cost.year
    figure = _checked("final_run_cost", cost)
    return figure.value, np.broadcast_to(_figure_draws("final run", figure, seed), (DRAWS,)), None


def _parts(final: Any, factor: Any, share: Any) -> dict[str, Any]:
    """Return other compute, staff and the total of a development; floats or arrays [USD]."""
    compute = final * factor
    total = compute / (1 - share)
    return {"other compute": compute - final, "staff": total - compute, "development": total}


def _figure_draws(name: str, figure: Figure, seed: int) -> Any:
    """Return draws of an input, or its value if it has no spread."""
    return figure.value if figure.spread is None else draws(f"development.{name}", figure.spread, DRAWS, seed)


def _checked(name: str, value: float | str | Range) -> Figure:
    """Return a user's number or range as a figure after its checks."""
    try:
        checked = _INPUTS[name].validate(value)
    except InputError as error:
        raise InputError([f"{name}: {problem}" for problem in error.problems]) from None
    return Figure(float(middle(checked)), checked if isinstance(checked, Range) else None, Provenance("given"))
