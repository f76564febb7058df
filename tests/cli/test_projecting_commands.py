"""`costmodel projection` and `costmodel claims`: what they print, and what they refuse."""

import json

import pytest

from costmodel.projection.project import project_cost


def test_a_capability(costmodel):
    arguments = ("projection", "GPT-4 class", "--years", "2026-2027", "--below", "1 MUSD")
    found = project_cost("GPT-4 class", [2026, 2027])
    printed = json.loads(costmodel(*arguments, "--json").out)
    expected = {"usd": 1e6, "amount": 1e6, "currency": "USD", "rows": found.year_below(1e6).rows()}
    assert printed.pop("below") == expected
    assert printed == json.loads(json.dumps({"schema": "costmodel/projection/1", **found.to_dict()}))
    assert str(found) in costmodel(*arguments).out
    assert (
        "probability that the cost is below 1,000,000 USD by the end of the year: 2026 0." in costmodel(*arguments).out
    )


def test_the_cheapest_way_beside_the_same_hardware_in_real_euros(costmodel, root):
    run = root / "examples" / "pretraining.toml"
    text = costmodel("projection", run, "--years", "2027").out
    assert text.startswith("8B on 15T tokens: the cheapest way to do this run in each year")
    assert "same hardware" in text.splitlines()[1] and "nominal dollars of each year" in text
    options = ("--years", "2027", "--dollars", "real", "--base-year", "2025", "--json")
    dollars = json.loads(costmodel("projection", run, *options).out)
    euros = json.loads(costmodel("projection", run, *options, "--currency", "EUR", "--rate", "0.5").out)
    assert dollars["base_year"] == 2025
    for column in ("median", "low", "high", "same_hardware"):
        assert euros["rows"][0][column] == dollars["rows"][0][column] / 2
    assert euros["exchange_rate"]["per_usd"] == 0.5


def test_one_year_and_a_change_of_a_file(costmodel, root):
    file = root / "examples" / "pretraining.toml"
    printed = json.loads(costmodel("projection", file, "--years", "2027", "--set", "mfu=0.4", "--json").out)
    assert printed["question"] == "run" and [row["year"] for row in printed["rows"]] == [2027]


@pytest.mark.parametrize("years", ["2030-2025", "-2025", "2025-", "2025,2027", "2025-99999999999", "25-30", ""])
def test_years_that_are_none(refused, years):
    (problem,) = refused("projection", "GPT-4 class", "--years", years)
    assert "--years must be FIRST-LAST such as 2025-2030, or one year" in problem


def test_a_file_that_is_no_scenario_is_not_taken_for_a_capability(refused, root):
    (problem,) = refused("projection", root / "README.md")
    assert "is not a TOML file" in problem


def test_what_belongs_to_the_other_question(refused):
    assert refused("projection", "GPT-4 class", "--hardware", "best", "--set", "mfu=0.4") == [
        "--set needs a scenario file; a capability has no fields to set"
    ]


def test_claims(costmodel, root):
    file = root / "examples" / "claims.toml"
    printed = json.loads(costmodel("claims", file, "--json").out)["claims"]
    assert [one["claim"]["kind"] for one in printed] == ["decline", "cost", "group", "group", "quality", "quality"]
    assert all(0 <= answer["probability"] <= 1 for one in printed for answer in one["answers"])
    shown = costmodel("claims", file).out
    assert all(one["claim"]["text"] in shown for one in printed)


def test_mistakes_in_a_file_of_claims(refused, tmp_path):
    file = tmp_path / "claims.toml"
    file.write_text('claims = ["cheap", { kind = "costs", text = "x" }]', encoding="utf-8")
    first, second = refused("claims", file)
    assert first.startswith("claims.0: a claim must be a table") and "did you mean 'cost'" in second
