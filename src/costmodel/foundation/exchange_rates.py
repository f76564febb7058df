"""Exchange rates of currencies to the US dollar, by month."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple

from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.tables import table

CURRENCIES = ("EUR", "GBP", "CNY")
"""Currencies other than US dollars."""
_MOST = 1e6
"""Largest exchange rate."""


class ExchangeRate(NamedTuple):
    """An exchange rate: the amount of a currency for one US dollar.

    Examples
    --------
    >>> rate = exchange_rate("EUR", on="2024-06-15")
    >>> rate.per_usd, rate.month, round(rate.usd, 3)
    (0.9291, '2024-06', 1.076)
    """

    currency: str
    """ISO 4217 code."""
    per_usd: float
    """Amount of the currency for one US dollar."""
    month: str
    """Month whose mean the rate is; empty for a given rate."""
    source: str
    """Source of the rate."""

    @property
    def usd(self) -> float:
        """US dollars for one unit of the currency."""
        return 1.0 / self.per_usd

    def described(self) -> str:
        """Return the rate in words, with its month and source."""
        origin = f"mean of {self.month}; {self.source}" if self.month else self.source
        return f"{self.per_usd:g} {self.currency}/USD ({origin})"


@lru_cache(maxsize=1)
def _listed() -> dict[str, list[tuple[str, float, str]]]:
    """Return month, rate and source by currency, the oldest month first."""
    listed: dict[str, list[tuple[str, float, str]]] = {}
    for row in table("prices/exchange_rates").rows:
        listed.setdefault(row["currency"], []).append((row["month"], float(row["units_per_usd"]), row["source"]))
    return {currency: sorted(months) for currency, months in listed.items()}


@checked("currency")
def exchange_rate(currency: str, on: dt.date | str | None = None, *, rate: float | str | None = None) -> ExchangeRate:
    """Return the exchange rate of a currency to the US dollar.

    Parameters
    ----------
    currency : str
        "EUR", "GBP" or "CNY"; "USD" has the rate 1.
    on : date or str, optional
        Day, whose month counts; default: the newest listed month. A later day takes the newest listed month.
    rate : float, optional
        Rate of your own: amount of the currency for one US dollar [currency/USD].

    Raises
    ------
    InputError
        If the currency is not known, the rate is not positive, or both `rate` and `on` are given.
    MissingFactError
        If the day is before the first listed month.

    Examples
    --------
    >>> exchange_rate("EUR", rate=0.92).per_usd
    0.92
    """
    name = currency.strip().upper() if isinstance(currency, str) else currency
    if name not in ("USD", *CURRENCIES):
        raise InputError(f"currency: {unknown('currency', name, ('USD', *CURRENCIES))}")
    if rate is not None:
        if on is not None:
            raise InputError("give at most one of rate and on; a given rate needs no date")
        return ExchangeRate(name, _given(rate), "", "given")
    if name == "USD":
        return ExchangeRate(name, 1.0, "", "US dollars")
    months = _listed()[name]
    if on is None:
        month, value, source = months[-1]
        return ExchangeRate(name, value, month, source)
    wanted = _day(on).isoformat()[:7]
    if wanted < months[0][0]:
        raise MissingFactError(
            f"on: exchange rates of {name} are listed from {months[0][0]} on; got {wanted}. Give rate, in {name}/USD"
        )
    month, value, source = [each for each in months if each[0] <= wanted][-1]
    return ExchangeRate(name, value, month, source)


def _given(rate: float | str) -> float:
    try:
        value = float(rate)
    except (TypeError, ValueError, OverflowError):
        value = 0.0
    if isinstance(rate, bool) or not 0 < value <= _MOST:
        raise InputError(f"rate: must be a number above 0, as the amount of the currency for one USD; got {rate!r:.80}")
    return value


def _day(on: dt.date | str) -> dt.date:
    if isinstance(on, dt.datetime):
        return on.date()
    if isinstance(on, dt.date):
        return on
    try:
        return dt.date.fromisoformat(on)
    except (TypeError, ValueError):
        raise InputError(f"on: must be a date such as 2026-06-30; got {on!r}") from None
