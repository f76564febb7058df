"""Rental prices: given, looked up, and from price files of the user."""

import pytest

import costmodel as cm
from costmodel.foundation.tables import table as library
from costmodel.market.price_table import as_csv

OWN = {
    "accelerator": "H100-SXM", "provider": "my-cloud", "region": "us", "instance_type": "8x", "gpus_per_instance": "8",
    "purchase_model": "on_demand", "usd_per_gpu_hour": "1.5", "as_of": "2026-08-01", "source_url": "invoice 7",
    "note": "",
}  # fmt: skip


def own_table(tmp_path, *rows, name="own.csv"):
    path = tmp_path / name
    path.write_text(as_csv([{**OWN, **row} for row in rows or ({},)]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("price", [2, "2 USD/hour", "$2/h", "2 USD/gpu/hour", "48 USD/day"])
def test_a_given_price(price):
    figure = cm.Rental(price=price).figure("anything at all", 8, 8)
    assert figure.value == pytest.approx(2)
    assert figure.spread is None and figure.provenance.kind == "given"


def test_a_price_per_instance_is_shared_by_its_accelerators():
    figure = cm.Rental(price="98.32 USD/hour", per="instance").figure("H100-SXM", 1024, 8)
    assert figure.value == pytest.approx(12.29)
    assert "per instance of 8" in figure.provenance.note
    spread = cm.Rental(price="16 to 32 USD/hour", per="instance").figure("H100-SXM", 1024, 4).spread
    assert (spread.low, spread.high) == (4, 8)


def test_a_price_per_instance_in_a_scenario():
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="10B"),
        cluster=cm.Cluster("H100-SXM", 64, gpus_per_node=4),
        gpu_hours="1k",
        prices=cm.Rental(price=8, per="instance"),
    )
    assert cm.estimate(run).value("cost") == pytest.approx(1000 * 2)
    assert cm.estimate(run.replace({"prices.per": "gpu"})).value("cost") == pytest.approx(1000 * 8)


def test_a_price_with_a_range():
    figure = cm.Rental(price="1 to 4 USD/hour").figure("H100-SXM", 8, 8)
    assert figure.value == pytest.approx(2) and figure.spread.quantile(0.9) == pytest.approx(4)


def test_a_looked_up_price_has_a_source():
    figure = cm.Rental(provider="lambda", on="2026-10-01").figure("H100-SXM", 8, 8)
    assert figure.value == 3.99
    assert figure.provenance.kind == "looked up" and figure.provenance.as_of == "2026-09-17"
    assert "lambda.ai/pricing" in figure.provenance.source
    assert figure.provenance.note.startswith("lambda, on demand") and "for 2026-10-01" in figure.provenance.note


def test_an_old_price_has_a_caution():
    provenance = cm.Rental(provider="oci", on="2026-10-01").figure("H100-SXM", 8, 8).provenance
    assert "2025-03-17 is older than a year" in provenance.caution
    fresh = cm.Rental(provider="lambda", on="2026-10-01").figure("H100-SXM", 8, 8).provenance
    assert fresh.caution == ""


def test_the_market_is_the_default():
    figure = cm.Rental().figure("H100-SXM", 8, 8)
    assert figure.value == cm.gpu_price("H100-SXM", count=8).usd_per_gpu_hour
    assert figure.spread.low < figure.value < figure.spread.high


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"price": 2, "provider": "lambda"}, "price is given, so provider has no effect"),
        ({"price": 2, "provider": "market"}, "price is given, so provider has no effect"),
        ({"price": 2, "on": "2026-01-01", "region": "us"}, "price is given, so on, region has no effect"),
        ({"price": 2, "table": "own.csv"}, "price is given, so table has no effect"),
        ({"per": "instance"}, "per='instance' needs a given price"),
        ({"price": -1}, "price: must be a number in USD/hour at least 0"),
        ({"price": "2 W"}, "price: '2 W' has the wrong dimension"),
        ({"price": "16 USD/node/hour"}, "price: .* not known"),
        ({"price": True}, "price: must be a number"),
        ({"price": 1, "per": "node"}, "per: should be 'gpu' or 'instance'; got 'node'"),
        ({"purchase_model": "spots"}, "purchase_model: should be 'on_demand', 'spot'"),
        ({"on": "soon"}, "on: must be a date"),
        ({"povider": "lambda"}, "unknown field 'povider'; did you mean 'provider'"),
    ],
)
def test_contradicting_or_invalid_arguments_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message.replace("?", r"\?")):
        cm.Rental(**fields)


