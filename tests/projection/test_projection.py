"""Result of a projection: quantiles, intervals, first year below a budget, and printed tables."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError
from costmodel.hardware.cluster import Cluster
from costmodel.projection.capability import Capability
from costmodel.projection.project import project_cost
from costmodel.training.recipes.pretraining import Pretraining

RUN = Scenario(
    name="a run",
    architecture={"total": "7B"},
    recipe=Pretraining(tokens="1T"),
    cluster=Cluster("H100-SXM", 512),
    mfu=0.4,
    goodput=0.95,
)
MODEL = Capability(name="a model", cost="1 to 4 MUSD", date="2025-06-30", age=2.0, declined=2.0, utilization=0.3)


@pytest.fixture(scope="module")
def gpt4():
    return project_cost("GPT-4 class", range(2026, 2032), paths=5_000)


def test_quantiles_increase_and_intervals_are_nested(gpt4):
    for year in gpt4.years:
        quantiles = [gpt4.quantile(year, p) for p in (0, 0.01, 0.1, 0.5, 0.9, 0.99, 1)]
        assert quantiles == sorted(quantiles) and quantiles[3] == gpt4.median(year)
        (wide_low, wide_high), (low, high) = gpt4.interval(year, 0.95), gpt4.interval(year)
        assert wide_low < low < gpt4.median(year) < high < wide_high
        inside = (gpt4.draws(year) >= low) & (gpt4.draws(year) <= high)
        assert inside.mean() == pytest.approx(0.8, abs=0.001)
    for probability in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match=r"probability must be between 0 and 1"):
            gpt4.quantile(2027, probability)
    with pytest.raises(InputError):
        gpt4.interval(2027, 1.0)


@pytest.mark.parametrize("claim", ["cost < 1 MUSD", "cost<1e6", " cost <= 1,000,000 USD ", "cost<=1000 kUSD"])
def test_probability_accepts_claims_in_several_formats(gpt4, claim):
    assert gpt4.probability(claim, by=2028) == gpt4.probability("cost <= 1 MUSD", by=2028)
    assert 0.5 < gpt4.probability(claim, by=2028) < 1


@settings(max_examples=25, deadline=None)
@given(amount=st.floats(1.0, 1e8))
def test_year_below_agrees_with_probability_of_claims(gpt4, amount):
    below = gpt4.year_below(amount)
    chances = list(below.chances.values())
    assert tuple(below.chances) == gpt4.years
    assert chances == sorted(chances) and chances[0] >= 0 and chances[-1] <= 1
    for year, chance in below.chances.items():
        assert chance == gpt4.probability(f"cost <= {amount!r} USD", by=year)
        assert chance == (gpt4.draws(year) <= amount).mean()  # each path only declines
        assert chance + gpt4.probability(f"cost > {amount!r} USD", by=year) == pytest.approx(1.0)
    rows = below.rows()
    assert sum(row["in that year"] for row in rows) == pytest.approx(chances[-1])
    assert all(row["in that year"] >= 0 for row in rows)
    half = below.quantile(0.5)
    assert half is None if chances[-1] < 0.5 else below.chances[half] >= 0.5
    assert [year for year, chance in below.chances.items() if chance >= 0.5][:1] == ([half] if half else [])


def test_probability_of_a_known_cost_equal_to_the_amount():
    projection = project_cost("GPT-4 class", [2023, 2024], paths=100)
    assert [projection.probability(f"cost {sign} 40695706 USD", by=2023) for sign in ("<", "<=", ">", ">=")] == [
        0,
        1,
        0,
        1,
    ]
    assert projection.probability("cost < 10 MUSD", by=2023) == 0.0
    assert projection.probability("cost < 10 MUSD", by=2024) == 1.0


def test_year_below_counts_earlier_years_with_lower_prices():
    """Rental prices at the end of 2025 were lower than one year later."""
    projection = project_cost(RUN, [2025, 2026, 2027], paths=2_000)
    amount = projection.median(2025)
    assert projection.probability(f"cost <= {amount!r} USD", by=2027) >= projection.probability(
        f"cost <= {amount!r} USD", 2025
    )
    assert projection.probability(f"cost <= {amount!r} USD", by=2027) > (projection.draws(2027) <= amount).mean()
    chances = projection.year_below(amount).chances
    assert chances == {year: projection.probability(f"cost <= {amount!r} USD", by=year) for year in projection.years}
    assert list(chances.values()) == sorted(chances.values())


@pytest.mark.parametrize("claim", ["", "cost", "price < 1 MUSD", "cost = 1", "cost < ", "1 MUSD > cost", None, 3])
def test_malformed_claims_are_rejected(gpt4, claim):
    with pytest.raises(InputError, match=r"claim must be written as 'cost < 1 MUSD'"):
        gpt4.probability(claim, by=2027)


@pytest.mark.parametrize("claim", ["cost < cheap", "cost < -1 USD", "cost < 1 hour", "cost < 1 to 2 MUSD", "cost << 1"])
def test_malformed_amounts_are_rejected(gpt4, claim):
    with pytest.raises(InputError):
        gpt4.probability(claim, by=2027)
    with pytest.raises(InputError):
        gpt4.year_below(claim.partition("<")[2])


def test_claim_about_a_year_that_is_not_projected_is_rejected(gpt4):
    with pytest.raises(InputError, match=r"year: no cost is projected for 2040: projected years are 2026"):
        gpt4.probability("cost < 1 MUSD", by=2040)


def test_rows_and_json_hold_the_same_figures(gpt4):
    rows = gpt4.rows(level=0.5)
    assert [row["year"] for row in rows] == list(gpt4.years)
    assert all(row["low"] < row["median"] < row["high"] and row["level"] == 0.5 for row in rows)
    assert [row["median"] for row in rows] == sorted((row["median"] for row in rows), reverse=True)
    data = json.loads(json.dumps(gpt4.to_dict(), allow_nan=False))
    assert data["rows"] == gpt4.rows()
    assert (data["question"], data["reference"], data["seed"]) == ("capability", "2024-12-26", 0)
    assert data["decomposition"] == gpt4.decomposition(2031)
    past = project_cost(RUN, [2020, 2025], paths=100).to_dict()
    assert list(past["missing"]) == ["2020"] and past["decomposition"] == []
    assert json.dumps(past, allow_nan=False)


def test_printed_table_shows_interval_notes_and_seed(gpt4):
    for shown in (str(gpt4), repr(gpt4), gpt4.to_markdown(), gpt4._repr_html_()):
        assert "80 % interval" in shown and "2031" in shown and "M$" in shown
        assert "end to end; from 2024-12-26; final run; costs at the end of each year" in shown
        assert "intervals beyond two years are not validated" in shown
        assert "seed 0" in shown
    assert str(gpt4).startswith("GPT-4 class (MMLU ~86-88): the same capability")
    assert gpt4.to_markdown().startswith("| year")
    assert "<table" in gpt4._repr_html_()
    assert not any("beyond two years" in line for line in project_cost(RUN, [2030], paths=100).notes())


def test_name_is_escaped_in_html():
    projection = project_cost(MODEL.replace(name="<script>x</script>"), [2027], paths=100)
    assert "<script>" not in projection._repr_html_()


@pytest.mark.parametrize("year", ["2027", None, True, [2027]])
def test_year_that_is_not_a_number_is_rejected(gpt4, year):
    with pytest.raises(InputError, match=r"no cost is projected for .*: projected years are 2026"):
        gpt4.median(year)


def test_probability_that_is_not_a_number_is_rejected(gpt4):
    with pytest.raises(InputError, match=r"probability must be between 0 and 1; got 'a'"):
        gpt4.quantile(2027, "a")
