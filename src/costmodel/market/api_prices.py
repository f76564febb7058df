"""What does a token cost at a model's API: a teacher that writes data, a judge that grades? Dated facts, looked up."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, NamedTuple

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.names import Names
from costmodel.foundation.tables import Row, table
from costmodel.market.dated import MILLION, amounts, provider_named, up_to


class APIPrice(NamedTuple):
    """The price of a model's API [USD per million tokens] with its date and source.

    Prices are those of short prompts that are not cached. `batch_factor` is the part of the price that a
    batch job pays, or None where that is not known; `batch_source` says where it stands.
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
        input_tokens : read by the model [token]; a number or an array
        output_tokens : written by it, thoughts included [token]; a number or an array
        batch : whether the calls go as batch jobs, which may take a day

        Raises
        ------
        InputError
            If the tokens are below 0 or not finite.
        MissingFactError
            If the price of a batch is not known.
        """
        read, written = amounts(input_tokens=input_tokens, output_tokens=output_tokens)
        if batch and self.batch_factor is None:
            raise MissingFactError(f"no batch price of {self.model} at {self.provider} is known")
        factor = self.batch_factor if batch and self.batch_factor is not None else 1.0
        return factor * (read * self.usd_per_million_input + written * self.usd_per_million_output) / MILLION


def api_price(model: str, provider: str | None = None, on: dt.date | str | None = None) -> APIPrice:
    """Return the last price of a model's API that is known on a day.

    Parameters
    ----------
    model : as the provider names it, without owner
    provider : who serves it; may be left out where one alone does
    on : the day; the newest fact unless given

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
    facts = _facts().get(model)
    name, offers = facts[0].model, sorted({fact.provider for fact in facts})
    if provider is not None:
        asked = provider_named(provider, _providers())
        if asked not in offers:
            raise MissingFactError(f"no price of {name} at {asked} is known; known at: {', '.join(offers)}")
        offers = [asked]
    elif len(offers) > 1:
        raise InputError(f"{name} is served by several providers; name one of {', '.join(offers)}")
    found = [fact for fact in facts if fact.provider == offers[0]]
    return up_to(found, on, f"price of {name} at {offers[0]}")[0]


def api_models(provider: str | None = None) -> list[str]:
    """Return the models whose API price is known, sorted.

    Parameters
    ----------
    provider : only this one

    Raises
    ------
    UnknownNameError
        If the provider is not known.

    Examples
    --------
    >>> api_models("groq")
    ['gpt-oss-120b', 'gpt-oss-20b']
    """
    models = _facts().things
    if provider is None:
        return sorted(models)
    name = provider_named(provider, _providers())
    return sorted(model for model, facts in models.items() if any(fact.provider == name for fact in facts))


def _providers() -> set[str]:
    return {fact.provider for facts in _facts().things.values() for fact in facts}


@lru_cache(maxsize=1)
def _facts() -> Names[list[APIPrice]]:
    by_model: dict[str, list[APIPrice]] = {}
    for row in table("prices/api").rows:
        by_model.setdefault(row["model"], []).append(_fact(row))
    return Names("model with an API price", by_model)


def _fact(row: Row) -> APIPrice:
    return APIPrice(
        row["provider"], row["model"], float(row["usd_per_million_input"]), float(row["usd_per_million_output"]),
        dt.date.fromisoformat(row["as_of"]), row["source"],
        float(row["batch_factor"]) if row["batch_factor"] else None, row["batch_source"], row["note"],
    )  # fmt: skip
