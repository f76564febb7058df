"""Prices of model APIs per token: lists, cached input, batch jobs, regions and speeds."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, NamedTuple

from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.names import Names, name_key
from costmodel.foundation.tables import Row, table
from costmodel.market.dated import MILLION, amounts, provider_named, up_to

MAKERS = {
    "alibaba": ("qwen", "qwq"),
    "anthropic": ("claude",),
    "bedrock": ("nova",),
    "cohere": ("command", "c4ai"),
    "deepseek": ("deepseek",),
    "google": ("gemini",),
    "minimax": ("minimax",),
    "mistral": ("mistral", "ministral", "magistral", "codestral", "devstral", "pixtral", "open-mistral"),
    "moonshot": ("kimi", "moonshot"),
    "openai": ("gpt", "o1", "o3", "o4", "codex"),
    "xai": ("grok",),
    "zai": ("glm",),
}
"""Providers that sell models of their own, and how the names of these begin: the default provider of such a model."""
OWNERS = (
    "anthropic",
    "deepseek-ai",
    "deepseek",
    "google",
    "meta-llama-meta",
    "meta-llama",
    "meta",
    "minimaxai",
    "mistralai",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "xai",
    "zai-org",
)
"""Words before the name of a model that are ignored: owners of repositories."""
LONG_PROMPT = 200_000
"""Input tokens of a request above which some providers charge more [token]."""


class APIPrice(NamedTuple):
    """The price of a model's API [USD/1e6 token] with its date and source.

    Input and output prices hold for prompts that are not cached, up to 200,000 tokens. `batch_factor` is the price of a
    batch job over the list price [1]; `batch_source` is its source. A price that is not known is None.
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
    usd_per_million_cached_input: float | None = None
    """Price of input tokens that are read from the cache of prompts [USD/1e6 token]."""
    usd_per_million_cache_write: float | None = None
    """Price of input tokens that are written to the cache of prompts [USD/1e6 token]."""
    usd_per_million_input_above_200k: float | None = None
    """Price of input tokens of requests with more than 200,000 of them [USD/1e6 token]; None: the same, or unknown."""

    def cost(self, input_tokens: Any, output_tokens: Any, batch: bool = False, *, cached_tokens: Any = 0.0) -> Any:
        """Return the cost of calls [USD].

        Parameters
        ----------
        input_tokens : float or array
            Tokens of the prompts that are not read from the cache [token].
        output_tokens : float or array
            Tokens of the answers, reasoning included [token].
        batch : bool
            Whether the calls are batch jobs, which may take a day.
        cached_tokens : float or array
            Tokens of the prompts that are read from the cache [token].

        Raises
        ------
        InputError
            If the tokens are below 0 or not finite.
        MissingFactError
            If the price of a batch or of cached tokens is needed and not known.
        """
        prompt, answer, cached = amounts(
            input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=cached_tokens
        )
        if batch and self.batch_factor is None:
            raise MissingFactError(f"no batch price of {self.model} at {self.provider} is known")
        rate = self.usd_per_million_cached_input
        some_cached = bool(cached.any()) if hasattr(cached, "any") else cached > 0
        if some_cached and rate is None:
            raise MissingFactError(f"no price of cached tokens of {self.model} at {self.provider} is known")
        factor = self.batch_factor if batch and self.batch_factor is not None else 1.0
        usd = factor * (prompt * self.usd_per_million_input + answer * self.usd_per_million_output) / MILLION
        return usd + factor * cached * rate / MILLION if some_cached and rate is not None else usd

    def times(self, factor: float) -> APIPrice:
        """Return the price with all rates multiplied by a factor.

        Parameters
        ----------
        factor : float
            Price of a region or a speed over the list price, or one minus a discount [1].
        """

        def scaled(rate: float | None) -> float | None:
            return None if rate is None else factor * rate

        return self._replace(
            usd_per_million_input=factor * self.usd_per_million_input,
            usd_per_million_output=factor * self.usd_per_million_output,
            usd_per_million_cached_input=scaled(self.usd_per_million_cached_input),
            usd_per_million_cache_write=scaled(self.usd_per_million_cache_write),
            usd_per_million_input_above_200k=scaled(self.usd_per_million_input_above_200k),
        )


