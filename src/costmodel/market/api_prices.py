"""Prices of model APIs per token: for teachers that generate data and judges that grade answers."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, NamedTuple

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.names import Names
from costmodel.foundation.tables import Row, table
from costmodel.market.dated import MILLION, amounts, provider_named, up_to


class APIPrice(NamedTuple):
    """The price of a model's API [USD/1e6 token] with its date and source.

    Prices hold for short prompts that are not cached. `batch_factor` is the price of a batch job over the list price
    [1], or None if it is not known; `batch_source` is its source.
    """

    provider: str
    model: str
    usd_per_million_input: float
    usd_per_million_output: float
    as_of: dt.date
    source: str
    batch_factor: float | None = None
    batch_source: str = ""
    note: str = ""

    def cost(self, input_tokens: Any, output_tokens: Any, batch: bool = False) -> Any:
        """Return the cost of calls [USD].

        Parameters
        ----------
        input_tokens : float or array
            Tokens of the prompts [token].
        output_tokens : float or array
            Tokens of the answers, reasoning included [token].
        batch : bool
            Whether the calls are batch jobs, which may take a day.

        Raises
        ------
        InputError
            If the tokens are below 0 or not finite.
        MissingFactError
            If the price of a batch is not known.
        """
        prompt, answer = amounts(input_tokens=input_tokens, output_tokens=output_tokens)
        if batch and self.batch_factor is None:
            raise MissingFactError(f"no batch price of {self.model} at {self.provider} is known")
        factor = self.batch_factor if batch and self.batch_factor is not None else 1.0
        return factor * (prompt * self.usd_per_million_input + answer * self.usd_per_million_output) / MILLION


def api_price(model: str, provider: str | None = None, on: dt.date | str | None = None) -> APIPrice:
    """Return the newest price of a model's API on or before a day.

    Parameters
    ----------
    model : str
        The model as the provider names it, without owner.
    provider : str, optional
        May be left out if a single provider serves the model.
    on : datetime.date or str, optional
        The day; by default the newest price.

    Returns
    -------
    APIPrice
        `.usd_per_million_input` [USD], `.usd_per_million_output` [USD], `.as_of`, `.source`,
        `.cost(input_tokens, output_tokens, batch=False)`

    Raises
    ------
    UnknownNameError
        If the model or the provider is not known.
    InputError
        If several providers serve the model and none is named.
    MissingFactError
        If the provider does not serve the model, or no price is known on that day.

    Examples
    --------
    >>> price = api_price("gpt-4.1-mini")
    >>> price.usd_per_million_input, price.usd_per_million_output
    (0.4, 1.6)
    >>> price.cost(input_tokens=10e6, output_tokens=5e6, batch=True)
    6.0
    """
    if not isinstance(model, str):
        raise InputError(f"model must be a name; got {model!r}")
    prices = _by_model().get(model)
    name, providers = prices[0].model, sorted({price.provider for price in prices})
    if provider is None and len(providers) > 1:
        raise InputError(f"{name} is served by several providers; name one of {', '.join(providers)}")
    provider = providers[0] if provider is None else provider_named(provider, _providers())
    if provider not in providers:
        raise MissingFactError(f"no price of {name} at {provider} is known; known at: {', '.join(providers)}")
    offered = [price for price in prices if price.provider == provider]
    return up_to(offered, on, f"price of {name} at {provider}")[0]


def api_models(provider: str | None = None) -> list[str]:
    """Return the models whose API price is known, sorted.

    Parameters
    ----------
    provider : str, optional
        Only models that this provider serves.

    Raises
    ------
    UnknownNameError
        If the provider is not known.

    Examples
    --------
    >>> api_models("groq")
    ['gpt-oss-120b', 'gpt-oss-20b']
    """
    models = _by_model().things
    if provider is None:
        return sorted(models)
    name = provider_named(provider, _providers())
    return sorted(model for model, prices in models.items() if any(price.provider == name for price in prices))


def _providers() -> set[str]:
    return {price.provider for prices in _by_model().things.values() for price in prices}


@lru_cache(maxsize=1)
def _by_model() -> Names[list[APIPrice]]:
    prices: dict[str, list[APIPrice]] = {}
    for row in table("prices/api").rows:
        prices.setdefault(row["model"], []).append(_price(row))
    return Names("model with an API price", prices)


def _price(row: Row) -> APIPrice:
    return APIPrice(
        provider=row["provider"],
        model=row["model"],
        usd_per_million_input=float(row["usd_per_million_input"]),
        usd_per_million_output=float(row["usd_per_million_output"]),
        as_of=dt.date.fromisoformat(row["as_of"]),
        source=row["source"],
        batch_factor=float(row["batch_factor"]) if row["batch_factor"] else None,
        batch_source=row["batch_source"],
        note=row["note"],
    )
