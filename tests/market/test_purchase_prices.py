"""Purchase prices of accelerators, looked up by accelerator and day."""

import datetime as dt

import numpy as np
import pytest

import costmodel as cm
from costmodel.market.purchase_prices import PROXY_ERROR, purchase_price, purchase_proxy, quotes


def test_a_server_quote_is_divided_by_the_server_factor():
    figure = purchase_price("A100-40GB-SXM", dt.date(2020, 6, 1), 1.66)
    assert figure.value == pytest.approx(24875 / 1.66)  # DGX A100, 199,000 USD for 8
    assert "1 for servers divided by 1.66" in figure.provenance.note or "a quote" in figure.provenance.note


def test_the_price_is_the_median_of_the_year_before_the_newest_quote():
    listed = quotes("H100-SXM", dt.date(2023, 12, 31))
    assert {quote.as_of.year for quote in listed} <= {2022, 2023}
    assert max(quote.as_of for quote in listed) == dt.date(2023, 12, 11)
    newest = purchase_price("H100-SXM", None, 1.64)
    assert 19_000 < newest.spread.quantile(0.1) < newest.value < newest.spread.quantile(0.9) < 45_000


def test_prices_of_h100_fall_with_time():
    early, late = (
        purchase_price("H100-SXM", day, 1.64).value for day in (dt.date(2022, 12, 31), dt.date(2025, 12, 31))
    )
    assert late < early


@pytest.mark.parametrize(
    ("accelerator", "day", "reason"),
    [("H100-SXM", dt.date(2020, 1, 1), "the first is"), ("Trainium3", None, "no purchase price of Trainium3")],
)
def test_a_missing_price_names_the_field_and_the_nearest_fact(accelerator, day, reason):
    with pytest.raises(cm.MissingFactError, match=reason) as raised:
        purchase_price(accelerator, day, 1.64)
    assert "prices.purchase_price" in str(raised.value)


def test_prices_that_are_estimates_carry_a_caution():
    assert "estimate" in purchase_price("TPU-v4", None, 1.64).provenance.caution
    assert not purchase_price("H100-SXM", dt.date(2025, 6, 1), 1.64).provenance.caution


def test_a_price_without_quotes_is_scaled_from_the_vendor_with_a_caution():
    figure = cm.Ownership().input("purchase_price", cm.load_accelerator("B300"))
    assert "B300" in figure.provenance.caution and figure.provenance.kind == "assumed"
    assert 20_000 < figure.value < 90_000
    estimate = cm.Ownership().levelized("L4")
    assert any("no quote for L4 " in line for line in estimate.notes())
    for accelerator in ("Trainium3", "Ascend-910B"):  # no accelerator of the vendor has a quote
        with pytest.raises(cm.MissingFactError, match=r"prices\.purchase_price"):
            cm.Ownership().levelized(accelerator)


def test_error_of_scaled_prices_is_that_of_accelerators_left_out():
    errors = []
    for row in cm.accelerators():
        try:
            known = purchase_price(row["name"], None, 1.64).value
            errors.append(abs(np.log(purchase_proxy(cm.load_accelerator(row["name"]), None, 1.64).value / known)))
        except cm.MissingFactError:
            continue
    assert len(errors) == 37
    assert np.exp(np.quantile(errors, 0.8)) == pytest.approx(PROXY_ERROR, rel=0.05)
