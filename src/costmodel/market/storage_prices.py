"""List prices of stored data and of data that leaves a provider: of one provider, or of all that are known."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import Range, samples
from costmodel.foundation.tables import Figure, Provenance, default, table
from costmodel.foundation.units import GIB, SI_FACTOR

StorageKind = Literal["object", "fast_object", "infrequent_access", "archive", "file"]
KINDS: tuple[str, ...] = (*get_args(StorageKind), "egress")
"""Kinds of `data/prices/storage.csv`."""
_TITLES = {
    "object": "object storage",
    "fast_object": "object storage of higher throughput",
    "infrequent_access": "object storage of rarely read data",
    "archive": "archive storage",
    "file": "file storage",
    "egress": "egress",
}
_BYTES = {"GB": 1e9, "GiB": GIB}


class StoragePrice(NamedTuple):
    """A list price of storage or egress, as the provider writes it."""

    provider: str
    kind: str
    name: str
    """Product, as the provider names it."""
    usd: float
    """Price of `per` for `hours` [USD]."""
    per: str
    """"GB" of 10^9 bytes or "GiB" of 2^30 bytes."""
    hours: float | None
    """Period of the price [hour]; None for egress."""
    as_of: str
    source: str
    note: str

    @property
    def usd_per_gb(self) -> float:
        """Price per GB and month of 730.5 hours [USD/GB/month]; of egress, per GB [USD/GB]."""
        per_byte = self.usd / _BYTES[self.per]
        if self.hours is None:
            return per_byte / SI_FACTOR["USD/GB"]
        return per_byte / (self.hours * 3600) / SI_FACTOR["USD/GB/month"]


@lru_cache(maxsize=1)
def storage_prices() -> tuple[StoragePrice, ...]:
    """Return all list prices of storage and egress."""
    return tuple(
        StoragePrice(
            row["provider"],
            row["kind"],
            row["name"],
            float(row["usd"]),
            row["per"],
            float(row["hours"]) if row["hours"] else None,
            row["as_of"],
            row["source"],
            row["note"],
        )
        for row in table("prices/storage").rows
    )


def provider_of_storage(name: str) -> str:
    """Return the name of a provider as the table spells it.

    Parameters
    ----------
    name : str

    Raises
    ------
    UnknownNameError
        If no price of the provider is known.
    """
    return Names("provider of storage", {price.provider: price.provider for price in storage_prices()}).get(name)


def storage_price(kind: str, provider: str | None = None, fallback: bool = False) -> Figure:
    """Return the price of storage [USD/GB/month] or egress [USD/GB].

    Without a provider, each known price is equally likely and the value is their median. With fewer than three prices
    the spread is that of `market_price_factor` in `data/assumptions/defaults.csv`.

    Parameters
    ----------
    kind : str
        "object", "fast_object", "infrequent_access", "archive", "file", or "egress".
    provider : str, optional
        Provider of the price; default: all of the table.
    fallback : bool
        Whether all providers stand in for one whose price is not known.

    Raises
    ------
    InputError
        If the kind is not one of the above.
    UnknownNameError
        If no price of the provider is known.
    MissingFactError
        If the provider has no price of this kind.

    Examples
    --------
    >>> round(storage_price("object", "aws").value, 4), storage_price("egress", "coreweave").value
    (0.023, 0.0)
    """
    if kind not in KINDS:
        raise InputError(f"kind: {unknown('kind of storage', kind, KINDS)}")
    offers = {price.provider: price for price in storage_prices() if price.kind == kind}
    caution = ""
    if provider is not None:
        same = [name for name in offers if name == (provider if fallback else provider_of_storage(provider)).lower()]
        if same:
            return _listed(offers[same[0]])
        if not fallback:
            listed = ", ".join(f"{price.provider} {price.usd_per_gb:.3g}" for price in offers.values())
            raise MissingFactError(f"no price of {_TITLES[kind]} at {provider} is known; known [USD per GB]: {listed}")
        caution = f"no price of {_TITLES[kind]} at {provider} is known; "
    return _market(kind, list(offers.values()), caution)


def _market(kind: str, offers: list[StoragePrice], caution: str) -> Figure:
    """Return the median of prices; they are its spread, unless there are fewer than three."""
    spread: Range = samples([price.usd_per_gb for price in offers])
    median = spread.median()
    if len(offers) < 3:
        factor = default("market_price_factor").spread
        assert factor is not None
        spread = factor.scaled(median, "")
    providers = ", ".join(price.provider for price in offers)
    note = f"median of {len(offers)} provider{'s'[: len(offers) > 1]}: {providers}"
    source = " ; ".join(dict.fromkeys(f"{price.provider}: {price.source}" for price in offers))
    caution = f"{caution}{_TITLES[kind]} at the {note}"
    return Figure(median, spread, Provenance("assumed", source, max(price.as_of for price in offers), note, caution))


def _listed(price: StoragePrice) -> Figure:
    """Return the price of a provider, with its source."""
    unit = f"USD/{price.per}" if price.hours is None else f"USD/{price.per} per {price.hours:g} hours"
    note = "; ".join(part for part in (f"{price.provider}, {price.name}: {price.usd:g} {unit}", price.note) if part)
    return Figure(price.usd_per_gb, None, Provenance("looked up", price.source, price.as_of, note))
