"""The result of `size_serving`: options ranked, and the reasons why others cannot serve the load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation import rendering
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmodel.estimation.serving.scenario import Serving
    from costmodel.foundation.units import Quantity
    from costmodel.serving.step.replica import Replica

_LEGEND = (
    "tok/s: of each user; {code}/Mtok: of input and output; TP: tensor parallelism, PP: pipeline stages, "
    "DP: data-parallel attention"
)
"""What the columns of a table mean."""
_ORDER = {"cost": "the cheapest per hour first", "gpus": "the fewest GPUs first"}
"""Order of the options by objective."""


class ServingSize(NamedTuple):
    """The fewest accelerators of a kind that serve a load, and what they give."""

    accelerator: str
    """Accelerator."""
    precision: str
    """Precision of the weights."""
    layout: Replica
    """Layout of a replica."""
    gpus: int
    """Accelerators of all replicas."""
    replicas: int
    """Replicas of the model."""
    tokens_per_second_per_user: float
    """Output tokens per second of a request [token/s]."""
    ttft: Quantity
    """Mean time to the first token."""
    tokens_per_second: float
    """Output tokens per second of all requests [token/s]."""
    usd_per_hour: float | None
    """Cost of all accelerators [USD/hour]; None if the price is not known."""
    usd_per_million_tokens: float | None
    """Cost of a million tokens, input and output, at this load [USD]."""
    spread: float
    """Standard deviation of the logarithm of predicted times [1]."""
    note: str
    """Format of stored weights, and why the price is not known, or ""."""
    scenario: Callable[[], Serving]
    """Returns the scenario of the option, for `cm.estimate`."""

    @property
    def layout_text(self) -> str:
        """Layout in short: "4 x TP2", "1 x TP8 PP2", "2 x DP8" (data-parallel attention)."""
        degree = f"{'DP' if self.layout.data_parallel_attention else 'TP'}{self.layout.tensor}"
        stages = f" PP{self.layout.pipeline}" if self.layout.pipeline > 1 else ""
        return f"{self.replicas} x {degree}{stages}"


class ServingSizes(Priced):
    """Options that serve a load, the best first; see `size_serving`."""

    _index = ("accelerator", "precision")
    _money = ("usd_per_hour", "usd_per_million_tokens")

    _width = rendering.WIDTH

    def __init__(
        self,
        options: tuple[ServingSize, ...],
        rejected: tuple[tuple[str, str, str], ...],
        title: str,
        objective: str,
    ) -> None:
        self.options, self.rejected, self.title, self.objective = options, rejected, title, objective

    @property
    def best(self) -> ServingSize:
        """The first option.

        Raises
        ------
        InputError
            If no option can serve the load, with the reasons.
        """
        if not self.options:
            raise InputError([f"{name} in {precision}: {reason}" for name, precision, reason in self.rejected])
        return self.options[0]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per option: accelerator, precision, layout, gpus, speeds, latency and costs."""
        rows = []
        for size in self.options:
            row: dict[str, Any] = {**size._asdict(), "layout": size.layout_text, "ttft": float(size.ttft.magnitude)}
            del row["scenario"]
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: options, and rejected ones with the reason."""
        rejected = [
            {"accelerator": name, "precision": precision, "reason": reason} for name, precision, reason in self.rejected
        ]
        return {"title": self.title, "objective": self.objective, "options": self.rows(), "rejected": rejected}

    def _title(self) -> str:
        return self.title

    def _cells(self) -> list[dict[str, str]]:
        code = rendering.money_code()
        return [
            {
                "accelerator": size.accelerator,
                "weights": size.precision,
                "layout": size.layout_text,
                "GPUs": f"{size.gpus:,}",
                "tok/s": rendering.number(size.tokens_per_second_per_user),
                "TTFT s": rendering.number(float(size.ttft.magnitude), 2),
                f"{code}/h": "not known" if size.usd_per_hour is None else _dollars(size.usd_per_hour),
                f"{code}/Mtok": "-"
                if size.usd_per_million_tokens is None
                else rendering.number(rendering.in_money(size.usd_per_million_tokens)),
            }
            for size in self.options
        ]

    def _footer(self) -> str:
        lines = (
            [f"{_ORDER[self.objective]}; {_LEGEND.format(code=rendering.money_code())}"]
            if self.options
            else ["no accelerator and precision asked for can serve the load within its targets"]
        )
        lines += dict.fromkeys(size.note for size in self.options if size.note)
        by_reason: dict[str, list[str]] = {}
        for name, precision, reason in self.rejected:
            by_reason.setdefault(reason.partition(";")[0], []).append(f"{name} {precision}")
        lines += [f"not {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
        return "\n".join(lines)


def _dollars(value: float) -> str:
    value = rendering.in_money(value)
    return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
