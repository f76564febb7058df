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
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError, unknown
from costmodel.foundation.fields import MOST, Measure
from costmodel.foundation.ranges import Range, draws
from costmodel.market.gpu_prices import vintage
from costmodel.projection.capability import Capability, capability
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
PATHS = 20_000
MOST_PATHS = 2_000_000
BLOCK = 20_000
"""Paths that are drawn together, which bounds the memory."""
LASTING = Measure("USD", 0.0, MOST)
"""What costs that do not fall are given as."""
FIRST, LAST = 2012, 2050
"""Years that can be asked for."""
MOST_YEARS = 1000
"""Years that are looked at of what is given."""
DAYS = 365.25


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
    paths: int = PATHS,
    seed: int = 0,
) -> Projection:
    """Return what a run or a capability costs at the end of each year.

    Two questions are kept apart. The same *run*: the same FLOPs on the same accelerators at the prices of
    another year, or on what is cheapest then. The same *capability*: whatever reaches it by then. For that
    there are two accounts, of which one is used: end-to-end, as the cost of other capabilities declined, or
    factor by factor. Years that are past take the facts of their date.

    Parameters
    ----------
    of : Scenario or Estimate (a run, or the reference of its capability), Capability, or the name of a series
        of `data/measurements/cost_decline.csv`
    years : whole years, each meant at its end
    question : "run" or "capability"; a run for a scenario, a capability for anything else unless given
    method : of a capability: "end-to-end" (the default) or "factors"
    hardware : of a run: "same" (the default), rented at the prices of the year, or "best", the cheapest FLOP
    regime : of algorithms, with `method="factors"`: "fast", "slow" or "mixture" (the default)
    lasting : costs of the reference that do not fall, such as staff and data, added to every year: a number, a range
        or such as "1 to 2 MUSD" [USD]
    floor : whether a small share of a capability's cost never falls; so by default
    paths : number of draws
    seed : of the draws

    Raises
    ------
    InputError
        If the question, the method and what belongs to them contradict each other; all of it at once.

    References
    ----------
    The end-to-end account: `costmodel.projection.decline.models`; the factors:
    `data/assumptions/cost_factors.csv`; prices: `costmodel.projection.rents.outlook`.

    Examples
    --------
    >>> projection = project_cost("GPT-4 class", years=range(2026, 2029))
    >>> projection.median(2028) < projection.median(2026)
    True
    """
    asked = _Asked(of, years, question, method, hardware, regime, lasting, floor, paths, seed)
    return asked.run() if asked.question == "run" else asked.capability()


