"""The result of a portfolio: the mix, its cost over the horizon, and the price of each constraint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel._version import __version__
from costmodel.choosing.portfolio.curve import IndependenceCurve, IndependencePoint
from costmodel.choosing.portfolio.question import PortfolioConstraints
from costmodel.choosing.portfolio.scenarios import (
    Outcomes,
    cvar,
    drawn_scenarios,
    measured_factors,
    outcomes_of,
    retirement_months,
)
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from costmodel.choosing.portfolio.offers import Offers
    from costmodel.choosing.portfolio.program import Mix, Program
    from costmodel.choosing.portfolio.question import PortfolioShocks
    from costmodel.choosing.portfolio.rules import Rule

_NAME = 28
"""Width of a name in the table [character]; longer names are cut."""
_SHOWN = 1e-6
"""Least share that is listed [1]."""
_CONSTRAINTS = ("provider_cap", "open_weights_share", "locations", "seats", "barred_seats")
"""Constraints on the whole portfolio."""
_POINT_SCENARIOS = 200
"""Most scenarios of each point of a curve by default [1]."""
_CAPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
_OPEN = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Question(NamedTuple):
    """A question whose prices and qualities are looked up."""

    offers: Offers
    constraints: PortfolioConstraints
    shocks: PortfolioShocks
    seed: int


class Portfolio(Priced):
    """The cheapest mix of models for workloads, with its cost over a horizon; see `portfolio`."""

    _width = rendering.WIDTH
    _money = ("usd_per_month",)

    def __init__(
        self,
        question: Question,
        solver: Callable[[Question], Portfolio],
        rules: list[Rule],
        programs: list[Program],
        mix: Mix,
    ) -> None:
        self.question = question
        self.mix = mix
        self._solver = solver
        self._rules = rules
        self._programs = programs

    @property
    def usd_per_month(self) -> float:
        """Cost per month at the prices of today [USD]."""
        return self.mix.usd_per_month

    @cached_property
    def outcomes(self) -> Outcomes:
        """Cost over the horizon by scenario [USD]; the scenarios are computed at first use."""
        question = self.question
        scenarios = drawn_scenarios(question.offers, question.shocks, question.seed)
        retirements = retirement_months(question.offers, question.shocks)
        return outcomes_of(self.mix, self._programs, scenarios, question.shocks, retirements)

    @property
    def expected_usd(self) -> float:
        """Expected cost over the horizon [USD]."""
        return float(self.outcomes.usd.mean())

    @property
    def interval_usd(self) -> tuple[float, float]:
        """The 10 % and 90 % quantiles of the cost over the horizon [USD]."""
        low, high = np.quantile(self.outcomes.usd, [(1 - DEFAULT_LEVEL) / 2, (1 + DEFAULT_LEVEL) / 2])
        return float(low), float(high)

    @property
    def cvar_usd(self) -> float:
        """Mean cost over the horizon in the dearest scenarios, by the level of the shocks [USD]."""
        return cvar(self.outcomes.usd, self.question.shocks.level)

    @property
    def unchanged_usd(self) -> float:
        """Cost over the horizon if nothing happens [USD]."""
        return self.question.shocks.horizon_months * self.usd_per_month

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per workload and option of the mix of today.

        Replicas have their cost split over workloads by the requests that they serve.
        """
        offers, mix = self.question.offers, self.mix
        rows = []
        for row, workload in enumerate(offers.workloads):
            for place, option in enumerate(offers.options):
                share = float(mix.shares[row, place])
                if share < _SHOWN:
                    continue
                quality = float(offers.quality[row, place])
                rows.append({
                    "workload": workload.name,
                    "option": option.title,
                    "provider": offers.providers[place] or None,
                    "kind": option.serving.kind,
                    "share": share,
                    "requests_per_month": share * workload.requests_per_month,
                    "usd_per_month": self._usd(row, place),
                    "quality": None if np.isnan(quality) else quality,
                    "replicas": None if option.hosted else int(mix.replicas[place]),
                    "open_weights": option.open_weights,
                    "seat": offers.places[place].seat or None,
                    "location": offers.places[place].location or None,
                })  # fmt: skip
        return rows

    def _usd(self, row: int, place: int) -> float:
        """Return the cost per month of an option for a workload [USD]."""
        offers, mix = self.question.offers, self.mix
        if offers.options[place].hosted:
            return float(mix.shares[row, place] * offers.volumes[row] * offers.usd_per_request[row, place])
        load = mix.shares[:, place] * offers.full_replicas[:, place]
        return float(mix.cost(offers)[place] * load[row] / load.sum())

    def provider_shares(self) -> dict[str, float]:
        """Return the share of each provider of the requests, the largest first; "" are replicas without one [1]."""
        offers = self.question.offers
        requests = (offers.volumes[:, None] * self.mix.shares).sum(axis=0) / offers.volumes.sum()
        shares: dict[str, float] = {}
        for provider, share in zip(offers.providers, requests, strict=True):
            shares[provider] = shares.get(provider, 0.0) + float(share)
        return dict(sorted((item for item in shares.items() if item[1] > _SHOWN), key=lambda item: -item[1]))

    def excluded(self) -> list[dict[str, str]]:
        """Return the pairs of workload and option that may not be used, with the constraints that bar them."""
        offers, rows = self.question.offers, []
        for row, workload in enumerate(offers.workloads):
            for place, option in enumerate(offers.options):
                reasons = [rule.name for rule in self._rules if rule.bars[row, place]]
                reasons += ["price"] if offers.missing[row, place] else []
                if reasons:
                    rows.append({"workload": workload.name, "option": option.title, "reason": ", ".join(reasons)})
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return `rows` as a pandas DataFrame, indexed by workload and option."""
        return rendering.data_frame(self.rows(), index=["workload", "option"])

    def price_of_constraints(self) -> dict[str, float]:
        """Return what each constraint of the whole portfolio adds to the cost per month [USD].

        It is the cost of the mix minus that of the cheapest mix without the constraint; those of several constraints do
        not add up.
        """
        constraints = self.question.constraints
        unset = PortfolioConstraints()
        given = [name for name in _CONSTRAINTS if getattr(constraints, name) != getattr(unset, name)]
        return {
            name: self.usd_per_month - self._with(constraints.replace({name: getattr(unset, name)})).usd_per_month
            for name in given
        }

    @checked("field", "values")
    def independence(
        self,
        field: str = "provider_cap",
        values: Sequence[float | str | Sequence[str]] | None = None,
        *,
        scenarios: int | None = None,
    ) -> IndependenceCurve:
        """Return the price of independence: cost by the values of a constraint of the whole portfolio.

        Parameters
        ----------
        field : str
            "provider_cap", "open_weights_share", "locations", "seats" or "barred_seats".
        values : sequence, optional
            Caps or shares [1], by default from none to 0.3, or from 0 to 1; or codes of places, such as
            `[(), "EU", ("EU", "US")]`, by default without and with those of the question.
        scenarios : int, optional
            Scenarios of each point [1]; default: at most 200; 0: the cost of today only.

        Raises
        ------
        InputError
            If the field or a value is wrong.
        """
        if field not in _CONSTRAINTS:
            raise InputError(f"field: must be one of {', '.join(_CONSTRAINTS)}; got {field!r}")
        count = min(_POINT_SCENARIOS, self.question.shocks.scenarios) if scenarios is None else scenarios
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InputError(f"scenarios: must be a whole number of at least 0; got {scenarios!r}")
        constraints = self.question.constraints
        points = [
            self._point(constraints.replace({field: value}), field, count)
            for value in (self._default_values(field) if values is None else values)
        ]
        shocks = self.question.shocks.replace(scenarios=count) if count else self.question.shocks
        return IndependenceCurve(field, tuple(points), shocks, constraints.cap_of)

    def _default_values(self, field: str) -> Sequence[float | str | Sequence[str]]:
        if field in {"provider_cap", "open_weights_share"}:
            return _CAPS if field == "provider_cap" else _OPEN
        given = getattr(self.question.constraints, field)
        if not given:
            raise InputError(f"values: the question has no {field}; give some, such as [(), 'EU']")
        return [(), given]

    def _with(self, constraints: PortfolioConstraints, scenarios: int = 0) -> Portfolio:
        shocks = self.question.shocks.replace(scenarios=scenarios) if scenarios else self.question.shocks
        return self._solver(self.question._replace(constraints=constraints, shocks=shocks))

    def _point(self, constraints: PortfolioConstraints, field: str, scenarios: int) -> IndependencePoint:
        from costmodel.choosing.portfolio.conflicts import InfeasiblePortfolioError

        value = getattr(constraints, field)
        try:
            other = self._with(constraints, scenarios)
        except InfeasiblePortfolioError as error:
            return IndependencePoint(value, None, None, None, None, f"conflict: {', '.join(error.conflict)}")
        expected, worst = (other.expected_usd, other.cvar_usd) if scenarios else (None, None)
        shares = [share for name, share in other.provider_shares().items() if name]
        return IndependencePoint(value, other.usd_per_month, expected, worst, max(shares, default=0.0), "")

    def stamp(self) -> dict[str, Any]:
        """Return version, hash of the data and seed, which reproduce the figures."""
        return {"version": __version__, "data_hash": fingerprint(), "seed": self.question.seed}

    def to_dict(self) -> dict[str, Any]:
        """Return the portfolio as plain data."""
        low, high = self.interval_usd
        return {
            "usd_per_month": self.usd_per_month,
            "horizon_months": self.question.shocks.horizon_months,
            "unchanged_usd": self.unchanged_usd,
            "expected_usd": self.expected_usd,
            "interval_usd": [low, high],
            "cvar_usd": self.cvar_usd,
            "cvar_level": self.question.shocks.level,
            "held_expected_usd": float(self.outcomes.held_usd.mean()),
            "held_cvar_usd": cvar(self.outcomes.held_usd, self.question.shocks.level),
            "recourse": self.question.shocks.recourse,
            "unserved_share": float(self.outcomes.unserved.mean()),
            "scenarios": self.question.shocks.scenarios,
            "seed": self.question.seed,
            "mix": self.rows(),
            "provider_shares": self.provider_shares(),
            "price_of_constraints": self.price_of_constraints(),
            "excluded": self.excluded(),
            "notes": list(self.question.offers.notes),
        }

    def title(self) -> str:
        """Return the headline: the requests, the workloads and the cost per month."""
        offers = self.question.offers
        return (
            f"Cheapest mix for {offers.volumes.sum():,.0f} requests per month in {len(offers.workloads)} "
            f"workload{'s' if len(offers.workloads) > 1 else ''}: "
            f"{rendering.amount(self.usd_per_month, 'USD')} per month"
        )

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "workload": rendering.shortened(row["workload"], 16),
                "option": rendering.shortened(row["option"], _NAME),
                "share": f"{row['share']:.1%}",
                f"{rendering.money_sign()}/month": f"{rendering.in_money(row['usd_per_month']):,.0f}",
                "quality": "-" if row["quality"] is None else f"{row['quality']:.2f}",
                "replicas": "-" if row["replicas"] is None else str(row["replicas"]),
            }
            for row in self.rows()
        ]

    def _title(self) -> str:
        return self.title()

    def _footer(self) -> str:
        shocks = self.question.shocks
        low, high = (rendering.amount(end, "USD") for end in self.interval_usd)
        expected, worst = (rendering.amount(each, "USD") for each in (self.expected_usd, self.cvar_usd))
        cost = (
            f"over {shocks.horizon_months:g} months: {rendering.amount(self.unchanged_usd, 'USD')} if nothing changes; "
            f"expected {expected}, {100 * DEFAULT_LEVEL:g} % interval {rendering.between(low, high)}, mean of the "
            f"dearest {1 - shocks.level:.0%} of the scenarios (CVaR) {worst}"
        )
        return "\n".join([cost, *self.notes()])

    def notes(self) -> list[str]:
        """Return notes on the figures: recourse, requests not served, prices of constraints, shares, sources."""
        shocks, held = self.question.shocks, self.outcomes.held_usd
        lines: list[str] = []
        if shocks.recourse:
            held_ones = [rendering.amount(each, "USD") for each in (float(held.mean()), cvar(held, shocks.level))]
            moves = rendering.percent(float(np.mean(self.outcomes.moved > 0)))
            lines.append(
                f"the mix is optimized again after the shocks where that pays ({moves} of the scenarios); "
                f"held as it is: expected {held_ones[0]}, CVaR {held_ones[1]}"
            )
        else:
            lines.append("the mix is held in all scenarios")
        waits = self.outcomes.unserved
        if waits.any():
            lines.append(
                f"requests not served: {waits.mean():.2%}, in {rendering.percent(float(np.mean(waits > 0)))} of the "
                "scenarios; each costs its damage (unserved_usd)"
            )
        lines += [
            f"{name}: {_signed(usd)} per month" for name, usd in self.price_of_constraints().items()
        ]  # fmt: skip
        shares = ", ".join(f"{name or 'own replicas'} {share:.0%}" for name, share in self.provider_shares().items())
        lines.append(f"share of requests by provider: {shares}")
        lines += self.question.offers.notes
        lines.append(f"{shocks.scenarios:,} scenarios, {self._changes()}; seed {self.question.seed}")
        return lines

    def _changes(self) -> str:
        given = self.question.shocks.price_factors
        kind = f"{len(given)} given" if given else f"{len(measured_factors())} measured"
        return f"price changes drawn from {kind} ones"


def _signed(usd: float) -> str:
    return f"adds {rendering.amount(usd, 'USD')}" if usd > 0.005 else "adds nothing"
