"""API prices: published rows, batch discounts, days, and invalid input."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import MissingFactError, UnknownNameError
from costmodel.foundation.tables import table
from costmodel.market.api_prices import api_factors, api_models, api_price, api_price_changes

AMOUNT = st.just(0.0) | st.floats(1e-3, 1e15)


@pytest.mark.parametrize(
    ("model", "provider", "read", "written", "source"),
    [
        ("gpt-6.1-sol", None, 2.0, 10.0, "developers.openai.com/api/docs/pricing"),
        ("gpt-5-mini", "OpenAI", 0.25, 2.0, "developers.openai.com/api/docs/pricing"),
        ("claude-opus-5-5", "anthropic", 4.0, 20.0, "platform.claude.com/docs/en/about-claude/pricing"),
        ("Gemini 2.5 Flash", "google", 0.3, 2.5, "ai.google.dev/gemini-api/docs/pricing"),
        ("deepseek-v4-pro", "deepseek", 1.32, 3.96, "api-docs.deepseek.com"),
        ("llama-3.3-70b-instruct-turbo", "together", 1.04, 1.04, "api.together.ai"),
        ("llama-3.3-70b-instruct-turbo", "deepinfra", 0.1, 0.32, "deepinfra.com/pricing"),
        ("gpt-oss-120b", "groq", 0.15, 0.6, "litellm"),
    ],
)
def test_a_price_as_its_list_prints_it(model, provider, read, written, source):
    found = api_price(model, provider)
    assert (found.usd_per_million_input, found.usd_per_million_output) == (read, written)
    assert source in found.source and str(found.as_of) == "2026-11-12"


@pytest.mark.parametrize(
    ("written", "model", "provider"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5", "anthropic"),
        ("anthropic/claude-sonnet-4-5-20250929", "claude-sonnet-4-5", "anthropic"),
        ("deepseek-chat", "deepseek-chat", "deepseek"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-r1", "deepseek"),
        ("gpt-4o-2024-08-06", "gpt-4o", "openai"),
    ],
)
def test_names_as_people_write_them_find_the_price_of_the_maker(written, model, provider):
    found = api_price(written)
    assert (found.model, found.provider) == (model, provider)


@pytest.mark.parametrize("name", ["meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B-Instruct"])
def test_the_owner_in_a_name_is_ignored(name):
    assert api_price(name, "deepinfra").model == "llama-3.1-8b-instruct"


def test_cached_tokens_have_a_price_of_their_own():
    # https://platform.claude.com/docs/en/about-claude/pricing: 3, 15, and 0.30 for a cache hit
    price = api_price("claude-sonnet-4-5")
    assert price.cost(1e6, 1e6, cached_tokens=1e6) == pytest.approx(3 + 15 + 0.3)
    assert price.cost(1e6, 1e6, batch=True, cached_tokens=1e6) == pytest.approx(18.3 / 2)
    with pytest.raises(MissingFactError, match=r"no price of cached tokens of llama-3.3-70b-instruct at deepinfra"):
        api_price("llama-3.3-70b-instruct", "deepinfra").cost(1e6, 1e6, cached_tokens=1)


def test_a_region_or_a_speed_multiplies_all_rates():
    plain, fast = api_price("claude-opus-4-8"), api_price("claude-opus-4-8", speed="fast", region="us")
    assert fast.usd_per_million_output == pytest.approx(2.2 * plain.usd_per_million_output)
    assert fast.usd_per_million_cached_input == pytest.approx(2.2 * plain.usd_per_million_cached_input)
    assert api_factors("claude-opus-4-8")["region", "us"] == 1.1
    with pytest.raises(
        MissingFactError, match=r"region: no price of claude-opus-4-8 at anthropic is known for 'mars'; known: us$"
    ):
        api_price("claude-opus-4-8", region="mars")


def test_changes_of_prices_by_provider_and_model():
    changes = api_price_changes("kimi-k3", "azure")
    assert [(row["input_before"], row["input_after"]) for row in changes] == [("3.3", "3.0")]
    assert len(api_price_changes()) > len(api_price_changes(provider="azure")) > len(changes)


def test_every_factor_belongs_to_a_price():
    prices = {(row["provider"], row["model"]) for row in table("prices/api").rows}
    assert {(row["provider"], row["model"]) for row in table("prices/api_factors").rows} <= prices


def test_every_row_is_valid_and_can_be_looked_up():
    rows = table("prices/api").rows
    assert len({(row["provider"], row["model"], row["as_of"]) for row in rows}) == len(rows) > 60
    for row in rows:
        found = api_price(row["model"], row["provider"], row["as_of"])
        assert str(found.as_of) == row["as_of"]
        assert 0 < found.usd_per_million_input <= found.usd_per_million_output
        assert (found.batch_factor is None) == (found.batch_source == "")
        assert found.batch_factor is None or 0 < found.batch_factor < 1


@given(AMOUNT, AMOUNT, st.floats(0, 1000))
def test_the_cost_is_linear_in_the_tokens(read, written, factor):
    price = api_price("claude-sonnet-5-5")
    whole = price.cost(read, written)
    assert math.isclose(price.cost(factor * read, factor * written), factor * whole, rel_tol=1e-12, abs_tol=1e-12)
    assert math.isclose(price.cost(read, 0) + price.cost(0, written), whole, rel_tol=1e-12)
    assert price.cost(read, written, batch=True) == whole * 0.5


def test_a_batch_costs_what_the_provider_says():
    # OpenAI, Anthropic and Google: half; DeepInfra: 20 % less
    assert api_price("gpt-4.1").cost(1e6, 1e6, batch=True) == 5.0
    assert api_price("gemini-2.5-pro").cost(1e6, 0, batch=True) == 0.625
    assert api_price("glm-5.2", "deepinfra").cost(1e6, 1e6, batch=True) == pytest.approx(0.8 * 3.15)
    with pytest.raises(MissingFactError, match=r"no batch price of deepseek-v4-pro at deepseek is known"):
        api_price("deepseek-v4-pro").cost(1e6, 1e6, batch=True)


def test_newest_price_on_or_before_the_day_is_used():
    name = "llama-3.3-70b-instruct-turbo"
    assert api_price(name, "together", on="2026-11-11").usd_per_million_input == 0.88
    assert api_price(name, "together", on=dt.date(2026, 11, 12)).usd_per_million_input == 1.04
    with pytest.raises(MissingFactError, match=r"at together is known on 2026-01-01: the first is of 2026-05-08"):
        api_price(name, "together", on="2026-01-01")
    with pytest.raises(cm.InputError, match=r"on: must be a date"):
        api_price("gpt-4.1", on="today")


def test_an_open_model_needs_its_provider():
    with pytest.raises(cm.InputError, match=r"several providers; name one of azure, .*, groq, .*, together$"):
        api_price("gpt-oss-120b")
    with pytest.raises(MissingFactError, match=r"no price of gpt-4.1 at groq is known; known at: azure, openai"):
        api_price("gpt-4.1", "groq")


def test_unknown_name_error_suggests_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"did you mean 'gpt-4.1-mini'"):
        api_price("gpt-4.1-mni")
    with pytest.raises(UnknownNameError, match=r"unknown provider 'antropic'; did you mean 'anthropic'"):
        api_price("claude-opus-5-5", "antropic")
    with pytest.raises(cm.InputError, match=r"model must be a name; got None"):
        api_price(None)


def test_the_models_of_a_provider():
    assert "gpt-4.1" in api_models() and "gpt-4.1" in api_models("openai")
    assert "gpt-4.1" not in api_models("Together AI")
    assert api_models() == sorted({row["model"] for row in table("prices/api").rows})


def test_invalid_amounts_are_reported_together():
    with pytest.raises(cm.InputError) as caught:
        api_price("gpt-4.1").cost(-1.0, math.nan)
    assert len(caught.value.problems) == 2


def test_arrays_broadcast_and_floats_stay_floats():
    price = api_price("gpt-4.1")
    assert price.cost(np.array([0, 1e6]), [[0], [1e6]]).tolist() == [[0.0, 2.0], [8.0, 10.0]]
    assert type(price.cost(1, 1)) is float and type(price.cost(np.float64(1), 1, batch=True)) is float


def test_a_region_without_a_price_names_providers_that_have_one():
    with pytest.raises(MissingFactError, match=r"'eu'; leave region out for the list price; or set provider: bedrock$"):
        api_price("claude-sonnet-4-5", region="eu")
    with pytest.raises(MissingFactError, match=r"deepseek is known for 'eu'; leave region out for the list price$"):
        api_price("deepseek-chat", region="eu")


def test_an_unknown_provider_without_a_near_name_lists_all():
    with pytest.raises(UnknownNameError, match=r"unknown provider 'zzz'; known: alibaba, .*xai, zai\.$"):
        api_price("gpt-5", "zzz")
