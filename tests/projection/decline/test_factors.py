"""Cost factors: rates, fading, upper bounds and correlated draws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import table
from costmodel.projection.decline.factors import (
    REGIMES,
    Factor,
    algorithms,
    declines,
    factor,
    generator,
)

YEARS = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 25.0]
NORMALS = np.linspace(-4, 4, 201)
FADES = NORMALS[::-1]
rates = st.floats(0.001, 3.0)


def factor_of(low, ratio, **fields):
    return Factor("a factor", low, low * ratio, **fields)


factors = st.builds(
    factor_of,
    rates,
    st.floats(1.01, 20.0),
    shape=st.sampled_from(["lognormal", "uniform"]),
    fade=st.one_of(st.just(math.inf), st.floats(0.1, 50.0)),
    fade_spread=st.floats(0.0, 1.0),
    lasting=st.floats(0.0, 1.0),
    most=st.one_of(st.just(math.inf), st.floats(0.0, 3.0)),
)


@given(factors)
def test_decline_starts_at_zero_never_decreases_and_is_bounded(cost_factor):
    declined = cost_factor.declines(YEARS, NORMALS, FADES)
    assert declined.shape == (len(NORMALS), len(YEARS))
    assert np.isfinite(declined).all()
    assert (declined[:, 0] == 0).all()
    assert (np.diff(declined, axis=1) >= -1e-12).all()
    assert (declined <= cost_factor.most).all()


@given(factors)
def test_fading_rate_declines_at_most_as_much_as_a_constant_rate(cost_factor):
    faded = cost_factor.declines(YEARS, NORMALS, FADES)
    steady = cost_factor._replace(fade=math.inf).declines(YEARS, NORMALS, FADES)
    assert (faded <= steady + 1e-9).all()


@given(factors, st.floats(1.1, 5.0))
def test_slower_fading_gives_a_larger_decline(cost_factor, slower):
    if math.isfinite(cost_factor.fade):
        declined = cost_factor._replace(fade=cost_factor.fade * slower).declines(YEARS, NORMALS, FADES)
        assert (declined >= cost_factor.declines(YEARS, NORMALS, FADES) - 1e-9).all()


def test_fading_rate_equals_the_closed_form():
    fading = Factor("fading", 0.5, 2.0, fade=4.0, lasting=0.1)  # median rate: 1 per year
    declined = fading.declines([3.0], np.zeros(1), np.zeros(1))[0, 0]
    assert declined == pytest.approx(0.1 * 3 + 0.9 * 4 * (1 - math.exp(-3 / 4)))


def test_rate_converges_to_the_rate_after_fading():
    fast = factor("algorithms, fast", fade_spread=0.0)
    late = fast.declines([200.0, 201.0], np.linspace(-2, 2, 9), np.zeros(9))
    assert np.diff(late, axis=1)[:, 0] == pytest.approx(fast.lasting, rel=1e-6)
    assert fast.lasting == 0.1


def test_rate_below_the_rate_after_fading_stays_constant():
    slow = Factor("slow", 0.01, 0.02, fade=4.0, lasting=0.5)
    assert slow.declines([10.0], np.zeros(1), np.zeros(1))[0, 0] == pytest.approx(10 * math.sqrt(0.01 * 0.02))


def test_low_and_high_are_the_ends_of_the_80_percent_interval():
    hardware = factor("hardware")
    drawn = declines({"hardware": (hardware,)}, [1.0], 40_000, seed=3)["hardware"][:, 0]
    assert np.quantile(drawn, [0.1, 0.5, 0.9]) == pytest.approx(
        [hardware.low, math.sqrt(hardware.low * hardware.high), hardware.high], rel=0.02
    )
    assert np.quantile(drawn, 0.5) == pytest.approx(0.25, rel=0.02)  # ln 1.28: price-performance doubles in 2.8 years


def test_uniform_rate_covers_low_to_high_evenly():
    slow = factor("algorithms, slow", fade=math.inf)
    drawn = declines({"one": (slow,)}, [1.0], 40_000, seed=0)["one"][:, 0]
    assert slow.low <= drawn.min() < drawn.max() <= slow.high
    assert np.histogram(drawn, bins=4, range=(slow.low, slow.high))[0] == pytest.approx(10_000, rel=0.05)


def test_draws_depend_on_the_seed_and_on_the_factor():
    parts = {"hardware": (factor("hardware"),), "utilization": (factor("utilization"),)}
    first, again = declines(parts, [2.0], 500, seed=1), declines(parts, [2.0], 500, seed=1)
    other = declines(parts, [2.0], 500, seed=2)
    for name in parts:
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    alone = declines({"hardware": (factor("hardware"),)}, [2.0], 500, seed=1)["hardware"]
    assert np.array_equal(first["hardware"], alone)  # another factor does not change these draws
    assert np.array_equal(generator("a", 1).random(3), generator("a", 1).random(3))
    assert not np.array_equal(generator("a", 1).random(3), generator("b", 1).random(3))


def test_draws_do_not_depend_on_the_other_horizons():
    parts = {"algorithms": algorithms("mixture")}
    few, many = (declines(parts, years, 500, seed=0)["algorithms"] for years in ([1.0, 3.0], [1.0, 2.0, 3.0, 9.0]))
    assert np.array_equal(few, many[:, [0, 2]])


def test_correlation_widens_the_sum_and_keeps_each_distribution():
    parts = {"algorithms": algorithms("fast"), "hardware": (factor("hardware"),)}
    apart, together = (declines(parts, [3.0], 40_000, 0, correlation=rho) for rho in (0.0, 0.9))
    assert np.log(together["hardware"]).std() == pytest.approx(np.log(apart["hardware"]).std(), rel=0.02)
    assert (together["algorithms"] + together["hardware"]).std() > (apart["algorithms"] + apart["hardware"]).std() * 1.1
    for rho, stated in ((0.15, {}), (0.6, {"correlation": 0.6})):
        rate = declines({name: (factor("hardware"),) for name in "ab"}, [1.0], 40_000, 0, **stated)
        measured = np.corrcoef(np.log(rate["a"][:, 0]), np.log(rate["b"][:, 0]))[0, 1]
        assert measured == pytest.approx(rho, abs=0.02)


def test_mixture_draws_one_regime_per_path():
    both = declines({"algorithms": algorithms("mixture")}, [1.0, 5.0], 4_000, 0)["algorithms"]
    fast, slow = (
        declines({"algorithms": algorithms(regime)}, [1.0, 5.0], 4_000, 0)["algorithms"] for regime in ("fast", "slow")
    )
    is_fast = (both == fast).all(axis=1)
    assert (is_fast | (both == slow).all(axis=1)).all()
    assert is_fast.mean() == pytest.approx(0.5, abs=0.03)
    assert np.median(slow) < np.median(both) < np.median(fast)


def test_unknown_factor_and_regime_are_rejected():
    with pytest.raises(InputError, match=r"unknown factor 'hardwar'; did you mean 'hardware'"):
        factor("hardwar")
    with pytest.raises(InputError, match=r"regime: unknown regime 'quick'; known: fast, mixture, slow"):
        algorithms("quick")
    assert [len(algorithms(regime)) for regime in REGIMES] == [1, 1, 2]


def test_every_factor_of_the_table_is_valid_and_has_a_source():
    rows = table("assumptions/cost_factors").rows
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        listed = factor(row["name"])
        assert 0 < listed.low < listed.high and listed.shape in ("lognormal", "uniform")
        assert len(listed.source) > 20
        assert listed.lasting < listed.low and listed.most > 0
    assert factor("hardware", low=0.2).low == 0.2


def test_algorithm_rates_equal_published_rates():
    fast, slow = factor("algorithms, fast"), factor("algorithms, slow")
    # Ho et al. 2024: required compute halves every 8.4 months (95 %: 5 to 14)
    halving = math.log(2) * 12 / 8.4
    spread = math.log(14 / 5) / (2 * 1.96)
    assert math.sqrt(fast.low * fast.high) == pytest.approx(halving, rel=0.01)
    assert math.log(fast.high / fast.low) / (2 * 1.2816) == pytest.approx(spread, rel=0.01)
    # Gundlach et al. 2025: 1.1 to 2 times a year
    assert (math.exp(slow.low), math.exp(slow.high)) == pytest.approx((1.1, 2.0), rel=0.001)


def test_hardware_rate_holds_the_observed_declines_of_price_per_flop():
    """Rents at neoclouds 0.16 a year, purchase prices 0.20, rents at hyperscalers 0.24; above them their growth."""
    hardware = factor("hardware")
    assert hardware.low <= 0.16 and hardware.high >= 0.24
    assert math.sqrt(hardware.low * hardware.high) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("name", "gain", "years"),
    [("precision to fp8", 1.57, 4.0), ("precision to fp4", 1.42, 4.5), ("utilization", 2.0, 10)],
)
def test_headroom_of_a_factor_lasts_for_years_at_its_median_rate(name, gain, years):
    """Measured steps gain 1.2 to 1.6 with FP8 and 1.1 to 1.4 more with FP4; utilization doubles from 0.25 to 0.5."""
    listed = factor(name)
    assert listed.most == pytest.approx(math.log(gain), abs=0.01)
    assert listed.most / math.sqrt(listed.low * listed.high) == pytest.approx(years, rel=0.05)


def test_share_of_the_cost_that_does_not_fall_is_below_that_of_electricity():
    """Electricity is some 3 % of the bill and gets cheaper with efficiency."""
    floor = factor("floor")
    assert 0.02 < floor.high < 0.03
    assert floor.high / floor.low == pytest.approx(25)
