"""Total development cost from the cost of the final run: experiments, failed runs and staff."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from costmodel.comparison.costs import DEVELOPMENT, DRAWS, FINAL_RUN, Cost
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.other_costs import OtherCosts
from costmodel.estimation.other_lines import MULTIPLIER, STAFF, development_fact, other_compute, staff_of
from costmodel.estimation.results import Result
from costmodel.estimation.sampling import draw_key
from costmodel.estimation.total import Total
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_draws, check_level, checked, seed_problems
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import MOST, Measure
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, draws, middle, samples
from costmodel.foundation.tables import Figure, Provenance, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GUESSED = "guessed GPU-hours"
"""Name of an assumption in `data/assumptions/development.csv`."""
_COMPUTE = ("cost.experiments", "cost.failed_runs")
"""Lines of a bill that are other compute than that of the final run."""
_INPUTS = {
    "final_run_cost": Measure("USD", 0.0, MOST),
    "multiplier": Measure("1", 1.0, 1e6),
    "staff_share": Measure("1", 0.0, 1.0, open_high=True),
}
"""Unit and accepted range of the inputs of `development_cost`."""


def observed_multipliers() -> list[dict[str, Any]]:
    """Return the R&D multipliers that laboratories published, with their sources, to check the assumed multiplier."""
    return [
        {"subject": row["subject"], "multiplier": float(row["value"]), "note": row["note"], "source": row["source"]}
        for row in table("assumptions/development").rows
        if row["kind"] == "observed"
    ]


@dataclass(frozen=True, repr=False)
class DevelopmentCost(rendering.Shown, Cost):
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

    @checked("count", "seed")
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
        check_draws(count)
        if count == DRAWS and seed == 0:
            total: NDArray[np.float64] = self.drawn["development"]
            return total
        return Cost.draws(self, count, seed)

    def rows(self) -> list[dict[str, Any]]:
        """Return `parts()` with 80 % intervals."""
        return self.parts()

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "": row["part"],
                "cost": rendering.amount(row["usd"], "USD"),
                "80 % interval": f"{rendering.amount(row['low'], 'USD')} to {rendering.amount(row['high'], 'USD')}",
            }
            for row in self.parts()
        ]

    def _footer(self) -> str:
        return "\n".join([self.scope_reason, *self.assumptions])


@checked("staff")
def development_cost(
    final_run_cost: float | str | Range | Cost | Result,
    staff: bool = True,
    multiplier: float | str | Range | None = None,
    staff_share: float | str | Range | None = None,
    seed: int | None = None,
) -> DevelopmentCost:
    """Convert the training cost of the final run into the total development cost.

    Total compute costs the final run × the R&D multiplier: it includes experiments, failed runs and smaller runs.
    Staff is a share of the total and is added. Data, buildings and financing are not included. The cost of an
    estimate is that of its scenario with scope "development": what `other_costs` gives of experiments, failed runs
    and staff stays as it is.

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
        Seed of the draws; default: that of the estimate, 0 for other costs.

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
    if seed is not None and (problems := seed_problems(seed)):
        raise InputError(problems)
    scope = getattr(final_run_cost, "scope", FINAL_RUN)
    if scope != FINAL_RUN:
        raise InputError(
            f"final_run_cost: must have the scope final_run; got a cost of scope {scope}, which needs no conversion"
        )
    factor = None if multiplier is None else _checked("multiplier", multiplier)
    share = None if staff_share is None else _checked("staff_share", staff_share)
    if isinstance(final_run_cost, Result):
        changes = _changes(multiplier, staff, staff_share)
        return _of_estimates([_developed(each, changes, seed) for each in _estimates(final_run_cost)])
    assumed = {MULTIPLIER: factor or development_fact(MULTIPLIER)}
    if staff:
        assumed[STAFF] = share or development_fact(STAFF)
    point, drawn, year = _final_run(final_run_cost, seed or 0)
    spreads = [_figure_draws(name, figure, seed or 0) for name, figure in assumed.items()]
    return _converted(
        _parts(point, *(figure.value for figure in assumed.values())),
        _parts(drawn, *spreads),
        assumed,
        year,
    )


def _changes(multiplier: Any, staff: bool, staff_share: Any) -> dict[str, Any]:
    """Return the fields of `OtherCosts` that the arguments of `development_cost` replace."""
    changes: dict[str, Any] = {}
    if multiplier is not None:
        changes |= {"rd_multiplier": multiplier, "experiments": None, "failed_runs": None}
    if not staff:
        changes |= {"staff": 0.0, "staff_share": None}
    elif staff_share is not None:
        changes |= {"staff": None, "staff_share": staff_share}
    return changes


