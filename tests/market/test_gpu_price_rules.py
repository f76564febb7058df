"""GPU prices: selection by day, instance size, region and provider, and the market median, on small tables."""

import datetime as dt
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import Table
from costmodel.market.gpu_prices import HYPERSCALERS, gpu_price, market_spread, named_provider, vintage
from costmodel.market.price_table import COLUMNS


def facts(*rows):
    """Make a table of (provider, day, price) with further columns by name."""
    listed = []
    for provider, day, price, *further in rows:
        row = {
            "accelerator": "H100-SXM", "provider": provider, "region": "", "instance_type": "",
            "gpus_per_instance": "8", "purchase_model": "on_demand", "usd_per_gpu_hour": str(price),
            "as_of": day, "source_url": f"https://{provider}.example/{day}", "note": "",
        }  # fmt: skip
        listed.append({**row, **(further[0] if further else {})})
    return Table("made by hand", tuple(listed), COLUMNS, "0")


DATED = facts(("lambda", "2025-01-01", 3), ("lambda", "2025-06-01", 2), ("lambda", "2026-01-01", 4))


@pytest.mark.parametrize(
    ("day", "price", "as_of"),
    [
        ("2025-01-01", 3, "2025-01-01"),
        ("2025-05-31", 3, "2025-01-01"),
        ("2025-06-01", 2, "2025-06-01"),
        ("2025-12-31", 2, "2025-06-01"),
        ("2026-01-01", 4, "2026-01-01"),
        ("2030-01-01", 4, "2026-01-01"),
        (None, 4, "2026-01-01"),
    ],
)
def test_newest_price_on_or_before_the_day_is_used(day, price, as_of):
    found = gpu_price("H100", "lambda", on=day, facts=DATED)
    assert (found.usd_per_gpu_hour, str(found.as_of)) == (price, as_of)
    assert found.source == f"https://lambda.example/{as_of}"


def test_day_is_accepted_as_a_date():
    assert gpu_price("H100", "lambda", on=dt.date(2025, 7, 1), facts=DATED).usd_per_gpu_hour == 2


def test_day_before_all_prices_raises_missing_fact_error():
    with pytest.raises(cm.MissingFactError, match=r"is known on 2024-12-31: the first is of 2025-01-01"):
        gpu_price("H100", "lambda", on="2024-12-31", facts=DATED)


@pytest.mark.parametrize("day", ["2025-13-01", "yesterday", "", 5])
def test_invalid_day_raises_input_error(day):
    with pytest.raises(cm.InputError, match=r"must be a date such as 2026-09-01"):
        gpu_price("H100", "lambda", on=day, facts=DATED)


def test_datetime_is_read_as_its_day():
    assert gpu_price("H100", "lambda", on=dt.datetime(2025, 7, 1, 12), facts=DATED).usd_per_gpu_hour == 2


def sized(size, price, region="us", day="2026-01-01"):
    return ("lambda", day, price, {"gpus_per_instance": str(size), "region": region})


SIZES = facts(
    sized(1, 3.5), sized(4, 3.2), sized(8, 3.0), sized(8, 2.9, "eu"), sized(16, 2.5), sized(1, 9, day="2025-01-01")
)


@pytest.mark.parametrize(
    ("count", "price"),
    [(1, 3.5), (3, 3.5), (4, 3.2), (7, 3.2), (8, 2.9), (15, 2.9), (16, 2.5), (1024, 2.5), (None, 2.5)],
)
def test_the_largest_instance_not_larger_than_the_count(count, price):
    assert gpu_price("H100", "lambda", count=count, facts=SIZES).usd_per_gpu_hour == price


def test_first_region_in_alphabetical_order_breaks_ties():
    table = facts(sized(8, 1, "us-west"), sized(8, 2, "us-east"), sized(8, 3, "eu"))
    assert gpu_price("H100", "lambda", count=8, facts=table).region == "eu"
    assert gpu_price("H100", "lambda", count=8, region="us-west", facts=table).usd_per_gpu_hour == 1


def test_smallest_instance_is_used_if_all_are_larger_than_the_count():
    table = facts(sized(8, 3), sized(16, 2))
    assert gpu_price("H100", "lambda", count=2, facts=table).gpus_per_instance == 8


def test_price_without_instance_size_is_for_one_accelerator():
    table = facts(("lambda", "2026-01-01", 3, {"gpus_per_instance": ""}), sized(8, 2))
    assert gpu_price("H100", "lambda", count=4, facts=table).usd_per_gpu_hour == 3


