"""Discounts on the price on demand, and commitments that are billed whole."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.tables import default, table
from costmodel.market.commitments import TERMS, published_discount, unused_commitment
from costmodel.market.gpu_prices import traced_by_accelerator

DAY = "2026-10-01"
RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="100B"),
    cluster=cm.Cluster("H100-SXM", 64),
    gpu_hours="4000 to 6000",
)
COMMITTED = {"provider": "aws", "purchase_model": "reserved_1y", "on": DAY}


def estimated(**prices):
    return cm.estimate(RUN.replace({"prices": prices}))


@pytest.mark.parametrize(
    ("provider", "one_year", "three_years"),
    [("aws", 0.41, 0.64), ("gcp", 0.37, 0.56), ("azure", 0.25, 0.49), ("lambda", 0.34, 0.56)],
)
def test_published_discounts(provider, one_year, three_years):
    shares = tuple(published_discount(provider, model).share for model in TERMS)
    assert shares == (one_year, three_years)


def test_a_commitment_without_a_price_is_derived_and_says_so():
    estimate = estimated(**COMMITTED, published_discount=True)
    figure = estimate.inputs["prices.price"]
    assert figure.shown()[0] == pytest.approx(6.88 * (1 - 0.41))
    assert figure.provenance.kind == "assumed" and "training-cost-trends" in figure.provenance.source
    assert "derived from the price on demand of aws us-east-1 of 2026-09-17 (6.88 USD/h): 41 % off" in estimate.note(
        "cost"
    )
    low, high = figure.interval()
    assert low < figure.shown()[0] < high < 6.88
    assert "no reserved_1y price" in estimated(**COMMITTED).missing_cost


def test_a_price_of_the_table_has_precedence_over_a_published_discount():
    three = {**COMMITTED, "purchase_model": "reserved_3y"}
    plain, derived = estimated(**three), estimated(**three, published_discount=True)
    assert plain.value("cost") == derived.value("cost") and derived.note("cost") == ""


@given(st.floats(0, 0.95), st.sampled_from(["on_demand", "reserved_short", "reserved_1y", "reserved_3y"]))
@settings(max_examples=20)
def test_a_given_discount_is_taken_off_the_price_on_demand(share, model):
    rental = cm.Rental(provider="lambda", on=DAY, purchase_model=model, discount=share)
    assert rental.figure("H100-SXM", 64, 8).value == pytest.approx(3.99 * (1 - share))


def test_a_range_of_discounts_widens_the_interval_of_the_market():
    certain, uncertain = (cm.Rental(on=DAY, discount=share).figure("H100-SXM", 64, 8) for share in (0.3, "0.1 to 0.5"))
    assert uncertain.spread.quantile(0.9) / uncertain.value > certain.spread.quantile(0.9) / certain.value
    market = cm.Rental(on=DAY).figure("H100-SXM", 64, 8)
    assert certain.value == pytest.approx(0.7 * market.value)
    assert certain.spread.quantile(0.9) == pytest.approx(0.7 * market.spread.quantile(0.9))


def test_a_discount_applies_to_a_proxy_of_the_market_price():
    plain = cm.Rental(on=DAY).figure("H800-SXM", 64, 8)
    less = cm.Rental(on=DAY, discount=0.25).figure("H800-SXM", 64, 8)
    assert less.value == pytest.approx(0.75 * plain.value)
    assert "derived" in less.provenance.note and "proxy from" in less.provenance.note


def test_a_discount_keeps_the_region_of_the_site():
    run = RUN.replace({"cluster.accelerator": "A100-80GB-SXM", "cluster.site.region": "us-virginia"})
    plain, less = (
        cm.estimate(run.replace({"prices": {"provider": "aws", "on": DAY, **more}})) for more in ({}, {"discount": 0.5})
    )
    assert less.value("cost") == pytest.approx(plain.value("cost") / 2)
    assert "us-east-1" in less.note("cost")


def test_the_error_of_derived_prices_is_that_of_the_table():
    errors = []
    for prices in traced_by_accelerator().values():
        for price in (price for price in prices if price.purchase_model in TERMS):
            near = [
                other
                for other in prices
                if (other.provider, other.purchase_model) == (price.provider, "on_demand")
                and abs((other.as_of - price.as_of).days) <= 31
                and other.region in (price.region, "")
            ]
            if near and price.provider in {"aws", "azure", "gcp", "lambda"}:
                share = published_discount(price.provider, price.purchase_model).share
                demand = min(near, key=lambda other: abs((other.as_of - price.as_of).days))
                errors.append(math.log(price.usd_per_gpu_hour / demand.usd_per_gpu_hour / (1 - share)))
    assert len(errors) > 100 and abs(statistics.mean(errors)) < 0.05
    spread = default("commitment_price_factor").spread
    low, high = (math.exp(end) for end in np.quantile(errors, [0.1, 0.9]))
    assert (spread.quantile(0.1), spread.quantile(0.9)) == (pytest.approx(low, rel=0.05), pytest.approx(high, rel=0.05))


def test_a_commitment_is_billed_whole_as_a_line_of_its_own():
    estimate = estimated(price=2, commitment="365.25 days")
    rows = {row["line"]: row["usd"] for row in estimate.bill().rows()}
    hours = estimate.value("gpu_hours") / 3600
    assert rows["rent"] == pytest.approx(2 * hours)
    assert rows["unused_commitment"] == pytest.approx(2 * (64 * 8766 - hours))
    assert rows["total"] == pytest.approx(2 * 64 * 8766)
    assert np.allclose(estimate.draws("cost"), 2 * 64 * 8766)
    half = estimated(price=2, commitment="365.25 days", unused_share=0.5)
    unused = {row["line"]: row["usd"] for row in half.bill().rows()}["unused_commitment"]
    assert unused == pytest.approx(rows["unused_commitment"] / 2)


def test_a_run_longer_than_its_commitment_uses_all_of_it():
    estimate, plain = estimated(price=2, commitment="1 day"), estimated(price=2)
    assert estimate.value("cost") == plain.value("cost")


@given(st.floats(0, 1e9), st.floats(1, 1e4), st.floats(1, 1e8), st.floats(0, 1), st.floats(0, 10))
def test_an_unused_commitment_is_never_negative_and_linear_in_the_price(used, count, length, billed, price):
    cost = unused_commitment(used, count, length, billed, price)
    assert cost >= 0
    assert unused_commitment(used, count, length, billed, 2 * price) == pytest.approx(2 * cost)
    assert unused_commitment(used, count, 2 * length, billed, price) >= cost


def test_a_short_run_of_a_commitment_says_what_it_is_billed():
    three = {**COMMITTED, "purchase_model": "reserved_3y"}
    (note,) = [note for note in estimated(**three).notes() if "commitment" in note]
    assert "of a commitment of three years and is billed its own time (set prices.commitment" in note
    assert not [note for note in estimated(**three, commitment="3 years").notes() if "billed its own time" in note]
    assert [note for note in estimated(convention="contract", on=DAY).notes() if "commitment of one year" in note]
    assert not [note for note in estimated(on=DAY).notes() if "commitment" in note]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"price": 2, "discount": 0.1}, "price is given, so discount has no effect"),
        ({"price": 2, "published_discount": True}, "price is given, so published_discount has no effect"),
        ({"convention": "published", "discount": 0.1}, "convention is 'published', so discount has no effect"),
        (
            {"provider": "aws", "purchase_model": "spot", "discount": 0.1},
            "discount is for prices on demand and reserved",
        ),
        ({"published_discount": True, "purchase_model": "reserved_1y"}, "published_discount needs a provider"),
        ({"provider": "aws", "published_discount": True}, "needs a provider and purchase_model 'reserved_1y' or"),
        ({**COMMITTED, "published_discount": True, "discount": 0.1}, "discount and published_discount are both given"),
        ({"purchase_model": "spot", "commitment": 30}, "commitment is for prices on demand and reserved ones"),
        ({"unused_share": 0.5}, "unused_share needs a commitment"),
        ({"discount": 1}, "discount: must be a number at least 0 and below 1"),
        ({"commitment": 0}, "commitment: must be a number in day above 0"),
    ],
)
def test_contradictions_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.Rental(**fields)


def test_a_provider_without_a_published_discount_stays_without_a_price():
    missing = estimated(provider="vultr", purchase_model="reserved_1y", on=DAY, published_discount=True).missing_cost
    assert "no published discount of vultr for reserved_1y is known; those of aws, azure, gcp, lambda" in missing


def test_prices_everywhere_can_be_derived():
    table_of = cm.price_everywhere(RUN, on=DAY, providers=["aws"], published_discount=True)
    derived = [row for row in table_of.priced if row.purchase_model == "reserved_1y"]
    assert {row.region for row in derived} == {"us-east-1", "eu-north-1", "ap-northeast-1"}
    assert derived[0].cost == estimated(**COMMITTED, published_discount=True).value("cost")
    assert "4.06*" in str(table_of) and "*: derived from the price on demand" in str(table_of)
    assert "reserved_1y" not in {row.purchase_model for row in table_of.missing}
    assert not [row for row in table("gpu_prices").rows if row["source_url"].startswith("derived")]
