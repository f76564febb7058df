"""Refit of the price proxies to prices that are known: `costmodel refit price_proxies`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.market.price_proxies import EARLIER, RELATED
from costmodel.market.proxy_errors import RATIOS, by_accelerator, proxy_cases, ratios, spread_of, usual_ratio
from costmodel.refit.result import Refitted, error_line

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row

_SOURCE = "fitted by costmodel refit price_proxies on data/gpu_prices.csv"
_NOTES = {
    RELATED: "price from the nearest accelerators over the price of the accelerator, each left out in turn",
    EARLIER: "market price over that of more than 180 days later",
}
NEAR = 0.5
"""Relative error below which a proxy is counted as near in the summary [1]."""


def refit() -> Refitted:
    """Return the table of ratios and errors of price proxies, fitted on the price table of the library."""
    import numpy as np

    cases = proxy_cases()
    rows: list[Row] = []
    summary = []
    for kind in (RELATED, EARLIER, *RATIOS):
        own = [case for case in cases if case.kind == kind]
        if not own:
            summary.append(f"{kind}: too few accelerators with a price; no proxy")
            continue
        value = usual_ratio(ratios(kind)) if kind in RATIOS else 1.0
        rows.append(
            {
                "kind": kind,
                "value": f"{value:.4f}",
                "spread": f"{spread_of(own):.4f}",
                "accelerators": str(len(by_accelerator(own))),
                "cases": str(len(own)),
                "source": _SOURCE,
                "note": _NOTES.get(kind, "price of a provider over its price on demand, within 90 days"),
            }
        )
        summary.append(error_line(kind, np.array([case.log_error for case in own]), NEAR))
    return Refitted({"fitted/price_proxies": rows}, summary)
