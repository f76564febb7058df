"""Costs of owned hardware that Epoch AI published for training runs, in three conventions.

The fixture transcribes inputs and results of github:epoch-research/training-cost-trends@263c40a (CC BY 4.0; Cottier
et al. 2024, arXiv 2405.21015): model_costs.csv, in dollars of December 2024 by the US producer price index of data
processing.
"""

import math
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.foundation.tables import read_csv

ROWS = {
    row["model"]: row for row in read_csv(Path(__file__).parents[1] / "data/ownership/epoch_training_costs.csv").rows
}
DECLINE = 0.14 * math.log(10)
"""0.14 orders of magnitude a year."""
INDEX = 119.349
"""Price index of December 2024."""
OTHER_HOURS = {"Gemini 1.0 Ultra": 136_800_000 / 132_000_000, "PaLM (540B)": 9_437_184 / 8_404_992}
"""Published cloud cost over ours: it counts all accelerators for all hours, the other conventions the stated hours."""
SOURCE = "Cottier et al. 2024 (arXiv 2405.21015); github epoch-research/training-cost-trends@263c40a"


def scenario(row, convention="amortized"):
    prices = cm.Ownership(
        convention=convention,
        purchase_price=float(row["purchase_price"]),
        includes=row["includes"],
        server_factor=float(row["server_factor"]),
        network_share=0.19,
        storage_share=0.0,
        depreciation="price_performance",
        value_decline=DECLINE,
        age=float(row["age_days"]) / 365.25,
        cost_of_capital=0.0,
        utilization=1.0,
        idle_power_share=0.0,
        data_center_capital=0.0,
        data_center_life=15,
        staff=0.0,
        support_share=0.0,
    )
    site = cm.Site(power_per_gpu=float(row["watts"]), pue=float(row["pue"]), electricity=float(row["usd_per_kwh"]))
    return cm.Scenario(
        architecture={"total": "100B"},
        recipe=cm.Pretraining(tokens="1B", precision="fp16" if "V100" in row["accelerator"] else "bf16"),
        cluster=cm.Cluster(row["accelerator"], int(row["count"]), site=site),
        prices=prices,
        gpu_hours=float(row["gpu_hours"]),
    )


def cost(run):
    return cm.estimate(run).cost.to("USD").magnitude


@pytest.mark.golden(source=SOURCE, table="amortized hardware and energy of GPT-4")
def test_gpt_4_to_the_dollar(golden):
    dollars = math.floor(cost(scenario(ROWS["GPT-4"])))  # the source cuts the cents off
    golden("GPT-4, amortized hardware and energy [USD]", "40155933", dollars)


def test_components_of_gpt_4():
    bill = {row["line"]: row["usd"] for row in cm.estimate(scenario(ROWS["GPT-4"])).bill().rows()}
    hardware = bill["accelerators"] + bill["servers"]
    assert hardware / bill["accelerators"] == pytest.approx(1.66)
    assert bill["network"] / (hardware + bill["network"]) == pytest.approx(0.19)
    assert {name for name, usd in bill.items() if usd == 0} == {"storage", "data_center", "staff", "support", "capital"}


@pytest.mark.parametrize("model", ROWS)
def test_amortized_cost_of_published_runs(model):
    row = ROWS[model]
    ours = cost(scenario(row)) * INDEX / float(row["price_index"])
    assert ours == pytest.approx(float(row["amortized_usd"]), rel=1e-4)


@pytest.mark.parametrize("model", ROWS)
def test_acquisition_cost_of_published_runs(model):
    row = ROWS[model]
    ours = cost(scenario(row, "acquisition")) * INDEX / float(row["price_index"])
    assert ours == pytest.approx(float(row["acquisition_usd"]), rel=1e-4)


@pytest.mark.parametrize("model", ROWS)
def test_cloud_cost_of_published_runs(model):
    row = ROWS[model]
    rented = scenario(row).replace(prices=cm.Rental(price=float(row["cloud_usd_per_gpu_hour"])))
    ours = cost(rented) * INDEX / float(row["price_index"])
    assert ours * OTHER_HOURS.get(model, 1.0) == pytest.approx(float(row["cloud_usd"]), rel=0.01)
