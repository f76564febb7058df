"""Results with amounts of money, in US dollars or in another currency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.exchange_rates import ExchangeRate, exchange_rate

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


class Priced(rendering.Shown):
    """Base of results with amounts of money; `_money` names the columns of `rows()` that hold US dollars."""

    _money: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures as rows."""
        raise TypeError(f"{type(self).__name__} does not define `rows`")

    def in_currency(
        self, currency: str, *, rate: float | str | None = None, on: dt.date | str | None = None
    ) -> Converted:
        """Return the result with its US dollars in another currency.

        Parameters
        ----------
        currency : str
            "EUR", "GBP" or "CNY".
        rate : float, optional
            Amount of the currency for one US dollar [currency/USD]; default: the listed rate.
        on : date or str, optional
            Day whose month's listed rate applies; default: the newest listed month.
        """
        return Converted(self, exchange_rate(currency, on, rate=rate))


class Converted(rendering.Shown):
    """A result with its US dollars in another currency; see `in_currency`."""

    def __init__(self, result: Priced, rate: ExchangeRate) -> None:
        self.result, self.rate = result, rate
        self._width = result._width  # type: ignore[misc]

    @checked("usd")
    def amount(self, usd: float) -> float:
        """Return an amount of US dollars in the currency.

        Parameters
        ----------
        usd : float
            Amount [USD].
        """
        return usd * self.rate.per_usd

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the result, with amounts and units in the currency; `currency` is a column of its own."""
        return [self._row(row) for row in self.result.rows()]

    def to_dict(self) -> dict[str, Any]:
        """Return the rows as plain data, with the rate, its month and its source."""
        return {"title": self.result._title(), "exchange_rate": self.rate._asdict(), "rows": self.rows()}

    @checked("width")
    def to_text(self, width: int | None = None) -> str:
        """Return the table as plain text.

        Parameters
        ----------
        width : int, optional
            Width to which the title and the notes are wrapped; default: that of the result, or they are not wrapped
            [character].
        """
        return super().to_text(self.result._wraps_at(width))

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        money, unit = self.result._money, str(row.get("unit", ""))
        if "unit" in row:
            money = money if unit == "USD" or unit.startswith(("USD ", "USD/")) else ()
        shown = {
            key: self.amount(value) if key in money and isinstance(value, float) else value
            for key, value in row.items()
        }
        shown = {self._key(key) if key in money else key: value for key, value in shown.items()}
        if "unit" in row and money:
            shown["unit"] = unit.replace("USD", self.rate.currency)
        return {**shown, "currency": self.rate.currency} if money else shown

    def _key(self, name: str) -> str:
        """Return the name of a column of US dollars in the currency: usd_per_month as eur_per_month."""
        code = self.rate.currency.lower()
        return "_".join(code if part == "usd" else part for part in name.split("_"))

    def _title(self) -> str:
        with rendering.currency(self.rate.currency, self.rate.per_usd):
            return self.result._title()

    def _cells(self) -> list[dict[str, str]]:
        with rendering.currency(self.rate.currency, self.rate.per_usd):
            return self.result._cells()

    def _footer(self) -> str:
        with rendering.currency(self.rate.currency, self.rate.per_usd):
            footer = self.result._footer()
        note = f"amounts in {self.rate.currency}: {self.rate.described()}"
        return "\n".join(part for part in (footer, note) if part)
