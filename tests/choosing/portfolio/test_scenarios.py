"""Scenarios: measured price changes, common random numbers, two-stage costs by hand, and CVaR."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.choosing.portfolio.scenarios import cvar, drawn_scenarios, measured_factors
from costmodel.foundation.tables import default, table

NEVER = {"price_changes_per_year": 0, "retirements_per_year": 0, "access_losses_per_year": 0}
CHAT = cm.PortfolioWorkload(name="chat", requests_per_month=1e6, input_tokens=1000, output_tokens=1)


def option(name, usd, **fields):
    """Return an API that costs `usd` per thousand requests."""
    serving = cm.HostedAPI(name=name, usd_per_million_input=usd, usd_per_million_output=0)
    return cm.PortfolioOption(serving=serving, **({"provider": name, "seat": "US"} | fields))


def solved(options, *, constraints=None, seed=0, **shocks):
    fields = {"switching_usd": 0, "switching_months": 0, "scenarios": 50, "horizon_months": 12} | NEVER | shocks
    return cm.portfolio([CHAT], options, constraints, shocks=cm.PortfolioShocks(**fields), seed=seed)


def test_measured_changes_leave_out_names_that_may_have_moved():
    factors = measured_factors()
    rows = [row for row in table("prices/api_changes").rows if row["alias"] == "no"]
    assert len(factors) < len(rows) < len(table("prices/api_changes").rows)
    assert max(factors) == pytest.approx((0.44 / 0.14 * 1.32 / 0.28) ** 0.5, rel=0.01)  # deepseek-v4-flash
    assert any(abs(factor - 0.2) < 1e-9 for factor in factors)  # o3
    assert {row["model"] for row in rows}.isdisjoint({"grok-4", "grok-3", "deepseek-chat"})
    assert sum(factor > 1 for factor in factors) / len(factors) == pytest.approx(0.35, abs=0.1)


def test_the_default_rate_of_price_changes_covers_the_dated_table():
    rows = [row for row in table("prices/api_changes").rows if row["from_date"] and row["to_date"]]
    days = {(dt.date.fromisoformat(row["to_date"]) - dt.date.fromisoformat(row["from_date"])).days for row in rows}
    years = days.pop() / 365.25
    assert not days
    prices = len(table("prices/api").rows)
    strict = sum(row["alias"] == "no" for row in rows) / prices / years
    low, high = default("price_changes_per_year").spread.low, default("price_changes_per_year").spread.high
    assert low <= strict * 1.05 and strict < len(rows) / prices / years < high


def test_nothing_happens_without_shocks():
    result = solved([option("a", 1), option("b", 2)])
    assert result.usd_per_month == pytest.approx(1000)
    assert np.allclose(result.outcomes.usd, 12_000)
    assert result.cvar_usd == pytest.approx(result.unchanged_usd)


def test_a_certain_rise_is_paid_until_the_switch_and_then_avoided():
    result = solved(
        [option("a", 1), option("b", 2)], price_changes_per_year=1000, price_factors=[4.0], scenarios=20,
        switching_usd=300, switching_months=0.5,
    )  # fmt: skip
    scenarios = drawn_scenarios(result.question.offers, result.question.shocks, 0)
    months = scenarios.months
    held = 1000 * months + 4000 * (12 - months)
    assert np.allclose(result.outcomes.held_usd, held)
    assert np.allclose(result.outcomes.usd, held)  # b rises too
    own = cm.SelfHosted(name="own", gpus_per_replica=1, requests_per_second=9, usd_per_gpu_hour=2000 / 730.5)
    result = solved(
        [option("a", 1), own], price_changes_per_year=1000, price_factors=[4.0], scenarios=20, switching_usd=300,
        switching_months=0.5,
    )  # fmt: skip
    end = np.minimum(months + 0.5, 12)
    moved = 1000 * months + 4000 * (end - months) + 2000 * (12 - end) + 300
    assert np.allclose(result.outcomes.usd, np.minimum(moved, held))
    assert (result.outcomes.usd < held - 1).any()


def test_a_lost_provider_does_damage_until_requests_move():
    asked = [option("a", 1), option("b", 2, seat="FR")]
    result = solved(asked, access_losses_per_year=1000, home_seats="FR", switching_months=1, switching_usd=500)
    months = drawn_scenarios(result.question.offers, result.question.shocks, 0).months
    end = np.minimum(months + 1, 12)
    damage = 10 * 1500  # the median price of the two options
    held = 1000 * months + damage * (12 - months)
    moved = 1000 * months + damage * (end - months) + 2000 * (12 - end) + 500
    assert np.allclose(result.outcomes.held_usd, held)
    assert np.allclose(result.outcomes.usd, np.minimum(moved, held))
    assert np.allclose(result.outcomes.unserved, np.where(moved < held, end - months, 12 - months) / 12)


def test_caps_are_given_up_where_requests_would_not_be_served():
    asked = [option("a", 1), option("b", 2, seat="FR")]
    cap = cm.PortfolioConstraints(provider_cap=0.6)
    result = solved(asked, constraints=cap, access_losses_per_year=1000, home_seats="FR")
    months = drawn_scenarios(result.question.offers, result.question.shocks, 0).months
    assert np.allclose(result.outcomes.usd, (600 + 800) * months + 2000 * (12 - months))
    assert not result.outcomes.unserved.any()


def test_a_retirement_costs_the_move_to_a_successor():
    asked = [option("a", 1, retires="2027-06-01"), option("b", 2)]
    result = solved(asked, start="2026-12-01", switching_usd=700)
    assert np.allclose(result.outcomes.usd, 12_000 + 700)
    late = solved(asked, start="2026-12-01", switching_usd=700, horizon_months=3)
    assert np.allclose(late.outcomes.usd, 3000)


def test_an_option_that_is_retired_at_the_start_is_not_used():
    result = solved([option("a", 1, retires="2026-11-30"), option("b", 2)], start="2026-12-01")
    assert [row["option"] for row in result.rows()] == ["b"]
    assert "a: retired on 2026-11-30" in str(result)


def test_recourse_never_costs_more_than_holding():
    asked = [option("a", 1), option("b", 1.1), option("c", 1.2, seat="FR")]
    result = solved(asked, price_changes_per_year=0.5, retirements_per_year=0.5, access_losses_per_year=0.1,
                    switching_usd=1000, switching_months=1, scenarios=300)  # fmt: skip
    assert (result.outcomes.usd <= result.outcomes.held_usd + 1e-6).all()
    assert (result.outcomes.usd < result.outcomes.held_usd - 1).any()
    held = solved(asked, price_changes_per_year=0.5, retirements_per_year=0.5, access_losses_per_year=0.1,
                  switching_usd=1000, switching_months=1, scenarios=300, recourse=False)  # fmt: skip
    assert np.allclose(held.outcomes.usd, result.outcomes.held_usd)


@settings(max_examples=20)
@given(
    prices=st.lists(st.floats(0.5, 5), min_size=2, max_size=4),
    factors=st.lists(st.floats(0.3, 3), min_size=1, max_size=3),
    more=st.floats(1.0, 2.5),
    cap=st.none() | st.sampled_from([0.5, 0.8]),
    seed=st.integers(0, 5),
)
def test_a_larger_shock_never_lowers_cvar(prices, factors, more, cap, seed):
    asked = [option(f"o{place}", usd, seat=("US", "FR")[place % 2]) for place, usd in enumerate(prices)]
    fields = {
        "constraints": cm.PortfolioConstraints(provider_cap=cap), "seed": seed, "scenarios": 40, "switching_usd": 400,
        "price_changes_per_year": 1, "access_losses_per_year": 0.1, "switching_months": 1,
    }  # fmt: skip
    small, large = (
        solved(asked, price_factors=[factor * times for factor in factors], **fields) for times in (1.0, more)
    )
    assert small.cvar_usd <= large.cvar_usd * (1 + 1e-7) + 1e-3
    assert small.expected_usd <= large.expected_usd * (1 + 1e-7) + 1e-3


def test_more_losses_of_access_never_lower_cvar():
    asked = [option("a", 1), option("b", 1.5, seat="FR"), option("c", 2, seat="DE")]
    worst = [
        solved(asked, access_losses_per_year=rate, switching_months=1, scenarios=200).cvar_usd
        for rate in (0, 0.02, 0.1, 0.5)
    ]
    assert worst == sorted(worst)
    assert worst[0] < worst[-1]


def test_scenarios_depend_on_the_seed_and_the_names_only():
    asked = [option("a", 1), option("b", 1.5)]
    shocks = {"price_changes_per_year": 2, "scenarios": 100}
    first, again, other = (solved(asked, seed=seed, **shocks) for seed in (1, 1, 2))
    assert np.array_equal(first.outcomes.usd, again.outcomes.usd)
    assert not np.array_equal(first.outcomes.usd, other.outcomes.usd)
    more = solved([*asked, option("c", 9)], seed=1, **shocks)
    drawn, wider = (drawn_scenarios(each.question.offers, each.question.shocks, 1) for each in (first, more))
    assert np.array_equal(drawn.factors, wider.factors[:, :2])


def test_frequency_of_shocks_follows_the_rates():
    asked = [option(f"o{place}", 1, seat="US") for place in range(5)]
    result = solved(asked, price_changes_per_year=0.2, retirements_per_year=0.5, access_losses_per_year=0.05,
                    price_factors=[2.0], scenarios=4000, horizon_months=24)  # fmt: skip
    drawn = drawn_scenarios(result.question.offers, result.question.shocks, 0)
    assert (drawn.factors == 2).mean() == pytest.approx(1 - np.exp(-0.4), abs=0.01)
    assert drawn.retired.mean() == pytest.approx(1 - np.exp(-1.0), abs=0.01)
    assert drawn.lost.mean() == pytest.approx(1 - np.exp(-0.1), abs=0.015)
    assert (drawn.lost == drawn.lost[:, :1]).all()  # all providers of a country at once
    assert drawn.months.mean() == pytest.approx(12, abs=0.3)


def test_cvar_is_the_mean_of_the_dearest_scenarios():
    usd = np.arange(1.0, 101.0)
    assert cvar(usd, 0.95) == pytest.approx(98)
    assert cvar(usd, 0.0) == pytest.approx(usd.mean())
    assert cvar(np.array([1.0, 2.0, 10.0]), 0.5) == pytest.approx((10 + 0.5 * 2) / 1.5)
    assert cvar(usd, 0.9) <= cvar(usd, 0.95) <= cvar(usd, 0.999)
