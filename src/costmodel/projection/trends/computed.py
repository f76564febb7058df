"""Which rates do the library's own tables of accelerators and prices show?

`python -m costmodel.projection.trends.computed` fits them anew and rewrites the rows of `data/facts/trends.csv`
that are computed here.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

from costmodel.foundation.tables import Row, folder, table, write_rows
from costmodel.market.gpu_prices import traced_prices
from costmodel.projection.rents.outlook import price_class
from costmodel.projection.rents.paths_fit import FOREIGN, NO_HOST
from costmodel.projection.trends.fit import FittedTrend, fit_trend

if TYPE_CHECKING:
    from collections.abc import Callable

COMPUTED = "computed here"
TURN = dt.date(2025, 11, 1)
"""Rents of H100 fell before that day and rose since; a line with one break fits best with it in 2025."""
TENSOR_CORES = ("V100", "A100", "A800", "H100", "B100")
"""Accelerators for data centers with tensor cores and a launch price, by the start of their names."""
NO_GPU = ("TPU", "Trainium", "Inferentia")
CONSUMER = "RTX"


def computed_trends() -> dict[str, FittedTrend]:
    """Return the trends that the tables of the library show, by the name of their row in `data/facts/trends.csv`."""
    early, late = _h100_rents(lambda day: day < TURN), _h100_rents(lambda day: day >= TURN)
    found = {
        "h100 rent at neoclouds, to 2025-10": fit_trend(*early),
        "h100 rent at neoclouds, since 2025-11": fit_trend(*late),
    }
    for name, kind in (("hyperscaler lists", "hyperscaler"), ("neoclouds", "neocloud")):
        found[f"cheapest rented flop, {name}"] = fit_trend(*_cheapest_flop(kind))
    catalog = table("facts/accelerators").rows
    parts = [row for row in catalog if row["name"].startswith(TENSOR_CORES)]
    price = "launch price per flop/s, tensor cores"
    found[price] = _over_time(parts, lambda row: _number(row["launch_price_usd"]) / (_peak(row) or 1.0))
    others = [row for row in catalog if not row["name"].startswith(CONSUMER)]
    measures: dict[str, Callable[[Row], float]] = {
        "16-bit performance, catalog": _peak,
        "memory bandwidth, catalog": lambda row: _number(row["memory_bandwidth_gb_per_s"]),
        "memory capacity, catalog": lambda row: _number(row["memory_gb"]),
        "energy efficiency, catalog": lambda row: _peak(row) / (_number(row["tdp_w"]) or math.inf),
    }
    return found | {name: _over_time(others, measure) for name, measure in measures.items()}


def _peak(row: Row) -> float:
    """Return the dense 16-bit peak [TFLOP/s], or 0 where it is not known."""
    return _number(row["bf16_tflops"]) or _number(row["fp16_tflops"])


def _number(cell: str) -> float:
    return float(cell) if cell else 0.0


def _over_time(parts: list[Row], measure: Callable[[Row], float]) -> FittedTrend:
    known = [row for row in parts if row["release_date"] and measure(row) > 0]
    return fit_trend([row["release_date"] for row in known], [measure(row) for row in known])


def _rents() -> list[tuple[str, str, dt.date, Row]]:
    """Return class, accelerator, day and row of prices on demand with a host, indices left out."""
    return [
        (price_class(row["provider"]), row["accelerator"], dt.date.fromisoformat(row["as_of"]), row)
        for row in traced_prices().rows
        if row["purchase_model"] == "on_demand"
        and not row["note"].startswith(NO_HOST)
        and not row["provider"].startswith("index:")
    ]


def _h100_rents(within: Callable[[dt.date], bool]) -> tuple[list[dt.date], list[float]]:
    """Return days and prices of H100-SXM at neoclouds: of each provider and day the cheapest."""
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
    for its_kind, name, day, row in _rents():
        if row["region"].startswith(FOREIGN) or name.startswith(NO_GPU):
            continue
        if its_kind == kind and (speed := peaks.get(name, 0.0)):
            half, price = day.year + (0.75 if day.month > 6 else 0.25), float(row["usd_per_gpu_hour"]) / speed * 1e3
            cheapest[half] = min(price, cheapest.get(half, price))
    return list(cheapest), list(cheapest.values())


def main() -> None:
    """Rewrite the computed rows of the table of trends."""
    found, rows = computed_trends(), []
    for row in table("facts/trends").rows:
        if row["grade"] == COMPUTED:
            fit = found[row["name"]]
            low, high = fit.interval(1.0)
            span = f"{fit.dates[0]:.1f} to {fit.dates[-1]:.1f}"
            row = {**row, "central": f"{fit.yearly:.3f}", "low": f"{low:.3f}", "high": f"{high:.3f}", "level": "0.8",
                   "span": span, "n": str(len(fit.values))}  # fmt: skip
            print(fit.replace(quantity=row["name"]).summary(), end="\n\n")
        rows.append(row)
    write_rows(folder() / "facts/trends.csv", rows)


if __name__ == "__main__":
    main()
