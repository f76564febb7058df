"""Projection of the cost of the same run at other prices, or of the same capability, by year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.arrays import exp
from costmodel.foundation.checks import checked, seed_problems
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError, unknown
from costmodel.foundation.fields import MOST, Measure
from costmodel.foundation.ranges import Range, between, draws
from costmodel.market.gpu_prices import vintage
from costmodel.market.owned import Ownership, owning_default
from costmodel.projection.capability import Capability, capability
from costmodel.projection.cheapest import Choice, cheapest, worded
from costmodel.projection.decline.factors import REGIMES, Regime, algorithms, declines, factor, generator
from costmodel.projection.decline.models import decline_model
from costmodel.projection.projection import Part, Projection
from costmodel.projection.rents.outlook import price_class, rental_path

if TYPE_CHECKING:
    import numpy as np

    from costmodel.projection.decline.factors import Factor
    from costmodel.projection.decline.models import Decline
    from costmodel.projection.rents.outlook import RentalPath

Question = Literal["run", "capability"]
Method = Literal["end-to-end", "factors"]
Hardware = Literal["same", "best"]
Dollars = Literal["nominal", "real"]
PATHS = 20_000
"""Default number of paths."""
MOST_PATHS = 2_000_000
"""Largest number of paths."""
BLOCK = 20_000
"""Paths per batch of draws: bounds the memory."""
LASTING = Measure("USD", 0.0, MOST)
"""Accepted values of a fixed (non-declining) cost [USD]."""
FIRST, LAST = 2012, 2050
"""First and last year that can be projected."""
MOST_YEARS = 1000
"""Longest list of years that is read."""
DAYS = 365.25
"""Days per year."""


@checked("question", "hardware", "regime", "dollars")
def project_cost(
    of: Scenario | Estimate | Capability | str,
    years: Iterable[int] = range(2025, 2031),
    *,
    question: Question | None = None,
    method: Method | None = None,
    hardware: Hardware | None = None,
    regime: Regime | None = None,
    lasting: Range | float | str | None = None,
    floor: bool | None = None,
    dollars: Dollars = "nominal",
    base_year: int | None = None,
    paths: int = PATHS,
    seed: int = 0,
) -> Projection:
    """Project the cost of a run or of a capability to the end of each year.

    The question "run" keeps the training run, without algorithmic progress: what is the cheapest way to do this run in
    another year? In past years it is the accelerator with the lowest cost at its listed price; from the newest prices
    on, the price-performance of hardware. The same run on the same accelerators is shown beside it. The question
    "capability" keeps the result: the cheapest run that reaches the capability by then. Its cost declines end to end,
    at the rates of other capabilities, or by factors (algorithms, hardware, utilization, precision). A projection
    uses one of these two methods. Past years use the published prices and costs of their date.

    Parameters
    ----------
    of : Scenario, Estimate, Capability or str
        A run (Scenario or Estimate), a capability, or the name of a series of
        `data/measurements/cost_decline.csv`.
    years : iterable of int
        Calendar years; the cost is that at the end of the year.
    question : {"run", "capability"}, optional
        "run" by default for a scenario or an estimate, else "capability".
    method : {"end-to-end", "factors"}, optional
        How the cost of a capability declines; "end-to-end" by default.
    hardware : {"best", "same"}, optional
        Hardware of a run: "best" takes the cheapest accelerators of the year; "same" takes the same accelerators at
        the prices of the year. Default: "best" for rented, "same" for owned hardware.
    regime : {"fast", "slow", "mixture"}, optional
        Algorithmic progress with `method="factors"`; "mixture" by default.
    lasting : float, Range or str, optional
        Fixed (non-declining) cost, such as staff and data, added to every year [USD]; for example "1 to 2 MUSD".
    floor : bool, optional
        Whether a small share of the cost of a capability never declines; True by default.
    dollars : {"nominal", "real"}
        Dollars of each year, or dollars of `base_year`: the consumer price index to date, then the assumed inflation.
    base_year : int, optional
        Year of real dollars; default: the year of the prices of the run.
    paths : int
        Number of draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    Projection
        Cost by year, with intervals.

    Raises
    ------
    InputError
        If arguments are invalid or contradict each other; lists all problems.
    MissingFactError
        If the cost of none of the years is known.

    References
    ----------
    End-to-end decline: `costmodel.projection.decline.models`; factors: `data/assumptions/cost_factors.csv`; rental
    prices: `costmodel.projection.rents.outlook`.

    Examples
    --------
    >>> projection = project_cost("GPT-4 class", years=range(2026, 2029))
    >>> projection.median(2028) < projection.median(2026)
    True
    """
    request = _Request(of, years, question, method, hardware, regime, lasting, floor, paths, seed)
    problems = wrong_dollars(dollars, base_year)
    if problems:
        raise InputError(problems)
    projection = request.run() if request.question == "run" else request.capability()
    return projection if dollars == "nominal" else projection.in_real_dollars(base_year)


class _Request:
    """Arguments of `project_cost`, validated and with defaults filled in."""

    def __init__(
        self,
        of: Any,
        years: Iterable[int],
        question: Any,
        method: Any,
        hardware: Any,
        regime: Any,
        lasting: Any,
        floor: Any,
        paths: Any,
        seed: Any,
    ) -> None:
        is_run = isinstance(of, (Scenario, Estimate))
        self.question = question or ("run" if is_run else "capability")
        owned = isinstance(of, (Scenario, Estimate)) and _is_owned(of)
        self.method = "end-to-end" if method is None else method
        self.hardware = hardware or ("same" if owned else "best")
        self.regime: Regime = regime or "mixture"
        self.floor = True if floor is None else floor
        self.lasting: float | Range = 0.0
        self.paths, self.seed = paths, seed
        problems = [
            f"{name}: {unknown(name, value, allowed)}"
            for name, value, allowed in (
                ("question", self.question, ("run", "capability")),
                ("method", self.method, ("end-to-end", "factors")),
                ("hardware", self.hardware, ("same", "best")),
                ("regime", self.regime, REGIMES),
            )
            if not (isinstance(value, str) and value in allowed)
        ]
        listed: tuple[Any, ...] = tuple(islice(years, MOST_YEARS)) if isinstance(years, Iterable) else ()
        whole = all(isinstance(year, Integral) and not isinstance(year, bool) for year in listed)
        if not listed or not whole or not all(FIRST <= year <= LAST for year in listed):
            problems.append(f"years must be whole numbers from {FIRST} to {LAST}; got {years!r:.80}")
        if not isinstance(of, (Scenario, Estimate, Capability, str)):
            problems.append(
                f"of must be a Scenario, an Estimate, a Capability or the name of a capability; got {of!r:.80}"
            )
        if self.question == "run" and not is_run:
            problems.append(f"question: 'run' needs a Scenario or an Estimate; got {of!r:.80}")
        if self.question == "run" and (method is not None or regime is not None or floor is not None):
            problems.append("method, regime and floor apply to question='capability' only; leave them out for a run")
        if self.question == "capability" and hardware is not None:
            problems.append("hardware applies to question='run' only; leave it out for a capability")
        if regime is not None and self.method == "end-to-end":
            problems.append(
                "regime: end-to-end declines already include algorithms; set method='factors', or leave regime out"
            )
        problems += wrong_draws(paths, seed)
        if type(self.floor) is not bool:
            problems.append(f"floor must be True or False; got {floor!r:.80}")
        try:
            self.lasting = LASTING.validate(0.0 if lasting is None else lasting)
        except InputError as error:
            problems += [f"lasting: {problem}" for problem in error.problems]
        if problems:
            raise InputError(problems)
        self.years = tuple(sorted({int(year) for year in listed}))
        self.reference = _reference(of)

    # question: run

    def run(self) -> Projection:
        """Return the cost of the run on the cheapest hardware of each year, or on the same hardware."""
        if self.hardware == "same":
            return self._of_run("same")
        best = self._of_run("best")
        best.same_hardware = self._of_run("same")
        return best

    def _of_run(self, hardware: Hardware) -> Projection:
        assert isinstance(self.reference, Estimate)
        same = hardware == "same"
        used: dict[int, str] = {}
        considered = 1
        scenario, on = self.reference.scenario, _day(self.reference)
        today = self.reference.draws("cost", self.paths)
        costs, missing = {}, {}
        proxies = dict.fromkeys([self.reference.note("cost")])
        ahead = [year for year in self.years if _end(year) > max(on, vintage())]
        for year in self.years:
            if year in ahead:
                continue
            try:
                moved = _repriced(scenario, _end(year))
                priced, compared = Choice(estimate(moved), 1) if same else cheapest(moved, _end(year))
                considered = max(considered, compared)
                used[year] = priced.scenario.cluster.accelerator.name
                costs[year] = priced.draws("cost", self.paths)
                proxies[priced.note("cost")] = None
            except CostModelError as error:
                missing[year] = str(error)
        parts: tuple[Part, ...] = ()
        if ahead:
            newest, since = self._newest(on)
            if not same:
                newest, compared = cheapest(newest.scenario, since)
                considered = max(considered, compared)
            used |= dict.fromkeys(ahead, newest.scenario.cluster.accelerator.name)
            last = newest.draws("cost", self.paths)
            proxies[newest.note("cost")] = None
            name, falls, source = self._run_declines(scenario, since, ahead, hardware)
            costs |= {year: last * exp(-falls[:, index]) for index, year in enumerate(ahead)}
            parts = (Part(name, dict(zip(ahead, falls.mean(axis=0).tolist(), strict=True)), source),)
        title, account = worded(scenario, same, considered)
        account = "; ".join([account, *filter(None, proxies)])
        projection = self._result(title, on, today, costs, missing, parts, account)
        projection.hardware = used
        return projection

    def _newest(self, on: dt.date) -> tuple[Estimate, dt.date]:
        """Return the run at its newest known price, and the date of that price."""
        assert isinstance(self.reference, Estimate)
        if on < vintage():
            try:
                newest = estimate(_repriced(self.reference.scenario, vintage()))
                newest.draws("cost", self.paths)
            except CostModelError:  # this accelerator is no longer rented
                return self.reference, on
            return newest, vintage()
        return self.reference, on

    def _run_declines(
        self, scenario: Scenario, on: dt.date, years: list[int], hardware: Hardware
    ) -> tuple[str, np.ndarray, str]:
        """Return the component that changes, ln(price now / price then) by path and year, and its source."""
        import numpy as np

        if hardware == "best":
            horizons = [_years(on, _end(year)) for year in years]
            falls = declines({"hardware": (factor("hardware"),)}, horizons, self.paths, self.seed)["hardware"]
            return "hardware", falls, factor("hardware").source
        if isinstance(scenario.prices, Ownership):
            return self._purchase_declines(scenario, [_years(on, _end(year)) for year in years])
        name = price_class(scenario.prices.provider, scenario.prices.looked_up_model)
        path = rental_path(name)
        prices = self._paths(path, "rent", on, years)
        return f"rental price, {name}", -np.log(prices), path.source

    def _purchase_declines(self, scenario: Scenario, horizons: list[float]) -> tuple[str, np.ndarray, str]:
        """Return the same for owned hardware: its purchase price follows the trend, the rest of the cost stays.

        The cost is linear in the purchase price. The part that does not depend on it is the cost at a price of 0.
        """
        import numpy as np

        prices = scenario.prices.replace({"purchase_price": 0.0, "on": None})
        cost = estimate(scenario).draws("cost", self.paths)
        rest = estimate(scenario.replace(prices=prices)).draws("cost", self.paths)
        trend = owning_default("value_decline", scenario.cluster.accelerator.generation)
        assert trend.spread is not None  # all rows of the table have an interval
        decline = draws("prices.value_decline", trend.spread, self.paths, self.seed)
        later = rest[:, None] + (cost - rest)[:, None] * np.exp(-decline[:, None] * np.array(horizons))
        return "purchase price", np.log(cost[:, None] / later), trend.provenance.source

    # question: capability

    def capability(self) -> Projection:
        """Return the lowest cost to reach the capability by the end of each year."""
        start = self.reference if isinstance(self.reference, Capability) else _capability_of(self.reference)
        today = start.draws(self.paths, self.seed)
        costs, missing = {}, {}
        ahead = [year for year in self.years if _end(year) > start.date]
        for year in self.years:
            if year not in ahead:
                lowest = start.frontier(_end(year))
                if lowest is None:
                    missing[year] = f"no run that reached the capability by {_end(year)} is known"
                else:
                    costs[year] = today * 0 + lowest
        parts: tuple[Part, ...] = ()
        if ahead:
            by_part = self._declines(start, ahead)
            whole: Any = sum(falls for falls, _ in by_part.values())
            share = self._floor()
            ahead_costs = today[:, None] * (share[:, None] + (1 - share[:, None]) * exp(-whole))
            costs |= {year: ahead_costs[:, index] for index, year in enumerate(ahead)}
            parts = tuple(
                Part(name, dict(zip(ahead, falls.mean(axis=0).tolist(), strict=True)), source)
                for name, (falls, source) in by_part.items()
            )
        account = "end to end" if self.method == "end-to-end" else f"factors, algorithms {self.regime}"
        return self._result(f"{start.name}: the same capability", start.date, today, costs, missing, parts, account)

    def _declines(self, start: Capability, years: list[int]) -> dict[str, tuple[np.ndarray, str]]:
        horizons = [_years(start.date, _end(year)) for year in years]
        if self.method == "end-to-end":
            falls = self._paths(decline_model(start.kind, start.age, start.declined), "decline", start.date, years)
            by_part = {"all, end to end": (falls, "data/fitted/decline.csv")}
            if start.hardware_fixed:  # its records hold hardware and price constant, and hardware gets cheaper too
                fixed = declines({"hardware": (factor("hardware"),)}, horizons, self.paths, self.seed)
                by_part["hardware"] = (fixed["hardware"], factor("hardware").source)
            return by_part
        parts: dict[str, tuple[Factor, ...]] = {
            "algorithms": algorithms(self.regime),
            "hardware": (factor("hardware"),),
            "utilization": (factor("utilization", most=start.utilization_left),),
        }
        if start.precision == "16-bit":
            parts["precision to fp8"] = (factor("precision to fp8"),)
        if start.precision != "4-bit":
            parts["precision to fp4"] = (factor("precision to fp4"),)
        drawn = declines(parts, horizons, self.paths, self.seed)
        return {name: (falls, "; ".join(choice.source for choice in parts[name])) for name, falls in drawn.items()}

    def _floor(self) -> np.ndarray:
        """Return the share of the cost that never declines, shape (paths,) [1]."""
        import numpy as np

        if not self.floor:
            return np.zeros(self.paths)
        share = factor("floor")
        spread = between(share.low, share.high).settled("lognormal")
        return np.minimum(draws("floor", spread, self.paths, self.seed), 1.0)

    # both questions

    def _paths(self, model: Decline | RentalPath, key: str, on: dt.date, years: list[int]) -> np.ndarray:
        """Return paths at years. All years up to `LAST` are drawn, so the set of years does not change the draws."""
        import numpy as np

        drawn = [year for year in range(on.year, LAST + 1) if _end(year) > on]
        horizons, columns = [_years(on, _end(year)) for year in drawn], [drawn.index(year) for year in years]
        numbers = generator(key, self.seed)
        counts = [min(BLOCK, self.paths - start) for start in range(0, self.paths, BLOCK)]
        return np.concatenate([model.paths(horizons, count, numbers)[:, columns] for count in counts])

    def _result(
        self,
        title: str,
        on: dt.date,
        today: np.ndarray,
        costs: dict[int, np.ndarray],
        missing: dict[int, str],
        parts: tuple[Part, ...],
        account: str,
    ) -> Projection:
        if not costs:
            reasons = "; ".join(f"{year}: {reason}" for year, reason in missing.items())
            raise MissingFactError(f"years: no cost is known for any of them: {reasons}")
        added: Any = self.lasting
        if isinstance(self.lasting, Range):
            added = draws("lasting", self.lasting, self.paths, self.seed)
        scope = self.reference.scope
        return Projection(
            title=title,
            question=self.question,
            account=account,
            scope=scope,
            reference=on,
            today=today + added,
            costs={year: costs[year] + added for year in self.years if year in costs},
            missing=missing,
            parts=parts,
            seed=self.seed,
        )


def wrong_dollars(dollars: Any, base_year: Any) -> list[str]:
    """Return the problems of the dollars of a projection and of their year.

    Parameters
    ----------
    dollars : object
        Kind of dollars, as given.
    base_year : object
        Year of real dollars, as given.
    """
    if dollars not in ("nominal", "real"):
        return [f"dollars: {unknown('kind of dollars', dollars, ('nominal', 'real'))}"]
    if base_year is None:
        return []
    if dollars == "nominal":
        return ["base_year belongs to dollars='real'; leave it out for nominal dollars"]
    if type(base_year) is not int or not FIRST <= base_year <= LAST:
        return [f"base_year must be a whole number from {FIRST} to {LAST}; got {base_year!r:.80}"]
    return []


def wrong_draws(paths: Any, seed: Any) -> list[str]:
    """Return the problems of a number of paths and a seed.

    Parameters
    ----------
    paths : object
        Number of paths, as given.
    seed : object
        Seed, as given.

    Returns
    -------
    list of str
        One message per problem; empty if both are valid.
    """
    problems = []
    if type(paths) is not int or not 100 <= paths <= MOST_PATHS:
        problems.append(f"paths must be a whole number from 100 to {MOST_PATHS:,}; got {paths!r:.80}")
    return [*problems, *seed_problems(seed)]


def _reference(of: Scenario | Estimate | Capability | str) -> Estimate | Capability:
    if isinstance(of, Scenario):
        return estimate(of)
    if isinstance(of, (Estimate, Capability)):
        return of
    return capability(of)


def _capability_of(run_estimate: Estimate) -> Capability:
    """Return the capability that a run reaches at the date of its prices; its history is not known."""
    low, high = run_estimate.bounds("cost", 0.8)
    run, mfu = run_estimate.scenario, run_estimate.value("mfu")
    precisions = " ".join(recipe.precision for recipe in run.recipes)
    spread: Range | float = between(low, high, "USD") if high > low else low
    return Capability(
        name=run.name or run.architecture.name,
        cost=spread,
        date=_day(run_estimate),
        scope=run.scope,
        precision="4-bit" if "fp4" in precisions else "8-bit" if "fp8" in precisions else "16-bit",
        utilization=mfu if isinstance(mfu, float) else None,
    )


def _is_owned(of: Scenario | Estimate) -> bool:
    return isinstance((of.scenario if isinstance(of, Estimate) else of).prices, Ownership)


def _day(run_estimate: Estimate) -> dt.date:
    """Return the date of the prices of an estimate."""
    date = run_estimate.scenario.prices.on
    return date if date is not None else vintage()


def _repriced(scenario: Scenario, on: dt.date) -> Scenario:
    name = "purchase_price" if isinstance(scenario.prices, Ownership) else "price"
    if getattr(scenario.prices, name) is not None:
        raise MissingFactError(
            f"prices.{name} is set, so prices of other years are not known; leave `prices.{name}` out to look them up"
        )
    return scenario.replace({"prices.on": on})


def _end(year: int) -> dt.date:
    return dt.date(year, 12, 31)


def _years(start: dt.date, end: dt.date) -> float:
    return (end - start).days / DAYS
