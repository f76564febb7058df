"""Prices that nobody is known to ask: what they are taken from, how far off they are, and when there is none."""

import datetime as dt
import math

import pytest

import costmodel as cm
from costmodel.foundation.tables import Table, table
from costmodel.market.gpu_prices import gpu_price
from costmodel.market.price_proxies import (
    FARTHEST,
    OLDEST,
    capability,
    distance,
    price_proxy,
    proxy_figures,
    related_price,
)
from costmodel.market.price_table import COLUMNS
from costmodel.market.proxy_errors import ProxyCase, proxy_cases, spread_of, usual_ratio
from costmodel.validation.price_proxies import validate_price_proxies

DAY = dt.date(2026, 10, 1)


def facts(*rows):
    """Return a price table of rows with accelerator, provider, purchase model, price and day."""
    listed = [
        {
            **dict.fromkeys(COLUMNS, ""),
            "accelerator": name,
            "provider": provider,
            "purchase_model": model,
            "usd_per_gpu_hour": str(price),
            "as_of": day,
            "source_url": "invoice",
        }
        for name, provider, model, price, day in rows
    ]
    return Table("own", tuple(listed), COLUMNS, "")


def test_a_relative_gives_the_geometric_mean_of_three_prices():
    """H200 from H100-SXM alone: per FLOP/s 989.5/989.4, per GB/s 4800/3350, per GB 141/80."""
    related = related_price("H200-SXM", {"H100-SXM": 3.0, "H200-SXM": 99.0, "T4": 0.5})
    assert related.names == ("H100-SXM",)  # T4 is too far, and the own price is not used
    assert related.usd_per_gpu_hour == pytest.approx(3 * (989.5 / 989.4 * 4800 / 3350 * 141 / 80) ** (1 / 3))


def test_a_near_relative_has_more_weight_and_three_are_used():
    prices = {"H100-SXM": 2.0, "H100-PCIe": 4.0, "A100-80GB-SXM": 4.0, "L40S": 4.0}
    related = related_price("H800-SXM", prices)
    assert related.names == ("H100-SXM", "H100-PCIe", "A100-80GB-SXM")
    own = [capability(name) for name in ("H800-SXM", *related.names)]
    weights = [1 / (distance(own[0], other) + 0.2) for other in own[1:]]
    logs = [
        math.log(prices[name]) + (sum(own[0]) - sum(other)) / 3
        for name, other in zip(related.names, own[1:], strict=True)
    ]
    expected = sum(weight * log for weight, log in zip(weights, logs, strict=True)) / sum(weights)
    assert math.log(related.usd_per_gpu_hour) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MTIA-v2", "no memory bandwidth and no memory of MTIA-v2"),
        ("Max-1550", "no 16-bit peak of Max-1550"),
        ("Ascend-920", "no memory of Ascend-920"),
        ("K80", "no 16-bit peak of K80"),
    ],
)
def test_an_accelerator_that_cannot_be_compared_has_no_proxy(name, message):
    with pytest.raises(cm.MissingFactError, match=message):
        price_proxy(name)


def test_an_accelerator_far_from_all_others_has_no_proxy():
    only = facts(("T4", "lambda", "on_demand", 0.5, "2026-09-30"))
    with pytest.raises(cm.MissingFactError, match=r"nearest accelerator with a price, T4, differs from B200 too much"):
        price_proxy("B200", on=DAY, facts=only)
    assert distance(capability("T4"), capability("B200")) > FARTHEST
    with pytest.raises(cm.MissingFactError, match="no other accelerator has a price on that day"):
        price_proxy("V100-32GB-PCIe", on="2018-04-01", facts=only)


def test_an_accelerator_has_no_price_before_its_release():
    with pytest.raises(cm.MissingFactError, match="H100-SXM was released on 2022-09-20, after 2022-09-19"):
        price_proxy("H100-SXM", on="2022-09-19")
    assert price_proxy("H100-SXM", on="2022-09-20").usd_per_gpu_hour > 1


def test_the_own_last_price_comes_before_relatives():
    own = ("H100-SXM", "lambda", "on_demand", 3, "2025-10-01"), ("H200-SXM", "lambda", "on_demand", 4, "2026-09-30")
    proxy = price_proxy("H100-SXM", on=DAY, facts=facts(*own))
    assert (proxy.usd_per_gpu_hour, proxy.as_of) == (3, dt.date(2025, 10, 1))
    assert proxy.proxy == "proxy from H100-SXM: its price of 2025-10-01 (lambda 3 USD/h), 365 days earlier"
    old = (DAY - OLDEST - dt.timedelta(days=1)).isoformat()
    related = price_proxy("H100-SXM", on=DAY, facts=facts((*own[0][:4], old), own[1]))
    assert related.proxy.startswith("proxy from H200-SXM: price per FLOP/s")


def test_a_list_price_stands_in_only_where_nobody_else_rents():
    listed = ("TPU-v5e", "gcp", "on_demand", 1.2, "2026-09-01"), ("H100-SXM", "lambda", "on_demand", 3, "2026-09-30")
    proxy = price_proxy("TPU-v5e", on=DAY, facts=facts(*listed))
    assert proxy.usd_per_gpu_hour == 1.2 and "list price of gcp of 2026-09-01" in proxy.proxy
    rented = ("TPU-v5e", "lambda", "on_demand", 0.9, "2026-01-01")
    assert price_proxy("TPU-v5e", on=DAY, facts=facts(*listed, rented)).usd_per_gpu_hour == 0.9


