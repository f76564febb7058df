"""`price_everywhere`: what a run costs at every provider, in every region and purchase model, on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from costmodel.estimation.scenario import Scenario
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError, unknown
from costmodel.foundation.names import name_key
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.hardware.site import find_region, resolve_region
from costmodel.market.commitments import TERMS
from costmodel.market.dated import day_of
from costmodel.market.gpu_prices import (
    MARKET,
    PURCHASE_MODELS,
    STALE_AFTER,
    GPUPrice,
    named_provider,
    named_purchase_model,
    nearest_prices,
    offers,
    providers_and_models,
    traced_prices,
    vintage,
)
from costmodel.market.places import is_spelled, place_of, regions_at
from costmodel.market.rental import Rental
from costmodel.planning.priced import Priced, PriceTable, priced

if TYPE_CHECKING:
    from typing import Any

    from costmodel.foundation.tables import Table


@checked("published_discount")
def price_everywhere(
    run: Scenario,
    *,
    on: dt.date | str | None = None,
    providers: Iterable[str] | None = None,
    purchase_models: Iterable[str] | None = None,
    regions: Iterable[str] | None = None,
    max_age: float = STALE_AFTER.days,
    published_discount: bool = False,
    level: float = DEFAULT_LEVEL,
) -> PriceTable:
    """Price a run at every provider, in every region and purchase model, on a day.

    A price whose region is not known has a row without a cost where `regions` are given.
    A provider that sells a purchase model, but has no price of the accelerator, has a row too: with the reason and the
    nearest price that is known; with `regions` only if it has a price there or is named. The market price is that of
    the median provider.

    Parameters
    ----------
    run : Scenario
        The run; its provider, region and purchase model are replaced, its own price table is used too.
    on : datetime.date or str, optional
        Day of the prices. Default: that of the prices of the run, or of the newest price in the table.
    providers : iterable of str, optional
        Providers, or "market"; default: all.
    purchase_models : iterable of str, optional
        "on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y", "marketplace"; default: all.
    regions : iterable of str, optional
        Regions as providers spell them, or countries, US states and cloud regions; default: all.
    max_age : float
        Largest age of a price; an older one counts as not known [day].
    published_discount : bool
        Whether a price of a commitment that is not known is derived from that on demand and the mean discount of the
        provider.
    level : float
        Probability inside the intervals of the cost, between 0 and 1 [1].

    Returns
    -------
    PriceTable
        Rows in ascending order of cost, those without a price at the end.

    Raises
    ------
    InputError
        With all problems of the filters.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture="llama-3.1-8b",
    ...     recipe=cm.Pretraining(tokens="100B"),
    ...     cluster=cm.Cluster("H100-SXM", 64),
    ...     gpu_hours=5000,
    ... )
    >>> table = cm.price_everywhere(run, on="2026-10-01", providers=["aws"], purchase_models=["on_demand"])
    >>> [(row.provider, row.region, round(row.cost)) for row in table][:2]
    [('aws', 'us-east-1', 34400), ('aws', 'eu-north-1', 36808)]
    """
    if not isinstance(run, Scenario):
        raise InputError(f"`run` must be a Scenario (Scenario.load reads a file); got {type(run).__name__}")
    check_level(level)
    own = run.prices if isinstance(run.prices, Rental) else Rental()
    facts = own.facts()
    day = day_of(on) or own.on or vintage(facts)
    wanted = _Wanted(facts, providers, purchase_models, regions, max_age, level)
    name = run.cluster.accelerator.name
    try:
        known = offers(name, on=day, facts=facts)
    except MissingFactError:
        known = []
    rows = [
        _row(run, Rental(**_fields(own, provider, model, day, region)), price, wanted)
        for (provider, model), prices in _by_offer(known).items()
        for region, price in _newest_by_region(prices).items()
        if wanted.holds(provider, model, region)
    ]
    rows += [
        _unplaced(price, name, wanted)
        for (provider, model), prices in _by_offer(known).items()
        for region, price in _newest_by_region(prices).items()
        if wanted.regions and wanted.holds(provider, model) and not is_spelled(provider, region)
        if not wanted.holds(provider, model, region)
    ]
    rows += _market(run, own, day, wanted)
    if published_discount:
        priced_offers = {(row.provider, row.purchase_model) for row in rows if row.scenario is not None}
        derived = list(_derived(run, own, known, priced_offers, wanted))
        replaced = {(row.provider, row.purchase_model) for row in derived}
        rows = [row for row in rows if (row.provider, row.purchase_model) not in replaced] + derived
    listed = {(row.provider, row.purchase_model) for row in rows}
    sold = providers_and_models(day, facts) | {(MARKET, model) for model in PURCHASE_MODELS}
    there = {provider for provider, _ in listed} if wanted.regions and not wanted.providers else None
    rows += [
        _missing(provider, model, known, day, name, wanted)
        for provider, model in sorted(sold - listed)
        if wanted.holds(provider, model) and (there is None or provider in there)
    ]
    return PriceTable(run, day, rows, level)


class _Wanted:
    """The filters of a table of prices."""

    def __init__(
        self,
        facts: Table | None,
        providers: Iterable[str] | None,
        models: Iterable[str] | None,
        regions: Iterable[str] | None,
        max_age: float,
        level: float,
    ) -> None:
        problems: list[str] = []
        self.providers = _names("providers", providers, problems)
        self.models = _names("purchase_models", models, problems)
        try:
            self.models = self.models and [named_purchase_model(model) for model in self.models]
        except InputError as error:
            problems += [f"purchase_models: {problem}" for problem in error.problems]
            self.models = []
        self.regions = _names("regions", regions, problems)
        problems += [
            f"purchase_models: {unknown('purchase model', model, PURCHASE_MODELS)}"
            for model in self.models or ()
            if model not in PURCHASE_MODELS
        ]
        if isinstance(max_age, bool) or not isinstance(max_age, (int, float)) or not max_age >= 0:
            problems.append(f"max_age: must be a number of days, at least 0; got {max_age!r}")
        spelled = {name_key(row["region"]) for row in traced_prices(facts).rows}
        problems += [
            f"regions: unknown region {name!r}; a region of the price table, a country, a US state or a cloud region"
            for name in self.regions or ()
            if name_key(name) not in spelled and not _is_place(name)
        ]
        if problems:
            raise InputError(problems)
        if self.providers is not None:
            named = (name if name.lower() == MARKET else named_provider(name, facts) for name in self.providers)
            self.providers = [name.lower() for name in named]
        self.max_age = max_age
        self.level = level

    def holds(self, provider: str, model: str, region: str | None = None) -> bool:
        """Return whether an offer is wanted; an offer without a region has no price in any."""
        if self.providers is None and provider.startswith("index:"):
            return False
        named = self.providers is None or provider in self.providers
        return (
            named and (self.models is None or model in self.models) and (region is None or self._at(provider, region))
        )

    def _at(self, provider: str, region: str) -> bool:
        if self.regions is None:
            return True
        return any(
            name_key(region) == name_key(wanted) or (_is_place(wanted) and bool(regions_at(wanted, provider, [region])))
            for wanted in self.regions
        )


def _is_place(name: str) -> bool:
    """Return whether a name is a country, a US state, a cloud region or a city."""
    try:
        return bool(resolve_region(name))
    except UnknownNameError:
        return False


def _names(field: str, given: Iterable[str] | None, problems: list[str]) -> list[str] | None:
    """Return a list of names, or None if none is given; add what is wrong with it to `problems`."""
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Iterable):
        problems.append(f"{field}: must be a list of names; got {given!r}")
        return []
    listed = list(given)
    if not listed or not all(isinstance(name, str) for name in listed):
        problems.append(f"{field}: must be a list of at least one name; got {listed!r}")
        return []
    return listed


def _fields(own: Rental, provider: str, model: str, day: dt.date, region: str | None) -> dict[str, Any]:
    """Return the fields of a rental with a looked-up price."""
    fields = {"provider": provider, "purchase_model": model, "on": day, "region": region, "table": own.table}
    return {name: value for name, value in fields.items() if value is not None}


def _by_offer(prices: Iterable[GPUPrice]) -> dict[tuple[str, str], list[GPUPrice]]:
    """Return prices by provider and purchase model."""
    grouped: dict[tuple[str, str], list[GPUPrice]] = {}
    for price in prices:
        grouped.setdefault((price.provider, price.purchase_model), []).append(price)
    return grouped


def _newest_by_region(prices: Sequence[GPUPrice]) -> dict[str, GPUPrice]:
    """Return a price of the newest day of each region."""
    return {price.region: price for price in sorted(prices, key=lambda price: price.as_of)}


def _row(run: Scenario, rental: Rental, newest: GPUPrice, wanted: _Wanted) -> Priced:
    """Return the row of an offer; one whose price is too old has no cost."""
    assert newest.on is not None  # looked up for a day
    provider, model, region = newest.provider, newest.purchase_model, newest.region
    age = (newest.on - newest.as_of).days
    if age > wanted.max_age:
        reason = f"the newest price, of {newest.as_of}, is {age:,} days old; max_age is {wanted.max_age:g}"
        return Priced(provider, region, model, newest.on, reason=reason, nearest=newest)
    changes: dict[str, Any] = {"prices": rental}
    place = place_of(provider, region)
    if place is not None:
        cloud = f"{provider}:{region}"
        changes["cluster.site.region"] = cloud if find_region(cloud) is not None else place
    scenario = run.replace(changes)
    located = place is not None or run.cluster.site.grid_intensity is not None
    return priced(Priced(provider, region, model, newest.on), scenario, located, wanted.level)


def _unplaced(price: GPUPrice, accelerator: str, wanted: _Wanted) -> Priced:
    """Return the row of a price whose region is not known, so that it may lie in the wanted regions or not."""
    assert price.on is not None and wanted.regions  # looked up for a day
    model = price.purchase_model
    reason = (
        f"region {price.region!r} of {price.provider} is not known, so the {model} price of {accelerator} there may be "
        f"in {', '.join(wanted.regions)} or not"
    )
    return Priced(price.provider, price.region, model, price.on, reason=reason, nearest=price, unplaced=True)


def _market(run: Scenario, own: Rental, day: dt.date, wanted: _Wanted) -> Iterator[Priced]:
    """Yield the rows of the market price that is known without a proxy."""
    for model in PURCHASE_MODELS:
        if wanted.regions is not None or not wanted.holds(MARKET, model):
            continue
        rental = Rental(**_fields(own, MARKET, model, day, None))
        try:
            price = rental.lookup(run.cluster.accelerator.name, run.cluster.count)
        except MissingFactError:
            continue
        if (day - price.as_of).days <= wanted.max_age:
            scenario = run.replace({"prices": rental})
            located = run.cluster.site.grid_intensity is not None
            yield priced(Priced(MARKET, "", model, day), scenario, located, wanted.level)


def _derived(
    run: Scenario, own: Rental, known: Iterable[GPUPrice], listed: set[tuple[str, str]], wanted: _Wanted
) -> Iterator[Priced]:
    """Yield the rows of commitments without a price whose price is derived from that on demand."""
    for (provider, demand), prices in _by_offer(known).items():
        if demand != "on_demand":
            continue
        for model in (name for name in TERMS if (provider, name) not in listed):
            for region, price in _newest_by_region(prices).items():
                if price.on is None or not wanted.holds(provider, model, region):
                    continue
                rental = Rental(**_fields(own, provider, model, price.on, region), published_discount=True)
                try:
                    found = rental.lookup(price.accelerator, run.cluster.count)
                except MissingFactError:
                    continue
                row = _row(run, rental, replace(found, purchase_model=model), wanted)
                if row.scenario is not None:
                    yield row


def _missing(
    provider: str, model: str, known: Sequence[GPUPrice], day: dt.date, accelerator: str, wanted: _Wanted
) -> Priced:
    """Return the row of a provider and purchase model without a price, with the nearest price that is known."""
    own = [price for price in known if (price.provider, price.purchase_model) == (provider, model)]
    nearest = next(iter(nearest_prices(own or known, day, provider, model)), None)
    where = f"in {', '.join(wanted.regions)}" if own and wanted.regions else f"on {day}"
    at = "on the market" if provider == MARKET else f"at {provider}"
    reason = f"no {model} price of {accelerator} {at} is known {where}"
    return Priced(provider, "", model, day, reason=reason, nearest=nearest)