class _Asked:
    """A question, checked and filled in."""

    def __init__(
        self, of: Any, years: Iterable[int], question: Any, method: Any, hardware: Any, regime: Any,
        lasting: Any, floor: Any, paths: Any, seed: Any,
    ) -> None:  # fmt: skip
        is_run = isinstance(of, (Scenario, Estimate))
        self.question = question or ("run" if is_run else "capability")
        self.method, self.hardware = method or "end-to-end", hardware or "same"
        self.regime: Regime = regime or "mixture"
        self.floor = True if floor is None else floor
        self.lasting: float | Range = 0.0
        self.paths, self.seed = paths, seed
        problems = [
            f"{name}: {unknown(name, given, allowed)}"
            for name, given, allowed in (
                ("question", self.question, ("run", "capability")), ("method", self.method, ("end-to-end", "factors")),
                ("hardware", self.hardware, ("same", "best")), ("regime", self.regime, REGIMES),
            ) if given not in allowed
        ]  # fmt: skip
        given: tuple[Any, ...] = tuple(islice(years, MOST_YEARS)) if isinstance(years, Iterable) else ()
        whole = all(isinstance(year, Integral) and not isinstance(year, bool) for year in given)
        if not given or not whole or not all(FIRST <= year <= LAST for year in given):
            problems.append(f"years are whole years from {FIRST} to {LAST}; got {years!r:.80}")
        if not isinstance(of, (Scenario, Estimate, Capability, str)):
            problems.append(f"projected is a Scenario, an Estimate, a Capability or the name of one; got {of!r:.80}")
        if self.question == "run" and not is_run:
            problems.append("question: only a scenario or an estimate is a run; a capability has none")
        if self.question == "run" and (method is not None or regime is not None or floor is not None):
            problems.append("method, regime and floor belong to the question of a capability, not of a run")
        if self.question == "capability" and hardware is not None:
            problems.append("hardware belongs to the question of a run; a capability takes what is best by then")
        if self.method == "end-to-end" and regime is not None:
            problems.append(
                "regime: end-to-end declines hold algorithms already; take method='factors', or leave it out"
            )
        problems += wrong_draws(paths, seed)
        if type(self.floor) is not bool:
            problems.append(f"floor is True or False; got {floor!r:.80}")
        try:
            self.lasting = LASTING.validate(0.0 if lasting is None else lasting)
        except InputError as error:
            problems += [f"lasting: {problem}" for problem in error.problems]
        if problems:
            raise InputError(problems)
        self.years = tuple(sorted({int(year) for year in given}))
        self.reference = _reference(of)

    # the same run

    def run(self) -> Projection:
        """Return the run at the prices, or on the hardware, of each year."""
        assert isinstance(self.reference, Estimate)
        scenario, on = self.reference.scenario, _day(self.reference)
        today = self.reference.draws("cost", self.paths)
        listed, missing = {}, {}
        ahead = [year for year in self.years if _end(year) > max(on, vintage())]
        for year in self.years:
            if year in ahead:
                continue
            try:
                listed[year] = estimate(_repriced(scenario, _end(year))).draws("cost", self.paths)
            except CostModelError as error:
                missing[year] = str(error)
        parts: tuple[Part, ...] = ()
        if ahead:
            newest, since = self._newest(on)
            last = newest.draws("cost", self.paths)
            name, falls, source = self._of_run(scenario, since, ahead)
            listed |= {year: last * exp(-falls[:, index]) for index, year in enumerate(ahead)}
            parts = (Part(name, dict(zip(ahead, falls.mean(axis=0).tolist(), strict=True)), source),)
        same = self.hardware == "same"
        title = f"{scenario.name or scenario.architecture.name}: the same run, "
        title += "rented anew" if same else "on its own hardware to date, then on the cheapest of the year"
        account = f"facts of the date, then {'rental prices' if same else 'hardware price-performance'}"
        return self._result(title, on, today, listed, missing, parts, account)

    def _newest(self, on: dt.date) -> tuple[Estimate, dt.date]:
        """Return the run at the newest price that is known of it, and the day of that."""
        assert isinstance(self.reference, Estimate)
        if on < vintage():
            try:
                newest = estimate(_repriced(self.reference.scenario, vintage()))
                newest.draws("cost", self.paths)
            except CostModelError:  # it is rented out no longer
                return self.reference, on
            return newest, vintage()
        return self.reference, on

    def _of_run(self, scenario: Scenario, on: dt.date, years: list[int]) -> tuple[str, np.ndarray, str]:
        """Return what changes, ln(price now / price then) by path and year, and where that is from."""
        import numpy as np

        if self.hardware == "best":
            horizons = [_years(on, _end(year)) for year in years]
            found = declines({"hardware": (factor("hardware"),)}, horizons, self.paths, self.seed)["hardware"]
            return "hardware", found, factor("hardware").source
        kind = price_class(scenario.prices.provider, scenario.prices.purchase_model)
        path = rental_path(kind)
        prices = self._paths(path, "rent", on, years)
        return f"rental price, {kind}", -np.log(prices), path.source

    # the same capability

    def capability(self) -> Projection:
        """Return what reaches the capability at the end of each year."""
        of = self.reference if isinstance(self.reference, Capability) else _of_estimate(self.reference)
        today = of.draws(self.paths, self.seed)
        listed, missing = {}, {}
        ahead = [year for year in self.years if _end(year) > of.date]
        for year in self.years:
            if year not in ahead:
                known = of.frontier(_end(year))
                if known is None:
                    missing[year] = f"no run that reached it by {_end(year)} is known"
                else:
                    listed[year] = today * 0 + known
        parts: tuple[Part, ...] = ()
        if ahead:
            by_part = self._declines(of, ahead)
            whole: Any = sum(falls for falls, _ in by_part.values())
            share = self._floor()
            cost = today[:, None] * (share[:, None] + (1 - share[:, None]) * exp(-whole))
            listed |= {year: cost[:, index] for index, year in enumerate(ahead)}
            parts = tuple(Part(name, dict(zip(ahead, falls.mean(axis=0).tolist(), strict=True)), source)
                          for name, (falls, source) in by_part.items())  # fmt: skip
        account = "end to end" if self.method == "end-to-end" else f"factors, algorithms {self.regime}"
        return self._result(f"{of.name}: the same capability", of.date, today, listed, missing, parts, account)

    def _declines(self, of: Capability, years: list[int]) -> dict[str, tuple[np.ndarray, str]]:
        horizons = [_years(of.date, _end(year)) for year in years]
        if self.method == "end-to-end":
            falls = self._paths(decline_model(of.kind, of.age, of.declined), "decline", of.date, years)
            found = {"all, end to end": (falls, "data/fitted/decline.csv")}
            if of.hardware_fixed:  # its records are of one machine at one price, which gets cheaper too
                fixed = declines({"hardware": (factor("hardware"),)}, horizons, self.paths, self.seed)
                found["hardware"] = (fixed["hardware"], factor("hardware").source)
            return found
        parts: dict[str, tuple[Factor, ...]] = {
            "algorithms": algorithms(self.regime), "hardware": (factor("hardware"),),
            "utilization": (factor("utilization", most=of.utilization_left),),
        }  # fmt: skip
        if of.precision == "16-bit":
            parts["precision to fp8"] = (factor("precision to fp8"),)
        if of.precision != "4-bit":
            parts["precision to fp4"] = (factor("precision to fp4"),)
        drawn = declines(parts, horizons, self.paths, self.seed)
        return {name: (falls, "; ".join(one.source for one in parts[name])) for name, falls in drawn.items()}

    def _floor(self) -> np.ndarray:
        import numpy as np

        if not self.floor:
            return np.zeros(self.paths)
        one = factor("floor")
        from costmodel.foundation.ranges import between

        return np.minimum(draws("floor", between(one.low, one.high).settled("lognormal"), self.paths, self.seed), 1.0)

    # both

    def _paths(self, model: Decline | RentalPath, key: str, on: dt.date, years: list[int]) -> np.ndarray:
        """Return paths at years: drawn for every year up to the last, so that asking for one moves no other."""
        import numpy as np

        every = [year for year in range(on.year, LAST + 1) if _end(year) > on]
        horizons, wanted = [_years(on, _end(year)) for year in every], [every.index(year) for year in years]
        numbers = generator(key, self.seed)
        counts = [min(BLOCK, self.paths - start) for start in range(0, self.paths, BLOCK)]
        return np.concatenate([model.paths(horizons, count, numbers)[:, wanted] for count in counts])

    def _result(
        self, title: str, on: dt.date, today: np.ndarray, listed: dict[int, np.ndarray], missing: dict[int, str],
        parts: tuple[Part, ...], account: str,
    ) -> Projection:  # fmt: skip
        if not listed:
            reasons = "; ".join(f"{year}: {reason}" for year, reason in missing.items())
            raise MissingFactError(f"no year can be told: {reasons}")
        added: Any = self.lasting
        if isinstance(self.lasting, Range):
            added = draws("lasting", self.lasting, self.paths, self.seed)
        scope = self.reference.scope
        return Projection(
            title=title, question=self.question, account=account, scope=scope, reference=on,
            today=today + added, costs={year: listed[year] + added for year in self.years if year in listed},
            missing=missing, parts=parts, seed=self.seed,
        )  # fmt: skip


