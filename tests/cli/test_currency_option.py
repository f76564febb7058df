"""`--currency` and `--rate` of the commands that print money."""

import json
import re
import shlex
from runpy import run_path

import pytest

import costmodel as cm

write_files = run_path(f"{__file__.rpartition('/')[0]}/invocations.py")["write_files"]

RUN = cm.Scenario(
    architecture={"total": "7B"},
    recipe=cm.Pretraining(tokens="2T"),
    cluster=cm.Cluster("A100-80GB-SXM", 512),
    prices=cm.Rental(price="2 USD/hour"),
    gpu_hours=180_000,
)


def test_the_command_line_prints_a_currency(costmodel, refused, tmp_path):
    (tmp_path / "p.toml").write_text('name = "p"\n[[data]]\nname = "x"\nunit_price = 1000\n', encoding="utf-8")
    assert costmodel("budget", tmp_path / "p.toml", "--currency", "EUR", "--rate", "0.5").out.startswith(
        "p: 575.00 EUR"
    )
    assert "575.00 EUR" in costmodel("forecast", tmp_path / "p.toml", "--currency", "EUR", "--rate", "0.575").out
    RUN.save(tmp_path / "run.toml")
    assert "k€" in costmodel("estimate", tmp_path / "run.toml", "--currency", "EUR").out
    assert refused("estimate", tmp_path / "run.toml", "--rate", "0.5") == [
        "--exchange-rate: needs --currency; got '0.5' alone"
    ]


PRICED = {
    "estimate run.toml": "k€",
    "estimate run.toml --bill": "k€",
    "finetune llama-3.1-8b --tokens 20M --gpu RTX-4090": " EUR",
    "finetune pythia-160m --tokens 1M": " EUR",
    "serve llama-3.1-8b --gpu H100-SXM --concurrency 8": "EUR",
    "compare run.toml other_run.toml": "k€",
    "sweep run.toml --set cluster.count=64,128": "k€",
    "own H100-SXM": " EUR",
    "forecast run.toml --log trainer_log.jsonl": "k€",
    "projection run.toml --years 2026-2027": "k€",
    "serve compare workload.toml": "k€",
    "serve llama-3.1-8b --users 20 --rate 20 --size --gpu H100-SXM": "EUR/h",
    "choose portfolio.toml --set shocks.scenarios=20 --curve": "k€",
    "route routes.toml": "k€",
    "cascade cascade.toml": "€/task",
    "prices everywhere run.toml --provider lambda": "EUR/h",
    "fit --allocate 1M": "M€",
}


@pytest.mark.parametrize("line", PRICED)
def test_every_command_with_money_takes_a_currency(costmodel, tmp_path, monkeypatch, line):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    plain = costmodel(*words, "--quiet")
    assert plain.code == 0 and PRICED[line] not in plain.out
    outcome = costmodel(*words, "--quiet", "--currency", "EUR", "--exchange-rate", "0.9")
    assert outcome.code == 0 and PRICED[line] in outcome.out
    assert not re.search(r"\d (k\$|USD)(?!/)", outcome.out), outcome.out


