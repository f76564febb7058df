"""Refit of the trends that the tables of accelerators and rental prices show: `costmodel refit trends`."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.tables import Row, table
from costmodel.market.gpu_prices import traced_prices
from costmodel.projection.rents.outlook import price_class
from costmodel.projection.rents.price_pairs import FOREIGN, NO_HOST
from costmodel.projection.trends.fit import FittedTrend, fit_trend
from costmodel.projection.trends.trend import COMPUTED
from costmodel.refit.result import Refitted

if TYPE_CHECKING:
    from collections.abc import Callable

TURN = dt.date(2025, 11, 1)
"""Rents of H100 fell before that day and rose since; a line with one break fits best with the break in 2025."""
TENSOR_CORES = ("V100", "A100", "A800", "H100", "B100")
"""Accelerators for data centers with tensor cores and a launch price, by the start of their names."""
NO_GPU = ("TPU", "Trainium", "Inferentia")
CONSUMER = ("RTX", "GB10")
"""Graphics cards and desktops, by the start of their names."""
ACCELERATORS, PRICES = "facts/accelerators", "gpu_prices"


class Entry(NamedTuple):
    """A row of `data/fitted/trends.csv` without its numbers; `after` is the row of facts/trends before it."""

    name: str
    after: str
    quantity: str
    inputs: str
    note: str


_PRICE_PERFORMANCE, _RENTAL = "hardware price-performance", "rental price"
_AFTER_PRICES, _BOUND = "price of a half-precision fused multiply-add", "cmos headroom"
_NEWER = "faster than published: data-center parts only, to 2026"
ENTRIES = (
    Entry("launch price per flop/s, tensor cores", _AFTER_PRICES, _PRICE_PERFORMANCE, ACCELERATORS,
          "launch price of a dense 16-bit FLOP/s, V100 to B100"),
    Entry("cheapest rented flop, hyperscaler lists", _AFTER_PRICES, _PRICE_PERFORMANCE, PRICES,
          "cheapest dense 16-bit FLOP of a GPU by half year; a new generation each time"),
    Entry("cheapest rented flop, neoclouds", _AFTER_PRICES, _PRICE_PERFORMANCE, PRICES,
          "cheapest dense 16-bit FLOP of a GPU by half year, consumer cards included"),
    Entry("16-bit performance, catalog", "16-bit performance", "hardware performance", ACCELERATORS,
          "peak of a device, the step to tensor cores and larger packages included"),
    Entry("memory bandwidth, catalog", "memory bandwidth", "memory bandwidth", ACCELERATORS, _NEWER),
    Entry("memory capacity, catalog", "memory capacity", "memory capacity", ACCELERATORS, _NEWER),
    Entry("energy efficiency, catalog", "energy efficiency, leading hardware", "energy efficiency", ACCELERATORS,
          "dense 16-bit peak over design power"),
    Entry("h100 rent at neoclouds, to 2025-10", _BOUND, _RENTAL, PRICES,
          "all neoclouds, H100-SXM on demand; not of one provider, so entrants count"),
    Entry("h100 rent at neoclouds, since 2025-11", _BOUND, _RENTAL, PRICES,
          "the same a year later has the other sign: no trend of rents is a forecast (see rental_paths.csv)"),
)  # fmt: skip


def refit() -> Refitted:
    """Return the table of computed trends."""
    fitted = computed_trends()
    summary = [f"{name}: x {trend.yearly:.3f} a year, {len(trend.values)} values" for name, trend in fitted.items()]
    return Refitted({"fitted/trends": [_row(entry, fitted[entry.name]) for entry in ENTRIES]}, summary)


def _row(entry: Entry, trend: FittedTrend) -> Row:
    low, high = trend.interval(1.0)
    return {
        "name": entry.name, "quantity": entry.quantity, "kind": "rate", "measure": "factor per year",
        "central": f"{trend.yearly:.3f}", "low": f"{low:.3f}", "high": f"{high:.3f}", "level": "0.8", "shape": "rate",
        "unit": "1", "span": f"{trend.dates[0]:.1f} to {trend.dates[-1]:.1f}", "n": str(len(trend.values)),
        "grade": COMPUTED, "source": f"fitted by costmodel refit trends on data/{entry.inputs}.csv",
        "note": entry.note, "after": entry.after,
    }  # fmt: skip


def computed_trends() -> dict[str, FittedTrend]:
    """Return the trends that the tables of the library show, by the name of their row in `data/fitted/trends.csv`."""
    early, late = _h100_rents(lambda day: day < TURN), _h100_rents(lambda day: day >= TURN)
    fitted = {
        "h100 rent at neoclouds, to 2025-10": fit_trend(*early),
        "h100 rent at neoclouds, since 2025-11": fit_trend(*late),
    }
    for name, kind in (("hyperscaler lists", "hyperscaler"), ("neoclouds", "neocloud")):
        fitted[f"cheapest rented flop, {name}"] = fit_trend(*_cheapest_flop(kind))
    catalog = table(ACCELERATORS).rows
    tensor_cores = [row for row in catalog if row["name"].startswith(TENSOR_CORES)]
    price = "launch price per flop/s, tensor cores"
    fitted[price] = _over_time(tensor_cores, lambda row: _number(row["launch_price_usd"]) / (_peak(row) or 1.0))
    others = [row for row in catalog if not row["name"].startswith(CONSUMER)]
    measures: dict[str, Callable[[Row], float]] = {
        "16-bit performance, catalog": _peak,
        "memory bandwidth, catalog": lambda row: _number(row["memory_bandwidth_gb_per_s"]),
        "memory capacity, catalog": lambda row: _number(row["memory_gb"]),
        "energy efficiency, catalog": lambda row: _peak(row) / (_number(row["tdp_w"]) or math.inf),
    }
    return fitted | {name: _over_time(others, measure) for name, measure in measures.items()}


def _peak(row: Row) -> float:
    """Return the dense 16-bit peak [TFLOP/s], or 0 where it is not known."""
    return _number(row["bf16_tflops"]) or _number(row["fp16_tflops"])


def _number(cell: str) -> float:
    return float(cell) if cell else 0.0


def _over_time(accelerators: list[Row], measure: Callable[[Row], float]) -> FittedTrend:
    dated = [row for row in accelerators if row["release_date"] and measure(row) > 0]
    return fit_trend([row["release_date"] for row in dated], [measure(row) for row in dated])


def _rents() -> list[tuple[str, str, dt.date, Row]]:
    """Return price class, accelerator, day and row of prices on demand with a host; price indices are left out."""
    return [
        (price_class(row["provider"]), row["accelerator"], dt.date.fromisoformat(row["as_of"]), row)
        for row in traced_prices().rows
        if row["purchase_model"] == "on_demand"
        and not row["note"].startswith(NO_HOST)
        and not row["provider"].startswith("index:")
    ]


def _h100_rents(within: Callable[[dt.date], bool]) -> tuple[list[dt.date], list[float]]:
    """Return days and prices of H100-SXM at neoclouds: the cheapest of each provider and day."""
    cheapest: dict[tuple[dt.date, str], float] = {}
    for kind, name, day, row in _rents():
        if kind == "neocloud" and name == "H100-SXM" and within(day):
            key, price = (day, row["provider"]), float(row["usd_per_gpu_hour"])
            cheapest[key] = min(price, cheapest.get(key, price))
    return [day for day, _ in cheapest], list(cheapest.values())


def _cheapest_flop(kind: str) -> tuple[list[float], list[float]]:
    """Return half years and the price of the cheapest dense 16-bit PFLOP/s for an hour [USD] of GPUs."""
    peaks = {row["name"]: _peak(row) for row in table("facts/accelerators").rows}
    cheapest: dict[float, float] = {}
    for price_kind, name, day, row in _rents():
        if row["region"].startswith(FOREIGN) or name.startswith(NO_GPU):
            continue
        if price_kind == kind and (speed := peaks.get(name, 0.0)):
            half, price = day.year + (0.75 if day.month > 6 else 0.25), float(row["usd_per_gpu_hour"]) / speed * 1e3
            cheapest[half] = min(price, cheapest.get(half, price))
    return list(cheapest), list(cheapest.values())
