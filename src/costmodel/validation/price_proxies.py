"""Error of price proxies on prices that are known, each predicted without the prices of its accelerator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.market.proxy_errors import proxy_cases, spread_of
from costmodel.validation.scores import Case, intervals, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table


def validate_price_proxies(table: Table) -> dict[str, Any]:
    """Score price proxies on a table of rental prices. Families are the kinds of proxies.

    The interval of a proxy has the error of the other accelerators: leave one accelerator out.

    Parameters
    ----------
    table : Table
        Rows with the columns of `data/gpu_prices.csv`.
    """
    cases = proxy_cases(table)
    by_kind = {kind: [case for case in cases if case.kind == kind] for kind in dict.fromkeys(c.kind for c in cases)}
    spreads = {
        (kind, name): spread_of(own, without=name)
        for kind, own in by_kind.items()
        for name in {c.accelerator for c in own}
    }
    return report(
        "price_proxies",
        [
            Case(
                f"{case.accelerator} {case.day}",
                case.kind.replace("_", " "),
                case.predicted,
                case.measured,
                intervals(case.predicted, spreads[case.kind, case.accelerator]),
            )
            for case in cases
        ],
    )
