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
_GIVEN = {
    "final_run_cost": Measure("USD", 0.0, MOST),
    "multiplier": Measure("1", 1.0, 1e6),
    "staff_share": Measure("1", 0.0, 1.0, open_high=True),
}
"""What the inputs of `development_cost` are given as."""


@lru_cache(maxsize=8)
def development_fact(name: str) -> Figure:
    """Return the assumed fact called `name` of `data/assumptions/development.csv`, with its spread and its source.

    >>> round(development_fact("R&D multiplier").value, 2)
    2.19
    """
    row = next(row for row in table("assumptions/development").rows if row["name"] == name and row["kind"] == "assumed")
    interval = between(float(row["low"]), float(row["high"]), level=float(row["level"]))
    spread = interval.settled("logitnormal" if row["shape"] == "logitnormal" else "lognormal")
    return Figure(spread.median(), spread, Provenance("assumed", row["source"], note=row["note"]))


def observed_multipliers() -> list[dict[str, Any]]:
    """Return the R&D multipliers that laboratories let out, with their sources: how far the assumed one holds."""
    return [{"subject": row["subject"], "multiplier": float(row["value"]), "note": row["note"], "source": row["source"]}
            for row in table("assumptions/development").rows if row["kind"] == "observed"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DevelopmentCost(Cost):
    """The cost of a development, converted from that of its final run; see `development_cost`."""

    points: dict[str, float] = field(default_factory=dict, compare=False)
    """The parts at the medians of their inputs [USD]."""
    drawn: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Draws of the parts [USD]."""
    assumptions: tuple[str, ...] = ()
    """What it hangs on, with sources."""

    def parts(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return the parts as rows: final run, other compute, staff, and the whole [USD] with their intervals."""
        import numpy as np

        check_level(level)
        shares = [(1 - level) / 2, (1 + level) / 2]
        rows = []
        for name, values in self.drawn.items():
            low, high = (float(end) for end in np.quantile(values, shares))
            rows.append({"part": name, "usd": self.points[name], "low": low, "high": high, "level": level})
        return rows

    def draws(self, count: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
        """Return the draws of the whole [USD]; `count` and `seed` others than at its making draw again from them."""
        if count == DRAWS and seed == 0:
            made: NDArray[np.float64] = self.drawn["development"]
            return made
        return Cost.draws(self, count, seed)

    def __str__(self) -> str:
        rows = [{"": row["part"], "cost": rendering.amount(row["usd"], "USD"),
                 "80 % interval": f"{rendering.amount(row['low'], 'USD')} to {rendering.amount(row['high'], 'USD')}"}
                for row in self.parts()]  # fmt: skip
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
    """Convert the cost of a final run into that of the whole development.

    All compute of the development is the final run × the R&D multiplier (experiments, failed and smaller
    runs); staff is a share of the whole on top. Data, buildings and financing are not in it.

    Parameters
    ----------
    final_run_cost : a number, a range or such as "5 MUSD" [USD], a published cost, or an estimate; of scope "final_run"
    staff : whether the staff of the research is in it
    multiplier : all compute over that of the final run, at least 1 [1]; `data/assumptions/development.csv` unless given
    staff_share : share of the staff in the whole, below 1 [1]; `data/assumptions/development.csv` unless given
    seed : of the draws

    Returns
    -------
    DevelopmentCost
        Of scope "development"; its `scope_reason` says that it was converted and how.

    Raises
    ------
    InputError
        If the cost is already that of a development, or a number is not possible.

    References
    ----------
    Cottier et al. 2024, The rising costs of training frontier AI models, arXiv 2405.21015.

    Examples
    --------
    >>> whole = development_cost(5.576e6)
    >>> whole.scope, round(whole.usd / 1e6)
    ('development', 20)
    """
    if type(seed) is not int or seed < 0:
        raise InputError(f"seed is a whole number, at least 0; got {seed!r:.80}")
    point, spread, year = _final_run(final_run_cost, seed)
    factor = development_fact(MULTIPLIER) if multiplier is None else _given("multiplier", multiplier)
    share = development_fact(STAFF) if staff_share is None else _given("staff_share", staff_share)
    if not staff:
        share = Figure(0.0, None, Provenance("given", note="staff is left out"))
    drawn = {"final run": spread, **_beside(spread, _drawn("multiplier", factor, seed), _drawn("staff", share, seed))}
    points = {"final run": point, **_beside(point, factor.value, share.value)}
    staffed = f"staff ({share.value:.0%} of the whole) on top" if staff else "staff left out"
    reason = f"converted from the final run by development_cost: × {factor.value:.2f} for all compute, {staffed}"
    named = {MULTIPLIER: factor, **({STAFF: share} if staff else {})}
    return DevelopmentCost(
        points["development"], DEVELOPMENT, reason, "costmodel", "estimated", year,
        source=" ; ".join(one.provenance.source for one in named.values() if one.provenance.source),
        spread=samples(drawn["development"].tolist()), points=points, drawn=drawn,
        assumptions=tuple(f"{name}: {one.provenance}" for name, one in named.items()),
    )  # fmt: skip


def _final_run(cost: float | str | Range | Cost | Result, seed: int) -> tuple[float, Any, int | None]:
    """Return the cost of a final run: its value, its draws [USD] and the year of its dollars."""
    import numpy as np

    scope = getattr(cost, "scope", FINAL_RUN)
    if scope != FINAL_RUN:
        raise InputError(f"final_run_cost: is of scope {scope} already; nothing is left to convert")
    if isinstance(cost, Result):
        value = cost.value("cost")
        if isinstance(value, Missing):
            raise MissingFactError(f"cost is not known: {value.reason}")
        return value, cost.draws("cost", DRAWS), None
    if isinstance(cost, Cost):
        return cost.usd, cost.draws(DRAWS, seed), cost.year
    given = _given("final_run_cost", cost)
    return given.value, np.broadcast_to(_drawn("final run", given, seed), (DRAWS,)), None


def _beside(final: Any, factor: Any, share: Any) -> dict[str, Any]:
    """Return what a development costs beside its final run, and in all; floats or arrays [USD]."""
    compute = final * factor
    whole = compute / (1 - share)
    return {"other compute": compute - final, "staff": whole - compute, "development": whole}


def _drawn(name: str, figure: Figure, seed: int) -> Any:
    return figure.value if figure.spread is None else draws(f"development.{name}", figure.spread, DRAWS, seed)


def _given(name: str, value: float | str | Range) -> Figure:
    """Return a number or a range that was given, checked."""
    try:
        found = _GIVEN[name].validate(value)
    except InputError as error:
        raise InputError([f"{name}: {problem}" for problem in error.problems]) from None
    return Figure(float(middle(found)), found if isinstance(found, Range) else None, Provenance("given"))
