"""Owned accelerators: the lines of an hour, what they depend on, and bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.market.owned import owning_default
from costmodel.market.owned_costs import YEAR, interest_of_life

SIMPLE = cm.Ownership(
    purchase_price=40_000,
    includes="server",
    server_factor=1.6,
    network_share=0.0,
    storage_share=0.0,
    life=4,
    residual_share=0.2,
    cost_of_capital=0.0,
    utilization=1.0,
    idle_power_share=0.0,
    data_center_capital=0.0,
    data_center_life=15,
    staff=0.0,
    support_share=0.0,
)
SITE = cm.Site(power_per_gpu=1000, pue=1.2, electricity=0.1)
HOURS = YEAR / 3600


def lines(ownership, site=SITE, accelerator="H100-SXM"):
    return {row["line"]: row["usd"] for row in ownership.levelized(accelerator, site).rows()}


def test_an_hour_is_straight_line_depreciation_and_electricity():
    hour = lines(SIMPLE)
    assert hour["accelerators"] == pytest.approx(25_000 * 0.8 / (4 * HOURS))
    assert hour["servers"] == pytest.approx(15_000 * 0.8 / (4 * HOURS))
    assert hour["electricity"] == pytest.approx(1.2 * 0.1)
    assert hour["total"] == pytest.approx(40_000 * 0.8 / (4 * HOURS) + 0.12)


def test_network_and_storage_are_shares_of_the_whole_price():
    hour = lines(SIMPLE.replace(network_share=0.15, storage_share=0.05))
    hardware = hour["accelerators"] + hour["servers"] + hour["network"] + hour["storage"]
    assert hour["network"] / hardware == pytest.approx(0.15)
    assert hour["storage"] / hardware == pytest.approx(0.05)
    assert hardware == pytest.approx(40_000 / 0.8 * 0.8 / (4 * HOURS))


def test_idle_hours_are_paid_by_the_others():
    full, half = lines(SIMPLE), lines(SIMPLE.replace(utilization=0.5, idle_power_share=0.25))
    assert half["accelerators"] == pytest.approx(2 * full["accelerators"])
    assert half["electricity"] == pytest.approx(1.25 * full["electricity"])


def test_support_and_staff_are_per_year():
    hour = lines(SIMPLE.replace(support_share=0.05, staff=876.6))
    assert hour["support"] == pytest.approx(2000 / HOURS)
    assert hour["staff"] == pytest.approx(0.1)


def test_data_center_capital_is_per_megawatt_of_design_power():
    hour = lines(SIMPLE.replace(data_center_capital=10e6, power_capacity=1300))
    assert hour["data_center"] == pytest.approx(13_000 / (15 * HOURS))


def test_colocation_replaces_the_data_center():
    given = SIMPLE.given()
    given = {name: value for name, value in given.items() if not name.startswith("data_center")}
    hour = lines(cm.Ownership(**given, colocation=200, power_capacity=1500))
    assert "data_center" not in hour
    assert hour["colocation"] == pytest.approx(300 * 12 / HOURS)
    assert hour["electricity"] == pytest.approx(0.12)
    inclusive = lines(cm.Ownership(**given, colocation=200, colocation_includes_electricity=True))
    assert "electricity" not in inclusive


def test_interest_recovers_the_price_with_compound_interest():
    rate, life, residual = 0.08, 5 * YEAR, 0.1
    payment = (interest_of_life(rate, life, residual) + (1 - residual) / life) * YEAR
    growth = np.log(1 + rate)
    present = payment * (1 - np.exp(-growth * 5)) / growth + residual * 1.08**-5
    assert present == pytest.approx(1.0)
    assert interest_of_life(0.0, life, residual) == 0.0
    np.testing.assert_allclose(interest_of_life(np.array([0.0, rate]), life, residual)[1], payment / YEAR - 0.9 / life)


def test_real_dollars_count_the_interest_above_inflation():
    nominal = SIMPLE.replace(cost_of_capital=0.08)
    real = nominal.replace(dollars="real", inflation=0.03)
    assert lines(real)["capital"] == pytest.approx(lines(nominal.replace(cost_of_capital=1.08 / 1.03 - 1))["capital"])
    assert lines(nominal.replace(dollars="real", inflation=0.0)) == pytest.approx(lines(nominal))
    assumed = nominal.replace(dollars="real").levelized("H100-SXM", SITE)
    assert 0.02 < assumed.inputs["prices.inflation"][1].value < 0.033
    assert lines(nominal.replace(dollars="real", inflation=0.1))["capital"] < 0  # money loses more than it earns


def test_interest_of_the_data_center_is_in_the_line_of_interest():
    without, owned = SIMPLE.replace(cost_of_capital=0.1), SIMPLE.replace(cost_of_capital=0.1, data_center_capital=1e7)
    assert lines(owned)["capital"] > lines(without)["capital"] > 0


@given(st.floats(1000, 1e5), st.floats(1.5, 10), st.floats(0, 0.5), st.floats(0.1, 1))
def test_the_hour_is_linear_in_the_purchase_price(price, life, residual, utilization):
    own = SIMPLE.replace(life=life, residual_share=residual, utilization=utilization, cost_of_capital=0.07)
    free, one, two = (lines(own.replace(purchase_price=value))["total"] for value in (0.0, price, 2 * price))
    assert two - free == pytest.approx(2 * (one - free), rel=1e-9)


@given(st.floats(1, 10), st.floats(1, 10), st.floats(0, 0.5))
def test_a_longer_life_never_raises_the_hour_without_interest(first, second, residual):
    short, long = sorted((first, second))
    own = SIMPLE.replace(residual_share=residual)
    assert lines(own.replace(life=long))["total"] <= lines(own.replace(life=short))["total"] * (1 + 1e-12)


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.floats(0, 0.2))
def test_a_higher_utilization_never_raises_the_hour(first, second, rate):
    low, high = sorted((first, second))
    own = SIMPLE.replace(cost_of_capital=rate, idle_power_share=0.3)
    assert lines(own.replace(utilization=high))["total"] <= lines(own.replace(utilization=low))["total"] * (1 + 1e-12)


@given(st.floats(0, 0.3), st.floats(0, 0.3))
def test_a_higher_cost_of_capital_never_lowers_the_hour(first, second):
    low, high = sorted((first, second))
    assert lines(SIMPLE.replace(cost_of_capital=low))["total"] <= lines(SIMPLE.replace(cost_of_capital=high))["total"]


def test_lines_add_up_in_every_draw():
    hour = cm.Ownership().levelized("H100-SXM")
    drawn = hour.lines_of(hour.drawn(1000))
    np.testing.assert_allclose(sum(drawn.values()), hour.draws(1000), rtol=1e-12)
    low, high = hour.interval()
    assert low < hour.cost < high


def test_defaults_have_sources_and_spreads():
    hour = cm.Ownership().levelized("A100-80GB-SXM")
    for path, (_, figure) in hour.inputs.items():
        if path != "prices.power_capacity":
            assert figure.spread is not None and figure.provenance.source, path
    assert owning_default("server_factor", "ampere").value == pytest.approx(1.66, abs=0.005)
    assert owning_default("server_factor", "hopper").value == pytest.approx(1.64, abs=0.005)
    assert owning_default("network_share").value == pytest.approx(0.19, abs=0.002)
    assert owning_default("value_decline").value == pytest.approx(0.14 * np.log(10), rel=0.05)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"life": -1}, "life"),
        ({"utilization": 0}, "utilization"),
        ({"utilization": 1.5}, "utilization"),
        ({"utilization": 1e-9}, "utilization must be at least 1e-06; got 1e-09"),
        ({"server_factor": 0.5}, "server_factor"),
        ({"purchase_price": "30k EUR"}, "purchase_price"),
        ({"network_share": 0.6, "storage_share": 0.4}, "network_share and storage_share"),
        ({"depreciation": "price_performance", "life": 5}, "life has no effect"),
        ({"value_decline": 0.3}, "value_decline has no effect"),
        ({"purchase_price": 1000, "on": "2026-01-01"}, "on has no effect"),
        ({"includes": "server"}, "includes has no effect"),
        ({"inflation": 0.02}, "inflation has no effect"),
        ({"hosting": "colocation", "data_center_capital": 1e7}, "data_center_capital has no effect"),
        ({"hosting": "data_center", "colocation": 200}, "colocation has no effect"),
        ({"deprecation": "straight_line"}, "depreciation"),
        ({"on": "yesterday"}, "on"),
    ],
)
def test_bad_input_names_the_field(fields, problem):
    with pytest.raises(cm.InputError, match=problem):
        cm.Ownership(**fields)


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [({"seed": -1}, ["seed"]), ({"site": True}, ["site"]), ({"seed": "x", "site": 2}, ["seed", "site"])],
)
def test_bad_arguments_of_the_levelized_hour_are_named(arguments, problems):
    with pytest.raises(cm.InputError) as error:
        cm.Ownership().levelized("H100-SXM", **arguments)
    assert [problem.partition(":")[0] for problem in error.value.problems] == problems


@pytest.mark.parametrize("level", [0, 1.5, "80 %", None])
def test_levels_of_the_levelized_hour_are_fractions(level):
    hour = cm.Ownership().levelized("H100-SXM")
    for function in (hour.interval, hour.rows):
        with pytest.raises(cm.InputError, match="level must be a fraction between 0 and 1"):
            function(level)


def test_an_accelerator_without_a_price_names_the_field():
    with pytest.raises(cm.MissingFactError, match=r"prices\.purchase_price"):
        cm.Ownership().levelized("Trainium3")
    own = cm.Accelerator("mine", bf16=500, memory=80)
    with pytest.raises(cm.MissingFactError, match=r"prices\.power_capacity"):
        cm.Ownership(purchase_price=10_000).levelized(own)