def test_own_facts_are_added_to_those_of_the_library(tmp_path):
    table = own_table(tmp_path)
    assert cm.Rental(table=table, provider="my-cloud").figure("H100-SXM", 8, 8).value == 1.5
    assert (
        cm.Rental(table=table, provider="my-cloud")
        .figure("H100-SXM", 8, 8)
        .provenance.source.startswith("invoice 7 (in own.csv")
    )
    assert cm.Rental(table=table, provider="lambda", on="2026-10-01").figure("H100-SXM", 8, 8).value == 3.99
    providers = {fact.provider for fact in cm.Rental(table=table).lookup("H100-SXM").facts}
    assert "my-cloud" in providers and "lambda" in providers
    with pytest.raises(cm.UnknownNameError, match="unknown provider 'my-cloud'"):
        cm.Rental(provider="my-cloud").lookup("H100-SXM")


def test_own_facts_win_over_those_of_the_library_of_the_same_offer_and_day(tmp_path):
    known = next(
        row for row in library("gpu_prices").rows
        if (row["accelerator"], row["provider"], row["as_of"]) == ("H100-SXM", "lambda", "2026-09-17")
    )  # fmt: skip
    table = own_table(tmp_path, {**known, "usd_per_gpu_hour": "1.11"})
    assert cm.Rental(table=table, provider="lambda", on="2026-10-01").lookup("H100-SXM", 8).usd_per_gpu_hour == 1.11


def test_instances_are_billed_whole(tmp_path):
    rental = cm.Rental(table=own_table(tmp_path), provider="my-cloud")  # instances of eight at 1.50 USD per GPU-hour
    for count, billed in ((8, 8), (1024, 1024), (4, 8), (9, 16)):
        assert rental.figure("H100-SXM", count, 8).value * count == pytest.approx(1.5 * billed)
        given = cm.Rental(price=12, per="instance").figure("H100-SXM", count, 8)
        assert given.value * count == pytest.approx(1.5 * billed)


def test_own_facts_on_an_own_accelerator(tmp_path):
    rental = cm.Rental(table=own_table(tmp_path, {"accelerator": "My-chip"}), provider="my-cloud")
    assert rental.lookup("My-chip").usd_per_gpu_hour == 1.5


def test_untraced_own_prices_are_not_used(tmp_path):
    rental = cm.Rental(table=own_table(tmp_path, {}, {"as_of": "2026-08-02", "source_url": "untraced"}))
    price = rental.replace({"provider": "my-cloud"}).lookup("H100-SXM")
    assert str(price.as_of) == "2026-08-01"


def test_own_facts_in_any_order(tmp_path):
    table = own_table(tmp_path, {"as_of": "2026-09-01", "usd_per_gpu_hour": "1"}, {"as_of": "2026-01-01"})
    rental = cm.Rental(table=table, provider="my-cloud", on="2026-08-15")
    assert rental.lookup("H100-SXM").usd_per_gpu_hour == 1.5


def test_problems_of_own_prices_are_reported(tmp_path):
    table = own_table(tmp_path, {"usd_per_gpu_hour": "free", "source_url": ""})
    with pytest.raises(cm.InputError) as raised:
        cm.Rental(table=table).lookup("H100-SXM")
    assert len(raised.value.problems) == 2 and all("own: line 2: " in each for each in raised.value.problems)


def test_a_missing_price_file_is_reported():
    with pytest.raises(cm.InputError, match=r"nowhere.csv cannot be read"):
        cm.Rental(table="nowhere.csv").lookup("H100-SXM")


def test_a_changed_price_file_is_read_again(tmp_path):
    rental = cm.Rental(table=own_table(tmp_path), provider="my-cloud")
    assert rental.lookup("H100-SXM").usd_per_gpu_hour == 1.5
    own_table(tmp_path, {"usd_per_gpu_hour": "1.25"})
    assert rental.lookup("H100-SXM").usd_per_gpu_hour == 1.25


def test_the_path_of_own_facts_is_found_beside_the_scenario(tmp_path, monkeypatch):
    own_table(tmp_path)
    (tmp_path / "run.toml").write_text(
        'architecture = "llama-3.1-8b"\nrecipe = {tokens = "1B"}\ncluster = {accelerator = "H100-SXM", count = 8}\n'
        'prices = {table = "own.csv", provider = "my-cloud"}\ngpu_hours = 100\n',
        encoding="utf-8",
    )
    monkeypatch.chdir("/")
    assert cm.estimate(cm.Scenario.load(tmp_path / "run.toml")).value("cost") == pytest.approx(150)
