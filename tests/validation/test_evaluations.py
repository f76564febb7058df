"""Prices per solved task of published evaluation runs, predicted from their tokens and list prices."""

import pytest

from costmodel.foundation.tables import table
from costmodel.validation.evaluations import validate_evaluations


@pytest.fixture(scope="module")
def scored():
    return validate_evaluations(table("facts/benchmark_scores"))


def test_published_dollars_of_58_runs_are_reproduced(scored):
    assert scored["cases"] == 66 and scored["scored"] == 58
    assert scored["median_ape"] < 0.09
    assert scored["mape"] < 0.14
    assert 0.7 < scored["coverage"]["0.8"] < 0.9
    assert scored["families"]["Aider"]["median_ape"] < 0.04
    assert scored["families"]["LiveBench"]["median_ape"] < 0.12


def test_cached_input_explains_what_billing_all_as_new_misses(scored):
    assert scored["uncached"]["bias"] > 0.3
    assert abs(scored["bias"]) < 0.02


def test_newest_list_prices_are_worse_than_those_of_the_run(scored):
    assert scored["list_prices"]["median_ape"] < 0.12
    assert scored["list_prices"]["mape"] > scored["mape"]


def test_ranking_is_that_of_the_published_prices(scored):
    ranking = scored["ranking"]
    assert ranking["pairs"] == 933
    assert ranking["as_published"] > 0.94
    assert ranking["certain_pairs"] > 700
    assert ranking["certain_as_published"] > 0.97


def test_every_skipped_run_says_why(scored):
    assert [row["id"] for row in scored["rows"] if row["predicted"] is None and not row["skipped"]] == []


def test_the_published_scores_are_what_the_command_prints(scored, root):
    page = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    parts = {
        "all": scored,
        "Aider polyglot, 2025": scored["families"]["Aider"],
        "LiveBench of 2026-06-25": scored["families"]["LiveBench"],
        "all, at the list prices of November 2026": scored["list_prices"],
        "all, all input billed as new": scored["uncached"],
    }
    for name, part in parts.items():
        errors = f"{part['median_ape']:.0%} | {part['mape']:.0%} | {part['coverage']['0.8']:.0%}"
        assert f"| {name} | {part['scored']} | {errors} | {part['half_width']:.2f} |" in page
    method = " ".join((root / "docs" / "methodology" / "choosing.md").read_text(encoding="utf-8").split())
    errors = f"median error {scored['median_ape']:.0%}, {scored['coverage']['0.8']:.0%} inside".replace("%", " %")
    assert f"{scored['scored']} runs, {errors}" in method
