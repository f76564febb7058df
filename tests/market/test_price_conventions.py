"""Price conventions: on demand, contract, and the price that a publication used for its own run."""

import pytest

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.market.published_prices import price_of_run, published_price


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({}, "on_demand"),
        ({"convention": "on_demand"}, "on_demand"),
        ({"convention": "contract"}, "reserved_1y"),
        ({"convention": "contract", "purchase_model": "reserved_3y"}, "reserved_3y"),
        ({"purchase_model": "spot"}, "spot"),
    ],
)
def test_a_convention_sets_the_purchase_model(fields, model):
    assert cm.Rental(**fields).looked_up_model == model


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"convention": "contract", "purchase_model": "spot"},
            "'spot' contradicts convention 'contract', which is 'rese",
        ),
        ({"convention": "on_demand", "purchase_model": "reserved_1y"}, "contradicts convention 'on_demand'"),
        ({"convention": "published", "purchase_model": "on_demand"}, "so purchase_model has no effect"),
        ({"convention": "published", "provider": "aws", "region": "us"}, "so provider, region has no effect"),
        ({"convention": "contract", "price": 2}, "price is given, so convention has no effect"),
        ({"convention": "list"}, "convention: should be 'on_demand', 'contract' or 'published'; got 'list'"),
    ],
)
def test_contradictions_are_refused(fields, message):
    with pytest.raises(cm.InputError, match=message):
        cm.Rental(**fields)


def test_on_demand_is_the_default_and_a_contract_is_cheaper():
    default, on_demand, contract = (
        cm.Rental(**fields).figure("H100-SXM", 64, 8)
        for fields in ({}, {"convention": "on_demand"}, {"convention": "contract"})
    )
    assert default == on_demand and 0.5 < contract.value / on_demand.value < 0.8
    assert "ratio of reserved 1y to on demand" in contract.provenance.note


def test_a_contract_price_of_the_table_is_used_as_it_is():
    figure = cm.Rental(convention="contract", on="2024-03-01").figure("H100-SXM", 64, 8)
    assert figure.value == 3.62 and figure.provenance.kind == "looked up" and "oblivus" in figure.provenance.source
    at_gcp = cm.Rental(convention="contract", provider="gcp", on="2025-04-01").figure("H100-SXM", 8, 8)
    assert at_gcp.value == 7.67


def test_published_prices_are_those_of_the_publications():
    """DeepSeek-V3, table 1: 2 USD per H800-hour (arXiv 2412.19437); Olmo 3: 2 USD per H100-hour."""
    figure = cm.Rental(convention="published", on="2024-12-31").figure("H800-SXM", 2048, 8)
    assert figure.value == 2.0 and "deepseek-v3" in figure.provenance.note and figure.provenance.as_of == "2024-12-01"
    assert published_price("H100-SXM", "2025-12-01").provider.startswith("olmo3-32b")
    with pytest.raises(cm.MissingFactError, match=r"no published price of H800-SXM is known on 2024-01-01"):
        cm.Rental(convention="published", on="2024-01-01").figure("H800-SXM", 8, 8)
    with pytest.raises(cm.MissingFactError, match=r"no publication names the price of a GPU-hour of H20; known for: "):
        cm.Rental(convention="published").figure("H20", 8, 8)


def test_only_costs_that_are_hours_times_a_price_give_a_published_price():
    priced = {row["id"]: price for row in table("measurements/published_runs").rows if (price := price_of_run(row))}
    assert priced["deepseek-v3"].usd_per_gpu_hour == 2.0 and priced["nanochat-d26-run2"].usd_per_gpu_hour == 3.0
    assert not {"gpt-4", "grok-3", "dbrx", "llama3.1-405b", "bloom-176b"} & set(priced)


def test_a_scenario_file_holds_a_convention(tmp_path):
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="10B"),
        cluster=cm.Cluster("H800-SXM", 64),
        gpu_hours="1k",
        prices=cm.Rental(convention="contract"),
    )
    path = tmp_path / "run.toml"
    run.save(path)
    assert 'convention = "contract"' in path.read_text(encoding="utf-8") and cm.Scenario.load(path) == run
    cost = {name: cm.estimate(run.replace({"prices.convention": name})).value("cost")
            for name in ("on_demand", "contract", "published")}  # fmt: skip
    assert cost["published"] == 2000 < cost["contract"] < cost["on_demand"]