@checked("region", "speed")
def api_price(
    model: str,
    provider: str | None = None,
    on: dt.date | str | None = None,
    *,
    region: str | None = None,
    speed: str | None = None,
) -> APIPrice:
    """Return the newest price of a model's API on or before a day.

    Parameters
    ----------
    model : str
        The model as the provider names it, with or without owner and date of release.
    provider : str, optional
        Default: the maker of the model if it sells it, or the single provider that serves it.
    on : datetime.date or str, optional
        The day; by default the newest price.
    region : str, optional
        Region whose price differs from the list price, such as "eu"; see `api_factors`.
    speed : str, optional
        Speed at a price of its own, such as "fast"; see `api_factors`.

    Returns
    -------
    APIPrice
        `.usd_per_million_input` [USD], `.usd_per_million_output` [USD], `.usd_per_million_cached_input` [USD],
        `.as_of`, `.source`, `.cost(input_tokens, output_tokens, batch=False, cached_tokens=0)`

    Raises
    ------
    UnknownNameError
        If the model or the provider is not known.
    InputError
        If several providers serve the model, its maker does not, and none is named.
    MissingFactError
        If the provider does not serve the model, no price is known on that day, or no factor of the region or the
        speed is known.

    Examples
    --------
    >>> price = api_price("gpt-4.1-mini")
    >>> price.usd_per_million_input, price.usd_per_million_output
    (0.4, 1.6)
    >>> price.cost(input_tokens=10e6, output_tokens=5e6, batch=True)
    6.0
    >>> api_price("claude-sonnet-4-5-20250929").usd_per_million_cached_input
    0.3
    """
    if not isinstance(model, str):
        raise InputError(f"model must be a name; got {model!r}")
    prices = _by_model().get(model)
    name, providers = prices[0].model, api_providers(model)
    provider = _default_provider(name, providers) if provider is None else provider_named(provider, _providers())
    if provider not in providers:
        raise MissingFactError(f"no price of {name} at {provider} is known; known at: {', '.join(providers)}")
    offered = [price for price in prices if price.provider == provider]
    price = up_to(offered, on, f"price of {name} at {provider}")[0]
    for kind, chosen in (("region", region), ("speed", speed)):
        if chosen is not None:
            price = price.times(_factor(price, kind, chosen))
    return price


def api_factors(model: str, provider: str | None = None) -> dict[tuple[str, str], float]:
    """Return the regions and speeds with a price of their own, and their factors on the list price.

    Parameters
    ----------
    model : str
    provider : str, optional
        As for `api_price`.

    Returns
    -------
    dict
        Price over the list price [1] by kind, "region" or "speed", and name.

    Examples
    --------
    >>> api_factors("claude-opus-4-8")
    {('region', 'us'): 1.1, ('speed', 'fast'): 2.0}
    """
    price = api_price(model, provider)
    return dict(_factors().get((price.provider, price.model), {}))