def wrong_draws(paths: Any, seed: Any) -> list[str]:
    """Return what is wrong with a number of paths and a seed."""
    problems = []
    if type(paths) is not int or not 100 <= paths <= MOST_PATHS:
        problems.append(f"paths is a whole number from 100 to {MOST_PATHS:,}; got {paths!r:.80}")
    if type(seed) is not int or seed < 0:
        problems.append(f"seed is a whole number, at least 0; got {seed!r:.80}")
    return problems


def _reference(of: Scenario | Estimate | Capability | str) -> Estimate | Capability:
    if isinstance(of, Scenario):
        return estimate(of)
    if isinstance(of, (Estimate, Capability)):
        return of
    return capability(of)


def _of_estimate(of: Estimate) -> Capability:
    """Return the capability that a run reaches on the day of its prices; its history is not known."""
    low, high = of.bounds("cost", 0.8)
    from costmodel.foundation.ranges import between

    run = of.scenario
    precisions = " ".join(recipe.precision for recipe in run.recipes)
    spread: Any = between(low, high, "USD") if high > low else low
    return Capability(
        name=run.name or run.architecture.name, cost=spread, date=_day(of), scope=of.scope,
        precision="4-bit" if "fp4" in precisions else "8-bit" if "fp8" in precisions else "16-bit",
        utilization=of.value("mfu") if isinstance(of.value("mfu"), float) else None,
    )  # fmt: skip


def _day(of: Estimate) -> dt.date:
    """Return the day for which an estimate's price is that of."""
    given = of.scenario.prices.on
    return given if given is not None else vintage()


def _repriced(scenario: Scenario, on: dt.date) -> Scenario:
    if scenario.prices.price is not None:
        raise MissingFactError("the price is given, so that of another year is not known; look it up instead")
    return scenario.replace({"prices.on": on})


def _end(year: int) -> dt.date:
    return dt.date(year, 12, 31)


def _years(start: dt.date, end: dt.date) -> float:
    return (end - start).days / DAYS
