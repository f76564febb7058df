"""The answer of a projection: quantiles, intervals, when a sum suffices, and how it is shown."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError
from costmodel.projection.capability import Capability
from costmodel.projection.project import project_cost

RUN = Scenario.from_data({
    "name": "a run", "architecture": {"total": "7B"}, "recipe": {"kind": "pretraining", "tokens": "1T"},
    "mfu": 0.4, "goodput": 0.95, "cluster": {"accelerator": "H100-SXM", "count": 512},
})  # fmt: skip
MODEL = Capability(name="a model", cost="1 to 4 MUSD", date="2025-06-30", age=2.0, declined=2.0, utilization=0.3)


@pytest.fixture(scope="module")
def answer():
    return project_cost("GPT-4 class", range(2026, 2032), paths=5_000)


def test_quantiles_and_intervals_are_in_order(answer):
    for year in answer.years:
        found = [answer.quantile(year, p) for p in (0, 0.01, 0.1, 0.5, 0.9, 0.99, 1)]
        assert found == sorted(found) and found[3] == answer.median(year)
        (wide_low, wide_high), (low, high) = answer.interval(year, 0.95), answer.interval(year)
        assert wide_low < low < answer.median(year) < high < wide_high
        inside = (answer.draws(year) >= low) & (answer.draws(year) <= high)
        assert inside.mean() == pytest.approx(0.8, abs=0.001)
    for probability in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match=r"a probability lies between 0 and 1"):
            answer.quantile(2027, probability)
    with pytest.raises(InputError):
        answer.interval(2027, 1.0)


@pytest.mark.parametrize("claim", ["cost < 1 MUSD", "cost<1e6", " cost <= 1,000,000 USD ", "cost<=1000 kUSD"])
def test_a_claim_may_be_spelled_in_many_ways(answer, claim):
    assert answer.probability(claim, by=2028) == answer.probability("cost <= 1 MUSD", by=2028)
    assert 0.5 < answer.probability(claim, by=2028) < 1


@settings(max_examples=25, deadline=None)
@given(amount=st.floats(1.0, 1e8))
def test_when_a_sum_suffices(answer, amount):
    when = answer.year_below(amount)
    chances = list(when.chances.values())
    assert tuple(when.chances) == answer.years
    assert chances == sorted(chances) and chances[0] >= 0 and chances[-1] <= 1
    for year, chance in when.chances.items():
        assert chance == answer.probability(f"cost <= {amount!r} USD", by=year)
        assert chance == (answer.draws(year) <= amount).mean()  # a path that falls stays below
        assert chance + answer.probability(f"cost > {amount!r} USD", by=year) == pytest.approx(1.0)
    rows = when.rows()
    assert sum(row["in that year"] for row in rows) == pytest.approx(chances[-1])
    assert all(row["in that year"] >= 0 for row in rows)
    half = when.quantile(0.5)
    assert half is None if chances[-1] < 0.5 else when.chances[half] >= 0.5
    assert [year for year, chance in when.chances.items() if chance >= 0.5][:1] == ([half] if half else [])


def test_a_fact_that_equals_the_sum():
    found = project_cost("GPT-4 class", [2023, 2024], paths=100)
    assert [found.probability(f"cost {sign} 40695706 USD", by=2023) for sign in ("<", "<=", ">", ">=")] == [0, 1, 0, 1]
    assert found.probability("cost < 10 MUSD", by=2023) == 0.0
    assert found.probability("cost < 10 MUSD", by=2024) == 1.0


def test_a_sum_that_once_sufficed_did():
    """Rents of 2025 were lower than those of the years around it."""
    found = project_cost(RUN, [2025, 2026, 2027], paths=2_000)
    amount = found.median(2025)
    assert found.probability(f"cost <= {amount!r} USD", by=2027) >= found.probability(f"cost <= {amount!r} USD", 2025)
    assert found.probability(f"cost <= {amount!r} USD", by=2027) > (found.draws(2027) <= amount).mean()
    chances = found.year_below(amount).chances
    assert chances == {year: found.probability(f"cost <= {amount!r} USD", by=year) for year in found.years}
    assert list(chances.values()) == sorted(chances.values())


@pytest.mark.parametrize("claim", ["", "cost", "price < 1 MUSD", "cost = 1", "cost < ", "1 MUSD > cost", None, 3])
def test_claims_that_are_none(answer, claim):
    with pytest.raises(InputError, match=r"a claim is written as 'cost < 1 MUSD'"):
        answer.probability(claim, by=2027)


@pytest.mark.parametrize("claim", ["cost < cheap", "cost < -1 USD", "cost < 1 hour", "cost < 1 to 2 MUSD", "cost << 1"])
def test_sums_that_are_none(answer, claim):
    with pytest.raises(InputError):
        answer.probability(claim, by=2027)
    with pytest.raises(InputError):
        answer.year_below(claim.partition("<")[2])


def test_a_claim_about_a_year_that_is_not_projected(answer):
    with pytest.raises(InputError, match=r"the cost of 2040 is not known: projected are 2026"):
        answer.probability("cost < 1 MUSD", by=2040)


def test_rows_and_plain_data(answer):
    rows = answer.rows(level=0.5)
    assert [row["year"] for row in rows] == list(answer.years)
    assert all(row["low"] < row["median"] < row["high"] and row["level"] == 0.5 for row in rows)
    assert [row["median"] for row in rows] == sorted((row["median"] for row in rows), reverse=True)
    data = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert data["rows"] == answer.rows()
    assert (data["question"], data["reference"], data["seed"]) == ("capability", "2024-12-26", 0)
    assert data["decomposition"] == answer.decomposition(2031)
    past = project_cost(RUN, [2020, 2025], paths=100).to_dict()
    assert list(past["missing"]) == ["2020"] and past["decomposition"] == []
    assert json.dumps(past, allow_nan=False)


def test_what_a_reader_sees(answer):
    for shown in (str(answer), repr(answer), answer.to_markdown(), answer._repr_html_()):
        assert "80 % interval" in shown and "2031" in shown and "M$" in shown
        assert "end to end; from 2024-12-26; final run; each year at its end" in shown
        assert "beyond two years nothing tests the calibration" in shown
        assert "seed 0" in shown
    assert str(answer).startswith("GPT-4 class (MMLU ~86-88): the same capability")
    assert answer.to_markdown().startswith("| year")
    assert "<table" in answer._repr_html_()
    assert not any("beyond two years" in line for line in project_cost(RUN, [2030], paths=100).notes())


def test_a_name_cannot_break_the_html():
    found = project_cost(MODEL.replace(name="<script>x</script>"), [2027], paths=100)
    assert "<script>" not in found._repr_html_()


@pytest.mark.parametrize("year", ["2027", None, True, [2027]])
def test_a_year_is_a_number(answer, year):
    with pytest.raises(InputError, match=r"is not known: projected are 2026"):
        answer.median(year)


def test_a_probability_is_a_number(answer):
    with pytest.raises(InputError, match=r"a probability lies between 0 and 1; got 'a'"):
        answer.quantile(2027, "a")