@settings(max_examples=40, deadline=None)
@given(
    st.permutations([sized(1, 3.5), sized(8, 3.0), sized(8, 2.9, "eu"), sized(16, 2.5), sized(8, 7, day="2025-01-01")])
)
def test_the_order_of_rows_does_not_matter(rows):
    assert gpu_price("H100", "lambda", count=8, facts=facts(*rows)).usd_per_gpu_hour == 2.9


def test_an_unknown_region_of_a_provider():
    with pytest.raises(cm.MissingFactError, match="no on_demand price of H100-SXM at lambda"):
        gpu_price("H100", "lambda", region="mars", facts=SIZES)


def test_market_price_refuses_a_region():
    with pytest.raises(cm.CostModelError, match="region"):
        gpu_price("H100", region="mars", on="2026-01-01", facts=SIZES)


def test_unknown_names_get_suggestions():
    with pytest.raises(cm.UnknownNameError, match=r"unknown provider 'lamda'; did you mean 'lambda'\?"):
        gpu_price("H100", "lamda", facts=DATED)
    with pytest.raises(cm.UnknownNameError, match=r"unknown accelerator 'H100-SXN'; did you mean 'H100-SXM'"):
        gpu_price("H100-SXN", "lambda", facts=DATED)
    with pytest.raises(cm.InputError, match=r"unknown purchase model 'on_demnd'; did you mean 'on_demand'\?"):
        gpu_price("H100", "lambda", "on_demnd", facts=DATED)


def test_names_in_any_spelling():
    for name in ("h100", "H100 SXM5 80GB", "NVIDIA H100", "H100-SXM"):
        assert gpu_price(name, "Lambda", facts=DATED).accelerator == "H100-SXM"


def test_accelerator_without_rental_prices():
    with pytest.raises(cm.MissingFactError, match=r"no rental price of K80 is known at all"):
        gpu_price("K80", "lambda", facts=DATED)


def test_accelerator_outside_the_catalog_is_priced():
    table = facts(("lambda", "2026-01-01", 9, {"accelerator": "My-chip"}))
    assert gpu_price("my chip", "lambda", facts=table).usd_per_gpu_hour == 9


def test_purchase_models_are_not_substituted():
    spot = ("lambda", "2026-02-01", 1, {"purchase_model": "spot"})
    table = facts(("lambda", "2026-01-01", 3), spot)
    assert gpu_price("H100", "lambda", facts=table).usd_per_gpu_hour == 3
    assert gpu_price("H100", "lambda", "spot", facts=table).usd_per_gpu_hour == 1
    with pytest.raises(cm.MissingFactError, match=r"no reserved_1y price .*known: lambda \(on_demand.*lambda \(spot"):
        gpu_price("H100", "lambda", "reserved_1y", facts=table)
    assert gpu_price("H100", purchase_model="spot", facts=table).usd_per_gpu_hour == 1


MARKET = facts(
    ("lambda", "2025-12-01", 3), ("lambda", "2026-01-01", 2.8), ("nebius", "2026-01-10", 2),
    ("runpod", "2025-12-31", 4),
    *((provider, "2026-01-20", 50) for provider in sorted(HYPERSCALERS)), ("index:somebody", "2026-01-20", 40),
    ("crusoe", "2025-03-01", 30),
)  # fmt: skip


def test_market_price_is_the_median_of_the_newest_price_of_each_provider():
    market = gpu_price("H100", on="2026-01-20", facts=MARKET)
    assert market.usd_per_gpu_hour == 2.8
    assert sorted(fact.provider for fact in market.facts) == ["lambda", "nebius", "runpod"]
    assert market.as_of == dt.date(2026, 1, 10) and market.provider == "market"
    assert market.source == "median of 3 providers: lambda, nebius, runpod"


def test_an_even_number_of_providers():
    table = facts(("a", "2026-01-01", 2), ("b", "2026-01-01", 3), ("c", "2026-01-01", 4), ("d", "2026-01-01", 10))
    assert gpu_price("H100", facts=table).usd_per_gpu_hour == 3.5


def test_market_price_ignores_later_prices():
    assert [f.provider for f in gpu_price("H100", on="2025-12-15", facts=MARKET).facts] == ["lambda"]


@pytest.mark.parametrize(("day", "counted"), [("2026-06-30", True), ("2026-07-01", False)])
def test_market_window_is_180_days(day, counted):
    table = facts(("lambda", "2026-01-01", 2), ("nebius", "2026-06-01", 4))
    providers = [fact.provider for fact in gpu_price("H100", on=day, facts=table).facts]
    assert ("lambda" in providers) is counted and "nebius" in providers


