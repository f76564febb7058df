"""Trends: given, published and fitted rates, intervals, paths, and rejected arguments."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.ranges import between
from costmodel.foundation.tables import read_csv, table
from costmodel.projection.trends.fit import MODELS, FittedTrend, decimal_year, fit_trend
from costmodel.projection.trends.trend import COMPUTED, Trend, trends
from costmodel.refit.trends import computed_trends

RATES = [row["name"] for row in trends() if row["kind"] == "rate"]


def generator(seed=0):
    return np.random.default_rng(seed)


def test_rate_is_a_number_an_interval_or_a_doubling_or_halving_time():
    assert Trend(rate=1.28).factor(2.0) == pytest.approx(1.28**2)
    assert Trend(rate="1.2 to 1.4", per="year").factor(1.0) == pytest.approx(math.sqrt(1.2 * 1.4))
    assert Trend(rate=1.02, per="month").yearly == pytest.approx(1.02**12)
    assert Trend(doubles_in="2 years").factor(4.0) == pytest.approx(4.0)
    assert Trend(halves_in="8.4 months").halving_time.magnitude == pytest.approx(0.7)
    assert Trend(halves_in="5 to 14 months").factor(1.0) == pytest.approx(0.5 ** (12 / math.sqrt(70)))
    assert Trend(rate=2.0).doubling_time.magnitude == pytest.approx(1.0)


def test_interval_equals_the_given_interval_and_grows_with_time():
    trend = Trend(rate="1.2 to 1.4")
    assert trend.interval(1.0) == pytest.approx((1.2, 1.4), rel=0.01)
    assert trend.interval(3.0) == pytest.approx((1.2**3, 1.4**3), rel=0.02)
    assert Trend(rate=between(1.2, 1.4, level=0.95)).interval(1.0, 0.95) == pytest.approx((1.2, 1.4), rel=0.01)
    assert Trend(rate=1.3).interval(2.0) == pytest.approx((1.69, 1.69))


def test_fading_rate_approaches_the_rate_after_fading():
    trend = Trend(rate=math.e, fade=4.0)
    assert math.log(trend.factor(100.0)) == pytest.approx(4.0)
    assert trend.factor(1.0) < math.e
    lasting = Trend(rate=math.e, fade=4.0, lasting=1.1)
    assert lasting.factor(60.0) / lasting.factor(59.0) == pytest.approx(1.1, rel=1e-3)


def test_value_approaches_the_floor():
    trend = Trend(rate=0.4, floor=0.05)
    assert trend.factor([0.0, 50.0]) == pytest.approx([1.0, 0.05])
    assert trend.paths([20.0], 100, generator()).min() >= 0.05


def test_random_walk_spread_grows_with_the_square_root_of_time():
    logs = np.log(Trend(rate=1.0, walk=0.2).paths([4.0, 1.0], 20_000, generator()))
    assert logs.std(axis=0) == pytest.approx([0.4, 0.2], rel=0.03)
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(0.5, abs=0.03)


def test_path_keeps_its_regime():
    trend = Trend(regimes=(Trend(rate=0.8), Trend(rate=1.6)), weights=(0.7, 0.3))
    paths = trend.paths([1.0, 2.0], 10_000, generator())
    assert set(np.round(paths[:, 1] / paths[:, 0], 6)) == {0.8, 1.6}
    assert (paths[:, 0] > 1).mean() == pytest.approx(0.3, abs=0.02)
    assert trend.factor(1.0) == pytest.approx(0.8)
    assert trend.interval(1.0) == pytest.approx((0.8, 1.6))
    assert trend.halving_time.magnitude == pytest.approx(math.log(2) / -math.log(0.8))


@pytest.mark.parametrize("name", RATES)
def test_published_trend_has_the_published_rate_and_interval(name):
    row = next(row for row in trends() if row["name"] == name)
    trend = Trend.published(name)
    times = {
        "doubling time": lambda: trend.doubling_time.magnitude,
        "halving time": lambda: trend.halving_time.magnitude,
    }
    shown = times.get(row["measure"], lambda: trend.yearly)()
    # published intervals are not always symmetric around the central value
    assert shown == pytest.approx(float(row["central"]), rel=0.2)
    if row["low"]:
        ends = trend.interval(1.0, float(row["level"]))
        sign = {"doubling time": 1, "halving time": -1}.get(row["measure"])
        given_ends = [float(row["low"]), float(row["high"])]
        expected = sorted(2 ** (sign / end) for end in given_ends) if sign else given_ends
        assert np.log(ends) == pytest.approx(np.log(expected), rel=0.05)


def test_main_rates_equal_those_of_their_papers():
    assert Trend.published("gpu price-performance, ml gpus").doubling_time.magnitude == pytest.approx(2.07, rel=0.01)
    assert Trend.published("frontier training cost").interval(1.0, 0.9) == pytest.approx((2.0, 2.9), rel=0.02)
    assert Trend.published("algorithms, language models").halving_time.magnitude * 12 == pytest.approx(8.4, rel=0.02)
    assert Trend.published("frontier training compute").yearly == 4.6


def test_every_row_has_source_and_grade():
    rows = trends()
    assert len(rows) > 40
    assert all(row["source"] and row["grade"] in {"published", "secondary", COMPUTED} for row in rows)
    assert all(bool(row["low"]) == bool(row["high"]) == bool(row["level"]) for row in rows)
    assert {row["kind"] for row in rows} == {"rate", "bound", "level"}
    assert len({row["name"] for row in rows}) == len(rows)
    assert all("weak" in row["note"] for row in trends("inference price"))


def test_computed_rows_equal_a_new_fit():
    computed = computed_trends()
    rows = {row["name"]: row for row in trends() if row["grade"] == COMPUTED}
    assert set(rows) == set(computed)
    for name, row in rows.items():
        low, high = computed[name].interval(1.0)
        assert (computed[name].yearly, low, high) == pytest.approx(
            (float(row["central"]), float(row["low"]), float(row["high"])), abs=6e-4
        )
        assert len(computed[name].values) == int(row["n"])


def test_computed_rows_follow_the_published_rows_of_their_quantity():
    names = [row["name"] for row in trends()]
    assert "after" not in trends()[0]
    for name in ("memory bandwidth", "memory capacity", "16-bit performance"):
        assert names[names.index(name) + 1] == f"{name}, catalog"
    assert names.index("energy efficiency, catalog") + 1 == names.index("cmos headroom")
    assert len(names) == len(table("facts/trends").rows) + len(table("fitted/trends").rows)


def test_h100_rental_prices_fell_until_october_2025_and_rose_after():
    before, after = (computed_trends()[f"h100 rent at neoclouds, {when}"] for when in ("to 2025-10", "since 2025-11"))
    assert before.yearly - 1 == pytest.approx(-0.20, abs=0.01)
    assert after.yearly - 1 == pytest.approx(0.595, abs=0.01)
    assert before.interval(1.0)[1] < 1 < after.interval(1.0)[0]


def test_rate_of_price_per_flop_agrees_with_the_study():
    computed = computed_trends()
    assert math.log(computed["launch price per flop/s, tensor cores"].yearly) == pytest.approx(-0.20, abs=0.02)
    assert math.log(computed["cheapest rented flop, hyperscaler lists"].yearly) == pytest.approx(-0.22, abs=0.03)
    # The study found -0.29; without the doubtful price of MI355X at Crusoe (3.45 USD/hour) the rate is lower.
    assert math.log(computed["cheapest rented flop, neoclouds"].yearly) == pytest.approx(-0.16, abs=0.01)


def test_h100_purchase_prices_have_no_significant_rate(shared):
    rows = [
        row for row in read_csv(shared / "facts" / "gpu_purchase_prices.csv").rows if "H100 SXM5" in row["hardware"]
    ]
    fit = fit_trend([row["as_of"] for row in rows], [float(row["usd_per_device"]) for row in rows])
    low, high = fit.interval(1.0)
    assert len(rows) >= 10
    assert low < 1 < high
    old = [row for row in read_csv(shared / "facts" / "gpu_purchase_prices.csv").rows if "K80" in row["hardware"]]
    assert fit_trend([row["as_of"] for row in old], [float(row["usd_per_device"]) for row in old]).yearly < 0.8


def test_two_values_need_noise():
    with pytest.raises(InputError, match=r"2 values determine the rate but not its error; give `noise`"):
        fit_trend([2020, 2022], [1.0, 4.0])
    fit = fit_trend([2020, 2022], [1.0, 4.0], noise=0.1)
    assert fit.yearly == pytest.approx(2.0)
    half = 1.2816 * 0.1 * math.sqrt(2) / 2
    assert fit.interval(1.0) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)), rel=0.01)


def test_interval_narrows_with_more_values():
    dates = np.arange(2010.0, 2024.0)
    values = 1.4 ** (dates - 2010) * np.exp(0.1 * np.sin(7 * dates))
    widths = [np.ptp(np.log(fit_trend(dates[:n], values[:n]).interval(1.0))) for n in (3, 6, 14)]
    assert widths[0] > 1.3 * widths[1] > 2 * widths[2]


def test_constant_model_has_the_student_t_interval():
    x, y = np.arange(5.0), np.array([0.0, 0.5, 0.9, 1.6, 1.9])
    slope, intercept = np.polyfit(x, y, 1)
    error = math.sqrt(((y - intercept - slope * x) ** 2).sum() / 3 / ((x - 2) ** 2).sum())
    fit = fit_trend(2020 + x, np.exp(y))
    assert np.log(fit.interval(1.0)) == pytest.approx([slope - 1.6377 * error, slope + 1.6377 * error], rel=0.01)


def test_decaying_model_recovers_rate_and_time_constant():
    dates = np.arange(2015.0, 2025.0, 0.25)
    since = dates - dates[0]
    fit = fit_trend(dates, np.exp(2.0 * 3.0 * (1 - np.exp(-since / 3.0))), "decaying")
    assert fit.yearly == pytest.approx(math.exp(2.0 * math.exp(-since[-1] / 3.0)), rel=0.01)
    assert fit.factor(50.0) == pytest.approx(math.exp(6.0 * math.exp(-since[-1] / 3.0)), rel=0.05)
    assert fit.aic < fit_trend(dates, fit.values, "constant").aic


def test_random_walk_model_recovers_drift_and_spread():
    steps = generator(3).normal(0.05, 0.2, 400)
    fit = fit_trend(np.arange(2000.0, 2000.0 + 401), np.exp(np.concatenate([[0.0], np.cumsum(steps)])), "random-walk")
    assert fit.walk == pytest.approx(0.2, rel=0.1)
    assert math.log(fit.yearly) == pytest.approx(steps.mean(), abs=1e-9)
    assert fit.level == pytest.approx(fit.values[-1])


def test_regimes_model_finds_the_break():
    dates = np.arange(2018.0, 2026.0, 0.5)
    logs = np.where(dates < 2023, -0.3 * (dates - 2018), -1.5 + 0.6 * (dates - 2023))
    fit = fit_trend(dates, np.exp(logs + 0.01 * np.cos(9 * dates)), "regimes")
    assert [math.log(regime.yearly) for regime in fit.regimes] == pytest.approx([-0.3, 0.6], abs=0.03)
    assert "2022.75" in fit.note
    assert fit.weights[0] == pytest.approx(0.63, abs=0.02)
    low, high = fit.interval(1.0)
    assert low < 1 < high


def test_crps_ranks_models():
    dates = np.arange(2010.0, 2025.0)
    straight = 1.5 ** (dates - 2010) * np.exp(0.05 * np.sin(5 * dates))
    fits = {model: fit_trend(dates, straight, model) for model in ("constant", "random-walk")}
    assert fits["constant"].crps() < fits["random-walk"].crps()
    assert fit_trend([2020, 2021, 2022], [1, 2, 3.9]).crps() is None
    assert "AIC" in fits["constant"].summary()
    assert [row["years"] for row in fits["constant"].rows((1, 2))] == [1.0, 2.0]


def test_dates_may_be_iso_dates_or_decimal_years_in_any_order():
    days = ["2020-01-01", "2021-01-01", "2022-01-01"]
    assert fit_trend(days, [1, 2, 4]).yearly == pytest.approx(fit_trend([2020, 2021, 2022], [1, 2, 4]).yearly)
    assert decimal_year("2024-12-31") < 2025
    shuffled = fit_trend([2022, 2020, 2021], [4, 1, 2])
    assert shuffled.dates == (2020.0, 2021.0, 2022.0)
    assert shuffled.value(1.0) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give exactly one of rate, doubles_in, halves_in and regimes; got none"),
        ({"rate": 1.2, "doubles_in": 2}, "got rate, doubles_in"),
        ({"rate": -0.3}, "must be a number above 0"),
        ({"rate": 0.7, "lasting": 0.9}, "lasting: is the rate after fading"),
        ({"doubles_in": 2, "per": "month"}, "per: applies to `rate` only"),
        ({"rat": 1.2}, "did you mean 'rate'"),
        ({"rate": 1.2, "floor": 1.0}, "floor"),
        ({"regimes": (Trend(rate=1.1),), "walk": 0.1}, "set them in each regime"),
    ],
)
def test_invalid_trend_fields_are_rejected(fields, message):
    with pytest.raises(InputError) as error:
        Trend(**fields)
    assert message in str(error.value)


def test_invalid_calls_name_the_accepted_ones():
    with pytest.raises(InputError, match=r"does not grow.*use halving_time"):
        _ = Trend(rate=0.7).doubling_time
    with pytest.raises(UnknownNameError, match=r"did you mean"):
        Trend.published("gpu price performance, ml gpu")
    with pytest.raises(InputError, match=r"is a bound, not a rate"):
        Trend.published("utilization")
    with pytest.raises(InputError, match=r"years must be numbers from 0 to 100"):
        Trend(rate=1.2).factor(-1.0)
    with pytest.raises(InputError, match=r"set `fade`"):
        Trend(rate=1e6).factor(100.0)
    with pytest.raises(InputError, match=r"unknown model 'linear'"):
        fit_trend([1, 2], [1, 2], "linear")
    with pytest.raises(InputError, match=r"the rate cannot be determined"):
        fit_trend([2020.0, 2020.001, 2020.002], [1.0, 2.0, 1.5])


def test_all_problems_of_a_fit_are_reported_in_one_error():
    with pytest.raises(InputError) as error:
        fit_trend(["2020-01-01", "yesterday"], [1.0, -2.0, 3.0])
    assert len(error.value.problems) == 3


def test_trend_survives_serialization():
    trend = Trend(rate="1.2 to 1.4", fade="2 to 6 years", lasting=1.05, quantity="price")
    assert Trend.from_data(trend.to_data()) == trend
    fit = fit_trend([2020, 2021, 2022, 2023], [1.0, 1.4, 2.1, 2.8])
    assert FittedTrend.from_data(fit.to_data()).factor(2.0) == pytest.approx(fit.factor(2.0))


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(0.3, 4.0),
    spread=st.floats(1.01, 3.0),
    fade=st.none() | st.floats(0.1, 20.0),
    walk=st.floats(0.0, 1.0),
    floor=st.floats(0.0, 0.9),
    years=st.lists(st.floats(0.0, 15.0), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_paths_are_finite_and_not_below_the_floor(rate, spread, fade, walk, floor, years, seed):
    trend = Trend(rate=between(rate / spread, rate * spread), fade=fade, walk=walk, floor=floor)
    paths = trend.paths(years, 50, generator(seed))
    assert paths.shape == (50, len(years))
    assert np.isfinite(paths).all()
    assert (paths >= floor).all()
    assert (paths > 0).all()
    assert (paths == trend.paths(years, 50, generator(seed))).all()
    assert np.shape(trend.factor(np.array(years))) == (len(years),)
    assert trend.factor(years[0]) == pytest.approx(np.asarray(trend.factor(np.array(years)))[0])


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    logs=st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=20),
    gaps=st.lists(st.floats(0.2, 2.0), min_size=20, max_size=20),
)
def test_fit_is_finite_or_rejected(model, logs, gaps):
    dates = 2000.0 + np.cumsum(gaps[: len(logs)])
    try:
        fit = fit_trend(dates, np.exp(logs), model)
    except InputError:
        return
    paths = fit.paths([1.0, 3.0], 20, generator())
    assert np.isfinite(paths).all()
    assert (paths > 0).all()
    assert math.isfinite(fit.aic)


@pytest.mark.parametrize(("model", "least"), [("constant", 2), ("random-walk", 3), ("decaying", 4), ("regimes", 6)])
def test_each_model_needs_a_least_number_of_values(model, least):
    dates = [2015.0 + year for year in range(least)]
    values = [math.exp(0.3 * year - 0.01 * year**2) for year in range(least)]
    assert fit_trend(dates, values, model, noise=0.1).model == model
    with pytest.raises(InputError, match="two different dates" if least == 2 else f"needs at least {least} values"):
        fit_trend(dates[:-1], values[:-1], model, noise=0.1)


def test_time_constants_are_searched_on_120_steps_between_a_tenth_of_a_year_and_30_years():
    """Each step is a factor of 300^(1/120)."""
    dates = np.arange(2015.0, 2025.0, 0.05)

    def fade(true):
        steep = 1.0 if math.isinf(true) else true * 0.1
        logs = 0.1 * (dates - dates[0]) if math.isinf(true) else steep * -np.expm1(-(dates - dates[0]) / true)
        found = fit_trend(dates, np.exp(logs), "decaying").fade
        return found if isinstance(found, float) else found.median()

    assert fade(0.02) == pytest.approx(0.1)
    assert fade(math.inf) == pytest.approx(30.0)
    step = math.log(fade(2.0) / 0.1) / math.log(300.0) * 120
    assert fade(2.0) == pytest.approx(2.0, rel=0.03)
    assert step == pytest.approx(round(step), abs=1e-6)


@pytest.mark.parametrize(("before", "found"), [(2.0, True), (1.8, False)])
def test_shortest_regime_has_a_fifth_of_the_time(before, found):
    """The rate of ten years changes after the first values."""
    dates = np.concatenate([np.linspace(0.0, before, 5), np.linspace(before + 0.1, 10.0, 20)])
    values = np.exp(np.where(dates <= before, -dates, -before + 0.5 * (dates - before)))
    fit = fit_trend(2010 + dates, values, "regimes")
    assert (f"{2010 + before + 0.05:.2f}" in fit.note) is found


@pytest.mark.parametrize(("rate", "accepted"), [(1e6, True), (1.1e6, False), (1e-6, True)])
def test_rate_is_at_most_a_million_a_year(rate, accepted):
    if accepted:
        assert Trend(rate=rate).yearly == pytest.approx(rate)
    else:
        with pytest.raises(InputError, match="rate"):
            Trend(rate=rate)


@pytest.mark.parametrize(("years", "accepted"), [(29.9, True), (30.1, False)])
def test_value_changes_by_at_most_e_to_the_300(years, accepted):
    trend = Trend(rate=math.exp(10))
    if accepted:
        assert math.log(trend.factor(years)) == pytest.approx(10 * years)
    else:
        with pytest.raises(InputError, match="exceeds exp"):
            trend.factor(years)


def test_fading_rate_ends_in_no_change_by_default():
    assert Trend(rate=2.0, fade=1.0).factor(60.0) == pytest.approx(2.0)


def test_crps_of_a_normal_forecast():
    """0.234 standard deviations for an outcome at the median: (sqrt(2) - 1) / sqrt(pi), from 1,000 draws."""
    dates = np.arange(2000.0, 2041.0)
    fit = fit_trend(dates, np.exp(0.1 * (dates - 2000)), "constant", noise=0.2)
    assert fit.crps() == pytest.approx(0.2 * (math.sqrt(2) - 1) / math.sqrt(math.pi), rel=0.05)


def test_interval_of_a_fading_trend_is_that_of_20000_draws():
    trend = Trend(rate="1.2 to 1.4", fade="2 to 4")
    drawn = trend.paths([3.0], 20_000, generator(0))[:, 0]
    assert trend.interval(3.0) == pytest.approx(tuple(np.quantile(drawn, (0.1, 0.9))), rel=1e-12)


@pytest.mark.parametrize(("rate", "words"), [(1 + 0.9e-9, "does not change"), (1 + 1.15e-9, "doubles in")])
def test_changes_below_a_billionth_a_year_are_none(rate, words):
    assert words in Trend(rate=rate).summary()