def _estimates(result: Result) -> list[Estimate]:
    """Return the estimate of a result, or those that it is the sum of."""
    if isinstance(result, Total):
        return [each for part in result.parts for each in _estimates(part)]
    if not isinstance(result, Estimate):
        raise InputError(f"final_run_cost: must be a cost or an estimate of a run; got {type(result).__name__}")
    return [result]


def _developed(result: Estimate, changes: dict[str, Any], seed: int | None) -> Estimate:
    """Return the estimate of the same run with scope "development"."""
    run = result.scenario
    costs = (run.other_costs or OtherCosts()).replace(changes)
    return estimate(run.replace(scope=DEVELOPMENT, other_costs=costs, seed=run.seed if seed is None else seed))


def _of_estimates(developed: list[Estimate]) -> DevelopmentCost:
    """Return the total of estimates of scope "development", in parts."""
    names = ("final run", "other compute", "staff", "development")
    points: dict[str, float] = dict.fromkeys(names, 0.0)
    drawn: dict[str, Any] = dict.fromkeys(names, 0.0)
    for each in developed:
        for line in (f"cost.{line.name}" for line in each.lines):
            part = "staff" if line == "cost.rd_staff" else "other compute" if line in _COMPUTE else "final run"
            points[part] += _known(each, line)
            drawn[part] = drawn[part] + each.draws(line, DRAWS)
        points["development"] += _known(each, "cost")
        drawn["development"] = drawn["development"] + each.draws("cost", DRAWS)
    paths = {MULTIPLIER: "other_costs.rd_multiplier", STAFF: "other_costs.staff_share"}
    inputs = developed[0].inputs
    assumed = {
        name: Figure(inputs[path].value, inputs[path].spread, inputs[path].provenance)
        for name, path in paths.items()
        if path in inputs
    }
    return _converted(points, drawn, assumed, None)


def _known(result: Estimate, figure: str) -> float:
    """Return a figure of an estimate [USD]."""
    value = result.value(figure)
    if isinstance(value, Missing):
        raise MissingFactError(f"final_run_cost: the estimate has no cost: {value.reason}")
    return value


def _converted(
    points: dict[str, float], drawn: dict[str, Any], assumed: dict[str, Figure], year: int | None
) -> DevelopmentCost:
    """Return the development cost of its parts, at the medians and in draws [USD]."""
    import numpy as np

    total, compute = points["development"], points["final run"] + points["other compute"]
    times = f"× {compute / points['final run']:.2f} for all compute" if points["final run"] else "no compute"
    staff = f"staff ({points['staff'] / total:.0%} of the total) added" if points["staff"] else "staff not included"
    drawn = {name: np.broadcast_to(values, (DRAWS,)) for name, values in drawn.items()}
    return DevelopmentCost(
        total,
        DEVELOPMENT,
        f"converted from the final run by development_cost: {times}, {staff}",
        "costmodel",
        "estimated",
        year,
        source=" ; ".join(figure.provenance.source for figure in assumed.values() if figure.provenance.source),
        spread=samples(drawn["development"].tolist()),
        points=points,
        drawn=drawn,
        assumptions=tuple(f"{name}: {figure.provenance}" for name, figure in assumed.items()),
    )


def _final_run(cost: float | str | Range | Cost, seed: int) -> tuple[float, Any, int | None]:
    """Return the cost of a final run [USD], its draws [USD], and the year of its dollars."""
    if isinstance(cost, Cost):
        return cost.usd, cost.draws(DRAWS, seed), cost.year
    figure = _checked("final_run_cost", cost)
    spread = figure.spread
    return figure.value, figure.value if spread is None else draws("development.final run", spread, DRAWS, seed), None


def _parts(final: Any, factor: Any, share: Any = 0.0) -> dict[str, Any]:
    """Return the parts of a development; floats or arrays [USD]."""
    compute = other_compute(final, factor)
    staff = staff_of(final + compute, share)
    return {"final run": final, "other compute": compute, "staff": staff, "development": final + compute + staff}


def _figure_draws(name: str, figure: Figure, seed: int) -> Any:
    """Return draws of an assumption, those of an estimate, or its value if it has no spread."""
    path = "other_costs.rd_multiplier" if name == MULTIPLIER else "other_costs.staff_share"
    return figure.value if figure.spread is None else draws(draw_key(path), figure.spread, DRAWS, seed)


def _checked(name: str, value: float | str | Range) -> Figure:
    """Return a user's number or range as a figure after its checks."""
    try:
        checked = _INPUTS[name].validate(value)
    except InputError as error:
        raise InputError([f"{name}: {problem}" for problem in error.problems]) from None
    return Figure(float(middle(checked)), checked if isinstance(checked, Range) else None, Provenance("given"))