def test_market_without_prices_raises_missing_fact_error():
    table = facts(("aws", "2026-01-01", 9), ("index:somebody", "2026-01-01", 4), ("lambda", "2024-01-01", 2))
    with pytest.raises(cm.MissingFactError, match=r"in the 180 days up to 2026-01-01; known: aws"):
        gpu_price("H100", facts=table)


def test_the_market_on_the_first_day_of_the_calendar():
    with pytest.raises(cm.MissingFactError, match="0001-01-01"):
        gpu_price("H100", on="0001-01-01", facts=MARKET)


def test_the_market_in_any_case():
    assert gpu_price("H100", "Market", on="2026-01-20", facts=MARKET) == gpu_price(
        "H100", on="2026-01-20", facts=MARKET
    )


def test_the_market_takes_the_fitting_instance_of_each_provider():
    table = facts(sized(1, 5), sized(8, 3), ("nebius", "2026-01-01", 2, {"gpus_per_instance": "1"}))
    assert gpu_price("H100", count=8, facts=table).usd_per_gpu_hour == 2.5
    assert gpu_price("H100", count=1, facts=table).usd_per_gpu_hour == 3.5


def test_the_spread_of_the_market_by_hand():
    prices = (2.0, 2.8, 4.0)
    market = gpu_price("H100", on="2026-01-20", facts=MARKET)
    logs = [math.log(price) for price in prices]
    mean = sum(logs) / 3
    sd = math.sqrt(sum((log - mean) ** 2 for log in logs) / 2 * (1 + 1 / 3))
    assert market_spread(prices) == pytest.approx(sd)
    assert market.spread.median() == pytest.approx(2.8)
    assert market.spread.high / 2.8 == pytest.approx(math.exp(sd * normal_quantile(0.9)))
    assert market.spread.level == 0.8


@pytest.mark.parametrize("prices", [(2,), (2, 3), (2, 2, 2)])
def test_few_or_equal_prices_get_the_assumed_spread(prices):
    table = facts(*((f"provider{number}", "2026-01-01", price) for number, price in enumerate(prices)))
    market = gpu_price("H100", facts=table)
    assert market.spread.low < market.usd_per_gpu_hour < market.spread.high


@pytest.mark.parametrize(("difference", "assumed"), [(1.35e-6, True), (1.7e-6, False)])
def test_prices_that_differ_by_a_millionth_get_the_assumed_spread(difference, assumed):
    """The standard deviation for a further provider is two thirds of the difference: 0.9e-6 and 1.13e-6."""
    table = facts(
        *((f"provider{number}", "2026-01-01", price) for number, price in enumerate((2, 2, 2 + 2 * difference)))
    )
    spread = gpu_price("H100", facts=table).spread
    assert (spread.high / spread.low > 1.5) is assumed


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.1, 50), min_size=1, max_size=7), st.floats(0.1, 10))
def test_the_market_scales_with_its_prices(prices, factor):
    one, other = (
        gpu_price("H100", facts=facts(*((f"p{n}", "2026-01-01", each * f) for n, each in enumerate(prices))))
        for f in (1, factor)
    )
    assert min(prices) <= one.usd_per_gpu_hour <= max(prices)
    assert other.usd_per_gpu_hour == pytest.approx(factor * one.usd_per_gpu_hour)
    assert (other.spread.low, other.spread.high) == pytest.approx((factor * one.spread.low, factor * one.spread.high))


@pytest.mark.parametrize(("day", "stale"), [("2026-01-01", False), ("2027-01-01", False), ("2027-01-02", True)])
def test_a_fact_is_stale_after_a_year(day, stale):
    assert gpu_price("H100", "lambda", on=day, facts=DATED).stale is stale


def test_the_vintage_is_the_newest_fact():
    assert vintage(DATED) == dt.date(2026, 1, 1)
    assert gpu_price("H100", "lambda", facts=DATED).on == dt.date(2026, 1, 1)


def test_a_table_without_facts():
    with pytest.raises(cm.CostModelError):
        gpu_price("H100", facts=facts())


@pytest.mark.parametrize(
    ("written", "name"),
    [("Amazon", "aws"), ("Google Cloud", "gcp"), ("microsoft azure", "azure"), ("Lambda Labs", "lambda")],
)
def test_providers_answer_to_the_names_of_their_companies(written, name):
    assert named_provider(written) == name
    assert gpu_price("H100-SXM", written, on="2026-10-01").usd_per_gpu_hour == (
        gpu_price("H100-SXM", name, on="2026-10-01").usd_per_gpu_hour
    )