def test_another_purchase_model_is_its_usual_ratio_to_on_demand():
    ratio = proxy_figures()["reserved_1y"]
    proxy = price_proxy("H100-SXM", "reserved_1y", DAY)
    on_demand = gpu_price("H100-SXM", on=DAY)
    assert proxy.usd_per_gpu_hour == pytest.approx(ratio["value"] * on_demand.usd_per_gpu_hour)
    assert proxy.spread.high / proxy.spread.low > on_demand.spread.high / on_demand.spread.low
    both = price_proxy("H800-SXM", "reserved_1y", DAY).proxy
    assert both.startswith("proxy from H100-SXM, ") and "price on demand × 0.65" in both
    with pytest.raises(cm.MissingFactError, match="fewer than 5 accelerators have prices reserved short"):
        price_proxy("H100-SXM", "reserved_short", DAY)


def test_one_year_ratios_agree_with_an_index_that_no_fit_reads():
    """SemiAnalysis one-year H100: 1.70 USD in October 2025, 2.35 in March 2026."""
    for row in table("gpu_prices").rows:
        if (row["provider"], row["purchase_model"]) == ("index:semianalysis", "reserved_1y"):
            proxy = price_proxy("H100-SXM", "reserved_1y", row["as_of"])
            assert proxy.spread.quantile(0.05) < float(row["usd_per_gpu_hour"]) < proxy.spread.quantile(0.95)


def test_the_spread_is_that_of_the_other_accelerators():
    cases = [ProxyCase("relatives", name, DAY, measured * math.exp(error), measured)
             for name, measured, error in (("a", 1.0, 0.3), ("a", 2.0, -0.3), ("b", 1.0, 0.4))]  # fmt: skip
    assert spread_of(cases) == pytest.approx(math.sqrt((0.3**2 + 0.4**2) / 2))
    assert spread_of(cases, without="b") == pytest.approx(0.3)
    assert spread_of(cases, without="a") == pytest.approx(0.4)


def test_a_ratio_is_the_median_over_accelerators():
    def pairs(*ratios):
        return [(gpu(ratio), gpu(1.0)) for ratio in ratios]

    def gpu(price):
        return cm.gpu_price("H100-SXM", facts=facts(("H100-SXM", "lambda", "on_demand", price, "2026-01-01")))

    known = {"a": pairs(0.5, 0.5), "b": pairs(0.7), "c": pairs(0.9)}
    assert usual_ratio(known) == pytest.approx(0.7)
    assert usual_ratio(known, without="a") == pytest.approx(math.sqrt(0.7 * 0.9))


def test_errors_of_proxies_are_inside_their_intervals():
    """Each accelerator is left out in turn: 60 to 97 % of the prices are in the 80 % interval, half within 40 %."""
    scored = validate_price_proxies(table("gpu_prices"))
    assert scored["scored"] > 300 and set(scored["families"]) >= {"relatives", "earlier", "reserved 1y"}
    for name, part in scored["families"].items():
        assert 0.6 <= part["coverage"]["0.8"] <= 0.97, name
        assert part["median_ape"] < 0.4 and abs(part["bias"]) < 0.2, name


def test_no_case_uses_the_price_that_it_predicts():
    cases = [case for case in proxy_cases() if case.kind == "relatives"]
    changed = tuple(
        {**row, "usd_per_gpu_hour": str(2 * float(row["usd_per_gpu_hour"]))}
        if row["accelerator"] == "H200-SXM"
        else row
        for row in table("gpu_prices").rows
    )
    doubled = proxy_cases(Table("doubled", changed, COLUMNS, ""))
    own = [(case.day, case.predicted) for case in cases if case.accelerator == "H200-SXM"]
    assert own == [(c.day, c.predicted) for c in doubled if c.kind == "relatives" and c.accelerator == "H200-SXM"]
    measured = [case.measured for case in cases if case.accelerator == "H200-SXM"]
    assert [2 * value for value in measured] == [
        case.measured for case in doubled if case.kind == "relatives" and case.accelerator == "H200-SXM"
    ]


def test_the_figure_of_an_estimate_names_its_proxy():
    figure = cm.Rental(on=DAY).figure("H800-SXM", 2048, 8)
    assert figure.provenance.kind == "assumed" and figure.provenance.note.startswith("proxy from H100-SXM, ")
    assert figure.provenance.caution.startswith("prices.price: proxy from H100-SXM, ")
    spread = math.log(figure.spread.high / figure.spread.low) / 2 / 1.2815515655446004
    assert spread == pytest.approx(proxy_figures()["relatives"]["spread"], rel=1e-6)
    assert cm.Rental(on=DAY).figure("H100-SXM", 8, 8).provenance.kind == "looked up"


def test_a_named_provider_has_no_proxy():
    with pytest.raises(cm.MissingFactError, match=r"no spot price of H200-SXM at aws is known; known: aws \(on_demand"):
        cm.Rental(provider="aws", purchase_model="spot").figure("H200-SXM", 8, 8)
    with pytest.raises(cm.MissingFactError, match="no rental price of H800-SXM is known at all"):
        cm.Rental(provider="aws").figure("H800-SXM", 8, 8)


def test_own_prices_are_relatives_too(tmp_path):
    from costmodel.market.price_table import as_csv

    path = tmp_path / "own.csv"
    path.write_text(as_csv(facts(("H800-SXM", "my-cloud", "on_demand", 1.9, "2026-09-01")).rows), encoding="utf-8")
    figure = cm.Rental(table=str(path), on=DAY).figure("H800-SXM", 8, 8)
    assert figure.value == 1.9 and figure.provenance.kind == "looked up"
    assert "H800-SXM" in cm.Rental(table=str(path), on=DAY).proxy("H100-96GB-500W").proxy
