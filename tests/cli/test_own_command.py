"""The command `costmodel own`, and the options `--own` and `--purchase-price`."""

import json

import pytest

RUN = """
architecture = "llama-3.1-8b"
recipe = { tokens = "1T" }
cluster = { accelerator = "H100-SXM", count = 64 }
mfu = 0.4

[prices]
kind = "owned"
purchase_price = 30000
"""


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN, encoding="utf-8")
    return path


def test_an_accelerator_is_compared(costmodel):
    printed = costmodel(
        "own",
        "H100-SXM",
        "--gpus",
        512,
        "--purchase-price",
        "$30k",
        "--price",
        "$2.50/h",
        "--rent-decline",
        "0.1 to 0.2",
    ).out
    assert "other server parts" in printed and "break-even utilization" in printed and "512 × H100-SXM" in printed
    assert all(len(line) <= 80 for line in printed.splitlines() if not line.startswith("assumed"))


def test_colocation_is_per_kilowatt_and_month(costmodel):
    lines = json.loads(costmodel("own", "h100", "--colocation", "$190/kW/month", "--json").out)["inputs"]
    assert lines["prices.colocation"]["value"] == pytest.approx(190)


def test_amounts_in_another_currency(costmodel):
    options = ("own", "h100", "--price", "$2/h", "--currency", "EUR", "--rate", 0.5)
    printed = costmodel(*options).out
    assert "1.00 EUR/hour" in printed and printed.count("amounts in EUR: 0.5 EUR/USD (given)") == 2
    assert {row["unit"] for row in json.loads(costmodel(*options, "--json").out)["rows"]} >= {"EUR", "EUR/hour"}


def test_json_holds_figures_curves_and_sources(costmodel):
    options = ("--utilization", 0.8, "--life", 4, "--set", "prices.staff=500", "--set", "site.electricity=0.05")
    data = json.loads(costmodel("own", "h100", *options, "--json").out)
    inputs = data["inputs"]
    assert inputs["prices.staff"]["value"] == 500 and inputs["site.electricity"]["kind"] == "given"
    assert {row["figure"] for row in data["figures"]} >= {"owned", "rented", "break_even_utilization"}
    assert len(data["curves"]["utilization"]) == 10


def test_a_scenario_file_shows_the_cost_of_its_run(costmodel, run):
    printed = costmodel("own", run, "--price", "$3/h", "--set", "prices.life=4").out
    assert "the run, owned: amortized" in printed and "the run, rented" in printed


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("H100-SXM", "--utilization", "2"), "utilization"),
        (("H100-SXM", "--set", "cluster.count=4"), "cluster.count"),
        (("H100-XXL",), "H100"),
        (("H100-SXM", "--gpus", 0), "count"),
        (("H100-SXM", "--price", "2", "--provider", "lambda"), "provider"),
    ],
)
def test_bad_options_are_named(refused, options, problem):
    assert problem in " ".join(refused("own", *options))


def test_estimate_finetune_and_serve_take_owned_accelerators(costmodel, refused, run):
    printed = costmodel("estimate", run, "--explain", "cost").out
    assert "prices.purchase_price" in printed
    owned = ("--gpu", "H100-SXM", "--gpus", 8, "--purchase-price", "$25k")
    printed = costmodel("finetune", "llama-3.1-8b", "--method", "lora", "--tokens", "20M", *owned).out
    assert "electricity (busy hours)" in printed
    printed = costmodel("serve", "llama-3.1-8b", *owned, "--concurrency", 16).out
    assert "owned, levelized" in printed
    (problem,) = refused("estimate", run, "--own", "--price", "2")
    assert "--own" in problem and "--price" in problem
