"""Projected cost of a run at other prices and of a capability: paths, years, methods and rejected arguments."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.estimation.estimate import estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.ranges import between, samples
from costmodel.market.gpu_prices import vintage
from costmodel.market.inflation import deflator
from costmodel.projection.capability import BEST_UTILIZATION, Capability, capability
from costmodel.projection.decline.factors import declines, factor
from costmodel.projection.decline.models import decline_model
from costmodel.projection.decline.series import cost_series
from costmodel.projection.project import project_cost
from costmodel.projection.projection import Projection

RUN = Scenario.from_data(
    {
        "name": "a run",
        "architecture": {"total": "7B"},
        "recipe": {"kind": "pretraining", "tokens": "1T"},
        "mfu": 0.4,
        "goodput": 0.95,
        "cluster": {"accelerator": "H100-SXM", "count": 512},
    }
)
GIVEN = RUN.replace({"prices.price": "2 USD/hour"})
MODEL = Capability(name="a model", cost="1 to 4 MUSD", date="2025-06-30", age=2.0, declined=2.0, utilization=0.3)
AHEAD = range(2027, 2033)
FIXED = "GPT-2 small"  # all records are priced on eight H100 at 3 USD/hour
accounts = st.sampled_from(
    [
        {"method": "end-to-end"},
        *({"method": "factors", "regime": regime} for regime in ("fast", "slow", "mixture")),
        {"method": "end-to-end", "floor": False},
        {"method": "factors", "floor": False},
        {"lasting": 1e5},
    ]
)
names = st.sampled_from([series.name for series in cost_series() if series.records > 1])


def matrix(projection):
    return np.column_stack([projection.draws(year) for year in projection.years])


# question: capability


@settings(max_examples=30, deadline=None)
@given(names, accounts, st.integers(0, 2**40))
def test_costs_are_positive_and_decline_along_each_path(name, how, seed):
    projection = project_cost(name, AHEAD, paths=200, seed=seed, **how)
    costs = np.column_stack([projection.today, matrix(projection)])
    assert costs.shape == (200, 1 + len(AHEAD))
    assert np.isfinite(costs).all() and (costs > 0).all()
    assert (np.diff(costs, axis=1) <= 1e-9 * costs[:, :-1]).all()


def test_no_path_declines_below_its_floor():
    today, floors = MODEL.draws(5_000, 0), []
    for method in ("end-to-end", "factors"):
        floored, free = (project_cost(MODEL, [2050], method=method, paths=5_000, floor=on) for on in (True, False))
        rest = free.draws(2050) / today
        share = (floored.draws(2050) / today - rest) / (1 - rest)
        assert (share > 0).all() and (share <= 1).all()
        floors.append(share)
    assert np.allclose(*floors)  # the same floor for both methods
    assert np.quantile(floors[0], [0.1, 0.5, 0.9]) == pytest.approx([0.001, 0.005, 0.025], rel=0.1)


@pytest.mark.parametrize("how", [{"method": "end-to-end"}, {"method": "factors"}])
def test_projection_without_floor_is_cheaper(how):
    floored, free = (project_cost(MODEL, [2027, 2032], paths=2_000, floor=floor, **how) for floor in (None, False))
    assert free.median(2027) < floored.median(2027)
    # the effect of the floor grows with time
    assert free.median(2032) / floored.median(2032) < free.median(2027) / floored.median(2027)


@pytest.mark.parametrize(
    ("of", "how"),
    [
        (MODEL, {}),
        (FIXED, {}),
        ("GPT-4", {"method": "factors"}),
        (MODEL, {"lasting": "1 to 2 MUSD"}),
        (RUN, {}),
        (RUN, {"hardware": "best"}),
        (RUN, {"question": "capability"}),
    ],
)
def test_draws_depend_on_the_seed_and_not_on_the_other_years(of, how):
    few = project_cost(of, [2027, 2030], paths=300, seed=7, **how)
    many = project_cost(of, range(2025, 2036), paths=300, seed=7, **how)
    other = project_cost(of, [2027, 2030], paths=300, seed=8, **how)
    for year in (2027, 2030):
        assert np.array_equal(few.draws(year), many.draws(year))
        assert not np.array_equal(few.draws(year), other.draws(year))
    assert (few.seed, other.seed) == (7, 8)


def test_years_may_be_unordered_repeated_or_numpy_integers():
    expected = project_cost(MODEL, [2027, 2029], paths=200)
    for years in ([2029, 2027, 2029], np.array([2029, 2027]), iter([2027, 2029]), {2029, 2027}):
        projection = project_cost(MODEL, years, paths=200)
        assert projection.years == (2027, 2029)
        assert np.array_equal(matrix(projection), matrix(expected))


def test_faster_algorithmic_regime_gives_lower_cost():
    medians = [
        project_cost(MODEL, [2030], method="factors", regime=regime).median(2030)
        for regime in ("fast", "mixture", "slow")
    ]
    assert medians == sorted(medians) and medians[0] < medians[2] / 2
    default = project_cost(MODEL, [2030], method="factors")
    assert default.median(2030) == medians[1] and "mixture" in default.account


def test_end_to_end_and_factor_methods_are_not_combined():
    whole = project_cost(MODEL, [2030], paths=200)
    assert [part.name for part in whole.parts] == ["all, end to end"]
    parts = project_cost(MODEL, [2030], method="factors", paths=200)
    assert [part.name for part in parts.parts] == [
        "algorithms",
        "hardware",
        "utilization",
        "precision to fp8",
        "precision to fp4",
    ]


def test_hardware_decline_is_added_only_to_series_priced_on_fixed_hardware():
    projection = project_cost(FIXED, [2028], paths=2_000, floor=False)
    reference = capability(FIXED)
    assert reference.hardware_fixed and reference.kind == "board"
    assert [part.name for part in projection.parts] == ["all, end to end", "hardware"]
    falls = declines({"hardware": (factor("hardware"),)}, [3.0], 2_000, 0)["hardware"][:, 0]
    bare = project_cost(reference.replace(hardware_fixed=False), [2028], paths=2_000, floor=False)
    assert len(bare.parts) == 1
    assert np.log(bare.draws(2028) / projection.draws(2028)) == pytest.approx(falls, rel=2e-3)
    for series in cost_series():
        if not series.hardware_fixed:
            assert len(project_cost(series.name, [2028], paths=100).parts) == 1


def test_factors_exhausted_at_the_reference_add_no_decline():
    def parts(**fields):
        projection = project_cost(MODEL.replace(**fields), [2040], method="factors", paths=500)
        return {part.name: part.declines[2040] for part in projection.parts}

    assert 0 < parts()["utilization"] <= math.log(BEST_UTILIZATION / 0.3)
    assert parts(utilization=0.6)["utilization"] == 0.0
    assert parts(utilization=0.1)["utilization"] > parts()["utilization"]
    assert "precision to fp8" not in parts(precision="8-bit") and "precision to fp4" in parts(precision="8-bit")
    assert not [name for name in parts(precision="4-bit") if name.startswith("precision")]
    assert Capability(name="x", cost=1, date="2025-01-01").utilization_left == pytest.approx(0.35, abs=0.01)
    assert parts(utilization="0.2 to 0.4")["utilization"] > 0


@pytest.mark.parametrize(
    ("precision", "left"),
    [
        ("bf16", ["precision to fp8", "precision to fp4"]),
        ("fp8", ["precision to fp4"]),
        ("mxfp8", ["precision to fp4"]),
    ],
)
def test_capability_of_a_run_takes_the_precision_of_the_run(precision, left):
    run = RUN.replace({"recipe.precision": precision, "cluster.accelerator": "B200"})
    projection = project_cost(run, [2030], question="capability", method="factors", paths=100)
    assert [part.name for part in projection.parts if part.name.startswith("precision")] == left


@pytest.mark.parametrize("how", [{}, {"method": "factors"}])
@pytest.mark.parametrize("of", [MODEL, FIXED])
def test_decomposition_sums_to_the_mean_decline(of, how):
    projection = project_cost(of, [2027, 2031], paths=1_000, floor=False, **how)
    for year in projection.years:
        rows = projection.decomposition(year)
        mean = -np.log(projection.draws(year) / projection.today).mean()
        assert sum(row["decline"] for row in rows) == pytest.approx(mean, rel=1e-9)
        assert math.prod(row["factor"] for row in rows) == pytest.approx(math.exp(mean))
        assert all(row["source"] for row in rows)


def test_past_years_use_the_lowest_known_cost_and_earlier_years_give_a_reason():
    projection = project_cost("GPT-4 class", range(2022, 2026), paths=200)
    assert projection.years == (2023, 2024, 2025)
    assert set(projection.draws(2023)) == {40695706.0}
    assert projection.draws(2024) == pytest.approx(5576000.0, rel=0.2)  # reached five days before the end of the year
    assert projection.draws(2024).max() <= 5576000.0
    assert projection.missing == {2022: "no run that reached the capability by 2022-12-31 is known"}
    assert any(line.startswith("2022: no run") for line in projection.notes())
    with pytest.raises(InputError, match=r"year: no cost is projected for 2022: no run that reached the capability"):
        projection.median(2022)
    with pytest.raises(InputError, match=r"year: no cost is projected for 2031: projected years are 2023, 2024, 2025"):
        projection.draws(2031)
    assert projection.decomposition(2023) == [] and len(projection.decomposition(2025)) == 1
    with pytest.raises(MissingFactError, match=r"years: no cost is known for any of them: 2020: .*; 2021: "):
        project_cost("GPT-4 class", [2020, 2021])


def test_year_of_the_reference_date():
    reference = Capability(name="x", cost="1 to 2 MUSD", date="2026-12-31")
    with pytest.raises(MissingFactError, match=r"no run that reached the capability by 2026-12-31"):
        project_cost(reference, [2026], paths=100)
    assert project_cost(reference, [2027], paths=100).median(2027) < 2e6
    before = project_cost(reference.replace(date="2026-12-30"), [2026], paths=100)
    assert before.draws(2026) == pytest.approx(before.today, rel=0.02)
    board = project_cost(FIXED, [2025], paths=100)
    assert set(board.draws(2025)) == {capability(FIXED).cost}  # the date of its last record is 2025-12-31
    assert project_cost(MODEL, [2050], paths=100).years == (2050,)


@pytest.mark.parametrize("lasting", [0, 2e6, "2 MUSD", between(1, 3, "MUSD"), samples([0.0, 5e6])])
def test_fixed_cost_is_added_to_every_year(lasting):
    bare = project_cost("GPT-4 class", [2023, 2027, 2035], paths=4_000)
    projection = project_cost("GPT-4 class", [2023, 2027, 2035], paths=4_000, lasting=lasting)
    added = projection.today - bare.today
    assert (added >= 0).all()
    for year in projection.years:
        assert projection.draws(year) - bare.draws(year) == pytest.approx(added, abs=1e-6)
    if lasting == between(1, 3, "MUSD"):
        assert np.quantile(added, [0.1, 0.9]) == pytest.approx([1e6, 3e6], rel=0.05)
    if lasting in (2e6, "2 MUSD"):
        assert set(np.round(added, 6)) == {2e6}


def test_scope_of_the_reference_is_reported():
    assert project_cost(MODEL, [2027], paths=100).scope == "final_run"
    for of in (MODEL.replace(scope="development"), RUN.replace(scope="development")):
        projection = project_cost(of, [2027], paths=100)
        assert projection.scope == projection.to_dict()["scope"] == "development"
        assert "; development; " in projection.notes()[0]


def test_capability_of_a_run_starts_at_the_cost_of_the_run():
    projection = project_cost(RUN, AHEAD, question="capability", paths=4_000)
    low, high = estimate(RUN).bounds("cost")
    assert np.quantile(projection.today, [0.1, 0.9]) == pytest.approx([low, high], rel=0.02)
    assert projection.reference == vintage() and "the same capability" in projection.title
    same = project_cost(estimate(RUN), AHEAD, question="capability", paths=4_000)
    assert np.array_equal(matrix(projection), matrix(same))
    certain = RUN.replace({"gpu_hours": "10000 hour", "mfu": None, "goodput": None, "prices.price": "2 USD/hour"})
    assert set(project_cost(certain, AHEAD, question="capability", paths=100).today) == {20000.0}


# figures of the study on cost decline


def quantiles(model, years, today, floor=None):
    declined = model.paths([years], 400_000, np.random.default_rng(0))[:, 0]
    shares = 0.0 if floor is None else np.exp(np.random.default_rng(1).normal(math.log(0.005), floor, 400_000))
    return np.quantile(today * (shares + (1 - shares) * np.exp(-declined)), [0.1, 0.5, 0.9])


def test_gpt4_class_cost_in_mid_2027():
    """Study, section 5: pool 0.78 M$ [0.08, 3.7]; with the floor 0.84 M$ [0.13, 3.7]."""
    gpt4, spread = capability("GPT-4 class"), math.log(25) / (2 * 1.2816)
    years = (dt.date(2027, 7, 1) - gpt4.date).days / 365.25
    model = decline_model(gpt4.kind, gpt4.age, gpt4.declined)
    assert quantiles(model, years, 5.576) == pytest.approx([0.08, 0.78, 3.7], rel=0.08)
    assert quantiles(model, years, 5.576, spread) == pytest.approx([0.13, 0.84, 3.7], rel=0.08)
    ends = project_cost("GPT-4 class", [2026, 2027])
    assert ends.median(2027) < 0.84e6 < ends.median(2026)  # mid-2027 lies between the ends of 2026 and 2027


@pytest.mark.parametrize(
    ("age", "declined", "two", "three"),
    [
        (None, 0.0, 0.37, 0.72),
        (0.0, 0.0, 0.49, 0.72),
        (1.788, 1.988, 0.28, 0.51),
    ],
)
def test_probability_of_a_tenfold_decline_in_two_and_three_years(age, declined, two, three):
    """Study, section 5: constant rate; pool, new capability; pool, GPT-4 class with its history."""
    model = decline_model("capability", age, declined)
    assert 1 - model.cdf(math.log(10), np.array([2.0, 3.0])) == pytest.approx([two, three], abs=0.015)
    declined_by = project_cost(
        Capability(name="x", cost=1e6, date="2024-12-31", age=age, declined=declined), [2026, 2027], floor=False
    )
    chances = [(declined_by.draws(year) <= 1e5).mean() for year in (2026, 2027)]
    assert chances == pytest.approx([two, three], abs=0.02)


@pytest.mark.parametrize(
    ("regime", "rent_2027", "rent_2030"),
    [
        ("fast", (0.16, 0.45, 0.93), (7e-3, 57e-3, 235e-3)),
        ("slow", (0.80, 1.44, 2.38), (133e-3, 439e-3, 1.10)),
    ],
)
def test_deepseek_v3_cost_by_fading_algorithms_and_hardware(regime, rent_2027, rent_2030):
    """Study, section 5: DeepSeek-V3 (5.576 M$ on 2024-12-26) by decaying algorithms and rented hardware [M$]."""
    from costmodel.projection.decline.factors import algorithms

    # the study takes the interval of Ho et al. as 90 %; their abstract says 95 %
    fast_90 = (factor("algorithms, fast", low=0.664, high=1.476),) if regime == "fast" else algorithms(regime)
    parts = {"algorithms": fast_90, "hardware": (factor("hardware"),)}
    drawn = declines(parts, [2.51, 5.51], 40_000, 0, correlation=0.0)
    costs = 5.576 * np.exp(-drawn["algorithms"] - drawn["hardware"])
    for index, expected in enumerate((rent_2027, rent_2030)):
        assert np.quantile(costs[:, index], [0.1, 0.5, 0.9]) == pytest.approx(expected, rel=0.12)


def test_finance_model_probability_below_one_million_by_2027():
    """Study, section 5: BloombergGPT, end to end: 0.997 for the final run; 0.97 for all compute (2.2 times)."""
    final = Capability(name="a model of finance", cost="1.3 to 2.6 MUSD", date="2023-03-30", age=0)
    assert project_cost(final, [2027]).probability("cost < 1 MUSD", by=2027) == pytest.approx(0.997, abs=0.003)
    whole = final.replace(cost=between(2.2 * 1.3, 2.2 * 2.6, "MUSD"))
    assert project_cost(whole, [2027]).probability("cost < 1 MUSD", by=2027) == pytest.approx(0.97, abs=0.01)


# question: run


def test_past_year_of_a_run_equals_its_estimate_at_the_prices_of_that_date():
    projection = project_cost(RUN, range(2020, 2028), hardware="same", paths=3_000)
    for year in (2024, 2025):
        of_the_day = estimate(RUN.replace({"prices.on": f"{year}-12-31"}))
        assert np.array_equal(projection.draws(year), of_the_day.draws("cost", 3_000))
    assert np.array_equal(projection.today, estimate(RUN).draws("cost", 3_000))
    assert set(projection.missing) == {2020, 2021}  # H100 was released in 2022, and first priced in 2023
    assert "no on_demand price of H100-SXM" in projection.missing[2020]
    assert projection.account.startswith("published prices to date, then rental price forecast; ")
    assert "proxy from " in projection.account


def test_run_with_an_earlier_price_date_uses_later_published_prices():
    earlier = project_cost(RUN.replace({"prices.on": "2024-06-30"}), [2024, 2025, 2028], paths=300)
    newest = project_cost(RUN, [2024, 2025, 2028], paths=300)
    assert earlier.reference == dt.date(2024, 6, 30) and newest.reference == vintage()
    assert np.array_equal(matrix(earlier), matrix(newest))
    assert not np.array_equal(earlier.today, newest.today)


def test_run_with_a_set_price_has_no_past_years_but_future_years():
    projection = project_cost(GIVEN, [2024, 2027, 2030], hardware="same", paths=4_000)
    assert "prices.price is set" in projection.missing[2024]
    ratio = np.log(projection.draws(2030) / projection.today)
    assert np.median(ratio) == pytest.approx(0.0, abs=0.02)  # rental prices have no drift
    assert ratio.std() > np.log(projection.draws(2027) / projection.today).std() > 0.1
    assert [row["part"] for row in projection.decomposition(2030)] == ["rental price, neocloud"]


def test_best_hardware_cost_declines_at_the_rate_of_the_hardware_factor():
    projection = project_cost(GIVEN, AHEAD, hardware="best", paths=4_000)
    assert (np.diff(matrix(projection), axis=1) < 0).all() and (matrix(projection) > 0).all()
    years = (dt.date(2030, 12, 31) - vintage()).days / 365.25
    expected = declines({"hardware": (factor("hardware"),)}, [years], 4_000, 0)["hardware"][:, 0]
    assert projection.draws(2030) == pytest.approx(projection.today * np.exp(-expected))
    assert projection.decomposition(2030)[0]["decline"] == pytest.approx(expected.mean())
    assert "the cheapest way to do this run in each year" in projection.title
    assert "prices.price is given" in projection.account


def test_rental_price_class_follows_the_provider():
    run = RUN.replace({"cluster.accelerator": "H100-SXM", "prices.provider": "aws"})
    assert project_cost(run, [2028], hardware="same", paths=100).parts[0].name == "rental price, hyperscaler"


def test_a_run_is_projected_on_the_cheapest_accelerators_with_the_same_hardware_beside_it():
    run = RUN.replace({"architecture": "llama-3.1-8b"})
    projection = project_cost(run, range(2020, 2029), paths=500)
    same = project_cost(run, range(2020, 2029), hardware="same", paths=500)
    assert projection.title == "a run: the cheapest way to do this run in each year"
    beside = projection.same_hardware
    assert np.array_equal(matrix(beside), matrix(same)) and beside.same_hardware is None
    for year in same.years:
        assert projection.median(year) <= 1.02 * same.median(year)
    assert len(set(projection.hardware.values())) > 1
    rows = {row["year"]: row for row in projection.rows()}
    assert rows[2028]["same_hardware"] == same.median(2028) > rows[2028]["median"]
    assert [row["part"] for row in projection.decomposition(2028)] == ["hardware"]
    text = str(projection)
    assert "same hardware: published prices to date, then rental price forecast" in text
    assert f"after {projection.hardware[2028]}" in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"gpu_hours": 1e5, "mfu": None, "goodput": None}, "gpu_hours is given for these accelerators only"),
     ({"prices.price": 2.0}, "prices.price is given, so prices of other accelerators are not comparable")],
)  # fmt: skip
def test_other_accelerators_do_not_count_where_they_cannot_be_compared(change, reason):
    projection = project_cost(RUN.replace(change), [2027], paths=200)
    assert projection.hardware == {2027: "H100-SXM"}
    assert f"same hardware to date ({reason})" in projection.account


@pytest.mark.parametrize("of", [RUN, MODEL])
def test_nominal_dollars_are_real_dollars_times_the_deflator(of):
    nominal = project_cost(of, range(2025, 2031), paths=500)
    real = project_cost(of, range(2025, 2031), dollars="real", base_year=2024, paths=500)
    assert (nominal.base_year, real.base_year) == (None, 2024)
    for year in nominal.years:
        assert nominal.draws(year) == pytest.approx(real.draws(year) * deflator(year, 2024, 500, 0))
        assert real.median(year) < nominal.median(year)
    assert "nominal dollars of each year" in str(nominal)
    assert "real dollars of 2024: CPI-U to 2026, then 2.0 to 3.3 % inflation a year (80 %, assumed)" in str(real)
    assert (real.to_dict()["dollars"], real.to_dict()["base_year"]) == ("real", 2024)
    with pytest.raises(InputError, match="base_year: the projection is in dollars of 2024 already"):
        real.in_real_dollars(2025)


def test_the_default_base_year_is_that_of_the_reference():
    assert project_cost(MODEL, [2027], dollars="real", paths=100).base_year == 2025


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dollars": "constant"}, "dollars: unknown kind of dollars 'constant'"),
        ({"base_year": 2024}, "base_year belongs to dollars='real'"),
        ({"dollars": "real", "base_year": 1900}, "base_year must be a whole number from 2012 to 2050; got 1900"),
    ],
)
def test_wrong_dollars_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        project_cost(MODEL, [2027], paths=100, **options)


def test_scenario_and_its_estimate_give_the_same_projection():
    scenario, result = (project_cost(run, [2027], paths=200) for run in (RUN, estimate(RUN)))
    assert np.array_equal(scenario.draws(2027), result.draws(2027))
    assert scenario.question == "run" and project_cost(MODEL, [2027], paths=100).question == "capability"


# rejected arguments


@pytest.mark.parametrize(
    ("of", "fields", "messages"),
    [
        (MODEL, {"question": "run"}, [r"question: 'run' needs a Scenario or an Estimate"]),
        ("GPT-4", {"question": "run", "hardware": "same"}, [r"question: 'run' needs a Scenario or an Estimate"]),
        (RUN, {"method": "factors"}, [r"method, regime and floor apply to question='capability' only"]),
        (RUN, {"regime": "fast", "method": "factors"}, [r"method, regime and floor apply"]),
        (
            RUN,
            {"regime": "fast"},
            [r"method, regime and floor apply", r"end-to-end declines already include algorithms"],
        ),
        (RUN, {"floor": False}, [r"method, regime and floor apply"]),
        (MODEL, {"hardware": "best"}, [r"hardware applies to question='run' only"]),
        (RUN, {"question": "capability", "hardware": "same"}, [r"hardware applies to question='run' only"]),
        (MODEL, {"regime": "fast"}, [r"end-to-end declines already include algorithms"]),
        (MODEL, {"method": "end-to-end", "regime": "mixture"}, [r"end-to-end declines already include algorithms"]),
        (MODEL, {"method": "factor"}, [r"method: unknown method 'factor'; did you mean 'factors'"]),
        (MODEL, {"method": ["factors"]}, [r"method: unknown method"]),
        (MODEL, {"question": "cost"}, [r"question: unknown question 'cost'"]),
        (RUN, {"hardware": "newest"}, [r"hardware: unknown hardware 'newest'"]),
        (MODEL, {"method": "factors", "regime": "slo"}, [r"regime: unknown regime 'slo'; did you mean 'slow'"]),
        (MODEL, {"floor": 0.1}, [r"floor must be True or False; got 0\.1"]),
        (MODEL, {"paths": 99}, [r"paths must be a whole number from 100 to 2,000,000; got 99"]),
        (
            MODEL,
            {"paths": True, "seed": -1},
            [r"paths must be a whole", r"seed: must be a whole number of at least 0; got -1"],
        ),
        (MODEL, {"lasting": -1}, [r"lasting: must be a number in USD at least 0"]),
        (MODEL, {"lasting": math.nan}, [r"lasting: must be a number in USD"]),
        (MODEL, {"lasting": True}, [r"lasting: must be a number in USD"]),
        (MODEL, {"lasting": between(1, 2, "hour")}, [r"lasting: "]),
        (MODEL, {"lasting": between(-1, 2)}, [r"lasting: the low end of a range must be above 0"]),
        (MODEL, {"lasting": between(1, 2, shape="normal")}, [r"lasting: .*beyond these bounds"]),
        (4, {}, [r"a Scenario, an Estimate, a Capability or the name of a capability; got 4"]),
        (
            "nothing",
            {"hardware": "best", "paths": 1, "lasting": "x", "regime": "fast"},
            [r"hardware applies", r"end-to-end declines already", r"paths must be", r"lasting: "],
        ),
    ],
)
def test_contradicting_arguments_are_all_reported_in_one_error(of, fields, messages):
    with pytest.raises(InputError) as caught:
        project_cost(of, [2027], **fields)
    problems = sorted(caught.value.problems)
    assert len(problems) == len(messages), problems
    for message in messages:
        with pytest.raises(InputError, match=message):
            raise caught.value


@pytest.mark.parametrize("years", [[], [2011], [2051], [2027.0], ["2027"], "2027", 2027, None, [True], [2027, None]])
def test_invalid_years_are_rejected(years):
    with pytest.raises(InputError, match=r"years must be whole numbers from 2012 to 2050"):
        project_cost(MODEL, years)


def test_capability_is_found_by_the_beginning_of_its_name():
    assert capability("gpt-4").name.startswith("GPT-4 class")
    assert capability("GPT-3 (175B, MMLU/quality class)").cost == 450000.0
    for name in ("GPT", "", "GPT-5 class"):
        with pytest.raises(UnknownNameError, match=r"unknown capability"):
            project_cost(name, [2027])
    gpt4 = capability("GPT-4")
    assert (gpt4.age, gpt4.declined) == pytest.approx((1.788, math.log(40695706 / 5576000)), abs=0.001)
    assert gpt4.frontier(dt.date(2023, 3, 13)) is None and gpt4.frontier(dt.date(2023, 3, 14)) == 40695706.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": "-1 USD"}, r"cost: must be a number in USD above 0"),
        ({"cost": 0}, r"cost: .*above 0"),
        ({"date": "2025"}, r"date: must be a date"),
        ({"age": -1}, r"age: "),
        ({"declined": 99}, r"declined: "),
        ({"utilization": 1.5}, r"utilization: "),
        ({"precision": "2-bit"}, r"precision: "),
        ({"kind": "x"}, r"kind: "),
    ],
)
def test_invalid_capability_fields_are_rejected(change, message):
    with pytest.raises(InputError, match=message):
        MODEL.replace(**change)


@pytest.mark.parametrize(("of", "how"), [(MODEL, {}), (MODEL, {"method": "factors"}), (GIVEN, {}), (RUN, {})])
def test_median_with_100_paths_agrees_with_100000_paths(of, how):
    many = project_cost(of, AHEAD, paths=100_000, **how)
    assert isinstance(many, Projection)
    assert matrix(many).shape == (100_000, 6) and many.today.shape == (100_000,)
    assert np.isfinite(matrix(many)).all() and (matrix(many) > 0).all()
    few = project_cost(of, AHEAD, paths=100, **how)
    assert matrix(few).shape == (100, 6)
    assert math.log(few.median(2030) / many.median(2030)) == pytest.approx(0, abs=0.5)


def test_default_number_of_paths_is_20000_and_more_paths_extend_them():
    few, many = (project_cost(MODEL, [2030], floor=False, **paths) for paths in ({}, {"paths": 30_000}))
    assert len(few.draws(2030)) == 20_000
    assert (many.draws(2030)[:20_000] == few.draws(2030)).all()


def test_endless_years_are_read_up_to_a_thousand():
    read = []

    def endless():
        while True:
            read.append(2030)
            yield 2030

    assert project_cost(MODEL, endless(), paths=100).years == (2030,)
    assert len(read) == 1000
