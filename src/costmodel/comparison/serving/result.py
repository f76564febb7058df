"""The result of a comparison of serving options: a table, data, cost by volume and by month."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked, positive_numbers
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL, middle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from costmodel.comparison.serving.workload import ServingWorkload

Ends: TypeAlias = tuple[float, float]
_NAME = 20
"""Width of a name in the table [character]; longer names are cut."""
_MOST_MONTHS = 1200


class OptionCost(NamedTuple):
    """What an option costs per month; a figure that does not apply or is not known is None.

    Intervals are the 10 % and 90 % quantiles.
    """

    name: str
    kind: str
    """"hosted" or "self_hosted"."""
    basis: str = "usage"
    """"usage" (billed by the token), "rented" or "owned" (reserved accelerators)."""
    usd_per_month: float | None = None
    """[USD]"""
    usd_per_month_interval: Ends | None = None
    """[USD]"""
    usage_usd: float | None = None
    """Part of the cost that is proportional to the requests [USD]."""
    reserved_usd: float | None = None
    """Part of the cost that is paid whether requests come or not [USD]."""
    usd_per_million_tokens: float | None = None
    """Cost over input and output tokens [USD/1e6 token]."""
    usd_per_request: float | None = None
    """[USD]"""
    replicas: int | None = None
    """Reserved replicas, spare ones included [1]."""
    gpus: int | None = None
    """Reserved accelerators [1]."""
    utilization: float | None = None
    """Requests served over those that the reserved replicas could serve in the month [1]."""
    break_even_requests: float | None = None
    """Smallest volume per month at which the option costs no more than the baseline [1]; infinite: at none."""
    break_even_interval: Ends | None = None
    """[1]"""
    always_below_requests: float | None = None
    """Volume beyond which the option never costs more than the baseline [1]; infinite: there is none."""
    break_even_utilization: float | None = None
    """Utilization of the reserved replicas at which their cost equals the bill of the baseline [1]."""
    break_even_utilization_interval: Ends | None = None
    """[1]"""
    probability_cheaper: float | None = None
    """Probability that the option costs less than the baseline at the volume of the workload [1]."""
    note: str = ""
    missing: str = ""
    """Reason why the cost is not known."""


class ServingComparison(Priced):
    """Options for serving a workload, side by side; see `compare_serving`."""

    _width = rendering.WIDTH

    _index = index = "name"
    _money = (
        *("usd_per_month", "usd_per_month_low", "usd_per_month_high", "usage_usd", "reserved_usd"),
        *("usd_per_million_tokens", "usd_per_request"),
    )

    def __init__(
        self,
        workload: ServingWorkload,
        options: Mapping[str, OptionCost],
        functions: Mapping[str, Callable[..., Any]],
        baseline: str | None,
        seed: int,
    ) -> None:
        self.workload = workload
        self.options = dict(options)
        self.baseline = baseline
        self.seed = seed
        self._functions = dict(functions)

    def __getitem__(self, name: str) -> OptionCost:
        if name not in self.options:
            raise InputError(unknown("option", name, self.options))
        return self.options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.options)

    def __len__(self) -> int:
        return len(self.options)

    @property
    def cheapest(self) -> str | None:
        """Name of the option with the lowest cost per month; None if no cost is known."""
        known = {name: cost.usd_per_month for name, cost in self.options.items() if cost.usd_per_month is not None}
        return min(known, key=lambda name: known[name], default=None)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per option, with the fields of `OptionCost`; intervals in two columns."""
        return [rendering.interval_columns(cost._asdict()) for cost in self.options.values()]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data; infinite volumes are None."""
        rows = [
            {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in row.items()}
            for row in self.rows()
        ]
        return {
            "workload": self.workload.model_dump(mode="json"),
            "baseline": self.baseline,
            "cheapest": self.cheapest,
            "level": DEFAULT_LEVEL,
            "options": rows,
        }

    def curve(self, requests_per_month: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """Return the cost per month of each option by volume [USD]; options without a price are left out.

        Parameters
        ----------
        requests_per_month : array
            Volumes above 0 [1].

        Raises
        ------
        InputError
            If a volume is not positive and finite.
        """
        import numpy as np

        volumes = positive_numbers("requests_per_month", requests_per_month)
        return {
            name: np.asarray(function(volumes), dtype=float)
            for name, function in self._functions.items()
            if not self.options[name].missing
        }

    @checked("growth")
    def by_month(self, months: int = 12, growth: float = 0.0) -> list[dict[str, Any]]:
        """Return the cost of each option month by month while the volume grows.

        Parameters
        ----------
        months : int
            Number of months [1].
        growth : float
            Growth of the requests per month, such as 0.05 [1].

        Returns
        -------
        list of dict
            option, month, requests [1], usd [USD], and total_usd since the first month [USD].

        Raises
        ------
        InputError
            If the months are below 1, or the growth is not above -1.
        """
        import numpy as np

        if isinstance(months, bool) or not isinstance(months, int) or not 1 <= months <= _MOST_MONTHS:
            raise InputError(f"months: must be a whole number from 1 to {_MOST_MONTHS}; got {months!r}")
        if not -1 < growth <= 10:
            raise InputError(f"growth: must be above -1 and at most 10; got {growth!r}")
        volumes = middle(self.workload.requests_per_month) * (1 + growth) ** np.arange(months)
        rows = []
        for name, costs in self.curve(volumes).items():
            months_costs = zip(volumes, costs, np.cumsum(costs), strict=True)
            rows += [
                {
                    "option": name,
                    "month": place,
                    "requests": float(volume),
                    "usd": float(usd),
                    "total_usd": float(total),
                }
                for place, (volume, usd, total) in enumerate(months_costs, 1)
            ]
        return rows

    def _title(self) -> str:
        workload = self.workload
        volume = rendering.amount(middle(workload.requests_per_month), "")
        cached = f" ({workload.cached_share:.0%} cached)" if workload.cached_share else ""
        return (
            f"{volume} requests per month, {workload.input_tokens:,.0f} input{cached} and "
            f"{workload.output_tokens:,.0f} output tokens each, peak {workload.peak_to_mean:g} × mean"
        )

    def _cells(self) -> list[dict[str, str]]:
        return [_row(cost) for cost in self.options.values()]

    def _footer(self) -> str:
        lines = []
        for cost in self.options.values():
            if cost.missing:
                lines.append(f"{cost.name}: no cost: {cost.missing}")
                continue
            parts = [cost.note] if cost.note else []
            if cost.break_even_requests is not None and cost.probability_cheaper is not None:
                parts.append(self._break_even(cost))
            if parts:
                lines.append(f"{cost.name}: {'; '.join(parts)}")
        lines.append(
            f"{rendering.money_sign()}/Mtok: over input and output tokens; in brackets: {DEFAULT_LEVEL:.0%} intervals; "
            f"seed {self.seed}"
        )
        return "\n".join(lines)

    def _break_even(self, cost: OptionCost) -> str:
        """Return the break-even of an option in words."""
        volume, load = cost.break_even_requests, cost.break_even_utilization
        cheaper = rendering.percent(cost.probability_cheaper or 0.0)
        if volume is None or load is None:
            return ""
        loads = (
            "" if cost.break_even_utilization_interval is None else _span(*cost.break_even_utilization_interval, "%")
        )
        text = f"utilization of {load:.0%}{loads} pays against {self.baseline}"
        if math.isinf(volume):
            return f"{text}, which the peak and the allowed load do not permit; cheaper with probability {cheaper}"
        ends = "" if cost.break_even_interval is None else _span(*cost.break_even_interval, "")
        always = rendering.amount(cost.always_below_requests or math.inf, "")
        return (
            f"{text}: from {rendering.amount(volume, '')} requests per month{ends}, and always beyond {always}; "
            f"cheaper with probability {cheaper}"
        )


def _row(cost: OptionCost) -> dict[str, str]:
    """Return the cells of an option."""
    name = rendering.shortened(cost.name, _NAME)
    per_million = f"{rendering.money_sign()}/Mtok"
    if cost.usd_per_month is None:
        columns = ("option", "basis", "cost/month", per_million, "GPUs", "load")
        return dict.fromkeys(columns, "-") | {"option": name, "basis": cost.basis, "cost/month": "unknown"}
    ends = cost.usd_per_month_interval
    return {
        "option": name,
        "basis": cost.basis,
        "cost/month": f"{rendering.amount(cost.usd_per_month, 'USD')}{_span(*ends, 'USD') if ends else ''}",
        per_million: rendering.number(rendering.in_money(cost.usd_per_million_tokens or 0.0)),
        "GPUs": "-" if cost.gpus is None else f"{cost.gpus:,}",
        "load": "-" if cost.utilization is None else f"{cost.utilization:.0%}",
    }


def _span(low: float, high: float, unit: str) -> str:
    """Return an interval in brackets, or "" if its ends are the same."""
    if low == high:
        return ""
    if unit == "%":
        return f" ({low:.0%} to {high:.0%})"
    shown = [rendering.amount(end, unit) for end in (low, high) if not math.isinf(end)]
    return f" ({' to '.join(shown)})" if len(shown) == 2 else f" ({shown[0]}, or at no volume)" if shown else ""
