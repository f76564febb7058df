"""Prices and costs of fine-tuning services that bill by the token."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import Interval, between
from costmodel.foundation.rendering import Shown, number
from costmodel.foundation.tables import Row, table
from costmodel.market.dated import MILLION, amounts, provider_named, up_to

METHODS = ("sft", "lora-sft", "lora", "full-sft", "lora-dpo", "full-dpo")
"""Methods: supervised fine-tuning ("sft", where the provider does not say whether with adapters), LoRA with any loss
("lora"), preference pairs ("dpo"). By default the first method in this order that a provider sells for a model."""
Confidence = Literal["primary", "secondary", "disputed"]


class HostedPrice(NamedTuple):
    """A price of hosted fine-tuning [USD per million trained tokens] with its date and source.

    `confidence` is "primary" (the page of the provider), "secondary" (quoted by others) or "disputed" (sources
    differ; `interval` spans them). The prices per input and output token are those of the tuned model, or None.
    """

    provider: str
    model: str
    """A model, or the provider's size class."""
    method: str
    usd_per_million_tokens: float
    as_of: dt.date
    source: str
    confidence: Confidence
    interval: Interval | None = None
    usd_per_million_input: float | None = None
    usd_per_million_output: float | None = None
    note: str = ""

    def cost(self, trained_tokens: Any) -> Any:
        """Return the cost of training [USD].

        Parameters
        ----------
        trained_tokens : float or array
            Billed tokens, see `trained_tokens` [token].

        Raises
        ------
        InputError
            If the tokens are below 0 or not finite.
        """
        (tokens,) = amounts(trained_tokens=trained_tokens)
        return tokens / MILLION * self.usd_per_million_tokens


