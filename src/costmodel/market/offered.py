"""What providers of rented accelerators offer, by the price table: accelerators, regions and dates of prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.tables import table
from costmodel.hardware.site import country
from costmodel.market.gpu_prices import traced_prices
from costmodel.market.places import place_of

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row


def providers_offered(accelerator: str | None = None, place: str | None = None) -> list[dict[str, Any]]:
    """Return one row per provider: numbers of accelerators, regions and prices, purchase models and newest date.

    Parameters
    ----------
    accelerator : str, optional
        Only prices of this accelerator.
    place : str, optional
        Only prices in this country, by its ISO code of three letters.
    """
    rows = _prices(accelerator, place)
    return [
        {
            "provider": provider,
            "accelerators": len({row["accelerator"] for row in own}),
            "regions": len({row["region"] for row in own if row["region"]}),
            "prices": len(own),
            "newest": max(row["as_of"] for row in own),
            "purchase_models": sorted({row["purchase_model"] for row in own}),
        }
        for provider, own in _grouped(rows, "provider").items()
    ]


def offered(provider: str, accelerator: str | None = None, place: str | None = None) -> list[dict[str, Any]]:
    """Return one row per accelerator of a provider: its lowest price per hour [USD] on its newest date, and where.

    Parameters
    ----------
    provider : str
        Name in the price table.
    accelerator, place : str, optional
        As for `providers_offered`.
    """
    rows = [row for row in _prices(accelerator, place) if row["provider"] == provider]
    listed = []
    for name, own in _grouped(rows, "accelerator").items():
        newest = max(row["as_of"] for row in own)
        listed.append(
            {
                "accelerator": name,
                "usd_per_gpu_hour": min(float(row["usd_per_gpu_hour"]) for row in own if row["as_of"] == newest),
                "as_of": newest,
                "purchase_models": sorted({row["purchase_model"] for row in own}),
                "regions": sorted({row["region"] for row in own if row["region"]}),
            }
        )
    return listed


def _prices(accelerator: str | None, place: str | None) -> list[Row]:
    rows = traced_prices(table("gpu_prices")).rows
    kept = [row for row in rows if accelerator in (None, row["accelerator"])]
    return [row for row in kept if place is None or _country(row) == place]


def _country(row: Row) -> str | None:
    key = place_of(row["provider"], row["region"])
    return None if key is None else country(key)


def _grouped(rows: list[Row], column: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row[column]):
        groups.setdefault(row[column], []).append(row)
    return groups
