"""What does it cost to have a model fine-tuned at a provider that bills by the token? Dated facts, looked up."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import Interval, between
from costmodel.foundation.tables import Row, table
from costmodel.market.dated import MILLION, amounts, provider_named, up_to

METHODS = ("sft", "lora-sft", "lora", "full-sft", "lora-dpo", "full-dpo")
"""Supervised fine-tuning ("sft": how is the provider's secret), LoRA with any loss ("lora"), preference pairs
("dpo"). The first that a provider sells for a model is the one taken unless a method is given."""
Confidence = Literal["primary", "secondary", "disputed"]


class HostedPrice(NamedTuple):
    """A price of hosted fine-tuning [USD per million trained tokens] with its date and source.

    `confidence` is "primary" (the provider's own page), "secondary" (others who quote it) or "disputed"
    (sources differ; `interval` spans them). The prices of inference are those of the tuned model, or None.
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
        trained_tokens : as billed, see `trained_tokens` [token]; a number or an array

        Raises
        ------
        InputError
            If they are below 0 or not finite.
        """
        (tokens,) = amounts(trained_tokens=trained_tokens)
        return tokens / MILLION * self.usd_per_million_tokens


def hosted_prices(
    provider: str | None = None, model: str | None = None, on: dt.date | str | None = None
) -> list[HostedPrice]:
    """Return the last price of every hosted fine-tuning that is known on a day, sorted by price.

    Parameters
    ----------
    provider : only this one
    model : only this one: a model, or a size class as the provider names it
    on : the day; the newest facts unless given

    Returns
    -------
    list of HostedPrice
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
    facts, what = _facts(), "price of hosted fine-tuning"
    if provider is not None:
        name = provider_named(provider, (fact.provider for fact in facts))
        facts, what = tuple(fact for fact in facts if fact.provider == name), f"{what} at {name}"
    if model is not None:
        facts, what = _of_model(facts, model, what)
    last = {(fact.provider, fact.model, fact.method): fact for fact in reversed(up_to(facts, on, what))}
    return sorted(last.values(), key=lambda fact: (fact.usd_per_million_tokens, *fact[:3]))


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
    tokens : in the training data [token]
    provider : who tunes
    model : a model, or a size class as the provider names it
    method : "sft", "lora-sft", "lora", "full-sft", "lora-dpo" or "full-dpo"; unless given the first of
        them that the provider sells for the model
    epochs : passes over the training data [1]
    evaluations : passes over the validation data [1]
    validation_tokens : in the validation data [token]
    examples : in the training data [1]; with `padded_length`
    padded_length : length to which every example is padded, where packing is off [token]
    on : day of the price; the newest fact unless given

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
        tokens, epochs, evaluations=evaluations, validation_tokens=validation_tokens,
        examples=examples, padded_length=padded_length,
    )  # fmt: skip
    by_method = {price.method: price for price in hosted_prices(provider, model, on)}
    wanted = method or next(each for each in METHODS if each in by_method)
    if wanted not in by_method:
        some = next(iter(by_method.values()))
        raise MissingFactError(
            f"no price of {wanted} of {some.model} at {some.provider} is known; known: {', '.join(sorted(by_method))}"
        )
    return by_method[wanted].cost(billed)


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
    tokens : in the training data [token]
    epochs : passes over the training data [1]
    evaluations : passes over the validation data [1]
    validation_tokens : in the validation data [token]
    examples : in the training data [1]; with `padded_length`
    padded_length : length to which every example is padded, where packing is off [token]; then examples x
        padded length are billed in place of `tokens`

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


def _of_model(facts: tuple[HostedPrice, ...], model: str, what: str) -> tuple[tuple[HostedPrice, ...], str]:
    if not isinstance(model, str):
        raise InputError(f"model must be a name; got {model!r}")
    here = Names("model of hosted fine-tuning", {fact.model: fact.model for fact in facts})
    everywhere = Names(here.kind, {fact.model: fact.model for fact in _facts()})
    if here.proper(model) is None and (elsewhere := everywhere.proper(model)) is not None:
        raise MissingFactError(f"no {what} of {elsewhere} is known; known: {', '.join(sorted(here))}")
    name = here.get(model)
    return tuple(fact for fact in facts if fact.model == name), f"{what} of {name}"


@lru_cache(maxsize=1)
def _facts() -> tuple[HostedPrice, ...]:
    return tuple(_fact(row) for row in table("prices/finetuning").rows)


def _fact(row: Row) -> HostedPrice:
    spread = between(float(row["low"]), float(row["high"])).settled("lognormal") if row["low"] else None
    return HostedPrice(
        row["provider"], row["model"], row["method"], float(row["usd_per_million_tokens"]),
        dt.date.fromisoformat(row["as_of"]), row["source"], row["confidence"], spread,  # type: ignore[arg-type]
        _price(row["usd_per_million_input"]), _price(row["usd_per_million_output"]), row["note"],
    )  # fmt: skip


def _price(cell: str) -> float | None:
    return float(cell) if cell else None
