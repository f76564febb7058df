"""Prices of storage and egress: units of the providers, one provider, the median of all."""

import numpy as np
import pytest

from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.tables import default
from costmodel.foundation.units import read
from costmodel.market.storage_prices import KINDS, storage_price, storage_prices

GIB = 2**30 / 1e9
"""GB per GiB."""
MONTH = 730.5
"""Hours of a month: 365.25 / 12 days."""


@pytest.mark.parametrize(
    ("kind", "provider", "expected"),
    [
        ("object", "aws", 0.023),  # per GB and month
        ("object", "nebius", 0.0147 / GIB * MONTH / 730),  # per GiB and 730 hours
        ("object", "gcp", 0.000027397 / GIB * MONTH),  # per GiB and hour: 0.02 per GiB and 730 hours
        ("file", "vessl", 0.20 / GIB * MONTH / 720),  # 0.0067 per GiB and day
        ("file", "fpt", 0.00013 * MONTH),  # per GB and hour
        ("object", "coreweave", 0.06 / GIB),  # per GiB and month
        ("egress", "aws", 0.09),
        ("egress", "coreweave", 0.0),
    ],
)
def test_prices_are_converted_from_the_unit_of_the_provider(kind, provider, expected):
    figure = storage_price(kind, provider)
    assert figure.value == pytest.approx(expected, rel=1e-12, abs=0)
    assert figure.spread is None and figure.provenance.kind == "looked up" and figure.provenance.source


@pytest.mark.golden(source="https://docs.cloud.vessl.ai/pricing/storage", table="Cluster storage, object storage")
@pytest.mark.parametrize(("kind", "published"), [("file", "0.0067"), ("object", "0.001")])
def test_prices_per_month_agree_with_the_published_prices_per_day(golden, kind, published):
    per_day = storage_price(kind, "vessl").value * GIB * 24 / MONTH
    golden(f"{kind} storage [USD/GiB/day]", published, per_day)


def test_google_bills_two_cents_per_gibibyte():
    """Its price list is per GiB and hour; summaries round it to 0.02 per GB and month."""
    assert storage_price("object", "gcp").value * GIB * 730 / MONTH == pytest.approx(0.02, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("0.02 USD/GiB/month", "USD/GB/month", 0.02 / GIB),
        ("23 USD/TB/month", "USD/GB/month", 0.023),
        ("$0.023 per GB per month", "USD/GB/month", 0.023),
        ("0.00013 USD/GB/hour", "USD/GB/month", 0.00013 * MONTH),
        ("90 USD/TB", "USD/GB", 0.09),
        ("0.1 USD/GiB", "USD/GB", 0.1 / GIB),
        ("0.001 USD/GiB/day", "USD/GB/month", 0.001 / GIB * MONTH / 24),
    ],
)
def test_prices_of_data_are_read_from_text(text, unit, expected):
    assert read(text, unit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("text", ["2 USD", "2 USD/month", "2 USD/GB", "2 USD/kg/month", "2 GB/month"])
def test_dollars_without_an_amount_of_data_are_no_price_of_storage(text):
    with pytest.raises(InputError, match="dimension"):
        read(text, "USD/GB/month")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_provider_the_known_prices_are_equally_likely(kind):
    known = [price.usd_per_gb for price in storage_prices() if price.kind == kind]
    figure = storage_price(kind)
    assert figure.value == pytest.approx(np.median(known)) and figure.provenance.kind == "assumed"
    assert f"median of {len(known)} provider" in figure.provenance.caution
    if len(known) < 3:
        factor = default("market_price_factor").spread
        assert figure.spread.quantile(0.9) == pytest.approx(factor.quantile(0.9) * figure.value)
    else:
        assert figure.spread.support() == pytest.approx((min(known), max(known)))


def test_a_provider_without_the_kind_is_an_error_unless_others_may_stand_in():
    with pytest.raises(MissingFactError, match=r"no price of file storage at aws is known; known .*coreweave 0\.0652"):
        storage_price("file", "aws")
    figure = storage_price("file", "aws", fallback=True)
    assert figure.value == storage_price("file").value
    assert figure.provenance.caution.startswith("no price of file storage at aws is known; file storage at the median")


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match=r"'awz'; did you mean 'aws'"):
        storage_price("object", "awz")
    with pytest.raises(InputError, match=r"kind: unknown kind of storage 'filee'; did you mean 'file'"):
        storage_price("filee")
    assert storage_price("object", "AWS").value == 0.023
