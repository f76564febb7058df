"""A run at every provider, in every region and purchase model."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.rendering import WIDTH
from costmodel.foundation.tables import table as library
from costmodel.market.gpu_prices import PURCHASE_MODELS, traced_by_accelerator
from costmodel.market.price_table import as_csv

DAY = "2026-10-01"
RUN = cm.Scenario(
    architecture="llama-3.1-8b",
    recipe=cm.Pretraining(tokens="100B", sequence_length=8192),
    cluster=cm.Cluster("H100-SXM", 64),
    mfu=0.4,
)


@pytest.fixture(scope="module")
def everywhere():
    return cm.price_everywhere(RUN, on=DAY)


def test_every_price_of_the_day_has_a_row(everywhere):
    day = dt.date.fromisoformat(DAY)
    offers = {
        (price.provider, price.region, price.purchase_model)
        for price in traced_by_accelerator()["H100-SXM"]
        if price.as_of <= day and not price.provider.startswith("index:")
    }
    rows = {(row.provider, row.region, row.purchase_model) for row in everywhere}
    assert offers <= rows and len(rows) == len(everywhere)


def test_a_cost_is_that_of_the_estimate_with_the_rental(everywhere):
    assert len(everywhere.priced) > 20
    for row in everywhere.priced[:: len(everywhere.priced) // 6]:
        region = {} if row.provider == "market" else {"region": row.region}
        prices = {"provider": row.provider, "purchase_model": row.purchase_model, "on": DAY, **region}
        own = cm.estimate(RUN.replace({"prices": prices}))
        assert row.cost == own.value("cost") == row.estimate.value("cost")
        assert row.interval == own.bounds("cost")
        assert row.wall_time == own.value("wall_time")
        assert row.usd_per_gpu_hour == own.inputs["prices.price"].shown()[0]


def test_rows_are_in_the_order_of_cost_and_missing_ones_at_the_end(everywhere):
    costs = [row.cost for row in everywhere.priced]
    assert costs == sorted(costs)
    assert [row.scenario is None for row in everywhere] == [False] * len(costs) + [True] * len(everywhere.missing)


def test_a_missing_price_has_a_reason_and_the_nearest_price(everywhere):
    rows = traced_by_accelerator().values()
    sold = {
        (price.provider, price.purchase_model)
        for prices in rows
        for price in prices
        if str(price.as_of) <= DAY and not price.provider.startswith("index:")
    }
    assert sold <= {(row.provider, row.purchase_model) for row in everywhere}
    (missing,) = [row for row in everywhere.missing if (row.provider, row.purchase_model) == ("aws", "reserved_1y")]
    assert missing.reason == f"no reserved_1y price of H100-SXM at aws is known on {DAY}"
    assert missing.nearest.provider == "aws" and missing.cost is None
    assert missing.row()["nearest"].startswith("aws us-east-1 on demand, 6.88 USD/h of 2026-09-17")
    with pytest.raises(cm.MissingFactError, match="no reserved_1y price"):
        missing.estimate  # noqa: B018


def test_an_old_price_counts_as_missing(everywhere):
    (old,) = [row for row in everywhere.missing if (row.provider, row.purchase_model) == ("oci", "on_demand")]
    assert old.reason == "the newest price, of 2025-03-17, is 563 days old; max_age is 365"
    assert cm.price_everywhere(RUN, on=DAY, max_age=600, providers=["oci"])[0].age == 563
    assert not cm.price_everywhere(RUN, on=DAY, max_age=0, providers=["oci"]).priced


def test_carbon_is_that_of_the_region_of_the_price(everywhere):
    rows = {(row.provider, row.region): row for row in everywhere.priced if row.purchase_model == "on_demand"}
    virginia = cm.estimate(RUN.replace({"cluster.site.region": "us-virginia", "prices.on": DAY}))
    assert rows["aws", "us-east-1"].carbon == virginia.value("carbon")
    assert rows["aws", "eu-north-1"].carbon < virginia.value("carbon") / 3
    assert rows["nebius", ""].carbon is None
    known_grid = RUN.replace({"cluster.site.grid_intensity": 0.1})
    nebius = cm.price_everywhere(known_grid, on=DAY, providers=["nebius"], purchase_models=["spot"])
    assert nebius.priced and all(row.carbon is not None for row in nebius.priced)


def test_filters(everywhere):
    spot = cm.price_everywhere(RUN, on=DAY, purchase_models=["spot"])
    assert {row.purchase_model for row in spot} == {"spot"}
    assert [row.cost for row in spot.priced] == [row.cost for row in everywhere.priced if row.purchase_model == "spot"]
    aws = cm.price_everywhere(RUN, on=DAY, providers=["AWS"])
    assert {row.provider for row in aws} == {"aws"} and {"on_demand", "spot"} <= {row.purchase_model for row in aws}
    virginia = cm.price_everywhere(RUN, on=DAY, regions=["us-virginia"])
    assert {row.region for row in virginia.priced} == {"us-east-1", "us", "eastus"}
    assert {row.provider for row in virginia.missing} <= {row.provider for row in virginia.priced}
    named = cm.price_everywhere(RUN, on=DAY, regions=["eu-north-1"], providers=["aws"])
    assert [row.region for row in named.priced] == ["eu-north-1"]
    assert "no spot price of H100-SXM at aws is known in eu-north-1" in [row.reason for row in named.missing]


@pytest.mark.parametrize(
    ("filters", "problems"),
    [
        ({"providers": ["awss"]}, ["unknown provider 'awss'"]),
        ({"purchase_models": ["spots"], "max_age": -1}, ["did you mean 'spot'", "max_age: must be a number of days"]),
        ({"regions": ["atlantis"]}, ["regions: unknown region 'atlantis'"]),
        ({"providers": "aws"}, ["providers: must be a list of names; got 'aws'"]),
        ({"regions": []}, ["regions: must be a list of at least one name"]),
        ({"level": 1.5}, ["level must be a fraction"]),
        ({"on": "soon"}, ["on: must be a date"]),
    ],
)
def test_invalid_filters_are_refused_together(filters, problems):
    with pytest.raises(cm.CostModelError) as raised:
        cm.price_everywhere(RUN, **filters)
    for problem in problems:
        assert problem in str(raised.value)


def test_an_accelerator_without_prices_has_rows_without_a_cost():
    table = cm.price_everywhere(RUN.replace({"cluster.accelerator": "H20"}), on=DAY)
    assert not table.priced and len(table) > 20 and table[0].nearest is None
    assert "no price is known" in str(table)


def test_frame_text_html_and_dict(everywhere):
    pytest.importorskip("pandas")
    frame = everywhere.to_frame()
    assert len(frame) == len(everywhere) and frame.index.names == ["provider", "region", "purchase_model"]
    assert frame["cost"].notna().sum() == len(everywhere.priced)
    lines = str(everywhere).splitlines()
    assert max(map(len, lines)) <= WIDTH and "price of" in lines[1] and len(lines) == len(everywhere) + 6
    assert "carbon" in everywhere._repr_html_() and "not known" in everywhere.to_markdown()
    data = everywhere.to_dict()
    assert data["on"] == DAY and len(data["rows"]) == len(everywhere)
    wide = cm.price_everywhere(RUN, on=DAY, level=0.95, providers=["market"], purchase_models=["on_demand"])
    usual = [row for row in everywhere.priced if (row.provider, row.purchase_model) == ("market", "on_demand")]
    assert wide[0].interval[0] < usual[0].interval[0] and "95 % interval" in str(wide)


def own_prices(folder, usd):
    row = dict.fromkeys(library("gpu_prices").columns, "") | {
        "accelerator": "H100-SXM", "provider": "acme", "gpus_per_instance": "8", "purchase_model": "on_demand",
        "usd_per_gpu_hour": str(usd), "as_of": "2026-09-01", "source_url": "invoice 7",
    }  # fmt: skip
    path = folder / f"own {usd}.csv"
    path.write_text(as_csv([row]), encoding="utf-8")
    return str(path)


@settings(max_examples=10)
@given(usd=st.floats(0.01, 500).map(lambda value: round(value, 4)))
def test_the_cost_is_linear_in_the_price(tmp_path_factory, usd):
    folder = tmp_path_factory.mktemp("prices")
    tables = [own_prices(folder, price) for price in (usd, 1.0)]
    priced = [
        cm.price_everywhere(RUN.replace({"prices": {"table": path}}), on=DAY, providers=["acme"])[0] for path in tables
    ]
    assert priced[0].cost == pytest.approx(priced[1].cost * usd, rel=1e-9)
    assert priced[0].interval == pytest.approx(tuple(usd * end for end in priced[1].interval), rel=1e-9)


def test_a_cluster_smaller_than_an_instance_pays_the_whole_instance(tmp_path):
    run = RUN.replace({"prices": {"table": own_prices(tmp_path, 1.5)}, "cluster.count": 4})
    table = cm.price_everywhere(run, on=DAY, providers=["acme"])
    (row,) = table
    assert row.usd_per_gpu_hour == pytest.approx(1.5 * 8 / 4)
    assert "USD/h: per accelerator in use; idle ones of a whole instance are paid with it" in str(table)
    assert "8 billed for 4" in row.row()["note"]


def test_all_purchase_models_have_a_short_title():
    from costmodel.planning.priced import SHORT_PURCHASE_MODELS

    assert set(SHORT_PURCHASE_MODELS) == set(PURCHASE_MODELS)
