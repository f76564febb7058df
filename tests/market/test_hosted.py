"""Hosted fine-tuning: published prices, billed tokens, and invalid input."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import MissingFactError, UnknownNameError
from costmodel.foundation.tables import table
from costmodel.market.hosted import METHODS, hosted_cost, hosted_prices, trained_tokens

AMOUNT = st.floats(0, 1e13)


def the_price(provider, model, method, on=None):
    (found,) = (price for price in hosted_prices(provider, model, on) if price.method == method)
    return found


@pytest.mark.parametrize(
    ("provider", "model", "method", "price", "as_of", "source"),
    [
        # the provider's table of October 2025
        ("openai", "gpt-4.1", "sft", 25.0, "2025-10-06", "openai.com/api/pricing"),
        ("openai", "gpt-4.1-nano", "sft", 1.5, "2025-10-06", "openai.com/api/pricing"),
        ("openai", "gpt-4o-mini", "sft", 3.0, "2025-06-26", "platform.openai.com/docs/pricing"),
        # "Up to 16B: 0.48, 0.54, 1.20, 1.35" for supervised LoRA, full; preference LoRA, full
        ("together", "up to 16B", "lora-sft", 0.48, "2026-05-08", "together.ai/pricing"),
        ("together", "17B-69B", "full-dpo", 4.12, "2026-05-08", "together.ai/pricing"),
        ("fireworks", "16.1B-80B", "lora-sft", 3.0, "2026-10-07", "fireworks.ai/pricing"),
        ("fireworks", "above 300B", "full-dpo", 40.0, "2026-10-07", "fireworks.ai/pricing"),
        ("tinker", "Qwen3-8B", "lora", 0.44, "2026-10-07", "tinker-docs.thinkingmachines.ai"),
        ("prime-intellect", "Qwen3.5-35B-A3B", "lora", 1.0, "2026-09-20", "docs.primeintellect.ai"),
        ("google", "gemini 2.5 flash", "sft", 5.0, "2026-05-29", "finetune-gemini-vertex-ai"),
    ],
)
def test_a_price_as_its_source_prints_it(provider, model, method, price, as_of, source):
    found = the_price(provider, model, method)
    assert (found.usd_per_million_tokens, str(found.as_of)) == (price, as_of)
    assert source in found.source


def test_inference_price_is_of_the_fine_tuned_model():
    found = the_price("openai", "gpt-4.1-mini", "sft")
    assert (found.usd_per_million_input, found.usd_per_million_output) == (0.8, 3.2)
    assert the_price("together", "up to 16B", "lora-sft").usd_per_million_input is None


def test_every_row_is_valid_and_can_be_looked_up():
    rows, columns = table("prices/finetuning").rows, ("provider", "model", "method", "as_of")
    assert len({tuple(row[column] for column in columns) for row in rows}) == len(rows) > 50
    for row in rows:
        found = the_price(row["provider"], row["model"], row["method"], row["as_of"])
        assert str(found.as_of) == row["as_of"] and found.usd_per_million_tokens > 0
        assert found.method in METHODS and found.confidence in {"primary", "secondary", "disputed"}
        assert (found.interval is not None) == (found.confidence == "disputed")


def test_a_disputed_price_has_the_span_of_its_sources():
    found = the_price("openai", "gpt-4.1-mini", "sft")
    assert found.confidence == "disputed"
    assert (found.interval.low, found.interval.high) == (4.0, 5.0)
    assert found.interval.low <= found.usd_per_million_tokens <= found.interval.high
    assert math.isclose(found.interval.median(), math.sqrt(20))


def test_newest_price_on_or_before_the_day_is_used():
    assert the_price("tinker", "Qwen3-8B", "lora", "2026-10-06").usd_per_million_tokens == 0.40
    assert the_price("tinker", "Qwen3-8B", "lora", dt.date(2026, 10, 7)).usd_per_million_tokens == 0.44
    assert the_price("openai", "gpt-4.1-mini", "sft", "2025-10-05").confidence == "primary"
    with pytest.raises(
        MissingFactError, match=r"at openai of gpt-4o is known on 2025-06-25: the first is of 2025-06-26"
    ):
        hosted_prices("openai", "gpt-4o", on="2025-06-25")
    with pytest.raises(cm.InputError, match=r"on: must be a date"):
        hosted_prices(on="last week")


def test_offers_are_unique_and_sorted_by_price():
    everything = hosted_prices()
    offers = [(price.provider, price.model, price.method) for price in everything]
    assert len(set(offers)) == len(offers)
    assert offers == [offer for _, offer in sorted((p.usd_per_million_tokens, p[:3]) for p in everything)]
    assert {price.provider for price in hosted_prices("Together AI")} == {"together"}
    assert {price.provider for price in hosted_prices(model="gpt-oss-20b")} == {"prime-intellect", "tinker"}


def test_unknown_name_error_suggests_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"unknown provider 'togther'; did you mean 'together'"):
        hosted_prices("togther")
    with pytest.raises(UnknownNameError, match=r"did you mean 'gpt-4.1-mini'"):
        hosted_cost(1e6, "openai", "gpt-4.1-mni")
    with pytest.raises(MissingFactError, match=r"at fireworks of gpt-4o is known; known: 16.1B-80B, "):
        hosted_prices("fireworks", "gpt-4o")
    with pytest.raises(cm.InputError, match=r"unknown method 'qlora-sft'; did you mean 'lora-sft'"):
        hosted_cost(1e6, "together", "up to 16B", "qlora-sft")
    with pytest.raises(MissingFactError, match=r"no price of lora-dpo of gpt-4o at openai is known; known: sft"):
        hosted_cost(1e6, "openai", "gpt-4o", "lora-dpo")
    with pytest.raises(cm.InputError, match=r"model must be a name; got 7"):
        hosted_prices("openai", 7)
    with pytest.raises(cm.InputError, match=r"provider must be a name; got 7"):
        hosted_prices(7)


def test_the_billed_tokens_are_those_of_the_published_example():
    # Together AI: 8192 tokens x batch of 8 x 1000 steps, and 10 evaluations of 1M tokens
    assert trained_tokens(8192 * 8 * 1000, evaluations=10, validation_tokens=1e6) == 75_536_000


def test_padding_bills_every_example_at_its_full_length():
    padded = trained_tokens(2e6, epochs=3, examples=1000, padded_length=8192)
    assert padded == 3 * 1000 * 8192
    assert hosted_cost(2e6, "fireworks", "up to 16B", epochs=3, examples=1000, padded_length=8192) == padded * 0.5e-6


@pytest.mark.parametrize(
    ("provider", "model", "method"),
    [("openai", "gpt-4o", "sft"), ("together", "70B-100B", "lora-sft"), ("tinker", "Qwen3-32B", "lora")],
)
def test_the_default_method_is_supervised(provider, model, method):
    assert hosted_cost(1e6, provider, model) == the_price(provider, model, method).usd_per_million_tokens


def test_invalid_amounts_are_reported_together():
    with pytest.raises(cm.InputError) as caught:
        trained_tokens(-1, epochs=math.nan, evaluations="many", validation_tokens=math.inf)
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "tokens", "epochs", "evaluations", "validation_tokens",
    ]  # fmt: skip
    with pytest.raises(cm.InputError, match=r"examples and padded_length go together"):
        trained_tokens(1e6, examples=10)
    with pytest.raises(cm.InputError, match=r"padded_length must be a finite number of at least 0"):
        trained_tokens(1e6, examples=10, padded_length=[1.0, math.nan])


@given(AMOUNT, st.floats(0, 100), st.floats(0, 1000))
def test_the_cost_is_linear_in_the_tokens(tokens, epochs, factor):
    price = the_price("together", "17B-69B", "lora-dpo")
    assert math.isclose(price.cost(factor * tokens), factor * price.cost(tokens), rel_tol=1e-12, abs_tol=1e-12)
    one_pass = hosted_cost(tokens, "together", "17B-69B", "lora-dpo")
    assert math.isclose(
        hosted_cost(tokens, "together", "17B-69B", "lora-dpo", epochs=epochs),
        epochs * one_pass, rel_tol=1e-12, abs_tol=1e-12,
    )  # fmt: skip


@given(AMOUNT, AMOUNT, st.integers(0, 50))
def test_training_and_evaluation_add_up(tokens, validation_tokens, evaluations):
    both = hosted_cost(
        tokens, "openai", "gpt-4.1", validation_tokens=validation_tokens, evaluations=evaluations
    )  # fmt: skip
    parts = hosted_cost(tokens, "openai", "gpt-4.1") + hosted_cost(
        validation_tokens, "openai", "gpt-4.1", epochs=evaluations
    )
    assert math.isclose(both, parts, rel_tol=1e-9, abs_tol=1e-12)


def test_arrays_broadcast_and_floats_stay_floats():
    costs = hosted_cost(np.array([1e6, 2e6]), "openai", "gpt-4o-mini", epochs=[[1], [2]])
    assert costs.tolist() == [[3.0, 6.0], [6.0, 12.0]]
    assert type(hosted_cost(np.float64(1e6), "openai", "gpt-4o-mini")) is float
    assert type(hosted_cost(np.array(1e6), "openai", "gpt-4o-mini")) is float
    assert type(hosted_cost(10**6, "openai", "gpt-4o-mini")) is float