def api_price_changes(model: str | None = None, provider: str | None = None) -> list[Row]:
    """Return how list prices changed between releases of a public price table.

    Parameters
    ----------
    model : str, optional
        Only changes of this model.
    provider : str, optional
        Only changes of this provider.

    Returns
    -------
    list of Row
        Rows of the table prices/api_changes: prices before and after [USD/1e6 token], and the releases.

    Examples
    --------
    >>> [(row["input_before"], row["input_after"]) for row in api_price_changes("kimi-k3", "azure")]
    [('3.3', '3.0')]
    """
    rows = table("prices/api_changes").rows
    if model is not None:
        key = name_key(_by_model().proper(model) or model)
        rows = tuple(row for row in rows if name_key(row["model"]) == key)
    if provider is not None:
        name = provider_named(provider, _providers())
        rows = tuple(row for row in rows if row["provider"] == name)
    return list(rows)


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
    >>> api_models("xai")[:2]
    ['grok-4.20', 'grok-4.20-0309']
    """
    models = _by_model().things
    if provider is None:
        return sorted(models)
    name = provider_named(provider, _providers())
    return sorted(model for model, prices in models.items() if any(price.provider == name for price in prices))


def api_name(model: str) -> str | None:
    """Return the name of a model in the table of prices, or None if it is not there.

    Parameters
    ----------
    model : str
        The model, with or without owner and date of release.

    Examples
    --------
    >>> api_name("anthropic/claude-sonnet-4-5-20250929"), api_name("my-model")
    ('claude-sonnet-4-5', None)
    """
    return _by_model().proper(model)


def api_providers(model: str) -> list[str]:
    """Return the providers of a model, sorted.

    Parameters
    ----------
    model : str
        The model, with or without owner and date of release.

    Raises
    ------
    UnknownNameError
        If the model is not known.

    Examples
    --------
    >>> api_providers("grok-4")
    ['azure', 'oci']
    """
    return sorted({price.provider for price in _by_model().get(model)})


def _providers() -> set[str]:
    return {price.provider for prices in _by_model().things.values() for price in prices}


@lru_cache(maxsize=1)
def _by_model() -> Names[list[APIPrice]]:
    prices: dict[str, list[APIPrice]] = {}
    aliases: dict[str, set[str]] = {}
    for row in table("prices/api").rows:
        prices.setdefault(row["model"], []).append(_price(row))
        aliases.setdefault(row["model"], set()).update(name for name in row["aliases"].split("|") if name)
    return Names("model with an API price", prices, aliases, OWNERS)


def _default_provider(model: str, providers: list[str]) -> str:
    """Return the maker of a model if it serves it, or the single provider."""
    makers = [each for each in providers if model.startswith(MAKERS.get(each, ("/",)))]
    if len(providers) > 1 and not makers:
        raise InputError(f"{model} is served by several providers; name one of {', '.join(providers)}")
    return (makers or providers)[0]


def _factor(price: APIPrice, kind: str, name: str) -> float:
    """Return the factor of a region or a speed on a price [1]."""
    factors = {other: factor for (each, other), factor in _factors().get(price[:2], {}).items() if each == kind}
    if name not in factors:
        known = f"known: {', '.join(factors)}" if factors else f"leave {kind} out for the list price"
        others = _with_factor(price.model, kind, name)
        known += f"; or set provider: {', '.join(others)}" if others else ""
        raise MissingFactError(f"{kind}: no price of {price.model} at {price.provider} is known for {name!r}; {known}")
    return factors[name]


def _with_factor(model: str, kind: str, name: str) -> list[str]:
    """Return the providers with a factor of a region or a speed for a model."""
    return sorted(provider for (provider, each), named in _factors().items() if each == model and (kind, name) in named)


@lru_cache(maxsize=1)
def _factors() -> dict[tuple[str, ...], dict[tuple[str, str], float]]:
    """Return the factors by kind and name, by provider and model."""
    factors: dict[tuple[str, ...], dict[tuple[str, str], float]] = {}
    for row in table("prices/api_factors").rows:
        offer = factors.setdefault((row["provider"], row["model"]), {})
        offer[(row["kind"], row["name"])] = float(row["factor"])
    return factors


def _price(row: Row) -> APIPrice:
    return APIPrice(
        provider=row["provider"],
        model=row["model"],
        usd_per_million_input=float(row["usd_per_million_input"]),
        usd_per_million_output=float(row["usd_per_million_output"]),
        as_of=dt.date.fromisoformat(row["as_of"]),
        source=row["source"],
        batch_factor=_optional(row["batch_factor"]),
        batch_source=row["batch_source"],
        note=row["note"],
        usd_per_million_cached_input=_optional(row["usd_per_million_cached_input"]),
        usd_per_million_cache_write=_optional(row["usd_per_million_cache_write"]),
        usd_per_million_input_above_200k=_optional(row["usd_per_million_input_above_200k"]),
    )


def _optional(cell: str) -> float | None:
    return float(cell) if cell else None
