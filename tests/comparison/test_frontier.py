"""Frontier runs against low-cost runs: costs at both scopes and the probability of a common statement."""

import pytest

from costmodel.comparison.frontier import STATEMENT, frontier_against_low_cost
from costmodel.comparison.runs import published_runs
from costmodel.foundation.errors import InputError
from costmodel.market.gpu_prices import gpu_price


@pytest.fixture(scope="module")
def compared():
    return frontier_against_low_cost()


def test_groups_follow_the_training_compute(compared):
    for row in compared:
        assert row.group == row.run.row["group"] and row.run.row["group_reason"]
        flops = row.run.published("flops")
        if flops is not None:
            assert (flops >= 1e25) == (row.group == "frontier"), row.run.id
    assert {row.run.id for row in compared} >= {
        "gpt-4",
        "gemini-1-ultra",
        "llama3.1-405b",
        "grok-3",
        "deepseek-v3",
        "qwen3-235b",
    }


def test_final_run_cost_is_gpu_hours_times_the_rental_price_of_the_day(compared):
    row = compared["llama3.1-405b"]
    price = gpu_price("H100-SXM", on="2024-07-01", count=16384)
    assert row.hours[0] == 30.84e6 and row.hours_by == "published"
    assert row.final.usd == pytest.approx(30.84e6 * price.usd_per_gpu_hour)
    low, high = row.final.interval()
    assert low == pytest.approx(30.84e6 * price.spread.low, rel=0.02)
    assert high == pytest.approx(30.84e6 * price.spread.high, rel=0.02)


def test_development_cost_is_converted_from_the_final_run(compared):
    for row in compared:
        assert row.final.scope == "final_run" and row.development.scope == "development"
        assert row.development.usd > 2 * row.final.usd
        assert "converted" in row.development.scope_reason


def test_guessed_gpu_hours_have_an_interval_and_published_gpu_hours_have_none(compared):
    guessed, published = compared["gpt-4"].hours, compared["llama3.1-405b"].hours
    assert guessed[1] < guessed[0] < guessed[2] and published[0] == published[1] == published[2]
    assert compared["qwen3-235b"].hours_by == "estimated" and compared["qwen3-235b"].run.count is None


def test_the_statement_holds_for_development_costs_of_frontier_models_only(compared):
    """Low-cost models: the development costs are far above the statement."""
    summary = {(line["group"], line["of"]): line for line in compared.summary()}
    development, final = summary["frontier", "development"], summary["frontier", "final_run"]
    assert development["hold"] == development["runs"] >= 6 and 0 < final["hold"] < final["runs"]
    assert summary["low_cost", "development"]["hold"] == 0
    assert summary["low_cost", "development"]["median"] > 3 * STATEMENT["low_cost"].most_usd
    assert summary["low_cost", "accelerators"]["hold"] == 3  # DBRX used 3,072


def test_probabilities_are_between_0_and_1_and_counts_follow_the_bounds(compared):
    assert compared["deepseek-v3"].count_holds and not compared["dbrx"].count_holds
    assert compared["claude-3.5-sonnet"].count_holds is None and compared["claude-3.5-sonnet"].hours is None
    for row in compared:
        for scope in ("final_run", "development"):
            assert 0 <= row.probability(scope) <= 1
    assert 0.1 < compared["deepseek-v3"].probability("final_run") < 0.9  # near 10 M$ at the rental price of the day


def test_the_same_seed_gives_the_same_rows(compared):
    assert frontier_against_low_cost().rows() == compared.rows()
    assert frontier_against_low_cost(seed=1).rows() != compared.rows()


def test_runs_without_a_group_raise_an_error():
    with pytest.raises(InputError, match=r"group"):
        frontier_against_low_cost(published_runs(organization="EleutherAI"))
    assert {row.group for row in frontier_against_low_cost(published_runs(organization="DeepSeek"))} == {"low_cost"}


def test_the_comparison_prints_as_text_html_and_markdown(compared):
    text = str(compared)
    assert "100 M$ or more, development" in text and "7 of 7" in text and "80 % intervals" in text
    assert "<table>" in compared._repr_html_() and compared.to_markdown().startswith("| group |")


def test_low_cost_models_by_the_convention_of_the_price(compared):
    """DeepSeek-V3: 2.788M GPU-hours at 2 USD are the published 5.576 million (arXiv 2412.19437, table 1)."""
    published = frontier_against_low_cost(price="published")
    assert published["deepseek-v3"].final.usd == pytest.approx(5.576e6)
    assert published["deepseek-v3"].probability("final_run") == 1
    assert published["dbrx"].final.usd == 10e6 and "published cost (stated" in published["dbrx"].price
    assert published["phi-4"].final is None and "no price of a GPU-hour" in published["phi-4"].price
    contract = frontier_against_low_cost(price="contract")

    def holds(table):
        rows = {(line["group"], line["of"]): line for line in table.summary()}
        return rows["low_cost", "final_run"]["hold"], rows["low_cost", "final_run"]["expected"]

    assert holds(compared)[0] == 0 < holds(contract)[0] and holds(published)[0] == 2
    assert holds(compared)[1] < holds(contract)[1]
    assert "no price of a GPU-hour" in str(published) and "one-year commitment" in str(contract)
    row = next(row for row in contract.rows() if row["run"] == "deepseek-v3")
    assert row["convention"] == "contract" and row["price"].startswith("proxy from H100-SXM")
    assert 2.0 < row["usd_per_gpu_hour"] < 3.0
    with pytest.raises(InputError, match=r"price: unknown price convention 'list'"):
        frontier_against_low_cost(price="list")


@pytest.mark.parametrize(
    ("price", "final_runs", "developments", "deepseek"),
    [
        ("on_demand", {"frontier": (3, 7), "low_cost": (0, 8)}, {"frontier": (7, 7), "low_cost": (0, 8)}, 10.6e6),
        ("contract", {"frontier": (3, 7), "low_cost": (2, 8)}, {"frontier": (6, 7), "low_cost": (1, 8)}, 6.96e6),
        ("published", {"frontier": (2, 4), "low_cost": (2, 3)}, {"frontier": (4, 4), "low_cost": (0, 3)}, 5.576e6),
    ],
)
def test_what_notebook_06_says_of_the_conventions(price, final_runs, developments, deepseek):
    table = frontier_against_low_cost(price=price)
    counts = {(row["of"], row["group"]): (row["hold"], row["runs"]) for row in table.summary()}
    assert {group: counts["final_run", group] for group in final_runs} == final_runs
    assert {group: counts["development", group] for group in developments} == developments
    assert table["deepseek-v3"].final.usd == pytest.approx(deepseek, rel=0.01)


def test_proxies_are_named_below_the_table(compared):
    line = next(line for line in str(compared).splitlines() if line.startswith("* deepseek-v3"))
    assert "proxy from H100-SXM, " in line and "2024-12-01" in line
    cells = next(line for line in str(compared).splitlines() if " deepseek-v3 " in line)
    assert f"{compared['deepseek-v3'].usd_per_gpu_hour:.2f}*" in cells
