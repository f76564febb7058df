"""GPU prices: published rows of the shipped table."""

import datetime as dt
import re

import pytest

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.market.gpu_prices import HYPERSCALERS, PURCHASE_MODELS, UNTRACED, traced_prices


@pytest.mark.parametrize(
    ("accelerator", "provider", "model", "on", "price", "as_of", "source"),
    [
        # Lambda's price list of September 2026: 3.99 USD per H100 in instances of eight
        ("H100-SXM", "lambda", "on_demand", "2026-10-01", 3.99, "2026-09-17", "lambda.ai/pricing"),
        # before that, a median over its configurations
        ("H100-SXM", "lambda", "on_demand", "2026-06-01", 4.19, "2026-05-08", "gpu-pricing-tracker"),
        # AWS cut p5.48xlarge from 98.32 to 55.04 USD per hour in June 2025 (eight H100)
        ("H100-SXM", "aws", "on_demand", "2025-06-04", 12.29, "2025-04-23", "aws-gpu-price-tracker"),
        ("H100-SXM", "aws", "on_demand", "2025-06-05", 6.88, "2025-06-05", "aws-gpu-price-tracker"),
        ("H100-SXM", "aws", "spot", "2026-10-01", 2.5985, "2026-09-17", "vantage.sh/aws/ec2/p5.48xlarge"),
        # p4de.24xlarge at 40.97 USD per hour for eight
        ("A100-80GB", "aws", "on_demand", "2024-01-01", 5.12, "2022-08-19", "epoch-research"),
        ("TPU-v5p", "gcp", "on_demand", "2025-01-01", 4.2, "2024-12-23", "gpuhunt"),
    ],
)
def test_a_price_as_its_source_prints_it(accelerator, provider, model, on, price, as_of, source):
    found = cm.gpu_price(accelerator, provider, model, on)
    assert (found.usd_per_gpu_hour, str(found.as_of)) == (price, as_of)
    assert source in found.source


def test_every_traced_row_can_be_looked_up():
    for row in traced_prices().rows:
        found = cm.gpu_price(
            row["accelerator"], row["provider"], row["purchase_model"], row["as_of"], region=row["region"]
        )
        assert str(found.as_of) == row["as_of"] and found.source


def test_the_market_price_of_every_day_is_made_of_facts_of_others():
    for on in ("2025-03-31", "2026-01-15", "2026-09-01", None):
        market = cm.gpu_price("H100-SXM", on=on)
        providers = {fact.provider for fact in market.facts}
        assert not providers & HYPERSCALERS and not any(name.startswith("index:") for name in providers)
        assert market.on - market.as_of <= dt.timedelta(days=180)
        prices = [fact.usd_per_gpu_hour for fact in market.facts]
        assert min(prices) <= market.usd_per_gpu_hour <= max(prices)
        assert market.spread.low < market.usd_per_gpu_hour < market.spread.high


def test_the_default_day_is_that_of_the_newest_fact_and_not_today():
    assert str(cm.gpu_price("H100-SXM").on) == table("gpu_prices").vintage


def test_every_purchase_model_is_known_to_the_table():
    assert {row["purchase_model"] for row in table("gpu_prices").rows} <= set(PURCHASE_MODELS)


def test_every_price_names_a_source_that_can_be_found_or_is_marked_untraced():
    for line, row in enumerate(table("gpu_prices").rows, 2):
        source = row["source_url"]
        assert re.search(r"https?://|github:[\w.-]+/[\w.-]+[:@]", source) or source == UNTRACED, (
            f"line {line}: {source}"
        )
        assert "quoted in" not in source, f"line {line}"
        assert source != UNTRACED or "unnamed" in row["note"] or "doubtful" in row["note"], f"line {line}"


def test_untraced_prices_are_listed_but_never_used():
    untraced = [row for row in table("gpu_prices").rows if row["source_url"] == UNTRACED]
    assert len(untraced) == len(table("gpu_prices").rows) - len(traced_prices().rows) == 25
    with pytest.raises(
        cm.MissingFactError,
        match=r"no rental price of MI355X is known at all \(2 prices without a source are not used\)",
    ):
        cm.gpu_price("MI355X", "crusoe")
    with pytest.raises(cm.MissingFactError, match="no on_demand price of A100-40GB-PCIe on the market"):
        cm.gpu_price("A100-40GB-PCIe")
