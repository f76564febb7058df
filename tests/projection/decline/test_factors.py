"""Factors of a fall in cost: their rates, how those fade, where they end, and how they are drawn together."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import table
from costmodel.projection.decline.factors import (
    CORRELATION,
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


def built(low, wider, **others):
    return Factor("a factor", low, low * wider, **others)


factors = st.builds(
    built,
    rates,
    st.floats(1.01, 20.0),
    shape=st.sampled_from(["lognormal", "uniform"]),
    fade=st.one_of(st.just(math.inf), st.floats(0.1, 50.0)),
    fade_spread=st.floats(0.0, 1.0),
    lasting=st.floats(0.0, 1.0),
    most=st.one_of(st.just(math.inf), st.floats(0.0, 3.0)),
)


@given(factors)
def test_a_decline_starts_at_nothing_never_falls_back_and_ends_where_it_is_used_up(one):
    found = one.declines(YEARS, NORMALS, FADES)
    assert found.shape == (len(NORMALS), len(YEARS))
    assert np.isfinite(found).all()
    assert (found[:, 0] == 0).all()
    assert (np.diff(found, axis=1) >= -1e-12).all()
    assert (found <= one.most).all()


@given(factors)
def test_what_fades_never_gains_more_than_what_does_not(one):
    faded = one.declines(YEARS, NORMALS, FADES)
    steady = one._replace(fade=math.inf).declines(YEARS, NORMALS, FADES)
    assert (faded <= steady + 1e-9).all()


@given(factors, st.floats(1.1, 5.0))
def test_slower_fading_gains_more(one, slower):
    if math.isfinite(one.fade):
        found = one._replace(fade=one.fade * slower).declines(YEARS, NORMALS, FADES)
        assert (found >= one.declines(YEARS, NORMALS, FADES) - 1e-9).all()


def test_a_rate_that_fades_by_hand():
    one = Factor("one", 0.5, 2.0, fade=4.0, lasting=0.1)  # a median of 1 a year
    found = one.declines([3.0], np.zeros(1), np.zeros(1))[0, 0]
    assert found == pytest.approx(0.1 * 3 + 0.9 * 4 * (1 - math.exp(-3 / 4)))


def test_in_the_long_run_the_lasting_rate_is_left():
    one = factor("algorithms, fast", fade_spread=0.0)
    late = one.declines([200.0, 201.0], np.linspace(-2, 2, 9), np.zeros(9))
    assert np.diff(late, axis=1)[:, 0] == pytest.approx(one.lasting, rel=1e-6)
    assert one.lasting == 0.1


def test_a_rate_below_the_lasting_one_is_not_raised_to_it():
    slow = Factor("slow", 0.01, 0.02, fade=4.0, lasting=0.5)
    assert slow.declines([10.0], np.zeros(1), np.zeros(1))[0, 0] == pytest.approx(10 * math.sqrt(0.01 * 0.02))


def test_the_ends_are_those_of_the_eighty_percent_interval():
    hardware = factor("hardware")
    drawn = declines({"hardware": (hardware,)}, [1.0], 40_000, seed=3)["hardware"][:, 0]
    assert np.quantile(drawn, [0.1, 0.5, 0.9]) == pytest.approx(
        [hardware.low, math.sqrt(hardware.low * hardware.high), hardware.high], rel=0.02
    )
    assert np.quantile(drawn, 0.5) == pytest.approx(0.25, rel=0.02)  # ln 1.28: doubling in 2.8 years


def test_a_uniform_rate_lies_within_its_ends_and_fills_them():
    slow = factor("algorithms, slow", fade=math.inf)
    drawn = declines({"one": (slow,)}, [1.0], 40_000, seed=0)["one"][:, 0]
    assert slow.low <= drawn.min() < drawn.max() <= slow.high
    assert np.histogram(drawn, bins=4, range=(slow.low, slow.high))[0] == pytest.approx(10_000, rel=0.05)


def test_draws_are_seeded_and_each_factor_has_its_own():
    parts = {"hardware": (factor("hardware"),), "utilization": (factor("utilization"),)}
    found, again = declines(parts, [2.0], 500, seed=1), declines(parts, [2.0], 500, seed=1)
    other = declines(parts, [2.0], 500, seed=2)
    for name in parts:
        assert np.array_equal(found[name], again[name])
        assert not np.array_equal(found[name], other[name])
    alone = declines({"hardware": (factor("hardware"),)}, [2.0], 500, seed=1)["hardware"]
    assert np.array_equal(found["hardware"], alone)  # one factor more moves no other
    assert np.array_equal(generator("a", 1).random(3), generator("a", 1).random(3))
    assert not np.array_equal(generator("a", 1).random(3), generator("b", 1).random(3))


def test_a_horizon_more_moves_no_other():
    parts = {"algorithms": algorithms("mixture")}
    few, many = (declines(parts, years, 500, seed=0)["algorithms"] for years in ([1.0, 3.0], [1.0, 2.0, 3.0, 9.0]))
    assert np.array_equal(few, many[:, [0, 2]])


def test_correlated_rates_spread_their_sum_and_leave_each_alone():
    parts = {"algorithms": algorithms("fast"), "hardware": (factor("hardware"),)}
    apart, together = (declines(parts, [3.0], 40_000, 0, correlation=rho) for rho in (0.0, 0.9))
    assert np.log(together["hardware"]).std() == pytest.approx(np.log(apart["hardware"]).std(), rel=0.02)
    assert (together["algorithms"] + together["hardware"]).std() > (apart["algorithms"] + apart["hardware"]).std() * 1.1
    for rho in (CORRELATION, 0.6):
        rate = declines({name: (factor("hardware"),) for name in "ab"}, [1.0], 40_000, 0, correlation=rho)
        seen = np.corrcoef(np.log(rate["a"][:, 0]), np.log(rate["b"][:, 0]))[0, 1]
        assert seen == pytest.approx(rho, abs=0.02)


def test_the_mixture_takes_one_regime_for_each_path():
    both = declines({"algorithms": algorithms("mixture")}, [1.0, 5.0], 4_000, 0)["algorithms"]
    fast, slow = (declines({"algorithms": algorithms(each)}, [1.0, 5.0], 4_000, 0)["algorithms"]
                  for each in ("fast", "slow"))  # fmt: skip
    is_fast = (both == fast).all(axis=1)
    assert (is_fast | (both == slow).all(axis=1)).all()
    assert is_fast.mean() == pytest.approx(0.5, abs=0.03)
    assert np.median(slow) < np.median(both) < np.median(fast)


def test_what_is_not_known_is_said():
    with pytest.raises(InputError, match=r"unknown factor 'hardwar'; did you mean 'hardware'"):
        factor("hardwar")
    with pytest.raises(InputError, match=r"regime: unknown regime 'quick'; known: fast, mixture, slow"):
        algorithms("quick")
    assert [len(algorithms(each)) for each in REGIMES] == [1, 1, 2]


def test_every_factor_of_the_table_can_be_read_and_has_a_source():
    rows = table("assumptions/cost_factors").rows
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        one = factor(row["name"])
        assert 0 < one.low < one.high and one.shape in ("lognormal", "uniform")
        assert len(one.source) > 20
        assert one.lasting < one.low and one.most > 0
    assert factor("hardware", low=0.2).low == 0.2


def test_published_rates():
    fast, slow = factor("algorithms, fast"), factor("algorithms, slow")
    # Ho et al. 2024: compute halves every 8.4 months, 95 % between 5 and 14
    halving = math.log(2) * 12 / 8.4
    spread = math.log(14 / 5) / (2 * 1.96)
    assert math.sqrt(fast.low * fast.high) == pytest.approx(halving, rel=0.01)
    assert math.log(fast.high / fast.low) / (2 * 1.2816) == pytest.approx(spread, rel=0.01)
    # Gundlach et al. 2025: 1.1 to 2 times a year
    assert (math.exp(slow.low), math.exp(slow.high)) == pytest.approx((1.1, 2.0), rel=0.001)
