"""Prices in the region of a site, and cautions where the price table has none there."""

import pytest

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.hardware.site import is_within
from costmodel.market.places import place_of, regions_at
from costmodel.market.price_table import COLUMNS, as_csv

DAY = "2026-10-01"
RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="10B"),
    cluster=cm.Cluster("A100-80GB-SXM", 64),
    prices=cm.Rental(provider="aws", on=DAY),
    gpu_hours=1000,
)
REGIONS = ["ap-northeast-1", "eu-north-1", "us-east-1", "us-east-2"]


def priced(**changes):
    return cm.estimate(RUN.replace({path.replace("__", "."): value for path, value in changes.items()}))


def region_notes(estimate):
    return [note for note in estimate.notes() if "cluster.site.region" in note]


@pytest.mark.parametrize(
    ("site", "regions"),
    [
        ("aws:us-east-1", ["us-east-1"]),
        ("us-virginia", ["us-east-1"]),
        ("azure:eastus", ["us-east-1"]),  # the same state
        ("USA", ["us-east-1", "us-east-2"]),
        ("sweden", ["eu-north-1"]),
        ("germany", []),
    ],
)
def test_regions_of_a_provider_at_a_site(site, regions):
    assert regions_at(site, "aws", REGIONS) == regions


def test_the_members_of_the_eu_are_within_it():
    members = [row["member"] for row in table("facts/region_members").rows if row["region"] == "EU"]
    assert len(set(members)) == len(members) == 27
    assert all(is_within(member, "EU") for member in members) and is_within("gcp:europe-west4", "EU")
    assert not any(is_within(place, "EU") for place in ("GBR", "CHE", "NOR", "US-VA", "EU-typo"))
    assert regions_at("EU", "aws", REGIONS) == regions_at("Europe", "aws", REGIONS) == ["eu-north-1"]


def test_a_missing_price_of_a_region_names_the_region_and_those_with_a_price():
    rental = cm.Rental(provider="aws", region="eu-central-7", on=DAY)
    reason = cm.estimate(RUN.replace({"prices": rental})).missing_cost
    assert "at aws in 'eu-central-7' is known; known in its regions" in reason and "us-east-1" in reason


def test_a_price_of_the_whole_country_holds_in_its_states():
    assert regions_at("us-virginia", "lambda", ["us", ""]) == ["us"]
    assert place_of("lambda", "") is None and place_of("lambda", "moon") is None


@pytest.mark.parametrize("site", ["aws:us-east-1", "us-virginia"])
def test_the_price_is_that_of_the_region_of_the_site(site):
    estimate = priced(cluster__site__region=site)
    regional = cm.gpu_price("A100-80GB-SXM", "aws", on=DAY, count=64, region="us-east-1")
    assert estimate.inputs["prices.price"].shown()[0] == pytest.approx(regional.usd_per_gpu_hour)
    assert not region_notes(estimate)
    elsewhere = priced(cluster__site__region="aws:ap-northeast-1")
    assert elsewhere.value("cost") > estimate.value("cost")


def test_a_site_without_a_price_keeps_the_price_and_says_so():
    estimate, plain = priced(cluster__site__region="germany"), cm.estimate(RUN)
    assert estimate.value("cost") == plain.value("cost")
    (note,) = region_notes(estimate)
    assert note.startswith("no price on demand of A100-80GB-SXM at aws in germany is known")
    assert "changes electricity, carbon and water only" in note


def test_an_old_price_of_the_region_gives_way_to_a_new_one_elsewhere(tmp_path):
    row = dict.fromkeys(COLUMNS, "") | {
        "accelerator": "H100-SXM", "provider": "acme", "purchase_model": "on_demand", "source_url": "invoice 7",
    }  # fmt: skip
    rows = [
        {**row, "region": "FRA", "usd_per_gpu_hour": "1", "as_of": "2024-01-01"},
        {**row, "region": "DEU", "usd_per_gpu_hour": "2", "as_of": "2026-09-01"},
    ]
    path = tmp_path / "own.csv"
    path.write_text(as_csv(rows), encoding="utf-8")
    prices = {"provider": "acme", "table": str(path), "on": DAY}
    france = priced(prices=prices, cluster__accelerator="H100-SXM", cluster__site__region="france")
    assert france.inputs["prices.price"].shown()[0] == 2
    (note,) = region_notes(france)
    assert note.startswith(
        "the price on demand of H100-SXM at acme in france is older than a year, so the price is that"
    )
    early = priced(
        prices={**prices, "on": "2024-06-01"}, cluster__accelerator="H100-SXM", cluster__site__region="france"
    )
    assert early.inputs["prices.price"].shown()[0] == 1 and not region_notes(early)


