"""Frontier against low-cost: the sentence at both scopes, with groups that do not depend on the cost."""

import pytest

from costmodel.comparison.frontier import SENTENCE, frontier_against_low_cost
from costmodel.comparison.runs import published_runs
from costmodel.foundation.errors import InputError
from costmodel.market.gpu_prices import gpu_price


@pytest.fixture(scope="module")
def found():
    return frontier_against_low_cost()


def test_groups_are_data_and_follow_the_compute(found):
    for one in found:
        assert one.group == one.run.row["group"] and one.run.row["group_reason"]
        flops = one.run.claimed("flops")
        if flops is not None:
            assert (flops >= 1e25) == (one.group == "frontier"), one.run.id
    assert {one.run.id for one in found} >= {
        "gpt-4", "gemini-1-ultra", "llama3.1-405b", "grok-3", "deepseek-v3", "qwen3-235b",
    }  # fmt: skip


def test_a_final_run_is_hours_times_the_rent_of_its_day(found):
    one = found["llama3.1-405b"]
    price = gpu_price("H100-SXM", on="2024-07-01", count=16384)
    assert one.hours[0] == 30.84e6 and one.hours_by == "published"
    assert one.final.usd == pytest.approx(30.84e6 * price.usd_per_gpu_hour)
    low, high = one.final.interval()
    assert low == pytest.approx(30.84e6 * price.spread.low, rel=0.02)
    assert high == pytest.approx(30.84e6 * price.spread.high, rel=0.02)


def test_a_development_is_a_final_run_converted(found):
    for one in found:
        assert one.final.scope == "final_run" and one.development.scope == "development"
        assert one.development.usd > 2 * one.final.usd
        assert "converted" in one.development.scope_reason


def test_guesses_are_wider_than_publications(found):
    guessed, published = found["gpt-4"].hours, found["llama3.1-405b"].hours
    assert guessed[1] < guessed[0] < guessed[2] and published[0] == published[1] == published[2]
    assert found["qwen3-235b"].hours_by == "estimated" and found["qwen3-235b"].run.count is None


def test_what_the_sentence_is_worth(found):
    """Frontier: true of whole developments, not of final runs. Low-cost: too little by far for developments."""
    summary = {(row["group"], row["of"]): row for row in found.summary()}
    whole, final = summary["frontier", "development"], summary["frontier", "final_run"]
    assert whole["hold"] == whole["runs"] >= 6 and 0 < final["hold"] < final["runs"]
    assert summary["low_cost", "development"]["hold"] == 0
    assert summary["low_cost", "development"]["median"] > 3 * SENTENCE["low_cost"].most_usd
    assert summary["low_cost", "accelerators"]["hold"] == 3  # DBRX took 3,072


def test_chances_and_counts(found):
    assert found["deepseek-v3"].count_holds and not found["dbrx"].count_holds
    assert found["claude-3.5-sonnet"].count_holds is None and found["claude-3.5-sonnet"].hours is None
    for one in found:
        for scope in ("final_run", "development"):
            assert 0 <= one.chance(scope) <= 1
    assert 0.1 < found["deepseek-v3"].chance("final_run") < 0.9  # near 10 million at the rent of the day


def test_the_same_seed_gives_the_same_table(found):
    assert frontier_against_low_cost().rows() == found.rows()
    assert frontier_against_low_cost(seed=1).rows() != found.rows()


def test_runs_without_a_group_are_refused():
    with pytest.raises(InputError, match=r"group"):
        frontier_against_low_cost(published_runs(organization="EleutherAI"))
    assert {one.group for one in frontier_against_low_cost(published_runs(organization="DeepSeek"))} == {"low_cost"}


def test_shows_itself(found):
    text = str(found)
    assert "100 M$ or more, development" in text and "7 of 7" in text and "80 % intervals" in text
    assert "<table>" in found._repr_html_() and found.to_markdown().startswith("| group |")
