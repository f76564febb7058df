"""Regions of rental prices and of sites: which price holds at the place of a data center."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import MissingFactError, UnknownNameError, nearest
from costmodel.foundation.names import name_key
from costmodel.foundation.tables import Table, table
from costmodel.hardware.site import country, find_region, is_within, resolve_region
from costmodel.market.gpu_prices import MARKET, GPUPrice, named_provider, offers, traced_prices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from costmodel.market.rental import Rental

LEAST_DIFFERENCE = 0.01
"""Share by which prices of regions differ before an estimate names them [1]."""
ONLY_SITE = "cluster.site.region changes electricity, carbon and water only, not the price"


class Placed(NamedTuple):
    """A rental at the place of a site."""

    rental: Rental
    """The rental, with the region of the price where one is linked to the site."""
    caution: str
    """Why the price is not that of the site, or ""."""


def place_of(provider: str, region: str) -> str | None:
    """Return the region of the grid table in which a region of a provider lies; None if it is not known.

    Parameters
    ----------
    provider, region : str
        As the price table spells them.

    Examples
    --------
    >>> place_of("aws", "us-east-1"), place_of("gcp", "us-central1"), place_of("datacrunch", "FIN")
    ('US-VA', 'gcp:us-central1', 'FIN')
    """
    if not region:
        return None
    return find_region(f"{provider}:{region}") or find_region(region)


def spelled_regions(provider: str) -> list[str]:
    """Return the regions of a provider in the price table of the library and in the table of regions of clouds.

    Parameters
    ----------
    provider : str
        As the price table spells it.
    """
    priced = {row["region"] for row in traced_prices().rows if row["provider"] == provider and row["region"]}
    clouds = {row["region"] for row in table("facts/cloud_regions").rows if row["cloud"] == provider}
    return sorted(priced | clouds)


def is_spelled(provider: str, region: str) -> bool:
    """Return whether a region of a price is known: by its place, or because the library has prices of it.

    Parameters
    ----------
    provider, region : str
        As a price table spells them; a price without a region is known.

    Examples
    --------
    >>> is_spelled("aws", "us-east-1"), is_spelled("aws", "us-east-99"), is_spelled("acme", "DEU")
    (True, False, True)
    """
    return not region or place_of(provider, region) is not None or region in spelled_regions(provider)


def unknown_regions(facts: Table) -> list[str]:
    """Return the regions of a price table that are not known, with the nearest known one, one line each.

    Parameters
    ----------
    facts : Table
    """
    lines = []
    for provider, region in sorted({(row["provider"], row["region"]) for row in facts.rows}):
        if is_spelled(provider, region):
            continue
        near = nearest(region, spelled_regions(provider), 1)
        hint = f"the nearest known one is {near[0]!r}" if near else "'costmodel regions' lists those that are known"
        lines.append(f"region {region!r} of {provider} is not known, so no filter of places finds its prices; {hint}")
    return lines


def regions_at(site: str, provider: str, regions: Iterable[str]) -> list[str]:
    """Return the regions of a provider that lie at a site, the nearest match first.

    The region of that name comes first, then those on the same grid, those within the country (or the EU) that the site
    names, and those that name the country of the site only.

    Parameters
    ----------
    site : str
        Region of a site: country, US state or cloud region.
    provider : str
    regions : iterable of str
        Regions, as the provider spells them.
    """
    key = resolve_region(site)
    matches: list[tuple[int, str]] = []
    for region in sorted(set(regions)):
        place = place_of(provider, region)
        if name_key(f"{provider}:{region}") == name_key(site):
            matches.append((0, region))
        elif place == key:
            matches.append((1, region))
        elif place is not None and is_within(place, key):
            matches.append((2, region))
        elif place is not None and place == country(key):
            matches.append((3, region))
    return [region for _, region in sorted(matches)]


def at_site(rental: Rental, site: str | None, accelerator: str, count: int) -> Placed:
    """Return a rental with the region of the price that holds at a site, and a caution where none is known.

    A price or a region that is given stays as it is.

    Parameters
    ----------
    rental : Rental
    site : str or None
        Region of the site, if it is given.
    accelerator : str
        Name of the catalog.
    count : int
        Number of accelerators [1].
    """
    if rental.price is not None or rental.convention == "published":
        return Placed(rental, "")
    if rental.provider.lower() == MARKET:
        nowhere = f"the price of the market has no region: {ONLY_SITE} (set prices.provider)"
        return Placed(rental, "" if site is None else nowhere)
    try:
        provider = named_provider(rental.provider, rental.facts())
        if site is None:
            several = "" if rental.region is not None else _several(rental, provider, accelerator, count)
            return Placed(rental, several)
        if rental.region is not None:
            return Placed(rental, _contradiction(provider, rental.region, site))
        return _linked(rental, site, provider, _known(rental, provider, accelerator), count)
    except (MissingFactError, UnknownNameError):
        return Placed(rental, "")  # the estimate names what is missing or not known


def _known(rental: Rental, provider: str, accelerator: str) -> list[GPUPrice]:
    """Return the prices of a provider from which the price of a rental comes."""
    models = rental.priced_models
    for model in models[:-1]:
        try:
            return offers(accelerator, provider, model, rental.on, rental.facts())
        except MissingFactError:
            continue
    return offers(accelerator, provider, models[-1], rental.on, rental.facts())


def _linked(rental: Rental, site: str, provider: str, known: list[GPUPrice], count: int) -> Placed:
    """Return the rental in the nearest region with a price that is not stale."""
    accelerator = known[0].accelerator
    plain = rental.lookup(accelerator, count)
    regions = regions_at(site, provider, {price.region for price in known})
    for region in regions:
        regional = rental.replace(region=region)
        if not regional.lookup(accelerator, count).stale or plain.stale:
            return Placed(regional, "")
    where = f"that of {plain.region}" if plain.region else "one without a region"
    offer = f"price {plain.purchase_model.replace('_', ' ')} of {accelerator} at {provider} in {site}"
    why = f"the {offer} is older than a year" if regions else f"no {offer} is known"
    return Placed(rental, f"{why}, so the price is {where}: {ONLY_SITE}")


def _several(rental: Rental, provider: str, accelerator: str, count: int) -> str:
    """Return a caution if a provider has several prices by region on the day of the price, and no site is named."""
    price, known = rental.lookup(accelerator, count), _known(rental, provider, accelerator)
    same = [
        other
        for other in known
        if other.as_of == price.as_of and other.gpus_per_instance == price.gpus_per_instance and other.region
    ]
    prices = sorted(other.usd_per_gpu_hour for other in same)
    regions = {other.region for other in same}
    if len(regions) < 2 or prices[-1] < prices[0] * (1 + LEAST_DIFFERENCE):
        return ""
    return (
        f"{provider} has prices of {price.accelerator} in {len(regions)} regions, {prices[0]:.4g} to {prices[-1]:.4g} "
        f"USD/h; that of {price.region} is taken (set cluster.site.region or prices.region)"
    )


def larger_instances(rental: Rental, accelerator: str, count: int) -> str:
    """Return a caution if the market price contains providers that rent more accelerators at a time than needed.

    Parameters
    ----------
    rental : Rental
    accelerator : str
        Name of the catalog.
    count : int
        Number of accelerators [1].
    """
    if rental.price is not None or rental.convention == "published" or rental.provider.lower() != MARKET:
        return ""
    try:
        facts = rental.lookup(accelerator, count).facts
    except (MissingFactError, UnknownNameError):
        return ""
    larger = sorted(price.provider for price in facts if (price.gpus_per_instance or 1) > count)
    if not larger:
        return ""
    return (
        f"the market price is that of a GPU-hour; {', '.join(larger)} of its {len(facts)} providers rent more than "
        f"{count:,} accelerators at a time"
    )


def _contradiction(provider: str, region: str, site: str) -> str:
    """Return a caution if the region of a price is known to lie elsewhere than the site."""
    elsewhere = place_of(provider, region) is not None and not regions_at(site, provider, [region])
    return f"prices.region {region} of {provider} is not in cluster.site.region {site}" if elsewhere else ""