def test_several_prices_by_region_are_named_where_no_site_is_given():
    (note,) = region_notes(cm.estimate(RUN))
    assert note.startswith("aws has prices of A100-80GB-SXM in ") and "that of ap-northeast-1 is taken" in note
    one_price = {"provider": "lambda", "on": DAY}
    assert not region_notes(priced(prices=one_price))
    assert not region_notes(priced(prices={"provider": "aws", "on": DAY, "region": "us-east-1"}))


def test_a_market_price_names_providers_of_larger_instances():
    def notes(count):
        run = RUN.replace({"prices": {"on": DAY}, "cluster.accelerator": "H100-SXM", "cluster.count": count})
        return [note for note in cm.estimate(run).notes() if "at a time" in note]

    facts = cm.Rental(on=DAY).lookup("H100-SXM", 4).facts
    larger = sorted(price.provider for price in facts if (price.gpus_per_instance or 1) > 4)
    assert larger and notes(64) == []
    assert notes(4) == [
        f"the market price is that of a GPU-hour; {', '.join(larger)} of its {len(facts)} providers rent more than 4 "
        "accelerators at a time"
    ]


def test_the_market_has_no_region():
    (note,) = region_notes(priced(prices={"on": DAY}, cluster__site__region="germany"))
    assert "price of the market has no region" in note


def test_a_given_price_or_region_stays():
    assert not region_notes(priced(prices={"price": 2}, cluster__site__region="germany"))
    regional = {"provider": "aws", "on": DAY, "region": "us-east-1"}
    assert not region_notes(priced(prices=regional, cluster__site__region="us-virginia"))
    (note,) = region_notes(priced(prices=regional, cluster__site__region="germany"))
    assert note == "prices.region us-east-1 of aws is not in cluster.site.region germany"


def test_an_unknown_provider_or_region_is_refused_with_its_field():
    with pytest.raises(cm.UnknownNameError, match=r"prices\.price: unknown provider"):
        priced(prices={"provider": "awss"}, cluster__site__region="germany")
    with pytest.raises(cm.UnknownNameError, match=r"cluster\.site.*unknown region"):
        priced(cluster__site__region="atlantis")


def test_a_missing_price_names_the_price_and_not_the_region():
    estimate = priced(prices={"provider": "aws", "on": "2015-01-01"}, cluster__site__region="germany")
    assert "no on_demand price" in estimate.missing_cost or "is known on" in estimate.missing_cost
    assert not region_notes(estimate)


def test_serving_takes_the_price_of_the_site():
    serving = cm.Serving(
        architecture="llama-3.1-8b",
        cluster=cm.Cluster("A100-80GB-SXM", 8, site=cm.Site("us-virginia")),
        input_tokens=1000,
        output_tokens=200,
        concurrency=8,
        prices=cm.Rental(provider="aws", on=DAY),
    )
    regional = cm.gpu_price("A100-80GB-SXM", "aws", on=DAY, count=8, region="us-east-1").usd_per_gpu_hour
    assert cm.estimate(serving).inputs["prices.price"].figure.value == pytest.approx(regional)
    notes = cm.estimate(serving.replace({"cluster.site.region": "germany"})).notes()
    assert any("changes electricity, carbon and water only" in note for note in notes)


def test_regions_of_google_lie_in_their_states():
    priced = ["us-central1", "us-east1", "us-east5", "us-west1", "europe-west4"]
    for state, region in (
        ("us-iowa", "us-central1"),
        ("South Carolina", "us-east1"),
        ("US-OH", "us-east5"),
        ("oregon", "us-west1"),
        ("Netherlands", "europe-west4"),
    ):
        assert regions_at(state, "gcp", priced) == [region]
    states = [row for row in table("facts/region_members").rows if row["region"].startswith("US-")]
    google = {row["region"] for row in table("facts/grid_intensity").rows if row["region"].startswith("gcp:us-")}
    assert {row["member"] for row in states} == google


def test_a_state_finds_the_price_of_the_region_in_it():
    cluster = cm.Cluster("H100-SXM", 8, site={"region": "us-iowa"})
    rental = cm.Rental(provider="gcp", purchase_model="spot", on="2026-10-01")
    central = rental.replace(region="us-central1").figure("H100-SXM", 8, 8)
    assert rental.price_of(cluster) == central and rental.caution(cluster) == ""