def test_the_units_of_json_are_those_of_the_currency(costmodel, tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    line = ("sweep", "run.toml", "--set", "cluster.count=64", "--json")
    plain, converted = (
        json.loads(costmodel(*line, *more).out) for more in ((), ("--currency", "GBP", "--exchange-rate", "0.5"))
    )
    assert converted["units"]["cost"] == "GBP" and plain["units"]["cost"] == "USD"
    assert converted["rows"][0]["cost"] == pytest.approx(plain["rows"][0]["cost"] / 2)


def test_serve_keeps_its_rate(costmodel):
    line = "serve llama-3.1-8b --gpu H100-SXM --users 4 --rate 20 --currency EUR --exchange-rate 0.9"
    assert "EUR" in costmodel(*line.split()).out


HALF = ("--currency", "EUR", "--exchange-rate", "0.5")
SUMS = {
    "15k": "15,000 EUR",
    "15kEUR": "15,000 EUR",
    "15k EUR": "15,000 EUR",
    "€15k": "15,000 EUR",
    "15k eur": "15,000 EUR",
    "0.015 M€": "15,000 EUR",
    "30k USD": "15,000 EUR",
    "$30k": "15,000 EUR",
    "99.5 EUR": "99.50 EUR",
}


@pytest.mark.parametrize("written", SUMS)
def test_a_sum_is_in_the_currency_of_the_printed_amounts(written):
    from costmodel.cli.money import given_sum, money

    with money("eur", "0.5"):
        found = given_sum("--below", written)
    assert str(found) == SUMS[written] and found.usd == pytest.approx(2 * found.amount)


@pytest.mark.parametrize("line", ["projection run.toml --years 2026-2027 --below", "budget project.toml --within"])
def test_a_given_sum_is_converted_and_printed_with_its_unit(costmodel, tmp_path, monkeypatch, line):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    *words, option = line.split()
    dollars = costmodel(*words, option, "20k").out.splitlines()[-1]
    euros = costmodel(*words, option, "10k", *HALF).out.splitlines()[-1]
    assert " 20,000 USD" in dollars and euros == dollars.replace("20,000 USD", "10,000 EUR")


@pytest.mark.parametrize("line", ["projection run.toml --below", "budget project.toml --within"])
def test_a_sum_in_a_currency_that_is_not_printed_is_refused(refused, costmodel, tmp_path, monkeypatch, line):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    *words, option = line.split()
    expected = "is in EUR, and amounts are printed in USD; add --currency EUR, or give the sum in USD"
    assert refused(*words, option, "10k EUR") == [f"{option}: '10k EUR' {expected}"]
    assert refused(*words, option, "0") == [f"{option}: must be a sum above 0; got '0'"]
    assert costmodel(*words, option, "10k EUR on 2026-06-15").code == 0


def test_json_has_a_given_sum_in_both_currencies(costmodel, tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = json.loads(costmodel("projection", "run.toml", "--below", "10k", *HALF, "--json").out)["below"]
    assert (found["usd"], found["amount"], found["currency"]) == (20_000, 10_000, "EUR")


def test_prices_are_converted_where_the_column_has_no_letter(costmodel, tmp_path, monkeypatch):
    """Every cost of the options is half in the currency; names of columns have its code."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for line, column in {
        "serve compare workload.toml": "usd_per_million_tokens",
        "serve llama-3.1-8b --users 20 --rate 20 --size --gpu H100-SXM": "usd_per_hour",
        "prices everywhere run.toml --provider lambda": "usd_per_gpu_hour",
        "route routes.toml": "expected_usd",
        "cascade cascade.toml": "usd_per_task",
        "choose portfolio.toml --set shocks.scenarios=5": "usd_per_month",
    }.items():
        dollars = json.loads(costmodel(*shlex.split(line), "--json").out)
        euros = json.loads(costmodel(*shlex.split(line), *HALF, "--json").out)
        assert euros["schema"] == dollars["schema"] and euros["exchange_rate"]["per_usd"] == 0.5
        known = [
            next(iter([dollars[key] for key in ("rows", "options", "routes", "strategies", "mix") if key in dollars]))
        ]
        pairs = list(zip(known[0], euros["rows"], strict=True))
        named = column.replace("usd", "eur")
        assert pairs and all(column not in euro and euro["currency"] == "EUR" for _, euro in pairs)
        halves = [(dollar[column] / 2, euro[named]) for dollar, euro in pairs if dollar[column] is not None]
        assert halves and all(euro == pytest.approx(half) for half, euro in halves)


def test_the_budget_of_an_allocation_is_in_the_currency(costmodel, refused):
    half, whole = (
        json.loads(costmodel("fit", "--allocate", written, *more, "--json").out)["bought"]
        for written, more in (("500k", HALF), ("1M", ()))
    )
    cost = {row["quantity"]: row for row in half["rows"]}["cost"]
    assert (cost["value"], cost["unit"]) == (pytest.approx(whole["cost"] / 2), "EUR")
    assert refused("fit", "--compute", "1e24", *HALF) == [
        "--currency: only the cost of --allocate is an amount; leave it out"
    ]


def test_files_of_a_portfolio_say_that_they_are_in_dollars(costmodel, tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    line = "choose portfolio.toml --set shocks.scenarios=5 --output mix.csv"
    assert costmodel(*shlex.split(line), *HALF).out.endswith("written to mix.csv, in US dollars\n")
    assert costmodel(*shlex.split(line)).out.endswith("written to mix.csv\n")