class HostedPrices(Shown, list[HostedPrice]):
    """A list of prices of hosted fine-tuning that also prints as a table; see `hosted_prices`."""

    _index = ("provider", "model", "method")

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per price: the fields of `HostedPrice`, with the ends of the interval as low and high."""
        rows = []
        for price in self:
            row: dict[str, Any] = price._asdict() | {"as_of": str(price.as_of)}
            interval = row.pop("interval")
            ends = {end: None if interval is None else getattr(interval, end) for end in ("low", "high")}
            rows.append({**row, **ends})
        return rows

    def __eq__(self, other: object) -> bool:
        return list.__eq__(self, other)

    __hash__ = None  # type: ignore[assignment]

    def _title(self) -> str:
        return f"hosted fine-tuning: {len(self):,} prices, USD per million tokens"

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "provider": price.provider,
                "model": price.model,
                "method": price.method,
                "training": number(price.usd_per_million_tokens),
                "input": _shown(price.usd_per_million_input),
                "output": _shown(price.usd_per_million_output),
                "as of": str(price.as_of),
                "confidence": price.confidence,
            }
            for price in self
        ]

    def _footer(self) -> str:
        disputed = any(price.confidence == "disputed" for price in self)
        return "disputed: sources differ; the rows have their interval" if disputed else ""


def _shown(usd: float | None) -> str:
    return "-" if usd is None else number(usd)


def hosted_prices(
    provider: str | None = None, model: str | None = None, on: dt.date | str | None = None
) -> HostedPrices:
    """Return the newest price of every hosted fine-tuning on or before a day, sorted by price.

    Parameters
    ----------
    provider : str, optional
        Only prices of this provider.
    model : str, optional
        Only prices of this model, or of this size class as the provider names it.
    on : datetime.date or str, optional
        The day; by default the newest prices.

    Returns
    -------
    HostedPrices
        A list of `HostedPrice`, which prints as a table:
        `.usd_per_million_tokens` [USD], `.as_of`, `.source`, `.interval`, `.cost(trained_tokens)`, ...

    Raises
    ------
    UnknownNameError
        If the provider or the model is not known.
    MissingFactError
        If no such price is known on that day, or the provider does not tune the model.

    Examples
    --------
    >>> for price in hosted_prices("together", "70B-100B"):
    ...     print(price.method, price.usd_per_million_tokens, price.as_of)
    lora-sft 2.9 2026-05-08
    full-sft 3.2 2026-05-08
    lora-dpo 7.25 2026-05-08
    full-dpo 8.0 2026-05-08
    """
    prices, what = _prices(), "price of hosted fine-tuning"
    if provider is not None:
        name = provider_named(provider, (price.provider for price in prices))
        prices, what = tuple(price for price in prices if price.provider == name), f"{what} at {name}"
    if model is not None:
        prices, what = _of_model(prices, model, what)
    newest = {(price.provider, price.model, price.method): price for price in reversed(up_to(prices, on, what))}
    return HostedPrices(sorted(newest.values(), key=lambda price: (price.usd_per_million_tokens, *price[:3])))


@checked("method")
def hosted_cost(
    tokens: Any,
    provider: str,
    model: str,
    method: str | None = None,
    *,
    epochs: Any = 1,
    evaluations: Any = 0,
    validation_tokens: Any = 0,
    examples: Any = None,
    padded_length: Any = None,
    on: dt.date | str | None = None,
) -> Any:
    """Return the cost of a hosted fine-tuning [USD].

    Parameters
    ----------
    tokens : float or array
        Tokens of the training data [token].
    provider : str
        Name of the provider, as `hosted_prices` lists it.
    model : str
        A model, or a size class as the provider names it.
    method : str, optional
        "sft", "lora-sft", "lora", "full-sft", "lora-dpo" or "full-dpo"; by default the first of them that the
        provider sells for the model.
    epochs : float or array
        Passes over the training data [1].
    evaluations : float or array
        Passes over the validation data [1].
    validation_tokens : float or array
        Tokens of the validation data [token].
    examples : float or array, optional
        Training examples [1]; goes with `padded_length`.
    padded_length : float or array, optional
        Length to which every example is padded if packing is off [token].
    on : datetime.date or str, optional
        Day of the price; by default the newest price.

    Returns
    -------
    float or array
        [USD]

    Raises
    ------
    UnknownNameError
        If the provider or the model is not known.
    MissingFactError
        If no such price is known.
    InputError
        If an amount is below 0 or not finite, or only one of `examples` and `padded_length` is given.

    Examples
    --------
    >>> hosted_cost(2e6, "openai", "gpt-4o-mini", epochs=3)
    18.0
    >>> hosted_cost(2e6, "together", "up to 16B", epochs=3, examples=10_000, padded_length=4096)
    58.9824
    """
    if method is not None and method not in METHODS:
        raise InputError(unknown("method", method, METHODS))
    billed = trained_tokens(
        tokens,
        epochs,
        evaluations=evaluations,
        validation_tokens=validation_tokens,
        examples=examples,
        padded_length=padded_length,
    )
    by_method = {price.method: price for price in hosted_prices(provider, model, on)}
    method = method or next(name for name in METHODS if name in by_method)
    if method not in by_method:
        other = next(iter(by_method.values()))
        raise MissingFactError(
            f"no price of {method} of {other.model} at {other.provider} is known; known: {', '.join(sorted(by_method))}"
        )
    return by_method[method].cost(billed)


def trained_tokens(
    tokens: Any,
    epochs: Any = 1,
    *,
    evaluations: Any = 0,
    validation_tokens: Any = 0,
    examples: Any = None,
    padded_length: Any = None,
) -> Any:
    """Return the tokens that are billed [token]: epochs x training tokens + evaluations x validation tokens.

    Parameters
    ----------
    tokens, epochs, evaluations, validation_tokens : float or array
        As for `hosted_cost`.
    examples, padded_length : float or array, optional
        As for `hosted_cost`; `examples` × `padded_length` tokens are billed instead of `tokens`.

    Returns
    -------
    float or array
        [token]

    Raises
    ------
    InputError
        If an amount is below 0 or not finite, or only one of `examples` and `padded_length` is given.

    References
    ----------
    Together AI, "Fine-tuning pricing", https://docs.together.ai/docs/fine-tuning/pricing (how tokens are counted).

    Examples
    --------
    >>> trained_tokens(1e6, epochs=3, evaluations=10, validation_tokens=1e5)
    4000000.0
    """
    if (examples is None) != (padded_length is None):
        raise InputError("examples and padded_length go together: each example is padded to that length")
    tokens, epochs, evaluations, validation_tokens = amounts(
        tokens=tokens, epochs=epochs, evaluations=evaluations, validation_tokens=validation_tokens
    )
    if examples is not None:
        examples, padded_length = amounts(examples=examples, padded_length=padded_length)
        tokens = examples * padded_length
    return epochs * tokens + evaluations * validation_tokens


def _of_model(prices: tuple[HostedPrice, ...], model: str, what: str) -> tuple[tuple[HostedPrice, ...], str]:
    """Return the prices of a model, and what they are in words."""
    if not isinstance(model, str):
        raise InputError(f"model must be a name; got {model!r}")
    models = Names("model of hosted fine-tuning", {price.model: price.model for price in prices})
    all_models = Names(models.kind, {price.model: price.model for price in _prices()})
    if models.proper(model) is None and (elsewhere := all_models.proper(model)) is not None:
        raise MissingFactError(f"no {what} of {elsewhere} is known; known: {', '.join(sorted(models))}")
    name = models.get(model)
    return tuple(price for price in prices if price.model == name), f"{what} of {name}"


@lru_cache(maxsize=1)
def _prices() -> tuple[HostedPrice, ...]:
    return tuple(_price(row) for row in table("prices/finetuning").rows)


def _price(row: Row) -> HostedPrice:
    spread = between(float(row["low"]), float(row["high"])).settled("lognormal") if row["low"] else None
    return HostedPrice(
        provider=row["provider"],
        model=row["model"],
        method=row["method"],
        usd_per_million_tokens=float(row["usd_per_million_tokens"]),
        as_of=dt.date.fromisoformat(row["as_of"]),
        source=row["source"],
        confidence=row["confidence"],  # type: ignore[arg-type]
        interval=spread,
        usd_per_million_input=_number(row["usd_per_million_input"]),
        usd_per_million_output=_number(row["usd_per_million_output"]),
        note=row["note"],
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
